/* SPDX-License-Identifier: Apache-2.0
 *
 * topology.h - which replicas hold which shard, how each of them does, and the transport over them.
 *
 * The file (libconfig) is static:
 *   shards = ( { replicas = ("10.0.0.1:7001", "10.0.0.2:7001"); }, { replicas = (...); } );
 * A read takes any replica that is well, in turn. "Well": its health watch does not say otherwise
 * and its last calls did not fail; one that failed is passed over for a second while another one
 * is well, and asked when it is the only one left that does not say "not serving".
 *
 * Threads: everything is thread-safe after open, without locks; close is the owner's.
 */
#ifndef COORD_TOPOLOGY_H
#define COORD_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/generation.h"
#include "coordinator/transport.h"
#include "rpc/rpc.h"

enum { COORD_SHARDS_MAX = 4096, COORD_REPLICAS_MAX = 16 };

/* The parsed file. */
struct coord_map_shard {
    char **addresses; /* owned */
    uint32_t n;
};
struct coord_map {
    struct coord_map_shard *shards; /* owned */
    uint32_t n;
};
/* Errors are WF_INVALID with "path:line: ". */
WF_MUST_CHECK enum wf_code coord_map_read(const char *file, struct coord_map *out,
                                          struct wf_error *err);
void coord_map_fini(struct coord_map *m);

struct coord_topology;
struct coord_topology_config {
    const struct coord_map *map;        /* borrowed until open returns */
    const struct wf_manifest *manifest; /* borrowed until close */
    size_t max_message, max_arena;      /* of the peers, as in rpc_peer_config */
    int keepalive_ms;
    struct rpc_tls tls;
};
/* WF_PRECONDITION when the map and the manifest differ in their number of shards. */
WF_MUST_CHECK enum wf_code coord_topology_open(struct rpc_loop *loop,
                                               const struct coord_topology_config *config,
                                               struct coord_topology **out, struct wf_error *err);
/* Ends all calls; waits for them. Not from a loop thread; NULL is fine. */
void coord_topology_close(struct coord_topology *t);

/* Borrowed until close. */
const struct coord_transport *coord_topology_transport(const struct coord_topology *t);
uint32_t coord_topology_shards(const struct coord_topology *t);
uint32_t coord_topology_replicas(const struct coord_topology *t, uint32_t shard);
struct rpc_peer *coord_topology_peer(const struct coord_topology *t, uint32_t shard,
                                     uint32_t replica);
const char *coord_topology_address(const struct coord_topology *t, uint32_t shard,
                                   uint32_t replica);

/* What a replica's Stats said. */
enum coord_holding {
    COORD_HOLDING_UNKNOWN, /* not heard yet, or unreachable */
    COORD_HOLDING,         /* holds the generation */
    COORD_HOLDING_NOT,     /* is another shard, or holds other generations: never asked */
};
struct coord_heard {
    enum coord_holding holding;
    /* Of COORD_HOLDING alone: */
    uint64_t documents, cpu_us;
    int64_t asked; /* when the question was sent: the figures are no older */
};
void coord_topology_heard(struct coord_topology *t, uint32_t shard, uint32_t replica,
                          const struct coord_heard *heard);
/* CPU time of a replica's process and the time since which it may have grown; false: never heard.
 */
bool coord_topology_cpu(const struct coord_topology *t, uint32_t shard, uint32_t replica,
                        uint64_t *cpu_us, int64_t *since);
/* Shards with at least one replica that is well and holds the generation. */
uint32_t coord_topology_ready(const struct coord_topology *t);
bool coord_topology_well(const struct coord_topology *t, uint32_t shard, uint32_t replica);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * gather.h - one call per shard, all at once; the last one home continues the query.
 *
 * A slot per shard. Each call has the gather's deadline, so every slot ends by itself and no timer
 * is needed: an answer, a refusal, a timeout, or garbage (which is discarded and counted). A
 * replica that fails in a way that another one may not is followed by the next, once. Partial
 * success is data: slots say how their shard did, coverage adds them up.
 *
 * Threads: the caller owns the gather until coord_gather_start; then each slot belongs to the
 * thread that its call completes on, and after the last one `done` runs with everything visible,
 * maybe before start returns. Memory: slots and requests in the caller's arena; each reply in its
 * slot's own arena, which lives until coord_gather_fini.
 */
#ifndef COORD_GATHER_H
#define COORD_GATHER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "coordinator/transport.h"
#include "proto/wire.h"

struct coord_gather;
struct coord_slot {
    struct coord_gather *gather;
    uint32_t shard, replica; /* replica: the one asked last, COORD_NO_REPLICA = none was */
    /* What to ask; message NULL: nothing to ask of this shard. */
    const ProtobufCMessage *message;
    const struct wire_search_request *search_asked;
    const struct wire_fetch_request *fetch_asked;
    uint32_t dim; /* that delivered vectors must have; 0: none are wanted */
    /* How it went. */
    enum wire_shard_state state;
    struct wf_error err; /* of the last attempt that failed */
    unsigned attempts, garbage;
    int64_t sent, came;
    struct wire_search_response search; /* when answered, by the method */
    struct wire_fetch_response fetch;
    struct wf_arena arena;
};
typedef void coord_gather_fn(void *ctx);
struct coord_gather {
    const struct coord_transport *transport;
    enum wire_method method; /* WIRE_SEARCH or WIRE_FETCH */
    int64_t deadline;        /* of the calls */
    struct coord_slot *slots;
    uint32_t n;
    atomic_uint pending;
    coord_gather_fn *done;
    void *ctx;
};

/* A slot per shard, nothing asked yet; NULL when the arena is full. `reply_limit`: bytes per reply.
 */
struct coord_gather *coord_gather_open(struct wf_arena *arena,
                                       const struct coord_transport *transport,
                                       enum wire_method method, size_t reply_limit);
/* `done` runs exactly once; the gather must not be touched in between. */
void coord_gather_start(struct coord_gather *g, int64_t deadline, coord_gather_fn *done, void *ctx);
/* Frees the replies; NULL is fine. */
void coord_gather_fini(struct coord_gather *g);

/* Whether the slot holds a reply. */
bool coord_slot_answered(const struct coord_slot *s);
/*
 * The coverage record of a search, and the reasons (bits) that its shards give. Shards in order of
 * their number. WF_EXHAUSTED when the arena is full.
 */
WF_MUST_CHECK enum wf_code coord_gather_coverage(const struct coord_gather *g,
                                                 struct wf_arena *arena, const char *generation,
                                                 struct wire_coverage *out, uint32_t *degraded);
/* The degraded-reason bits of the shards alone. */
uint32_t coord_gather_degraded(const struct coord_gather *g);

#endif

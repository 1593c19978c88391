/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_node.h - one coordinator: the generation it serves, its topology and refresh, its service.
 * What the executable's main plugs into the common process (rpc/rpc_process.h).
 */
#ifndef COORD_NODE_H
#define COORD_NODE_H

#include "base/config.h"
#include "rpc/rpc_process.h"

struct coord_conf {
    struct rpc_process_conf process;
    char *generation, *topology, *surfaces;
    char *peer_cert, *peer_key, *peer_ca;
    int64_t deadline_ms, reserve_ms, join_ms, keepalive_ms;
    uint64_t reply_arena, exclusions;
};
extern const struct wf_option coord_options[];
extern const unsigned coord_n_options;

/*
 * For rpc_process_app. The state is the service that the handlers want. A coordinator serves when
 * every shard has a replica that holds the generation, or, `coordinator.join_timeout` after its
 * start, when at least one has; it goes on serving when shards go away. Opening waits for that, so
 * that a process that says it is ready serves; past the timeout it opens all the same, not serving.
 */
enum wf_code coord_node_open(struct rpc_process *p, const void *conf, void **state,
                             struct wf_error *err);
/* The files that the configuration names: surfaces and topology. */
enum wf_code coord_node_check(const void *conf, struct wf_error *err);
char *coord_node_status(const void *state);
void coord_node_close(void *state);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * transport.h - what a query needs of the outside: a clock, a choice of replicas and a way to call
 * one. The real one is the topology's (topology.h); tests bring their own and run by seed.
 *
 * All functions are thread-safe and do not block.
 */
#ifndef COORD_TRANSPORT_H
#define COORD_TRANSPORT_H

#include <stdint.h>

#include "proto/wire.h"
#include "rpc/rpc.h"

#define COORD_NO_REPLICA UINT32_MAX

struct coord_call {
    enum wire_method method;
    const ProtobufCMessage *message; /* borrowed until the call returns */
    int64_t deadline;
    struct wf_arena *arena; /* the reply is decoded here; outlives `done` */
    rpc_done_fn *done;      /* exactly once, maybe before the call returns */
    void *ctx;
};
struct coord_transport {
    void *ctx;
    uint32_t n_shards;
    int64_t (*now)(void *ctx);
    /* A replica to ask, another than `except`; COORD_NO_REPLICA when none is worth it. */
    uint32_t (*pick)(void *ctx, uint32_t shard, uint32_t except);
    void (*call)(void *ctx, uint32_t shard, uint32_t replica, const struct coord_call *call);
    /* How the call went, garbage (WF_INTERNAL) included: what `pick` learns from. */
    void (*note)(void *ctx, uint32_t shard, uint32_t replica, enum wf_code code);
    /* Live documents of a shard as last heard, else by the manifest. */
    uint64_t (*documents)(void *ctx, uint32_t shard);
};

#endif

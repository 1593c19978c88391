/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_service.h - weft.v1.RecommendService over rpc: messages in, queries through the pipeline,
 * messages out. A batch runs its elements side by side under one deadline.
 *
 * Deadline: the earlier of the call's own and timeout_ms after arrival; with neither the configured
 * default; never more than WIRE_TIMEOUT_MAX_MS.
 */
#ifndef COORD_SERVICE_H
#define COORD_SERVICE_H

#include <stdatomic.h>

#include "coordinator/query.h"
#include "rpc/rpc.h"

/* Caller's storage; handlers get it as their ctx. */
struct coord_service {
    struct coord coord;       /* what it points to is borrowed until fini */
    int64_t default_deadline; /* ns */
    size_t max_arena;         /* bytes one query may use besides its message and replies */
    uint64_t seed;            /* of the request ids that we draw */
    atomic_ullong counter;
};
/* The three settings are copied; no call may be live when the storage goes. */
void coord_service_init(struct coord_service *s, const struct coord *coord,
                        int64_t default_deadline, size_t max_arena);

enum { COORD_SERVICE_METHODS = 2 };
/* The table for rpc_server_open. */
void coord_service_methods(struct rpc_method out[COORD_SERVICE_METHODS]);

#endif

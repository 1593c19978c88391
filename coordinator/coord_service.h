/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_service.h - weft.v1.RecommendService over rpc: messages in, queries through the pipeline,
 * messages out. A batch runs its elements side by side under one deadline. CoordinatorService
 * (inspect.h) is served beside it.
 *
 * Deadline: the earlier of the call's own and timeout_ms after arrival; with neither the configured
 * default; never more than WIRE_TIMEOUT_MAX_MS.
 */
#ifndef COORD_SERVICE_H
#define COORD_SERVICE_H

#include <stdatomic.h>

#include "coordinator/query.h"
#include "coordinator/topology.h"
#include "rpc/rpc.h"

/* Caller's storage; handlers get it as their ctx. */
struct coord_service {
    struct coord coord; /* what it and `topology` point to is borrowed until fini */
    const struct coord_topology *topology;
    int64_t default_deadline; /* ns */
    size_t max_arena;         /* bytes one query may use besides its message and replies */
    uint64_t seed;            /* of the request ids that we draw */
    atomic_ullong counter;
};
/* The settings are copied; no call may be live when the storage goes. */
void coord_service_init(struct coord_service *s, const struct coord *coord,
                        const struct coord_topology *topology, int64_t default_deadline,
                        size_t max_arena);
/* Of a call with this timeout_ms, 0 = none. */
int64_t coord_deadline(const struct coord_service *s, const struct rpc_request *rq,
                       uint32_t timeout_ms);

enum { COORD_SERVICE_METHODS = 5 };
/* The table for rpc_server_open. */
void coord_service_methods(struct rpc_method out[COORD_SERVICE_METHODS]);

#endif

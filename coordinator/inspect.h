/* SPDX-License-Identifier: Apache-2.0
 *
 * inspect.h - weft.internal.v1.CoordinatorService: what tools that measure ask a coordinator.
 *
 * Draw: users come from the coordinator's own map of ids. Items are known to their shards alone: a
 * draw is a row of the generation, so one Search per shard looks its rows up. Ids whose shard does
 * not answer are left out; when none is left the call is WF_UNAVAILABLE, reason NO_SHARD. The order
 * of one seed belongs to one generation: draw i of a seed is the same on every coordinator.
 *
 * Both are handlers with a struct coord_service as ctx: on a loop thread, without blocking.
 */
#ifndef COORD_INSPECT_H
#define COORD_INSPECT_H

#include "rpc/rpc.h"

void coord_draw(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx);
void coord_describe(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx);

#endif

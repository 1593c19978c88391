/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_coordinator.h - weft.internal.v1.CoordinatorService, both ways; the rules are those of
 * wire.h.
 */
#ifndef WIRE_COORDINATOR_H
#define WIRE_COORDINATOR_H

#include "proto/wire.h"

enum { WIRE_DRAW_MAX = WIRE_LOOKUP_MAX };

/* Values equal weft.internal.v1.DrawKind. */
enum wire_draw_kind { WIRE_DRAW_USERS = 1, WIRE_DRAW_ITEMS = 2 };
struct wire_draw_request {
    enum wire_draw_kind kind;
    uint64_t seed, first;
    uint32_t count;
};
struct wire_draw_response {
    const char *generation;
    uint64_t total;
    const char *const *ids;
    uint32_t n_ids;
};
WF_MUST_CHECK enum wf_code wire_draw_request_read(const ProtobufCMessage *msg,
                                                  struct wire_draw_request *out,
                                                  struct wf_error *err);
const ProtobufCMessage *wire_draw_request_message(const struct wire_draw_request *rq,
                                                  struct wf_arena *arena);
/* Checks the reply against its request: no more ids than were asked for and than there are. */
WF_MUST_CHECK enum wf_code wire_draw_response_read(const ProtobufCMessage *msg,
                                                   const struct wire_draw_request *asked,
                                                   struct wire_draw_response *out,
                                                   struct wf_error *err);
const ProtobufCMessage *wire_draw_response_message(const struct wire_draw_response *reply,
                                                   struct wf_arena *arena);

struct wire_process_cpu {
    uint32_t shard, replica;
    uint64_t cpu_us, age_us;
};
struct wire_describe_response {
    const char *generation;
    uint64_t documents, users, cpu_us;
    struct wire_process_cpu *processes; /* rising by (shard, replica) */
    uint32_t n_processes;
};
const ProtobufCMessage *wire_describe_request_message(struct wf_arena *arena);
WF_MUST_CHECK enum wf_code wire_describe_response_read(const ProtobufCMessage *msg,
                                                       struct wf_arena *arena,
                                                       struct wire_describe_response *out,
                                                       struct wf_error *err);
const ProtobufCMessage *wire_describe_response_message(const struct wire_describe_response *reply,
                                                       struct wf_arena *arena);

#endif

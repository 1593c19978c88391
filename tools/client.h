/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - a coordinator as a tool sees it: one loop, one connection, calls that wait.
 */
#ifndef TOOL_CLIENT_H
#define TOOL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "proto/wire_coordinator.h"
#include "rpc/rpc.h"

enum { TOOL_CLIENT_MESSAGE_MAX = 16 << 20, TOOL_CLIENT_ARENA_MAX = 64 << 20 };

struct tool_client {
    struct rpc_loop *loop;
    struct rpc_peer *peer;
};
/* Connects when the first call is made; an address that cannot be one is WF_INVALID. */
WF_MUST_CHECK enum wf_code tool_client_open(const char *target, unsigned threads,
                                            struct tool_client *out, struct wf_error *err);
void tool_client_close(struct tool_client *c);
/* Asks and waits; request, reply and everything below live in `arena`. */
WF_MUST_CHECK enum wf_code tool_client_recommend(struct tool_client *c,
                                                 const struct wire_recommend_request *rq,
                                                 int64_t deadline, struct wf_arena *arena,
                                                 struct wire_recommend_response *out,
                                                 struct wf_error *err);
WF_MUST_CHECK enum wf_code tool_client_exclude(struct tool_client *c,
                                               const struct wire_exclusions *list, int64_t deadline,
                                               struct wf_arena *arena,
                                               struct wire_exclusions_reply *out,
                                               struct wf_error *err);
WF_MUST_CHECK enum wf_code tool_client_draw(struct tool_client *c,
                                            const struct wire_draw_request *rq, int64_t deadline,
                                            struct wf_arena *arena, struct wire_draw_response *out,
                                            struct wf_error *err);
WF_MUST_CHECK enum wf_code tool_client_describe(struct tool_client *c, int64_t deadline,
                                                struct wf_arena *arena,
                                                struct wire_describe_response *out,
                                                struct wf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c - the connection of the tools to a coordinator.
 */
#include "tools/client.h"

enum wf_code tool_client_open(const char *target, unsigned threads, struct tool_client *out,
                              struct wf_error *err)
{
    const struct rpc_loop_config loop = {.threads = threads};
    const struct rpc_peer_config peer = {.target = target,
                                         .max_message = TOOL_CLIENT_MESSAGE_MAX,
                                         .max_arena = TOOL_CLIENT_ARENA_MAX};
    struct tool_client c = {0};
    enum wf_code code = rpc_loop_start(&loop, &c.loop, err);
    if (code != WF_OK) {
        return code;
    }
    code = rpc_peer_open(c.loop, &peer, &c.peer, err);
    if (code != WF_OK) {
        rpc_loop_stop(c.loop);
        return code;
    }
    *out = c;
    return WF_OK;
}

void tool_client_close(struct tool_client *c)
{
    rpc_peer_close(c->peer);
    rpc_loop_stop(c->loop);
}

/* `msg` NULL: it did not fit in the arena. */
static enum wf_code ask(struct tool_client *c, enum wire_method m, const ProtobufCMessage *msg,
                        const struct rpc_call_config *like, const ProtobufCMessage **reply,
                        struct wf_error *err)
{
    const struct wire_method_info *method = wire_method(m);
    struct rpc_call_config config = *like;
    config.path = method->path;
    config.reply = method->response;
    if (msg == NULL) {
        return wf_fail(err, WF_EXHAUSTED, "the request does not fit in %zu bytes",
                       like->arena->limit);
    }
    return rpc_call_wait(c->peer, &config, msg, reply, err);
}

enum wf_code tool_client_recommend(struct tool_client *c, const struct wire_recommend_request *rq,
                                   int64_t deadline, struct wf_arena *arena,
                                   struct wire_recommend_response *out, struct wf_error *err)
{
    const struct rpc_call_config config = {.deadline = deadline, .arena = arena};
    const ProtobufCMessage *reply;
    const enum wf_code code =
        ask(c, WIRE_RECOMMEND, wire_recommend_request_message(rq, arena), &config, &reply, err);
    return code == WF_OK ? wire_recommend_response_read(reply, arena, out, err) : code;
}

enum wf_code tool_client_exclude(struct tool_client *c, const struct wire_exclusions *list,
                                 int64_t deadline, struct wf_arena *arena,
                                 struct wire_exclusions_reply *out, struct wf_error *err)
{
    const struct rpc_call_config config = {.deadline = deadline, .arena = arena};
    const ProtobufCMessage *reply;
    const enum wf_code code =
        ask(c, WIRE_UPLOAD_EXCLUSIONS, wire_exclusions_message(list, arena), &config, &reply, err);
    return code == WF_OK ? wire_exclusions_reply_read(reply, arena, out, err) : code;
}

enum wf_code tool_client_draw(struct tool_client *c, const struct wire_draw_request *rq,
                              int64_t deadline, struct wf_arena *arena,
                              struct wire_draw_response *out, struct wf_error *err)
{
    const struct rpc_call_config config = {.deadline = deadline, .arena = arena};
    const ProtobufCMessage *reply;
    const enum wf_code code =
        ask(c, WIRE_DRAW, wire_draw_request_message(rq, arena), &config, &reply, err);
    return code == WF_OK ? wire_draw_response_read(reply, rq, out, err) : code;
}

enum wf_code tool_client_describe(struct tool_client *c, int64_t deadline, struct wf_arena *arena,
                                  struct wire_describe_response *out, struct wf_error *err)
{
    const struct rpc_call_config config = {.deadline = deadline, .arena = arena};
    const ProtobufCMessage *reply;
    const enum wf_code code =
        ask(c, WIRE_DESCRIBE, wire_describe_request_message(arena), &config, &reply, err);
    return code == WF_OK ? wire_describe_response_read(reply, arena, out, err) : code;
}

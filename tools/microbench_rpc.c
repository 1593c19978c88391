/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_rpc.c - one empty unary call over loopback, both ends in this process: CPU of the
 * whole process.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "proto/wire.h"
#include "rpc/rpc.h"
#include "tools/microbench.h"

enum { CALLS = 500 };

struct bench {
    struct rpc_peer *peer;
    struct wf_arena arena;
};

static void answer(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    (void)ctx;
    rpc_reply(rq, msg); /* an empty message is its own answer */
}

static void calls(void *ctx)
{
    struct bench *b = ctx;
    const struct wire_method_info *method = wire_method(WIRE_STATS);
    for (int i = 0; i < CALLS; i++) {
        wf_arena_reset(&b->arena);
        const struct rpc_call_config config = {.path = method->path,
                                               .reply = method->request,
                                               .deadline = wf_now() + 10 * WF_SECOND,
                                               .arena = &b->arena};
        const ProtobufCMessage *reply;
        struct wf_error err;
        wf_assert(rpc_call_wait(b->peer, &config, wire_stats_request_message(&b->arena), &reply,
                                &err) == WF_OK);
    }
}

static enum wf_code run_calls(struct rpc_loop *loop, const struct rpc_server *server, bool json,
                              struct wf_error *err)
{
    struct bench b = {0};
    char target[32];
    snprintf(target, sizeof target, "127.0.0.1:%d", rpc_server_port(server));
    const struct rpc_peer_config config = {
        .target = target, .max_message = 4 << 20, .max_arena = 4 << 20};
    const enum wf_code code = rpc_peer_open(loop, &config, &b.peer, err);
    if (code != WF_OK) {
        return code;
    }
    wf_arena_init(&b.arena, 1 << 20);
    const struct microbench_case c = {.name = "rpc",
                                      .label = "empty unary call, both ends",
                                      .unit = "call",
                                      .units = CALLS,
                                      .ours = calls,
                                      .kernel = "c",
                                      .process = true,
                                      .ctx = &b};
    microbench_run(&c, json);
    wf_arena_fini(&b.arena);
    rpc_peer_close(b.peer);
    return WF_OK;
}

enum wf_code microbench_rpc(bool json, struct wf_error *err)
{
    const struct wire_method_info *info = wire_method(WIRE_STATS);
    const struct rpc_method method = {
        .path = info->path, .request = info->request, .handle = answer};
    const struct rpc_loop_config loop_config = {.threads = 1};
    const struct rpc_server_config config = {
        .listen = "127.0.0.1:0", .max_message = 4 << 20, .max_arena = 4 << 20, .max_requests = 64};
    struct rpc_loop *loop;
    struct rpc_server *server;
    enum wf_code code = rpc_loop_start(&loop_config, &loop, err);
    if (code != WF_OK) {
        return code;
    }
    code = rpc_server_open(loop, &config, &method, 1, NULL, &server, err);
    if (code == WF_OK) {
        code = run_calls(loop, server, json, err);
        rpc_server_close(server, wf_now());
    }
    rpc_loop_stop(loop);
    return code;
}

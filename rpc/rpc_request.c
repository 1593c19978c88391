/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_request.c - one call being served: from its arrival to its one end.
 *
 * References: one for the handler, given up by rpc_reply(), rpc_fail() or rpc_request_finish(),
 * which turn it into that of the last batch; and one for each batch under way. RECV_CLOSE_ON_SERVER
 * is a batch of its own, started before the handler: that is how rpc_cancelled() becomes true while
 * a worker still computes, and it hides no failure of a send. The object goes with the last
 * reference, whichever event comes last.
 */
#include "rpc/rpc_internal.h"

#include <string.h>

#include "base/clock.h"

/* The most that headers and identity asked for may take; metadata itself is bounded by gRPC. */
#define MAX_STRINGS ((size_t)64 << 10)

void rpc_request_drop(struct rpc_request *rq)
{
    if (atomic_fetch_sub(&rq->refs, 1) != 1) {
        return;
    }
    struct rpc_server *server = rq->server;
    if (rq->call) {
        grpc_call_unref(rq->call);
    }
    if (rq->payload) {
        grpc_byte_buffer_destroy(rq->payload);
    }
    if (!rq->endpoint) {
        grpc_call_details_destroy(&rq->details);
    }
    grpc_metadata_array_destroy(&rq->headers);
    wf_arena_fini(&rq->arena);
    wf_arena_fini(&rq->strings);
    if (rq->counted) {
        atomic_fetch_sub(&server->live, 1);
    }
    wf_xfree(rq);
    rpc_server_drop(server);
}

static void on_close(struct rpc_op *op, bool ok)
{
    (void)ok; /* always true, whatever happened */
    struct rpc_request *rq = RPC_OWNER(op, struct rpc_request, close);
    if (rq->cancelled) {
        atomic_store(&rq->gone, true);
    }
    if (rq->endpoint && rq->endpoint->gone) {
        rq->endpoint->gone(rq, rq->endpoint->ctx);
    }
    rpc_request_drop(rq);
}

static void on_end(struct rpc_op *op, bool ok)
{
    (void)ok; /* the caller has gone: nobody is left to tell */
    rpc_request_drop(RPC_OWNER(op, struct rpc_request, end));
}

void rpc_request_begin(struct rpc_request *rq)
{
    rq->arrival = wf_now();
    wf_arena_init(&rq->arena, rq->server->max_arena);
    wf_arena_init(&rq->strings, MAX_STRINGS);
    rq->close.step = on_close;
    rq->end.step = on_end;
    atomic_fetch_add(&rq->refs, 1);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &rq->cancelled;
    rpc_start_batch(rq->call, &op, 1, &rq->close);
}

void rpc_request_send(struct rpc_request *rq, const ProtobufCMessage *msg, struct rpc_op *op)
{
    grpc_byte_buffer buffer;
    rpc_buffer_init(&buffer, rpc_pack(msg, rpc_packed_size(msg)));
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_MESSAGE}, {.op = GRPC_OP_SEND_INITIAL_METADATA}};
    ops[0].data.send_message.send_message = &buffer;
    const size_t n = rq->begun ? 1 : 2;
    rq->begun = true;
    atomic_fetch_add(&rq->refs, 1);
    rpc_start_batch(rq->call, ops, n, op);
    rpc_buffer_fini(&buffer);
}

void rpc_request_receive(struct rpc_request *rq, grpc_byte_buffer **into, struct rpc_op *op)
{
    grpc_op ops = {.op = GRPC_OP_RECV_MESSAGE};
    ops.data.recv_message.recv_message = into;
    atomic_fetch_add(&rq->refs, 1);
    rpc_start_batch(rq->call, &ops, 1, op);
}

/* Sends a status, with details when there are some. Ends the handler's reference. */
static void end_with(struct rpc_request *rq, grpc_status_code code, const char *text,
                     const grpc_slice *details)
{
    grpc_slice message = text[0] ? grpc_slice_from_copied_string(text) : grpc_empty_slice();
    grpc_metadata md;
    memset(&md, 0, sizeof md);
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
                      {.op = GRPC_OP_SEND_INITIAL_METADATA}};
    ops[0].data.send_status_from_server.status = code;
    ops[0].data.send_status_from_server.status_details = text[0] ? &message : NULL;
    if (details) {
        md.key = grpc_slice_from_static_string("grpc-status-details-bin");
        md.value = *details;
        ops[0].data.send_status_from_server.trailing_metadata = &md;
        ops[0].data.send_status_from_server.trailing_metadata_count = 1;
    }
    const size_t n = rq->begun ? 1 : 2;
    wf_arena_fini(&rq->arena);
    rpc_start_batch(rq->call, ops, n, &rq->end);
    grpc_slice_unref(message);
}

void rpc_fail(struct rpc_request *rq, const struct wf_error *err, const ProtobufCMessage *extra)
{
    struct wf_error e = *err;
    if (e.code == WF_OK) {
        e.code = WF_INTERNAL;
    }
    char text[sizeof e.text];
    rpc_clean_text(e.text, text, sizeof text);
    grpc_slice details;
    const bool some = rpc_status_pack(&e, extra, &details);
    end_with(rq, (grpc_status_code)e.code, text, some ? &details : NULL);
    if (some) {
        grpc_slice_unref(details);
    }
}

void rpc_request_finish(struct rpc_request *rq)
{
    end_with(rq, GRPC_STATUS_OK, "", NULL);
}

void rpc_reply(struct rpc_request *rq, const ProtobufCMessage *msg)
{
    const size_t size = rpc_packed_size(msg);
    if (size > rq->server->max_message) {
        struct wf_error err;
        wf_fail(&err, WF_EXHAUSTED, "reply of %zu bytes, limit is %zu", size,
                rq->server->max_message);
        wf_reason(&err, "REPLY_TOO_LARGE");
        rpc_fail(rq, &err, NULL);
        return;
    }
    grpc_byte_buffer buffer;
    rpc_buffer_init(&buffer, rpc_pack(msg, size));
    wf_arena_fini(&rq->arena);
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_STATUS_FROM_SERVER}};
    ops[1].data.send_message.send_message = &buffer;
    ops[2].data.send_status_from_server.status = GRPC_STATUS_OK;
    rpc_start_batch(rq->call, ops, 3, &rq->end);
    rpc_buffer_fini(&buffer);
}

struct wf_arena *rpc_arena(struct rpc_request *rq)
{
    return &rq->arena;
}

int64_t rpc_deadline(const struct rpc_request *rq)
{
    return rpc_from_timespec(rq->core_deadline);
}

int64_t rpc_arrival(const struct rpc_request *rq)
{
    return rq->arrival;
}

bool rpc_cancelled(const struct rpc_request *rq)
{
    return atomic_load(&rq->gone);
}

const char *rpc_header(struct rpc_request *rq, const char *key)
{
    for (size_t i = 0; i < rq->headers.count; i++) {
        const grpc_metadata *md = &rq->headers.metadata[i];
        if (grpc_slice_str_cmp(md->key, key) == 0) {
            return wf_arena_strndup(&rq->strings, (const char *)GRPC_SLICE_START_PTR(md->value),
                                    GRPC_SLICE_LENGTH(md->value));
        }
    }
    return NULL;
}

const char *rpc_identity(struct rpc_request *rq)
{
    if (!rq->identity) {
        rq->identity = rpc_call_identity(rq->call, &rq->strings);
    }
    return rq->identity;
}

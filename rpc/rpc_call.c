/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_call.c - one call being made: one batch of six operations, one step, one done-function.
 *
 * Two references: gRPC's, until the step has run `done`, and the handle's, until
 * rpc_call_release(). The grpc_call lives as long as the object, so that a late rpc_call_cancel()
 * finds something to cancel in vain. After `done` the peer is not touched through the handle.
 */
#include "rpc/rpc_internal.h"

#include <string.h>

#define DETAILS_KEY "grpc-status-details-bin"

static void unref(struct rpc_call *c)
{
    if (atomic_fetch_sub(&c->refs, 1) != 1) {
        return;
    }
    grpc_call_unref(c->call);
    wf_xfree(c);
}

/* Gives back what the batch received; the call object itself may live on in its handle. */
static void release_results(struct rpc_call *c)
{
    if (c->payload) {
        grpc_byte_buffer_destroy(c->payload);
    }
    grpc_metadata_array_destroy(&c->initial);
    grpc_metadata_array_destroy(&c->trailing);
    grpc_slice_unref(c->text);
    wf_arena_fini(&c->own);
}

static void unlink_call(struct rpc_call *c)
{
    struct rpc_peer *peer = c->peer;
    pthread_mutex_lock(&peer->mu);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        peer->calls = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    if (peer->closing) {
        pthread_cond_signal(&peer->idle);
    }
    pthread_mutex_unlock(&peer->mu);
}

/* True when the peer closes: the call is to be cancelled at once. */
static bool link_call(struct rpc_call *c)
{
    struct rpc_peer *peer = c->peer;
    pthread_mutex_lock(&peer->mu);
    c->next = peer->calls;
    if (c->next) {
        c->next->prev = c;
    }
    peer->calls = c;
    const bool closing = peer->closing;
    pthread_mutex_unlock(&peer->mu);
    return closing;
}

void rpc_client_error(grpc_status_code status, grpc_slice text, struct wf_error *err)
{
    const size_t n = GRPC_SLICE_LENGTH(text);
    const unsigned known = (unsigned)status <= WF_UNAUTHENTICATED ? (unsigned)status : WF_UNKNOWN;
    char raw[sizeof err->text];
    const size_t kept = n < sizeof raw - 1 ? n : sizeof raw - 1;
    memcpy(raw, GRPC_SLICE_START_PTR(text), kept);
    raw[kept] = '\0';
    wf_fail(err, (enum wf_code)known, "%s", "");
    rpc_clean_text(raw, err->text, sizeof err->text);
}

static void find_details(struct rpc_call *c)
{
    for (size_t i = 0; i < c->trailing.count; i++) {
        const grpc_metadata *md = &c->trailing.metadata[i];
        if (grpc_slice_str_cmp(md->key, DETAILS_KEY) == 0) {
            c->details =
                (struct rpc_bytes){GRPC_SLICE_START_PTR(md->value), GRPC_SLICE_LENGTH(md->value)};
        }
    }
}

/* Fills c->err, or *reply. */
static enum wf_code outcome(struct rpc_call *c, ProtobufCMessage **reply)
{
    if (c->status == GRPC_STATUS_OK) {
        grpc_byte_buffer *payload = c->payload;
        c->payload = NULL;
        if (rpc_unpack(payload, c->reply, c->into, reply, &c->err) == WF_OK) {
            return WF_OK;
        }
        if (c->err.code == WF_INVALID || c->err.code == WF_UNIMPLEMENTED) {
            c->err.code = WF_INTERNAL; /* what the server sent is its fault, not the caller's */
        }
        return wf_prefix(&c->err, "reply: ");
    }
    rpc_client_error(c->status, c->text, &c->err);
    find_details(c);
    rpc_status_read(c->details.data, c->details.size, &c->own, &c->err);
    if (c->err.code == WF_CANCELLED && !c->details.size && !atomic_load(&c->cancelled)) {
        /* A server that shuts down drops the calls which come just then. */
        wf_fail(&c->err, WF_UNAVAILABLE, "the server dropped the call");
        (void)wf_reason(&c->err, "CALL_DROPPED");
    }
    return c->err.code;
}

static void on_done(struct rpc_op *op, bool ok)
{
    (void)ok; /* always true with RECV_STATUS_ON_CLIENT */
    struct rpc_call *c = RPC_OWNER(op, struct rpc_call, done_op);
    ProtobufCMessage *reply = NULL;
    if (outcome(c, &reply) == WF_OK) {
        c->done(reply, NULL, c->ctx);
    } else {
        c->done(NULL, &c->err, c->ctx);
    }
    release_results(c);
    unlink_call(c);
    unref(c);
}

/* A call whose batch gRPC did not take: the outcome is in c->err. */
static void on_refused(void *ctx)
{
    struct rpc_call *c = ctx;
    c->done(NULL, &c->err, c->ctx);
    release_results(c);
    unlink_call(c);
    unref(c);
}

/* Fills md with the headers; false, and c->err, when one is not legal in HTTP/2. */
static bool make_headers(struct rpc_call *c, const struct rpc_call_config *config,
                         grpc_metadata md[RPC_MAX_HEADERS])
{
    bool legal = true;
    for (unsigned i = 0; i < config->n_headers; i++) {
        md[i] = (grpc_metadata){.key = grpc_slice_from_copied_string(config->headers[i].key),
                                .value = grpc_slice_from_copied_string(config->headers[i].value)};
        if (legal && (!grpc_header_key_is_legal(md[i].key) || grpc_is_binary_header(md[i].key) ||
                      !grpc_header_nonbin_value_is_legal(md[i].value))) {
            wf_invalid(&c->err, "HEADER", config->headers[i].key,
                       "header %.40s has a key or a value that HTTP/2 does not take",
                       config->headers[i].key);
            legal = false;
        }
    }
    return legal;
}

static void start(struct rpc_call *c, grpc_metadata *md, size_t n_md, grpc_byte_buffer *out)
{
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_MESSAGE},           {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};
    ops[0].data.send_initial_metadata.metadata = md;
    ops[0].data.send_initial_metadata.count = n_md;
    ops[1].data.send_message.send_message = out;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &c->initial;
    ops[4].data.recv_message.recv_message = &c->payload;
    ops[5].data.recv_status_on_client.trailing_metadata = &c->trailing;
    ops[5].data.recv_status_on_client.status = &c->status;
    ops[5].data.recv_status_on_client.status_details = &c->text;
    rpc_start_batch(c->call, ops, 6, &c->done_op);
}

static struct rpc_call *create(struct rpc_peer *peer, const struct rpc_call_config *config,
                               rpc_done_fn *done, void *ctx)
{
    struct rpc_call *c = wf_xcalloc(1, sizeof *c);
    c->done_op.step = on_done;
    atomic_init(&c->refs, 2);
    c->peer = peer;
    c->reply = config->reply;
    c->done = done;
    c->ctx = ctx;
    c->text = grpc_empty_slice();
    grpc_metadata_array_init(&c->initial);
    grpc_metadata_array_init(&c->trailing);
    wf_arena_init(&c->own, peer->max_arena);
    c->into = config->arena ? config->arena : &c->own;
    c->call = rpc_peer_start(peer, config->path, config->deadline);
    return c;
}

struct rpc_call *rpc_peer_call(struct rpc_peer *peer, const struct rpc_call_config *config,
                               const ProtobufCMessage *msg, rpc_done_fn *done, void *ctx)
{
    wf_assert(config->n_headers <= RPC_MAX_HEADERS);
    struct rpc_call *c = create(peer, config, done, ctx);
    grpc_metadata md[RPC_MAX_HEADERS];
    const bool legal = make_headers(c, config, md);
    const size_t size = rpc_packed_size(msg);
    const bool closing = link_call(c);
    if (!legal || size > peer->max_message) {
        if (legal) {
            wf_fail(&c->err, WF_EXHAUSTED, "request of %zu bytes, limit is %zu", size,
                    peer->max_message);
            wf_reason(&c->err, "MESSAGE_TOO_LARGE");
        }
        rpc_loop_at(peer->loop, 0, on_refused, c);
    } else {
        grpc_byte_buffer out;
        rpc_buffer_init(&out, rpc_pack(msg, size));
        start(c, md, config->n_headers, &out);
        rpc_buffer_fini(&out);
    }
    if (closing) {
        rpc_call_cancel(c);
    }
    for (unsigned i = 0; i < config->n_headers; i++) {
        grpc_slice_unref(md[i].key);
        grpc_slice_unref(md[i].value);
    }
    return c;
}

void rpc_call_cancel(struct rpc_call *call)
{
    atomic_store(&call->cancelled, true);
    (void)grpc_call_cancel(call->call, NULL);
}

void rpc_call_release(struct rpc_call *call)
{
    if (call) {
        unref(call);
    }
}

const ProtobufCMessage *rpc_error_detail(const struct wf_error *err,
                                         const ProtobufCMessageDescriptor *want)
{
    struct rpc_call *c = RPC_OWNER(err, struct rpc_call, err);
    return rpc_status_find(c->details.data, c->details.size, want, &c->own);
}

struct wait {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    /* guarded by mu: */
    bool done;
    const ProtobufCMessage *reply;
    struct wf_error err;
};

static void on_waited(const ProtobufCMessage *reply, const struct wf_error *err, void *ctx)
{
    struct wait *w = ctx;
    pthread_mutex_lock(&w->mu);
    w->done = true;
    w->reply = reply;
    if (err) {
        w->err = *err;
    }
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mu);
}

enum wf_code rpc_call_wait(struct rpc_peer *peer, const struct rpc_call_config *config,
                           const ProtobufCMessage *msg, const ProtobufCMessage **reply,
                           struct wf_error *err)
{
    wf_assert(config->arena);
    struct wait w = {.done = false};
    pthread_mutex_init(&w.mu, NULL);
    pthread_cond_init(&w.cond, NULL);
    rpc_call_release(rpc_peer_call(peer, config, msg, on_waited, &w));
    pthread_mutex_lock(&w.mu);
    while (!w.done) {
        pthread_cond_wait(&w.cond, &w.mu);
    }
    pthread_mutex_unlock(&w.mu);
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.mu);
    if (w.reply) {
        *reply = w.reply;
        return WF_OK;
    }
    if (err) {
        *err = w.err;
    }
    return w.err.code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_watch.c - a client's view of grpc.health.v1 Watch, reopened as long as the peer is open.
 *
 * One stream at a time. Two batches: RECV_STATUS for the whole of its life, and one that receives a
 * message, started again after each. When both are done the stream is over: that counts as not
 * serving, and a timer reopens it, 100 ms later at first and up to 2 s. Only one thread at a time
 * works on a watch, except for the cancel at close, which is why `call` is guarded.
 *
 * A timer cannot be taken back, so a watch may outlive its peer. `state` decides who has it: close
 * takes a WAITING watch off the list and leaves it to its timer to free; a timer that was first
 * makes it ACTIVE, and close waits for the end of the stream as for any other.
 */
#include "rpc/rpc_internal.h"

#include "base/clock.h"
#include "grpc/health/v1/health.pb-c.h"

#define PATH       "/grpc.health.v1.Health/Watch"
#define FIRST_MS   100
#define MOST_MS    2000
#define MAX_MEMORY ((size_t)4096)
#define SERVING    GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING

enum state { ACTIVE, WAITING, CLOSED };

struct rpc_watch {
    struct rpc_op received, ended;
    struct rpc_peer *peer;
    struct rpc_watch *next, *prev; /* guarded by peer->mu */
    char *service;
    rpc_health_fn *changed;
    void *ctx;
    atomic_int pending;  /* batches of the stream under way */
    atomic_int state;    /* enum state */
    atomic_bool closing; /* the peer closes; written with peer->mu held */
    grpc_call *call;     /* NULL between streams; written with peer->mu held */
    int told;            /* what `changed` was last told, -1 at first */
    int64_t backoff_ms;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *in;
    grpc_status_code status;
    grpc_slice text;
};

static void tell(struct rpc_watch *w, bool serving)
{
    if (w->told != (int)serving && !atomic_load(&w->closing)) {
        w->told = serving;
        w->changed(serving, w->ctx);
    }
}

static void destroy(struct rpc_watch *w)
{
    wf_xfree(w->service);
    wf_xfree(w);
}

/* Takes the watch between these two off the list, with peer->mu held. */
static void unlink_between(struct rpc_peer *peer, struct rpc_watch *prev, struct rpc_watch *next)
{
    if (prev) {
        prev->next = next;
    } else {
        peer->watches = next;
    }
    if (next) {
        next->prev = prev;
    }
    pthread_cond_signal(&peer->idle);
}

static void reopen(void *ctx);

/* The stream has ended: wait and reopen, or leave when the peer closes. */
static void stream_over(struct rpc_watch *w)
{
    if (w->in) {
        grpc_byte_buffer_destroy(w->in);
        w->in = NULL;
    }
    grpc_metadata_array_destroy(&w->initial);
    grpc_metadata_array_destroy(&w->trailing);
    grpc_slice_unref(w->text);
    tell(w, false);

    struct rpc_peer *peer = w->peer;
    const int64_t when = wf_deadline_ms(wf_now(), w->backoff_ms);
    w->backoff_ms = w->backoff_ms * 2 < MOST_MS ? w->backoff_ms * 2 : MOST_MS;
    pthread_mutex_lock(&peer->mu);
    grpc_call_unref(w->call);
    w->call = NULL;
    const bool closing = atomic_load(&w->closing);
    if (closing) {
        unlink_between(peer, w->prev, w->next);
    } else {
        /* Under the mutex: once it is free the peer may close, and the loop stop. */
        atomic_store(&w->state, WAITING);
        rpc_loop_at(peer->loop, when, reopen, w);
    }
    pthread_mutex_unlock(&peer->mu);
    if (closing) {
        destroy(w);
    }
}

static void batch_over(struct rpc_watch *w)
{
    if (atomic_fetch_sub(&w->pending, 1) == 1) {
        stream_over(w);
    }
}

static void on_ended(struct rpc_op *op, bool ok)
{
    (void)ok;
    batch_over(RPC_OWNER(op, struct rpc_watch, ended));
}

static void batch(struct rpc_watch *w, const grpc_op *ops, size_t n, struct rpc_op *op)
{
    atomic_fetch_add(&w->pending, 1);
    rpc_start_batch(w->call, ops, n, op);
}

static void receive(struct rpc_watch *w)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &w->in;
    batch(w, &op, 1, &w->received);
}

/* Reads the message received; false when there is none: the stream ends. */
static bool take_state(struct rpc_watch *w)
{
    grpc_byte_buffer *in = w->in;
    w->in = NULL;
    if (!in) {
        return false;
    }
    struct wf_arena arena;
    wf_arena_init(&arena, MAX_MEMORY);
    ProtobufCMessage *msg = NULL;
    bool serving = false;
    if (rpc_unpack(in, &grpc__health__v1__health_check_response__descriptor, &arena, &msg, NULL) ==
        WF_OK) {
        const Grpc__Health__V1__HealthCheckResponse *reply = (const void *)msg;
        serving = reply->status == SERVING;
    }
    wf_arena_fini(&arena);
    w->backoff_ms = FIRST_MS;
    tell(w, serving);
    return true;
}

static void on_received(struct rpc_op *op, bool ok)
{
    struct rpc_watch *w = RPC_OWNER(op, struct rpc_watch, received);
    if (ok && take_state(w)) {
        receive(w);
    }
    batch_over(w);
}

static void open_stream(struct rpc_watch *w)
{
    atomic_store(&w->pending, 1); /* ours, until both batches are started */
    grpc_metadata_array_init(&w->initial);
    grpc_metadata_array_init(&w->trailing);
    w->text = grpc_empty_slice();
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    status.data.recv_status_on_client.trailing_metadata = &w->trailing;
    status.data.recv_status_on_client.status = &w->status;
    status.data.recv_status_on_client.status_details = &w->text;
    batch(w, &status, 1, &w->ended);

    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = w->service;
    grpc_byte_buffer out;
    rpc_buffer_init(&out, rpc_pack(&request.base, rpc_packed_size(&request.base)));
    grpc_op ops[5] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE}};
    ops[1].data.send_message.send_message = &out;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &w->initial;
    ops[4].data.recv_message.recv_message = &w->in;
    batch(w, ops, 5, &w->received);
    rpc_buffer_fini(&out);
    batch_over(w);
}

static void reopen(void *ctx)
{
    struct rpc_watch *w = ctx;
    int waiting = WAITING;
    if (!atomic_compare_exchange_strong(&w->state, &waiting, ACTIVE)) {
        destroy(w);
        return;
    }
    struct rpc_peer *peer = w->peer;
    grpc_call *call = rpc_peer_start(peer, PATH, INT64_MAX);
    pthread_mutex_lock(&peer->mu);
    w->call = call;
    const bool closing = atomic_load(&w->closing);
    pthread_mutex_unlock(&peer->mu);
    if (closing) {
        (void)grpc_call_cancel(call, NULL);
    }
    open_stream(w);
}

void rpc_peer_watch(struct rpc_peer *peer, const char *service, rpc_health_fn *changed, void *ctx)
{
    struct rpc_watch *w = wf_xcalloc(1, sizeof *w);
    w->peer = peer;
    w->service = wf_xstrdup(service);
    w->changed = changed;
    w->ctx = ctx;
    w->told = -1;
    w->backoff_ms = FIRST_MS;
    w->received.step = on_received;
    w->ended.step = on_ended;
    w->call = rpc_peer_start(peer, PATH, INT64_MAX);
    pthread_mutex_lock(&peer->mu);
    w->next = peer->watches;
    if (w->next) {
        w->next->prev = w;
    }
    peer->watches = w;
    pthread_mutex_unlock(&peer->mu);
    open_stream(w);
}

void rpc_watch_cancel_all(struct rpc_peer *peer)
{
    struct rpc_watch *next = NULL;
    for (struct rpc_watch *w = peer->watches; w; w = next) {
        struct rpc_watch *prev = w->prev;
        int waiting = WAITING;
        next = w->next;
        atomic_store(&w->closing, true);
        if (w->call) {
            (void)grpc_call_cancel(w->call, NULL);
        } else if (atomic_compare_exchange_strong(&w->state, &waiting, CLOSED)) {
            unlink_between(peer, prev, next); /* its timer may have freed it by now */
        }
    }
}

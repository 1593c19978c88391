/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_server.c - a listening port: accepting calls, refusing them, draining.
 *
 * Each method has a few accepts armed, each with the request object that will carry the call; gRPC
 * reads the first message before it reports the call. One more accept, for any other path, answers
 * UNIMPLEMENTED: without it a call to an unknown method would hang until its deadline. An accept is
 * armed again on arrival, before handling.
 *
 * What holds here:
 *   1. No work is posted after the completion queue was shut down: rpc_server_close() waits until
 *      `objects` is 0, and the loop outlives its servers.
 *   2. Every batch and accept that was started is matched by exactly one step.
 *   3. A step with ok=false still releases.
 *   4. What a batch writes into lives in the object that owns its tag.
 *   5. `objects` counts requests (armed or served), the shutdown tag and the open server itself;
 * the thread that takes it to 0 says so under the mutex and touches the server no more.
 *
 * Drain: health says NOT_SERVING and Watch streams end; gRPC stops accepting and sends GOAWAY;
 * calls go on until the grace time; then the rest is cancelled, and the handlers' replies are
 * awaited.
 */
#include "rpc/rpc_internal.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

/* Accepts kept armed per method of the user; a burst beyond it waits inside gRPC for a re-arm. */
#define ACCEPTS       8
#define REFUSAL_MS    100
#define QUOTA         ((size_t)512 << 20)
#define DRAIN_LOOK    (10 * WF_MILLISECOND)
#define DRAIN_IDLE    (200 * WF_MILLISECOND)
#define MIN_PING_MS   900 /* a peer pings every 1000 ms at most, see rpc_peer.c */
#define HEALTH_CHECK  "/grpc.health.v1.Health/Check"
#define HEALTH_WATCH  "/grpc.health.v1.Health/Watch"
#define REFLECT       "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define REFLECT_ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

void rpc_server_drop(struct rpc_server *server)
{
    if (atomic_fetch_sub(&server->objects, 1) != 1) {
        return;
    }
    pthread_mutex_lock(&server->mu);
    server->is_drained = true;
    pthread_cond_signal(&server->drained);
    pthread_mutex_unlock(&server->mu);
}

static void refuse(struct rpc_request *rq)
{
    struct wf_error err;
    wf_fail(&err, WF_EXHAUSTED, "%u requests are being served, limit is %u",
            atomic_load(&rq->server->live) - 1, rq->server->max_requests);
    wf_reason(&err, "TOO_MANY_REQUESTS");
    err.retry_ms = REFUSAL_MS;
    rpc_fail(rq, &err, NULL);
}

/* Decodes the request and hands it over; the handler's reference goes with it. */
static void serve(struct rpc_request *rq)
{
    const struct rpc_endpoint *e = rq->endpoint;
    rpc_request_begin(rq);
    if (e->kind == RPC_USER) {
        rq->counted = true;
        if (atomic_fetch_add(&rq->server->live, 1) >= rq->server->max_requests) {
            refuse(rq);
            return;
        }
    }
    ProtobufCMessage *msg = NULL;
    if (e->kind != RPC_CHAT) {
        struct wf_error err;
        grpc_byte_buffer *payload = rq->payload;
        rq->payload = NULL;
        if (rpc_unpack_checked(payload, e->request, e->check, &rq->arena, &msg, &err) != WF_OK) {
            rpc_fail(rq, &err, NULL);
            return;
        }
    }
    e->handle(rq, msg, e->ctx);
}

static void serve_unknown(struct rpc_request *rq)
{
    rq->core_deadline = rq->details.deadline;
    rpc_request_begin(rq);
    struct wf_error err;
    const size_t n = GRPC_SLICE_LENGTH(rq->details.method);
    wf_fail(&err, WF_UNIMPLEMENTED, "no method %.*s here", n < 160 ? (int)n : 160,
            (const char *)GRPC_SLICE_START_PTR(rq->details.method));
    wf_reason(&err, "UNKNOWN_METHOD");
    rpc_fail(rq, &err, NULL);
}

static void arm(struct rpc_server *server, const struct rpc_endpoint *e);

static void on_accept(struct rpc_op *op, bool ok)
{
    struct rpc_request *rq = RPC_OWNER(op, struct rpc_request, accept);
    if (!ok) {
        /* The server shuts down; there is no call. */
        rpc_request_drop(rq);
        return;
    }
    arm(rq->server, rq->endpoint);
    if (rq->endpoint) {
        serve(rq);
    } else {
        serve_unknown(rq);
    }
}

static void arm(struct rpc_server *server, const struct rpc_endpoint *e)
{
    struct rpc_request *rq = wf_xcalloc(1, sizeof *rq);
    rq->server = server;
    rq->endpoint = e;
    rq->accept.step = on_accept;
    atomic_init(&rq->refs, 1);
    grpc_metadata_array_init(&rq->headers);
    atomic_fetch_add(&server->objects, 1);
    grpc_completion_queue *queue = server->loop->queue;
    grpc_call_error error;
    if (e) {
        grpc_byte_buffer **payload = e->kind == RPC_CHAT ? NULL : &rq->payload;
        error = grpc_server_request_registered_call(server->core, e->registered, &rq->call,
                                                    &rq->core_deadline, &rq->headers, payload,
                                                    queue, queue, rpc_tag(&rq->accept));
    } else {
        grpc_call_details_init(&rq->details);
        error = grpc_server_request_call(server->core, &rq->call, &rq->details, &rq->headers, queue,
                                         queue, rpc_tag(&rq->accept));
    }
    wf_assert(error == GRPC_CALL_OK);
}

static grpc_server *create_core(const struct rpc_server_config *config)
{
    grpc_resource_quota *quota = grpc_resource_quota_create("rpc_server");
    const size_t most = config->max_message > SIZE_MAX / 8 ? SIZE_MAX : config->max_message * 8;
    grpc_resource_quota_resize(quota, most > QUOTA ? most : QUOTA);
    const size_t streams = (size_t)config->max_requests * 2 + (size_t)2 * RPC_MAX_STREAMS;
    grpc_arg args[] = {
        rpc_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, config->max_message),
        rpc_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, config->max_message),
        rpc_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
        rpc_arg(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        rpc_arg(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE),
        rpc_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_PING_MS),
        rpc_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        rpc_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, streams),
        {.type = GRPC_ARG_POINTER,
         .key = (char *)GRPC_ARG_RESOURCE_QUOTA,
         .value.pointer = {.p = quota, .vtable = grpc_resource_quota_arg_vtable()}},
    };
    const grpc_channel_args all = {.num_args = sizeof args / sizeof args[0], .args = args};
    grpc_server *core = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    return core;
}

static void add_endpoint(struct rpc_server *s, const struct rpc_endpoint *e)
{
    struct rpc_endpoint *into = &s->endpoints[s->n_endpoints];
    *into = *e;
    into->registered = grpc_server_register_method(
        s->core, e->path, NULL,
        e->kind == RPC_CHAT ? GRPC_SRM_PAYLOAD_NONE : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    wf_assert(into->registered); /* NULL: two methods of one path */
    s->n_endpoints++;
}

static void add_own_endpoints(struct rpc_server *s)
{
    add_endpoint(s, &(struct rpc_endpoint){.path = HEALTH_CHECK,
                                           .request = rpc_health_request,
                                           .handle = rpc_health_check,
                                           .ctx = s->health,
                                           .kind = RPC_INTERNAL});
    add_endpoint(s, &(struct rpc_endpoint){.path = HEALTH_WATCH,
                                           .request = rpc_health_request,
                                           .handle = rpc_health_watch,
                                           .gone = rpc_health_gone,
                                           .ctx = s->health,
                                           .kind = RPC_STREAM});
    static const char *const reflect[] = {REFLECT, REFLECT_ALPHA};
    for (size_t i = 0; s->reflection && i < 2; i++) {
        add_endpoint(s, &(struct rpc_endpoint){.path = reflect[i],
                                               .request = rpc_reflection_request,
                                               .handle = rpc_reflection_chat,
                                               .ctx = s->reflection,
                                               .kind = RPC_CHAT});
    }
}

static enum wf_code listen_on(struct rpc_server *s, const struct rpc_server_config *config,
                              struct wf_error *err)
{
    grpc_server_credentials *credentials = NULL;
    const enum wf_code code = rpc_server_credentials(&config->tls, &credentials, err);
    if (code != WF_OK) {
        return code;
    }
    const int port = grpc_server_add_http2_port(s->core, config->listen, credentials);
    grpc_server_credentials_release(credentials);
    if (port == 0) {
        wf_fail(err, WF_UNAVAILABLE,
                "cannot listen on %s: in use, or not an address of this host%s", config->listen,
                config->tls.cert ? ", or the certificate is not usable" : "");
        return wf_reason(err, "LISTEN");
    }
    s->port = strncmp(config->listen, "unix:", 5) == 0 ? 0 : port;
    return WF_OK;
}

static void on_shutdown(struct rpc_op *op, bool ok)
{
    (void)ok;
    rpc_server_drop(RPC_OWNER(op, struct rpc_server, shutdown));
}

static bool wait_drained(struct rpc_server *s, int64_t until)
{
    pthread_mutex_lock(&s->mu);
    int error = 0;
    while (!s->is_drained && error == 0) {
        if (until == INT64_MAX) {
            error = pthread_cond_wait(&s->drained, &s->mu);
        } else {
            const int64_t t = until > 0 ? until : 0;
            const struct timespec ts = {.tv_sec = t / WF_SECOND, .tv_nsec = t % WF_SECOND};
            error = pthread_cond_timedwait(&s->drained, &s->mu, &ts);
        }
    }
    const bool drained = s->is_drained;
    pthread_mutex_unlock(&s->mu);
    return drained;
}

/*
 * Waits for the calls being served, then for gRPC to close the connections. gRPC 1.51 can lose a
 * call that arrives while it shuts down: it is neither served nor refused, and keeps its connection
 * open. So when nothing of ours is left for a while, the rest is cancelled without waiting longer.
 */
static void drain(struct rpc_server *s, int64_t grace_until)
{
    int64_t idle_since = INT64_MAX;
    for (;;) {
        const int64_t now = wf_now();
        const int64_t next = now + DRAIN_LOOK;
        if (wait_drained(s, next < grace_until ? next : grace_until)) {
            return;
        }
        const bool idle = atomic_load(&s->objects) == 1; /* the shutdown tag */
        idle_since = !idle ? INT64_MAX : idle_since == INT64_MAX ? now : idle_since;
        if (now >= grace_until || (idle && now - idle_since >= DRAIN_IDLE)) {
            break;
        }
    }
    grpc_server_cancel_all_calls(s->core);
    (void)wait_drained(s, INT64_MAX);
}

void rpc_server_close(struct rpc_server *s, int64_t grace_until)
{
    if (!s) {
        return;
    }
    rpc_health_close(s->health);
    s->shutdown.step = on_shutdown;
    grpc_server_shutdown_and_notify(s->core, s->loop->queue, rpc_tag(&s->shutdown));
    if (s->reflection) {
        rpc_reflection_close(s->reflection);
    }
    drain(s, grace_until);
    grpc_server_destroy(s->core);
    rpc_health_destroy(s->health);
    rpc_reflection_destroy(s->reflection);
    pthread_cond_destroy(&s->drained);
    pthread_mutex_destroy(&s->mu);
    wf_xfree(s->endpoints);
    wf_xfree(s);
}

static struct rpc_server *create(struct rpc_loop *loop, const struct rpc_server_config *config,
                                 size_t n_methods)
{
    struct rpc_server *s = wf_xcalloc(1, sizeof *s);
    s->loop = loop;
    s->max_message = config->max_message;
    s->max_arena = config->max_arena;
    s->max_requests = config->max_requests;
    s->endpoints = wf_xarray(struct rpc_endpoint, n_methods + 4);
    s->core = create_core(config);
    grpc_server_register_completion_queue(s->core, loop->queue, NULL);
    /* The open server itself; becomes the shutdown tag's at close. */
    atomic_init(&s->objects, 1);
    pthread_mutex_init(&s->mu, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->drained, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

/* Seven parameters: what is served, how, and by whom; each is of another kind and owner. */
/* NOLINTNEXTLINE(readability-function-size) */
enum wf_code rpc_server_open(struct rpc_loop *loop, const struct rpc_server_config *config,
                             const struct rpc_method *methods, size_t n_methods, void *ctx,
                             struct rpc_server **out, struct wf_error *err)
{
    struct rpc_reflection *reflection = NULL;
    enum wf_code code = WF_OK;
    if (config->descriptors) {
        code = rpc_reflection_create(config, methods, n_methods, &reflection, err);
        if (code != WF_OK) {
            return code;
        }
    }
    struct rpc_server *s = create(loop, config, n_methods);
    s->reflection = reflection;
    s->health = rpc_health_create(methods, n_methods);
    for (size_t i = 0; i < n_methods; i++) {
        add_endpoint(s, &(struct rpc_endpoint){.path = methods[i].path,
                                               .request = methods[i].request,
                                               .handle = methods[i].handle,
                                               .check = methods[i].check,
                                               .ctx = ctx,
                                               .kind = RPC_USER});
    }
    add_own_endpoints(s);
    code = listen_on(s, config, err);
    grpc_server_start(s->core);
    if (code != WF_OK) {
        rpc_server_close(s, 0);
        return code;
    }
    for (size_t i = 0; i < s->n_endpoints; i++) {
        for (int k = 0; k < (s->endpoints[i].kind == RPC_USER ? ACCEPTS : 1); k++) {
            arm(s, &s->endpoints[i]);
        }
    }
    arm(s, NULL);
    *out = s;
    return WF_OK;
}

int rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

void rpc_server_serving(struct rpc_server *server, bool serving)
{
    rpc_health_set(server->health, serving);
}

unsigned rpc_server_live(const struct rpc_server *server)
{
    return atomic_load(&server->live);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_health.c - grpc.health.v1: Check and Watch.
 *
 * One state for the whole server; names matter only in that an unknown one is told so. A watcher is
 * a request kept open. It has at most one message under way and remembers the last state sent, so a
 * state that changes faster than a client reads costs no memory: what was in between is skipped.
 * Batches are started under the mutex; gRPC completes them on the queue and calls nothing of ours.
 * A watcher ends once, in finish(): when its client left, a send failed, or the server drains; with
 * a send under way, after that.
 */
#include "rpc/rpc_internal.h"

#include <string.h>

#include "grpc/health/v1/health.pb-c.h"

#define RETRY_MS        1000
#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define NO_SUCH_SERVICE GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

typedef Grpc__Health__V1__HealthCheckRequest request_msg;
typedef Grpc__Health__V1__HealthCheckResponse reply_msg;

const ProtobufCMessageDescriptor *const rpc_health_request =
    &grpc__health__v1__health_check_request__descriptor;

struct watcher {
    struct rpc_op sent;
    struct rpc_health *health;
    struct rpc_request *rq;
    struct watcher *next, *prev;
    bool known;   /* the service is one of ours */
    bool sending; /* a message is under way */
    bool over;    /* end as soon as nothing is under way */
    int last;     /* state sent, -1 before the first */
};
struct rpc_health {
    char **names;
    size_t n_names;
    pthread_mutex_t mu;
    /* guarded by mu: */
    bool serving, closed;
    struct watcher *watchers;
    unsigned n_watchers;
};

struct rpc_health *rpc_health_create(const struct rpc_method *methods, size_t n_methods)
{
    struct rpc_health *h = wf_xcalloc(1, sizeof *h);
    h->names = rpc_service_names(methods, n_methods, &h->n_names);
    pthread_mutex_init(&h->mu, NULL);
    return h;
}

void rpc_health_destroy(struct rpc_health *h)
{
    if (h) {
        wf_assert(!h->watchers);
        rpc_service_names_free(h->names, h->n_names);
        pthread_mutex_destroy(&h->mu);
        wf_xfree(h);
    }
}

static bool is_known(const struct rpc_health *h, const char *service)
{
    bool known = service[0] == '\0';
    for (size_t i = 0; i < h->n_names && !known; i++) {
        known = strcmp(h->names[i], service) == 0;
    }
    return known;
}

/* All below, up to the public functions, with mu held. */

static void finish(struct watcher *w)
{
    struct rpc_health *h = w->health;
    struct rpc_request *rq = w->rq;
    if (w->prev) {
        w->prev->next = w->next;
    } else {
        h->watchers = w->next;
    }
    if (w->next) {
        w->next->prev = w->prev;
    }
    h->n_watchers--;
    rq->user = NULL;
    wf_xfree(w);
    struct wf_error err;
    wf_fail(&err, WF_UNAVAILABLE, "the server drains");
    wf_reason(&err, "DRAINING");
    rpc_fail(rq, &err, NULL);
}

/* Sends the state when it is not the last one sent; ends the watcher when that is due. */
static void advance(struct watcher *w)
{
    if (w->sending) {
        return;
    }
    const int state = !w->known ? NO_SUCH_SERVICE : w->health->serving ? SERVING : NOT_SERVING;
    if (state != w->last && !rpc_cancelled(w->rq)) {
        reply_msg reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
        reply.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)state;
        w->last = state;
        w->sending = true;
        rpc_request_send(w->rq, &reply.base, &w->sent);
    } else if (w->over) {
        finish(w);
    }
}

static void on_sent(struct rpc_op *op, bool ok)
{
    struct watcher *w = RPC_OWNER(op, struct watcher, sent);
    struct rpc_health *h = w->health;
    struct rpc_request *rq = w->rq;
    pthread_mutex_lock(&h->mu);
    w->sending = false;
    w->over = w->over || !ok || rpc_cancelled(rq);
    advance(w);
    pthread_mutex_unlock(&h->mu);
    rpc_request_drop(rq);
}

static void advance_all(struct rpc_health *h)
{
    struct watcher *next = NULL;
    for (struct watcher *w = h->watchers; w; w = next) {
        next = w->next;
        w->over = w->over || h->closed;
        advance(w);
    }
}

void rpc_health_set(struct rpc_health *h, bool serving)
{
    pthread_mutex_lock(&h->mu);
    h->serving = serving && !h->closed;
    advance_all(h);
    pthread_mutex_unlock(&h->mu);
}

void rpc_health_close(struct rpc_health *h)
{
    pthread_mutex_lock(&h->mu);
    h->closed = true;
    h->serving = false;
    advance_all(h);
    pthread_mutex_unlock(&h->mu);
}

void rpc_health_check(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct rpc_health *h = ctx;
    const request_msg *request = (const request_msg *)(const void *)msg;
    if (!is_known(h, request->service)) {
        struct wf_error err;
        wf_fail(&err, WF_NOT_FOUND, "no service %.100s here", request->service);
        wf_reason(&err, "UNKNOWN_SERVICE");
        rpc_fail(rq, &err, NULL);
        return;
    }
    pthread_mutex_lock(&h->mu);
    const bool serving = h->serving;
    pthread_mutex_unlock(&h->mu);
    reply_msg reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    reply.status = serving ? SERVING : NOT_SERVING;
    rpc_reply(rq, &reply.base);
}

/* Adds a watcher; false when there is no room for one. */
static bool add_watcher(struct rpc_health *h, struct rpc_request *rq, const char *service)
{
    if (h->n_watchers >= RPC_MAX_STREAMS) {
        return false;
    }
    struct watcher *w = wf_xcalloc(1, sizeof *w);
    w->sent.step = on_sent;
    w->health = h;
    w->rq = rq;
    w->known = is_known(h, service);
    w->last = -1;
    w->over = h->closed || rpc_cancelled(rq);
    w->next = h->watchers;
    if (w->next) {
        w->next->prev = w;
    }
    h->watchers = w;
    h->n_watchers++;
    rq->user = w;
    advance(w);
    return true;
}

void rpc_health_watch(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct rpc_health *h = ctx;
    const request_msg *request = (const request_msg *)(const void *)msg;
    pthread_mutex_lock(&h->mu);
    const bool added = add_watcher(h, rq, request->service);
    pthread_mutex_unlock(&h->mu);
    if (!added) {
        struct wf_error err;
        wf_fail(&err, WF_EXHAUSTED, "%u watchers, limit is %u", RPC_MAX_STREAMS, RPC_MAX_STREAMS);
        wf_reason(&err, "TOO_MANY_STREAMS");
        err.retry_ms = RETRY_MS;
        rpc_fail(rq, &err, NULL);
    }
}

void rpc_health_gone(struct rpc_request *rq, void *ctx)
{
    struct rpc_health *h = ctx;
    pthread_mutex_lock(&h->mu);
    struct watcher *w = rq->user;
    if (w) {
        w->over = true;
        advance(w);
    }
    pthread_mutex_unlock(&h->mu);
}

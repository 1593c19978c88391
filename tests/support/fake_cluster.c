/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_cluster.c - see fake_cluster.h.
 */
#include "tests/support/fake_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "coordinator/coord_metrics.h"

enum { PATIENCE_S = 30 };

/* ---- the shards ---- */

/* One call that waits for its script's delay. */
struct waiting {
    struct fake_server *server;
    struct rpc_request *rq;
    const ProtobufCMessage *msg;
    enum wire_method method;
};

static void answer(void *ctx)
{
    struct waiting *w = ctx;
    struct fake_server *s = w->server;
    const int mode = atomic_load(&s->mode);
    const bool search = w->method == WIRE_SEARCH;
    const ProtobufCMessage *reply = NULL;
    struct wf_error err = {0};
    if (mode == FAKE_ERROR && search) {
        wf_fail(&err, (enum wf_code)atomic_load(&s->code), "scripted");
    } else if (mode == FAKE_GARBAGE && search) {
        reply = fake_garbage(atomic_load(&s->which), rpc_arena(w->rq));
    } else {
        const uint32_t n = s->cluster->shop->n_shards;
        const bool lie = w->method == WIRE_STATS && atomic_load(&s->lies);
        reply = fake_shard_answer(s->cluster->shop, (s->shard + lie) % n, w->method, w->msg,
                                  mode == FAKE_CUT_SHORT, rpc_arena(w->rq), &err);
    }
    if (reply) {
        rpc_reply(w->rq, reply);
    } else {
        rpc_fail(w->rq, &err, NULL);
    }
    wf_xfree(w);
}

static void take(struct rpc_request *rq, const ProtobufCMessage *msg, enum wire_method method,
                 struct fake_server *s)
{
    struct waiting *w = wf_xcalloc(1, sizeof *w);
    *w = (struct waiting){.server = s, .rq = rq, .msg = msg, .method = method};
    const int64_t delay = atomic_load(&s->delay_ms);
    atomic_fetch_add(&s->searches, method == WIRE_SEARCH);
    if (delay && method != WIRE_STATS) {
        rpc_loop_at(s->cluster->loop, wf_now() + delay * WF_MILLISECOND, answer, w);
    } else {
        answer(w);
    }
}

static void on_search(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    take(rq, msg, WIRE_SEARCH, ctx);
}

static void on_fetch(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    take(rq, msg, WIRE_FETCH, ctx);
}

static void on_stats(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    take(rq, msg, WIRE_STATS, ctx);
}

void fake_server_start(struct fake_server *s)
{
    char listen[32];
    struct wf_error err;
    snprintf(listen, sizeof listen, "127.0.0.1:%d", s->port);
    const struct rpc_server_config config = {
        .listen = listen, .max_message = 16 << 20, .max_arena = 64 << 20, .max_requests = 256};
    struct fake_cluster *c = s->cluster;
    if (rpc_server_open(c->loop, &config, c->shard_methods, 3, s, &s->server, &err) != WF_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    s->port = rpc_server_port(s->server);
    rpc_server_serving(s->server, true);
}

void fake_server_stop(struct fake_server *s)
{
    rpc_server_close(s->server, wf_now());
    s->server = NULL;
}

/* ---- the coordinator ---- */

static void on_round(uint64_t round, void *ctx)
{
    struct fake_cluster *c = ctx;
    (void)round;
    const uint32_t ready = coord_topology_ready(c->topology);
    pthread_mutex_lock(&c->mu);
    c->ready = ready;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mu);
}

void fake_cluster_await(struct fake_cluster *c, uint32_t n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&c->mu);
    while (c->ready != n) {
        wf_assert(pthread_cond_timedwait(&c->changed, &c->mu, &until) == 0);
    }
    pthread_mutex_unlock(&c->mu);
}

static void open_topology(struct fake_cluster *c)
{
    char path[256];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/topology-XXXXXX", tmp ? tmp : "/tmp");
    int fd = mkstemp(path);
    wf_assert(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fprintf(f, "shards = (\n");
    for (uint32_t i = 0; i < c->shop->n_shards; i++) {
        fprintf(f, "%s  { replicas = (", i ? ",\n" : "");
        for (uint32_t j = 0; j < c->n_replicas; j++) {
            fprintf(f, "%s\"127.0.0.1:%d\"", j ? ", " : "", c->servers[i][j].port);
        }
        fprintf(f, "); }");
    }
    fprintf(f, "\n);\n");
    fclose(f);
    struct coord_map map;
    wf_assert(coord_map_read(path, &map, NULL) == WF_OK);
    unlink(path);
    const struct coord_topology_config config = {.map = &map,
                                                 .manifest = &c->shop->manifest,
                                                 .max_message = 16 << 20,
                                                 .max_arena = 64 << 20,
                                                 .keepalive_ms = 10000};
    wf_assert(coord_topology_open(c->loop, &config, &c->topology, NULL) == WF_OK);
    coord_map_fini(&map);
}

static void open_service(struct fake_cluster *c)
{
    c->store = coord_store_create(1 << 20, c->shop->n_shards);
    const struct coord coord = {
        .store = c->store,
        .global = &c->shop->global,
        .surfaces = &c->shop->surfaces,
        .transport = coord_topology_transport(c->topology),
        .metrics = c->metrics,
        .reserve = 40 * WF_MILLISECOND,
        .reply_limit = 64 << 20,
    };
    coord_service_init(&c->service, &coord, c->topology, WF_SECOND, 64 << 20);
    coord_service_methods(c->methods);
    const struct rpc_server_config config = {.listen = "127.0.0.1:0",
                                             .max_message = 16 << 20,
                                             .max_arena = 64 << 20,
                                             .max_requests = 256};
    wf_assert(rpc_server_open(c->loop, &config, c->methods, COORD_SERVICE_METHODS, &c->service,
                              &c->server, NULL) == WF_OK);
    char target[32];
    snprintf(target, sizeof target, "127.0.0.1:%d", rpc_server_port(c->server));
    const struct rpc_peer_config peer = {
        .target = target, .max_message = 16 << 20, .max_arena = 64 << 20};
    wf_assert(rpc_peer_open(c->loop, &peer, &c->client, NULL) == WF_OK);
}

struct fake_cluster *fake_cluster_open(struct fake_shop *shop, uint32_t n_replicas)
{
    static const struct {
        enum wire_method method;
        rpc_handler_fn *handle;
    } handlers[] = {{WIRE_SEARCH, on_search}, {WIRE_FETCH, on_fetch}, {WIRE_STATS, on_stats}};
    struct fake_cluster *c = wf_xcalloc(1, sizeof *c);
    c->shop = shop;
    c->n_replicas = n_replicas;
    pthread_mutex_init(&c->mu, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->metrics = wf_metrics_create(coord_metrics_table, COORD_N_METRICS);
    const struct rpc_loop_config loop = {.threads = 3};
    wf_assert(rpc_loop_start(&loop, &c->loop, NULL) == WF_OK);
    for (unsigned i = 0; i < 3; i++) {
        const struct wire_method_info *info = wire_method(handlers[i].method);
        c->shard_methods[i] = (struct rpc_method){.path = info->path,
                                                  .request = info->request,
                                                  .handle = handlers[i].handle,
                                                  .check = wire_scan};
    }
    for (uint32_t i = 0; i < shop->n_shards; i++) {
        for (uint32_t j = 0; j < n_replicas; j++) {
            c->servers[i][j].cluster = c;
            c->servers[i][j].shard = i;
            fake_server_start(&c->servers[i][j]);
        }
    }
    open_topology(c);
    open_service(c);
    c->refresh = coord_refresh_start(c->topology, FAKE_GENERATION, on_round, c);
    fake_cluster_await(c, shop->n_shards);
    return c;
}

void fake_cluster_close(struct fake_cluster *c)
{
    rpc_peer_close(c->client);
    rpc_server_close(c->server, wf_now() + WF_SECOND);
    coord_refresh_stop(c->refresh);
    coord_topology_close(c->topology);
    coord_refresh_destroy(c->refresh);
    coord_store_destroy(c->store);
    for (uint32_t i = 0; i < c->shop->n_shards; i++) {
        for (uint32_t j = 0; j < c->n_replicas; j++) {
            if (c->servers[i][j].server) {
                rpc_server_close(c->servers[i][j].server, wf_now() + 2 * WF_SECOND);
            }
        }
    }
    rpc_loop_stop(c->loop);
    wf_metrics_destroy(c->metrics);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mu);
    wf_xfree(c);
}

/* ---- a client ---- */

struct wait {
    pthread_mutex_t mu;
    pthread_cond_t come;
    bool done; /* guarded by mu */
    struct fake_outcome *out;
};

static void read_details(const struct wf_error *err, struct fake_outcome *out)
{
    const ProtobufCMessage *detail = rpc_error_detail(err, wire_method(WIRE_RECOMMEND)->response);
    struct wire_recommend_response r;
    if (!detail || wire_recommend_response_read(detail, &out->arena, &r, NULL) != WF_OK) {
        return;
    }
    out->details = true;
    out->ratio = r.coverage.ratio;
    out->n_shards = r.coverage.n_shards;
}

static void on_done(const ProtobufCMessage *reply, const struct wf_error *err, void *ctx)
{
    struct wait *w = ctx;
    if (err) {
        w->out->err = *err;
        read_details(err, w->out);
    }
    pthread_mutex_lock(&w->mu);
    w->out->reply = reply;
    w->done = true;
    pthread_cond_signal(&w->come);
    pthread_mutex_unlock(&w->mu);
}

void fake_call(struct fake_cluster *c, enum wire_method method, const ProtobufCMessage *msg,
               int64_t deadline_ms, struct fake_outcome *out)
{
    struct wait w = {.out = out};
    pthread_mutex_init(&w.mu, NULL);
    pthread_cond_init(&w.come, NULL);
    memset(out, 0, sizeof *out);
    wf_arena_init(&out->arena, SIZE_MAX);
    const int64_t start = wf_now();
    const struct rpc_call_config config = {
        .path = wire_method(method)->path,
        .reply = wire_method(method)->response,
        .deadline = deadline_ms ? start + deadline_ms * WF_MILLISECOND : INT64_MAX,
        .arena = &out->arena,
    };
    rpc_call_release(rpc_peer_call(c->client, &config, msg, on_done, &w));
    pthread_mutex_lock(&w.mu);
    while (!w.done) {
        pthread_cond_wait(&w.come, &w.mu);
    }
    pthread_mutex_unlock(&w.mu);
    out->took = wf_now() - start;
    pthread_cond_destroy(&w.come);
    pthread_mutex_destroy(&w.mu);
}

void fake_outcome_fini(struct fake_outcome *o)
{
    wf_arena_fini(&o->arena);
}

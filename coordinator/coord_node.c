/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_node.c - see coord_node.h. Opening order is data, then connections, then the ticker;
 * closing is the reverse.
 */
#include "coordinator/coord_node.h"

#include <jansson.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coordinator/coord_metrics.h"
#include "coordinator/coord_service.h"
#include "coordinator/refresh.h"
#include "coordinator/topology.h"

#define FIELD(f) WF_OPT(struct coord_conf, f)
const struct wf_option coord_options[] = {
    RPC_PROCESS_OPTIONS(struct coord_conf, process, "7000", "7080"),
    {"coordinator.generation", WF_STR, FIELD(generation), "", NULL, NULL,
     "Directory of the generation to serve; its global/ part is read.", NULL, false},
    {"coordinator.topology", WF_STR, FIELD(topology), "", NULL, NULL,
     "File that says which replicas hold which shard: shards = ( { replicas = (\"host:port\", "
     "...); }, ... );",
     NULL, false},
    {"coordinator.surfaces", WF_STR, FIELD(surfaces), "", NULL, NULL,
     "File that changes the built-in surfaces and adds others; empty: for_you, similar, "
     "for_you_raw, similar_raw and trending as they are.",
     NULL, false},
    {"coordinator.join_timeout", WF_MILLIS, FIELD(join_ms), "5s", "0", "10m",
     "How long a starting coordinator waits for all shards before it serves with those it has.",
     NULL, false},
    {"coordinator.reserve", WF_MILLIS, FIELD(reserve_ms), "40ms", "1ms", "10s",
     "Time of a request that is kept for merging, ranking and the way home, at most; a fifth of "
     "what is left when that is less.",
     NULL, false},
    {"search.deadline", WF_MILLIS, FIELD(deadline_ms), "1s", "1ms", "60s",
     "Deadline of a request that brings none.", NULL, false},
    {"limits.reply_arena", WF_BYTES, FIELD(reply_arena), "64MiB", "64KiB", "1GiB",
     "Memory that one decoded shard reply may use.", NULL, false},
    {"limits.exclusions", WF_BYTES, FIELD(exclusions), "256MiB", "1MiB", "64GiB",
     "Memory for uploaded sets of exclusions; the one used longest ago is let go first.", NULL,
     false},
    {"peers.keepalive", WF_MILLIS, FIELD(keepalive_ms), "10s", "0", "10m",
     "Interval of pings to shards; a silent connection is broken off 3 s after one. 0: none.", NULL,
     false},
    {"peers.tls_ca", WF_STR, FIELD(peer_ca), "", NULL, NULL,
     "PEM file of the authority that shards are signed by; empty: plaintext.", NULL, false},
    {"peers.tls_cert", WF_STR, FIELD(peer_cert), "", NULL, NULL,
     "PEM file of the certificate shown to shards.", NULL, false},
    {"peers.tls_key", WF_STR, FIELD(peer_key), "", NULL, NULL,
     "PEM file of that certificate's private key.", NULL, false},
};
const unsigned coord_n_options = sizeof coord_options / sizeof coord_options[0];

struct node {
    struct coord_service service; /* first: the state that handlers get */
    struct rpc_process *process;
    struct coord_global *global;
    struct coord_surfaces surfaces;
    struct coord_topology *topology;
    struct coord_refresh *refresh;
    struct coord_store *store;
    int64_t join_until;
    pthread_mutex_t mu;
    pthread_cond_t joined;
    bool serving, waited; /* guarded by mu; waited: join_until has passed */
};

static void on_round(uint64_t round, void *ctx)
{
    struct node *n = ctx;
    const struct coord_transport *t = coord_topology_transport(n->topology);
    const uint32_t ready = coord_topology_ready(n->topology);
    double documents = 0;
    for (uint32_t i = 0; i < t->n_shards; i++) {
        documents += (double)t->documents(t->ctx, i);
    }
    struct wf_metrics *m = n->service.coord.metrics;
    wf_gauge(m, COORD_M_SHARDS, 0, t->n_shards);
    wf_gauge(m, COORD_M_SHARDS_READY, 0, ready);
    wf_gauge(m, COORD_M_DOCUMENTS, 0, documents);
    uint32_t sets;
    uint64_t bytes;
    coord_store_count(n->store, &sets, &bytes);
    wf_gauge(m, COORD_M_SETS, 0, sets);
    wf_gauge(m, COORD_M_SET_BYTES, 0, (double)bytes);
    pthread_mutex_lock(&n->mu);
    n->waited = wf_now() >= n->join_until;
    const bool begin = !n->serving && ready && (ready == t->n_shards || n->waited);
    n->serving |= begin;
    if (begin || n->waited) {
        pthread_cond_signal(&n->joined);
    }
    pthread_mutex_unlock(&n->mu);
    if (begin) {
        wf_log(WF_INFO, "serving", WF_S("generation", n->global->manifest->name),
               WF_S("model", n->global->model), WF_I("shards", t->n_shards), WF_I("ready", ready),
               WF_I("round", round));
        rpc_process_serving(n->process, true);
    }
}

/* Until it serves or the join timeout has passed; the ticker wakes it at least once a second. */
static void await_shards(struct node *n)
{
    pthread_mutex_lock(&n->mu);
    while (!n->serving && !n->waited) {
        pthread_cond_wait(&n->joined, &n->mu);
    }
    pthread_mutex_unlock(&n->mu);
}

static enum wf_code missing(const char *key, struct wf_error *err)
{
    return wf_invalid(err, "CONFIG", key, "%s is not set", key);
}

/* What the configuration names; both outputs are the caller's to free. */
static enum wf_code read_files(const struct coord_conf *conf, struct coord_surfaces *surfaces,
                               struct coord_map *map, struct wf_error *err)
{
    if (!conf->generation[0]) {
        return missing("coordinator.generation", err);
    }
    if (!conf->topology[0]) {
        return missing("coordinator.topology", err);
    }
    enum wf_code code = coord_surfaces_read(conf->surfaces, surfaces, err);
    if (code == WF_OK) {
        code = coord_map_read(conf->topology, map, err);
    }
    if (code != WF_OK) {
        wf_reason(err, "CONFIG");
    }
    return code;
}

enum wf_code coord_node_check(const void *conf, struct wf_error *err)
{
    struct coord_surfaces *surfaces = wf_xarray(struct coord_surfaces, 1);
    struct coord_map map = {0};
    enum wf_code code = read_files(conf, surfaces, &map, err);
    coord_map_fini(&map);
    wf_xfree(surfaces);
    return code;
}

static const char *or_null(const char *s)
{
    return s[0] ? s : NULL;
}

static enum wf_code open_topology(struct node *n, const struct coord_conf *conf,
                                  const struct coord_map *map, struct wf_error *err)
{
    const struct coord_topology_config config = {
        .map = map,
        .manifest = n->global->manifest,
        .max_message = conf->process.max_message,
        .max_arena = conf->reply_arena,
        .keepalive_ms = (int)conf->keepalive_ms,
        .tls = {or_null(conf->peer_cert), or_null(conf->peer_key), or_null(conf->peer_ca)},
    };
    enum wf_code code =
        coord_topology_open(rpc_process_loop(n->process), &config, &n->topology, err);
    if (code == WF_PRECONDITION) {
        wf_reason(err, "CONFIG");
    }
    return code;
}

enum wf_code coord_node_open(struct rpc_process *p, const void *conf_, void **state,
                             struct wf_error *err)
{
    const struct coord_conf *conf = conf_;
    struct node *n = wf_xarray(struct node, 1);
    n->process = p;
    pthread_mutex_init(&n->mu, NULL);
    pthread_cond_init(&n->joined, NULL);
    n->join_until = wf_deadline_ms(wf_now(), conf->join_ms);
    rpc_process_serving(p, false);
    struct coord_map map = {0};
    enum wf_code code = read_files(conf, &n->surfaces, &map, err);
    if (code == WF_OK) {
        code = coord_global_open(conf->generation, &n->global, err);
    }
    if (code == WF_OK) {
        code = open_topology(n, conf, &map, err);
    }
    coord_map_fini(&map);
    if (code != WF_OK) {
        coord_node_close(n);
        return code;
    }
    n->store = coord_store_create(conf->exclusions, coord_topology_shards(n->topology));
    const struct coord coord = {
        .global = n->global,
        .surfaces = &n->surfaces,
        .store = n->store,
        .transport = coord_topology_transport(n->topology),
        .metrics = rpc_process_metrics(p),
        .reserve = conf->reserve_ms * WF_MILLISECOND,
        .reply_limit = conf->reply_arena,
    };
    coord_service_init(&n->service, &coord, n->topology, conf->deadline_ms * WF_MILLISECOND,
                       conf->process.max_arena);
    n->refresh = coord_refresh_start(n->topology, n->global->manifest->name, on_round, n);
    await_shards(n);
    *state = &n->service;
    return WF_OK;
}

void coord_node_close(void *state)
{
    struct node *n = state;
    coord_refresh_stop(n->refresh);
    coord_topology_close(n->topology);
    coord_refresh_destroy(n->refresh);
    coord_store_destroy(n->store);
    coord_global_close(n->global);
    pthread_cond_destroy(&n->joined);
    pthread_mutex_destroy(&n->mu);
    wf_xfree(n);
}

static json_t *shards_json(const struct coord_topology *t)
{
    json_t *shards = json_array();
    const struct coord_transport *transport = coord_topology_transport(t);
    for (uint32_t i = 0; i < coord_topology_shards(t); i++) {
        json_t *replicas = json_array();
        for (uint32_t j = 0; j < coord_topology_replicas(t, i); j++) {
            json_array_append_new(replicas, json_pack("{s:s, s:b}", "address",
                                                      coord_topology_address(t, i, j), "well",
                                                      (int)coord_topology_well(t, i, j)));
        }
        json_array_append_new(shards, json_pack("{s:i, s:I, s:o}", "shard", (int)i, "documents",
                                                (json_int_t)transport->documents(transport->ctx, i),
                                                "replicas", replicas));
    }
    return shards;
}

char *coord_node_status(const void *state)
{
    const struct node *n = state;
    json_t *surfaces = json_array();
    for (uint32_t i = 0; i < n->surfaces.n; i++) {
        json_array_append_new(surfaces, json_string(n->surfaces.list[i].name));
    }
    json_t *all =
        json_pack("{s:s, s:s, s:I, s:o, s:o}", "generation", n->global->manifest->name, "model",
                  n->global->model, "documents", (json_int_t)n->global->manifest->rows, "surfaces",
                  surfaces, "shards", shards_json(n->topology));
    size_t size = json_dumpb(all, NULL, 0, JSON_COMPACT);
    char *text = wf_xmalloc(size + 1);
    json_dumpb(all, text, size, JSON_COMPACT);
    text[size] = '\0';
    json_decref(all);
    return text;
}

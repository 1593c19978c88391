/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_cluster.h - a real coordinator service in front of fake shards behind real servers, all on
 * 127.0.0.1 in one process. Each shard's replica follows a script that may be changed while it
 * serves: answer, wait first, refuse, or send garbage.
 */
#ifndef FAKE_CLUSTER_H
#define FAKE_CLUSTER_H

#include <pthread.h>
#include <stdatomic.h>

#include "coordinator/coord_service.h"
#include "coordinator/refresh.h"
#include "coordinator/topology.h"
#include "tests/support/fake_transport.h"

struct fake_cluster;
struct fake_server {
    struct fake_cluster *cluster;
    struct rpc_server *server; /* NULL: stopped */
    uint32_t shard;
    int port;
    atomic_int mode;   /* enum fake_mode */
    atomic_int code;   /* of FAKE_ERROR */
    atomic_uint which; /* of FAKE_GARBAGE */
    atomic_llong delay_ms;
    atomic_uint searches;
    atomic_bool lies; /* its Stats name another shard */
};
struct fake_cluster {
    struct fake_shop *shop;
    uint32_t n_replicas;
    struct fake_server servers[FAKE_SHARDS_MAX][FAKE_REPLICAS_MAX];
    struct rpc_loop *loop;
    struct wf_metrics *metrics;
    struct coord_topology *topology;
    struct coord_refresh *refresh;
    struct coord_store *store;
    struct coord_service service;
    struct rpc_server *server;
    struct rpc_peer *client;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    uint32_t ready; /* guarded by mu: shards ready at the last round */
    struct rpc_method shard_methods[3], methods[COORD_SERVICE_METHODS];
};
/* Serving, all shards ready. */
struct fake_cluster *fake_cluster_open(struct fake_shop *shop, uint32_t n_replicas);
void fake_cluster_close(struct fake_cluster *c);
/* Stops and starts one replica on its port. */
void fake_server_stop(struct fake_server *s);
void fake_server_start(struct fake_server *s);
/* Waits until the coordinator counts n ready shards; aborts after half a minute. */
void fake_cluster_await(struct fake_cluster *c, uint32_t n);

/* What came of one call. */
struct fake_outcome {
    struct wf_error err; /* code WF_OK: reply holds */
    const ProtobufCMessage *reply;
    bool details; /* a RecommendResponse came with the failure */
    double ratio; /* of these details */
    uint32_t n_shards;
    int64_t took;
    struct wf_arena arena; /* the reply's */
};
/* `deadline_ms` 0: none. */
void fake_call(struct fake_cluster *c, enum wire_method method, const ProtobufCMessage *msg,
               int64_t deadline_ms, struct fake_outcome *out);
void fake_outcome_fini(struct fake_outcome *o);

#endif

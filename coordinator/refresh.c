/* SPDX-License-Identifier: Apache-2.0
 *
 * refresh.c - the ticker. Its own thread, so that stopping is a join; the lock guards only the stop
 * flag and is on no query's path. The first rounds come fast, so that a cluster that starts
 * together is ready as soon as its shards are.
 */
#include "coordinator/refresh.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

#define PERIOD       (1 * WF_SECOND)
#define EARLY_PERIOD (50 * WF_MILLISECOND)
enum { EARLY_ROUNDS = 100, STATS_ARENA = 1 << 20 };

struct question {
    struct coord_refresh *refresh;
    uint32_t shard, replica;
    atomic_bool under_way;
    int64_t asked;   /* when the last one was sent; the reply's thread, as the next */
    bool complained; /* by the reply's thread; one question at a time */
    struct wf_arena arena;
};
struct coord_refresh {
    struct coord_topology *topology;
    const char *generation;
    coord_refresh_fn *after;
    void *ctx;
    struct question *questions;
    uint32_t n;
    const ProtobufCMessage *message;
    struct wf_arena arena;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool stopping; /* guarded by mu */
};

static enum coord_holding judge(const struct question *q, const struct wire_stats *stats,
                                struct coord_heard *heard)
{
    const struct coord_refresh *r = q->refresh;
    if (stats->shard != q->shard || stats->n_shards != coord_topology_shards(r->topology)) {
        return COORD_HOLDING_NOT;
    }
    for (uint32_t i = 0; i < stats->n_generations; i++) {
        if (strcmp(stats->generations[i].name, r->generation) == 0) {
            heard->documents = stats->generations[i].documents;
            heard->cpu_us = stats->cpu_us;
            return COORD_HOLDING;
        }
    }
    return COORD_HOLDING_NOT;
}

/* Once per change: a misconfigured replica would fill the log each second. */
static void complain(struct question *q, const struct wire_stats *stats, bool wrong)
{
    if (wrong && !q->complained) {
        wf_log(WF_WARN, "replica_unusable",
               WF_S("address", coord_topology_address(q->refresh->topology, q->shard, q->replica)),
               WF_I("shard", q->shard), WF_I("says_shard", stats->shard),
               WF_I("says_shards", stats->n_shards), WF_S("generation", q->refresh->generation));
    }
    q->complained = wrong;
}

static void on_stats(const ProtobufCMessage *reply, const struct wf_error *err, void *ctx)
{
    struct question *q = ctx;
    struct wire_stats stats;
    struct coord_heard heard = {.holding = COORD_HOLDING_UNKNOWN, .asked = q->asked};
    if (!err && wire_stats_read(reply, &q->arena, &stats, NULL) == WF_OK) {
        heard.holding = judge(q, &stats, &heard);
        complain(q, &stats, heard.holding == COORD_HOLDING_NOT);
    }
    coord_topology_heard(q->refresh->topology, q->shard, q->replica, &heard);
    wf_arena_reset(&q->arena);
    atomic_store(&q->under_way, false);
}

static void ask(struct question *q)
{
    if (atomic_exchange(&q->under_way, true)) {
        return;
    }
    const struct coord_refresh *r = q->refresh;
    q->asked = wf_now();
    const struct wire_method_info *method = wire_method(WIRE_STATS);
    const struct rpc_call_config config = {
        .path = method->path,
        .reply = method->response,
        .deadline = q->asked + PERIOD,
        .arena = &q->arena,
    };
    struct rpc_peer *peer = coord_topology_peer(r->topology, q->shard, q->replica);
    rpc_call_release(rpc_peer_call(peer, &config, r->message, on_stats, q));
}

/* Waits for the period or the stop; true when stopping. */
static bool pause_for(struct coord_refresh *r, int64_t period)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t at = (int64_t)until.tv_sec * WF_SECOND + until.tv_nsec + period;
    until.tv_sec = (time_t)(at / WF_SECOND);
    until.tv_nsec = (long)(at % WF_SECOND);
    pthread_mutex_lock(&r->mu);
    while (!r->stopping && pthread_cond_timedwait(&r->wake, &r->mu, &until) == 0) {
    }
    bool stopping = r->stopping;
    pthread_mutex_unlock(&r->mu);
    return stopping;
}

static void *run(void *ctx)
{
    struct coord_refresh *r = ctx;
    pthread_setname_np(pthread_self(), "ticker");
    for (uint64_t round = 1;; round++) {
        for (uint32_t i = 0; i < r->n; i++) {
            ask(&r->questions[i]);
        }
        if (r->after) {
            r->after(round, r->ctx);
        }
        if (pause_for(r, round <= EARLY_ROUNDS ? EARLY_PERIOD : PERIOD)) {
            return NULL;
        }
    }
}

struct coord_refresh *coord_refresh_start(struct coord_topology *t, const char *generation,
                                          coord_refresh_fn *after, void *ctx)
{
    struct coord_refresh *r = wf_xarray(struct coord_refresh, 1);
    r->topology = t;
    r->generation = generation;
    r->after = after;
    r->ctx = ctx;
    wf_arena_init(&r->arena, STATS_ARENA);
    r->message = wire_stats_request_message(&r->arena);
    for (uint32_t i = 0; i < coord_topology_shards(t); i++) {
        r->n += coord_topology_replicas(t, i);
    }
    r->questions = wf_xarray(struct question, r->n);
    struct question *q = r->questions;
    for (uint32_t i = 0; i < coord_topology_shards(t); i++) {
        for (uint32_t j = 0; j < coord_topology_replicas(t, i); j++, q++) {
            q->refresh = r;
            q->shard = i;
            q->replica = j;
            wf_arena_init(&q->arena, STATS_ARENA);
        }
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->mu, NULL);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    wf_assert(pthread_create(&r->thread, NULL, run, r) == 0);
    return r;
}

void coord_refresh_stop(struct coord_refresh *r)
{
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->mu);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mu);
    pthread_join(r->thread, NULL);
}

void coord_refresh_destroy(struct coord_refresh *r)
{
    for (uint32_t i = 0; r && i < r->n; i++) {
        wf_arena_fini(&r->questions[i].arena);
    }
    if (r) {
        wf_arena_fini(&r->arena);
        pthread_cond_destroy(&r->wake);
        pthread_mutex_destroy(&r->mu);
        wf_xfree(r->questions);
        wf_xfree(r);
    }
}

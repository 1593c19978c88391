/* SPDX-License-Identifier: Apache-2.0
 *
 * topology.c - replicas, their state and the real transport. A replica's state is a few atomics,
 * written by the health watch, by the outcome of calls and by the Stats refresh, and read by
 * `pick`: no lock, and nothing that a query waits for. A choice made on a state that has just
 * changed is not wrong, only unlucky: the gather tries the next replica.
 */
#include "coordinator/topology.h"

#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

/* How long a replica that failed is passed over while another one is well. */
#define PASS_OVER (1 * WF_SECOND)

enum health { HEALTH_UNKNOWN, HEALTH_SERVING, HEALTH_NOT_SERVING };

struct replica {
    struct rpc_peer *peer;
    char *address;
    atomic_int health;            /* enum health */
    atomic_int holding;           /* enum coord_holding */
    _Atomic int64_t failed_until; /* passed over until then */
    _Atomic uint64_t cpu_us;      /* of its process, as last heard */
    _Atomic int64_t cpu_since;    /* cpu_us is no older; 0 = never heard */
};
struct shard {
    struct replica *replicas;
    uint32_t n;
    _Atomic uint64_t documents; /* as last heard from any replica, else by the manifest */
    _Alignas(64) atomic_uint turn;
};
struct coord_topology {
    struct coord_transport transport;
    struct shard *shards;
    uint32_t n;
};

static int64_t now_of(void *ctx)
{
    (void)ctx;
    return wf_now();
}

/* 2: well; 1: failed lately or not heard of; 0: not to be asked. */
static int rank_of(const struct replica *r, int64_t now)
{
    int health = atomic_load(&r->health);
    if (health == HEALTH_NOT_SERVING || atomic_load(&r->holding) == COORD_HOLDING_NOT) {
        return 0;
    }
    return health == HEALTH_SERVING && atomic_load(&r->failed_until) <= now ? 2 : 1;
}

static uint32_t pick(void *ctx, uint32_t shard, uint32_t except)
{
    const struct coord_topology *t = ctx;
    struct shard *s = &t->shards[shard];
    const int64_t now = wf_now();
    uint32_t first = s->n > 1 ? atomic_fetch_add(&s->turn, 1) % s->n : 0;
    uint32_t best = COORD_NO_REPLICA;
    int best_rank = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = first + i < s->n ? first + i : first + i - s->n;
        int rank = at == except ? 0 : rank_of(&s->replicas[at], now);
        if (rank > best_rank) {
            best_rank = rank;
            best = at;
        }
    }
    return best;
}

static void call(void *ctx, uint32_t shard, uint32_t replica, const struct coord_call *c)
{
    const struct coord_topology *t = ctx;
    const struct wire_method_info *method = wire_method(c->method);
    const struct rpc_call_config config = {
        .path = method->path,
        .reply = method->response,
        .deadline = c->deadline,
        .arena = c->arena,
    };
    rpc_call_release(rpc_peer_call(t->shards[shard].replicas[replica].peer, &config, c->message,
                                   c->done, c->ctx));
}

/* Only what says something about the replica; a refused request says nothing. */
static void note(void *ctx, uint32_t shard, uint32_t replica, enum wf_code code)
{
    const struct coord_topology *t = ctx;
    struct replica *r = &t->shards[shard].replicas[replica];
    if (code == WF_OK) {
        if (atomic_load(&r->failed_until)) {
            atomic_store(&r->failed_until, 0);
        }
    } else if (code == WF_UNAVAILABLE || code == WF_TIMEOUT || code == WF_INTERNAL ||
               code == WF_PRECONDITION || code == WF_DATA_LOSS || code == WF_UNIMPLEMENTED) {
        atomic_store(&r->failed_until, wf_now() + PASS_OVER);
    }
}

static uint64_t documents_of(void *ctx, uint32_t shard)
{
    const struct coord_topology *t = ctx;
    return atomic_load(&t->shards[shard].documents);
}

static void on_health(bool serving, void *ctx)
{
    struct replica *r = ctx;
    atomic_store(&r->health, serving ? HEALTH_SERVING : HEALTH_NOT_SERVING);
    if (serving) {
        atomic_store(&r->failed_until, 0);
    }
}

static enum wf_code open_shard(struct rpc_loop *loop, const struct coord_topology_config *config,
                               const struct coord_map_shard *from, struct shard *s,
                               struct wf_error *err)
{
    s->replicas = wf_xarray(struct replica, from->n);
    for (uint32_t i = 0; i < from->n; i++) {
        struct replica *r = &s->replicas[i];
        const struct rpc_peer_config peer = {
            .target = from->addresses[i],
            .max_message = config->max_message,
            .max_arena = config->max_arena,
            .keepalive_ms = config->keepalive_ms,
            .tls = config->tls,
        };
        enum wf_code code = rpc_peer_open(loop, &peer, &r->peer, err);
        if (code != WF_OK) {
            return code;
        }
        r->address = wf_xstrdup(from->addresses[i]);
        s->n++;
        rpc_peer_watch(r->peer, "", on_health, r);
    }
    return WF_OK;
}

enum wf_code coord_topology_open(struct rpc_loop *loop, const struct coord_topology_config *config,
                                 struct coord_topology **out, struct wf_error *err)
{
    const struct coord_map *map = config->map;
    if (map->n != config->manifest->n_shards) {
        return wf_fail(err, WF_PRECONDITION, "the topology has %u shards, generation %s has %u",
                       map->n, config->manifest->name, config->manifest->n_shards);
    }
    struct coord_topology *t = wf_xarray(struct coord_topology, 1);
    t->shards = wf_xmalloc64(map->n * sizeof *t->shards);
    memset(t->shards, 0, map->n * sizeof *t->shards);
    t->n = map->n;
    t->transport = (struct coord_transport){
        .ctx = t,
        .n_shards = map->n,
        .now = now_of,
        .pick = pick,
        .call = call,
        .note = note,
        .documents = documents_of,
    };
    for (uint32_t i = 0; i < map->n; i++) {
        atomic_store(&t->shards[i].documents, config->manifest->shard_rows[i]);
        enum wf_code code = open_shard(loop, config, &map->shards[i], &t->shards[i], err);
        if (code != WF_OK) {
            wf_prefix(err, "shard %u: ", i);
            coord_topology_close(t);
            return code;
        }
    }
    *out = t;
    return WF_OK;
}

void coord_topology_close(struct coord_topology *t)
{
    if (!t) {
        return;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        struct shard *s = &t->shards[i];
        for (uint32_t j = 0; j < s->n; j++) {
            rpc_peer_close(s->replicas[j].peer);
            wf_xfree(s->replicas[j].address);
        }
        wf_xfree(s->replicas);
    }
    wf_xfree(t->shards);
    wf_xfree(t);
}

const struct coord_transport *coord_topology_transport(const struct coord_topology *t)
{
    return &t->transport;
}

uint32_t coord_topology_shards(const struct coord_topology *t)
{
    return t->n;
}

uint32_t coord_topology_replicas(const struct coord_topology *t, uint32_t shard)
{
    return t->shards[shard].n;
}

struct rpc_peer *coord_topology_peer(const struct coord_topology *t, uint32_t shard,
                                     uint32_t replica)
{
    return t->shards[shard].replicas[replica].peer;
}

const char *coord_topology_address(const struct coord_topology *t, uint32_t shard, uint32_t replica)
{
    return t->shards[shard].replicas[replica].address;
}

void coord_topology_heard(struct coord_topology *t, uint32_t shard, uint32_t replica,
                          const struct coord_heard *heard)
{
    struct replica *r = &t->shards[shard].replicas[replica];
    atomic_store(&r->holding, (int)heard->holding);
    if (heard->holding == COORD_HOLDING) {
        atomic_store(&t->shards[shard].documents, heard->documents);
        atomic_store(&r->cpu_us, heard->cpu_us);
        atomic_store(&r->cpu_since, heard->asked);
    }
}

bool coord_topology_cpu(const struct coord_topology *t, uint32_t shard, uint32_t replica,
                        uint64_t *cpu_us, int64_t *since)
{
    const struct replica *r = &t->shards[shard].replicas[replica];
    /* Written the other way round: the figure may be newer than its time, never older. */
    *since = atomic_load(&r->cpu_since);
    *cpu_us = atomic_load(&r->cpu_us);
    return *since != 0;
}

bool coord_topology_well(const struct coord_topology *t, uint32_t shard, uint32_t replica)
{
    return rank_of(&t->shards[shard].replicas[replica], wf_now()) == 2;
}

uint32_t coord_topology_ready(const struct coord_topology *t)
{
    uint32_t ready = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        for (uint32_t j = 0; j < t->shards[i].n; j++) {
            const struct replica *r = &t->shards[i].replicas[j];
            if (coord_topology_well(t, i, j) && atomic_load(&r->holding) == COORD_HOLDING) {
                ready++;
                break;
            }
        }
    }
    return ready;
}

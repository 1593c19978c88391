/* SPDX-License-Identifier: Apache-2.0
 *
 * inspect.c - see inspect.h. Everything of a draw lives in its call's arena, ids included: they are
 * copied out of the shards' replies, which are released before the answer goes.
 */
#include "coordinator/inspect.h"

#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "coordinator/coord_service.h"
#include "proto/wire_coordinator.h"

static enum wf_code full(struct rpc_request *rq, struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the answer needs more memory than its limit of %zu bytes",
                   rpc_arena(rq)->limit);
}

/* Ends the call with `message`, or when it is NULL because the arena is full. */
static void answer(struct rpc_request *rq, const ProtobufCMessage *message)
{
    struct wf_error err = {0};
    if (message) {
        rpc_reply(rq, message);
    } else {
        full(rq, &err);
        rpc_fail(rq, &err, NULL);
    }
}

/* ---- Draw ---- */

struct draw {
    struct coord_service *service;
    struct rpc_request *rq;
    struct wire_draw_request asked;
    struct wire_draw_response reply;
    struct wf_order order;
    const char **ids; /* of each draw; NULL: nobody told */
    uint32_t n;
    /* Items: draws sorted by shard. */
    struct coord_gather *gather;
    uint32_t *begins; /* per shard, and one more: where its draws begin in the next two */
    uint32_t *rows, *places;
};

static enum wf_code keep(struct draw *d, uint32_t place, const char *id, size_t size)
{
    char *copy = wf_arena_alloc(rpc_arena(d->rq), size + 1);
    if (!copy) {
        return WF_EXHAUSTED;
    }
    memcpy(copy, id, size);
    copy[size] = '\0';
    d->ids[place] = copy;
    return WF_OK;
}

static void finish(struct draw *d, enum wf_code code)
{
    struct wf_error err = {0};
    uint32_t told = 0;
    coord_gather_fini(d->gather);
    for (uint32_t i = 0; i < d->n; i++) {
        if (d->ids[i]) {
            d->ids[told++] = d->ids[i];
        }
    }
    if (code == WF_OK && d->n && !told) {
        wf_fail(&err, WF_UNAVAILABLE, "none of the shards of %u items answered", d->n);
        wf_reason(&err, "NO_SHARD");
        rpc_fail(d->rq, &err, NULL);
        return;
    }
    d->reply.ids = d->ids;
    d->reply.n_ids = told;
    answer(d->rq, code == WF_OK ? wire_draw_response_message(&d->reply, rpc_arena(d->rq)) : NULL);
}

static void draw_users(struct draw *d)
{
    const struct wf_idmap *users = &d->service->coord.global->users;
    enum wf_code code = WF_OK;
    for (uint32_t i = 0; i < d->n && code == WF_OK; i++) {
        size_t size;
        const uint64_t row = wf_order_at(&d->order, d->asked.first + i);
        const char *id = wf_idmap_get(users, (uint32_t)row, &size);
        code = keep(d, i, id, size);
    }
    finish(d, code);
}

static void on_gathered(void *ctx)
{
    struct draw *d = ctx;
    enum wf_code code = WF_OK;
    for (uint32_t i = 0; i < d->gather->n; i++) {
        const struct coord_slot *s = &d->gather->slots[i];
        if (!coord_slot_answered(s)) {
            continue;
        }
        const struct wire_columns *found = &s->search.sources[0];
        const char *sku = found->sku_bytes;
        for (uint32_t j = 0; j < found->n && code == WF_OK; j++) {
            code = keep(d, d->places[d->begins[i] + found->asked[j]], sku, found->sku_sizes[j]);
            sku += found->sku_sizes[j];
        }
    }
    finish(d, code);
}

/* The shard of a row of the whole generation: the last that begins at or before it. */
static uint32_t shard_of(const uint64_t *firsts, uint32_t n, uint64_t row)
{
    uint32_t low = 0, high = n;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (firsts[middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Fills begins, rows and places: a counting sort of the draws by shard. */
static enum wf_code sort_by_shard(struct draw *d, const struct wf_manifest *m)
{
    struct wf_arena *arena = rpc_arena(d->rq);
    const uint32_t n = m->n_shards;
    uint64_t *firsts = wf_array(arena, uint64_t, n);
    uint32_t *shards = wf_array(arena, uint32_t, d->n), *at = wf_array(arena, uint32_t, n);
    d->begins = wf_array(arena, uint32_t, n + 1);
    d->rows = wf_array(arena, uint32_t, d->n);
    d->places = wf_array(arena, uint32_t, d->n);
    if (!firsts || !shards || !at || !d->begins || !d->rows || !d->places) {
        return WF_EXHAUSTED;
    }
    for (uint32_t i = 1; i < n; i++) {
        firsts[i] = firsts[i - 1] + m->shard_rows[i - 1];
    }
    for (uint32_t i = 0; i < d->n; i++) {
        shards[i] = shard_of(firsts, n, wf_order_at(&d->order, d->asked.first + i));
        d->begins[shards[i] + 1]++;
    }
    for (uint32_t i = 0; i < n; i++) {
        d->begins[i + 1] += d->begins[i];
        at[i] = d->begins[i];
    }
    for (uint32_t i = 0; i < d->n; i++) {
        const uint64_t row = wf_order_at(&d->order, d->asked.first + i);
        const uint32_t to = at[shards[i]]++;
        d->rows[to] = (uint32_t)(row - firsts[shards[i]]);
        d->places[to] = i;
    }
    return WF_OK;
}

static enum wf_code ask_shard(struct draw *d, struct coord_slot *slot)
{
    struct wf_arena *arena = rpc_arena(d->rq);
    const uint32_t begin = d->begins[slot->shard], n = d->begins[slot->shard + 1] - begin;
    if (!n) {
        return WF_OK;
    }
    struct wire_lookup *lookup = wf_array(arena, struct wire_lookup, 1);
    struct wire_search_request *rq = wf_array(arena, struct wire_search_request, 1);
    if (!lookup || !rq) {
        return WF_EXHAUSTED;
    }
    *lookup = (struct wire_lookup){.rows = d->rows + begin, .n_rows = n};
    *rq = (struct wire_search_request){.generation = d->reply.generation,
                                       .request_id = "",
                                       .lookups = lookup,
                                       .n_lookups = 1,
                                       .filter = "",
                                       .vector_space = ""};
    slot->search_asked = rq;
    slot->message = wire_search_request_message(rq, arena);
    return slot->message ? WF_OK : WF_EXHAUSTED;
}

static void draw_items(struct draw *d)
{
    const struct coord *c = &d->service->coord;
    d->gather = coord_gather_open(rpc_arena(d->rq), c->transport, WIRE_SEARCH, c->reply_limit);
    enum wf_code code = d->gather ? sort_by_shard(d, c->global->manifest) : WF_EXHAUSTED;
    for (uint32_t i = 0; code == WF_OK && i < d->gather->n; i++) {
        code = ask_shard(d, &d->gather->slots[i]);
    }
    if (code == WF_OK) {
        coord_gather_start(d->gather, coord_deadline(d->service, d->rq, 0), on_gathered, d);
    } else {
        finish(d, code);
    }
}

void coord_draw(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct coord_service *s = ctx;
    const struct coord_global *global = s->coord.global;
    struct wf_error err = {0};
    struct wire_draw_request asked;
    if (wire_draw_request_read(msg, &asked, &err) != WF_OK) {
        rpc_fail(rq, &err, NULL);
        return;
    }
    const bool items = asked.kind == WIRE_DRAW_ITEMS;
    const uint64_t total = items ? global->manifest->rows : global->users.n;
    const uint64_t left = total > asked.first ? total - asked.first : 0;
    const uint32_t n = left < asked.count ? (uint32_t)left : asked.count;
    struct draw *d = wf_array(rpc_arena(rq), struct draw, 1);
    const char **ids = wf_array(rpc_arena(rq), const char *, n);
    if (!d || !ids) {
        answer(rq, NULL);
        return;
    }
    *d = (struct draw){
        .service = s,
        .rq = rq,
        .asked = asked,
        .reply = {.generation = global->manifest->name, .total = total},
        .order = wf_order_of(total, asked.seed, asked.kind),
        .ids = ids,
        .n = n,
    };
    (items && n ? draw_items : draw_users)(d);
}

/* ---- Describe ---- */

/* Every replica that has been heard of. */
static uint32_t list_processes(const struct coord_topology *t, struct wire_process_cpu *out)
{
    uint32_t n = 0;
    const int64_t now = wf_now();
    for (uint32_t i = 0; i < coord_topology_shards(t); i++) {
        for (uint32_t j = 0; j < coord_topology_replicas(t, i); j++) {
            uint64_t cpu_us;
            int64_t since;
            if (coord_topology_cpu(t, i, j, &cpu_us, &since)) {
                const int64_t age = now > since ? now - since : 0;
                out[n++] = (struct wire_process_cpu){
                    i, j, cpu_us, (uint64_t)((age + WF_MICROSECOND - 1) / WF_MICROSECOND)};
            }
        }
    }
    return n;
}

void coord_describe(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    (void)msg; /* has no fields */
    const struct coord_service *s = ctx;
    const struct coord_transport *t = s->coord.transport;
    uint32_t most = 0;
    struct wire_describe_response reply = {
        .generation = s->coord.global->manifest->name,
        .users = s->coord.global->users.n,
    };
    for (uint32_t i = 0; i < t->n_shards; i++) {
        reply.documents += t->documents(t->ctx, i);
        most += coord_topology_replicas(s->topology, i);
    }
    reply.processes = wf_array(rpc_arena(rq), struct wire_process_cpu, most);
    if (!reply.processes) {
        answer(rq, NULL);
        return;
    }
    reply.n_processes = list_processes(s->topology, reply.processes);
    reply.cpu_us = (uint64_t)(wf_now_cpu() / WF_MICROSECOND);
    answer(rq, wire_describe_response_message(&reply, rpc_arena(rq)));
}

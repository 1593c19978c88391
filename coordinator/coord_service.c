/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_service.c - see coord_service.h. A query has an arena of its own, apart from the call's:
 * elements of a batch run on several threads at once, and the answer borrows from the shards'
 * replies, which must outlive the packing of the reply message.
 */
#include "coordinator/coord_service.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "coordinator/coord_metrics.h"
#include "coordinator/inspect.h"

/* One query being served. */
struct served {
    struct coord_query q;
    struct wf_arena arena;
    struct rpc_request *rq; /* single calls */
    struct batch *batch;    /* elements */
};
struct batch {
    struct rpc_request *rq;
    struct served *elements;
    struct wire_batch_item *items;
    uint32_t n;
    atomic_uint pending;
};

int64_t coord_deadline(const struct coord_service *s, const struct rpc_request *rq,
                       uint32_t timeout_ms)
{
    const int64_t arrival = rpc_arrival(rq);
    int64_t deadline = rpc_deadline(rq);
    if (timeout_ms) {
        int64_t own = wf_deadline_ms(arrival, timeout_ms);
        deadline = own < deadline ? own : deadline;
    }
    if (deadline == INT64_MAX) {
        deadline = arrival + s->default_deadline;
    }
    const int64_t most = wf_deadline_ms(arrival, WIRE_TIMEOUT_MAX_MS);
    return deadline < most ? deadline : most;
}

static bool has_left(void *ctx)
{
    const struct served *one = ctx;
    return rpc_cancelled(one->batch ? one->batch->rq : one->rq);
}

/* Everything that the pipeline needs, but for the request itself. */
static void prepare(struct coord_service *s, struct served *one, struct rpc_request *rq,
                    coord_query_fn *done)
{
    wf_arena_init(&one->arena, s->max_arena);
    one->q.coord = &s->coord;
    one->q.arena = &one->arena;
    one->q.arrival = rpc_arrival(rq);
    one->q.deadline = coord_deadline(s, rq, one->q.rq.timeout_ms);
    one->q.done = done;
    one->q.left = has_left;
    one->q.ctx = one;
    if (!one->q.rq.request_id[0]) {
        struct wf_random r = wf_random_of(s->seed, atomic_fetch_add(&s->counter, 1));
        const char *id = wf_arena_printf(&one->arena, "%016" PRIx64, wf_random_next(&r));
        one->q.rq.request_id = id ? id : "";
    }
}

static void release(struct served *one)
{
    coord_query_fini(&one->q);
    wf_arena_fini(&one->arena);
}

/* Whether the outcome is for the operator to know, and not the caller's own doing. */
static bool is_ours(const struct coord_query *q)
{
    const enum wf_code code = q->err.code;
    const uint32_t shards = 1U << WIRE_SHARD_TIMEOUT_REASON | 1U << WIRE_SHARD_DOWN_REASON |
                            1U << WIRE_SHARD_FAILED_REASON | 1U << WIRE_SHARD_PARTIAL_REASON |
                            1U << WIRE_DEADLINE;
    return code == WF_UNAVAILABLE || code == WF_EXHAUSTED || code == WF_INTERNAL ||
           code == WF_TIMEOUT || q->response.degraded & shards;
}

/* One summary per list: what fell short is worth a line, the rest is for debugging. */
static void summarise(const struct coord_query *q)
{
    const struct wire_recommend_response *r = &q->response;
    const enum wf_level level = is_ours(q) ? WF_INFO : WF_DEBUG;
    if (level < wf_log_level()) {
        return;
    }
    wf_log(level, "recommend", WF_S("request_id", q->rq.request_id), WF_S("surface", r->surface),
           WF_S("code", wf_code_name(q->err.code)), WF_S("reason", q->err.reason),
           WF_I("hits", r->n_hits), WF_I("degraded", r->degraded),
           WF_D("coverage", r->coverage.ratio), WF_I("resolve_us", r->timings.resolve),
           WF_I("gather_us", r->timings.gather), WF_I("rank_us", r->timings.rank),
           WF_I("total_us", r->timings.total), WF_I("arena_bytes", q->arena->used));
}

/* ---- Recommend ---- */

static void on_done(struct coord_query *q, void *ctx)
{
    struct served *one = ctx;
    struct wf_error *err = &q->err;
    const ProtobufCMessage *message = NULL;
    summarise(q);
    if (err->code == WF_OK || q->details) {
        message = wire_recommend_response_message(&q->response, q->arena);
    }
    if (err->code == WF_OK && !message) {
        wf_fail(err, WF_EXHAUSTED, "the answer needs more memory than its limit of %zu bytes",
                q->arena->limit);
    }
    if (err->code == WF_OK) {
        rpc_reply(one->rq, message);
    } else {
        rpc_fail(one->rq, err, message);
    }
    release(one);
    wf_xfree(one);
}

static void recommend(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct coord_service *s = ctx;
    struct served *one = wf_xarray(struct served, 1);
    struct wf_error err = {0};
    if (wire_recommend_request_read(msg, rpc_arena(rq), &one->q.rq, &err) != WF_OK) {
        wf_count(s->coord.metrics, COORD_M_REQUESTS, (unsigned)err.code, 1);
        rpc_fail(rq, &err, NULL);
        wf_xfree(one);
        return;
    }
    one->rq = rq;
    prepare(s, one, rq, on_done);
    coord_query_start(&one->q);
}

/* ---- RecommendBatch ---- */

static void finish_batch(struct batch *b)
{
    struct wf_error err = {0};
    const ProtobufCMessage *message = wire_batch_response_message(b->items, b->n, rpc_arena(b->rq));
    if (message) {
        rpc_reply(b->rq, message);
    } else {
        wf_fail(&err, WF_EXHAUSTED, "the answers of %u requests need more memory than the limit",
                b->n);
        rpc_fail(b->rq, &err, NULL);
    }
    for (uint32_t i = 0; i < b->n; i++) {
        release(&b->elements[i]);
    }
    wf_xfree(b->elements);
    wf_xfree(b);
}

static void one_home(struct batch *b)
{
    if (atomic_fetch_sub(&b->pending, 1) == 1) {
        finish_batch(b);
    }
}

static void on_element(struct coord_query *q, void *ctx)
{
    struct served *one = ctx;
    struct batch *b = one->batch;
    struct wire_batch_item *item = &b->items[one - b->elements];
    summarise(q);
    item->status = q->err;
    item->response = q->response;
    one_home(b);
}

static void read_element(struct coord_service *s, struct batch *b, const ProtobufCMessage *msg,
                         uint32_t i)
{
    struct served *one = &b->elements[i];
    struct wf_error *status = &b->items[i].status;
    if (wire_recommend_request_read(msg, rpc_arena(b->rq), &one->q.rq, status) != WF_OK) {
        wf_count(s->coord.metrics, COORD_M_REQUESTS, (unsigned)status->code, 1);
        one->q.coord = NULL;
        return;
    }
    one->batch = b;
    prepare(s, one, b->rq, on_element);
}

static void recommend_batch(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct coord_service *s = ctx;
    const ProtobufCMessage *const *messages = NULL;
    uint32_t n = 0;
    struct wf_error err = {0};
    enum wf_code code = wire_batch_request_read(msg, rpc_arena(rq), &messages, &n, &err);
    struct wire_batch_item *items =
        code == WF_OK ? wf_array(rpc_arena(rq), struct wire_batch_item, n) : NULL;
    if (code == WF_OK && !items) {
        wf_fail(&err, WF_EXHAUSTED, "a batch of %u needs more memory than the limit", n);
    }
    if (!items) {
        rpc_fail(rq, &err, NULL);
        return;
    }
    wf_count(s->coord.metrics, COORD_M_BATCHES, 0, 1);
    struct batch *b = wf_xarray(struct batch, 1);
    b->rq = rq;
    b->items = items;
    b->n = n;
    b->elements = wf_xarray(struct served, n);
    /* All are read before the first one starts: from then on the call's arena is nobody's. */
    for (uint32_t i = 0; i < n; i++) {
        read_element(s, b, messages[i], i);
    }
    atomic_init(&b->pending, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (b->elements[i].q.coord) {
            coord_query_start(&b->elements[i].q);
        } else {
            one_home(b);
        }
    }
    one_home(b);
}

/* ---- UploadExclusions ---- */

static enum wf_code keep(struct coord_service *s, const struct wire_exclusions *list,
                         struct wf_arena *arena, struct wire_exclusions_reply *out)
{
    uint32_t n = 0;
    char *handle = wf_array(arena, char, COORD_HANDLE_SIZE);
    const uint64_t *sorted = coord_exclusions_sort(list->hashes, list->n, arena, &n);
    struct coord_exclusions set;
    if (!handle || !sorted ||
        coord_exclusions_deal(sorted, n, s->coord.transport->n_shards, arena, &set) != WF_OK) {
        return WF_EXHAUSTED;
    }
    coord_exclusions_handle(sorted, n, handle);
    const uint32_t gone = coord_store_put(s->coord.store, handle, &set);
    wf_count(s->coord.metrics, COORD_M_UPLOADS, 0, 1);
    wf_count(s->coord.metrics, COORD_M_EVICTIONS, 0, gone);
    *out = (struct wire_exclusions_reply){.handle = handle, .n = n};
    return WF_OK;
}

static void upload_exclusions(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct coord_service *s = ctx;
    struct wf_error err = {0};
    struct wire_exclusions list;
    struct wire_exclusions_reply reply;
    if (wire_exclusions_read(msg, rpc_arena(rq), &list, &err) != WF_OK) {
        rpc_fail(rq, &err, NULL);
        return;
    }
    const ProtobufCMessage *message = NULL;
    if (keep(s, &list, rpc_arena(rq), &reply) == WF_OK) {
        message = wire_exclusions_reply_message(&reply, rpc_arena(rq));
    }
    if (!message) {
        wf_fail(&err, WF_EXHAUSTED, "%u hashes need more memory than the limit", list.n);
        rpc_fail(rq, &err, NULL);
        return;
    }
    rpc_reply(rq, message);
}

/* ---- the service ---- */

void coord_service_init(struct coord_service *s, const struct coord *coord,
                        const struct coord_topology *topology, int64_t default_deadline,
                        size_t max_arena)
{
    s->coord = *coord;
    s->topology = topology;
    s->default_deadline = default_deadline;
    s->max_arena = max_arena;
    s->seed = (uint64_t)wf_now() ^ (uint64_t)wf_now_wall_ms() << 20;
    atomic_init(&s->counter, 0);
}

void coord_service_methods(struct rpc_method out[COORD_SERVICE_METHODS])
{
    static const struct {
        enum wire_method method;
        rpc_handler_fn *handle;
    } table[COORD_SERVICE_METHODS] = {{WIRE_RECOMMEND, recommend},
                                      {WIRE_RECOMMEND_BATCH, recommend_batch},
                                      {WIRE_UPLOAD_EXCLUSIONS, upload_exclusions},
                                      {WIRE_DRAW, coord_draw},
                                      {WIRE_DESCRIBE, coord_describe}};
    for (size_t i = 0; i < COORD_SERVICE_METHODS; i++) {
        const struct wire_method_info *info = wire_method(table[i].method);
        out[i] = (struct rpc_method){info->path, info->request, table[i].handle, wire_scan};
    }
}

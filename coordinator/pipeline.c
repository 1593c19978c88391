/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline.c - the life of a query: admit, resolve, (fetch,) plan, gather, merge, rank, diversify,
 * answer. A step that waits for shards hands the query to a gather and goes on in the function that
 * the gather calls; between the two nobody touches the query. Time left decides what is skipped:
 * diversification first, then the ranker, and the answer says so.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "coordinator/answer.h"
#include "coordinator/candidates.h"
#include "coordinator/coord_metrics.h"
#include "coordinator/items.h"
#include "coordinator/narrow.h"
#include "coordinator/negatives.h"
#include "coordinator/plan.h"
#include "coordinator/query.h"
#include "coordinator/resolve.h"

static int64_t now_of(const struct coord_query *q)
{
    return q->coord->transport->now(q->coord->transport->ctx);
}

/* Microseconds since the mark, which moves to now. */
static uint64_t lap(struct coord_query *q)
{
    int64_t now = now_of(q);
    int64_t took = now - q->mark;
    q->mark = now;
    return took > 0 ? (uint64_t)(took / WF_MICROSECOND) : 0;
}

static enum wf_code arena_full(struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the request needs more memory than its limit");
}

/* The query ends here, whatever became of it: q->err says. */
static void finish(struct coord_query *q)
{
    const int64_t now = now_of(q);
    coord_answer_frame(q);
    q->response.timings.total = (uint64_t)((now - q->arrival) / WF_MICROSECOND);
    coord_metrics_count(q, now);
    q->done(q, q->ctx);
}

/* ---- admit ---- */

static enum wf_code admit(struct coord_query *q, struct wf_error *err)
{
    const struct wire_recommend_request *rq = &q->rq;
    enum wf_code code = coord_surfaces_find(q->coord->surfaces, rq, &q->surface, err);
    if (code != WF_OK) {
        return code;
    }
    if (rq->exact && rq->effort.kind != WIRE_EFFORT_DEFAULT) {
        return wf_invalid(err, "CONFLICT", "effort", "an exact search takes no effort");
    }
    if (rq->rank_limit && rq->rank_limit < rq->k) {
        return wf_invalid(err, "OUT_OF_RANGE", "rank_limit", "rank_limit=%u, k is %u",
                          rq->rank_limit, rq->k);
    }
    code = coord_check_attributes(&q->coord->global->manifest->schema, rq, err);
    if (code == WF_OK) {
        code = coord_narrow_check(q, err);
    }
    if (code == WF_OK && now_of(q) >= q->deadline) {
        code = wf_fail(err, WF_TIMEOUT, "the deadline had passed when the request was taken up");
        wf_reason(err, "DEADLINE");
    }
    return code;
}

/* ---- behind the gather ---- */

/* The caller's own field that a shard refuses, NULL when it is none of the caller's doing. */
static const char *refused_field(const struct wire_recommend_request *rq, const char *field)
{
    if (rq->filter[0] && strcmp(field, "filter") == 0) {
        return "filter";
    }
    if (rq->effort.kind != WIRE_EFFORT_DEFAULT) {
        return "effort";
    }
    return rq->target_recall > 0 && !rq->exact ? "target_recall" : NULL;
}

/*
 * A refusal of the request by a shard is the request's fault, and the caller's to mend: what a
 * shard can find wrong is the effort, which depends on the kind of its index, and a filter that is
 * too much for it.
 */
static enum wf_code refused(const struct coord_query *q, struct wf_error *err)
{
    for (uint32_t i = 0; i < q->search->n; i++) {
        const struct coord_slot *s = &q->search->slots[i];
        const char *field = refused_field(&q->rq, s->err.field);
        if (s->state == WIRE_SHARD_FAILED && s->err.code == WF_INVALID && field) {
            return wf_invalid(err, s->err.reason[0] ? s->err.reason : "UNSUPPORTED", field,
                              "shard %u: %.180s", i, s->err.text);
        }
    }
    return WF_OK;
}

static enum wf_code check_coverage(struct coord_query *q, struct wf_error *err)
{
    const struct wire_coverage *c = &q->response.coverage;
    uint32_t answered = 0, asked = 0, late = 0;
    for (uint32_t i = 0; i < q->search->n; i++) {
        asked += q->search->slots[i].message != NULL;
        answered += coord_slot_answered(&q->search->slots[i]);
        late +=
            q->search->slots[i].message != NULL && q->search->slots[i].state == WIRE_SHARD_TIMEOUT;
    }
    q->details = true;
    if (!answered && asked) {
        wf_fail(err, late == asked ? WF_TIMEOUT : WF_UNAVAILABLE,
                late == asked ? "none of %u shards answered in time" : "none of %u shards answered",
                asked);
        return wf_reason(err, "NO_SHARD");
    }
    if (c->ratio < (double)q->rq.min_coverage) {
        wf_fail(err, WF_UNAVAILABLE, "coverage %.4f, the request wants %.4f", c->ratio,
                (double)q->rq.min_coverage);
        return wf_reason(err, "MIN_COVERAGE");
    }
    q->details = false;
    return WF_OK;
}

/* Whether a stage that should take `cost` may start; a skipped one leaves its reason. */
static bool has_time(struct coord_query *q, int64_t cost)
{
    if (q->deadline - now_of(q) > cost + WF_MILLISECOND) {
        return true;
    }
    q->degraded |= 1U << WIRE_DEADLINE;
    return false;
}

static enum wf_code rank(struct coord_query *q, struct wf_error *err)
{
    const struct coord_global *g = q->coord->global;
    if (!q->surface->ranker || q->subject.popularity) {
        return WF_OK;
    }
    if (!g->ranker) {
        q->degraded |= 1U << WIRE_NO_RANKER;
        return WF_OK;
    }
    int64_t cost = coord_plan_rank_cost(q->n_candidates, rank_forest_trees(g->ranker),
                                        rank_forest_depth(g->ranker));
    return has_time(q, cost) ? coord_rank(q, err) : WF_OK;
}

static enum wf_code diversify(struct coord_query *q, struct wf_error *err)
{
    if (!q->surface->mmr || q->surface->lambda >= 1 || q->subject.popularity) {
        return WF_OK;
    }
    int64_t cost = coord_plan_mmr_cost(q->n_candidates, q->rq.k, q->subject.space->dim);
    return has_time(q, cost) ? coord_diversify(q, err) : WF_OK;
}

static enum wf_code answer(struct coord_query *q, struct wf_error *err)
{
    struct wire_timings *t = &q->response.timings;
    t->gather += lap(q);
    enum wf_code code = coord_gather_coverage(q->search, q->arena, q->coord->global->manifest->name,
                                              &q->response.coverage, &q->degraded);
    if (code != WF_OK) {
        return arena_full(err);
    }
    code = refused(q, err);
    if (code == WF_OK) {
        code = check_coverage(q, err);
    }
    if (code == WF_OK) {
        code = coord_merge(q, err);
        t->merge = lap(q);
    }
    if (code == WF_OK && q->n_candidates) {
        code = rank(q, err);
        t->rank = lap(q);
    }
    if (code == WF_OK && q->n_candidates) {
        code = diversify(q, err);
        t->diversify = lap(q);
    }
    return code == WF_OK ? coord_answer_hits(q, err) : code;
}

static enum wf_code still_wanted(const struct coord_query *q, struct wf_error *err)
{
    return q->left && q->left(q->ctx) ? wf_fail(err, WF_CANCELLED, "the caller has gone") : WF_OK;
}

static void on_search(void *ctx)
{
    struct coord_query *q = ctx;
    struct wf_error err = {0};
    if (still_wanted(q, &err) != WF_OK || answer(q, &err) != WF_OK) {
        q->err = err;
    }
    finish(q);
}

/* ---- plan and gather ---- */

/* What the columns must carry besides SKUs and scores. */
static enum wf_code plan_columns(struct coord_query *q, struct wire_search_request *rq)
{
    const struct coord_global *g = q->coord->global;
    const struct wf_schema *schema = &g->manifest->schema;
    const bool searched = !q->subject.popularity;
    const bool ranker = searched && q->surface->ranker && g->ranker;
    if (ranker) {
        rq->features = g->binding->wanted;
        rq->n_features = g->binding->n_wanted;
    }
    q->want_vectors = searched && ((q->surface->mmr && q->surface->lambda < 1) ||
                                   (ranker && g->binding->wants_profile && q->subject.profile &&
                                    !coord_retrieved_by_profile(q) &&
                                    q->subject.profile_space == q->subject.space));
    if (q->want_vectors) {
        rq->want_vectors = true;
        rq->vector_space = q->subject.space->name;
        rq->encoding = WIRE_FP16;
    }
    const char **names = wf_array(q->arena, const char *, q->rq.n_attributes + COORD_N_SHARED + 1);
    if (!names) {
        return WF_EXHAUSTED;
    }
    rq->attributes = names;
    if (coord_has_name(q->rq.attributes, q->rq.n_attributes, "*")) {
        names[rq->n_attributes++] = "*";
        return WF_OK;
    }
    for (uint32_t i = 0; i < q->rq.n_attributes; i++) {
        if (!coord_has_name(names, rq->n_attributes, q->rq.attributes[i])) {
            names[rq->n_attributes++] = q->rq.attributes[i];
        }
    }
    for (unsigned i = 0; q->rq.explain && i < COORD_N_SHARED; i++) {
        const char *name = schema->roles[coord_shared_role(i)];
        if (name[0] && !coord_has_name(names, rq->n_attributes, name)) {
            names[rq->n_attributes++] = name;
        }
    }
    if (q->rq.group_by[0] && !coord_has_name(names, rq->n_attributes, q->rq.group_by)) {
        names[rq->n_attributes++] = q->rq.group_by;
    }
    return WF_OK;
}

/* As exactly as the request says. */
static struct wire_effort effort_of(const struct wire_recommend_request *rq)
{
    if (rq->exact) {
        return (struct wire_effort){.kind = WIRE_EFFORT_EXACT};
    }
    if (rq->target_recall > 0) {
        return (struct wire_effort){.kind = WIRE_EFFORT_RECALL, .recall = rq->target_recall};
    }
    return rq->effort;
}

/* One message for every shard, but for what each of them must leave out. */
static enum wf_code address(struct coord_query *q, const struct wire_search_request *rq)
{
    const ProtobufCMessage *message = NULL;
    for (uint32_t i = 0; i < q->search->n; i++) {
        struct coord_slot *slot = &q->search->slots[i];
        struct wire_search_request *own = NULL;
        if (q->exclude.n) {
            own = wf_array(q->arena, struct wire_search_request, 1);
            if (!own) {
                return WF_EXHAUSTED;
            }
            *own = *rq;
            own->exclude = coord_exclusions_of(&q->exclude, i, &own->n_exclude);
        }
        if (own || !message) {
            message = wire_search_request_message(own ? own : rq, q->arena);
        }
        if (!message) {
            return WF_EXHAUSTED;
        }
        slot->message = message;
        slot->search_asked = rq;
        slot->dim = q->want_vectors ? q->subject.space->dim : 0;
    }
    return WF_OK;
}

/*
 * With groups every shard is asked for all that are wanted: its best may be of groups that have
 * better ones elsewhere.
 */
static enum wf_code plan_probes(struct coord_query *q, struct wire_search_request *rq)
{
    const struct coord_subject *s = &q->subject;
    struct wire_probe *probes = wf_array(q->arena, struct wire_probe, s->n_probes);
    if (!probes) {
        return WF_EXHAUSTED;
    }
    const bool grouped = q->rq.group_by[0] != '\0';
    const uint32_t k =
        coord_plan_k(q->want + s->n_items + s->n_disliked, q->search->n, q->rq.exact || grouped);
    for (uint32_t i = 0; i < s->n_probes; i++) {
        probes[i] = (struct wire_probe){
            .space = s->space->name,
            .content_id = s->space->content_id,
            .vector = s->probes[i].vector,
            .dim = s->space->dim,
            .k = k,
            .effort = effort_of(&q->rq),
            .negatives = s->negatives,
            .n_negatives = s->n_negatives,
            .negative_weight = s->n_negatives ? q->rq.negative_weight : 0,
        };
    }
    rq->probes = probes;
    rq->n_probes = s->n_probes;
    rq->group_by = q->rq.group_by;
    rq->group_max = grouped ? q->rq.group_max : 0;
    return address(q, rq);
}

/* One shard's part of the list: its SKUs, and where they stand in the list. */
static enum wf_code plan_lookup(struct coord_query *q, uint32_t shard, uint32_t n,
                                const uint32_t *shard_of, const struct wire_search_request *like)
{
    const struct coord_popularity *list = q->subject.popularity;
    struct coord_slot *slot = &q->search->slots[shard];
    struct wire_search_request *rq = wf_array(q->arena, struct wire_search_request, 1);
    struct wire_lookup *lookup = wf_array(q->arena, struct wire_lookup, 1);
    const char **skus = wf_array(q->arena, const char *, n);
    q->positions[shard] = wf_array(q->arena, uint32_t, n);
    if (!rq || !lookup || !skus || !q->positions[shard]) {
        return WF_EXHAUSTED;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (shard_of[i] != shard) {
            continue;
        }
        const uint32_t at = list->offsets[i], size = list->offsets[i + 1] - at;
        if (coord_exclusions_has(&q->exclude, shard, wf_hash64(list->bytes + at, size))) {
            continue;
        }
        const char *sku = wf_arena_strndup(q->arena, list->bytes + at, size);
        if (!sku) {
            return WF_EXHAUSTED;
        }
        q->positions[shard][lookup->n_skus] = i;
        skus[lookup->n_skus++] = sku;
    }
    if (!lookup->n_skus) {
        return WF_OK;
    }
    *rq = *like;
    lookup->skus = skus;
    rq->lookups = lookup;
    rq->n_lookups = 1;
    slot->search_asked = rq;
    slot->message = wire_search_request_message(rq, q->arena);
    return slot->message ? WF_OK : WF_EXHAUSTED;
}

/*
 * Half as many again as wanted: some may be gone, or their shard silent. All of the list where more
 * than that may be left out.
 */
static enum wf_code plan_popularity(struct coord_query *q, const struct wire_search_request *like)
{
    const struct coord_popularity *list = q->subject.popularity;
    const bool narrowed = q->rq.filter[0] || q->rq.group_by[0] || q->exclude.n;
    const uint32_t most =
        narrowed ? WIRE_LOOKUP_MAX : q->want + q->want / 2 + 16 + q->subject.n_disliked;
    const uint32_t n = list->n < most ? list->n : most;
    const uint32_t n_shards = q->search->n;
    uint32_t *shard_of = wf_array(q->arena, uint32_t, n);
    q->positions = wf_array(q->arena, uint32_t *, n_shards);
    if (!shard_of || !q->positions) {
        return WF_EXHAUSTED;
    }
    for (uint32_t i = 0; i < n; i++) {
        shard_of[i] = wf_shard_of(list->bytes + list->offsets[i],
                                  list->offsets[i + 1] - list->offsets[i], n_shards);
    }
    for (uint32_t shard = 0; shard < n_shards; shard++) {
        if (plan_lookup(q, shard, n, shard_of, like) != WF_OK) {
            return WF_EXHAUSTED;
        }
    }
    return WF_OK;
}

static enum wf_code plan(struct coord_query *q, struct wf_error *err)
{
    const struct coord *c = q->coord;
    const bool deep = !q->subject.popularity && (q->surface->ranker || q->surface->mmr);
    const uint32_t limit = q->rq.rank_limit ? q->rq.rank_limit : q->surface->rank_limit;
    q->want = deep && limit > q->rq.k ? limit : q->rq.k;
    struct wire_search_request *rq = wf_array(q->arena, struct wire_search_request, 1);
    q->search = coord_gather_open(q->arena, c->transport, WIRE_SEARCH, c->reply_limit);
    if (!rq || !q->search) {
        return arena_full(err);
    }
    *rq = (struct wire_search_request){
        .generation = c->global->manifest->name,
        .request_id = q->rq.request_id,
        .filter = q->rq.filter,
        .group_by = "",
        .vector_space = "",
        .encoding = WIRE_FLOAT32,
    };
    enum wf_code code = coord_narrow_exclude(q, err);
    if (code == WF_OK) {
        code = plan_columns(q, rq);
    }
    if (code == WF_OK) {
        code = q->subject.popularity ? plan_popularity(q, rq) : plan_probes(q, rq);
    }
    return code == WF_OK ? WF_OK : arena_full(err);
}

static void gather(struct coord_query *q)
{
    struct wf_error err = {0};
    if (coord_negatives_apply(q, &err) != WF_OK || plan(q, &err) != WF_OK) {
        q->err = err;
        finish(q);
        return;
    }
    q->response.timings.resolve += lap(q);
    int64_t until = coord_plan_deadline(q->mark, q->deadline, q->coord->reserve, false);
    coord_gather_start(q->search, until, on_search, q);
}

/* ---- resolve ---- */

static void on_fetch(void *ctx)
{
    struct coord_query *q = ctx;
    struct wf_error err = {0};
    const bool items = !q->subject.n_probes;
    if (still_wanted(q, &err) != WF_OK || (items && coord_resolve_items(q, &err) != WF_OK)) {
        q->err = err;
        finish(q);
        return;
    }
    gather(q);
}

void coord_query_start(struct coord_query *q)
{
    struct wf_error err = {0};
    q->mark = q->arrival;
    q->response.timings.queue = lap(q);
    enum wf_code code = admit(q, &err);
    if (code == WF_OK) {
        code = coord_resolve(q, &err);
    }
    if (code == WF_OK) {
        code = coord_negatives_check(q, &err);
    }
    const bool fetch =
        code == WF_OK && !q->subject.popularity && (!q->subject.n_probes || q->subject.n_disliked);
    if (fetch) {
        code = coord_items_fetch(q, &err);
    }
    if (code != WF_OK) {
        q->err = err;
        finish(q);
        return;
    }
    if (!fetch) {
        gather(q);
        return;
    }
    int64_t until = coord_plan_deadline(now_of(q), q->deadline, q->coord->reserve, true);
    coord_gather_start(q->fetch, until, on_fetch, q);
}

void coord_query_fini(struct coord_query *q)
{
    coord_kept_unref(q->kept);
    coord_gather_fini(q->fetch);
    coord_gather_fini(q->search);
}

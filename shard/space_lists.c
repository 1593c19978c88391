/* SPDX-License-Identifier: Apache-2.0
 *
 * space_lists.c - IVF: which lists, or all allowed rows after all; then the rows of these lists.
 *
 * Lists are chosen by the scoring kernel over the centroids, ties by list number; under a filter
 * only lists that hold an allowed row count. How many: as the caller says, or those within the
 * reach (reach.h) that the calibration says for the recall wanted (effort.h). Where comparing every
 * allowed row costs no more than that, it is done instead, and is exact. The k best rows of the
 * probed lists by the kernel are the answer, whoever selected them (docs/internals/search.md).
 *
 * Several queries pass over a list together: each block of rows is scored by all of them while it
 * is in the cache. The clock is read between chunks of lists; a query that is cut short says how
 * many of its lists were done.
 */
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "shard/reach.h"
#include "shard/scan.h"
#include "shard/select.h"
#include "shard/space_pq.h"

/* Costs in rows compared, measured with fp16 rows of 128 dimensions: starting on a list, and the
 * words of a bitmap that brute force walks. */
enum { LIST_COST = 4, WORDS_PER_ROW = 16 };
/* Most lists for a filter that follows the vectors, in times those for one that does not; and how
 * many more where hits are short. */
enum { WIDEN = 4 };

/* ---- which lists ---- */

static uint32_t list_rows(const struct shard_space *s, const struct shard_query *q, uint32_t list)
{
    return q->allowed == NULL ? s->lists[list + 1] - s->lists[list] : q->allowed->lists[list];
}

/* The reach that the recall wanted takes, UINT32_MAX when only everything will do. */
static uint32_t wanted_reach(const struct shard_space *s, const struct shard_query *q)
{
    const bool standard = q->effort.kind == WIRE_EFFORT_DEFAULT;
    if (standard && q->allowed == NULL && (q->k <= 10 || s->calibration.n == 0)) {
        return s->effort;
    }
    const double target = standard ? SHARD_TARGET_DEFAULT : (double)q->effort.recall;
    const double share = (double)shard_query_matched(s, q) / s->n;
    const bool regional = q->allowed != NULL && q->allowed->regional && s->regional.n > 0;
    return shard_effort_for(regional ? &s->regional : &s->calibration, target, q->k, share).effort;
}

/* How many lists that hold an allowed row are within a reach, at least 1. */
static uint32_t lists_within(const struct shard_space *s, const struct shard_query *q,
                             const struct shard_near *near, uint32_t reach)
{
    struct shard_reach r = {0};
    wf_assert(near->scores != NULL);
    for (uint32_t i = 0; i < s->spec.n; i++) {
        if (list_rows(s, q, i) > 0) {
            shard_reach_add(&r, near->scores[i]);
        }
    }
    const double limit = shard_reach_limit(&r, reach);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->spec.n; i++) {
        n += (double)near->scores[i] >= limit && list_rows(s, q, i) > 0;
    }
    return n > 0 ? n : 1;
}

/* How near all lists are. */
static enum wf_code look(const struct shard_space *s, const struct shard_query *q,
                         struct wf_arena *a, struct shard_near *out, struct wf_error *err)
{
    if (s->coarse != NULL) {
        return shard_coarse_estimate(s->coarse, q->vector, a, out) ? WF_OK
                                                                   : shard_search_no_room(a, err);
    }
    float *scores = wf_arena_alloc64(a, s->spec.n * sizeof *scores + 64);
    if (scores == NULL) {
        return shard_search_no_room(a, err);
    }
    wf_score_rows(&s->centroids, q->vector, NULL, 0, s->spec.n, scores);
    *out = (struct shard_near){.scores = scores};
    return WF_OK;
}

struct scored_lists {
    const uint32_t *lists; /* rising; NULL: all */
    const float *scores;
    uint32_t n;
};

/* Lists that may be among the nearest, in *out (all of them: NULL), and the scores of these. */
static enum wf_code score_lists(const struct shard_space *s, const struct shard_query *q,
                                const struct shard_near *near, uint32_t want, struct wf_arena *a,
                                struct scored_lists *out)
{
    *out = (struct scored_lists){.scores = near->scores, .n = s->spec.n};
    if (!near->estimated) {
        return WF_OK;
    }
    struct shard_some some;
    if (!shard_coarse_near(s->coarse, near, want, q->allowed == NULL ? NULL : q->allowed->lists, a,
                           &some)) {
        return WF_EXHAUSTED;
    }
    out->lists = some.lists;
    out->n = some.n;
    float *scores = wf_arena_alloc64(a, out->n * sizeof *scores + 64);
    if (scores == NULL) {
        return WF_EXHAUSTED;
    }
    wf_score_rows(&s->centroids, q->vector, out->lists, 0, out->n, scores);
    out->scores = scores;
    return WF_OK;
}

/* The nearest lists that hold an allowed row, best first, at most `want`. */
static enum wf_code nearest_lists(const struct shard_space *s, const struct shard_query *q,
                                  const struct shard_near *near, uint32_t want, struct wf_arena *a,
                                  struct shard_top *top)
{
    struct scored_lists scored;
    want = want < s->spec.n ? want : s->spec.n;
    if (score_lists(s, q, near, want, a, &scored) != WF_OK || !shard_top_init(top, want, NULL, a)) {
        return WF_EXHAUSTED;
    }
    for (uint32_t i = 0; i < scored.n; i++) {
        const uint32_t list = scored.lists == NULL ? i : scored.lists[i];
        if (scored.scores[i] >= top->floor && list_rows(s, q, list) > 0) {
            shard_top_push(
                top, (struct shard_hit){.score = scored.scores[i], .order = list, .row = list});
        }
    }
    shard_top_sort(top);
    return WF_OK;
}

struct listing {
    uint32_t lists;
    uint64_t rows; /* more lists, until they hold as many allowed rows; 0: no more */
};

static enum wf_code take_lists(const struct shard_space *s, const struct shard_query *q,
                               const struct shard_near *near, struct listing want,
                               struct wf_arena *a, struct shard_probes *out)
{
    const bool capped =
        q->effort.kind == WIRE_EFFORT_DEFAULT && q->allowed == NULL && s->row_cap > 0;
    struct shard_top top;
    const uint32_t most = want.lists * (want.rows > 0 ? WIDEN : 1);
    if (nearest_lists(s, q, near, most, a, &top) != WF_OK) {
        return WF_EXHAUSTED;
    }
    *out = (struct shard_probes){.lists = wf_array(a, int64_t, top.k)};
    if (out->lists == NULL) {
        return WF_EXHAUSTED;
    }
    for (uint32_t i = 0; i < top.n && (i < want.lists || out->rows < want.rows); i++) {
        const uint32_t rows = list_rows(s, q, top.hits[i].row);
        if (capped && out->n > 0 && out->rows + rows > s->row_cap) {
            continue; /* a smaller list further out may still fit */
        }
        out->lists[out->n++] = top.hits[i].row;
        out->rows += rows;
    }
    return WF_OK;
}

/*
 * The effort of a recall is known for filters that know nothing of the vectors. Where a filter
 * follows them and the query lies elsewhere, the lists near it hold few allowed rows: then lists
 * are added until there are as many rows as that effort meets on average.
 */
static enum wf_code plan_lists(const struct shard_space *s, const struct shard_query *q,
                               const struct shard_near *near, uint32_t want, struct wf_arena *a,
                               struct shard_probes *out)
{
    enum wf_code code = take_lists(s, q, near, (struct listing){want, 0}, a, out);
    if (code != WF_OK || q->allowed == NULL || q->effort.kind == WIRE_EFFORT_NPROBE ||
        want >= s->spec.n) {
        return code;
    }
    const uint64_t due = (uint64_t)want * shard_query_matched(s, q) / s->spec.n;
    return out->rows >= due ? WF_OK : take_lists(s, q, near, (struct listing){want, due}, a, out);
}

/* Whether comparing all allowed rows costs no more than `rows` of `lists` lists. */
static bool all_is_cheaper(const struct shard_space *s, const struct shard_query *q, uint64_t rows,
                           uint64_t lists)
{
    const uint64_t walk = q->allowed == NULL ? 0 : wf_bits_words(s->n) / WORDS_PER_ROW;
    return shard_query_matched(s, q) + walk <= rows + LIST_COST * lists;
}

/* ---- one pass ---- */

struct probing {
    struct shard_scan scan;
    struct shard_near near;
    struct shard_probes plan;
    uint64_t *waiting; /* a bit per list: planned and not done */
    bool all;          /* answered by comparing every allowed row */
    bool packed;       /* has a first pass of its own */
};

/* Plans the lists, or finds that all allowed rows are cheaper. */
static enum wf_code plan(const struct shard_space *s, const struct shard_query *q,
                         struct wf_arena *a, struct probing *out, struct wf_error *err)
{
    const bool free_to_choose = q->effort.kind != WIRE_EFFORT_NPROBE;
    const uint32_t reach = free_to_choose ? wanted_reach(s, q) : 0;
    if (free_to_choose && (reach == UINT32_MAX || all_is_cheaper(s, q, s->spec.n, 0))) {
        out->all = true;
        return WF_OK;
    }
    enum wf_code code = look(s, q, a, &out->near, err);
    if (code != WF_OK) {
        return code;
    }
    const uint32_t want = free_to_choose ? lists_within(s, q, &out->near, reach) : q->effort.value;
    if (plan_lists(s, q, &out->near, want, a, &out->plan) != WF_OK) {
        return shard_search_no_room(a, err);
    }
    const uint64_t packed = shard_packed_cost(s, q, &out->plan);
    out->packed = packed < out->plan.rows;
    out->all =
        free_to_choose && all_is_cheaper(s, q, out->packed ? packed : out->plan.rows, out->plan.n);
    return WF_OK;
}

static enum wf_code begin(const struct shard_space *s, const struct shard_query *q,
                          struct wf_arena *a, struct probing *out, struct wf_error *err)
{
    *out = (struct probing){0};
    enum wf_code code = plan(s, q, a, out, err);
    if (code != WF_OK || out->all) {
        return code;
    }
    out->waiting = wf_array(a, uint64_t, wf_bits_words(s->spec.n));
    if (out->waiting == NULL) {
        return shard_search_no_room(a, err);
    }
    for (uint32_t i = 0; i < out->plan.n && !out->packed; i++) {
        wf_bit_set(out->waiting, (uint32_t)out->plan.lists[i]);
    }
    return shard_scan_begin(&out->scan, s, q, a, err);
}

/* Scores one list for every query from p[0] on that waits for it; returns the rows compared. */
static uint64_t pass(struct probing *p, uint32_t n, uint32_t list)
{
    const struct shard_space *s = p->scan.s;
    struct probing *with[WIRE_PROBES_MAX];
    uint32_t m = 0;
    uint64_t compared = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!p[i].all && wf_bit(p[i].waiting, list)) {
            p[i].waiting[list / 64] &= ~((uint64_t)1 << (list % 64));
            p[i].plan.done++;
            compared -= p[i].scan.compared;
            with[m++] = &p[i];
        }
    }
    const uint32_t end = s->lists[list + 1];
    for (uint32_t at = s->lists[list]; at < end; at += SHARD_BLOCK_ROWS) {
        for (uint32_t i = 0; i < m; i++) {
            shard_scan_range(&with[i]->scan, at,
                             end - at < SHARD_BLOCK_ROWS ? end : at + SHARD_BLOCK_ROWS);
        }
    }
    for (uint32_t i = 0; i < m; i++) {
        compared += with[i]->scan.compared;
    }
    return compared;
}

/* Those of the lists that p[0] waits for, until its deadline; the queries behind it take part. */
static void run(struct probing *p, uint32_t n, const int64_t *lists, uint32_t n_lists)
{
    uint64_t compared = 0;
    for (uint32_t i = 0; i < n_lists; i++) {
        const uint32_t list = (uint32_t)lists[i];
        if (!wf_bit(p->waiting, list)) {
            continue;
        }
        compared += pass(p, n, list);
        if (compared >= SHARD_CHUNK_ROWS) {
            compared = 0;
            if (wf_now() >= p->scan.q->deadline) {
                return;
            }
        }
    }
}

/* Plans the lists among `top` that are not in `seen`, and runs them. */
static enum wf_code run_more(struct probing *p, const struct shard_top *top, uint64_t *seen,
                             struct wf_arena *a, struct wf_error *err)
{
    int64_t *lists = wf_array(a, int64_t, top->n);
    uint32_t n = 0;
    if (lists == NULL) {
        return shard_search_no_room(a, err);
    }
    for (uint32_t i = 0; i < top->n; i++) {
        const uint32_t list = top->hits[i].row;
        if (!wf_bit(seen, list)) {
            wf_bit_set(seen, list);
            wf_bit_set(p->waiting, list);
            lists[n++] = list;
        }
    }
    p->plan.n += n;
    run(p, 1, lists, n);
    return WF_OK;
}

/* Where rules left fewer hits than are wanted, further lists may hold more: four times as many,
 * until there are enough, or no more lists or time. */
static enum wf_code widen(struct probing *p, const struct shard_space *s,
                          const struct shard_query *q, struct wf_arena *a, struct wf_error *err)
{
    uint64_t *seen = NULL;
    enum wf_code code = WF_OK;
    uint32_t want = p->plan.n;
    while (code == WF_OK && want < s->spec.n && p->plan.done == p->plan.n &&
           shard_scan_count(&p->scan) < p->scan.top.k && wf_now() < q->deadline) {
        if (seen == NULL) {
            seen = wf_array(a, uint64_t, wf_bits_words(s->spec.n));
            for (uint32_t i = 0; seen != NULL && i < p->plan.n; i++) {
                wf_bit_set(seen, (uint32_t)p->plan.lists[i]);
            }
        }
        struct shard_top top;
        want = want > s->spec.n / WIDEN ? s->spec.n : want * WIDEN;
        if (seen == NULL || nearest_lists(s, q, &p->near, want, a, &top) != WF_OK) {
            return shard_search_no_room(a, err);
        }
        code = run_more(p, &top, seen, a, err);
    }
    return code;
}

static enum wf_code finish(struct probing *p, const struct shard_query *q,
                           const struct shard_space *s, struct wf_arena *a, struct shard_hits *out,
                           struct wf_error *err)
{
    if (p->all) {
        return shard_search_all(s, q, a, out, err);
    }
    if (q->effort.kind != WIRE_EFFORT_NPROBE) {
        enum wf_code code = widen(p, s, q, a, err);
        if (code != WF_OK) {
            return code;
        }
    }
    *out =
        (struct shard_hits){.planned = p->plan.n, .done = p->plan.done, .plan = SHARD_PLAN_LISTS};
    shard_scan_end(&p->scan, out);
    return WF_OK;
}

enum wf_code shard_search_lists(const struct shard_space *s, const struct shard_query *queries,
                                uint32_t n, struct wf_arena *a, struct shard_hits *out,
                                struct wf_error *err)
{
    struct probing *p = wf_array(a, struct probing, n);
    if (p == NULL) {
        return shard_search_no_room(a, err);
    }
    enum wf_code code = WF_OK;
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        code = begin(s, &queries[i], a, &p[i], err);
    }
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        if (p[i].all) {
            continue;
        }
        if (p[i].packed) {
            code = shard_packed_lists(&p[i].scan, &p[i].plan, a, err);
        } else if (n == 1 && shard_select_pays(&p->plan, queries)) {
            code = shard_select_lists(&p->scan, &p->plan, a, err);
        } else {
            run(&p[i], n - i, p[i].plan.lists, p[i].plan.n);
        }
    }
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        code = finish(&p[i], &queries[i], s, a, &out[i], err);
    }
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_tune.c - how many lists, or how long a candidate list, the default search takes: the least
 * that gives recall@10 of .97 on a sample of queries, measured with the searching code itself
 * against brute force over the stored vectors. The ten are those of the merged answer, to which a
 * shard of n gives 10 / n (rounded up) on average: its recall is measured at that depth.
 *
 * Queries: rows of the space, each left out of its own truth; rows moved by noise half as long as
 * themselves; means of three rows. A hit counts when its score is at least the last wanted one's
 * minus 1e-6, since equal vectors are the rule in real catalogs. Where .97 would compare more
 * than 9.5 % of the rows but .95 does not, the most lists within 9.5 % are taken, and a search is
 * then never allowed more than a tenth of the rows. See made.h.
 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "shard/made.h"

enum { SAMPLE = 600, MERGED_DEPTH = 10, MIX = 3 };
static const double recall_wanted = 0.97, recall_least = 0.95;
static const double share_wanted = 0.095, share_most = 0.1;
enum { EF_LEAST = 16, EF_MOST = 1024 };

struct sample {
    struct shard_made *m;
    const uint32_t *order;
    float *queries;   /* n x dim */
    uint32_t *self;   /* n: shard row to leave out, or WF_NO_ROW */
    float *threshold; /* n: score that a hit must reach */
    uint32_t *due;    /* n: hits that a perfect answer has, at most depth */
    uint32_t n, depth;
    struct wf_arena arena;
};

static uint32_t shard_row(const struct shard_space *s, uint32_t row)
{
    return s->to_row == NULL ? row : s->to_row[row];
}

/* Query i: a third each of rows, moved rows and means. */
static void make_query(struct sample *sa, uint32_t i, uint64_t seed)
{
    const struct shard_space *s = &sa->m->space;
    const uint32_t dim = s->schema->dim;
    struct wf_random r = wf_random_of(seed, i);
    float *q = sa->queries + (size_t)i * dim, *x = wf_xarray(float, dim);
    const uint32_t row = (uint32_t)wf_random_below(&r, s->n);
    wf_decode_row(&s->codes, row, q);
    sa->self[i] = i % 3 == 0 ? shard_row(s, row) : WF_NO_ROW;
    if (i % 3 == 1) {
        const double scale = 0.5 * sqrt((double)wf_dot(q, q, dim) / dim);
        for (uint32_t j = 0; j < dim; j++) {
            q[j] += (float)(scale * wf_random_normal(&r));
        }
    }
    for (int more = 1; i % 3 == 2 && more < MIX; more++) {
        wf_decode_row(&s->codes, (uint32_t)wf_random_below(&r, s->n), x);
        for (uint32_t j = 0; j < dim; j++) {
            q[j] += x[j];
        }
    }
    for (uint32_t j = 0; i % 3 == 2 && j < dim; j++) {
        q[j] /= MIX;
    }
    if (s->schema->metric == WF_METRIC_COSINE && !wf_normalise(q, dim)) {
        wf_decode_row(&s->codes, row, q);
    }
    wf_xfree(x);
}

/* One search for `depth` rows besides the query's own; `hits` without that. */
static enum wf_code run(struct sample *sa, uint32_t i, struct wire_effort effort,
                        struct shard_hits *hits, struct wf_error *err)
{
    const struct shard_space *s = &sa->m->space;
    const struct shard_query q = {.vector = sa->queries + (size_t)i * s->schema->dim,
                                  .k = sa->depth + 1,
                                  .effort = effort,
                                  .deadline = INT64_MAX,
                                  .order = sa->order};
    wf_arena_reset(&sa->arena);
    enum wf_code code = shard_space_search(s, &q, &sa->arena, hits, err);
    if (code != WF_OK) {
        return code;
    }
    uint32_t kept = 0;
    for (uint32_t j = 0; j < hits->n && kept < sa->depth; j++) {
        if (hits->hits[j].row != sa->self[i]) {
            hits->hits[kept++] = hits->hits[j];
        }
    }
    hits->n = kept;
    return WF_OK;
}

static enum wf_code make_truth(struct sample *sa, struct wf_error *err)
{
    for (uint32_t i = 0; i < sa->n; i++) {
        struct shard_hits hits;
        const struct wire_effort exact = {.kind = WIRE_EFFORT_EXACT};
        enum wf_code code = run(sa, i, exact, &hits, err);
        if (code != WF_OK) {
            return code;
        }
        const float last = hits.n > 0 ? hits.hits[hits.n - 1].score : 0;
        sa->due[i] = hits.n;
        sa->threshold[i] = last - 1e-6F * fmaxf(1, fabsf(last));
    }
    return WF_OK;
}

static enum wf_code measure(struct sample *sa, struct wire_effort effort, struct shard_measure *out,
                            struct wf_error *err)
{
    uint64_t found = 0, due = 0, scanned = 0;
    for (uint32_t i = 0; i < sa->n; i++) {
        struct shard_hits hits;
        enum wf_code code = run(sa, i, effort, &hits, err);
        if (code != WF_OK) {
            return code;
        }
        for (uint32_t j = 0; j < hits.n; j++) {
            found += hits.hits[j].score >= sa->threshold[i];
        }
        due += sa->due[i];
        scanned += hits.scanned;
    }
    *out = (struct shard_measure){
        .recall = due == 0 ? 1 : (double)found / (double)due,
        .scanned = (double)scanned / ((double)sa->n * sa->m->space.n),
    };
    return WF_OK;
}

/* Least nprobe in 1..most whose measure is good; most when none is. Recall and share grow with it.
 */
typedef bool measure_fn(const struct shard_measure *m);
static bool recalls_enough(const struct shard_measure *m)
{
    return m->recall >= recall_wanted;
}
static bool scans_too_much(const struct shard_measure *m)
{
    return m->scanned > share_wanted;
}

static enum wf_code least_lists(struct sample *sa, measure_fn *good, uint32_t *out,
                                struct wf_error *err)
{
    uint32_t low = 1, high = sa->m->space.spec.n;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        struct shard_measure now;
        const struct wire_effort effort = {.kind = WIRE_EFFORT_NPROBE, .value = mid};
        enum wf_code code = measure(sa, effort, &now, err);
        if (code != WF_OK) {
            return code;
        }
        if (good(&now)) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    *out = low;
    return WF_OK;
}

/* Takes nprobe as the default and measures it as such. */
static enum wf_code take_lists(struct sample *sa, uint32_t nprobe, double cap, struct wf_error *err)
{
    struct shard_space *s = &sa->m->space;
    s->effort = nprobe;
    s->row_cap = (uint32_t)(cap * s->n);
    const struct wire_effort effort = {.kind = WIRE_EFFORT_DEFAULT};
    return measure(sa, effort, &sa->m->measure, err);
}

/* The most lists whose mean share of rows is within bounds. */
static enum wf_code most_lists(struct sample *sa, uint32_t *out, struct wf_error *err)
{
    uint32_t over = 1;
    enum wf_code code = least_lists(sa, scans_too_much, &over, err);
    *out = over > 1 ? over - 1 : 1;
    return code;
}

static enum wf_code tune_lists(struct sample *sa, struct wf_error *err)
{
    struct shard_measure *m = &sa->m->measure;
    uint32_t wanted = 1, within = 1;
    enum wf_code code = least_lists(sa, recalls_enough, &wanted, err);
    if (code == WF_OK) {
        code = take_lists(sa, wanted, share_most, err);
    }
    if (code == WF_OK && (m->scanned > share_wanted || m->recall < recall_least)) {
        code = most_lists(sa, &within, err);
        if (code == WF_OK) {
            code = take_lists(sa, wanted < within ? wanted : within, share_most, err);
        }
    }
    if (code != WF_OK || m->recall >= recall_least) {
        m->settled = m->recall < recall_wanted;
        return code;
    }
    return take_lists(sa, wanted, 0, err);
}

static enum wf_code tune_graph(struct sample *sa, struct wf_error *err)
{
    struct shard_made *m = sa->m;
    for (uint32_t ef = EF_LEAST; ef <= EF_MOST; ef += ef / 2) {
        const struct wire_effort effort = {.kind = WIRE_EFFORT_EF, .value = ef};
        m->space.effort = ef;
        enum wf_code code = measure(sa, effort, &m->measure, err);
        if (code != WF_OK || m->measure.recall >= recall_wanted) {
            return code;
        }
    }
    return WF_OK;
}

enum wf_code shard_tune(struct shard_made *m, const uint32_t *order, const struct shard_build *b,
                        struct wf_error *err)
{
    const struct shard_space *s = &m->space;
    m->measure = (struct shard_measure){.recall = 1, .scanned = 1};
    if (s->spec.kind == SHARD_FLAT || s->n == 0) {
        m->space.effort = s->spec.kind == SHARD_FLAT ? 0 : 1;
        return WF_OK;
    }
    struct sample sa = {.m = m,
                        .order = order,
                        .n = s->n < SAMPLE ? s->n : SAMPLE,
                        .depth = (MERGED_DEPTH + b->n_shards - 1) / b->n_shards};
    sa.queries = wf_xarray(float, (size_t)sa.n * s->schema->dim);
    sa.self = wf_xarray(uint32_t, sa.n);
    sa.threshold = wf_xarray(float, sa.n);
    sa.due = wf_xarray(uint32_t, sa.n);
    wf_arena_init(&sa.arena, (size_t)1 << 30);
    for (uint32_t i = 0; i < sa.n; i++) {
        make_query(&sa, i, b->seed);
    }
    enum wf_code code = make_truth(&sa, err);
    if (code == WF_OK) {
        code = s->spec.kind == SHARD_IVF ? tune_lists(&sa, err) : tune_graph(&sa, err);
    }
    wf_arena_fini(&sa.arena);
    wf_xfree(sa.due);
    wf_xfree(sa.threshold);
    wf_xfree(sa.self);
    wf_xfree(sa.queries);
    return code;
}

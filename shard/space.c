/* SPDX-License-Identifier: Apache-2.0
 *
 * space.c - see space.h: which search answers a query, which efforts an index takes, the bound of
 * what FAISS may leave out, and HNSW. Brute force is in scan.c, IVF in space_lists.c.
 */
#include "shard/space.h"

#include <math.h>

#include "shard/scan.h"

enum {
    SPARE_ROWS = 16, /* HNSW keeps at least k + max(16, k / 4) candidates */
    LONGER = 4,      /* times, when a walk found too little */
};
static const double unit = 0x1p-24; /* half a unit in the last place of float32 */

uint32_t shard_space_row(const struct shard_space *s, uint32_t row)
{
    if (s->of_row != NULL) {
        return s->of_row[row];
    }
    return row < s->n ? row : WF_NO_ROW;
}

bool shard_space_needs_norms(const struct shard_space *s)
{
    return s->schema->metric == WF_METRIC_L2 && s->n > 0 &&
           (s->spec.pq || s->spec.codec == WF_CODEC_SQ8);
}

static const char *effort_name(enum wire_effort_kind kind)
{
    return kind == WIRE_EFFORT_NPROBE ? "nprobe" : "ef_search";
}

enum wf_code shard_space_effort_check(const struct shard_space *s, const struct wire_effort *effort,
                                      const char *field, struct wf_error *err)
{
    if (effort->kind == WIRE_EFFORT_DEFAULT || effort->kind == WIRE_EFFORT_EXACT ||
        effort->kind == WIRE_EFFORT_RECALL ||
        (effort->kind == WIRE_EFFORT_NPROBE && s->spec.kind == SHARD_IVF) ||
        (effort->kind == WIRE_EFFORT_EF && s->spec.kind == SHARD_HNSW)) {
        return WF_OK;
    }
    return wf_invalid(err, "UNSUPPORTED", field, "%s=%u, the index of space \"%s\" is %s",
                      effort_name(effort->kind), effort->value, s->schema->name, s->index);
}

/*
 * A float32 sum of d products, in any order and with any fusing, is off by at most g = n u / (1 - n
 * u) of the sum of the products' sizes, n = d + 2, u = 2^-24; that sum is at most |q| |x|. For L2
 * all terms are positive and each has two roundings more, so the sum itself is off by at most g of
 * itself. FAISS's 8-bit decoding differs from ours by a few roundings of |min| + 255 step per
 * dimension: 16 u of it covers them. Underflow adds less than d smallest normal numbers.
 */
double shard_space_bound(const struct shard_space *s, double norm, double score)
{
    const double n = (double)wf_padded_dim(s->codes.dim) + 4;
    const double g = n * unit / (1 - n * unit);
    const double tiny = n * 0x1p-125;
    const double decode = 16 * unit * s->decode_norm;
    if (s->codes.metric == WF_METRIC_L2) {
        const double distance = sqrt(fmax(0, (-score - tiny) / (1 + g))) - decode;
        return distance <= 0 ? tiny : -(distance * distance * (1 - g)) + tiny;
    }
    return score + 2 * g * norm * s->max_norm + (1 + g) * norm * decode + tiny;
}

/* ---- HNSW ---- */

/* The walk's ef; UINT32_MAX when comparing every allowed row costs no more, or only that will do.
 */
static uint32_t wanted_ef(const struct shard_space *s, const struct shard_query *q)
{
    const uint32_t matched = shard_query_matched(s, q);
    const bool standard = q->effort.kind == WIRE_EFFORT_DEFAULT;
    struct shard_effort e = {.effort = s->effort};
    if (q->effort.kind == WIRE_EFFORT_EF) {
        e.effort = q->effort.value;
    } else if (!standard || q->allowed != NULL || (q->k > 10 && s->calibration.n > 0)) {
        const double target = standard ? SHARD_TARGET_DEFAULT : (double)q->effort.recall;
        e = shard_effort_for(&s->calibration, target, q->k, (double)matched / s->n);
    }
    if (q->allowed != NULL && q->effort.kind != WIRE_EFFORT_EF && e.effort < UINT32_MAX / 2) {
        e.effort *= 2; /* a walk may end among rows of another region than the filter's */
        e.rows *= 2;
    }
    const bool few = q->allowed != NULL && matched <= e.effort; /* the walk compares more */
    if (e.effort == UINT32_MAX || few || (double)e.rows >= matched) {
        return UINT32_MAX;
    }
    const uint32_t least = q->k + (q->k / 4 > SPARE_ROWS ? q->k / 4 : SPARE_ROWS);
    e.effort = e.effort < least ? least : e.effort;
    return e.effort < s->n ? e.effort : s->n;
}

static enum wf_code walk_graph(const struct shard_space *s, const struct shard_query *q,
                               uint32_t ef, struct wf_arena *a, struct shard_hits *out,
                               struct wf_error *err)
{
    struct shard_scan sc;
    enum wf_code code = shard_scan_begin(&sc, s, q, a, err);
    if (code != WF_OK) {
        return code;
    }
    struct shard_walk walk = {.query = q->vector,
                              .ef = ef,
                              .allowed = q->allowed == NULL ? NULL : q->allowed->bits,
                              .deadline = q->deadline,
                              .scores = wf_array(a, float, ef),
                              .ids = wf_array(a, int64_t, ef)};
    if (walk.scores == NULL || walk.ids == NULL) {
        return shard_search_no_room(a, err);
    }
    code = shard_faiss_graph_search(s->faiss, &walk, err);
    if (code != WF_OK) {
        return code;
    }
    for (uint32_t i = 0; i < ef; i++) {
        if (walk.ids[i] >= 0 && walk.ids[i] < (int64_t)s->n && walk.scores[i] >= sc.top.floor) {
            shard_scan_offer(&sc, (uint32_t)walk.ids[i], walk.scores[i]);
        }
    }
    sc.compared += walk.compared;
    *out = (struct shard_hits){.planned = 1, .done = !walk.stopped, .plan = SHARD_PLAN_GRAPH};
    shard_scan_end(&sc, out);
    return WF_OK;
}

/* Where rules or a filter leave too few of a walk's rows, longer walks find more, and in the end
 * all rows are compared. A caller's own ef stays what it is. */
static enum wf_code search_graph(const struct shard_space *s, const struct shard_query *q,
                                 struct wf_arena *a, struct shard_hits *out, struct wf_error *err)
{
    const uint32_t matched = shard_query_matched(s, q), due = q->k < matched ? q->k : matched;
    uint32_t ef = wanted_ef(s, q);
    bool shortage = true;
    enum wf_code code = WF_OK;
    while (code == WF_OK && shortage && ef < s->n) {
        code = walk_graph(s, q, ef, a, out, err);
        shortage = code == WF_OK && out->done == out->planned && out->n < due;
        if (q->effort.kind == WIRE_EFFORT_EF) {
            return code;
        }
        ef = ef > s->n / LONGER ? s->n : ef * LONGER;
    }
    return code == WF_OK && shortage ? shard_search_all(s, q, a, out, err) : code;
}

/* ---- any ---- */

enum wf_code shard_space_search(const struct shard_space *s, const struct shard_query *q,
                                struct wf_arena *a, struct shard_hits *out, struct wf_error *err)
{
    if (shard_query_matched(s, q) == 0) {
        *out = (struct shard_hits){.planned = 1, .done = 1, .plan = SHARD_PLAN_EXACT};
        return WF_OK;
    }
    if (s->spec.kind == SHARD_FLAT || q->effort.kind == WIRE_EFFORT_EXACT) {
        return shard_search_all(s, q, a, out, err);
    }
    return s->spec.kind == SHARD_IVF ? shard_search_lists(s, q, 1, a, out, err)
                                     : search_graph(s, q, a, out, err);
}

/* Whether a pass over lists can be shared by all of them. */
static bool lists_for_all(const struct shard_space *s, const struct shard_query *queries,
                          uint32_t n)
{
    if (s->spec.kind != SHARD_IVF || n < 2 || n > WIRE_PROBES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (shard_query_matched(s, &queries[i]) == 0 ||
            queries[i].effort.kind == WIRE_EFFORT_EXACT) {
            return false;
        }
    }
    return true;
}

enum wf_code shard_space_search_many(const struct shard_space *s, const struct shard_query *queries,
                                     uint32_t n, struct wf_arena *arena, struct shard_hits *out,
                                     struct wf_error *err)
{
    if (lists_for_all(s, queries, n)) {
        return shard_search_lists(s, queries, n, arena, out, err);
    }
    enum wf_code code = WF_OK;
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        code = shard_space_search(s, &queries[i], arena, &out[i], err);
    }
    return code;
}

enum wf_code shard_space_attach(struct shard_space *s, struct wf_error *err)
{
    if (s->spec.kind != SHARD_IVF || s->n == 0) {
        return WF_OK;
    }
    s->coarse = shard_coarse_make(&s->centroids, s->lists, s->spec.n);
    return shard_faiss_ivf_open(&s->codes, s->lists, s->spec.n, &s->faiss, err);
}

void shard_space_detach(struct shard_space *s)
{
    shard_coarse_free(s->coarse);
    shard_faiss_close(s->faiss);
}

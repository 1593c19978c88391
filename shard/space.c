/* SPDX-License-Identifier: Apache-2.0
 *
 * space.c - see space.h: how one query meets one space.
 *
 * IVF: our kernel over the centroids chooses lists. Then, where the kernel is plain C, FAISS scans
 * them for a few more than k rows, and those are scored again by the kernel; where FAISS's last row
 * is so near the k-th that rounding could have hidden a better one, or FAISS has little to save,
 * the kernel scores every row of the lists. With SIMD the kernel does that at once: it is the
 * faster scan. Either way the result is the k best rows of the probed lists by the kernel, ties by
 * SKU (docs/internals/search.md).
 * The clock is read between chunks of lists. All scratch is in the caller's arena.
 */
#include "shard/space.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "shard/top.h"

enum {
    BLOCK_ROWS = 1024, /* rows scored per call of the kernel */
    CHUNK_ROWS = 8192, /* rows between two looks at the clock */
    SPARE_ROWS = 16,   /* FAISS is asked for k + max(16, k / 4) */
};
static const double unit = 0x1p-24; /* half a unit in the last place of float32 */

static enum shard_select select_now = SHARD_SELECT_AUTO;

void shard_select_set(enum shard_select select)
{
    select_now = select;
}

static enum wf_code no_room(const struct wf_arena *a, struct wf_error *err)
{
    struct wf_error local;
    err = err == NULL ? &local : err;
    wf_fail(err, WF_EXHAUSTED, "request needs more than its %zu bytes of memory", a->limit);
    wf_reason(err, "MEMORY");
    return WF_EXHAUSTED;
}

uint32_t shard_space_row(const struct shard_space *s, uint32_t row)
{
    if (s->of_row != NULL) {
        return s->of_row[row];
    }
    return row < s->n ? row : WF_NO_ROW;
}

static const char *effort_name(enum wire_effort_kind kind)
{
    return kind == WIRE_EFFORT_NPROBE ? "nprobe" : "ef_search";
}

enum wf_code shard_space_effort_check(const struct shard_space *s, const struct wire_effort *effort,
                                      const char *field, struct wf_error *err)
{
    if (effort->kind == WIRE_EFFORT_DEFAULT || effort->kind == WIRE_EFFORT_EXACT ||
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

/* ---- scoring by the kernel ---- */

struct scan {
    const struct shard_space *s;
    const struct shard_query *q;
    struct shard_top top;
    float *scores; /* BLOCK_ROWS */
};

static enum wf_code scan_begin(const struct shard_space *s, const struct shard_query *q,
                               struct wf_arena *a, struct scan *out, struct wf_error *err)
{
    const uint32_t k = q->k < s->n ? q->k : s->n;
    *out = (struct scan){.s = s, .q = q, .scores = wf_arena_alloc64(a, BLOCK_ROWS * sizeof(float))};
    return out->scores == NULL || !shard_top_init(&out->top, k, a) ? no_room(a, err) : WF_OK;
}

static void offer(struct scan *sc, uint32_t row, float score)
{
    const uint32_t shard_row = sc->s->to_row == NULL ? row : sc->s->to_row[row];
    const uint32_t order = sc->q->order[shard_row];
    shard_top_push(&sc->top, (struct shard_hit){.score = score, .order = order, .row = shard_row});
}

static void scan_rows(struct scan *sc, uint32_t begin, uint32_t end)
{
    while (begin < end) {
        const uint32_t n = end - begin < BLOCK_ROWS ? end - begin : BLOCK_ROWS;
        wf_score_rows(&sc->s->codes, sc->q->vector, NULL, begin, n, sc->scores);
        for (uint32_t i = 0; i < n; i++) {
            if (sc->scores[i] >= sc->top.floor) {
                offer(sc, begin + i, sc->scores[i]);
            }
        }
        begin += n;
    }
}

static void scan_end(struct scan *sc, struct shard_hits *out)
{
    shard_top_sort(&sc->top);
    out->hits = sc->top.hits;
    out->n = sc->top.n;
}

/* Brute force: Flat, and every index when exact is asked for. */
static enum wf_code search_all(const struct shard_space *s, const struct shard_query *q,
                               struct wf_arena *a, struct shard_hits *out, struct wf_error *err)
{
    struct scan sc;
    enum wf_code code = scan_begin(s, q, a, &sc, err);
    if (code != WF_OK) {
        return code;
    }
    uint32_t at = 0;
    do {
        const uint32_t end = s->n - at < CHUNK_ROWS ? s->n : at + CHUNK_ROWS;
        scan_rows(&sc, at, end);
        at = end;
    } while (at < s->n && wf_now() < q->deadline);
    *out = (struct shard_hits){.scanned = at, .planned = 1, .done = at == s->n};
    scan_end(&sc, out);
    return WF_OK;
}

/* ---- IVF ---- */

struct probe_plan {
    int64_t *lists; /* best first */
    uint32_t n;
    uint64_t rows;
};

static uint32_t list_rows(const struct shard_space *s, int64_t list)
{
    return s->lists[list + 1] - s->lists[list];
}

/* The lists to probe: the nearest centroids by the kernel, ties by list number. */
static enum wf_code choose_lists(const struct shard_space *s, const struct shard_query *q,
                                 struct wf_arena *a, struct probe_plan *out, struct wf_error *err)
{
    const bool capped = q->effort.kind == WIRE_EFFORT_DEFAULT && s->row_cap > 0;
    const uint32_t want = q->effort.kind == WIRE_EFFORT_NPROBE ? q->effort.value : s->effort;
    const uint32_t nlist = s->spec.n;
    struct shard_top top;
    float *scores = wf_arena_alloc64(a, nlist * sizeof *scores);
    if (scores == NULL || !shard_top_init(&top, want < nlist ? want : nlist, a)) {
        return no_room(a, err);
    }
    *out = (struct probe_plan){.lists = wf_arena_alloc(a, top.k * sizeof *out->lists)};
    if (out->lists == NULL) {
        return no_room(a, err);
    }
    wf_score_rows(&s->centroids, q->vector, NULL, 0, nlist, scores);
    for (uint32_t i = 0; i < nlist; i++) {
        if (scores[i] >= top.floor) {
            shard_top_push(&top, (struct shard_hit){.score = scores[i], .order = i, .row = i});
        }
    }
    shard_top_sort(&top);
    for (uint32_t i = 0; i < top.n; i++) {
        const uint32_t rows = list_rows(s, top.hits[i].row);
        if (capped && out->n > 0 && out->rows + rows > s->row_cap) {
            continue; /* a smaller list further out may still fit */
        }
        out->lists[out->n++] = top.hits[i].row;
        out->rows += rows;
    }
    return WF_OK;
}

/* End of the chunk of lists that starts at `at`. */
static uint32_t chunk_end(const struct shard_space *s, const struct probe_plan *plan, uint32_t at)
{
    uint32_t rows = 0;
    while (at < plan->n && (rows == 0 || rows + list_rows(s, plan->lists[at]) <= CHUNK_ROWS)) {
        rows += list_rows(s, plan->lists[at++]);
    }
    return at;
}

static void scan_lists(struct scan *sc, const struct probe_plan *plan, uint32_t begin, uint32_t end)
{
    for (; begin < end; begin++) {
        const int64_t list = plan->lists[begin];
        scan_rows(sc, sc->s->lists[list], sc->s->lists[list + 1]);
    }
}

/* Runs the plan's chunks by the kernel until the deadline; returns the lists done. */
static uint32_t probe_by_kernel(struct scan *sc, const struct probe_plan *plan)
{
    uint32_t done = 0;
    do {
        const uint32_t end = chunk_end(sc->s, plan, done);
        scan_lists(sc, plan, done, end);
        done = end;
    } while (done < plan->n && wf_now() < sc->q->deadline);
    return done;
}

/* What FAISS found, scored by the kernel. */
static void rescore(struct scan *sc, const struct shard_faiss_heap *heap, uint32_t *rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < heap->k; i++) {
        if (heap->ids[i] >= 0) {
            rows[n++] = sc->s->lists[heap->ids[i] >> 32] + (uint32_t)(heap->ids[i] & UINT32_MAX);
        }
    }
    for (uint32_t at = 0; at < n; at += BLOCK_ROWS) {
        const uint32_t m = n - at < BLOCK_ROWS ? n - at : BLOCK_ROWS;
        wf_score_rows(&sc->s->codes, sc->q->vector, rows + at, 0, m, sc->scores);
        for (uint32_t i = 0; i < m; i++) {
            offer(sc, rows[at + i], sc->scores[i]);
        }
    }
}

/* Whether a row that FAISS left out may belong to the k best, which are sorted. */
static bool in_doubt(const struct scan *sc, const struct shard_faiss_heap *heap)
{
    for (uint32_t i = 0; i < heap->k; i++) {
        if (heap->ids[i] < 0) {
            return false; /* not full: nothing was left out */
        }
    }
    const float *q = sc->q->vector;
    const double norm = sqrt((double)wf_dot(q, q, sc->s->codes.dim)) * (1 + 0x1p-10);
    const double last = (double)shard_faiss_heap_worst(sc->s->faiss, heap);
    return sc->top.n < sc->top.k ||
           (double)sc->top.hits[sc->top.n - 1].score <= shard_space_bound(sc->s, norm, last);
}

static enum wf_code probe_by_faiss(struct scan *sc, const struct probe_plan *plan,
                                   struct wf_arena *a, uint32_t *done, struct wf_error *err)
{
    const struct shard_space *s = sc->s;
    const uint32_t k = sc->q->k;
    struct shard_faiss_heap heap = {.k = k + (k / 4 > SPARE_ROWS ? k / 4 : SPARE_ROWS)};
    heap.distances = wf_array(a, float, heap.k);
    heap.ids = wf_array(a, int64_t, heap.k);
    uint32_t *rows = wf_array(a, uint32_t, heap.k);
    const uint32_t padded = wf_padded_dim(s->codes.dim);
    float *query = wf_arena_alloc64(a, padded * sizeof *query);
    if (heap.distances == NULL || heap.ids == NULL || rows == NULL || query == NULL) {
        return no_room(a, err);
    }
    memcpy(query, sc->q->vector, s->codes.dim * sizeof *query);
    memset(query + s->codes.dim, 0, (padded - s->codes.dim) * sizeof *query);
    shard_faiss_heap_init(s->faiss, &heap);
    *done = 0;
    do {
        const uint32_t end = chunk_end(s, plan, *done);
        enum wf_code code =
            shard_faiss_ivf_scan(s->faiss, query, plan->lists + *done, end - *done, &heap, err);
        if (code != WF_OK) {
            return code;
        }
        *done = end;
    } while (*done < plan->n && wf_now() < sc->q->deadline);
    rescore(sc, &heap, rows);
    shard_top_sort(&sc->top);
    if (in_doubt(sc, &heap)) {
        sc->top.n = 0; /* the floor stays: that many rows reach it */
        scan_lists(sc, plan, 0, *done);
    }
    return WF_OK;
}

/* FAISS pays where the kernel is slow and the lists hold much more than FAISS would keep. */
static bool selecting_pays(const struct probe_plan *plan, uint32_t k)
{
    if (select_now != SHARD_SELECT_AUTO) {
        return select_now == SHARD_SELECT_FAISS && plan->n > 0;
    }
    return wf_vector_isa() == WF_ISA_C && plan->rows > 4 * ((uint64_t)k + SPARE_ROWS);
}

static enum wf_code search_ivf(const struct shard_space *s, const struct shard_query *q,
                               struct wf_arena *a, struct shard_hits *out, struct wf_error *err)
{
    struct probe_plan plan;
    struct scan sc;
    enum wf_code code = choose_lists(s, q, a, &plan, err);
    if (code == WF_OK) {
        code = scan_begin(s, q, a, &sc, err);
    }
    if (code != WF_OK) {
        return code;
    }
    uint32_t done = 0;
    if (selecting_pays(&plan, q->k)) {
        code = probe_by_faiss(&sc, &plan, a, &done, err);
    } else {
        done = probe_by_kernel(&sc, &plan);
    }
    if (code != WF_OK) {
        return code;
    }
    *out = (struct shard_hits){.planned = plan.n, .done = done};
    for (uint32_t i = 0; i < done; i++) {
        out->scanned += list_rows(s, plan.lists[i]);
    }
    scan_end(&sc, out);
    return WF_OK;
}

/* ---- HNSW ---- */

static enum wf_code search_graph(const struct shard_space *s, const struct shard_query *q,
                                 struct wf_arena *a, struct shard_hits *out, struct wf_error *err)
{
    uint32_t ef = q->effort.kind == WIRE_EFFORT_EF ? q->effort.value : s->effort;
    const uint32_t least = q->k + (q->k / 4 > SPARE_ROWS ? q->k / 4 : SPARE_ROWS);
    ef = ef < least ? least : ef;
    ef = ef < s->n ? ef : s->n;
    struct scan sc;
    enum wf_code code = scan_begin(s, q, a, &sc, err);
    if (code != WF_OK) {
        return code;
    }
    float *scores = wf_array(a, float, ef);
    int64_t *ids = wf_array(a, int64_t, ef);
    if (scores == NULL || ids == NULL) {
        return no_room(a, err);
    }
    uint64_t compared = 0;
    code = shard_faiss_graph_search(s->faiss, q->vector, ef, scores, ids, &compared, err);
    if (code != WF_OK) {
        return code;
    }
    for (uint32_t i = 0; i < ef; i++) {
        if (ids[i] >= 0 && ids[i] < (int64_t)s->n) {
            offer(&sc, (uint32_t)ids[i], scores[i]);
        }
    }
    *out = (struct shard_hits){.scanned = compared, .planned = 1, .done = 1};
    scan_end(&sc, out);
    return WF_OK;
}

enum wf_code shard_space_search(const struct shard_space *s, const struct shard_query *q,
                                struct wf_arena *arena, struct shard_hits *out,
                                struct wf_error *err)
{
    if (s->n == 0) {
        *out = (struct shard_hits){.planned = 1, .done = 1};
        return WF_OK;
    }
    if (s->spec.kind == SHARD_FLAT || q->effort.kind == WIRE_EFFORT_EXACT) {
        return search_all(s, q, arena, out, err);
    }
    return s->spec.kind == SHARD_IVF ? search_ivf(s, q, arena, out, err)
                                     : search_graph(s, q, arena, out, err);
}

enum wf_code shard_space_attach(struct shard_space *s, struct wf_error *err)
{
    if (s->spec.kind != SHARD_IVF || s->n == 0) {
        return WF_OK;
    }
    return shard_faiss_ivf_open(&s->codes, s->lists, s->spec.n, &s->faiss, err);
}

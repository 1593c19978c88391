/* SPDX-License-Identifier: Apache-2.0
 *
 * space_pq.c - see space_pq.h.
 *
 * A row's estimate is what the table says of its residual and, exactly, the product with its list's
 * centroid; L2 takes the row's length off. Estimates are float32 sums in one order, so which rows
 * are compared is the same on every instruction set; ties go to the lower row. Where estimates rise
 * with the integer sums alone (not L2) whole blocks are passed over by one integer comparison.
 */
#include "shard/space_pq.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "base/pq4.h"

enum {
    REFINE_LEAST_K = 10, /* fewer hits wanted have as many rows scored */
    REFINE_EXCLUDED = 3, /* rows scored for an excluded SKU */
    COST_FP16 = 8,       /* packed rows summed in the time in which one row is scored */
    COST_SQ8 = 4,
};

static uint32_t row_cost(const struct shard_space *s)
{
    return s->codes.codec == WF_CODEC_SQ8 ? COST_SQ8 : COST_FP16;
}

/* Rows that are scored after the first pass. Which are excluded is seen then: at worst all of those
 * are among the nearest, and deep ranks need fewer rows each. */
static uint64_t refined(const struct shard_space *s, const struct shard_query *q)
{
    const uint64_t k = q->k < REFINE_LEAST_K ? REFINE_LEAST_K : q->k;
    const uint64_t excluded = q->rules == NULL ? 0 : q->rules->n_exclude;
    return k * s->pq.refine + REFINE_EXCLUDED * excluded;
}

uint64_t shard_packed_cost(const struct shard_space *s, const struct shard_query *q,
                           const struct shard_probes *plan)
{
    const struct shard_rules *r = q->rules;
    if (s->pq.m == 0 || (r != NULL && (r->group_max > 0 || r->n_negatives > 0))) {
        return UINT64_MAX; /* whom a group or a penalty keeps out is not known before scoring */
    }
    uint64_t rows = 0;
    for (uint32_t i = 0; i < plan->n; i++) {
        rows += s->lists[plan->lists[i] + 1] - s->lists[plan->lists[i]];
    }
    return rows / row_cost(s) + refined(s, q);
}

/* ---- the best estimates so far ---- */

/* As top.h keeps hits, but many more of them: an estimate and its row are one number, the larger
 * the better, so that cutting the buffer to the best takes no branch per row. */
struct best {
    uint64_t *keys; /* room for 2 k */
    uint32_t n, k;
    float floor; /* a row below it is not among the k best */
};

/* Larger for a higher estimate, then for a lower row. */
static uint64_t key_of(float estimate, uint32_t row)
{
    uint32_t bits;
    memcpy(&bits, &estimate, sizeof bits);
    bits ^= bits >> 31 != 0 ? UINT32_MAX : (uint32_t)1 << 31;
    return (uint64_t)bits << 32 | (UINT32_MAX - row);
}

static float estimate_of(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float estimate;
    bits ^= bits >> 31 != 0 ? (uint32_t)1 << 31 : UINT32_MAX;
    memcpy(&estimate, &bits, sizeof estimate);
    return estimate;
}

static uint64_t middle_of(uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Puts what is larger than the pivot in front; returns how many. */
static uint32_t split(uint64_t *x, uint32_t n, uint64_t pivot)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t key = x[i];
        x[i] = x[at];
        x[at] = key;
        at += key > pivot;
    }
    return at;
}

/* The k largest of n in front, in no order; no two are equal, so both sides get shorter. */
static void select_largest(uint64_t *x, uint32_t n, uint32_t k)
{
    while (k > 0 && k < n) {
        const uint64_t pivot = middle_of(x[0], x[n / 2], x[n - 1]);
        const uint32_t larger = split(x, n, pivot);
        if (larger > k) {
            n = larger;
        } else if (larger == k) {
            return;
        } else {
            x += larger;
            n -= larger;
            k -= larger;
            const uint32_t not_less = split(x, n, pivot - 1); /* the pivot itself */
            x += not_less;
            n -= not_less;
            k -= not_less;
        }
    }
}

static void cut(struct best *b)
{
    if (b->n <= b->k) {
        return;
    }
    select_largest(b->keys, b->n, b->k);
    b->n = b->k;
    uint64_t least = b->keys[0];
    for (uint32_t i = 1; i < b->n; i++) {
        least = b->keys[i] < least ? b->keys[i] : least;
    }
    b->floor = estimate_of(least);
}

/* `estimate` is at least the floor; what is not finite is left out. */
static void push(struct best *b, float estimate, uint32_t row)
{
    if (!(estimate <= FLT_MAX)) {
        return;
    }
    b->keys[b->n++] = key_of(estimate, row);
    if (b->n == 2 * b->k) {
        cut(b);
    }
}

/* ---- one query ---- */

struct first_pass {
    const struct shard_space *s;
    const struct shard_query *q;
    struct shard_pq_table table;
    struct best top;
    uint16_t *sums; /* of one list */
    float base;     /* of the list: its centroid's product and the table's base */
    float floor;    /* of the top when `least` was made for it */
    uint32_t least; /* no smaller sum reaches the floor; above UINT16_MAX: none does */
};

/* The allowed rows among row .. row + 31, row being bit 0. */
static uint32_t allowed_rows(const uint64_t *bits, uint32_t row, uint32_t n)
{
    const uint32_t mask = n >= 32 ? UINT32_MAX : ((uint32_t)1 << n) - 1;
    const unsigned shift = row % 64;
    uint64_t word = bits[row / 64] >> shift;
    if (shift > 32 && n > 64 - shift) {
        word |= bits[row / 64 + 1] << (64 - shift);
    }
    return (uint32_t)word & mask;
}

/* The least sum whose estimate may reach the floor, a step below what division says. */
static uint32_t least_sum(const struct first_pass *p)
{
    const float sum = (p->floor - p->base) / p->table.scale - 1;
    if (!(sum > 0)) {
        return 0; /* any, also where nothing can be said */
    }
    return sum > UINT16_MAX ? UINT16_MAX + 1 : (uint32_t)sum;
}

/* L2: whether any of 32 rows may reach the floor. */
static bool any_reaches(const struct first_pass *p, const uint16_t *sums, const float *norms)
{
    const float base = p->base, scale = p->table.scale, floor = p->top.floor;
    unsigned any = 0;
    for (size_t i = 0; i < SHARD_PQ_BLOCK; i++) {
        any |= 2 * (base + scale * (float)sums[i]) - norms[i] >= floor;
    }
    return any != 0;
}

/* Rows of a block of n rows whose sum may reach the floor. */
static uint32_t reaching(struct first_pass *p, const uint16_t *sums, uint32_t row, uint32_t n)
{
    if (p->s->pq.norms != NULL) {
        const float *norms = p->s->pq.norms + row;
        return n < SHARD_PQ_BLOCK || any_reaches(p, sums, norms) ? UINT32_MAX : 0;
    }
    if (p->floor != p->top.floor) {
        p->floor = p->top.floor;
        p->least = least_sum(p);
    }
    return p->least > UINT16_MAX ? 0 : wf_pq4_reach(sums, (uint16_t)p->least);
}

static void take(struct first_pass *p, uint32_t first, const uint16_t *sums, uint32_t rows)
{
    const float *norms = p->s->pq.norms;
    for (; rows != 0; rows &= rows - 1) {
        const uint32_t i = (uint32_t)__builtin_ctz(rows), row = first + i;
        float estimate = p->base + p->table.scale * (float)sums[i];
        estimate = norms == NULL ? estimate : 2 * estimate - norms[row];
        if (estimate >= p->top.floor) {
            push(&p->top, estimate, row);
        }
    }
}

static void pass_list(struct first_pass *p, uint32_t list, uint32_t next)
{
    const struct shard_space *s = p->s;
    const uint32_t begin = s->lists[list], end = s->lists[list + 1];
    const float *centroid =
        (const float *)(const void *)(s->centroids.data + list * s->centroids.stride);
    p->base = wf_dot(p->q->vector, centroid, s->codes.dim) + p->table.base;
    p->floor = NAN; /* `least` is another list's */
    shard_pq_scan(&s->pq, &p->table, list, next, p->sums);
    const uint16_t *sums = p->sums;
    for (uint32_t row = begin; row < end; sums += SHARD_PQ_BLOCK) {
        const uint32_t n = end - row < SHARD_PQ_BLOCK ? end - row : SHARD_PQ_BLOCK;
        uint32_t rows = n == SHARD_PQ_BLOCK ? UINT32_MAX : ((uint32_t)1 << n) - 1;
        if (p->q->allowed != NULL) {
            rows = allowed_rows(p->q->allowed->bits, row, n);
        }
        rows &= rows == 0 ? 0 : reaching(p, sums, row, n);
        take(p, row, sums, rows);
        row += n;
    }
}

static enum wf_code begin(struct first_pass *p, const struct shard_scan *sc,
                          const struct shard_probes *plan, struct wf_arena *a, struct wf_error *err)
{
    const struct shard_space *s = sc->s;
    const uint64_t keep = refined(s, sc->q); /* less than the plan's rows */
    uint32_t most = 0;
    for (uint32_t i = 0; i < plan->n; i++) {
        const uint32_t rows = s->lists[plan->lists[i] + 1] - s->lists[plan->lists[i]];
        most = rows > most ? rows : most;
    }
    *p = (struct first_pass){.s = s, .q = sc->q};
    p->sums = wf_arena_alloc64(a, (size_t)shard_pq_blocks(most) * SHARD_PQ_BLOCK * sizeof *p->sums);
    p->top = (struct best){.k = (uint32_t)keep, .floor = -FLT_MAX};
    p->top.keys = wf_arena_alloc(a, 2 * keep * sizeof *p->top.keys);
    if (p->sums == NULL || p->top.keys == NULL ||
        !shard_pq_begin(&s->pq, sc->q->vector, s->codes.dim, a, &p->table)) {
        return shard_search_no_room(a, err);
    }
    return WF_OK;
}

static uint64_t allowed_in(const struct first_pass *p, int64_t list)
{
    return p->q->allowed == NULL ? p->s->lists[list + 1] - p->s->lists[list]
                                 : p->q->allowed->lists[list];
}

enum wf_code shard_packed_lists(struct shard_scan *sc, struct shard_probes *plan,
                                struct wf_arena *a, struct wf_error *err)
{
    struct first_pass p;
    enum wf_code code = begin(&p, sc, plan, a, err);
    if (code != WF_OK) {
        return code;
    }
    uint64_t rows = 0, since = 0;
    while (plan->done < plan->n && (since < SHARD_CHUNK_ROWS || wf_now() < sc->q->deadline)) {
        const int64_t list = plan->lists[plan->done++];
        since = since < SHARD_CHUNK_ROWS ? since : 0;
        since += sc->s->lists[list + 1] - sc->s->lists[list];
        rows += allowed_in(&p, list);
        pass_list(&p, (uint32_t)list,
                  (uint32_t)plan->lists[plan->done < plan->n ? plan->done : plan->done - 1]);
    }
    cut(&p.top);
    uint32_t *best = wf_array(a, uint32_t, p.top.n);
    if (best == NULL) {
        return shard_search_no_room(a, err);
    }
    for (uint32_t i = 0; i < p.top.n; i++) {
        best[i] = UINT32_MAX - (uint32_t)p.top.keys[i];
    }
    shard_scan_rows(sc, best, p.top.n);
    sc->compared = rows;
    return WF_OK;
}

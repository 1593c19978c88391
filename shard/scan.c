/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.c - see scan.h.
 *
 * Where a codec has estimates (base/estimate.h) a row is scored by the kernel only when its
 * estimate, plus its error, reaches the worst of the k best so far: all others are certainly not
 * among them, so the hits are those of the kernel alone. A row that scores high enough meets the
 * rules last, because few get there: an excluded SKU is a hash and a search in a sorted list, a
 * disliked vector one product.
 */
#include "shard/scan.h"

#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "base/hash.h"

enum { PREFER_RANGE = 3 }; /* a block with more than 3 in 4 rows allowed is scored whole */

enum wf_code shard_search_no_room(const struct wf_arena *a, struct wf_error *err)
{
    struct wf_error local;
    err = err == NULL ? &local : err;
    wf_fail(err, WF_EXHAUSTED, "request needs more than its %zu bytes of memory", a->limit);
    wf_reason(err, "MEMORY");
    return WF_EXHAUSTED;
}

enum wf_code shard_scan_begin(struct shard_scan *sc, const struct shard_space *s,
                              const struct shard_query *q, struct wf_arena *a, struct wf_error *err)
{
    const uint32_t matched = shard_query_matched(s, q);
    const uint32_t k = q->k < matched ? q->k : matched;
    *sc = (struct shard_scan){.s = s, .q = q};
    sc->scores = wf_arena_alloc64(a, SHARD_BLOCK_ROWS * sizeof(float));
    sc->rows = wf_array(a, uint32_t, 2 * SHARD_BLOCK_ROWS);
    sc->picked = wf_array(a, uint32_t, SHARD_BLOCK_ROWS);
    if (sc->scores == NULL || sc->rows == NULL || sc->picked == NULL ||
        !shard_top_init(&sc->top, k == 0 ? 1 : k, q->rules, a)) {
        return shard_search_no_room(a, err);
    }
    sc->estimating =
        wf_estimate_pays(s->codes.codec) && (s->codes.metric != WF_METRIC_L2 || s->norms != NULL);
    if (sc->estimating && !wf_estimate_begin(&sc->estimate, &s->codes, s->norms, q->vector, a)) {
        return shard_search_no_room(a, err);
    }
    sc->estimating = sc->estimating && isfinite(sc->estimate.error);
    return WF_OK;
}

/* ---- rules ---- */

bool shard_rules_exclude(const struct shard_rules *r, uint32_t row)
{
    size_t size;
    const char *sku = wf_idmap_get(r->ids, row, &size);
    const uint64_t hash = wf_hash64(sku, size);
    uint32_t low = 0, high = r->n_exclude;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (r->exclude[mid] < hash) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < r->n_exclude && r->exclude[low] == hash;
}

/* weight x max(0, best score with a disliked vector) */
static float penalty(const struct shard_space *s, const struct shard_rules *r, uint32_t row)
{
    float worst = 0;
    for (uint32_t i = 0; i < r->n_negatives; i++) {
        float score;
        wf_score_rows(&s->codes, r->negatives + (size_t)i * s->codes.dim, &row, 0, 1, &score);
        worst = score > worst ? score : worst;
    }
    return r->negative_weight * worst;
}

void shard_scan_offer(struct shard_scan *sc, uint32_t row, float score)
{
    const uint32_t shard_row = sc->s->to_row == NULL ? row : sc->s->to_row[row];
    const struct shard_rules *r = sc->q->rules;
    if (r != NULL) {
        score -= r->n_negatives > 0 ? penalty(sc->s, r, row) : 0;
        if (!(score >= sc->top.floor) || (r->n_exclude > 0 && shard_rules_exclude(r, shard_row))) {
            return;
        }
    }
    const uint32_t order = sc->q->order[shard_row];
    shard_top_push(&sc->top, (struct shard_hit){.score = score, .order = order, .row = shard_row});
}

/* ---- rows ---- */

static void offer_rows(struct shard_scan *sc, const uint32_t *rows, uint32_t n)
{
    wf_score_rows(&sc->s->codes, sc->q->vector, rows, 0, n, sc->scores);
    for (uint32_t i = 0; i < n; i++) {
        if (sc->scores[i] >= sc->top.floor) {
            shard_scan_offer(sc, rows[i], sc->scores[i]);
        }
    }
}

/* rows NULL: first, first + 1, ...; `bits` (may be NULL): rows that are no hits are left out. */
static void scan_block(struct shard_scan *sc, const uint32_t *rows, uint32_t first, uint32_t n,
                       const uint64_t *bits)
{
    sc->compared += n;
    float floor = sc->top.floor;
    if (sc->estimating) {
        wf_estimate_rows(&sc->estimate, rows, first, n, sc->scores);
        floor -= sc->estimate.error;
    } else {
        wf_score_rows(&sc->s->codes, sc->q->vector, rows, first, n, sc->scores);
    }
    uint32_t picked = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = rows == NULL ? first + i : rows[i];
        if (!(sc->scores[i] >= floor) || (bits != NULL && !wf_bit(bits, row))) {
            continue;
        }
        if (sc->estimating) {
            sc->picked[picked++] = row;
        } else {
            shard_scan_offer(sc, row, sc->scores[i]);
            floor = sc->top.floor;
        }
    }
    if (picked > 0) {
        offer_rows(sc, sc->picked, picked);
    }
}

void shard_scan_rows(struct shard_scan *sc, const uint32_t *rows, uint32_t n)
{
    for (uint32_t at = 0; at < n; at += SHARD_BLOCK_ROWS) {
        scan_block(sc, rows + at, 0, n - at < SHARD_BLOCK_ROWS ? n - at : SHARD_BLOCK_ROWS, NULL);
    }
}

static void compare_waiting(struct shard_scan *sc, uint32_t n)
{
    scan_block(sc, sc->rows, 0, n, NULL);
    sc->waiting -= n;
    memmove(sc->rows, sc->rows + n, sc->waiting * sizeof *sc->rows);
}

/* The few allowed rows of one list wait for those of the next: a full block hides the way to
 * memory that each of them is. */
static void scan_allowed(struct shard_scan *sc, uint32_t begin, uint32_t end)
{
    const uint64_t *bits = sc->q->allowed->bits;
    const uint32_t n = wf_bits_rows(bits, begin, end, sc->rows + sc->waiting);
    if (n > (end - begin) / 4 * PREFER_RANGE) {
        scan_block(sc, NULL, begin, end - begin, n == end - begin ? NULL : bits);
        return;
    }
    sc->waiting += n;
    if (sc->waiting >= SHARD_BLOCK_ROWS) {
        compare_waiting(sc, SHARD_BLOCK_ROWS);
    }
}

void shard_scan_range(struct shard_scan *sc, uint32_t begin, uint32_t end)
{
    while (begin < end) {
        const uint32_t n = end - begin < SHARD_BLOCK_ROWS ? end - begin : SHARD_BLOCK_ROWS;
        if (sc->q->allowed == NULL) {
            scan_block(sc, NULL, begin, n, NULL);
        } else {
            scan_allowed(sc, begin, begin + n);
        }
        begin += n;
    }
}

uint32_t shard_scan_count(struct shard_scan *sc)
{
    if (sc->waiting > 0) {
        compare_waiting(sc, sc->waiting);
    }
    shard_top_sort(&sc->top);
    return sc->top.n;
}

void shard_scan_end(struct shard_scan *sc, struct shard_hits *out)
{
    out->n = shard_scan_count(sc);
    out->hits = sc->top.hits;
    out->scanned = sc->compared;
}

/* ---- brute force: Flat, exact, and filters that let few rows through ---- */

/* Allowed rows from *at on into sc->rows, at most a block of them; moves *at on. */
static uint32_t gather(struct shard_scan *sc, uint32_t *at)
{
    const uint32_t words = (uint32_t)wf_bits_words(sc->s->n);
    uint32_t n = 0, w = *at / 64;
    for (; w < words && n <= SHARD_BLOCK_ROWS - 64; w++) {
        for (uint64_t left = sc->q->allowed->bits[w]; left != 0; left &= left - 1) {
            sc->rows[n++] = w * 64 + (uint32_t)__builtin_ctzll(left);
        }
    }
    *at = w < words ? w * 64 : sc->s->n;
    return n;
}

static uint32_t scan_some(struct shard_scan *sc, uint32_t at, bool sparse)
{
    const uint64_t until = sc->compared + SHARD_CHUNK_ROWS;
    while (at < sc->s->n && sc->compared < until) {
        if (sparse) {
            const uint32_t n = gather(sc, &at);
            shard_scan_rows(sc, sc->rows, n);
            continue;
        }
        const uint32_t left = sc->s->n - at;
        const uint32_t end = left < SHARD_BLOCK_ROWS ? sc->s->n : at + SHARD_BLOCK_ROWS;
        shard_scan_range(sc, at, end);
        at = end;
    }
    return at;
}

enum wf_code shard_search_all(const struct shard_space *s, const struct shard_query *q,
                              struct wf_arena *a, struct shard_hits *out, struct wf_error *err)
{
    struct shard_scan sc;
    enum wf_code code = shard_scan_begin(&sc, s, q, a, err);
    if (code != WF_OK) {
        return code;
    }
    const bool sparse = shard_query_matched(s, q) < s->n / 4;
    uint32_t at = 0;
    do {
        at = scan_some(&sc, at, sparse);
    } while (at < s->n && wf_now() < q->deadline);
    *out = (struct shard_hits){.planned = 1, .done = at == s->n, .plan = SHARD_PLAN_EXACT};
    shard_scan_end(&sc, out);
    return WF_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * mmr.c - greedy MMR with incremental, lazy maxima: no similarity is computed twice, so the cost is
 * at most O(k n d), and a candidate that stands far below the best is not compared with the newer
 * picks at all. The list is the textbook's, bit for bit. Memory: the caller's arena.
 */
#include "ranking/mmr.h"

#include <math.h>
#include <stdbool.h>

#include "base/vector.h"

/* Min-max of the scores into 0..1; all equal: 1. */
static void relevance_of(const float *scores, uint32_t n, float *relevance)
{
    float low = scores[0], high = scores[0];
    for (uint32_t i = 1; i < n; i++) {
        low = scores[i] < low ? scores[i] : low;
        high = scores[i] > high ? scores[i] : high;
    }
    const float range = high - low;
    for (uint32_t i = 0; i < n; i++) {
        relevance[i] = range > 0 && isfinite(range) ? (scores[i] - low) / range : 1.0f;
    }
}

/*
 * One that is left. `value` was computed against the first `seen` picks only; later picks can only
 * lower it (a larger maximum, and rounding keeps the order), so it is never less than it should be.
 */
struct left {
    float value, relevance, nearest;
    uint32_t at, seen;
};
struct search {
    const struct rank_mmr *in;
    struct wf_codes codes;
    struct left *heap; /* best value first, ties by position */
    uint32_t n;
    float *similarities; /* of one call of the kernel */
    const uint32_t *picks;
    uint32_t n_picks;
};

static bool before(const struct left *a, const struct left *b)
{
    return a->value > b->value || (a->value == b->value && a->at < b->at);
}

static void sink(struct search *s, uint32_t i)
{
    const struct left moved = s->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < s->n && before(&s->heap[child + 1], &s->heap[child])) {
            child++;
        }
        if (child >= s->n || !before(&s->heap[child], &moved)) {
            break;
        }
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = moved;
}

/* Similarity of one vector to many: of rows, or of the n from the first on. */
static void compare(struct search *s, uint32_t one, const uint32_t *rows, uint32_t n)
{
    if (s->in->vectors != NULL) {
        wf_score_rows(&s->codes, s->in->vectors + (size_t)one * s->in->dim, rows, 0, n,
                      s->similarities);
    }
}

static void value_of(const struct search *s, struct left *l, float similarity)
{
    if (similarity > l->nearest) {
        l->nearest = similarity;
    }
    l->value = s->in->lambda * l->relevance - (1.0f - s->in->lambda) * l->nearest;
}

/* Brings the best up to date with the picks that it has not seen. */
static void refresh(struct search *s)
{
    struct left *l = &s->heap[0];
    const uint32_t n = s->n_picks - l->seen;
    compare(s, l->at, s->picks + l->seen, n);
    for (uint32_t i = 0; i < n; i++) {
        value_of(s, l, s->similarities[i]);
    }
    l->seen = s->n_picks;
    sink(s, 0);
}

/* The first pick is the most relevant; all others are compared with it, in one stream. */
static uint32_t first(struct search *s, const float *relevance)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->in->n; i++) {
        best = s->in->lambda * relevance[i] > s->in->lambda * relevance[best] ? i : best;
    }
    compare(s, best, NULL, s->in->n);
    for (uint32_t i = 0; i < s->in->n; i++) {
        struct left *l = &s->heap[s->n];
        *l = (struct left){.relevance = relevance[i], .nearest = -INFINITY, .at = i, .seen = 1};
        value_of(s, l, s->similarities[i]);
        s->n += i != best;
    }
    for (uint32_t i = s->n / 2; i > 0; i--) {
        sink(s, i - 1);
    }
    return best;
}

/* The best that has seen every pick: nobody else's value can still be above it. */
static uint32_t next(struct search *s)
{
    while (s->heap[0].seen < s->n_picks) {
        refresh(s);
    }
    const uint32_t best = s->heap[0].at;
    s->heap[0] = s->heap[--s->n];
    sink(s, 0);
    return best;
}

enum wf_code rank_mmr(const struct rank_mmr *in, struct wf_arena *scratch, uint32_t *picks)
{
    const uint32_t k = in->k < in->n ? in->k : in->n;
    if (k == 0) {
        return WF_OK;
    }
    float *relevance = wf_array(scratch, float, in->n);
    struct search s = {.in = in, .picks = picks};
    s.heap = wf_array(scratch, struct left, in->n);
    s.similarities = wf_array(scratch, float, in->n);
    if (relevance == NULL || s.heap == NULL || s.similarities == NULL) {
        return WF_EXHAUSTED;
    }
    s.codes = (struct wf_codes){.codec = WF_CODEC_FLOAT32,
                                .metric = WF_METRIC_IP,
                                .dim = in->dim,
                                .stride = in->dim * sizeof(float),
                                .data = (const unsigned char *)in->vectors};
    relevance_of(in->scores, in->n, relevance);
    picks[s.n_picks++] = first(&s, relevance);
    while (s.n_picks < k) {
        const uint32_t pick = next(&s);
        picks[s.n_picks++] = pick;
    }
    return WF_OK;
}

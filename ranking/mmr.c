/* SPDX-License-Identifier: Apache-2.0
 *
 * mmr.c - greedy MMR with incremental maxima: after each pick only the similarity to that pick is
 * computed, so the cost is O(k n d) and not O(k^2 n d). Memory: the caller's arena.
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

static uint32_t best_left(const struct rank_mmr *in, const float *relevance, const float *nearest,
                          bool first)
{
    const float rest = 1.0f - in->lambda;
    uint32_t best = UINT32_MAX;
    float best_value = 0;
    for (uint32_t i = 0; i < in->n; i++) {
        if (isnan(nearest[i])) { /* picked */
            continue;
        }
        const float penalty = first ? 0.0f : rest * nearest[i];
        const float value = in->lambda * relevance[i] - penalty;
        if (best == UINT32_MAX || value > best_value) {
            best = i;
            best_value = value;
        }
    }
    return best;
}

/* Raises every candidate's nearest similarity by the new pick's, and marks the pick itself. */
static void take(const struct rank_mmr *in, float *nearest, uint32_t pick)
{
    const float *vector = in->vectors == NULL ? NULL : in->vectors + (size_t)pick * in->dim;
    nearest[pick] = NAN;
    for (uint32_t i = 0; i < in->n; i++) {
        const float similarity =
            vector == NULL ? 0.0f : wf_dot(vector, in->vectors + (size_t)i * in->dim, in->dim);
        if (similarity > nearest[i]) { /* false for the picked */
            nearest[i] = similarity;
        }
    }
}

enum wf_code rank_mmr(const struct rank_mmr *in, struct wf_arena *scratch, uint32_t *picks)
{
    const uint32_t k = in->k < in->n ? in->k : in->n;
    if (k == 0) {
        return WF_OK;
    }
    float *relevance = wf_array(scratch, float, in->n);
    float *nearest = wf_array(scratch, float, in->n);
    if (relevance == NULL || nearest == NULL) {
        return WF_EXHAUSTED;
    }
    relevance_of(in->scores, in->n, relevance);
    for (uint32_t i = 0; i < in->n; i++) {
        nearest[i] = -INFINITY;
    }
    for (uint32_t i = 0; i < k; i++) {
        picks[i] = best_left(in, relevance, nearest, i == 0);
        take(in, nearest, picks[i]);
    }
    return WF_OK;
}

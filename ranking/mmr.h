/* SPDX-License-Identifier: Apache-2.0
 *
 * mmr.h - maximal marginal relevance (Carbonell and Goldstein 1998), greedy and incremental. Pure.
 *
 * next = argmax over what is left of lambda * relevance - (1 - lambda) * max cosine to what is
 * picked. relevance is min-max of the given scores over the list (all equal: 1). Ties: the earlier
 * position. Vectors are unit length; a candidate without one is similar to nothing.
 */
#ifndef RANK_MMR_H
#define RANK_MMR_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct rank_mmr {
    uint32_t n, k, dim;
    float lambda;         /* 0..1; 1 = by relevance alone */
    const float *scores;  /* n, finite */
    const float *vectors; /* n x dim unit vectors (all-zero row: none), or NULL: relevance alone */
};
/* Writes min(k, n) positions to picks. WF_EXHAUSTED when scratch is full. */
WF_MUST_CHECK enum wf_code rank_mmr(const struct rank_mmr *in, struct wf_arena *scratch,
                                    uint32_t *picks);

#endif

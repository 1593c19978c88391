/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate.h - scores that only select: faster than the scoring kernel of vector.h and off by at
 * most a stated error, so that rescoring the few rows in doubt gives the very answer that the
 * kernel alone would have given.
 *
 * SQ8: the query is folded with the ranges into 15-bit integers, the row's bytes are multiplied
 * with those and summed as integers (VNNI, AVX2 or plain C), so an estimate has the same bits on
 * every instruction set. Pure after wf_estimate_begin; thread-safe.
 */
#ifndef WF_ESTIMATE_H
#define WF_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/vector.h"

/* One query made ready for one code array; borrows both. */
struct wf_estimate {
    const struct wf_codes *codes;
    const float *norms;       /* L2: wf_dot of each decoded row with itself */
    float error;              /* |estimate - wf_score_rows| <= error for every row; infinite where
                                 the numbers are so large that a score may overflow */
    float scale, base;        /* estimate = base + scale * sum, for L2 minus the row's norm */
    const int16_t *weights;   /* plain C, AVX2: per dimension, padded with zeros */
    const int8_t *high, *low; /* VNNI: weight = 128 * high + low */
};
/* Whether rows of this codec have estimates that are faster than the scoring kernel. */
bool wf_estimate_pays(enum wf_codec codec);
/* `norms`: needed for L2 only. The codec must pay. False when the arena is full. */
bool wf_estimate_begin(struct wf_estimate *e, const struct wf_codes *codes, const float *norms,
                       const float *query, struct wf_arena *arena);
/* Estimates of rows[0..n), or of first..first+n where rows is NULL. */
void wf_estimate_rows(const struct wf_estimate *e, const uint32_t *rows, uint32_t first, size_t n,
                      float *out);

#endif

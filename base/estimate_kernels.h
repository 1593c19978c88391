/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_kernels.h - what one instruction set offers to estimate.c. Private to base/estimate*.c
 * and their test; pure, thread-safe.
 */
#ifndef WF_ESTIMATE_KERNELS_H
#define WF_ESTIMATE_KERNELS_H

#include "base/estimate.h"
#include "base/rows_ahead.h"

enum {
    WF_ESTIMATE_PAD = 64,      /* weights are padded with zeros to a multiple of this */
    WF_ESTIMATE_WEIGHT = 16319 /* largest weight: 128 * 127 + 63 */
};

/* The integer sums of weight * code of rows[0..n), or of first..first+n where rows is NULL. */
typedef void wf_estimate_sums_fn(const struct wf_estimate *e, const uint32_t *rows, size_t first,
                                 size_t n, int32_t *sums);

wf_estimate_sums_fn wf_estimate_sums_c, wf_estimate_sums_avx2, wf_estimate_sums_avx512,
    wf_estimate_sums_vnni;

#endif

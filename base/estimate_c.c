/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_c.c - the integer sums of estimates in plain C, which the compiler vectorises for the
 * processor that every program here may assume. Pure, thread-safe.
 */
#include "base/estimate_kernels.h"

static inline void block(const struct wf_estimate *e, const unsigned char *const row[WF_BLOCK],
                         const unsigned char *const next[WF_BLOCK], int32_t sums[WF_BLOCK])
{
    const size_t d = e->codes->dim;
    const int16_t *weights = e->weights;
    for (size_t j = 0; j < d; j += WF_LINE) {
        wf_rows_ask(next, j);
    }
    for (size_t r = 0; r < WF_BLOCK; r++) {
        const unsigned char *code = row[r];
        int32_t sum = 0;
        for (size_t j = 0; j < d; j++) {
            sum += (int16_t)code[j] * weights[j];
        }
        sums[r] = sum;
    }
}

#include "base/estimate_rows.h"

void wf_estimate_sums_c(const struct wf_estimate *e, const uint32_t *rows, size_t first, size_t n,
                        int32_t *sums)
{
    walk(e, rows, first, n, sums);
}

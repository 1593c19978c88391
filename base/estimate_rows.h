/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_rows.h - what the files of integer kernels have in common, private to base/estimate_*.c.
 *
 * Included once by each of them behind its own
 *     static inline void block(const struct wf_estimate *,
 *                              const unsigned char *const row[WF_BLOCK],
 *                              const unsigned char *const next[WF_BLOCK],
 *                              int32_t sums[WF_BLOCK]);
 * It defines `walk`, which hands the rows over four at a time, with those to ask for meanwhile.
 */
#ifndef WF_ESTIMATE_ROWS_H
#define WF_ESTIMATE_ROWS_H

#include <string.h>

#include "base/estimate_kernels.h"

static inline __attribute__((always_inline)) void
walk(const struct wf_estimate *e, const uint32_t *rows, size_t first, size_t n, int32_t *sums)
{
    const struct wf_rows all = {e->codes->data, e->codes->stride, rows, first, n};
    const unsigned char *row[WF_BLOCK], *next[WF_BLOCK];
    const size_t ahead = wf_rows_ahead(&all);
    size_t i = 0;
    wf_rows_begin(&all, ahead);
    for (; i + WF_BLOCK <= n; i += WF_BLOCK) {
        wf_rows_block(&all, i, i, row);
        wf_rows_block(&all, i + ahead, n - 1, next);
        wf_rows_ask_end(&all, next);
        block(e, row, next, sums + i);
    }
    if (i == n) {
        return;
    }
    int32_t rest[WF_BLOCK]; /* the last rows, the first of them repeated to fill the block */
    wf_rows_block(&all, i, i, row);
    block(e, row, row, rest);
    memcpy(sums + i, rest, (n - i) * sizeof rest[0]);
}

#endif

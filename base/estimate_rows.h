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

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The last rows, fewer than a block, the first of them repeated to fill it. */
ALWAYS_INLINE void walk_rest(const struct wf_estimate *e, const struct wf_rows *rows, size_t i,
                             int32_t *sums)
{
    const unsigned char *row[WF_BLOCK];
    int32_t rest[WF_BLOCK];
    wf_rows_block(rows, i, i, row);
    block(e, row, row, rest);
    memcpy(sums + i, rest, (rows->n - i) * sizeof rest[0]);
}

/* Rows one behind the other: a block is an addition away from the one before. What is asked for may
 * lie a block past the end, which is never read. */
ALWAYS_INLINE size_t walk_range(const struct wf_estimate *e, const struct wf_rows *rows,
                                size_t ahead, int32_t *sums)
{
    const size_t stride = rows->stride, n = rows->n;
    const unsigned char *at = rows->data + rows->first * stride;
    const unsigned char *then = at + (n > ahead ? ahead : 0) * stride;
    size_t i = 0;
    for (; i + WF_BLOCK <= n; i += WF_BLOCK, at += WF_BLOCK * stride) {
        const unsigned char *const row[] = {at, at + stride, at + 2 * stride, at + 3 * stride};
        const unsigned char *const next[] = {then, then + stride, then + 2 * stride,
                                             then + 3 * stride};
        wf_rows_ask_end(rows, next);
        block(e, row, next, sums + i);
        then = i + ahead + WF_BLOCK < n ? then + WF_BLOCK * stride : then;
    }
    return i;
}

ALWAYS_INLINE size_t walk_gathered(const struct wf_estimate *e, const struct wf_rows *rows,
                                   size_t ahead, int32_t *sums)
{
    const unsigned char *row[WF_BLOCK], *next[WF_BLOCK];
    size_t i = 0;
    for (; i + WF_BLOCK <= rows->n; i += WF_BLOCK) {
        wf_rows_block(rows, i, i, row);
        wf_rows_block(rows, i + ahead, rows->n - 1, next);
        wf_rows_ask_end(rows, next);
        block(e, row, next, sums + i);
    }
    return i;
}

ALWAYS_INLINE void walk(const struct wf_estimate *e, const uint32_t *rows, size_t first, size_t n,
                        int32_t *sums)
{
    const struct wf_rows all = {e->codes->data, e->codes->stride, rows, first, n};
    const size_t ahead = wf_rows_ahead(&all);
    wf_rows_begin(&all, ahead);
    const size_t done =
        rows == NULL ? walk_range(e, &all, ahead, sums) : walk_gathered(e, &all, ahead, sums);
    if (done < n) {
        walk_rest(e, &all, done, sums);
    }
}

#endif

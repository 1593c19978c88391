/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_rows.h - what the files of integer kernels have in common, private to base/estimate_*.c.
 *
 * Included once by each of them behind its own
 *     static inline void block(const struct wf_estimate *, const unsigned char *const row[4],
 *                              int32_t sums[4]);
 * It defines `walk`, which brings the rows into the cache and hands them over four at a time.
 */
#ifndef WF_ESTIMATE_ROWS_H
#define WF_ESTIMATE_ROWS_H

#include <string.h>

#include "base/estimate_kernels.h"

enum {
    BLOCK = 4,         /* rows summed side by side: their loads overlap */
    AHEAD = 32,        /* rows are prefetched this many rows ahead */
    AHEAD_BYTES = 512, /* of each; behind that the hardware follows the stream */
};

static inline const unsigned char *row_at(const struct wf_estimate *e, const uint32_t *rows,
                                          size_t first, size_t i)
{
    const size_t row = rows == NULL ? first + i : rows[i];
    return e->codes->data + row * e->codes->stride;
}

static inline void prefetch_row(const struct wf_estimate *e, const unsigned char *row)
{
    const size_t bytes = e->codes->stride < AHEAD_BYTES ? e->codes->stride : AHEAD_BYTES;
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch(row + at, 0, 3);
    }
    __builtin_prefetch(row + bytes - 1, 0, 3);
}

static inline __attribute__((always_inline)) void
walk(const struct wf_estimate *e, const uint32_t *rows, size_t first, size_t n, int32_t *sums)
{
    const unsigned char *row[BLOCK];
    for (size_t i = 0; i < AHEAD && i < n; i++) {
        prefetch_row(e, row_at(e, rows, first, i));
    }
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        for (size_t r = 0; r < BLOCK; r++) {
            row[r] = row_at(e, rows, first, i + r);
            if (i + r + AHEAD < n) {
                prefetch_row(e, row_at(e, rows, first, i + r + AHEAD));
            }
        }
        block(e, row, sums + i);
    }
    if (i == n) {
        return;
    }
    int32_t rest[BLOCK]; /* the last rows, the first of them repeated to fill the block */
    for (size_t r = 0; r < BLOCK; r++) {
        row[r] = row_at(e, rows, first, i + r < n ? i + r : i);
    }
    block(e, row, rest);
    memcpy(sums + i, rest, (n - i) * sizeof rest[0]);
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * rows_ahead.h - the rows that a kernel visits, and their way into the cache. Private to
 * base/vector*.c and base/estimate*.c; pure, thread-safe.
 *
 * A kernel takes rows four at a time. While it works on one block it asks, line by line and at the
 * pace at which it reads itself, for the block that is a few KB ahead: asking for all of them at
 * once fills the few places that a core has for lines on their way, and then the reads wait too.
 * Gathered rows gain most, because the hardware cannot guess them; a range gains too, because the
 * hardware's streams end at every page and start late at every list. Lines go to the second level:
 * the first is too small for what is on its way.
 */
#ifndef WF_ROWS_AHEAD_H
#define WF_ROWS_AHEAD_H

#include <stddef.h>
#include <stdint.h>

enum {
    WF_BLOCK = 4,       /* rows side by side: hides the latency of their additions */
    WF_AHEAD = 24,      /* rows are asked for this many rows ahead, */
    WF_AHEAD_KB = 8,    /* fewer of them where that is more than this, */
    WF_LINE = 64,       /* and line by line */
    WF_FIRST_LINES = 8, /* of each of the first rows, for which nobody could ask in time */
};

struct wf_rows {
    const unsigned char *data;
    size_t stride;
    const uint32_t *rows; /* NULL: first, first + 1, ... */
    size_t first, n;
};

static inline const unsigned char *wf_row_at(const struct wf_rows *r, size_t i)
{
    return r->data + (r->rows == NULL ? r->first + i : r->rows[i]) * r->stride;
}

/* How many rows ahead; a multiple of WF_BLOCK. */
static inline size_t wf_rows_ahead(const struct wf_rows *r)
{
    const size_t fit = (WF_AHEAD_KB << 10) / (r->stride + 1) & ~(size_t)(WF_BLOCK - 1);
    return fit > WF_AHEAD ? WF_AHEAD : fit < WF_BLOCK ? WF_BLOCK : fit;
}

/* Rows i .. i + 3, in place of those past the end the row `instead`. */
static inline void wf_rows_block(const struct wf_rows *r, size_t i, size_t instead,
                                 const unsigned char *row[WF_BLOCK])
{
    for (size_t k = 0; k < WF_BLOCK; k++) {
        row[k] = wf_row_at(r, i + k < r->n ? i + k : instead);
    }
}

/* Asks for the first n rows. */
static inline void wf_rows_begin(const struct wf_rows *r, size_t n)
{
    const size_t some = WF_FIRST_LINES * WF_LINE;
    const size_t size = r->stride < some ? r->stride : some;
    for (size_t i = 0; i < n && i < r->n; i++) {
        const unsigned char *row = wf_row_at(r, i);
        for (size_t at = 0; at < size; at += WF_LINE) {
            __builtin_prefetch(row + at, 0, 2);
        }
    }
}

/* Asks for the line at byte `at` of each of the next rows, once for each line. */
static inline __attribute__((always_inline)) void
wf_rows_ask(const unsigned char *const next[WF_BLOCK], size_t at)
{
    if (at % WF_LINE == 0) {
        for (size_t k = 0; k < WF_BLOCK; k++) {
            __builtin_prefetch(next[k] + at, 0, 2);
        }
    }
}

/* Asks for the last line of each, which the above misses where rows do not start with a line. */
static inline void wf_rows_ask_end(const struct wf_rows *r,
                                   const unsigned char *const next[WF_BLOCK])
{
    if (r->stride % WF_LINE != 0) {
        for (size_t k = 0; k < WF_BLOCK; k++) {
            __builtin_prefetch(next[k] + r->stride - 1, 0, 2);
        }
    }
}

#endif

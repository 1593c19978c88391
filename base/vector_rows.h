/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_rows.h - what the kernel files have in common, private to base/vector_*.c.
 *
 * Included once by each of them behind its own
 *     static inline float combine(bool l2, const float *a, const float *b, size_t d);
 *     static inline void block(enum wf_codec, bool l2, const struct wf_scoring *,
 *                              const unsigned char *const row[WF_BLOCK],
 *                              const unsigned char *const next[WF_BLOCK], float out[WF_BLOCK]);
 * which are forced inline, so that codec and metric are constants inside the loops and every pair
 * has its own machine code. It defines `dot`, `minus_l2` and `score`, entries of the table.
 */
#ifndef WF_VECTOR_ROWS_H
#define WF_VECTOR_ROWS_H

#include <string.h>

#include "base/error.h"
#include "base/vector_kernels.h"

static float dot(const float *a, const float *b, size_t d)
{
    return combine(false, a, b, d);
}

static float minus_l2(const float *a, const float *b, size_t d)
{
    return combine(true, a, b, d);
}

static inline __attribute__((always_inline)) void run(enum wf_codec codec, bool l2,
                                                      const struct wf_scoring *s)
{
    const unsigned char *row[WF_BLOCK], *next[WF_BLOCK];
    const size_t n = s->rows.n, ahead = wf_rows_ahead(&s->rows);
    size_t i = 0;
    wf_rows_begin(&s->rows, ahead);
    for (; i + WF_BLOCK <= n; i += WF_BLOCK) {
        wf_rows_block(&s->rows, i, i, row);
        wf_rows_block(&s->rows, i + ahead, n - 1, next);
        wf_rows_ask_end(&s->rows, next);
        block(codec, l2, s, row, next, s->out + i);
    }
    if (i == n) {
        return;
    }
    float rest[WF_BLOCK]; /* the last rows, the first of them repeated to fill the block */
    wf_rows_block(&s->rows, i, i, row);
    block(codec, l2, s, row, row, rest);
    memcpy(s->out + i, rest, (n - i) * sizeof rest[0]);
}

static void score(const struct wf_scoring *s)
{
    const bool l2 = s->codes->metric == WF_METRIC_L2;
    switch (s->codes->codec) {
    case WF_CODEC_FLOAT32:
        l2 ? run(WF_CODEC_FLOAT32, true, s) : run(WF_CODEC_FLOAT32, false, s);
        return;
    case WF_CODEC_FP16:
        l2 ? run(WF_CODEC_FP16, true, s) : run(WF_CODEC_FP16, false, s);
        return;
    case WF_CODEC_SQ8:
        l2 ? run(WF_CODEC_SQ8, true, s) : run(WF_CODEC_SQ8, false, s);
        return;
    }
    wf_assert_fail("a known codec", __FILE__, __LINE__);
}

#endif

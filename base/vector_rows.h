/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_rows.h - what the kernel files have in common, private to base/vector_*.c.
 *
 * Included once by each of them behind its own
 *     static inline float combine(bool l2, const float *a, const float *b, size_t d);
 *     static inline void block(enum wf_codec, bool l2, const struct wf_scoring *,
 *                              const unsigned char *const row[WF_BLOCK], float out[WF_BLOCK]);
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

static inline const unsigned char *row_at(const struct wf_scoring *s, size_t i)
{
    const size_t row = s->rows == NULL ? s->first + i : s->rows[i];
    return s->codes->data + row * s->codes->stride;
}

/* Gathered rows are a cache miss each, which the processor cannot guess and we know. A range gains
 * too: the hardware's stream ends at every page. */
static inline void prefetch_block(const struct wf_scoring *s, size_t i)
{
    const size_t last = i + WF_BLOCK < s->n ? i + WF_BLOCK : s->n;
    const size_t bytes = s->codes->stride < WF_AHEAD_BYTES ? s->codes->stride : WF_AHEAD_BYTES;
    for (; i < last; i++) {
        const unsigned char *row = row_at(s, i);
        for (size_t at = 0; at < bytes; at += 64) {
            __builtin_prefetch(row + at, 0, 3);
        }
        __builtin_prefetch(row + bytes - 1, 0, 3);
    }
}

static inline __attribute__((always_inline)) void run(enum wf_codec codec, bool l2,
                                                      const struct wf_scoring *s)
{
    const unsigned char *row[WF_BLOCK];
    for (size_t i = 0; i < WF_AHEAD && i < s->n; i += WF_BLOCK) {
        prefetch_block(s, i);
    }
    size_t i = 0;
    for (; i + WF_BLOCK <= s->n; i += WF_BLOCK) {
        prefetch_block(s, i + WF_AHEAD);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            row[r] = row_at(s, i + r);
        }
        block(codec, l2, s, row, s->out + i);
    }
    if (i == s->n) {
        return;
    }
    float rest[WF_BLOCK]; /* the last rows, the first of them repeated to fill the block */
    for (size_t r = 0; r < WF_BLOCK; r++) {
        row[r] = row_at(s, i + r < s->n ? i + r : i);
    }
    block(codec, l2, s, row, rest);
    memcpy(s->out + i, rest, (s->n - i) * sizeof rest[0]);
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

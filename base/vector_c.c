/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_c.c - the scoring kernels in plain C: the reference of the two others, and what runs where
 * they cannot. The compiler may vectorise over the 16 partial sums (it keeps their order), so this
 * is also what a processor of another kind gets. Pure, thread-safe.
 */
#include "base/vector_kernels.h"

#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* All ones where `yes`, to choose without a branch. */
static inline uint32_t mask(bool yes)
{
    return 0 - (uint32_t)yes;
}

/* Normal halves are shifted and re-biased. For a subnormal the shifted bits are put behind 2^-14,
 * which is then taken away: exact, and without subnormal arithmetic, which is slow. Both are worked
 * out and one is masked away, so that the compiler finds no branch in a loop over it. */
static inline float half_decode(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const int32_t rest = (h & 0x7fff) << 13;
    const uint32_t small = mask(rest < 0x00800000), huge = mask(rest >= 0x0f800000);
    const uint32_t quiet = mask(rest > 0x0f800000) & 0x400000; /* a NaN comes out quiet */
    const uint32_t subnormal = bits_of(float_of((uint32_t)rest + 0x38800000) - 0x1p-14f);
    const uint32_t other = (uint32_t)rest + 0x38000000 + (huge & 0x38000000);
    return float_of(sign | quiet | (small & subnormal) | (~small & other));
}

float wf_half_decode(uint16_t h)
{
    return half_decode(h);
}

uint16_t wf_half_encode(float f)
{
    const uint32_t sign = bits_of(f) >> 16 & 0x8000;
    uint32_t rest = bits_of(f) & 0x7fffffff;
    if (rest > 0x7f800000) {
        return (uint16_t)(sign | 0x7e00 | (rest >> 13 & 0x3ff));
    }
    if (rest >= 0x47800000) { /* 65536 and above; what lies between 65520 and it rounds up below */
        return (uint16_t)(sign | 0x7c00);
    }
    if (rest < 0x38800000) { /* subnormal: the unit of 0.5 is that of the smallest half */
        return (uint16_t)(sign | (bits_of(float_of(rest) + 0.5f) - 0x3f000000));
    }
    rest += 0xfff + (rest >> 13 & 1);
    return (uint16_t)(sign | (rest - (UINT32_C(112) << 23)) >> 13);
}

static void half_to_float(const uint16_t *h, float *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        f[i] = half_decode(h[i]);
    }
}

static void float_to_half(const float *f, uint16_t *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h[i] = wf_half_encode(f[i]);
    }
}

static float fold(float sums[WF_LANES])
{
    for (size_t apart = WF_LANES / 2; apart > 0; apart /= 2) {
        for (size_t j = 0; j < apart; j++) {
            sums[j] += sums[j + apart];
        }
    }
    return sums[0];
}

/* Adds up to 16 elements. Leaving out the zero tail gives the bits of adding it: a sum that starts
 * at +0 is never -0. */
static inline void accumulate(bool l2, float *restrict sums, const float *restrict q,
                              const float *restrict x, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        const float d = l2 ? q[j] - x[j] : q[j];
        sums[j] += d * (l2 ? d : x[j]);
    }
}

static float combine(bool l2, const float *a, const float *b, size_t d)
{
    float sums[WF_LANES] = {0};
    size_t j = 0;
    for (; j + WF_LANES <= d; j += WF_LANES) {
        accumulate(l2, sums, a + j, b + j, WF_LANES);
    }
    accumulate(l2, sums, a + j, b + j, d - j);
    return l2 ? 0 - fold(sums) : fold(sums);
}

/* Elements j .. j + n - 1 of a row, decoded; n <= WF_LANES. Behind them x is anything. */
static inline __attribute__((always_inline)) void decode(enum wf_codec codec,
                                                         const struct wf_codes *c,
                                                         const unsigned char *row, size_t j,
                                                         size_t n, float *restrict x)
{
    if (codec == WF_CODEC_FLOAT32) {
        memcpy(x, row + j * sizeof(float), n * sizeof(float));
    } else if (codec == WF_CODEC_FP16) {
        uint16_t h[WF_LANES] = {0};
        memcpy(h, row + j * sizeof h[0], n * sizeof h[0]);
        for (size_t i = 0; i < WF_LANES; i++) {
            x[i] = half_decode(h[i]);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            x[i] = c->min[j + i] + c->step[j + i] * ((float)row[j + i] + 0.5f);
        }
    }
}

static inline __attribute__((always_inline)) void block(enum wf_codec codec, bool l2,
                                                        const struct wf_scoring *s,
                                                        const unsigned char *const row[WF_BLOCK],
                                                        const unsigned char *const next[WF_BLOCK],
                                                        float out[WF_BLOCK])
{
    const size_t d = s->codes->dim, size = wf_codec_bytes(codec);
    for (size_t j = 0; j < d; j += WF_LANES) {
        wf_rows_ask(next, j * size);
    }
    for (size_t r = 0; r < WF_BLOCK; r++) {
        float sums[WF_LANES] = {0};
        float x[WF_LANES];
        size_t j = 0;
        for (; j + WF_LANES <= d; j += WF_LANES) {
            decode(codec, s->codes, row[r], j, WF_LANES, x);
            accumulate(l2, sums, s->q + j, x, WF_LANES);
        }
        if (j < d) {
            decode(codec, s->codes, row[r], j, d - j, x);
            accumulate(l2, sums, s->q + j, x, d - j);
        }
        out[r] = l2 ? 0 - fold(sums) : fold(sums);
    }
}

#include "base/vector_rows.h"

const struct wf_kernels wf_kernels_c = {
    .dot = dot,
    .l2 = minus_l2,
    .score = score,
    .half_to_float = half_to_float,
    .float_to_half = float_to_half,
};

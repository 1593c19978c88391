/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_avx512.c - the scoring kernels with AVX-512 F, BW, DQ and VL: one register holds the 16
 * partial sums of a row. Tails are masked loads, so nothing behind a row is touched. No fused
 * multiply-add anywhere: the bits are those of vector_c.c. Pure, thread-safe; compiled with its own
 * flags and entered only after vector.c has asked the processor.
 */
#include "base/vector_kernels.h"

#include <immintrin.h>

#define ALWAYS static inline __attribute__((always_inline))

/* Elements that are left at j, as a mask: all 16 inside the vector. */
ALWAYS __mmask16 left(size_t d, size_t j)
{
    return (__mmask16)((1u << (d - j)) - 1);
}

ALWAYS __m512 half16(__m256i h)
{
    return _mm512_cvtph_ps(h);
}

/* min + step * (code + 0.5); lanes outside m give 0 because min and step are loaded as 0. */
ALWAYS __m512 sq16(const struct wf_codes *c, __m128i code, size_t j, __mmask16 m)
{
    const __m512 x =
        _mm512_add_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(code)), _mm512_set1_ps(0.5f));
    const __m512 min = _mm512_maskz_loadu_ps(m, c->min + j);
    const __m512 step = _mm512_maskz_loadu_ps(m, c->step + j);
    return _mm512_add_ps(min, _mm512_mul_ps(step, x));
}

/* Elements j .. j + 15 of a row, decoded; those outside m are 0. */
ALWAYS __m512 load(enum wf_codec codec, const struct wf_codes *c, const unsigned char *row,
                   size_t j, __mmask16 m)
{
    if (codec == WF_CODEC_FLOAT32) {
        return _mm512_maskz_loadu_ps(m, row + j * 4);
    }
    if (codec == WF_CODEC_FP16) {
        return half16(_mm256_maskz_loadu_epi16(m, row + j * 2));
    }
    return sq16(c, _mm_maskz_loadu_epi8(m, row + j), j, m);
}

ALWAYS __m512 accumulate(bool l2, __m512 sums, __m512 q, __m512 x)
{
    if (l2) {
        q = x = _mm512_sub_ps(q, x);
    }
    return _mm512_add_ps(sums, _mm512_mul_ps(q, x));
}

/* Sums 8 and 4 apart: 16 become 4. */
ALWAYS __m128 fold4(__m512 s)
{
    const __m256 t = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    return _mm_add_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1));
}

ALWAYS float combine(bool l2, const float *a, const float *b, size_t d)
{
    __m512 sums = _mm512_setzero_ps();
    size_t j = 0;
    for (; j + WF_LANES <= d; j += WF_LANES) {
        sums = accumulate(l2, sums, _mm512_loadu_ps(a + j), _mm512_loadu_ps(b + j));
    }
    if (j < d) {
        const __mmask16 m = left(d, j);
        sums =
            accumulate(l2, sums, _mm512_maskz_loadu_ps(m, a + j), _mm512_maskz_loadu_ps(m, b + j));
    }
    __m128 s = fold4(sums);
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return l2 ? 0 - _mm_cvtss_f32(s) : _mm_cvtss_f32(s);
}

ALWAYS void block(enum wf_codec codec, bool l2, const struct wf_scoring *s,
                  const unsigned char *const row[WF_BLOCK],
                  const unsigned char *const next[WF_BLOCK], float out[WF_BLOCK])
{
    const size_t d = s->codes->dim, size = wf_codec_bytes(codec);
    __m512 sums[WF_BLOCK];
    for (size_t r = 0; r < WF_BLOCK; r++) {
        sums[r] = _mm512_setzero_ps();
    }
    size_t j = 0;
    for (; j + WF_LANES <= d; j += WF_LANES) {
        wf_rows_ask(next, j * size);
        const __m512 q = _mm512_loadu_ps(s->q + j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            sums[r] = accumulate(l2, sums[r], q, load(codec, s->codes, row[r], j, 0xffff));
        }
    }
    if (j < d) {
        wf_rows_ask(next, j * size);
        const __mmask16 m = left(d, j);
        const __m512 q = _mm512_maskz_loadu_ps(m, s->q + j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            sums[r] = accumulate(l2, sums[r], q, load(codec, s->codes, row[r], j, m));
        }
    }
    /* Transposed, the last two steps of the fold work on four rows at once. */
    __m128 t0 = fold4(sums[0]), t1 = fold4(sums[1]), t2 = fold4(sums[2]), t3 = fold4(sums[3]);
    _MM_TRANSPOSE4_PS(t0, t1, t2, t3);
    const __m128 sum = _mm_add_ps(_mm_add_ps(t0, t2), _mm_add_ps(t1, t3));
    _mm_storeu_ps(out, l2 ? _mm_sub_ps(_mm_setzero_ps(), sum) : sum);
}

#include "base/vector_rows.h"

static void half_to_float(const uint16_t *h, float *f, size_t n)
{
    for (size_t i = 0; i < n; i += WF_LANES) {
        const __mmask16 m = i + WF_LANES <= n ? (__mmask16)0xffff : left(n, i);
        _mm512_mask_storeu_ps(f + i, m, half16(_mm256_maskz_loadu_epi16(m, h + i)));
    }
}

static void float_to_half(const float *f, uint16_t *h, size_t n)
{
    for (size_t i = 0; i < n; i += WF_LANES) {
        const __mmask16 m = i + WF_LANES <= n ? (__mmask16)0xffff : left(n, i);
        _mm256_mask_storeu_epi16(
            h + i, m, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(m, f + i), _MM_FROUND_TO_NEAREST_INT));
    }
}

const struct wf_kernels wf_kernels_avx512 = {
    .dot = dot,
    .l2 = minus_l2,
    .score = score,
    .half_to_float = half_to_float,
    .float_to_half = float_to_half,
};

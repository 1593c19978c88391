/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_avx2.c - the scoring kernels with AVX2 and F16C: two registers hold the 16 partial sums of
 * a row, sums 0..7 and 8..15. No fused multiply-add anywhere: the bits are those of vector_c.c.
 * Pure, thread-safe; compiled with its own flags and entered only after vector.c has asked the
 * processor.
 */
#include "base/vector_kernels.h"

#include <immintrin.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

struct sixteen {
    __m256 lo, hi;
};

/* All ones in the first n of 8 lanes; n may be over 8 or below 0. */
ALWAYS __m256i first_lanes(ptrdiff_t n)
{
    const int k = n > 8 ? 8 : (int)n;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(k), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

ALWAYS struct sixteen floats(const float *x)
{
    return (struct sixteen){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}

/* n < 16 floats, then zeros; nothing behind x[n - 1] is touched. */
ALWAYS struct sixteen floats_tail(const float *x, size_t n)
{
    return (struct sixteen){
        _mm256_maskload_ps(x, first_lanes((ptrdiff_t)n)),
        _mm256_maskload_ps(x + (n > 8 ? 8 : 0), first_lanes((ptrdiff_t)n - 8)),
    };
}

ALWAYS struct sixteen halves(const void *h)
{
    const __m128i *p = h;
    return (struct sixteen){_mm256_cvtph_ps(_mm_loadu_si128(p)),
                            _mm256_cvtph_ps(_mm_loadu_si128(p + 1))};
}

ALWAYS __m256 sq8(__m256 min, __m256 step, __m128i code)
{
    const __m256 x =
        _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(code)), _mm256_set1_ps(0.5f));
    return _mm256_add_ps(min, _mm256_mul_ps(step, x));
}

ALWAYS struct sixteen sq16(struct sixteen min, struct sixteen step, const void *code)
{
    const __m128i c = _mm_loadu_si128(code);
    return (struct sixteen){sq8(min.lo, step.lo, c),
                            sq8(min.hi, step.hi, _mm_unpackhi_epi64(c, c))};
}

ALWAYS struct sixteen load(enum wf_codec codec, const struct wf_codes *c, const unsigned char *row,
                           size_t j)
{
    if (codec == WF_CODEC_FLOAT32) {
        return floats((const float *)(const void *)row + j);
    }
    if (codec == WF_CODEC_FP16) {
        return halves(row + j * 2);
    }
    return sq16(floats(c->min + j), floats(c->step + j), row + j);
}

/* The last n < 16 elements. A row padded to 8 elements is read up to the padding, which is 0; any
 * other goes through a buffer. */
ALWAYS struct sixteen load_tail(enum wf_codec codec, const struct wf_codes *c,
                                const unsigned char *row, size_t j, size_t n)
{
    if (codec == WF_CODEC_FLOAT32) {
        return floats_tail((const float *)(const void *)row + j, n);
    }
    const size_t size = codec == WF_CODEC_FP16 ? 2 : 1;
    unsigned char code[32] = {0};
    if (n <= 8 && c->stride >= (j + 8) * size) {
        memcpy(code, row + j * size, 8 * size);
    } else {
        memcpy(code, row + j * size, n * size);
    }
    if (codec == WF_CODEC_FP16) {
        struct sixteen x = halves(code);
        x.lo = _mm256_and_ps(x.lo, _mm256_castsi256_ps(first_lanes((ptrdiff_t)n)));
        return x;
    }
    return sq16(floats_tail(c->min + j, n), floats_tail(c->step + j, n), code);
}

ALWAYS __m256 accumulate8(bool l2, __m256 sums, __m256 q, __m256 x)
{
    if (l2) {
        q = x = _mm256_sub_ps(q, x);
    }
    return _mm256_add_ps(sums, _mm256_mul_ps(q, x));
}

ALWAYS struct sixteen accumulate(bool l2, struct sixteen sums, struct sixteen q, struct sixteen x)
{
    return (struct sixteen){accumulate8(l2, sums.lo, q.lo, x.lo),
                            accumulate8(l2, sums.hi, q.hi, x.hi)};
}

/* Sums 8 and 4 apart: 16 become 4. */
ALWAYS __m128 fold4(struct sixteen s)
{
    const __m256 t = _mm256_add_ps(s.lo, s.hi);
    return _mm_add_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1));
}

ALWAYS float combine(bool l2, const float *a, const float *b, size_t d)
{
    struct sixteen sums = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t j = 0;
    for (; j + WF_LANES <= d; j += WF_LANES) {
        sums = accumulate(l2, sums, floats(a + j), floats(b + j));
    }
    if (j < d) {
        sums = accumulate(l2, sums, floats_tail(a + j, d - j), floats_tail(b + j, d - j));
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
    struct sixteen sums[WF_BLOCK];
    for (size_t r = 0; r < WF_BLOCK; r++) {
        sums[r] = (struct sixteen){_mm256_setzero_ps(), _mm256_setzero_ps()};
    }
    size_t j = 0;
    for (; j + WF_LANES <= d; j += WF_LANES) {
        wf_rows_ask(next, j * size);
        const struct sixteen q = floats(s->q + j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            sums[r] = accumulate(l2, sums[r], q, load(codec, s->codes, row[r], j));
        }
    }
    if (j < d) {
        wf_rows_ask(next, j * size);
        const struct sixteen q = floats_tail(s->q + j, d - j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            sums[r] = accumulate(l2, sums[r], q, load_tail(codec, s->codes, row[r], j, d - j));
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
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(f + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(h + i))));
    }
    for (; i < n; i++) {
        f[i] = wf_half_decode(h[i]);
    }
}

static void float_to_half(const float *f, uint16_t *h, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm_storeu_si128((void *)(h + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(f + i), _MM_FROUND_TO_NEAREST_INT));
    }
    for (; i < n; i++) {
        h[i] = wf_half_encode(f[i]);
    }
}

const struct wf_kernels wf_kernels_avx2 = {
    .dot = dot,
    .l2 = minus_l2,
    .score = score,
    .half_to_float = half_to_float,
    .float_to_half = float_to_half,
};

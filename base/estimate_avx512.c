/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_avx512.c - the integer sums of estimates with AVX-512 where VNNI is missing: 32 codes at
 * a time, as estimate_avx2.c does with 16. Pure, thread-safe; entered only where vector.c has
 * picked AVX-512.
 */
#include "base/estimate_fold512.h"
#include "base/estimate_kernels.h"

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS __m512i products(__m512i weights, __m256i code)
{
    return _mm512_madd_epi16(_mm512_cvtepu8_epi16(code), weights);
}

ALWAYS void block(const struct wf_estimate *e, const unsigned char *const row[WF_BLOCK],
                  const unsigned char *const next[WF_BLOCK], int32_t sums[WF_BLOCK])
{
    const size_t d = e->codes->dim;
    __m512i s[WF_BLOCK];
    for (size_t r = 0; r < WF_BLOCK; r++) {
        s[r] = _mm512_setzero_si512();
    }
    size_t j = 0;
    for (; j + 32 <= d; j += 32) {
        wf_rows_ask(next, j);
        const __m512i w = _mm512_loadu_si512(e->weights + j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            const __m256i code = _mm256_loadu_si256((const void *)(row[r] + j));
            s[r] = _mm512_add_epi32(s[r], products(w, code));
        }
    }
    if (j < d) {
        wf_rows_ask(next, j);
        const __mmask32 m = (__mmask32)((UINT64_C(1) << (d - j)) - 1);
        const __m512i w = _mm512_loadu_si512(e->weights + j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            s[r] = _mm512_add_epi32(s[r], products(w, _mm256_maskz_loadu_epi8(m, row[r] + j)));
        }
    }
    fold4(s, sums);
}

#include "base/estimate_rows.h"

void wf_estimate_sums_avx512(const struct wf_estimate *e, const uint32_t *rows, size_t first,
                             size_t n, int32_t *sums)
{
    walk(e, rows, first, n, sums);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_avx2.c - the integer sums of estimates with AVX2: 16 codes become 16-bit integers, which
 * are multiplied with the weights and added in pairs. Pure, thread-safe; entered only where
 * vector.c has picked AVX2.
 */
#include "base/estimate_kernels.h"

#include <immintrin.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS __m256i products(const int16_t *weights, const void *code)
{
    const __m256i c = _mm256_cvtepu8_epi16(_mm_loadu_si128(code));
    return _mm256_madd_epi16(c, _mm256_loadu_si256((const void *)weights));
}

/* The last n < 16 codes; nothing behind the row is touched. */
ALWAYS __m256i products_tail(const struct wf_estimate *e, const unsigned char *row, size_t j,
                             size_t n)
{
    unsigned char code[16] = {0};
    if (n <= 8 && e->codes->stride >= j + 8) {
        memcpy(code, row + j, 8); /* up to the padding, whose weights are 0 */
    } else {
        memcpy(code, row + j, n);
    }
    return products(e->weights + j, code);
}

ALWAYS void block(const struct wf_estimate *e, const unsigned char *const row[WF_BLOCK],
                  const unsigned char *const next[WF_BLOCK], int32_t sums[WF_BLOCK])
{
    const size_t d = e->codes->dim;
    __m256i s[WF_BLOCK];
    for (size_t r = 0; r < WF_BLOCK; r++) {
        s[r] = _mm256_setzero_si256();
    }
    size_t j = 0;
    for (; j + 16 <= d; j += 16) {
        wf_rows_ask(next, j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            s[r] = _mm256_add_epi32(s[r], products(e->weights + j, row[r] + j));
        }
    }
    if (j < d) {
        wf_rows_ask(next, j);
        for (size_t r = 0; r < WF_BLOCK; r++) {
            s[r] = _mm256_add_epi32(s[r], products_tail(e, row[r], j, d - j));
        }
    }
    const __m256i t =
        _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
    _mm_storeu_si128((void *)sums,
                     _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1)));
}

#include "base/estimate_rows.h"

void wf_estimate_sums_avx2(const struct wf_estimate *e, const uint32_t *rows, size_t first,
                           size_t n, int32_t *sums)
{
    walk(e, rows, first, n, sums);
}

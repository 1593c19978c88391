/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_fold512.h - the end of a block of four rows, for the AVX-512 files of base/estimate_*.c.
 */
#ifndef WF_ESTIMATE_FOLD512_H
#define WF_ESTIMATE_FOLD512_H

#include <immintrin.h>
#include <stdint.h>

/* Adds up the 16 lanes of each of four registers. */
static inline __attribute__((always_inline)) void fold4(const __m512i s[4], int32_t sums[4])
{
    const __m512i a =
        _mm512_add_epi32(_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
    const __m512i b =
        _mm512_add_epi32(_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
    const __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m256i t = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti32x8_epi32(c, 1));
    _mm_storeu_si128((void *)sums,
                     _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1)));
}

#endif

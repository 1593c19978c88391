/* SPDX-License-Identifier: Apache-2.0
 *
 * bits_avx512.c - sets of rows with AVX-512: 16 bits become 16 compressed row numbers at a time,
 * however many are set. What is stored behind the set ones is overwritten by the next 16 and stays
 * inside the 64 places of the word. Pure, thread-safe; entered only when vector.c has picked
 * AVX-512.
 */
#include "base/bits_kernels.h"

#include <immintrin.h>

uint32_t wf_bits_count_avx512(const uint64_t *words, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += (uint64_t)_mm_popcnt_u64(words[i]);
    }
    return (uint32_t)count;
}

uint32_t wf_bits_rows_avx512(const uint64_t *words, size_t n, uint32_t base, uint32_t *rows)
{
    const __m512i step = _mm512_set1_epi32(16);
    __m512i row =
        _mm512_add_epi32(_mm512_set1_epi32((int)base),
                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    uint32_t *at = rows;
    for (size_t i = 0; i < n; i++) {
        uint64_t word = words[i];
        if (word == 0) {
            row = _mm512_add_epi32(row, _mm512_set1_epi32(64));
            continue;
        }
        for (unsigned part = 0; part < 4; part++, word >>= 16) {
            const __mmask16 m = (__mmask16)word;
            _mm512_storeu_si512(at, _mm512_maskz_compress_epi32(m, row));
            at += _mm_popcnt_u32(m);
            row = _mm512_add_epi32(row, step);
        }
    }
    return (uint32_t)(at - rows);
}

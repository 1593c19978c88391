/* SPDX-License-Identifier: Apache-2.0
 *
 * pq4_avx2.c - wf_pq4_scan with AVX2: two parts at a time, one in each half of a register.
 *
 * Entries are added as 16-bit words: `all` takes pairs of bytes as they are, its upper byte
 * polluted by the even row's carry; `odd` takes the upper bytes alone. What is left of `all`
 * without odd x 256 is the even rows' sum, exactly, modulo 65,536. Pure, thread-safe; entered only
 * where the processor has AVX2.
 */
#include "base/pq4_kernels.h"

#include <immintrin.h>

#define ALWAYS static inline __attribute__((always_inline))

struct pair {
    __m256i all, odd;
};

ALWAYS void take(struct pair *p, __m256i entries)
{
    p->all = _mm256_add_epi16(p->all, entries);
    p->odd = _mm256_add_epi16(p->odd, _mm256_srli_epi16(entries, 8));
}

/* 16 rows' sums in order. */
ALWAYS void store(const struct pair *p, uint16_t *sums)
{
    const __m256i even = _mm256_sub_epi16(p->all, _mm256_slli_epi16(p->odd, 8));
    const __m128i e =
        _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    const __m128i o =
        _mm_add_epi16(_mm256_castsi256_si128(p->odd), _mm256_extracti128_si256(p->odd, 1));
    _mm_storeu_si128((__m128i *)(void *)sums, _mm_unpacklo_epi16(e, o));
    _mm_storeu_si128((__m128i *)(void *)(sums + 8), _mm_unpackhi_epi16(e, o));
}

void wf_pq4_scan_avx2(const uint8_t *table, uint32_t m, const unsigned char *packed, size_t blocks,
                      const unsigned char *next, uint16_t *sums)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const size_t bytes = (size_t)m * WF_PQ4_ENTRIES;
    for (size_t b = 0; b < blocks; b++, packed += bytes, next += bytes, sums += WF_PQ4_BLOCK) {
        struct pair low = {_mm256_setzero_si256(), _mm256_setzero_si256()}, high = low;
        for (size_t at = 0; at < bytes; at += 32) {
            _mm_prefetch((const char *)(next + at), _MM_HINT_T0);
            const __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(packed + at));
            const __m256i entries = _mm256_loadu_si256((const __m256i *)(const void *)(table + at));
            const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble);
            take(&low, _mm256_shuffle_epi8(entries, _mm256_and_si256(codes, nibble)));
            take(&high, _mm256_shuffle_epi8(entries, upper));
        }
        store(&low, sums);
        store(&high, sums + 16);
    }
}

/* Bytes of 255 for the 16 sums that are at least `least`: nothing is left of least minus sum. */
ALWAYS __m256i reaching(const uint16_t *sums, __m256i least)
{
    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)sums);
    return _mm256_cmpeq_epi16(_mm256_subs_epu16(least, x), _mm256_setzero_si256());
}

uint32_t wf_pq4_reach_avx2(const uint16_t *sums, uint16_t least)
{
    const __m256i bound = _mm256_set1_epi16((short)least);
    /* packs works in halves: its quarters come as 0, 2, 1, 3 */
    const __m256i packed = _mm256_packs_epi16(reaching(sums, bound), reaching(sums + 16, bound));
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(packed, 0xd8));
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * pq4_avx512.c - wf_pq4_scan with AVX-512 BW: four parts at a time, two blocks side by side. How
 * bytes become 16-bit sums is told in pq4_avx2.c. Pure, thread-safe; entered only where the
 * processor has F, BW, DQ and VL.
 */
#include "base/pq4_kernels.h"

#include <immintrin.h>

#define ALWAYS static inline __attribute__((always_inline))

struct pair {
    __m512i all, odd;
};
struct block {
    struct pair low, high;
};

ALWAYS void take(struct pair *p, __m512i entries)
{
    p->all = _mm512_add_epi16(p->all, entries);
    p->odd = _mm512_add_epi16(p->odd, _mm512_srli_epi16(entries, 8));
}

ALWAYS void look_up(struct block *b, __m512i entries, const unsigned char *packed)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i codes = _mm512_loadu_si512(packed);
    const __m512i upper = _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble);
    take(&b->low, _mm512_shuffle_epi8(entries, _mm512_and_si512(codes, nibble)));
    take(&b->high, _mm512_shuffle_epi8(entries, upper));
}

ALWAYS __m128i fold(__m512i x)
{
    const __m256i y = _mm256_add_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
}

/* 16 rows' sums in order. */
ALWAYS void store(const struct pair *p, uint16_t *sums)
{
    const __m128i odd = fold(p->odd);
    const __m128i even = _mm_sub_epi16(fold(p->all), _mm_slli_epi16(odd, 8));
    _mm_storeu_si128((__m128i *)(void *)sums, _mm_unpacklo_epi16(even, odd));
    _mm_storeu_si128((__m128i *)(void *)(sums + 8), _mm_unpackhi_epi16(even, odd));
}

ALWAYS void store_block(const struct block *b, uint16_t *sums)
{
    store(&b->low, sums);
    store(&b->high, sums + 16);
}

void wf_pq4_scan_avx512(const uint8_t *table, uint32_t m, const unsigned char *packed,
                        size_t blocks, const unsigned char *next, uint16_t *sums)
{
    const __m512i zero = _mm512_setzero_si512();
    const struct block none = {{zero, zero}, {zero, zero}};
    const size_t bytes = (size_t)m * WF_PQ4_ENTRIES;
    size_t b = 0;
    for (; b + 2 <= blocks;
         b += 2, packed += 2 * bytes, next += 2 * bytes, sums += (size_t)2 * WF_PQ4_BLOCK) {
        struct block one = none, two = none;
        for (size_t at = 0; at < bytes; at += 64) {
            const __m512i entries = _mm512_loadu_si512(table + at);
            _mm_prefetch((const char *)(next + at), _MM_HINT_T0);
            _mm_prefetch((const char *)(next + bytes + at), _MM_HINT_T0);
            look_up(&one, entries, packed + at);
            look_up(&two, entries, packed + bytes + at);
        }
        store_block(&one, sums);
        store_block(&two, sums + WF_PQ4_BLOCK);
    }
    if (b < blocks) {
        struct block last = none;
        for (size_t at = 0; at < bytes; at += 64) {
            look_up(&last, _mm512_loadu_si512(table + at), packed + at);
        }
        store_block(&last, sums);
    }
}

uint32_t wf_pq4_reach_avx512(const uint16_t *sums, uint16_t least)
{
    return _mm512_cmpge_epu16_mask(_mm512_loadu_si512(sums), _mm512_set1_epi16((short)least));
}

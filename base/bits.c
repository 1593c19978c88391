/* SPDX-License-Identifier: Apache-2.0
 *
 * bits.c - see bits.h. The first and the last word of a range are cut to it; the whole words
 * between go to the kernel of the instruction set that vector.c has picked. Counts and lists are
 * the same on every one.
 */
#include "base/bits.h"

#include "base/bits_kernels.h"
#include "base/vector.h"

static uint32_t count_word(uint64_t w)
{
    w -= w >> 1 & UINT64_C(0x5555555555555555);
    w = (w & UINT64_C(0x3333333333333333)) + (w >> 2 & UINT64_C(0x3333333333333333));
    w = (w + (w >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(w * UINT64_C(0x0101010101010101) >> 56);
}

static uint32_t count_c(const uint64_t *words, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += count_word(words[i]);
    }
    return count;
}

/* The rows of one word, whose bit 0 is row `base`. */
static uint32_t word_rows(uint64_t word, uint32_t base, uint32_t *rows)
{
    uint32_t n = 0;
    for (; word != 0; word &= word - 1) {
        rows[n++] = base + (uint32_t)__builtin_ctzll(word);
    }
    return n;
}

static uint32_t rows_c(const uint64_t *words, size_t n, uint32_t base, uint32_t *rows)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++, base += 64) {
        count += word_rows(words[i], base, rows + count);
    }
    return count;
}

static const struct wf_bits_kernels kernels[] = {
    [WF_ISA_C] = {count_c, rows_c},
    [WF_ISA_AVX2] = {count_c, rows_c}, /* BMI was measured: nothing gained */
#if defined(__x86_64__)
    [WF_ISA_AVX512] = {wf_bits_count_avx512, wf_bits_rows_avx512},
#endif
};

/* Word w without the bits of rows outside begin .. end - 1. */
static uint64_t cut(const uint64_t *bits, uint32_t w, uint32_t begin, uint32_t end)
{
    uint64_t word = bits[w];
    if (w == begin / 64) {
        word &= ~UINT64_C(0) << (begin % 64);
    }
    if (w == end / 64) {
        word &= ~(~UINT64_C(0) << (end % 64));
    }
    return word;
}

uint32_t wf_bits_count(const uint64_t *bits, uint32_t begin, uint32_t end)
{
    if (begin >= end) {
        return 0;
    }
    const uint32_t first = begin / 64, last = (end - 1) / 64;
    uint32_t count = count_word(cut(bits, first, begin, end));
    if (last > first) {
        count += kernels[wf_vector_isa()].count(bits + first + 1, last - first - 1);
        count += count_word(cut(bits, last, begin, end));
    }
    return count;
}

uint32_t wf_bits_rows(const uint64_t *bits, uint32_t begin, uint32_t end, uint32_t *rows)
{
    if (begin >= end) {
        return 0;
    }
    const uint32_t first = begin / 64, last = (end - 1) / 64;
    uint32_t n = word_rows(cut(bits, first, begin, end), first * 64, rows);
    if (last > first) {
        n += kernels[wf_vector_isa()].rows(bits + first + 1, last - first - 1, (first + 1) * 64,
                                           rows + n);
        n += word_rows(cut(bits, last, begin, end), last * 64, rows + n);
    }
    return n;
}

void wf_bits_and(uint64_t *a, const uint64_t *b, uint32_t n)
{
    for (size_t i = 0; i < wf_bits_words(n); i++) {
        a[i] &= b[i];
    }
}

void wf_bits_or(uint64_t *a, const uint64_t *b, uint32_t n)
{
    for (size_t i = 0; i < wf_bits_words(n); i++) {
        a[i] |= b[i];
    }
}

void wf_bits_not(uint64_t *a, uint32_t n)
{
    for (size_t i = 0; i < wf_bits_words(n); i++) {
        a[i] = ~a[i];
    }
    if (n % 64 != 0) {
        a[n / 64] &= ~(~UINT64_C(0) << (n % 64));
    }
}

void wf_bits_fill(uint64_t *bits, uint32_t begin, uint32_t end)
{
    if (begin >= end) {
        return;
    }
    const uint32_t first = begin / 64, last = (end - 1) / 64;
    const uint64_t head = ~UINT64_C(0) << (begin % 64);
    const uint64_t tail = ~UINT64_C(0) >> (63 - (end - 1) % 64);
    if (first == last) {
        bits[first] |= head & tail;
        return;
    }
    bits[first] |= head;
    for (uint32_t w = first + 1; w < last; w++) {
        bits[w] = ~UINT64_C(0);
    }
    bits[last] |= tail;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * bits.h - sets of rows as plain words: row r is bit r % 64 of word r / 64. Bits past the last row
 * are zero. Pure; thread-safe.
 */
#ifndef WF_BITS_H
#define WF_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t wf_bits_words(uint32_t n)
{
    return ((size_t)n + 63) / 64;
}
static inline bool wf_bit(const uint64_t *bits, uint32_t row)
{
    return (bits[row / 64] >> (row % 64) & 1) != 0;
}
static inline void wf_bit_set(uint64_t *bits, uint32_t row)
{
    bits[row / 64] |= (uint64_t)1 << (row % 64);
}
/* Rows set in begin .. end - 1. */
uint32_t wf_bits_count(const uint64_t *bits, uint32_t begin, uint32_t end);
/* The rows set in begin .. end - 1, rising, into `rows` (room for end - begin); returns how many.
 */
uint32_t wf_bits_rows(const uint64_t *bits, uint32_t begin, uint32_t end, uint32_t *rows);
/* a &= b, a |= b, a = ~a over n rows. */
void wf_bits_and(uint64_t *a, const uint64_t *b, uint32_t n);
void wf_bits_or(uint64_t *a, const uint64_t *b, uint32_t n);
void wf_bits_not(uint64_t *a, uint32_t n);
/* Sets rows begin .. end - 1. */
void wf_bits_fill(uint64_t *bits, uint32_t begin, uint32_t end);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * bits_kernels.h - what one instruction set offers to bits.c, over whole words. Private to
 * base/bits*.c; pure, thread-safe.
 */
#ifndef WF_BITS_KERNELS_H
#define WF_BITS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t wf_bits_count_fn(const uint64_t *words, size_t n);
/* Bit 0 of words[0] is row `base`. May write anywhere in rows[0 .. 64 n), of which what it returns
 * counts. */
typedef uint32_t wf_bits_rows_fn(const uint64_t *words, size_t n, uint32_t base, uint32_t *rows);

struct wf_bits_kernels {
    wf_bits_count_fn *count;
    wf_bits_rows_fn *rows;
};

wf_bits_count_fn wf_bits_count_avx512;
wf_bits_rows_fn wf_bits_rows_avx512;

#endif

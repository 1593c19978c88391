/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_scan.h - columns compared with constants, 64 rows to a word. The loops are plain C, which
 * the compiler turns into vector code once for each instruction set; comparisons are exact, so the
 * bits are the same on every one. Pure; thread-safe.
 */
#ifndef SHARD_FILTER_SCAN_H
#define SHARD_FILTER_SCAN_H

#include <stdint.h>

#include "base/filter.h"

/* bits |= the rows that match among n; bits has wf_bits_words(n) words. */
void shard_match_range(const float *x, uint32_t n, struct wf_filter_range range, uint64_t *bits);
void shard_match_code(const uint32_t *codes, uint32_t n, uint32_t code, uint64_t *bits);
/* `offsets` has n + 1 elements; row i is `size` long when offsets[i + 1] - offsets[i] is. */
void shard_match_size(const uint32_t *offsets, uint32_t n, uint32_t size, uint64_t *bits);
void shard_match_flag(const uint8_t *flags, uint32_t n, uint8_t flag, uint64_t *bits);

#endif

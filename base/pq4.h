/* SPDX-License-Identifier: Apache-2.0
 *
 * pq4.h - sums of table entries picked by 4-bit codes, for blocks of 32 rows: the inner loop of a
 * product-quantised scan.
 *
 * A block holds 16 bytes for each of its m parts: byte i is the code of row i in its low half and
 * of row i + 16 in its high half. The table holds 16 bytes per part, so that one part's entries are
 * one register and a look-up is a shuffle. Sums are integers: the same on every instruction set.
 * Pure; thread-safe.
 */
#ifndef WF_PQ4_H
#define WF_PQ4_H

#include <stddef.h>
#include <stdint.h>

enum { WF_PQ4_BLOCK = 32, WF_PQ4_ENTRIES = 16, WF_PQ4_PARTS_MAX = 256 };

/* table: m x 16; packed: blocks x m x 16; sums: blocks x 32, each below 65,536. m is a multiple of
 * 4 and at most WF_PQ4_PARTS_MAX. `next` (may be NULL): what will be scanned after this; as many
 * bytes are fetched meanwhile. */
void wf_pq4_scan(const uint8_t *table, uint32_t m, const unsigned char *packed, size_t blocks,
                 const unsigned char *next, uint16_t *sums);
/* Rows of one block whose sum is at least `least`: row i is bit i. */
uint32_t wf_pq4_reach(const uint16_t *sums, uint16_t least);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * pq4_kernels.h - what one instruction set offers to pq4.c. Private to base/pq4*.c.
 */
#ifndef WF_PQ4_KERNELS_H
#define WF_PQ4_KERNELS_H

#include "base/pq4.h"

typedef void wf_pq4_scan_fn(const uint8_t *table, uint32_t m, const unsigned char *packed,
                            size_t blocks, const unsigned char *next, uint16_t *sums);
typedef uint32_t wf_pq4_reach_fn(const uint16_t *sums, uint16_t least);
wf_pq4_scan_fn wf_pq4_scan_avx2, wf_pq4_scan_avx512;
wf_pq4_reach_fn wf_pq4_reach_avx2, wf_pq4_reach_avx512;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * pq4.c - see pq4.h: the kernel of the instruction set in use, and the plain one.
 */
#include "base/pq4.h"

#include <string.h>

#include "base/error.h"
#include "base/pq4_kernels.h"
#include "base/vector.h"

static void scan_plain(const uint8_t *table, uint32_t m, const unsigned char *packed, size_t blocks,
                       const unsigned char *next, uint16_t *sums)
{
    (void)next; /* looking up is slower than memory */
    for (size_t b = 0; b < blocks; b++, sums += WF_PQ4_BLOCK) {
        memset(sums, 0, WF_PQ4_BLOCK * sizeof *sums);
        for (size_t part = 0; part < m; part++, packed += WF_PQ4_ENTRIES) {
            const uint8_t *entries = table + part * WF_PQ4_ENTRIES;
            for (unsigned i = 0; i < 16; i++) {
                sums[i] = (uint16_t)(sums[i] + entries[packed[i] & 15]);
                sums[i + 16] = (uint16_t)(sums[i + 16] + entries[packed[i] >> 4]);
            }
        }
    }
}

static uint32_t reach_plain(const uint16_t *sums, uint16_t least)
{
    uint32_t rows = 0;
    for (unsigned i = 0; i < WF_PQ4_BLOCK; i++) {
        rows |= (uint32_t)(sums[i] >= least) << i;
    }
    return rows;
}

struct kernels {
    wf_pq4_scan_fn *scan;
    wf_pq4_reach_fn *reach;
};

static const struct kernels *kernels(void)
{
    static const struct kernels plain = {scan_plain, reach_plain};
#if defined(__x86_64__)
    static const struct kernels avx2 = {wf_pq4_scan_avx2, wf_pq4_reach_avx2},
                                avx512 = {wf_pq4_scan_avx512, wf_pq4_reach_avx512};
    switch (wf_vector_isa()) {
    case WF_ISA_AVX512:
        return &avx512;
    case WF_ISA_AVX2:
        return &avx2;
    case WF_ISA_AUTO:
    case WF_ISA_C:
        break;
    }
#endif
    return &plain;
}

void wf_pq4_scan(const uint8_t *table, uint32_t m, const unsigned char *packed, size_t blocks,
                 const unsigned char *next, uint16_t *sums)
{
    wf_assert(m % 4 == 0 && m <= WF_PQ4_PARTS_MAX);
    kernels()->scan(table, m, packed, blocks, next == NULL ? packed : next, sums);
}

uint32_t wf_pq4_reach(const uint16_t *sums, uint16_t least)
{
    return kernels()->reach(sums, least);
}

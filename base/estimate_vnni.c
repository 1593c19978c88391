/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_vnni.c - the integer sums of estimates with AVX-512 VNNI, which multiplies unsigned with
 * signed bytes and adds four products at once: one such sum for the high and one for the low part
 * of the weights, 64 codes at a time. Sums wrap like all of C's unsigned integers; the total fits,
 * so it is the same. Pure, thread-safe; entered only where vector.c has picked AVX-512 and
 * estimate.c has found VNNI.
 */
#include "base/estimate_fold512.h"
#include "base/estimate_kernels.h"

#define ALWAYS static inline __attribute__((always_inline))

/* 64 codes of each row, those in m. */
ALWAYS void add(const struct wf_estimate *e, const unsigned char *const row[WF_BLOCK], size_t j,
                __mmask64 m, __m512i high[WF_BLOCK], __m512i low[WF_BLOCK])
{
    const __m512i h = _mm512_loadu_si512(e->high + j), l = _mm512_loadu_si512(e->low + j);
    for (size_t r = 0; r < WF_BLOCK; r++) {
        const __m512i code = _mm512_maskz_loadu_epi8(m, row[r] + j);
        high[r] = _mm512_dpbusd_epi32(high[r], code, h);
        low[r] = _mm512_dpbusd_epi32(low[r], code, l);
    }
}

ALWAYS void block(const struct wf_estimate *e, const unsigned char *const row[WF_BLOCK],
                  const unsigned char *const next[WF_BLOCK], int32_t sums[WF_BLOCK])
{
    const size_t d = e->codes->dim;
    __m512i high[WF_BLOCK], low[WF_BLOCK];
    for (size_t r = 0; r < WF_BLOCK; r++) {
        high[r] = low[r] = _mm512_setzero_si512();
    }
    size_t j = 0;
    for (; j + 64 <= d; j += 64) {
        wf_rows_ask(next, j);
        add(e, row, j, ~UINT64_C(0), high, low);
    }
    if (j < d) {
        wf_rows_ask(next, j);
        add(e, row, j, (UINT64_C(1) << (d - j)) - 1, high, low);
    }
    for (size_t r = 0; r < WF_BLOCK; r++) {
        high[r] = _mm512_add_epi32(_mm512_slli_epi32(high[r], 7), low[r]);
    }
    fold4(high, sums);
}

#include "base/estimate_rows.h"

void wf_estimate_sums_vnni(const struct wf_estimate *e, const uint32_t *rows, size_t first,
                           size_t n, int32_t *sums)
{
    walk(e, rows, first, n, sums);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * pq.h - a compressed first pass over IVF lists: 4-bit product quantisation of what a row is apart
 * from its list's centroid, scanned from registers; the best are scored again from the stored
 * codes.
 *
 * Two dimensions make one sub-quantiser of 16 centres, so a row takes padded / 4 bytes (Andre,
 * Kermarrec, Le Scouarnec, "Cache locality is not enough", VLDB 2015, and FAISS's fast scan are the
 * sources of the method). Rows lie in blocks of 32, a block for each 32 rows of a list (the last is
 * padded): for every sub-quantiser 16 bytes, byte i holding row i in its low and row i + 16 in its
 * high half. A query makes one table of 16 bytes per sub-quantiser; the sum over a row is an
 * integer below 65,536, the same on AVX-512, AVX2 and plain C. Estimates only select. Immutable
 * after opening; thread-safe.
 */
#ifndef SHARD_PQ_H
#define SHARD_PQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/vector.h"

enum { SHARD_PQ_BLOCK = 32, SHARD_PQ_CENTRES = 16, SHARD_REFINE_MOST = 32 };

struct shard_pq {
    uint32_t m;                  /* sub-quantisers: padded dimension / 2, at most 256 */
    const float *centres;        /* m x 16 x 2 */
    const uint32_t *blocks;      /* first block of each list, lists + 1 */
    const unsigned char *packed; /* blocks x m x 16, 64-byte aligned */
    const float *norms;          /* L2: squared length of each row's vector, rows; else NULL */
    uint32_t refine;             /* rows scored again per row wanted */
};
/* Sub-quantisers of a dimension. */
uint32_t shard_pq_parts(uint32_t dim);
/* WF_INVALID for a dimension above 512. */
WF_MUST_CHECK enum wf_code shard_pq_check(uint32_t dim, struct wf_error *err);
/* Blocks of a list of that many rows. */
static inline uint32_t shard_pq_blocks(uint32_t rows)
{
    return rows / SHARD_PQ_BLOCK + (rows % SHARD_PQ_BLOCK != 0);
}
/* Bytes of `packed` for that many blocks. */
size_t shard_pq_bytes(const struct shard_pq *pq, uint32_t blocks);

/* One query's table. */
struct shard_pq_table {
    const unsigned char *table; /* m x 16 */
    float scale, base;          /* estimate of q . residual = base + scale x sum */
};
/* False when the arena is full. */
bool shard_pq_begin(const struct shard_pq *pq, const float *query, uint32_t dim,
                    struct wf_arena *arena, struct shard_pq_table *out);
/* Sums of all rows of one list: `sums` has room for its blocks x 32. `next`: the list that will be
 * scanned after it, or the same. */
void shard_pq_scan(const struct shard_pq *pq, const struct shard_pq_table *t, uint32_t list,
                   uint32_t next, uint16_t *sums);

/* ---- building ---- */

/* Trains centres on residuals (n x dim, n >= 1) and fills m x 16 x 2 floats. */
WF_MUST_CHECK enum wf_code shard_pq_train(const float *residuals, size_t n, uint32_t dim,
                                          uint64_t seed, float *centres, struct wf_error *err);
/* Packs n residuals of one list into its blocks. */
void shard_pq_pack(const struct shard_pq *pq, const float *residuals, size_t n, uint32_t dim,
                   unsigned char *into);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.h - k-way merge of sorted candidate lists, one best entry per SKU, deterministic ties.
 * Pure.
 *
 * Order everywhere: score descending, then SKU bytes rising (memcmp, shorter first), then list,
 * then position.
 */
#ifndef RANK_MERGE_H
#define RANK_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* One list, sorted by (score desc, SKU); arrays of n. */
struct rank_list {
    uint32_t n;
    const float *scores;
    const char *const *skus; /* bytes, not NUL-terminated */
    const uint32_t *sku_sizes;
};
struct rank_pick {
    uint32_t list, row;
};
/*
 * Writes at most k picks to out; a SKU that comes again (in any list) is left out. Returns how
 * many; UINT32_MAX when the arena (scratch) is full.
 */
uint32_t rank_merge(const struct rank_list *lists, uint32_t n_lists, uint32_t k,
                    struct wf_arena *scratch, struct rank_pick *out);
/* < 0 when (score_a, a) comes before (score_b, b). NaN never occurs. */
int rank_compare(float score_a, const char *a, size_t size_a, float score_b, const char *b,
                 size_t size_b);

#endif

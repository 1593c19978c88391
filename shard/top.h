/* SPDX-License-Identifier: Apache-2.0
 *
 * top.h - the k best rows seen so far: a heap with the worst on top. Ties are decided by `order`,
 * so the result does not depend on the order of arrival. Not thread-safe.
 */
#ifndef SHARD_TOP_H
#define SHARD_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "shard/space.h"

struct shard_top {
    struct shard_hit *heap; /* room for k, borrowed */
    uint32_t n, k;
};

static inline bool shard_hit_before(const struct shard_hit *a, const struct shard_hit *b)
{
    return a->score > b->score || (a->score == b->score && a->order < b->order);
}
/* Whether a row of this score might enter; lets callers skip looking up the rest. What is not
 * finite never does. */
static inline bool shard_top_wants(const struct shard_top *t, float score)
{
    return score - score == 0.0f && (t->n < t->k || score >= t->heap[0].score);
}
void shard_top_push(struct shard_top *t, struct shard_hit hit);
/* Best first; the heap is a sorted array afterwards. */
void shard_top_sort(struct shard_top *t);

#endif

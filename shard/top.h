/* SPDX-License-Identifier: Apache-2.0
 *
 * top.h - the k best rows seen so far. Rows that may belong to them are put into a buffer of twice
 * the size; when it is full it is cut to the k best, and the worst of these is what the next must
 * reach. Ties are decided by `order`, so the result does not depend on the order of arrival. With
 * groups at most so many of equal group are among the k: what a better row of its group keeps out
 * can never come back, so cutting stays exact. Not thread-safe.
 */
#ifndef SHARD_TOP_H
#define SHARD_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "shard/space.h"

struct shard_group_slot {
    uint64_t key;
    uint32_t n;
};
struct shard_top {
    struct shard_hit *hits; /* room for 2 k, arena */
    uint32_t n, k;
    float floor;                     /* a row below it is not among the k best */
    const struct shard_rules *rules; /* NULL: no groups */
    struct shard_group_slot *groups; /* a hash table of n_groups, a power of two */
    uint32_t n_groups;
};

/* k >= 1. `rules` (may be NULL) is borrowed: its groups hold. False when the arena is full. */
bool shard_top_init(struct shard_top *t, uint32_t k, const struct shard_rules *rules,
                    struct wf_arena *arena);
static inline bool shard_hit_before(const struct shard_hit *a, const struct shard_hit *b)
{
    return a->score > b->score || (a->score == b->score && a->order < b->order);
}
/* Takes a row whose score is at least t->floor; what is not finite is left out. */
void shard_top_push(struct shard_top *t, struct shard_hit hit);
/* Leaves the k best, best first, in hits[0..n). */
void shard_top_sort(struct shard_top *t);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * coarse.h - the centroids of an IVF space once more, in 8 bits: which lists are near is estimated
 * from them (base/estimate.h), and only those that may be among the nearest are scored by the
 * kernel. The lists chosen are those that the kernel alone would choose. Made when a space is
 * attached, from the centroids; immutable, thread-safe.
 */
#ifndef SHARD_COARSE_H
#define SHARD_COARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/vector.h"

struct shard_coarse;
/* `lists`: n + 1 rising offsets of rows. NULL where the centroids are so few that scoring all of
 * them is as fast. */
struct shard_coarse *shard_coarse_make(const struct wf_codes *centroids, const uint32_t *lists,
                                       uint32_t n);
void shard_coarse_free(struct shard_coarse *c); /* NULL is fine */
uint64_t shard_coarse_bytes(const struct shard_coarse *c);

/* How near a query is to every list, roughly. */
struct shard_near {
    const float *scores; /* of each list: estimates, or without a copy the kernel's own */
    bool estimated;
    float reach_own, reach_far; /* of estimates: see coarse.c */
};
/* Estimates of all lists; `c` is not NULL. False when the arena is full. */
bool shard_coarse_estimate(const struct shard_coarse *c, const float *query, struct wf_arena *a,
                           struct shard_near *out);
/* Some lists, rising. */
struct shard_some {
    uint32_t *lists; /* arena */
    uint32_t n;
};
/*
 * Lists that hold every one of the `want` best among those with rows (`rows` of each list, NULL:
 * all of its rows count). False when the arena is full.
 */
bool shard_coarse_near(const struct shard_coarse *c, const struct shard_near *near, uint32_t want,
                       const uint32_t *rows, struct wf_arena *a, struct shard_some *out);

#endif

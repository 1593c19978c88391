/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.h - how much to ask of whom, and by when. Pure arithmetic.
 */
#ifndef COORD_PLAN_H
#define COORD_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Candidates to ask of each of n_shards so that the best `want` of all are among the answers.
 * Items are hashed to shards, so a shard holds Binomial(want, 1/S) of them: the mean plus 3.6
 * sqrt(want/S), over four standard deviations. Exact answers and one shard: all of them. At least
 * 1, at most WIRE_SHARD_K_MAX.
 */
uint32_t coord_plan_k(uint32_t want, uint32_t n_shards, bool exact);

/*
 * Deadline of the shard calls: a part of what is left is kept for merging, ranking and the answer's
 * way home: a fifth, at most `reserve`. With `fetch` a second round of calls follows: half of the
 * rest.
 */
int64_t coord_plan_deadline(int64_t now, int64_t deadline, int64_t reserve, bool fetch);

/* What the stages behind the gather are expected to cost, in nanoseconds; generous. */
int64_t coord_plan_rank_cost(uint32_t rows, uint32_t trees, uint32_t depth);
int64_t coord_plan_mmr_cost(uint32_t rows, uint32_t k, uint32_t dim);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.c - see plan.h. The costs are upper estimates of the plain evaluators on a slow core: what
 * they decide is whether a stage is skipped for want of time, and then it is better skipped.
 */
#include "coordinator/plan.h"

#include <math.h>

#include "proto/wire.h"

static const double SPREAD = 3.6; /* times sqrt(want / S) above the mean */

uint32_t coord_plan_k(uint32_t want, uint32_t n_shards, bool exact)
{
    uint32_t k = want;
    if (!exact && n_shards > 1) {
        double mean = (double)want / n_shards;
        double wide = ceil(mean + SPREAD * sqrt(mean));
        k = wide < (double)want ? (uint32_t)wide : want;
    }
    return k < 1 ? 1 : k > WIRE_SHARD_K_MAX ? WIRE_SHARD_K_MAX : k;
}

int64_t coord_plan_deadline(int64_t now, int64_t deadline, int64_t reserve, bool fetch)
{
    if (deadline == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t left = deadline - now;
    if (left <= 0) {
        return deadline;
    }
    int64_t kept = left / 5 < reserve ? left / 5 : reserve;
    int64_t rest = left - kept;
    return now + (fetch ? rest / 2 : rest);
}

int64_t coord_plan_rank_cost(uint32_t rows, uint32_t trees, uint32_t depth)
{
    return (int64_t)rows * trees * (4 + 4 * (int64_t)depth) + (int64_t)rows * 500;
}

int64_t coord_plan_mmr_cost(uint32_t rows, uint32_t k, uint32_t dim)
{
    return (int64_t)rows * (k + 2) * (dim / 2 + 8);
}

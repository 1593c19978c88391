/* SPDX-License-Identifier: Apache-2.0
 *
 * reach.h - how far from its nearest centroid a query's lists are, on a scale that makes queries
 * alike: 0 is the nearest, SHARD_REACH_ONE the mean of all lists that hold a row that counts.
 *
 * A query in the middle of a cluster has its neighbours in a few lists, one between clusters in
 * many; both have them within about the same reach. So the effort that calibration measures for IVF
 * is a reach, and how many lists that is follows from the query. Pure; the same on every machine.
 */
#ifndef SHARD_REACH_H
#define SHARD_REACH_H

#include <math.h>
#include <stdint.h>

enum { SHARD_REACH_ONE = 1000, SHARD_REACH_MOST = 2000 /* and beyond: every list */ };

/* Zero it, then add the score of every list that counts, by list number. */
struct shard_reach {
    double best, sum;
    uint32_t n;
};
static inline void shard_reach_add(struct shard_reach *r, float score)
{
    r->best = r->n == 0 ? (double)score : fmax(r->best, (double)score);
    r->sum += (double)score;
    r->n++;
}
/* From the nearest to the mean; 0 when all are alike. */
static inline double shard_reach_span(const struct shard_reach *r)
{
    return r->n == 0 ? 0 : fmax(0, r->best - r->sum / r->n);
}
/* The least score within a reach. */
static inline double shard_reach_limit(const struct shard_reach *r, uint32_t reach)
{
    return reach >= SHARD_REACH_MOST
               ? -(double)INFINITY
               : r->best - shard_reach_span(r) * reach / (double)SHARD_REACH_ONE;
}
/* The least reach, 1 to SHARD_REACH_MOST, within which a list of this score is. */
static inline uint32_t shard_reach_to(const struct shard_reach *r, float score)
{
    const double span = shard_reach_span(r);
    const double reach = span > 0 ? ceil((r->best - (double)score) / span * SHARD_REACH_ONE) : 1;
    return reach < 1 ? 1 : reach < SHARD_REACH_MOST ? (uint32_t)reach : SHARD_REACH_MOST;
}

#endif

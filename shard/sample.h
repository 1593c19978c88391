/* SPDX-License-Identifier: Apache-2.0
 *
 * sample.h - queries that a build asks its own space, and what the right answers are: for several
 * depths, and under filters. Half of the queries meet filters that let rows through at random, half
 * such that let regions through, wherever the query is: attributes go along with vectors.
 *
 * A query is a row of the space, left out of its own answer; a row moved by noise half as long as
 * itself; or the mean of three rows. All answers come of one brute-force pass over the stored
 * vectors. For an IVF index that pass also gives the recall of every reach (reach.h), without a
 * search: a row is found when its list is within that reach.
 * Build only; works on every core, and the result does not depend on their number.
 */
#ifndef SHARD_SAMPLE_H
#define SHARD_SAMPLE_H

#include "shard/made.h"

enum {
    SAMPLE_LEVELS = 6,   /* filters, by selectivity; level 0 lets everything through */
    SAMPLE_FAMILIES = 2, /* of filters: random rows, regions */
    SAMPLE_GROUPS = 4,   /* of queries: family x 2 + (is a row of the space) */
    SAMPLE_DEPTHS = 4,   /* the depth of a merged answer, then 10, 100, 1000 */
};
extern const double sample_selectivities[SAMPLE_LEVELS];

/* IVF, for one depth and level. Index e: what the lists add whose reach (reach.h) is e + 1. */
struct sample_tally {
    uint32_t *found[SAMPLE_GROUPS];   /* right rows */
    uint32_t *squares[SAMPLE_GROUPS]; /* to the sum over queries of (right rows so far)^2 */
};
struct shard_sample {
    const struct shard_space *space;
    const uint32_t *order; /* as in struct shard_query */
    float *queries;        /* n x dim */
    uint32_t *self;        /* n: row of the space to leave out, or WF_NO_ROW */
    uint32_t n;
    double kept; /* share of the rows in probed lists that a search finds; 1 but for packed codes */
    uint32_t depths[SAMPLE_DEPTHS], n_depths; /* rising from the second */
    unsigned char *member[SAMPLE_FAMILIES];   /* of each row: a bit for each level */
    uint32_t matched[SAMPLE_LEVELS];          /* rows of each level, in the smaller family */
    uint32_t of_group[SAMPLE_GROUPS];         /* queries */
    float *thresholds; /* n x SAMPLE_DEPTHS x SAMPLE_LEVELS: score that a right row reaches */
    uint64_t due;      /* right rows of the first depth and level, all queries */
    /* IVF: */
    uint32_t *list_matched[SAMPLE_FAMILIES][SAMPLE_LEVELS]; /* rows of each list */
    struct sample_tally tally[SAMPLE_DEPTHS][SAMPLE_LEVELS];
    uint64_t *rows[SAMPLE_LEVELS]; /* rows that the lists of reach e + 1 add, all queries */
};

/* Draws the queries, answers them, and counts. A right row is one whose score is at least the last
 * wanted one's minus 1e-6 (relative beyond 1): equal vectors are the rule in real catalogs. */
void shard_sample_init(struct shard_sample *sa, const struct shard_space *s, const uint32_t *order,
                       uint32_t merged_depth, uint64_t seed);
void shard_sample_fini(struct shard_sample *sa);
static inline uint32_t sample_family(uint32_t query)
{
    return query / 3 % SAMPLE_FAMILIES;
}
static inline uint32_t sample_group(uint32_t query)
{
    return sample_family(query) * 2 + (query % 3 == 0);
}
static inline float sample_threshold(const struct shard_sample *sa, uint32_t query, uint32_t depth,
                                     uint32_t level)
{
    return sa->thresholds[((size_t)query * SAMPLE_DEPTHS + depth) * SAMPLE_LEVELS + level];
}

#endif

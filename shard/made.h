/* SPDX-License-Identifier: Apache-2.0
 *
 * made.h - a space while its shard is being built: what shard_build.c, shard_make.c and
 * shard_tune.c share. Build only; one thread.
 */
#ifndef SHARD_MADE_H
#define SHARD_MADE_H

#include "shard/build.h"
#include "shard/space.h"

/* What the effort was measured to give. */
struct shard_measure {
    double recall;  /* over the sample, of the hits that a merged top 10 takes from one shard */
    double scanned; /* share of the rows compared, mean */
    bool settled;   /* recall wanted would need too many rows; this is the most within them */
};
/* Rows are in list order; `places` are positions among the shard's SKUs in byte order. */
struct shard_made {
    struct shard_space space; /* searches the arrays below */
    uint32_t *places;         /* space.n: place of each row */
    unsigned char *codes;
    float *centroids; /* lists x padded dimension */
    uint32_t *lists;
    float *norms;      /* NULL where the search needs none */
    float *pq_centres; /* these three: NULL without a compressed first pass */
    uint32_t *pq_blocks;
    unsigned char *pq_packed;
    uint32_t *to_row, *of_row; /* NULL in the first space */
    uint32_t without;          /* items without a usable vector */
    struct shard_measure measure;
};

/* `by_sku`: the shard's items in byte order of their SKUs. Everything but effort and to_row/of_row.
 */
WF_MUST_CHECK enum wf_code shard_make(const struct shard_build *b, unsigned space,
                                      const uint32_t *by_sku, uint32_t n, struct shard_made *out,
                                      struct wf_error *err);
/* Norms and packed codes of a space whose codes and lists are in place. */
WF_MUST_CHECK enum wf_code shard_make_first_pass(struct shard_made *m, uint64_t seed,
                                                 struct wf_error *err);
/* Tells the build's progress what goes on. */
void shard_report(const struct shard_build *b, const char *what, double share);
void shard_made_fini(struct shard_made *m);
/* Measures and sets effort and row_cap. `order` as in struct shard_query. */
WF_MUST_CHECK enum wf_code shard_tune(struct shard_made *m, const uint32_t *order,
                                      const struct shard_build *b, struct wf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * build.h - one shard's container from columns in memory: index per space, codes, columns,
 * features, id map.
 *
 * Row order is the list order of the schema's first space, SKU bytes inside a list (Flat, HNSW: SKU
 * bytes); items without that vector come last. Section names: docs/internals/generation.md. Runs in
 * the build tool only.
 */
#ifndef SHARD_BUILD_H
#define SHARD_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/table.h"

/* Vectors of one space: n x dim float32, row i = item i; a row whose first element is NaN is "no
 * vector". */
struct shard_build_space {
    const float *vectors; /* NULL: nobody has one */
};
struct shard_trials;
struct shard_build {
    const struct wf_schema *schema;
    const struct wf_table *items;
    const struct shard_build_space *spaces; /* schema->n_spaces */
    const float *features;                  /* items->n x n_features, row-major */
    const uint32_t *feature_ids;
    uint32_t n_features;
    uint32_t shard, n_shards;
    const uint32_t *rows; /* of items: those of this shard */
    size_t n_rows;
    /*
     * Index per space: "" = the default (IVFn,SQfp16, n as shard_spec_lists says), or Flat |
     * IVFn,Flat | IVFn,SQfp16 | IVFn,SQ8 | IVFn,PQmx4fs,Refine(SQfp16) | IVFn,PQmx4fs,Refine(SQ8) |
     * HNSWn | HNSWn,SQfp16. nprobe is measured for recall@10 >= .97 and stored.
     */
    const char *index;
    const struct shard_trials *trials; /* trial.h: recorded; NULL: none */
    const float *const *sq8_min,
        *const *sq8_step; /* per space, over all shards (dim each); NULL unless SQ8 */
    uint64_t seed;
    void (*progress)(void *ctx, const char *what, double share); /* may be NULL */
    void *progress_ctx;
};
/* Checks an index spec; WF_INVALID says what would be right. */
WF_MUST_CHECK enum wf_code shard_index_check(const char *spec, struct wf_error *err);
/* Whether a spec needs SQ8 ranges. */
bool shard_index_is_sq8(const char *spec);
/* SQ8 ranges over all vectors of a space: min and step of dim floats each (cosine: after
 * normalisation). */
void shard_sq8_ranges(const struct wf_space *space, const float *vectors, size_t n, float *min,
                      float *step);
/* Writes the container at `path`. */
WF_MUST_CHECK enum wf_code shard_build(const struct shard_build *b, const char *path,
                                       struct wf_error *err);

#endif

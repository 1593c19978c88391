/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_fixture.h - a small synthetic catalog in memory and shards built from it in a directory of
 * their own. One thread. Aborts on failure: fixtures are not what is under test.
 */
#ifndef SHARD_FIXTURE_H
#define SHARD_FIXTURE_H

#include "base/container.h"
#include "base/table.h"
#include "shard/build.h"
#include "shard/shard.h"

struct catalog {
    struct wf_schema schema; /* keyword "colour", number "price", flag "stock", text "title" */
    struct wf_table table;
    struct shard_build_space spaces[2]; /* "first" (dim, metric), "second" (8, ip; half of items) */
    float *vectors[2];
    float *features; /* n x 2: RANK_PRICE, RANK_POPULARITY */
    char dir[256];   /* removed by catalog_free */
};
struct catalog_shape {
    size_t n;
    uint32_t dim;
    enum wf_metric_space metric;
    unsigned clusters;  /* vectors lie around this many centres */
    unsigned duplicate; /* one vector in this many is a copy of an earlier one; 0: none */
    uint64_t seed;
};

struct catalog *catalog_make(const struct catalog_shape *shape);
void catalog_free(struct catalog *c);
/* Shard `number` of `n_shards` by hash of the SKU; the path of the container, in a static buffer.
 */
const char *catalog_build(struct catalog *c, const char *index, uint32_t number, uint32_t n_shards);
/* catalog_build, opened as generation "test". */
struct shard *catalog_open(struct catalog *c, const char *index, uint32_t number,
                           uint32_t n_shards);
/* A container at `path`, verified and viewed. */
struct shard *catalog_view(const struct catalog *c, const char *path);
/* A whole generation, whose global container holds nothing that a shard reads. Its manifest, to be
 * closed by the caller; the directory is DIR/gen. */
struct wf_manifest *catalog_generation(struct catalog *c, const char *index, uint32_t n_shards);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_shard.h - the shard that several stages measure: a million items of the synthetic
 * shop, queries that are further items of it, twelve feature columns, and attributes of known
 * selectivity. Made in memory and in a directory under /tmp that is removed. One thread.
 */
#ifndef TOOL_MICROBENCH_SHARD_H
#define TOOL_MICROBENCH_SHARD_H

#include "base/arena.h"
#include "base/table.h"
#include "shard/shard.h"

enum {
    BENCH_ROWS = 1000000,
    BENCH_DIM = 128,
    BENCH_LISTS = 2048,
    BENCH_NPROBE = 8,
    BENCH_K = 100,
    BENCH_QUERIES = 256,
    BENCH_FEATURES = 12
};

/* For struct microbench_case: what an unfiltered query of this shard is like. */
#define BENCH_CONFIG                                                                               \
    {"rows", BENCH_ROWS}, {"d", BENCH_DIM}, {"lists", BENCH_LISTS}, {"nprobe", BENCH_NPROBE},      \
        {"k", BENCH_K},                                                                            \
    {                                                                                              \
        "features", BENCH_FEATURES                                                                 \
    }

struct bench_shard {
    struct wf_schema schema; /* number "share": uniform in 0..1; keyword "shelf": 0..999 */
    struct wf_table items;
    float *vectors, *features, *queries; /* BENCH_ROWS, and BENCH_QUERIES, x BENCH_DIM */
    uint32_t *rows;
    char dir[64];
    struct shard *shard;
    struct wf_arena arena;
};

/* `index`: "IVF2048,SQfp16". Says what it does on stderr; it takes half a minute. */
WF_MUST_CHECK enum wf_code bench_shard_make(const char *index, struct bench_shard **out,
                                            struct wf_error *err);
void bench_shard_free(struct bench_shard *b); /* NULL is fine */
/* One query from the decoded request to the encoded reply: features and fp16 vectors. Returns the
 * rows found; `reply` (may be NULL) lives until the next call. */
uint32_t bench_shard_search(struct bench_shard *b, size_t query, const char *filter,
                            struct wire_effort effort, struct wire_search_response *reply);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_search.c - a shard's search, from the request to the columns of the reply (scores by
 * the scoring kernel, features, vectors), beside bare FAISS on an index of the same kind over the
 * same vectors with the same effort.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexScalarQuantizer_c.h>
#include <faiss/c_api/error_c.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "shard/build.h"
#include "shard/shard.h"
#include "tools/microbench.h"

enum {
    ROWS = 100000,
    DIM = 128,
    LISTS = 512,
    NPROBE = 8,
    K = 100,
    QUERIES = 64,
    CLUSTERS = 400,
    FEATURES = 3
};

struct bench {
    struct wf_schema schema;
    struct wf_table items;
    float *vectors, *features, *queries;
    uint32_t *rows;
    char dir[64];
    struct shard *shard;
    FaissIndexFlat *coarse;
    FaissIndexIVFScalarQuantizer *faiss;
    struct wf_arena arena;
    float distances[K];
    idx_t labels[K];
};
static const uint32_t feature_ids[FEATURES] = {1, 3, 5}; /* price, popularity, age_days */

/* Rows around seeded centres, unit length. */
static void make_vectors(float *out, size_t n, uint64_t stream)
{
    for (size_t i = 0; i < n; i++) {
        struct wf_random r = wf_random_of(stream, i);
        struct wf_random centre = wf_random_of(1, wf_random_below(&r, CLUSTERS));
        for (size_t d = 0; d < DIM; d++) {
            out[i * DIM + d] = (float)(wf_random_normal(&centre) + 0.7 * wf_random_normal(&r));
        }
        wf_assert(wf_normalise(out + i * DIM, DIM));
    }
}

static void make_items(struct bench *b)
{
    b->schema.n_spaces = 1;
    b->schema.spaces[0] = (struct wf_space){
        .name = "style", .content_id = "bench", .dim = DIM, .metric = WF_METRIC_IP};
    b->items = (struct wf_table){
        .schema = &b->schema, .n = ROWS, .skus = wf_xcalloc(ROWS, sizeof(char *))};
    b->rows = wf_xarray(uint32_t, ROWS);
    b->features = wf_xarray(float, (size_t)ROWS *FEATURES);
    b->vectors = wf_xmalloc64(sizeof(float) * ROWS * DIM);
    b->queries = wf_xmalloc64(sizeof(float) * QUERIES * DIM);
    for (uint32_t i = 0; i < ROWS; i++) {
        b->items.skus[i] = wf_xprintf("%08u", i);
        b->rows[i] = i;
    }
    make_vectors(b->vectors, ROWS, 2);
    make_vectors(b->queries, QUERIES, 3);
}

static enum wf_code make_shard(struct bench *b, struct wf_error *err)
{
    char index[32], path[96];
    const struct shard_build_space space = {b->vectors};
    snprintf(index, sizeof index, "IVF%d,SQfp16", LISTS);
    snprintf(path, sizeof path, "%s/shard.weft", b->dir);
    const struct shard_build build = {.schema = &b->schema,
                                      .items = &b->items,
                                      .spaces = &space,
                                      .features = b->features,
                                      .feature_ids = feature_ids,
                                      .n_features = FEATURES,
                                      .n_shards = 1,
                                      .rows = b->rows,
                                      .n_rows = ROWS,
                                      .index = index,
                                      .seed = 1};
    struct wf_container *container = NULL;
    enum wf_code code = shard_build(&build, path, err);
    if (code == WF_OK) {
        code = wf_container_open(path, &container, err);
    }
    return code == WF_OK ? shard_view(container, &b->schema, "bench", &b->shard, err) : code;
}

static enum wf_code faiss_ok(int status, struct wf_error *err)
{
    return status == 0 ? WF_OK : wf_fail(err, WF_INTERNAL, "faiss: %.200s", faiss_get_last_error());
}

static enum wf_code make_faiss(struct bench *b, struct wf_error *err)
{
    enum wf_code code =
        faiss_ok(faiss_IndexFlat_new_with(&b->coarse, DIM, METRIC_INNER_PRODUCT), err);
    if (code == WF_OK) {
        code = faiss_ok(faiss_IndexIVFScalarQuantizer_new_with_metric(
                            &b->faiss, b->coarse, DIM, LISTS, QT_fp16, METRIC_INNER_PRODUCT, 0),
                        err);
    }
    if (code == WF_OK) {
        code = faiss_ok(faiss_Index_train(b->faiss, ROWS, b->vectors), err);
    }
    if (code == WF_OK) {
        code = faiss_ok(faiss_Index_add(b->faiss, ROWS, b->vectors), err);
    }
    if (code == WF_OK) {
        faiss_IndexIVFScalarQuantizer_set_nprobe(b->faiss, NPROBE);
    }
    return code;
}

static void ours(void *ctx)
{
    struct bench *b = ctx;
    for (size_t i = 0; i < QUERIES; i++) {
        const struct wire_probe probe = {.space = "",
                                         .content_id = "",
                                         .vector = b->queries + i * DIM,
                                         .dim = DIM,
                                         .k = K,
                                         .effort = {.kind = WIRE_EFFORT_NPROBE, .value = NPROBE}};
        const struct wire_search_request rq = {.generation = "bench",
                                               .request_id = "",
                                               .probes = &probe,
                                               .n_probes = 1,
                                               .features = feature_ids,
                                               .n_features = FEATURES,
                                               .filter = "",
                                               .want_vectors = true,
                                               .vector_space = "",
                                               .encoding = WIRE_FP16};
        struct wire_search_response reply;
        struct wf_error err;
        wf_arena_reset(&b->arena);
        wf_assert(shard_search(b->shard, &rq, INT64_MAX, &b->arena, &reply, &err) == WF_OK);
        wf_assert(reply.sources[0].n == K);
    }
}

static void bare(void *ctx)
{
    struct bench *b = ctx;
    for (size_t i = 0; i < QUERIES; i++) {
        wf_assert(
            faiss_Index_search(b->faiss, 1, b->queries + i * DIM, K, b->distances, b->labels) == 0);
    }
}

static void bench_fini(struct bench *b)
{
    struct wf_error ignored;
    shard_close(b->shard);
    if (b->faiss != NULL) {
        faiss_Index_free(b->faiss);
    }
    if (b->coarse != NULL) {
        faiss_Index_free(b->coarse);
    }
    (void)!wf_remove_tree(b->dir, &ignored);
    for (uint32_t i = 0; i < ROWS; i++) {
        wf_xfree(b->items.skus[i]);
    }
    wf_xfree(b->items.skus);
    wf_xfree(b->rows);
    wf_xfree(b->features);
    wf_xfree(b->vectors);
    wf_xfree(b->queries);
    wf_arena_fini(&b->arena);
    wf_xfree(b);
}

enum wf_code microbench_search(bool json, struct wf_error *err)
{
    struct bench *b = wf_xcalloc(1, sizeof *b);
    snprintf(b->dir, sizeof b->dir, "/tmp/weft-microbench-%d", (int)getpid());
    wf_arena_init(&b->arena, 64 << 20);
    make_items(b);
    enum wf_code code = wf_mkdirs(b->dir, err);
    if (code == WF_OK) {
        code = make_shard(b, err);
    }
    if (code == WF_OK) {
        code = make_faiss(b, err);
    }
    if (code == WF_OK) {
        const struct microbench_case c = {.name = "search",
                                          .label = "k 100, features, fp16 vectors",
                                          .unit = "query",
                                          .units = QUERIES,
                                          .ours = ours,
                                          .peer = bare,
                                          .peer_name = "faiss",
                                          .ctx = b,
                                          .config = {{"rows", ROWS},
                                                     {"d", DIM},
                                                     {"lists", LISTS},
                                                     {"nprobe", NPROBE},
                                                     {"k", K},
                                                     {"features", FEATURES}}};
        microbench_run(&c, json);
    }
    bench_fini(b);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_search.c - a shard's search, from the decoded request to the encoded reply (k = 100,
 * scores by the scoring kernel, 12 features, vectors), beside bare FAISS: an index of the same kind
 * with the same centroids over the same vectors, probing as many lists.
 */
#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexScalarQuantizer_c.h>
#include <faiss/c_api/error_c.h>

#include "shard/mapped.h"
#include "tools/microbench.h"
#include "tools/microbench_shard.h"

struct bench {
    struct bench_shard *ours;
    FaissIndexFlat *coarse;
    FaissIndexIVFScalarQuantizer *faiss;
    float distances[BENCH_K];
    idx_t labels[BENCH_K];
};

static enum wf_code faiss_ok(int status, struct wf_error *err)
{
    return status == 0 ? WF_OK : wf_fail(err, WF_INTERNAL, "faiss: %.200s", faiss_get_last_error());
}

static enum wf_code make_faiss(struct bench *b, struct wf_error *err)
{
    const struct shard_space *s = &b->ours->shard->spaces[0];
    enum wf_code code =
        faiss_ok(faiss_IndexFlat_new_with(&b->coarse, BENCH_DIM, METRIC_INNER_PRODUCT), err);
    if (code == WF_OK) {
        code =
            faiss_ok(faiss_Index_add(b->coarse, s->spec.n, (const float *)s->centroids.data), err);
    }
    if (code == WF_OK) {
        code = faiss_ok(faiss_IndexIVFScalarQuantizer_new_with_metric(&b->faiss, b->coarse,
                                                                      BENCH_DIM, s->spec.n, QT_fp16,
                                                                      METRIC_INNER_PRODUCT, 0),
                        err);
    }
    if (code == WF_OK) {
        code = faiss_ok(faiss_Index_train(b->faiss, BENCH_ROWS, b->ours->vectors), err);
    }
    if (code == WF_OK) {
        code = faiss_ok(faiss_Index_add(b->faiss, BENCH_ROWS, b->ours->vectors), err);
    }
    if (code == WF_OK) {
        faiss_IndexIVFScalarQuantizer_set_nprobe(b->faiss, BENCH_NPROBE);
    }
    return code;
}

static void ours(void *ctx)
{
    struct bench *b = ctx;
    const struct wire_effort effort = {.kind = WIRE_EFFORT_NPROBE, .value = BENCH_NPROBE};
    for (size_t i = 0; i < BENCH_QUERIES; i++) {
        wf_assert(bench_shard_search(b->ours, i, "", effort, NULL) == BENCH_K);
    }
}

static void bare(void *ctx)
{
    struct bench *b = ctx;
    for (size_t i = 0; i < BENCH_QUERIES; i++) {
        wf_assert(faiss_Index_search(b->faiss, 1, b->ours->queries + i * BENCH_DIM, BENCH_K,
                                     b->distances, b->labels) == 0);
    }
}

enum wf_code microbench_search(bool json, struct wf_error *err)
{
    struct bench b = {0};
    enum wf_code code = bench_shard_make("IVF2048,SQfp16", &b.ours, err);
    if (code == WF_OK) {
        code = make_faiss(&b, err);
    }
    if (code == WF_OK) {
        const struct microbench_case c = {.name = "search",
                                          .label = "k 100, 12 features, vectors",
                                          .unit = "query",
                                          .units = BENCH_QUERIES,
                                          .ours = ours,
                                          .peer = bare,
                                          .peer_name = "faiss",
                                          .ctx = &b,
                                          .config = {{"rows", BENCH_ROWS},
                                                     {"d", BENCH_DIM},
                                                     {"lists", BENCH_LISTS},
                                                     {"nprobe", BENCH_NPROBE},
                                                     {"k", BENCH_K},
                                                     {"features", BENCH_FEATURES}}};
        microbench_run(&c, json);
    }
    if (b.faiss != NULL) {
        faiss_Index_free(b.faiss);
    }
    if (b.coarse != NULL) {
        faiss_Index_free(b.coarse);
    }
    bench_shard_free(b.ours);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_search.c - a shard's search, from the decoded request to the encoded reply (k = 100,
 * scores by the scoring kernel, 12 features, vectors), beside bare FAISS: an index of the same kind
 * with the same centroids over the same vectors, probing as many lists.
 */
#include "tools/microbench.h"
#include "tools/microbench_faiss.h"

struct bench {
    struct bench_shard *ours;
    struct bench_faiss faiss;
    float distances[BENCH_K];
    idx_t labels[BENCH_K];
};

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
        wf_assert(faiss_Index_search(b->faiss.index, 1, b->ours->queries + i * BENCH_DIM, BENCH_K,
                                     b->distances, b->labels) == 0);
    }
}

enum wf_code microbench_search(bool json, struct wf_error *err)
{
    struct bench b = {0};
    enum wf_code code = bench_shard_make("IVF2048,SQfp16", &b.ours, err);
    if (code == WF_OK) {
        code = bench_faiss_init(b.ours, &b.faiss, err);
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
                                          .config = {BENCH_CONFIG}};
        microbench_run(&c, json);
    }
    bench_faiss_fini(&b.faiss);
    bench_shard_free(b.ours);
    return code;
}

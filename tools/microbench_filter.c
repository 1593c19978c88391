/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_filter.c - filtered searches at the default recall target, for filters that let 50 to
 * 0.01 % of the rows through, beside the unfiltered search of 8 lists. The recall against brute
 * force is in the config (parts per 10,000); the first search with an expression, which makes its
 * bitmap, is a case of its own.
 */
#include <stdio.h>

#include "tools/microbench.h"
#include "tools/microbench_shard.h"

struct bench {
    struct bench_shard *shard;
    char filter[64];
    double share;
    uint64_t cold; /* expressions asked so far, each another one */
};
static const double shares[] = {0.5, 0.1, 0.05, 0.01, 0.001, 0.0001};
enum { N_SHARES = sizeof shares / sizeof shares[0], COLD_QUERIES = 8 };

static const struct wire_effort standard = {.kind = WIRE_EFFORT_DEFAULT};
static const struct wire_effort exact = {.kind = WIRE_EFFORT_EXACT};
static const struct wire_effort eight = {.kind = WIRE_EFFORT_NPROBE, .value = BENCH_NPROBE};

static void filtered(void *ctx)
{
    struct bench *b = ctx;
    for (size_t i = 0; i < BENCH_QUERIES; i++) {
        (void)bench_shard_search(b->shard, i, b->filter, standard, NULL);
    }
}

static void unfiltered(void *ctx)
{
    struct bench *b = ctx;
    for (size_t i = 0; i < BENCH_QUERIES; i++) {
        wf_assert(bench_shard_search(b->shard, i, "", eight, NULL) == BENCH_K);
    }
}

static void cold(void *ctx)
{
    struct bench *b = ctx;
    for (size_t i = 0; i < COLD_QUERIES; i++) {
        char filter[64];
        snprintf(filter, sizeof filter, "share < %.9f and not shelf in (\"1\", \"2\")",
                 b->share + 1e-6 * (double)++b->cold);
        (void)bench_shard_search(b->shard, i, filter, standard, NULL);
    }
}

/* Share of the true best 100 that the filtered search finds, in parts per 10,000; by score, since
 * equal rows may stand for each other. */
static uint64_t recall(struct bench *b)
{
    uint64_t found = 0, due = 0;
    for (size_t i = 0; i < BENCH_QUERIES; i++) {
        struct wire_search_response reply;
        float truth[BENCH_K];
        const uint32_t n = bench_shard_search(b->shard, i, b->filter, exact, &reply);
        for (uint32_t j = 0; j < n; j++) {
            truth[j] = reply.sources[0].scores[j];
        }
        const uint32_t m = bench_shard_search(b->shard, i, b->filter, standard, &reply);
        for (uint32_t j = 0; j < m && n > 0; j++) {
            found += reply.sources[0].scores[j] >= truth[n - 1];
        }
        due += n;
    }
    return due == 0 ? 10000 : found * 10000 / due;
}

static void run_share(struct bench *b, double share, bool json)
{
    char label[40], cold_label[40];
    b->share = share;
    snprintf(b->filter, sizeof b->filter, "share < %g", share);
    snprintf(label, sizeof label, "%g %%", share * 100);
    snprintf(cold_label, sizeof cold_label, "%g %%, bitmap made", share * 100);
    struct microbench_case c = {.name = "filter",
                                .label = label,
                                .unit = "query",
                                .units = BENCH_QUERIES,
                                .ours = filtered,
                                .peer = unfiltered,
                                .peer_name = "unfiltered",
                                .ctx = b,
                                .config = {{"rows", BENCH_ROWS},
                                           {"d", BENCH_DIM},
                                           {"lists", BENCH_LISTS},
                                           {"k", BENCH_K},
                                           {"recall_per_10000", recall(b)}}};
    microbench_run(&c, json);
    c.label = cold_label;
    c.units = COLD_QUERIES;
    c.ours = cold;
    c.peer = NULL;
    c.config[4].key = NULL;
    microbench_run(&c, json);
}

enum wf_code microbench_filter(bool json, struct wf_error *err)
{
    struct bench b = {0};
    enum wf_code code = bench_shard_make("IVF2048,SQfp16", &b.shard, err);
    for (size_t i = 0; i < N_SHARES && code == WF_OK; i++) {
        run_share(&b, shares[i], json);
    }
    bench_shard_free(b.shard);
    return code;
}

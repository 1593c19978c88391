/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_merge.c - the k-way merge of shard lists beside sorting all candidates with qsort.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "ranking/merge.h"
#include "tools/microbench.h"

enum { SHARDS = 8, ROWS = 120, K = 500, SKU = 12 };

struct entry {
    float score;
    uint32_t size;
    const char *sku;
};
struct bench {
    struct rank_list lists[SHARDS];
    struct entry rows[SHARDS][ROWS], all[SHARDS * ROWS];
    float scores[SHARDS][ROWS];
    const char *skus[SHARDS][ROWS];
    uint32_t sizes[SHARDS][ROWS];
    char text[SHARDS][ROWS][SKU];
    struct rank_pick picks[K];
    struct wf_arena arena;
};

static int by_rank(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return rank_compare(x->score, x->sku, x->size, y->score, y->sku, y->size);
}

static void ours(void *ctx)
{
    struct bench *b = ctx;
    wf_arena_reset(&b->arena);
    wf_assert(rank_merge(b->lists, SHARDS, K, &b->arena, b->picks) == K);
}

static void sorting(void *ctx)
{
    struct bench *b = ctx;
    memcpy(b->all, b->rows, sizeof b->all);
    qsort(b->all, (size_t)SHARDS * ROWS, sizeof b->all[0], by_rank);
}

static void fill(struct bench *b)
{
    struct wf_random r = wf_random_of(1, 0);
    for (uint32_t s = 0; s < SHARDS; s++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            const int size = snprintf(b->text[s][i], SKU, "%07u", s * ROWS + i);
            b->rows[s][i] =
                (struct entry){(float)wf_random_unit(&r), (uint32_t)size, b->text[s][i]};
        }
        qsort(b->rows[s], ROWS, sizeof b->rows[s][0], by_rank);
        for (uint32_t i = 0; i < ROWS; i++) {
            b->scores[s][i] = b->rows[s][i].score;
            b->skus[s][i] = b->rows[s][i].sku;
            b->sizes[s][i] = b->rows[s][i].size;
        }
        b->lists[s] = (struct rank_list){ROWS, b->scores[s], b->skus[s], b->sizes[s]};
    }
}

enum wf_code microbench_merge(bool json, struct wf_error *err)
{
    (void)err;
    struct bench *b = wf_xcalloc(1, sizeof *b);
    fill(b);
    wf_arena_init(&b->arena, 1 << 20);
    const struct microbench_case c = {.name = "merge",
                                      .label = "8 shards x 120 to 500",
                                      .unit = "query",
                                      .units = 1,
                                      .ours = ours,
                                      .peer = sorting,
                                      .peer_name = "qsort",
                                      .kernel = "c",
                                      .ctx = b,
                                      .config = {{"n", (uint64_t)SHARDS * ROWS}, {"k", K}}};
    microbench_run(&c, json);
    wf_arena_fini(&b->arena);
    wf_xfree(b);
    return WF_OK;
}

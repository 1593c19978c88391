/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_mmr.c - MMR of 512 candidates to 50 beside the method that recomputes every maximum at
 * every step.
 */
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/vector.h"
#include "ranking/mmr.h"
#include "tools/microbench.h"

enum { N = 512, K = 50, DIM = 128 };

struct bench {
    struct rank_mmr in;
    struct wf_arena arena;
    uint32_t picks[K];
};

static void ours(void *ctx)
{
    struct bench *b = ctx;
    wf_arena_reset(&b->arena);
    wf_assert(rank_mmr(&b->in, &b->arena, b->picks) == WF_OK);
}

/* Largest similarity of candidate i to what was picked. */
static float nearest(const struct bench *b, uint32_t i, uint32_t n_picked)
{
    float best = n_picked == 0 ? 0 : -2;
    for (uint32_t p = 0; p < n_picked; p++) {
        const float x =
            wf_dot(b->in.vectors + (size_t)b->picks[p] * DIM, b->in.vectors + (size_t)i * DIM, DIM);
        best = x > best ? x : best;
    }
    return best;
}

static void recomputing(void *ctx)
{
    struct bench *b = ctx;
    bool picked[N] = {false};
    for (uint32_t step = 0; step < K; step++) {
        float best = -3;
        for (uint32_t i = 0; i < N; i++) {
            const float value =
                picked[i] ? -4 : 0.7f * b->in.scores[i] - 0.3f * nearest(b, i, step);
            if (value > best) {
                best = value;
                b->picks[step] = i;
            }
        }
        picked[b->picks[step]] = true;
    }
}

enum wf_code microbench_mmr(bool json, struct wf_error *err)
{
    (void)err;
    float *scores = wf_xarray(float, N), *vectors = wf_xmalloc64(sizeof(float) * N * DIM);
    struct wf_random r = wf_random_of(1, 0);
    for (size_t i = 0; i < N; i++) {
        scores[i] = (float)wf_random_unit(&r);
        for (size_t j = 0; j < DIM; j++) {
            vectors[i * DIM + j] = (float)wf_random_normal(&r);
        }
        wf_assert(wf_normalise(vectors + i * DIM, DIM));
    }
    struct bench b = {
        .in = {.n = N, .k = K, .dim = DIM, .lambda = 0.7f, .scores = scores, .vectors = vectors}};
    wf_arena_init(&b.arena, 1 << 20);
    const struct microbench_case c = {.name = "mmr",
                                      .label = "512 to 50",
                                      .unit = "query",
                                      .units = 1,
                                      .ours = ours,
                                      .peer = recomputing,
                                      .peer_name = "recomputing",
                                      .ctx = &b,
                                      .config = {{"n", N}, {"k", K}, {"d", DIM}}};
    microbench_run(&c, json);
    wf_arena_fini(&b.arena);
    wf_xfree(vectors);
    wf_xfree(scores);
    return WF_OK;
}

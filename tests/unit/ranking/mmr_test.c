/* SPDX-License-Identifier: Apache-2.0
 *
 * mmr_test.c - the incremental method gives the textbook's list, whatever the data.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/vector.h"
#include "ranking/mmr.h"

enum { N = 40, DIM = 12 };

/* Recomputes every maximum at every step: O(k^2 n d). */
static void textbook(const struct rank_mmr *in, uint32_t *picks)
{
    bool picked[N] = {false};
    float low = INFINITY, high = -INFINITY;
    for (uint32_t i = 0; i < in->n; i++) {
        low = fminf(low, in->scores[i]);
        high = fmaxf(high, in->scores[i]);
    }
    for (uint32_t step = 0; step < in->k && step < in->n; step++) {
        float best = -INFINITY;
        for (uint32_t i = 0; i < in->n; i++) {
            float nearest = step == 0 ? 0 : -INFINITY;
            for (uint32_t p = 0; p < step; p++) {
                const float *a = in->vectors + (size_t)picks[p] * in->dim;
                nearest = fmaxf(nearest, wf_dot(a, in->vectors + (size_t)i * in->dim, in->dim));
            }
            const float relevance = high > low ? (in->scores[i] - low) / (high - low) : 1;
            const float value = in->lambda * relevance - (1.0f - in->lambda) * nearest;
            if (!picked[i] && value > best) {
                best = value;
                picks[step] = i;
            }
        }
        picked[picks[step]] = true;
    }
}

static void equals_the_textbook(void **state)
{
    (void)state;
    const uint64_t seed = 77;
    print_message("seed=%llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 0);
    for (int round = 0; round < 500; round++) {
        float scores[N], vectors[N * DIM];
        for (int i = 0; i < N; i++) {
            scores[i] = (float)wf_random_below(&r, 10); /* ties */
            for (int j = 0; j < DIM; j++) {
                vectors[i * DIM + j] = (float)wf_random_normal(&r);
            }
            assert_true(wf_normalise(vectors + i * DIM, DIM));
        }
        const struct rank_mmr in = {.n = 1 + (uint32_t)wf_random_below(&r, N),
                                    .k = (uint32_t)wf_random_below(&r, N + 5),
                                    .dim = DIM,
                                    .lambda = (float)wf_random_below(&r, 11) / 10,
                                    .scores = scores,
                                    .vectors = vectors};
        uint32_t ours[N], want[N];
        struct wf_arena arena;
        wf_arena_init(&arena, 1 << 16);
        assert_int_equal(rank_mmr(&in, &arena, ours), WF_OK);
        textbook(&in, want);
        for (uint32_t i = 0; i < in.k && i < in.n; i++) {
            assert_int_equal(ours[i], want[i]);
        }
        wf_arena_fini(&arena);
    }
}

static void without_vectors_the_order_is_by_score(void **state)
{
    (void)state;
    const float scores[] = {1, 3, 2, 3};
    const struct rank_mmr in = {.n = 4, .k = 4, .lambda = 0.7f, .scores = scores};
    uint32_t picks[4];
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 16);
    assert_int_equal(rank_mmr(&in, &arena, picks), WF_OK);
    const uint32_t want[] = {1, 3, 2, 0};
    assert_memory_equal(picks, want, sizeof want);
    wf_arena_fini(&arena);
}

static void a_full_arena_is_said(void **state)
{
    (void)state;
    const float scores[] = {1, 2, 3, 4};
    const struct rank_mmr in = {.n = 4, .k = 4, .lambda = 0.7f, .scores = scores};
    uint32_t picks[4];
    struct wf_arena arena;
    wf_arena_init(&arena, 16);
    assert_int_equal(rank_mmr(&in, &arena, picks), WF_EXHAUSTED);
    wf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_textbook),
        cmocka_unit_test(without_vectors_the_order_is_by_score),
        cmocka_unit_test(a_full_arena_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * pq_test.c - 4-bit product quantisation: the sums of every instruction set against counting them
 * one by one, the estimate against the product with the nearest centres, and what training makes of
 * clouds that are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/pq4.h"
#include "base/vector.h"
#include "shard/pq.h"

static const uint64_t seed = 5150;

static void fill(struct wf_random *r, unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (unsigned char)wf_random_next(r);
    }
}

static void check_sums(const uint8_t *table, uint32_t m, const unsigned char *packed, size_t blocks,
                       const uint16_t *sums)
{
    for (size_t row = 0; row < blocks * WF_PQ4_BLOCK; row++) {
        uint32_t sum = 0;
        for (uint32_t j = 0; j < m; j++) {
            const unsigned char byte = packed[((row / 32) * m + j) * 16 + row % 16];
            sum += table[j * 16 + (row % 32 < 16 ? byte & 15U : byte >> 4U)];
        }
        assert_int_equal(sums[row], sum);
    }
}

static void sums_are_the_same_everywhere(void **state)
{
    (void)state;
    static const uint32_t parts[] = {4, 8, 12, 64, 100, 256};
    enum { BLOCKS_MOST = 5, PARTS_MOST = 256 };
    static unsigned char table[PARTS_MOST * 16], packed[BLOCKS_MOST * PARTS_MOST * 16];
    uint16_t sums[BLOCKS_MOST * WF_PQ4_BLOCK + 1];
    struct wf_random r = wf_random_of(seed, 1);
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        for (size_t blocks = 0; blocks <= BLOCKS_MOST; blocks++) {
            fill(&r, table, sizeof table);
            fill(&r, packed, sizeof packed);
            if (blocks == BLOCKS_MOST) {
                memset(table, 255, sizeof table); /* the largest sums there are */
            }
            for (int isa = WF_ISA_C; isa <= WF_ISA_AVX512; isa++) {
                wf_vector_isa_set((enum wf_isa)isa);
                memset(sums, 0xaa, sizeof sums);
                wf_pq4_scan(table, parts[p], packed, blocks, isa == WF_ISA_C ? NULL : table, sums);
                check_sums(table, parts[p], packed, blocks, sums);
                assert_int_equal(sums[blocks * WF_PQ4_BLOCK], 0xaaaa);
            }
        }
    }
    wf_vector_isa_set(WF_ISA_AUTO);
}

static void rows_that_reach_a_sum(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 2);
    for (int round = 0; round < 200; round++) {
        uint16_t sums[WF_PQ4_BLOCK];
        fill(&r, (unsigned char *)sums, sizeof sums);
        const uint16_t least = round == 0 ? 0 : sums[round % WF_PQ4_BLOCK];
        for (int isa = WF_ISA_C; isa <= WF_ISA_AVX512; isa++) {
            wf_vector_isa_set((enum wf_isa)isa);
            const uint32_t rows = wf_pq4_reach(sums, least);
            for (unsigned i = 0; i < WF_PQ4_BLOCK; i++) {
                assert_int_equal(rows >> i & 1, sums[i] >= least);
            }
        }
    }
}

/* ---- training and estimates ---- */

struct trial {
    uint32_t dim;
    size_t n;
    float *residuals, *centres, *query;
    unsigned char *packed;
    uint16_t *sums;
    uint32_t blocks[2];
    struct shard_pq pq;
    struct shard_pq_table table;
    struct wf_arena arena;
};

static void trial_init(struct trial *t, uint32_t dim, size_t n, struct wf_random *r)
{
    *t = (struct trial){.dim = dim, .n = n, .blocks = {0, (uint32_t)(n + 31) / 32}};
    const uint32_t m = shard_pq_parts(dim);
    t->residuals = wf_xarray(float, n *dim);
    t->query = wf_xarray(float, dim);
    t->centres = wf_xarray(float, (size_t)m * 32);
    for (size_t i = 0; i < n * dim; i++) {
        t->residuals[i] = (float)wf_random_normal(r);
    }
    for (uint32_t i = 0; i < dim; i++) {
        t->query[i] = (float)wf_random_normal(r);
    }
    struct wf_error err;
    assert_int_equal(shard_pq_train(t->residuals, n, dim, seed, t->centres, &err), WF_OK);
    t->pq = (struct shard_pq){.m = m, .centres = t->centres, .blocks = t->blocks};
    t->packed = wf_xmalloc64(shard_pq_bytes(&t->pq, t->blocks[1]));
    shard_pq_pack(&t->pq, t->residuals, n, dim, t->packed);
    t->pq.packed = t->packed;
    t->sums = wf_xarray(uint16_t, (size_t)t->blocks[1] * SHARD_PQ_BLOCK);
    wf_arena_init(&t->arena, 1 << 20);
    assert_true(shard_pq_begin(&t->pq, t->query, dim, &t->arena, &t->table));
    shard_pq_scan(&t->pq, &t->table, 0, 0, t->sums);
}

static void trial_fini(struct trial *t)
{
    wf_arena_fini(&t->arena);
    wf_xfree(t->sums);
    wf_xfree(t->packed);
    wf_xfree(t->centres);
    wf_xfree(t->query);
    wf_xfree(t->residuals);
}

/* query . (what the nearest centres make of a row), in double. */
static double quantised_product(const struct trial *t, size_t row)
{
    double sum = 0;
    for (uint32_t j = 0; j < t->pq.m; j++) {
        const float *x = t->residuals + row * t->dim + 2 * j, *c = t->centres + (size_t)j * 32;
        const bool first = 2 * j < t->dim, second = 2 * j + 1 < t->dim;
        const double at[2] = {first ? (double)x[0] : 0, second ? (double)x[1] : 0};
        double nearest = INFINITY, product = 0;
        for (int i = 0; i < 16; i++) {
            const double dx = at[0] - (double)c[2 * i], dy = at[1] - (double)c[2 * i + 1];
            const double distance = dx * dx + dy * dy;
            if (distance < nearest) {
                nearest = distance;
                product = (first ? (double)t->query[2 * j] * (double)c[2 * i] : 0) +
                          (second ? (double)t->query[2 * j + 1] * (double)c[2 * i + 1] : 0);
            }
        }
        sum += product;
    }
    return sum;
}

static void estimates_are_near_the_product(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 7, 8, 33, 128, 512};
    struct wf_random r = wf_random_of(seed, 3);
    for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++) {
        struct trial t;
        trial_init(&t, dims[d], 300, &r);
        for (size_t row = 0; row < t.n; row++) {
            const double estimate =
                (double)t.table.base + (double)t.table.scale * (double)t.sums[row];
            /* each entry is rounded by at most half a step */
            const double bound = 0.51 * (double)t.table.scale * t.pq.m + 1e-4;
            assert_true(fabs(estimate - quantised_product(&t, row)) <= bound);
        }
        trial_fini(&t);
    }
}

/* Sixteen tight clouds in every plane are found, so that rows come back almost as they were. */
static void clouds_are_found(void **state)
{
    (void)state;
    enum { DIM = 8, ROWS = 4096 };
    struct wf_random r = wf_random_of(seed, 4);
    float *x = wf_xarray(float, ROWS *DIM), centres[DIM / 2 * 32], again[DIM / 2 * 32];
    for (size_t i = 0; i < (size_t)ROWS * DIM; i++) {
        x[i] = (float)wf_random_below(&r, 4) + 0.01F * (float)wf_random_unit(&r);
    }
    struct wf_error err;
    assert_int_equal(shard_pq_train(x, ROWS, DIM, seed, centres, &err), WF_OK);
    assert_int_equal(shard_pq_train(x, ROWS, DIM, seed, again, &err), WF_OK);
    assert_memory_equal(centres, again, sizeof centres);
    double sum = 0;
    for (size_t i = 0; i < (size_t)ROWS * DIM; i += 2) {
        const float *own = centres + i % DIM / 2 * 32;
        float least = INFINITY;
        for (int c = 0; c < 16; c++) {
            const float dx = x[i] - own[2 * c], dy = x[i + 1] - own[2 * c + 1];
            least = fminf(least, dx * dx + dy * dy);
        }
        sum += (double)least;
    }
    /* of a variance of 1.25 for each value */
    assert_true(sum / ((double)ROWS * DIM) < 0.1);
    wf_xfree(x);
}

static void odd_input_is_harmless(void **state)
{
    (void)state;
    float one[3] = {1, 2, 3}, centres[4 * 32], query[3] = {1e38F, -1e38F, 3e38F};
    struct wf_error err;
    assert_int_equal(shard_pq_train(one, 1, 3, seed, centres, &err), WF_OK);
    unsigned char packed[4 * 16];
    const uint32_t blocks[] = {0, 1};
    struct shard_pq pq = {.m = 4, .centres = centres, .blocks = blocks, .packed = packed};
    struct shard_pq_table table;
    struct wf_arena arena;
    uint16_t sums[SHARD_PQ_BLOCK];
    shard_pq_pack(&pq, one, 1, 3, packed);
    wf_arena_init(&arena, 1 << 16);
    for (int i = 0; i < 32; i++) {
        centres[i] = i % 2 == 0 ? 3e38F : -3e38F;
    }
    assert_true(shard_pq_begin(&pq, query, 3, &arena, &table));
    shard_pq_scan(&pq, &table, 0, 0, sums);
    wf_arena_fini(&arena);
    assert_int_equal(shard_pq_train(one, 0, 3, seed, centres, &err), WF_INVALID);
    assert_int_equal(shard_pq_check(512, &err), WF_OK);
    assert_int_equal(shard_pq_check(513, &err), WF_INVALID);
    assert_non_null(strstr(err.text, "513"));
    assert_non_null(strstr(err.text, "512"));
    wf_arena_init(&arena, 16);
    assert_false(shard_pq_begin(&pq, query, 3, &arena, &table));
    wf_arena_fini(&arena);
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_the_same_everywhere),   cmocka_unit_test(rows_that_reach_a_sum),
        cmocka_unit_test(estimates_are_near_the_product), cmocka_unit_test(clouds_are_found),
        cmocka_unit_test(odd_input_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

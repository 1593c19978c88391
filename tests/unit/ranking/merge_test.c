/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_test.c - the merge against sorting everything: order, ties, one entry per SKU, cut at k.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "ranking/merge.h"

enum { LISTS = 6, ROWS = 40 };

struct entry {
    float score;
    char sku[8];
    uint32_t size;
};

static int by_rank(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return rank_compare(x->score, x->sku, x->size, y->score, y->sku, y->size);
}

/* Few scores and few SKUs, so ties and repeats are the rule. */
static struct entry draw(struct wf_random *r)
{
    struct entry e = {.score = (float)wf_random_below(r, 8) / 4};
    e.size = 1 + (uint32_t)wf_random_below(r, 3);
    for (uint32_t i = 0; i < e.size; i++) {
        e.sku[i] = (char)('a' + wf_random_below(r, 3));
    }
    return e;
}

static void check_round(struct wf_random *r)
{
    static struct entry rows[LISTS][ROWS], all[LISTS * ROWS];
    float scores[LISTS][ROWS];
    const char *skus[LISTS][ROWS];
    uint32_t sizes[LISTS][ROWS];
    struct rank_list lists[LISTS];
    struct rank_pick picks[LISTS * ROWS];
    size_t n_all = 0;
    const uint32_t k = (uint32_t)wf_random_below(r, 60);
    for (uint32_t l = 0; l < LISTS; l++) {
        lists[l] = (struct rank_list){(uint32_t)wf_random_below(r, ROWS + 1), scores[l], skus[l],
                                      sizes[l]};
        for (uint32_t i = 0; i < lists[l].n; i++) {
            rows[l][i] = draw(r);
        }
        qsort(rows[l], lists[l].n, sizeof rows[l][0], by_rank);
        for (uint32_t i = 0; i < lists[l].n; i++) {
            scores[l][i] = rows[l][i].score;
            skus[l][i] = rows[l][i].sku;
            sizes[l][i] = rows[l][i].size;
            all[n_all++] = rows[l][i];
        }
    }
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 20);
    const uint32_t n = rank_merge(lists, LISTS, k, &arena, picks);
    qsort(all, n_all, sizeof all[0], by_rank);
    uint32_t want = 0;
    for (size_t i = 0; i < n_all && want < k; i++) {
        int seen = 0;
        for (size_t j = 0; j < i; j++) {
            seen |= all[j].size == all[i].size && memcmp(all[j].sku, all[i].sku, all[i].size) == 0;
        }
        if (seen) {
            continue;
        }
        assert_true(want < n);
        const struct entry *got = &rows[picks[want].list][picks[want].row];
        assert_true(got->score == all[i].score);
        assert_int_equal(got->size, all[i].size);
        assert_memory_equal(got->sku, all[i].sku, got->size);
        want++;
    }
    assert_int_equal(n, want);
    wf_arena_fini(&arena);
}

static void equals_sorting_everything(void **state)
{
    (void)state;
    const uint64_t seed = 20260;
    print_message("seed=%llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 0);
    for (int round = 0; round < 2000; round++) {
        check_round(&r);
    }
}

static void a_full_arena_is_said(void **state)
{
    (void)state;
    const float score = 1;
    const char *sku = "a";
    const uint32_t size = 1;
    const struct rank_list list = {1, &score, &sku, &size};
    struct rank_pick pick;
    struct wf_arena arena;
    wf_arena_init(&arena, 64);
    assert_int_equal(rank_merge(&list, 1, 5, &arena, &pick), UINT32_MAX);
    wf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_sorting_everything),
        cmocka_unit_test(a_full_arena_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * exclusions_test.c - sets of hashes are sorted, unique and dealt as SKUs are; the store keeps what
 * was used last within its limit, and a set that is in use outlives its eviction.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "coordinator/exclusions.h"

enum { N_SHARDS = 7 };

static uint64_t seed_of(void)
{
    const char *given = getenv("SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)wf_now();
    printf("seed=%llu\n", (unsigned long long)seed);
    return seed;
}

static struct coord_exclusions dealt(struct wf_arena *arena, const uint64_t *hashes, uint32_t n,
                                     char handle[COORD_HANDLE_SIZE])
{
    struct coord_exclusions set;
    uint32_t n_unique = 0;
    const uint64_t *sorted = coord_exclusions_sort(hashes, n, arena, &n_unique);
    assert_non_null(sorted);
    assert_int_equal(WF_OK, coord_exclusions_deal(sorted, n_unique, N_SHARDS, arena, &set));
    coord_exclusions_handle(sorted, n_unique, handle);
    return set;
}

static void sets_are_dealt_as_skus_are(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed_of(), 1);
    enum { N = 3000 };
    static uint64_t hashes[N];
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 20);
    for (uint32_t i = 0; i < N; i++) {
        char sku[24];
        snprintf(sku, sizeof sku, "s%u", (unsigned)wf_random_below(&r, 2000));
        hashes[i] = wf_hash64(sku, strlen(sku));
        assert_int_equal(wf_shard_of(sku, strlen(sku), N_SHARDS),
                         wf_shard_of_hash(hashes[i], N_SHARDS));
    }
    char handle[COORD_HANDLE_SIZE];
    struct coord_exclusions set = dealt(&arena, hashes, N, handle);
    uint32_t total = 0;
    for (uint32_t s = 0; s < N_SHARDS; s++) {
        uint32_t n = 0;
        const uint64_t *list = coord_exclusions_of(&set, s, &n);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(s, wf_shard_of_hash(list[i], N_SHARDS));
            assert_true(i == 0 || list[i] > list[i - 1]);
        }
        total += n;
    }
    assert_int_equal(total, set.n);
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t shard = wf_shard_of_hash(hashes[i], N_SHARDS);
        assert_true(coord_exclusions_has(&set, shard, hashes[i]));
        assert_false(coord_exclusions_has(&set, (shard + 1) % N_SHARDS, hashes[i]));
        assert_false(coord_exclusions_has(&set, shard, hashes[i] + 1));
    }
    wf_arena_fini(&arena);
}

static void nothing_is_excluded_by_an_empty_set(void **state)
{
    (void)state;
    const struct coord_exclusions none = {0};
    uint32_t n = 9;
    assert_null(coord_exclusions_of(&none, 3, &n));
    assert_int_equal(0, n);
    assert_false(coord_exclusions_has(&none, 3, 7));
}

static void the_handle_is_of_the_content_in_any_order(void **state)
{
    (void)state;
    const uint64_t a[] = {3, UINT64_MAX, 1, 3}, b[] = {UINT64_MAX, 1, 3}, c[] = {1, 3};
    char names[3][COORD_HANDLE_SIZE];
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 16);
    assert_int_equal(3, dealt(&arena, a, 4, names[0]).n);
    assert_int_equal(3, dealt(&arena, b, 3, names[1]).n);
    assert_int_equal(2, dealt(&arena, c, 2, names[2]).n);
    assert_string_equal(names[0], names[1]);
    assert_string_not_equal(names[0], names[2]);
    assert_int_equal(32, strlen(names[0]));
    wf_arena_fini(&arena);
}

/* A set of n hashes that begins with `first`. */
static uint32_t put(struct coord_store *store, uint64_t first, uint32_t n,
                    char handle[COORD_HANDLE_SIZE])
{
    struct wf_arena arena;
    wf_arena_init(&arena, 4 << 20);
    uint64_t *hashes = wf_array(&arena, uint64_t, n);
    for (uint32_t i = 0; i < n; i++) {
        hashes[i] = first + i;
    }
    struct coord_exclusions set = dealt(&arena, hashes, n, handle);
    uint32_t gone = coord_store_put(store, handle, &set);
    wf_arena_fini(&arena);
    return gone;
}

static bool keeps(struct coord_store *store, const char *handle)
{
    const struct coord_kept *k = coord_store_find(store, handle);
    coord_kept_unref(k);
    return k;
}

static void the_set_used_longest_ago_goes_first(void **state)
{
    (void)state;
    struct coord_store *store = coord_store_create(40000, N_SHARDS); /* four of 1000 hashes */
    char names[6][COORD_HANDLE_SIZE];
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(0, put(store, i * 5000, 1000, names[i]));
    }
    uint32_t sets;
    uint64_t bytes;
    coord_store_count(store, &sets, &bytes);
    assert_int_equal(4, sets);
    assert_in_range(bytes, 32000, 40000);
    assert_true(keeps(store, names[0]));                   /* used again */
    assert_int_equal(0, put(store, 5000, 1000, names[5])); /* the second, uploaded again */
    assert_string_equal(names[5], names[1]);
    assert_int_equal(1, put(store, 90000, 1000, names[4]));
    assert_false(keeps(store, names[2]));
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(i != 2, keeps(store, names[i]));
    }
    assert_false(keeps(store, "no such handle, and a longer one than any that there is"));
    assert_false(keeps(NULL, names[0]));
    assert_int_equal(4, put(store, 7, 4900, names[5])); /* as large as all of them */
    assert_true(keeps(store, names[5]));
    coord_store_destroy(store);
}

static void a_set_in_use_outlives_its_eviction(void **state)
{
    (void)state;
    struct coord_store *store = coord_store_create(10000, N_SHARDS);
    char first[COORD_HANDLE_SIZE], second[COORD_HANDLE_SIZE];
    put(store, 100, 1000, first);
    const struct coord_kept *k = coord_store_find(store, first);
    assert_int_equal(1, put(store, 90000, 1000, second));
    assert_false(keeps(store, first));
    const struct coord_exclusions *set = coord_kept_set(k);
    assert_int_equal(1000, set->n);
    assert_true(coord_exclusions_has(set, wf_shard_of_hash(100, N_SHARDS), 100));
    coord_kept_unref(k);
    coord_store_destroy(store);
}

static void *churn(void *ctx)
{
    struct coord_store *store = ctx;
    struct wf_random r = wf_random_of((uint64_t)(uintptr_t)&store, 2);
    for (unsigned i = 0; i < 600; i++) {
        char handle[COORD_HANDLE_SIZE];
        const uint64_t first = 1000 * wf_random_below(&r, 12);
        put(store, first, 100, handle);
        const struct coord_kept *k = coord_store_find(store, handle);
        if (k) {
            const struct coord_exclusions *set = coord_kept_set(k);
            wf_assert(set->n == 100);
            wf_assert(coord_exclusions_has(set, wf_shard_of_hash(first, N_SHARDS), first));
        }
        coord_kept_unref(k);
    }
    return NULL;
}

static void threads_share_a_store(void **state)
{
    (void)state;
    struct coord_store *store = coord_store_create(6000, N_SHARDS);
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(0, pthread_create(&threads[i], NULL, churn, store));
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(0, pthread_join(threads[i], NULL));
    }
    uint32_t sets;
    uint64_t bytes;
    coord_store_count(store, &sets, &bytes);
    assert_in_range(sets, 1, 6);
    assert_in_range(bytes, 100, 6000);
    coord_store_destroy(store);
}

static void an_arena_that_is_too_small_gives_nothing(void **state)
{
    (void)state;
    const uint64_t hashes[64] = {5, 4, 3};
    struct wf_arena arena;
    wf_arena_init(&arena, 900);
    uint32_t n;
    assert_null(coord_exclusions_sort(hashes, 64, &arena, &n));
    struct coord_exclusions set;
    assert_int_equal(WF_EXHAUSTED, coord_exclusions_deal(hashes, 64, N_SHARDS, &arena, &set));
    wf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_dealt_as_skus_are),
        cmocka_unit_test(nothing_is_excluded_by_an_empty_set),
        cmocka_unit_test(the_handle_is_of_the_content_in_any_order),
        cmocka_unit_test(the_set_used_longest_ago_goes_first),
        cmocka_unit_test(a_set_in_use_outlives_its_eviction),
        cmocka_unit_test(threads_share_a_store),
        cmocka_unit_test(an_arena_that_is_too_small_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

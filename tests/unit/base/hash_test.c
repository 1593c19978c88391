/* SPDX-License-Identifier: Apache-2.0
 *
 * hash_test.c - known answers of XXH3, the jump hash and SplitMix64, and their promises.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void xxh3_gives_the_published_answers(void **state)
{
    (void)state;
    char hex[33];
    assert_true(wf_hash64("", 0) == UINT64_C(0x2d06800538d394c2));
    wf_hash128_hex(wf_hash128("", 0), hex);
    assert_string_equal("99aa06d3014798d86001c324468d497f", hex);
}

static void streaming_equals_one_call(void **state)
{
    (void)state;
    unsigned char data[5000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(i * 131 >> 3);
    }
    struct wf_hasher *h = wf_hasher_create();
    for (unsigned round = 0; round < 2; round++) { /* the second proves that end resets */
        for (size_t at = 0, step = 1; at < sizeof data; at += step, step = step * 2 + 1) {
            const size_t rest = sizeof data - at;
            wf_hasher_add(h, data + at, step < rest ? step : rest);
        }
        const struct wf_hash128 streamed = wf_hasher_end(h);
        const struct wf_hash128 whole = wf_hash128(data, sizeof data);
        assert_memory_equal(&streamed, &whole, sizeof whole);
    }
    wf_hasher_destroy(h);
    wf_hasher_destroy(NULL);
}

static void shards_of_known_skus_stay(void **state)
{
    (void)state;
    assert_int_equal(0, wf_shard_of("0108775015", 10, 1));
    assert_int_equal(2, wf_shard_of("0108775015", 10, 3));
    assert_int_equal(2, wf_shard_of("0108775015", 10, 8));
    assert_int_equal(148, wf_shard_of("15970", 5, 4096));
}

static void one_more_shard_moves_only_to_it(void **state)
{
    (void)state;
    unsigned held[8] = {0};
    for (unsigned i = 0; i < 20000; i++) {
        char sku[16];
        const size_t size = (size_t)snprintf(sku, sizeof sku, "sku-%u", i);
        uint32_t before = 0;
        for (uint32_t n = 1; n <= 8; n++) {
            const uint32_t now = wf_shard_of(sku, size, n);
            assert_true(now == before || now == n - 1);
            before = now;
        }
        held[before]++;
    }
    for (unsigned s = 0; s < 8; s++) {
        assert_in_range(held[s], 2300, 2700);
    }
}

static void splitmix_gives_the_published_stream(void **state)
{
    (void)state;
    struct wf_random r = {.state = 0};
    assert_true(wf_random_next(&r) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(wf_random_next(&r) == UINT64_C(0x6e789e6aa1b965f4));
}

static void streams_repeat_and_differ(void **state)
{
    (void)state;
    struct wf_random a = wf_random_of(7, 1), b = wf_random_of(7, 1), c = wf_random_of(7, 2);
    const uint64_t first = wf_random_next(&a);
    assert_true(first == wf_random_next(&b));
    assert_true(first != wf_random_next(&c));
}

static void numbers_keep_to_their_ranges(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(1, 2);
    unsigned seen[3] = {0};
    double sum = 0, squares = 0;
    for (unsigned i = 0; i < 30000; i++) {
        seen[wf_random_below(&r, 3)]++;
        const double u = wf_random_unit(&r), z = wf_random_normal(&r);
        assert_true(u >= 0 && u < 1);
        sum += z;
        squares += z * z;
    }
    assert_int_equal(0, wf_random_below(&r, 1));
    assert_in_range(seen[0], 9500, 10500);
    assert_in_range(seen[1], 9500, 10500);
    assert_true(fabs(sum / 30000) < 0.03);
    assert_true(fabs(squares / 30000 - 1) < 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh3_gives_the_published_answers),
        cmocka_unit_test(streaming_equals_one_call),
        cmocka_unit_test(shards_of_known_skus_stay),
        cmocka_unit_test(one_more_shard_moves_only_to_it),
        cmocka_unit_test(splitmix_gives_the_published_stream),
        cmocka_unit_test(streams_repeat_and_differ),
        cmocka_unit_test(numbers_keep_to_their_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

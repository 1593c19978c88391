/* SPDX-License-Identifier: Apache-2.0
 *
 * plan_test.c - how much is asked of each shard, and by when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "coordinator/plan.h"
#include "proto/wire.h"

static void one_shard_or_an_exact_search_is_asked_for_everything(void **state)
{
    (void)state;
    assert_int_equal(coord_plan_k(500, 1, false), 500);
    assert_int_equal(coord_plan_k(500, 8, true), 500);
    assert_int_equal(coord_plan_k(0, 4, false), 1);
    assert_int_equal(coord_plan_k(100000, 1, true), WIRE_SHARD_K_MAX);
}

static void four_shards_are_asked_for_a_third_of_500_each(void **state)
{
    (void)state;
    assert_in_range(coord_plan_k(500, 4, false), 160, 170);
    assert_int_equal(coord_plan_k(3, 8, false), 3);
}

/* Items fall on shards at random: in 20,000 draws no shard holds more of the best than is asked. */
static void the_best_are_among_the_answers(void **state)
{
    (void)state;
    const uint64_t seed = (uint64_t)wf_now();
    printf("seed=%llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 0);
    unsigned missed = 0;
    for (unsigned draw = 0; draw < 20000; draw++) {
        uint32_t counts[8] = {0};
        for (unsigned i = 0; i < 100; i++) {
            counts[wf_random_below(&r, 8)]++;
        }
        for (unsigned i = 0; i < 8; i++) {
            missed += counts[i] > coord_plan_k(100, 8, false);
        }
    }
    assert_in_range(missed, 0, 20);
}

static void a_part_of_the_time_is_kept(void **state)
{
    (void)state;
    const int64_t ms = WF_MILLISECOND;
    assert_int_equal(coord_plan_deadline(0, 100 * ms, 40 * ms, false), 80 * ms);
    assert_int_equal(coord_plan_deadline(0, 1000 * ms, 40 * ms, false), 960 * ms);
    assert_int_equal(coord_plan_deadline(0, 1000 * ms, 40 * ms, true), 480 * ms);
    assert_int_equal(coord_plan_deadline(5 * ms, 4 * ms, 40 * ms, false), 4 * ms);
    assert_true(coord_plan_deadline(7, INT64_MAX, 40 * ms, true) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shard_or_an_exact_search_is_asked_for_everything),
        cmocka_unit_test(four_shards_are_asked_for_a_third_of_500_each),
        cmocka_unit_test(the_best_are_among_the_answers),
        cmocka_unit_test(a_part_of_the_time_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

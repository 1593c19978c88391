/* SPDX-License-Identifier: Apache-2.0
 *
 * order_test.c - an order visits every number once, and is the same for the same seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/order.h"

static void every_number_comes_once(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 300; n++) {
        unsigned char *seen = wf_xcalloc(n, 1);
        const struct wf_order order = wf_order_of(n, 7, n);
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t at = wf_order_at(&order, i);
            assert_in_range(at, 0, n - 1);
            assert_int_equal(0, seen[at]++);
            assert_int_equal(at, wf_order_at(&order, i + n));
        }
        wf_xfree(seen);
    }
}

static void seeds_and_streams_give_their_own_order(void **state)
{
    (void)state;
    const struct wf_order a = wf_order_of(100000, 1, 1), b = wf_order_of(100000, 1, 1);
    const struct wf_order c = wf_order_of(100000, 2, 1), d = wf_order_of(100000, 1, 2);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    assert_memory_not_equal(&a, &d, sizeof a);
}

static void huge_orders_do_not_wrap(void **state)
{
    (void)state;
    const uint64_t sizes[] = {UINT64_C(1) << 32, (UINT64_C(1) << 48) - 1, (UINT64_C(1) << 63) - 1};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const struct wf_order order = wf_order_of(sizes[k], 3, k);
        assert_true(order.step <= (UINT64_MAX - order.first) / sizes[k]);
        assert_true(wf_order_at(&order, sizes[k] - 1) < sizes[k]);
    }
}

static void an_order_of_nothing_can_be_made(void **state)
{
    (void)state;
    assert_int_equal(0, wf_order_of(0, 1, 1).n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_comes_once),
        cmocka_unit_test(seeds_and_streams_give_their_own_order),
        cmocka_unit_test(huge_orders_do_not_wrap),
        cmocka_unit_test(an_order_of_nothing_can_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

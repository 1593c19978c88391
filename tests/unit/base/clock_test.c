/* SPDX-License-Identifier: Apache-2.0
 *
 * clock_test.c - deadlines saturate, clocks go forward, wall time has one form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

static void deadlines_saturate(void **state)
{
    (void)state;
    assert_true(wf_deadline_ms(5, 2) == 5 + 2 * WF_MILLISECOND);
    assert_true(wf_deadline_ms(5, INT64_MAX) == INT64_MAX);
    assert_true(wf_deadline_ms(INT64_MAX, 1) == INT64_MAX);
    assert_true(wf_deadline_ms(INT64_MAX - 10, 9000) == INT64_MAX);
    assert_true(wf_deadline_ms(-10, INT64_MIN) == INT64_MIN);
}

static void clocks_go_forward(void **state)
{
    (void)state;
    int64_t now = wf_now();
    int64_t cpu = wf_now_cpu();
    int64_t thread = wf_now_thread_cpu();
    for (int i = 0; i < 1000; i++) {
        assert_true(wf_now() >= now);
        assert_true(wf_now_cpu() >= cpu);
        assert_true(wf_now_thread_cpu() >= thread);
    }
    assert_true(wf_now_wall_ms() > INT64_C(1600000000000));
}

static void wall_time_has_one_form(void **state)
{
    (void)state;
    char text[25];
    wf_format_wall(0, text);
    assert_string_equal("1970-01-01T00:00:00.000Z", text);
    wf_format_wall(INT64_C(1769862896789), text);
    assert_string_equal("2026-01-31T12:34:56.789Z", text);
    wf_format_wall(INT64_MAX, text);
    assert_string_equal("9999-12-31T23:59:59.999Z", text);
    wf_format_wall(-1, text);
    assert_string_equal("1970-01-01T00:00:00.000Z", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_saturate),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(wall_time_has_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * error_test.c - what a failure carries and how its texts are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void fail_fills_and_clears(void **state)
{
    (void)state;
    struct wf_error err = {.retry_ms = 5, .reason = "OLD", .field = "old"};
    assert_int_equal(WF_TIMEOUT, wf_fail(&err, WF_TIMEOUT, "k=%d, limit is %d", 7, 5));
    assert_int_equal(WF_TIMEOUT, err.code);
    assert_string_equal("k=7, limit is 5", err.text);
    assert_string_equal("", err.reason);
    assert_string_equal("", err.field);
    assert_int_equal(0, err.retry_ms);
    assert_int_equal(WF_UNAVAILABLE, wf_fail(NULL, WF_UNAVAILABLE, "nobody listens"));
}

static void invalid_names_reason_and_field(void **state)
{
    (void)state;
    struct wf_error err;
    assert_int_equal(WF_INVALID, wf_invalid(&err, "BAD_K", "query.k", "k=%d", 0));
    assert_string_equal("BAD_K", err.reason);
    assert_string_equal("query.k", err.field);
    assert_string_equal("k=0", err.text);
    wf_invalid(&err, "BAD_K", err.field, "was: %s", err.text);
    assert_string_equal("query.k", err.field);
    assert_string_equal("was: k=0", err.text);
    assert_int_equal(WF_INVALID, wf_reason(&err, "OTHER"));
    assert_string_equal("OTHER", err.reason);
    assert_int_equal(WF_INTERNAL, wf_reason(NULL, "OTHER"));
}

static void prefix_goes_in_front(void **state)
{
    (void)state;
    struct wf_error err;
    wf_invalid(&err, "R", "f", "connection refused");
    assert_int_equal(WF_INVALID, wf_prefix(&err, "shard %d (%s): ", 3, "10.0.0.7:7000"));
    assert_string_equal("shard 3 (10.0.0.7:7000): connection refused", err.text);
    assert_string_equal("R", err.reason);
    for (int i = 0; i < 100; i++) {
        wf_prefix(&err, "level %d: ", i);
    }
    assert_true(strlen(err.text) < sizeof err.text);
    assert_int_equal(0, strncmp(err.text, "level 99: level 98: ", 20));
    assert_int_equal(WF_INTERNAL, wf_prefix(NULL, "x"));
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    struct wf_error err;
    for (size_t lead = 0; lead < 4; lead++) {
        char text[512] = "xxxx";
        for (size_t at = lead; at < 400; at += 3) {
            memcpy(text + at, "\xE2\x82\xAC", 4); /* euro sign */
        }
        wf_fail(&err, WF_INTERNAL, "%s", text);
        size_t size = strlen(err.text);
        assert_true(size >= sizeof err.text - 4);
        assert_int_equal(0, (size - lead) % 3);
    }
}

static void codes_have_grpc_names(void **state)
{
    (void)state;
    assert_string_equal("OK", wf_code_name(WF_OK));
    assert_string_equal("INVALID_ARGUMENT", wf_code_name(WF_INVALID));
    assert_string_equal("UNAUTHENTICATED", wf_code_name(WF_UNAUTHENTICATED));
    assert_string_equal("UNKNOWN", wf_code_name((enum wf_code)77));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_and_clears),
        cmocka_unit_test(invalid_names_reason_and_field),
        cmocka_unit_test(prefix_goes_in_front),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(codes_have_grpc_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

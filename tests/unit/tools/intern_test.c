/* SPDX-License-Identifier: Apache-2.0
 *
 * intern_test.c - numbers in order of first appearance, over many growths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/intern.h"

static void ids_are_dense_and_stable(void **state)
{
    (void)state;
    struct tool_intern in;
    char name[32];
    bool added = false;
    tool_intern_init(&in);
    for (uint32_t i = 0; i < 20000; i++) {
        size_t size = (size_t)snprintf(name, sizeof name, "name-%u", i);
        const char *older = in.n ? in.names[i / 2] : NULL;
        assert_int_equal(i, tool_intern_add(&in, name, size, &added));
        assert_true(added);
        if (older) {
            assert_int_equal(i / 2, tool_intern_add(&in, older, strlen(older), &added));
            assert_false(added);
        }
    }
    assert_int_equal(20000, in.n);
    assert_string_equal("name-77", in.names[77]);
    assert_int_equal(TOOL_NO_ID, tool_intern_find(&in, "name-20000", 10));
    assert_int_equal(TOOL_NO_ID, tool_intern_find(&in, "name-", 5)); /* a prefix is another name */
    tool_intern_fini(&in);
}

static void an_empty_name_is_a_name(void **state)
{
    (void)state;
    struct tool_intern in;
    tool_intern_init(&in);
    assert_int_equal(TOOL_NO_ID, tool_intern_find(&in, "", 0));
    assert_int_equal(0, tool_intern_add(&in, "", 0, NULL));
    assert_int_equal(0, tool_intern_find(&in, "", 0));
    tool_intern_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_dense_and_stable),
        cmocka_unit_test(an_empty_name_is_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

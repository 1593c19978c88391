/* SPDX-License-Identifier: Apache-2.0
 *
 * csv_test.c - records as real files have them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "tests/support/scratch.h"
#include "tools/csv.h"

/* All records as "line:a|b|c;", bad ones as "line:!;". */
static void read_all(struct scratch *s, const char *text, size_t size, struct tool_text *out)
{
    struct tool_csv csv;
    struct wf_error err;
    bool more = true;
    tool_text_clear(out);
    tool_text_put(out, "", 0);
    assert_int_equal(WF_OK, tool_csv_open(scratch_write(s, "in.csv", text, size), &csv, &err));
    for (;;) {
        enum wf_code code = tool_csv_next(&csv, &more, &err);
        if (code == WF_OK && !more) {
            break;
        }
        tool_text_printf(out, "%llu:", (unsigned long long)csv.line);
        if (code != WF_OK) {
            assert_int_equal(WF_INVALID, code);
            tool_text_char(out, '!');
        }
        for (size_t i = 0; code == WF_OK && i < csv.n; i++) {
            tool_text_printf(out, "%s%s", i ? "|" : "", csv.fields[i]);
        }
        tool_text_char(out, ';');
    }
    tool_csv_close(&csv);
}

static void records_are_split(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a,b\n1,2\n", "1:a|b;2:1|2;"},
        {"a,b\r\n1,2", "1:a|b;2:1|2;"},
        {"\xEF\xBB\xBFsku,b\n", "1:sku|b;"},
        {",\n\n,,\n", "1:|;3:||;"},
        {"\"a,b\",c\n", "1:a,b|c;"},
        {"\"a\"\"b\",\"\"\n", "1:a\"b|;"},
        {"\"two\nlines\",x\nnext,y\n", "1:two\nlines|x;3:next|y;"},
        {"3.5\" Pink,x\"y\"\n", "1:3.5\" Pink|x\"y\";"},
        {"\"a\"tail,b\n", "1:atail|b;"},
        {"ok\n\"open\n", "1:ok;2:!;"},
        {"", ""},
    };
    struct tool_text out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_all(*state, cases[i].in, strlen(cases[i].in), &out);
        assert_string_equal(cases[i].out, out.data);
    }
    tool_text_fini(&out);
}

static void a_nul_is_a_bad_line_and_no_end(void **state)
{
    struct tool_text out = {0};
    read_all(*state, "a\nb\0c\nd\n", 8, &out);
    assert_string_equal("1:a;2:!;3:d;", out.data);
    tool_text_fini(&out);
}

static void a_record_has_a_limit(void **state)
{
    struct tool_text in = {0}, out = {0};
    tool_text_str(&in, "\"");
    for (int i = 0; i < 40000; i++) {
        tool_text_str(&in, "thirty bytes of one long field\n");
    }
    tool_text_str(&in, "tail\"\nlast\n");
    read_all(*state, in.data, in.size, &out);
    assert_memory_equal("1:!;", out.data, 4);
    assert_non_null(strstr(out.data, ":last;"));
    tool_text_fini(&in);
    tool_text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_split, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_nul_is_a_bad_line_and_no_end, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_record_has_a_limit, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

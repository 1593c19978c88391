/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_file_test.c - rows out of every format, and bad rows that do not stop the rest.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/generation.h"
#include "tests/support/scratch.h"
#include "tools/text.h"
#include "tools/vector_file.h"

/* All rows as "1,2;", bad ones as "!;", a final error as "X"; or the error of opening. */
static void read_all(const char *path, uint32_t dim, struct tool_text *out)
{
    struct tool_vector_file file;
    struct wf_error err = {0};
    float row[WF_DIM_MAX];
    bool more = true;
    tool_text_clear(out);
    if (tool_vector_file_open(path, dim, &file, &err) != WF_OK) {
        tool_text_printf(out, "%s", err.text);
        return;
    }
    for (int i = 0; i < 10; i++) {
        enum wf_code code = tool_vector_file_next(&file, row, &more, &err);
        if (code == WF_OK && !more) {
            break;
        }
        if (code != WF_OK && code != WF_INVALID) {
            tool_text_char(out, 'X');
            break;
        }
        for (uint32_t j = 0; code == WF_OK && j < file.dim; j++) {
            tool_text_printf(out, "%s%g", j ? "," : "", (double)row[j]);
        }
        tool_text_str(out, code == WF_OK ? ";" : "!;");
    }
    tool_vector_file_close(&file);
}

static void put_fvec(struct tool_text *t, uint32_t dim, const float *values)
{
    tool_text_put(t, (const char *)&dim, 4);
    tool_text_put(t, (const char *)values, dim * 4);
}

static void fvecs_rows_come_one_by_one(void **state)
{
    static const float values[3] = {1.5F, -2, 3};
    const float bad[2] = {1, INFINITY};
    struct tool_text in = {0}, out = {0};
    put_fvec(&in, 2, values);
    put_fvec(&in, 3, values); /* another dimension: skipped by its own length */
    put_fvec(&in, 2, bad);
    put_fvec(&in, 2, values + 1);
    read_all(scratch_write(*state, "a.fvecs", in.data, in.size), 0, &out);
    assert_string_equal("1.5,-2;!;!;-2,3;", out.data);
    read_all(scratch_write(*state, "b.fvecs", in.data, in.size - 1), 0, &out);
    assert_string_equal("1.5,-2;!;!;X", out.data);
    read_all(scratch_write(*state, "c.fvecs", in.data, in.size), 3, &out);
    assert_non_null(strstr(out.data, "dimension 2, asked for 3"));
    tool_text_fini(&in);
    tool_text_fini(&out);
}

static void hostile_dimensions_end_it(void **state)
{
    struct tool_text out = {0};
    read_all(scratch_write(*state, "a.fvecs", "\xFF\xFF\xFF\x7F....", 8), 0, &out);
    assert_non_null(strstr(out.data, "outside 1 to 4096"));
    read_all(scratch_write(*state, "b.fvecs", "\0\0\0\0", 4), 0, &out);
    assert_non_null(strstr(out.data, "dimension 0"));
    read_all(scratch_write(*state, "c.bvecs", "", 0), 0, &out);
    assert_non_null(strstr(out.data, "no vectors"));
    tool_text_fini(&out);
}

static void bvecs_are_bytes(void **state)
{
    struct tool_text out = {0};
    read_all(scratch_write(*state, "a.bvecs", "\2\0\0\0\1\377\2\0\0\0\0\7", 12), 0, &out);
    assert_string_equal("1,255;0,7;", out.data);
    tool_text_fini(&out);
}

static void tsv_takes_tabs_blanks_and_commas(void **state)
{
    struct tool_text out = {0};
    read_all(scratch_text(*state, "a.tsv", "1\t2\t3\n4 5,6\n7\t8\n9\tx\t1\n\t1e3\t-2\t3"), 0, &out);
    assert_string_equal("1,2,3;4,5,6;!;!;1000,-2,3;", out.data);
    read_all(scratch_text(*state, "b.tsv", "1\t2\t0\n4\t5\t0\n"), 2, &out);
    assert_string_equal("1,2;4,5;", out.data);
    read_all(scratch_text(*state, "c.json", "[1, 2.5, -3]\n"), 0, &out);
    assert_string_equal("1,2.5,-3;", out.data);
    tool_text_fini(&out);
}

static void an_unknown_name_says_what_is_known(void **state)
{
    struct tool_text out = {0};
    read_all(scratch_text(*state, "a.xls", "1"), 0, &out);
    assert_non_null(strstr(out.data, ".npy .fvecs .bvecs and"));
    tool_text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fvecs_rows_come_one_by_one, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(hostile_dimensions_end_it, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(bvecs_are_bytes, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(tsv_takes_tabs_blanks_and_commas, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(an_unknown_name_says_what_is_known, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

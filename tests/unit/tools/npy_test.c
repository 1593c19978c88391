/* SPDX-License-Identifier: Apache-2.0
 *
 * npy_test.c - the header's language, all versions and types, and what is written is read.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "tests/support/scratch.h"
#include "tools/npy.h"
#include "tools/text.h"

/* An npy file in *out: version, header text, data. */
static void compose(struct tool_text *out, unsigned version, const char *header, const void *data,
                    size_t size)
{
    const size_t n = strlen(header);
    const char head[12] = {
        (char)0x93,     'N', 'U', 'M', 'P', 'Y', (char)version, 0, (char)(n & 255),
        (char)(n >> 8), 0,   0};
    tool_text_clear(out);
    tool_text_put(out, head, version == 1 ? 10 : 12);
    tool_text_put(out, header, n);
    tool_text_put(out, data, size);
}

static void every_version_and_type_is_read(void **state)
{
    (void)state;
    static const float f4[6] = {1, 2, 3, -4, 0.5F, 1e10F};
    static const double f8[6] = {1, 2, 3, -4, 0.5, 1e10};
    static const uint16_t f2[6] = {0x3C00, 0x4000, 0x4200, 0xC400, 0x3800, 0x7C00};
    static const struct {
        const char *type;
        const void *data;
        size_t size;
    } types[] = {{"<f4", f4, sizeof f4}, {"<f8", f8, sizeof f8}, {"<f2", f2, sizeof f2}};
    struct tool_text file = {0};
    struct wf_error err;
    for (unsigned version = 1; version <= 3; version++) {
        for (size_t t = 0; t < 3; t++) {
            char header[128];
            struct tool_npy npy;
            snprintf(header, sizeof header,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3), }   \n",
                     types[t].type);
            compose(&file, version, header, types[t].data, types[t].size);
            assert_int_equal(WF_OK, tool_npy_view(file.data, file.size, &npy, &err));
            assert_int_equal(2, npy.rows);
            assert_int_equal(3, npy.dim);
            for (int i = 0; i < 5; i++) {
                assert_true(npy.data[i] == f4[i]);
            }
            assert_true(t == 2 ? isinf(npy.data[5]) : npy.data[5] == 1e10F);
            tool_npy_close(&npy);
        }
    }
    tool_text_fini(&file);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *header, *text;
    } cases[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2)}", "header is not"},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2)}", "type '<i4'"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", "Fortran"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4097,)}", "4097 is outside"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "0 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2)}", "3 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4097)}", "4097 is outside"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5000000000, 1)}", "5000000000 rows"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", "wanted are 16"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999999999999999999)}", "not"},
        {"{'descr': '<f4', 'fortran_order': False}", "header is not"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1, 2)}", "header is not"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} x", "header is not"},
        {"", "header is not"},
    };
    static const float data[2] = {1, 2};
    struct tool_text file = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tool_npy npy;
        struct wf_error err = {0};
        compose(&file, 1, cases[i].header, data, sizeof data);
        assert_int_not_equal(WF_OK, tool_npy_view(file.data, file.size, &npy, &err));
        assert_non_null(strstr(err.text, cases[i].text));
    }
    tool_text_fini(&file);
}

static void one_dimension_is_one_row(void **state)
{
    (void)state;
    static const float data[2] = {1, 2};
    struct tool_text file = {0};
    struct tool_npy npy;
    compose(&file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", data,
            sizeof data);
    assert_int_equal(WF_OK, tool_npy_view(file.data, file.size, &npy, NULL));
    assert_int_equal(npy.rows, 1);
    assert_int_equal(npy.dim, 2);
    assert_true(npy.data[0] == 1 && npy.data[1] == 2);
    tool_npy_close(&npy);
    tool_text_fini(&file);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    static const float data[2] = {1, 2};
    struct tool_text file = {0};
    compose(&file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", data,
            sizeof data);
    for (size_t size = 0; size < file.size; size++) {
        char *part = wf_xmalloc(size + 1);
        struct tool_npy npy;
        memcpy(part, file.data, size);
        assert_int_not_equal(WF_OK, tool_npy_view(part, size, &npy, NULL));
        wf_xfree(part);
    }
    tool_text_fini(&file);
}

static void what_is_written_is_read(void **state)
{
    struct tool_npy_writer *w = NULL;
    struct tool_npy npy;
    struct wf_error err;
    float rows[30];
    const char *path = scratch_path(*state, "x.npy");
    for (int i = 0; i < 30; i++) {
        rows[i] = (float)i / 7;
    }
    assert_int_equal(WF_OK, tool_npy_create(path, 5, &w, &err));
    tool_npy_put(w, rows, 2);
    tool_npy_put(w, rows + 10, 4);
    assert_false(wf_exists(path));
    assert_int_equal(WF_OK, tool_npy_commit(w, &err));
    assert_int_equal(WF_OK, tool_npy_open(path, &npy, &err));
    assert_int_equal(6, npy.rows);
    assert_int_equal(5, npy.dim);
    assert_memory_equal(rows, npy.data, sizeof rows);
    assert_int_equal(0, (uintptr_t)npy.data % 64);
    tool_npy_close(&npy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_and_type_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(one_dimension_is_one_row),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test_setup_teardown(what_is_written_is_read, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * train_golden_test.c - golden rows come back as they were written, and damage is told.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "tests/support/scratch.h"
#include "tools/golden.h"

static void write_sample(const char *path)
{
    float rows[6] = {1, NAN, -3.5F, 4, 0, INFINITY}, margins[3] = {0.25F, -1, 7};
    const struct tool_golden g = {3, 2, 1, rows, margins};
    assert_int_equal(WF_OK, tool_golden_write(path, &g, NULL));
}

static void rows_come_back(void **state)
{
    char *path = tool_golden_path(scratch_path(*state, "m.json"));
    struct tool_golden g;
    assert_string_equal(".golden", strrchr(path, '.'));
    write_sample(path);
    assert_int_equal(WF_OK, tool_golden_read(path, &g, NULL));
    assert_int_equal(3, g.n_rows);
    assert_int_equal(2, g.n_features);
    assert_int_equal(1, g.n_outputs);
    assert_true(isnan(g.rows[1]) && g.rows[2] == -3.5F && isinf(g.rows[5]));
    assert_true(g.margins[0] == 0.25F && g.margins[2] == 7);
    tool_golden_fini(&g);
    wf_xfree(path);
}

static void damage_is_told(void **state)
{
    static const struct {
        size_t offset;
        uint32_t value;
        const char *says;
    } damages[] = {
        {0, 0, "WEFTGOLD"},           {8, 2, "version 2"},
        {12, 0, "rows: 0"},           {16, 1U << 31, "features: 2147483648"},
        {20, 0xFFFF, "outputs"},      {12, 4, "its head says"},
        {48, 0x7FC00000, "margin 0"},
    };
    char *good, *bytes;
    size_t size;
    struct tool_golden g;
    struct wf_error err;
    const char *path = scratch_path(*state, "g.golden");
    write_sample(path);
    assert_int_equal(WF_OK, wf_read_file(path, 1000, &good, &size, NULL));
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        bytes = wf_xmalloc(size);
        memcpy(bytes, good, size);
        memcpy(bytes + damages[i].offset, &damages[i].value, sizeof(uint32_t));
        path = scratch_write(*state, "bad", bytes, size);
        assert_int_equal(WF_DATA_LOSS, tool_golden_read(path, &g, &err));
        assert_non_null(strstr(err.text, damages[i].says));
        wf_xfree(bytes);
    }
    for (size_t n = 0; n < size; n += 3) {
        path = scratch_write(*state, "cut", good, n);
        assert_int_equal(WF_DATA_LOSS, tool_golden_read(path, &g, &err));
    }
    wf_xfree(good);
}

static void a_missing_file_is_not_found(void **state)
{
    struct tool_golden g;
    assert_int_equal(WF_NOT_FOUND, tool_golden_read(scratch_path(*state, "none"), &g, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_back, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(damage_is_told, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_not_found, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

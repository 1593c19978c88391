/* SPDX-License-Identifier: Apache-2.0
 *
 * rows_test.c - feature rows in every shape that people have them, and each fault by file and line.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/rows.h"

static const char *const names[] = {"price", "age", "colour"};
enum { N = 3, ROWS_MAX = 4 };

/* Reads `text` as a file; returns the first failure's code, with the rows before it. */
static enum wf_code read_all(const char *text, float out[ROWS_MAX][N], unsigned *n,
                             struct tool_rows *shape, struct wf_error *err)
{
    char path[] = "/tmp/weft-rows-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct tool_rows rows;
    enum wf_code code = tool_rows_open(path, names, N, &rows, err);
    bool more = true;
    for (*n = 0; code == WF_OK && *n < ROWS_MAX;) {
        code = tool_rows_next(&rows, out[*n], &more, err);
        if (code != WF_OK || !more) {
            break;
        }
        ++*n;
    }
    *shape = rows;
    tool_rows_close(&rows);
    unlink(path);
    return code;
}

static void every_shape_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1\t2\t3\n\tNA\t0.5\n",
        "1,2,3\n,nan,0.5\n",
        "1 2 3\nNA nan 0.5\n",
        "colour\tsku\tprice\tage\n3\tx1\t1\t2\n0.5\tx2\t\tNA\n",
        "\"age\",\"price\",\"colour\"\r\n2,1,3\r\n,,0.5\r\n",
        "1 0:1 1:2 2:3\n0 2:0.5 # comment\n",
        "0:1 1:2 2:3\n2:0.5\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        float rows[ROWS_MAX][N];
        unsigned n;
        struct tool_rows shape;
        struct wf_error err;
        if (read_all(texts[i], rows, &n, &shape, &err) != WF_OK) {
            fail_msg("case %zu: %s", i, err.text);
        }
        assert_int_equal(n, 2);
        assert_true(rows[0][0] == 1 && rows[0][1] == 2 && rows[0][2] == 3);
        assert_true(isnan(rows[1][0]) && isnan(rows[1][1]) && rows[1][2] == 0.5f);
    }
}

static void what_a_header_lacks_is_missing_and_counted(void **state)
{
    (void)state;
    float rows[ROWS_MAX][N];
    unsigned n;
    struct tool_rows shape;
    struct wf_error err;
    assert_int_equal(read_all("sku,price\nA,7\n", rows, &n, &shape, &err), WF_OK);
    assert_int_equal(n, 1);
    assert_true(rows[0][0] == 7 && isnan(rows[0][1]) && isnan(rows[0][2]));
    assert_int_equal(shape.unbound, 2);
    assert_int_equal(shape.left_out, 1);
}

static void faults_name_file_and_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1\t2\t3\n1\tx\t3\n", ":2: wanted a number or a missing value, found \"x\""},
        {"1\t2\t3\n1\t2\n", ":2: 2 columns, wanted 3"},
        {"1,2\n", ":1: 2 columns, wanted 3"},
        {"0:1 3:2\n", ":1: index 3, the model has features 0 to 2"},
        {"0:1 1:x\n", ":1: wanted index:value, found \"1:x\""},
        {"0:1\n-1:1\n", ":2: wanted index:value"},
        {"moon,sun\n1,2\n", "no column has a name"},
        {"price,price,age\n1,2,3\n", ":1: two columns are named \"price\""},
        {"1\t2\tinf\n", "no column has a name"},
        {"1\t2\t3\n1\t2\t1e99\n", ":2: wanted a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float rows[ROWS_MAX][N];
        unsigned n;
        struct tool_rows shape;
        struct wf_error err;
        assert_int_equal(read_all(cases[i][0], rows, &n, &shape, &err), WF_INVALID);
        if (strstr(err.text, cases[i][1]) == NULL) {
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.text, cases[i][1]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_read),
        cmocka_unit_test(what_a_header_lacks_is_missing_and_counted),
        cmocka_unit_test(faults_name_file_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * feature_column_test.c - features come back with their bits, in the fewest bytes, and codes
 * without a value are found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/hash.h"
#include "shard/feature_column.h"
#include "tests/support/scratch.h"

enum { ROWS = 200000 };
static const uint64_t seed = 4242;

static struct wf_container *write_column(struct scratch *s, const float *column, uint32_t rows)
{
    const char *path = scratch_path(s, "column.weft");
    struct wf_container_writer *w;
    struct wf_container *c;
    struct wf_error err;
    assert_int_equal(wf_container_create(path, &w, &err), WF_OK);
    shard_feature_write(w, "f", column, rows);
    assert_int_equal(wf_container_commit(w, &err), WF_OK);
    assert_int_equal(wf_container_open(path, &c, &err), WF_OK);
    return c;
}

static void assert_same(const struct shard_feature *f, const float *column, uint32_t rows)
{
    uint32_t *all = wf_xarray(uint32_t, rows + 1);
    float *got = wf_xarray(float, 2 * (size_t)rows + 2);
    for (uint32_t i = 0; i < rows; i++) {
        all[i] = rows - 1 - i;
    }
    shard_feature_gather(f, all, rows, got, 2);
    for (uint32_t i = 0; i < rows; i++) {
        assert_memory_equal(&got[2 * (size_t)i], &column[rows - 1 - i], sizeof(float));
        assert_true(got[2 * (size_t)i + 1] == 0);
    }
    wf_xfree(got);
    wf_xfree(all);
}

/* Any bits at all: every kind of NaN, both zeros, infinities. */
static float any_float(uint64_t random)
{
    const uint32_t bits = (uint32_t)random;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void columns_come_back_in_the_fewest_bytes(void **state)
{
    struct scratch *s = *state;
    static const struct {
        uint32_t values, width;
    } cases[] = {{1, 1}, {3, 1}, {256, 1}, {257, 2}, {65536, 2}, {65537, 4}, {ROWS, 4}};
    float *column = wf_xarray(float, ROWS);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wf_random r = wf_random_of(seed, i);
        const uint32_t first = (uint32_t)wf_random_next(&r);
        for (uint32_t row = 0; row < ROWS; row++) { /* every value is there */
            const uint64_t value =
                row < cases[i].values ? row : wf_random_below(&r, cases[i].values);
            column[row] = any_float(first + value * 16193);
        }
        struct wf_container *c = write_column(s, column, ROWS);
        struct shard_feature f = {0};
        struct wf_error err;
        assert_int_equal(shard_feature_open(c, "f", ROWS, &f, &err), WF_OK);
        assert_true(shard_feature_check(&f, ROWS));
        assert_int_equal(f.codes8 != NULL ? 1 : f.codes16 != NULL ? 2 : 4, cases[i].width);
        assert_same(&f, column, ROWS);
        wf_container_close(c);
    }
    wf_xfree(column);
}

static void zeros_and_nans_keep_their_bits(void **state)
{
    const float column[] = {
        0.0F, -0.0F, any_float(0x7fc00000), any_float(0xffc12345), 1, 0.0F, 1, 1, 1, 1, 1, 1};
    const uint32_t rows = sizeof column / sizeof column[0];
    struct wf_container *c = write_column(*state, column, rows);
    struct shard_feature f = {0};
    struct wf_error err;
    assert_int_equal(shard_feature_open(c, "f", rows, &f, &err), WF_OK);
    assert_int_equal(f.n_values, 5);
    assert_same(&f, column, rows);
    wf_container_close(c);
}

static void no_rows_and_few_rows_are_plain(void **state)
{
    const float column[] = {1, 2};
    for (uint32_t rows = 0; rows < 3; rows++) {
        struct wf_container *c = write_column(*state, column, rows);
        struct shard_feature f = {0};
        struct wf_error err;
        assert_int_equal(shard_feature_open(c, "f", rows, &f, &err), WF_OK);
        assert_null(f.codes8);
        assert_same(&f, column, rows);
        wf_container_close(c);
    }
}

static void write_parts(const char *path, size_t values, const void *codes, size_t size)
{
    static const float zeros[70000];
    struct wf_container_writer *w;
    struct wf_error err;
    assert_int_equal(wf_container_create(path, &w, &err), WF_OK);
    wf_container_add(w, "feature/f/values", zeros, values);
    wf_container_add(w, "feature/f/codes", codes, size);
    assert_int_equal(wf_container_commit(w, &err), WF_OK);
}

static void lies_are_found(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_path(s, "lies.weft");
    static const uint8_t narrow[] = {0, 1, 2, 3};
    static const uint16_t wide[] = {0, 1, 300, 301};
    static const struct {
        size_t values; /* bytes */
        const void *codes;
        size_t size;
        bool opens;
    } cases[] = {{12, narrow, 4, true},  {1204, wide, 8, true},       {0, narrow, 4, false},
                 {15, narrow, 4, false}, {4 * 65537, wide, 8, false}, {16, narrow, 3, false},
                 {16, wide, 8, false},   {4 * 257, narrow, 4, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wf_container *c;
        struct shard_feature f = {0};
        struct wf_error err;
        write_parts(path, cases[i].values, cases[i].codes, cases[i].size);
        assert_int_equal(wf_container_open(path, &c, &err), WF_OK);
        const enum wf_code code = shard_feature_open(c, "f", 4, &f, &err);
        assert_int_equal(code, cases[i].opens ? WF_OK : WF_DATA_LOSS);
        if (code == WF_OK) {
            assert_false(shard_feature_check(&f, 4)); /* the last code has no value */
            assert_true(shard_feature_check(&f, 3));
        }
        wf_container_close(c);
    }
}

#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        SCRATCH(columns_come_back_in_the_fewest_bytes),
        SCRATCH(zeros_and_nans_keep_their_bits),
        SCRATCH(no_rows_and_few_rows_are_plain),
        SCRATCH(lies_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

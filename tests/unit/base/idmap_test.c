/* SPDX-License-Identifier: Apache-2.0
 *
 * idmap_test.c - ids found and told back, for sizes around the edges; duplicates, long ids and
 * lying sections refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/generation.h"
#include "base/idmap.h"

static char dir[256], path[300];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/weft-idmap-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/ids.weft", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return wf_remove_tree(dir, NULL) == WF_OK ? 0 : -1;
}

static enum wf_code write_ids(const char *const *ids, uint32_t n, struct wf_error *err)
{
    struct wf_container_writer *w;
    enum wf_code code = wf_container_create(path, &w, err);
    assert_int_equal(code, WF_OK);
    code = wf_idmap_write(w, "ids", ids, n, err);
    if (code != WF_OK) {
        wf_container_abort(w);
        return code;
    }
    return wf_container_commit(w, err);
}

static void finds_every_id_and_no_other(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 2, 9, 10000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const uint32_t n = sizes[s];
        char **ids = wf_xarray(char *, n + 1);
        for (uint32_t i = 0; i < n; i++) {
            ids[i] = wf_xprintf(i % 2 == 0 ? "%u" : "0%u", i);
        }
        struct wf_error err;
        struct wf_container *c;
        struct wf_idmap m;
        assert_int_equal(write_ids((const char *const *)ids, n, &err), WF_OK);
        assert_int_equal(wf_container_open(path, &c, &err), WF_OK);
        assert_int_equal(wf_idmap_open(c, "ids", n, &m, &err), WF_OK);
        for (uint32_t i = 0; i < n; i++) {
            size_t size;
            assert_int_equal(wf_idmap_find(&m, ids[i], strlen(ids[i])), i);
            const char *back = wf_idmap_get(&m, i, &size);
            assert_int_equal(size, strlen(ids[i]));
            assert_memory_equal(back, ids[i], size);
        }
        for (uint32_t i = 0; i < 1000; i++) {
            char other[32];
            snprintf(other, sizeof other, "no-%u", i);
            assert_int_equal(wf_idmap_find(&m, other, strlen(other)), WF_NO_ROW);
        }
        assert_int_equal(wf_idmap_find(&m, "", 0), WF_NO_ROW);
        wf_container_close(c);
        for (uint32_t i = 0; i < n; i++) {
            wf_xfree(ids[i]);
        }
        wf_xfree(ids);
    }
}

static void refuses_what_is_no_id(void **state)
{
    (void)state;
    char longest[WF_SKU_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[WF_SKU_MAX] = '\0';
    const char *good[] = {longest, "b"};
    struct wf_error err;
    assert_int_equal(write_ids(good, 2, &err), WF_OK);
    longest[WF_SKU_MAX] = 'a';
    longest[WF_SKU_MAX + 1] = '\0';
    assert_int_equal(write_ids(good, 2, &err), WF_INVALID);
    const char *twice[] = {"a", "b", "a"};
    assert_int_equal(write_ids(twice, 3, &err), WF_INVALID);
    assert_non_null(strstr(err.text, "\"a\""));
    const char *empty[] = {"a", ""};
    assert_int_equal(write_ids(empty, 2, &err), WF_INVALID);
    const char *bytes[] = {"a", "\xff"};
    assert_int_equal(write_ids(bytes, 2, &err), WF_INVALID);
}

/* One section replaced by words that do not fit the others. */
static void lying_sections_are_data_loss(void **state)
{
    (void)state;
    static const uint32_t offsets[] = {0, 1, 2}, back[] = {0, 2, 1}, over[] = {0, 1, 9};
    static const uint64_t rising[] = {1, 2}, falling[] = {2, 1};
    static const uint32_t rows[] = {0, 1}, beyond[] = {0, 2};
    static const struct {
        const uint32_t *offsets;
        const char *bytes;
        const uint64_t *hashes;
        const uint32_t *rows;
        enum wf_code want;
    } cases[] = {{offsets, "ab", rising, rows, WF_OK},
                 {back, "ab", rising, rows, WF_DATA_LOSS},
                 {over, "ab", rising, rows, WF_DATA_LOSS},
                 {offsets, "a\xff", rising, rows, WF_DATA_LOSS},
                 {offsets, "ab", falling, rows, WF_DATA_LOSS},
                 {offsets, "ab", rising, beyond, WF_DATA_LOSS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wf_container_writer *w;
        struct wf_container *c;
        struct wf_error err;
        struct wf_idmap m;
        assert_int_equal(wf_container_create(path, &w, &err), WF_OK);
        wf_container_add(w, "ids/offsets", cases[i].offsets, 12);
        wf_container_add(w, "ids/bytes", cases[i].bytes, 2);
        wf_container_add(w, "ids/hashes", cases[i].hashes, 16);
        wf_container_add(w, "ids/rows", cases[i].rows, 8);
        assert_int_equal(wf_container_commit(w, &err), WF_OK);
        assert_int_equal(wf_container_open(path, &c, &err), WF_OK);
        assert_int_equal(wf_idmap_open(c, "ids", 2, &m, &err), cases[i].want);
        assert_int_equal(wf_idmap_open(c, "ids", 3, &m, &err), WF_DATA_LOSS);
        assert_int_equal(wf_idmap_open(c, "other", 2, &m, &err), WF_DATA_LOSS);
        wf_container_close(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_id_and_no_other),
        cmocka_unit_test(refuses_what_is_no_id),
        cmocka_unit_test(lying_sections_are_data_loss),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

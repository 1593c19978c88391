/* SPDX-License-Identifier: Apache-2.0
 *
 * container_test.c - what is written is read back, and no flipped bit, cut or hostile table passes.
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
#include "base/container.h"
#include "base/container_format.h"
#include "base/file.h"

struct fixture {
    char dir[256], path[300];
    unsigned char *bytes; /* of the file that set_up made */
    size_t size;
};

static void write_sample(const char *path)
{
    struct wf_container_writer *w;
    assert_int_equal(WF_OK, wf_container_create(path, &w, NULL));
    wf_container_add(w, "space/text/codes", "0123456789", 10);
    wf_container_begin(w, "empty");
    wf_container_begin(w, "ids");
    for (uint32_t i = 0; i < 100; i++) {
        wf_container_put(w, &i, sizeof i);
    }
    assert_int_equal(WF_OK, wf_container_commit(w, NULL));
}

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/weft-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/a.weft", f->dir);
    write_sample(f->path);
    char *text;
    assert_int_equal(WF_OK, wf_read_file(f->path, 1 << 20, &text, &f->size, NULL));
    f->bytes = (unsigned char *)text;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(WF_OK, wf_remove_tree(f->dir, NULL));
    wf_xfree(f->bytes);
    wf_xfree(f);
    return 0;
}

static void sections_come_back_aligned(void **state)
{
    struct fixture *f = *state;
    struct wf_container *c;
    struct wf_error err;
    assert_int_equal(WF_OK, wf_container_open(f->path, &c, &err));
    assert_int_equal(WF_OK, wf_container_verify(c, &err));
    assert_int_equal(3, wf_container_count(c));
    assert_int_equal(f->size, wf_container_size(c));
    const struct wf_section *s = wf_container_find(c, "space/text/codes");
    assert_ptr_equal(s, wf_container_at(c, 0));
    assert_int_equal(0, (uintptr_t)s->data % 64);
    assert_int_equal(10, s->size);
    assert_memory_equal("0123456789", s->data, 10);
    assert_int_equal(0, wf_container_find(c, "empty")->size);
    assert_null(wf_container_find(c, "space"));
    wf_container_close(c);
}

static void get_wants_the_exact_shape(void **state)
{
    struct fixture *f = *state;
    struct wf_container *c;
    struct wf_error err;
    const void *ids = NULL;
    assert_int_equal(WF_OK, wf_container_open(f->path, &c, &err));
    assert_int_equal(WF_OK, wf_container_get(c, "ids", 100, 4, &ids, &err));
    assert_int_equal(99, ((const uint32_t *)ids)[99]);
    assert_int_equal(WF_DATA_LOSS, wf_container_get(c, "ids", 101, 4, &ids, &err));
    assert_non_null(strstr(err.text, "section ids has 400 bytes, want 101 of 4"));
    assert_int_equal(WF_DATA_LOSS, wf_container_get(c, "ids", SIZE_MAX / 2, 8, &ids, &err));
    assert_int_equal(WF_DATA_LOSS, wf_container_get(c, "none", 1, 1, &ids, &err));
    wf_container_close(c);
}

static void the_whole_hash_is_that_of_the_file(void **state)
{
    struct fixture *f = *state;
    struct wf_container *c;
    struct wf_hash128 got;
    const struct wf_hash128 want = wf_hash128(f->bytes, f->size);
    assert_int_equal(WF_OK, wf_container_open(f->path, &c, NULL));
    assert_int_equal(WF_OK, wf_container_verify_hash(c, NULL, &got, NULL));
    assert_memory_equal(&want, &got, sizeof got);
    wf_container_close(c);
}

/* WF_OK when the bytes open and verify. */
static enum wf_code judge(const unsigned char *bytes, size_t size)
{
    struct wf_container *c;
    enum wf_code code = wf_container_view(bytes, size, &c, NULL);
    if (code == WF_OK) {
        code = wf_container_verify(c, NULL);
        wf_container_close(c);
    }
    return code;
}

static void every_flipped_bit_is_seen(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(WF_OK, judge(f->bytes, f->size));
    for (size_t i = 0; i < f->size * 8; i++) {
        f->bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_int_equal(WF_DATA_LOSS, judge(f->bytes, f->size));
        f->bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
}

static void every_cut_is_seen(void **state)
{
    struct fixture *f = *state;
    for (size_t size = 0; size < f->size; size++) {
        unsigned char *part = wf_xmalloc(size);
        memcpy(part, f->bytes, size);
        assert_int_equal(WF_DATA_LOSS, judge(part, size));
        wf_xfree(part);
    }
}

/* Sets the hash of the table right again, as a hostile writer would. */
static void rehash(struct fixture *f)
{
    struct wf_container_head head;
    memcpy(&head, f->bytes, sizeof head);
    head.toc_hash = wf_hash128(f->bytes + head.toc_offset, (size_t)head.toc_size);
    memcpy(f->bytes, &head, sizeof head);
}

static void a_hostile_table_is_refused(void **state)
{
    struct fixture *f = *state;
    struct wf_container_entry *toc, good[3];
    toc = (void *)(f->bytes + f->size - sizeof good);
    memcpy(good, toc, sizeof good);
    const struct wf_container_entry bad[] = {
        {.name = "x", .offset = UINT64_MAX - 63, .size = 64},
        {.name = "x", .offset = 64, .size = UINT64_MAX},
        {.name = "x", .offset = 65, .size = 1},
        {.name = "x", .offset = 0, .size = 1},
        {.name = "", .offset = 64, .size = 1},
        {.name = "a b", .offset = 64, .size = 1},
        {.name = "ids", .offset = 64, .size = 10}, /* twice */
        {.name = "x", .offset = 64, .size = 300},  /* over the next one */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        toc[0] = bad[i];
        rehash(f);
        assert_int_equal(WF_DATA_LOSS, judge(f->bytes, f->size));
    }
    memcpy(toc, good, sizeof good);
    rehash(f);
    assert_int_equal(WF_OK, judge(f->bytes, f->size));
}

static void a_hostile_head_is_refused(void **state)
{
    struct fixture *f = *state;
    struct wf_container_head head, good;
    memcpy(&good, f->bytes, sizeof good);
    for (unsigned i = 0; i < 5; i++) {
        head = good;
        head.version += i == 0;
        head.n_sections = i == 1 ? UINT32_MAX : head.n_sections;
        head.toc_offset = i == 2 ? UINT64_MAX - 63 : head.toc_offset;
        head.toc_size = i == 3 ? UINT64_MAX : head.toc_size;
        head.toc_offset = i == 4 ? 0 : head.toc_offset;
        memcpy(f->bytes, &head, sizeof head);
        assert_int_equal(WF_DATA_LOSS, judge(f->bytes, f->size));
    }
}

static void misuse_is_reported_by_commit_and_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    struct wf_container_writer *w;
    char path[320];
    snprintf(path, sizeof path, "%s.new", f->path);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(WF_OK, wf_container_create(path, &w, &err));
        if (i == 0) {
            wf_container_put(w, "x", 1);
        } else {
            wf_container_add(w, "name", "x", 1);
            wf_container_add(w, i == 1 ? "name" : "bad name", "x", 1);
        }
        assert_int_equal(WF_INVALID, wf_container_commit(w, &err));
        assert_false(wf_exists(path));
    }
    assert_int_equal(WF_OK, wf_container_create(path, &w, &err));
    wf_container_abort(w);
    assert_false(wf_exists(path));
}

static void an_empty_container_is_one(void **state)
{
    struct fixture *f = *state;
    struct wf_container_writer *w;
    struct wf_container *c;
    assert_int_equal(WF_OK, wf_container_create(f->path, &w, NULL));
    assert_int_equal(WF_OK, wf_container_commit(w, NULL));
    assert_int_equal(WF_OK, wf_container_open(f->path, &c, NULL));
    assert_int_equal(WF_OK, wf_container_verify(c, NULL));
    assert_int_equal(0, wf_container_count(c));
    assert_null(wf_container_find(c, "x"));
    wf_container_close(c);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(sections_come_back_aligned),
        WITH_FILE(get_wants_the_exact_shape),
        WITH_FILE(the_whole_hash_is_that_of_the_file),
        WITH_FILE(every_flipped_bit_is_seen),
        WITH_FILE(every_cut_is_seen),
        WITH_FILE(a_hostile_table_is_refused),
        WITH_FILE(a_hostile_head_is_refused),
        WITH_FILE(misuse_is_reported_by_commit_and_leaves_no_file),
        WITH_FILE(an_empty_container_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

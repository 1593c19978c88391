/* SPDX-License-Identifier: Apache-2.0
 *
 * seal_test.c - a seal holds for what it was written for and for nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/seal.h"
#include "tests/support/scratch.h"

static struct wf_seal example(void)
{
    return (struct wf_seal){.path = "shard-000/shard.weft",
                            .generation = "0123456789abcdef0123456789abcdef",
                            .hash = {.lo = 1, .hi = 2},
                            .stamp = {.device = 3,
                                      .inode = UINT64_MAX,
                                      .size = 5,
                                      .modified_ns = -6,
                                      .changed_ns = 7,
                                      .seen_ns = 8 + 10 * WF_SECOND}};
}

static void it_holds_for_the_same_alone(void **state)
{
    struct scratch *s = *state;
    const char *file = scratch_path(s, "seal");
    struct wf_seal seal = example();
    struct wf_error err;
    assert_false(wf_seal_holds(file, &seal));
    assert_int_equal(wf_seal_write(file, &seal, &err), WF_OK);
    assert_true(wf_seal_holds(file, &seal));
    seal.stamp.seen_ns++; /* of no account */
    assert_true(wf_seal_holds(file, &seal));
    struct wf_seal others[8];
    for (int i = 0; i < 8; i++) {
        others[i] = seal;
    }
    others[0].path[0] = 'x';
    others[1].generation[31] = '0';
    others[2].hash.lo++;
    others[3].stamp.device++;
    others[4].stamp.inode--;
    others[5].stamp.size++;
    others[6].stamp.modified_ns++;
    others[7].stamp.changed_ns++;
    for (int i = 0; i < 8; i++) {
        assert_false(wf_seal_holds(file, &others[i]));
    }
    wf_seal_remove(file);
    wf_seal_remove(file);
    assert_false(wf_seal_holds(file, &seal));
}

static void write_over(const char *path, const char *text, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void any_other_byte_is_no_seal(void **state)
{
    struct scratch *s = *state;
    const char *file = scratch_path(s, "seal"), *other = scratch_path(s, "other");
    const struct wf_seal seal = example();
    struct wf_error err;
    char *text;
    size_t size;
    assert_int_equal(wf_seal_write(file, &seal, &err), WF_OK);
    assert_int_equal(wf_read_file(file, 4096, &text, &size, &err), WF_OK);
    for (size_t i = 0; i < size; i++) {
        text[i] ^= 1;
        write_over(other, text, size);
        assert_false(wf_seal_holds(other, &seal));
        text[i] ^= 1;
        write_over(other, text, i); /* cut */
        assert_false(wf_seal_holds(other, &seal));
    }
    write_over(other, text, size + 1); /* grown, by a NUL */
    assert_false(wf_seal_holds(other, &seal));
    wf_xfree(text);
}

/* A directory, a pipe that nobody writes to, a name that cannot be. */
static void odd_files_are_no_seals(void **state)
{
    struct scratch *s = *state;
    const struct wf_seal seal = example();
    struct wf_error err;
    assert_int_equal(mkfifo(scratch_path(s, "pipe"), 0600), 0);
    assert_false(wf_seal_holds(s->dir, &seal));
    assert_false(wf_seal_holds(scratch_path(s, "pipe"), &seal));
    assert_false(wf_seal_holds("/dev/zero", &seal));
    assert_false(wf_seal_holds("", &seal));
    assert_int_not_equal(wf_seal_write(scratch_path(s, "no/such/place"), &seal, &err), WF_OK);
}

static void what_has_just_changed_is_not_sealed(void **state)
{
    struct scratch *s = *state;
    const char *file = scratch_path(s, "seal");
    struct wf_seal seal = example();
    struct wf_error err;
    static const int64_t ages[] = {-WF_SECOND, 0, 50 * WF_MILLISECOND};
    for (size_t i = 0; i < 3; i++) {
        seal.stamp.seen_ns = seal.stamp.changed_ns + ages[i];
        assert_int_equal(wf_seal_write(file, &seal, &err), WF_PRECONDITION);
    }
    seal.stamp.changed_ns = 60 * WF_SECOND; /* a file system that counts in seconds */
    seal.stamp.seen_ns = 61 * WF_SECOND;
    assert_int_equal(wf_seal_write(file, &seal, &err), WF_PRECONDITION);
    assert_false(wf_seal_holds(file, &seal));
}

/* The stamp is that of the descriptor, and moves with every way to change a file. */
static void stamps_tell_changes(void **state)
{
    struct scratch *s = *state;
    struct wf_map first, second;
    struct wf_error err;
    const char *path = scratch_text(s, "data", "some bytes");
    assert_int_equal(wf_map_open(path, &first, &err), WF_OK);
    assert_int_equal(first.stamp.size, 10);
    assert_true(first.stamp.seen_ns >= first.stamp.changed_ns);
    struct wf_writer *w; /* by rename */
    assert_int_equal(wf_writer_open(path, &w, &err), WF_OK);
    wf_writer_put(w, "some bytes", 10);
    assert_int_equal(wf_writer_commit(w, &err), WF_OK);
    assert_int_equal(wf_map_open(path, &second, &err), WF_OK);
    assert_int_not_equal(first.stamp.inode, second.stamp.inode);
    wf_map_close(&first);
    wf_map_close(&second);
}

#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH(it_holds_for_the_same_alone), SCRATCH(any_other_byte_is_no_seal),
        SCRATCH(odd_files_are_no_seals),      SCRATCH(what_has_just_changed_is_not_sealed),
        SCRATCH(stamps_tell_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

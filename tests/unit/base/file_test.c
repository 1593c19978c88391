/* SPDX-License-Identifier: Apache-2.0
 *
 * file_test.c - atomic writing, mapping, directories, UTF-8, and reading of plain, gzip and zstd
 * input, whole and damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"

struct fixture {
    char dir[256], path[300];
};

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/weft-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/file", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(WF_OK, wf_remove_tree(f->dir, NULL));
    assert_false(wf_exists(f->dir));
    wf_xfree(f);
    return 0;
}

static void write_file(const char *path, const void *data, size_t size, bool compress)
{
    struct wf_writer *w;
    assert_int_equal(WF_OK, wf_writer_open(path, &w, NULL));
    if (compress) {
        wf_writer_compress(w);
    }
    wf_writer_put(w, data, size);
    assert_int_equal(size, wf_writer_size(w));
    assert_int_equal(WF_OK, wf_writer_commit(w, NULL));
}

static void write_gzip(const char *path, const char *data, size_t size, const char *mode)
{
    gzFile gz = gzopen(path, mode);
    assert_non_null(gz);
    assert_int_equal(size, gzwrite(gz, data, (unsigned)size));
    assert_int_equal(Z_OK, gzclose(gz));
}

static void nothing_is_visible_before_commit(void **state)
{
    struct fixture *f = *state;
    struct wf_writer *w;
    char *text;
    size_t size;
    write_file(f->path, "old", 3, false);
    assert_int_equal(WF_OK, wf_writer_open(f->path, &w, NULL));
    wf_writer_printf(w, "%s %d", "new", 1);
    wf_writer_abort(w);
    wf_writer_abort(NULL);
    assert_int_equal(WF_OK, wf_read_file(f->path, 3, &text, &size, NULL));
    assert_string_equal("old", text);
    wf_xfree(text);
    assert_int_equal(WF_OK, wf_writer_open(f->path, &w, NULL));
    wf_writer_printf(w, "%s %d", "new", 1);
    wf_writer_printf(w, "%700d", 7);
    wf_writer_patch(w, 0, "N", 1);
    assert_int_equal(WF_OK, wf_writer_commit(w, NULL));
    assert_int_equal(WF_OK, wf_read_file(f->path, 1000, &text, &size, NULL));
    assert_int_equal(705, size);
    assert_memory_equal("New 1  ", text, 7);
    wf_xfree(text);
}

static void errors_name_the_path(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    struct wf_writer *w;
    struct wf_map map;
    struct wf_reader *r;
    char *text;
    size_t size;
    char path[320];
    snprintf(path, sizeof path, "%s/no/file", f->dir);
    assert_int_equal(WF_NOT_FOUND, wf_writer_open(path, &w, &err));
    assert_non_null(strstr(err.text, path));
    assert_int_equal(WF_NOT_FOUND, wf_map_open(path, &map, &err));
    assert_int_equal(WF_NOT_FOUND, wf_reader_open(path, &r, &err));
    assert_int_equal(WF_INVALID, wf_map_open(f->dir, &map, &err));
    assert_int_equal(WF_INTERNAL, wf_reader_open(f->dir, &r, &err));
    write_file(f->path, "four", 4, false);
    assert_int_equal(WF_INVALID, wf_read_file(f->path, 3, &text, &size, &err));
    assert_non_null(strstr(err.text, "limit of 3 bytes"));
}

static void maps_are_the_file(void **state)
{
    struct fixture *f = *state;
    struct wf_map map;
    write_file(f->path, "bytes", 5, false);
    assert_int_equal(WF_OK, wf_map_open(f->path, &map, NULL));
    assert_int_equal(5, map.size);
    assert_memory_equal("bytes", map.data, 5);
    wf_map_close(&map);
    write_file(f->path, "", 0, false);
    assert_int_equal(WF_OK, wf_map_open(f->path, &map, NULL));
    assert_int_equal(0, map.size);
    wf_map_close(&map);
}

/* 2 MB of lines "line <i> xxxx\n" whose length varies. */
static char *many_lines(size_t *size)
{
    char *text = wf_xmalloc(4 << 20);
    size_t n = 0;
    for (int i = 0; n < 2 << 20; i++) {
        n += (size_t)snprintf(
            text + n, 256, "line %d %.*s%s", i, i % 90,
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "xxxxxxxxxxxxxxxxxxxxxxxx",
            i % 3 == 0 ? "\r\n" : "\n");
    }
    *size = n;
    return text;
}

static void check_lines(const char *path)
{
    struct wf_reader *r;
    char *line, want[32];
    size_t size;
    int i = 0;
    assert_int_equal(WF_OK, wf_reader_open(path, &r, NULL));
    for (;; i++) {
        assert_int_equal(WF_OK, wf_reader_line(r, 200, &line, &size, NULL));
        if (line == NULL) {
            break;
        }
        const size_t n = (size_t)snprintf(want, sizeof want, "line %d ", i);
        assert_memory_equal(want, line, n);
        assert_int_equal(n + (size_t)(i % 90), size);
        assert_int_equal(0, line[size]);
        assert_int_equal(i + 1, wf_reader_line_number(r));
    }
    assert_true(i > 30000);
    assert_int_equal(wf_reader_total(r), wf_reader_bytes(r));
    wf_reader_close(r);
}

static void the_format_is_told_by_content(void **state)
{
    struct fixture *f = *state;
    size_t size;
    char *text = many_lines(&size);
    write_file(f->path, text, size, false);
    check_lines(f->path);
    write_file(f->path, text, size, true);
    check_lines(f->path);
    write_gzip(f->path, text, size, "wb");
    check_lines(f->path);
    wf_xfree(text);
}

static void read_gives_the_bytes_in_any_portion(void **state)
{
    struct fixture *f = *state;
    size_t size, got;
    char *text = many_lines(&size), *back = wf_xmalloc(size + 10);
    write_file(f->path, text, size, true);
    struct wf_reader *r;
    assert_int_equal(WF_OK, wf_reader_open(f->path, &r, NULL));
    char *line;
    size_t n;
    assert_int_equal(WF_OK, wf_reader_line(r, 200, &line, &n, NULL)); /* lines, then blocks */
    size_t at = 9;
    for (size_t step = 1; at < size; at += got, step = step * 3) {
        assert_int_equal(WF_OK, wf_reader_read(r, back + at, step, &got, NULL));
        assert_true(got == step || at + got == size);
    }
    assert_memory_equal(text + 9, back + 9, size - 9);
    assert_int_equal(WF_OK, wf_reader_read(r, back, 10, &got, NULL));
    assert_int_equal(0, got);
    wf_reader_close(r);
    wf_xfree(text);
    wf_xfree(back);
}

static void several_gzip_members_are_one_stream(void **state)
{
    struct fixture *f = *state;
    struct wf_reader *r;
    char back[16];
    size_t got;
    write_gzip(f->path, "one ", 4, "wb");
    write_gzip(f->path, "two", 3, "ab");
    assert_int_equal(WF_OK, wf_reader_open(f->path, &r, NULL));
    assert_int_equal(WF_OK, wf_reader_read(r, back, sizeof back, &got, NULL));
    assert_int_equal(7, got);
    assert_memory_equal("one two", back, 7);
    wf_reader_close(r);
}

/* Reads to the end; the code that came last. */
static enum wf_code drain(const char *path)
{
    struct wf_reader *r;
    char back[4096];
    size_t got = 1;
    enum wf_code code = wf_reader_open(path, &r, NULL);
    assert_int_equal(WF_OK, code);
    while (code == WF_OK && got > 0) {
        code = wf_reader_read(r, back, sizeof back, &got, NULL);
    }
    if (code != WF_OK) { /* and it stays so */
        assert_int_equal(code, wf_reader_read(r, back, 1, &got, NULL));
    }
    wf_reader_close(r);
    return code;
}

static void damage_and_cuts_of_a_stream_are_seen(void **state)
{
    struct fixture *f = *state;
    char text[3000], copy[320];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i * i % 23);
    }
    for (unsigned gzip = 0; gzip < 2; gzip++) {
        if (gzip) {
            write_gzip(f->path, text, sizeof text, "wb");
        } else {
            write_file(f->path, text, sizeof text, true);
        }
        assert_int_equal(WF_OK, drain(f->path));
        char *bytes;
        size_t size;
        assert_int_equal(WF_OK, wf_read_file(f->path, 1 << 20, &bytes, &size, NULL));
        snprintf(copy, sizeof copy, "%s.copy", f->path);
        for (size_t cut = 4; cut < size; cut += 7) {
            write_file(copy, bytes, cut, false);
            assert_int_equal(WF_DATA_LOSS, drain(copy));
        }
        bytes[size / 2] ^= 16;
        write_file(copy, bytes, size, false);
        assert_int_equal(WF_DATA_LOSS, drain(copy));
        wf_xfree(bytes);
    }
}

static void a_line_too_long_is_skipped_by_number(void **state)
{
    struct fixture *f = *state;
    struct wf_reader *r;
    struct wf_error err;
    char *line;
    size_t size;
    struct wf_writer *w;
    assert_int_equal(WF_OK, wf_writer_open(f->path, &w, NULL));
    wf_writer_printf(w, "first\n12345\r\n123456\n%0300000d\n\nlast", 7);
    assert_int_equal(WF_OK, wf_writer_commit(w, NULL));
    assert_int_equal(WF_OK, wf_reader_open(f->path, &r, NULL));
    assert_int_equal(WF_OK, wf_reader_line(r, 5, &line, &size, &err));
    assert_string_equal("first", line);
    assert_int_equal(WF_OK, wf_reader_line(r, 5, &line, &size, &err));
    assert_string_equal("12345", line);
    assert_int_equal(WF_INVALID, wf_reader_line(r, 5, &line, &size, &err));
    assert_non_null(strstr(err.text, "file:3: line is longer than 5 bytes"));
    assert_int_equal(WF_INVALID, wf_reader_line(r, 5, &line, &size, &err));
    assert_int_equal(WF_OK, wf_reader_line(r, 5, &line, &size, &err));
    assert_string_equal("", line);
    assert_int_equal(WF_OK, wf_reader_line(r, 5, &line, &size, &err));
    assert_string_equal("last", line);
    assert_int_equal(6, wf_reader_line_number(r));
    assert_int_equal(WF_OK, wf_reader_line(r, 5, &line, &size, &err));
    assert_null(line);
    wf_reader_close(r);
}

static void an_empty_file_has_no_lines(void **state)
{
    struct fixture *f = *state;
    struct wf_reader *r;
    char *line = (char *)1;
    size_t size;
    for (unsigned compress = 0; compress < 2; compress++) {
        write_file(f->path, "", 0, compress);
        assert_int_equal(WF_OK, wf_reader_open(f->path, &r, NULL));
        assert_int_equal(WF_OK, wf_reader_line(r, 5, &line, &size, NULL));
        assert_null(line);
        wf_reader_close(r);
    }
    wf_reader_close(NULL);
}

static void directories_are_made_published_and_removed(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    char from[320], to[320], deep[400];
    snprintf(from, sizeof from, "%s/from", f->dir);
    snprintf(to, sizeof to, "%s/to", f->dir);
    snprintf(deep, sizeof deep, "%s//a/b/", from);
    assert_int_equal(WF_OK, wf_mkdirs(deep, &err));
    assert_int_equal(WF_OK, wf_mkdirs(deep, &err));
    assert_int_equal(WF_OK, wf_publish_dir(from, to, &err));
    assert_false(wf_exists(from));
    assert_int_equal(WF_OK, wf_mkdirs(from, &err));
    assert_int_equal(WF_EXISTS, wf_publish_dir(from, to, &err));
    write_file(f->path, "x", 1, false);
    assert_int_equal(WF_EXISTS, wf_publish_dir(from, f->path, &err));
    snprintf(deep, sizeof deep, "%s/a", f->path);
    assert_int_not_equal(WF_OK, wf_mkdirs(deep, &err));
    snprintf(deep, sizeof deep, "%s/link", to);
    assert_int_equal(0, symlink(f->path, deep)); /* removed, not followed */
    assert_int_equal(WF_OK, wf_remove_tree(to, &err));
    assert_int_equal(WF_OK, wf_remove_tree(to, &err));
    assert_true(wf_exists(f->path));
}

static void utf8_follows_the_standard(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x91\x97",
                                       "\xed\x9f\xbf",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xc2\x80"};
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xc3",         "\xe2\x82",         "a\xffz",           "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(wf_utf8_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(wf_utf8_valid(bad[i], strlen(bad[i])));
    }
    assert_false(wf_utf8_valid("a\0b", 3));
    char text[] = "words of eight bytes at once"; /* wherever the odd byte stands */
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        const char kept[2] = {text[i], text[i + 1]};
        static const char odd[] = {'\0', '\x80', '\xff', '\x7f', '\x01'};
        for (size_t j = 0; j < sizeof odd; j++) {
            text[i] = odd[j];
            assert_int_equal(wf_utf8_valid(text, sizeof text - 1), j > 2);
        }
        text[i] = '\xc3';
        text[i + 1] = '\xa9';
        assert_int_equal(wf_utf8_valid(text, sizeof text - 1), i + 2 < sizeof text);
        text[i] = kept[0];
        text[i + 1] = kept[1];
    }
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(nothing_is_visible_before_commit),
        WITH_DIR(errors_name_the_path),
        WITH_DIR(maps_are_the_file),
        WITH_DIR(the_format_is_told_by_content),
        WITH_DIR(read_gives_the_bytes_in_any_portion),
        WITH_DIR(several_gzip_members_are_one_stream),
        WITH_DIR(damage_and_cuts_of_a_stream_are_seen),
        WITH_DIR(a_line_too_long_is_skipped_by_number),
        WITH_DIR(an_empty_file_has_no_lines),
        WITH_DIR(directories_are_made_published_and_removed),
        cmocka_unit_test(utf8_follows_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

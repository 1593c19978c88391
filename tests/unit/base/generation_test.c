/* SPDX-License-Identifier: Apache-2.0
 *
 * generation_test.c - a small generation is written, opened, damaged in every way we know, and
 * refused with the damage named.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/generation.h"

struct fixture {
    char dir[256];
    struct wf_manifest *written;
    char *text; /* of manifest.json */
    size_t size;
};

static void write_container(const char *dir, const char *file, unsigned fill)
{
    char path[400];
    struct wf_container_writer *w;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    *strrchr(path, '/') = '\0';
    assert_int_equal(WF_OK, wf_mkdirs(path, NULL));
    snprintf(path, sizeof path, "%s/%s", dir, file);
    assert_int_equal(WF_OK, wf_container_create(path, &w, NULL));
    unsigned char data[1000];
    memset(data, (int)fill, sizeof data);
    wf_container_add(w, "ids/bytes", data, sizeof data);
    wf_container_add(w, "space/text/codes", data, 77);
    assert_int_equal(WF_OK, wf_container_commit(w, NULL));
}

static struct wf_manifest *make_manifest(uint32_t n_shards)
{
    struct wf_manifest *m = wf_xcalloc(1, sizeof *m);
    m->n_shards = n_shards;
    m->created_ms = 1767225600000;
    m->as_of = 42;
    m->shard_rows = wf_xarray(uint64_t, n_shards);
    for (uint32_t i = 0; i < n_shards; i++) {
        m->rows += m->shard_rows[i] = 10 + i;
    }
    snprintf(m->schema.attrs[m->schema.n_attrs].name, WF_NAME_MAX, "brand");
    m->schema.attrs[m->schema.n_attrs++].type = WF_ATTR_KEYWORD;
    snprintf(m->schema.spaces[0].name, WF_NAME_MAX, "text");
    snprintf(m->schema.spaces[0].content_id, WF_NAME_MAX, "v1");
    m->schema.spaces[0].dim = 8;
    m->schema.spaces[0].metric = WF_METRIC_COSINE;
    m->schema.n_spaces = 1;
    snprintf(m->schema.roles[WF_ROLE_BRAND], WF_NAME_MAX, "brand");
    return m;
}

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/weft-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    write_container(f->dir, "global/global.weft", 1);
    write_container(f->dir, "shard-000/shard.weft", 2);
    write_container(f->dir, "shard-001/shard.weft", 3);
    f->written = make_manifest(2);
    struct wf_error err;
    assert_int_equal(WF_OK, wf_manifest_write(f->dir, f->written, &err));
    char path[300];
    snprintf(path, sizeof path, "%s/manifest.json", f->dir);
    assert_int_equal(WF_OK, wf_read_file(path, 1 << 20, &f->text, &f->size, NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(WF_OK, wf_remove_tree(f->dir, NULL));
    wf_manifest_close(f->written);
    wf_manifest_close(NULL);
    wf_xfree(f->text);
    wf_xfree(f);
    return 0;
}

static void what_is_written_is_read_back(void **state)
{
    struct fixture *f = *state;
    struct wf_manifest *m;
    struct wf_error err;
    assert_int_equal(WF_OK, wf_manifest_open(f->dir, &m, &err));
    assert_string_equal(f->written->name, m->name);
    assert_string_equal(f->written->content_hash, m->content_hash);
    assert_int_equal(16, strlen(m->name));
    assert_memory_equal(m->name, m->content_hash, 16);
    assert_memory_equal(&f->written->schema, &m->schema, sizeof m->schema);
    assert_int_equal(2, m->n_shards);
    assert_int_equal(21, m->rows);
    assert_int_equal(11, m->shard_rows[1]);
    assert_int_equal(42, m->as_of);
    assert_int_equal(3, m->n_files);
    assert_string_equal("global/global.weft", m->files[0].path);
    assert_string_equal("shard-001/shard.weft", m->files[2].path);
    wf_manifest_close(m);
}

static void the_content_hash_follows_the_header(void **state)
{
    struct fixture *f = *state;
    char all[2000], hex[33];
    size_t n = 0;
    for (unsigned i = 0; i < 3; i++) {
        wf_hash128_hex(f->written->files[i].hash, hex);
        n += (size_t)snprintf(all + n, sizeof all - n, "%s %llu %s\n", f->written->files[i].path,
                              (unsigned long long)f->written->files[i].size, hex);
    }
    n += (size_t)snprintf(all + n, sizeof all - n,
                          "{\"attributes\":[{\"name\":\"brand\",\"type\":\"keyword\"}],"
                          "\"description\":\"\",\"roles\":{\"brand\":\"brand\"},"
                          "\"simulated_events\":false,\"spaces\":[{\"content_id\":\"v1\",\"dim\":8,"
                          "\"metric\":\"cosine\",\"name\":\"text\"}]}");
    wf_hash128_hex(wf_hash128(all, n), hex);
    assert_string_equal(hex, f->written->content_hash);
}

static void equal_content_gives_an_equal_name(void **state)
{
    struct fixture *f = *state;
    char first[17];
    memcpy(first, f->written->name, sizeof first);
    f->written->created_ms++;
    assert_int_equal(WF_OK, wf_manifest_write(f->dir, f->written, NULL));
    assert_string_equal(first, f->written->name);
    write_container(f->dir, "shard-001/shard.weft", 4);
    assert_int_equal(WF_OK, wf_manifest_write(f->dir, f->written, NULL));
    assert_string_not_equal(first, f->written->name);
}

static void files_open_verified(void **state)
{
    struct fixture *f = *state;
    struct wf_container *c;
    struct wf_error err;
    assert_int_equal(WF_OK,
                     wf_generation_file(f->dir, f->written, "shard-001/shard.weft", &c, &err));
    assert_int_equal(3, wf_container_find(c, "ids/bytes")->data[999]);
    wf_container_close(c);
    static const char *const others[] = {"shard-002/shard.weft", "../x", "", "manifest.json"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(WF_NOT_FOUND, wf_generation_file(f->dir, f->written, others[i], &c, &err));
    }
}

static void another_valid_container_in_its_place_is_refused(void **state)
{
    struct fixture *f = *state;
    struct wf_container *c;
    struct wf_error err;
    write_container(f->dir, "shard-001/shard.weft", 9); /* same size */
    assert_int_equal(WF_DATA_LOSS,
                     wf_generation_file(f->dir, f->written, "shard-001/shard.weft", &c, &err));
    assert_non_null(strstr(err.text, "shard-001/shard.weft: hash is"));
}

static void every_damaged_byte_of_a_file_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[300];
    struct wf_container *c;
    snprintf(path, sizeof path, "%s/shard-000/shard.weft", f->dir);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    const off_t size = lseek(fd, 0, SEEK_END);
    for (off_t i = 0; i < size; i++) {
        unsigned char byte;
        assert_int_equal(1, pread(fd, &byte, 1, i));
        byte ^= 0x40;
        assert_int_equal(1, pwrite(fd, &byte, 1, i));
        assert_int_equal(WF_DATA_LOSS,
                         wf_generation_file(f->dir, f->written, "shard-000/shard.weft", &c, NULL));
        byte ^= 0x40;
        assert_int_equal(1, pwrite(fd, &byte, 1, i));
    }
    assert_int_equal(0, ftruncate(fd, size - 96));
    assert_int_equal(WF_DATA_LOSS,
                     wf_generation_file(f->dir, f->written, "shard-000/shard.weft", &c, NULL));
    close(fd);
    assert_int_equal(0, unlink(path));
    assert_int_equal(WF_NOT_FOUND,
                     wf_generation_file(f->dir, f->written, "shard-000/shard.weft", &c, NULL));
}

static void writing_needs_whole_files_and_true_counts(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    f->written->rows++;
    assert_int_equal(WF_INVALID, wf_manifest_write(f->dir, f->written, &err));
    assert_string_equal("rows is 22, shard_rows sum to 21", err.text);
    f->written->rows--;
    char path[300];
    snprintf(path, sizeof path, "%s/shard-001", f->dir);
    assert_int_equal(WF_OK, wf_remove_tree(path, NULL));
    assert_int_equal(WF_NOT_FOUND, wf_manifest_write(f->dir, f->written, &err));
}

/* Parses the manifest with `from` (which must be there) replaced by `to`. */
static enum wf_code parse_with(const struct fixture *f, const char *from, const char *to,
                               struct wf_error *err)
{
    const char *at = strstr(f->text, from);
    assert_non_null(at);
    char *text = wf_xprintf("%.*s%s%s", (int)(at - f->text), f->text, to, at + strlen(from));
    struct wf_manifest *m = NULL;
    const enum wf_code code = wf_manifest_parse(text, strlen(text), &m, err);
    wf_manifest_close(m);
    wf_xfree(text);
    return code;
}

static void each_changed_value_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *from, *to, *says;
    } bad[] = {
        {"\"format\": 1", "\"format\": 2", "\"format\" is 2, not within 1..1"},
        {"\"as_of\": 42", "\"as_of\": -1", "\"as_of\" is -1"},
        {"\"as_of\": 42", "\"as_of\": 4.0", "\"as_of\" is not an integer"},
        {"\"as_of\": 42", "\"as_of\": 42, \"more\": 1", "unknown key \"more\""},
        {"\"as_of\": 42,", "", "no \"as_of\""},
        {"\"as_of\": 42", "\"as_of\": 42, \"as_of\": 42", "duplicate"},
        {"\"n_shards\": 2", "\"n_shards\": 0", "\"n_shards\" is 0, not within 1..4096"},
        {"\"n_shards\": 2", "\"n_shards\": 4097", "\"n_shards\" is 4097"},
        {"\"n_shards\": 2", "\"n_shards\": 3", "\"shard_rows\" has 2 elements"},
        {"\"rows\": 21", "\"rows\": 22", "rows is 22, shard_rows sum to 21"},
        {"  10,", "  -10,", "shard_rows[0]"},
        {"global/global.weft", "../../etc/passwd", "must be \"global/global.weft\""},
        {"shard-001/shard.weft", "shard-000/shard.weft", "files[2]: path is"},
        {"\"dim\": 8", "\"dim\": 9", "content_hash is"},
        {"\"dim\": 8", "\"dim\": 0", "schema: spaces[0]: \"dim\" is 0"},
        {"\"brand\",", "\"br\\u0000nd\",", "manifest: "},
        {"\"name\": \"brand\"", "\"name\": \"sku\"", "attribute name \"sku\" is reserved"},
        {"\"metric\": \"cosine\"", "\"metric\": \"dot\"", "unknown metric \"dot\""},
        {"\"roles\": {", "\"roles\": {\"x\": \"brand\",", "2 keys, of which 1 are roles"},
        {"\"simulated_events\": false", "\"simulated_events\": 0", "is not true or false"},
        {"\"simulated_events\": false", "\"simulated_events\": true", "content_hash is"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_error err = {0};
        assert_int_equal(WF_DATA_LOSS, parse_with(f, bad[i].from, bad[i].to, &err));
        assert_int_equal(WF_DATA_LOSS, err.code);
        if (strstr(err.text, bad[i].says) == NULL) {
            fail_msg("%s -> %s says: %s", bad[i].from, bad[i].to, err.text);
        }
    }
}

static void hashes_have_one_spelling(void **state)
{
    struct fixture *f = *state;
    char from[33], to[33];
    wf_hash128_hex(f->written->files[1].hash, from);
    static const char *const starts[] = {"+", " ", "-", "0x", "g", "A"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        memcpy(to, from, sizeof to);
        memcpy(to, starts[i], strlen(starts[i]));
        assert_int_equal(WF_DATA_LOSS, parse_with(f, from, to, NULL));
    }
    memcpy(to, from, sizeof to);
    to[31] = '\0';
    assert_int_equal(WF_DATA_LOSS, parse_with(f, from, to, NULL));
    to[31] = from[31] == '0' ? '1' : '0';
    assert_int_equal(WF_DATA_LOSS, parse_with(f, from, to, NULL));
    assert_int_equal(WF_DATA_LOSS, parse_with(f, f->written->name, "0000000000000000", NULL));
}

static void every_cut_manifest_is_refused(void **state)
{
    struct fixture *f = *state;
    struct wf_manifest *m;
    for (size_t size = 0; size + 1 < f->size; size++) { /* the last byte is the line's end */
        assert_int_equal(WF_DATA_LOSS, wf_manifest_parse(f->text, size, &m, NULL));
    }
    assert_int_equal(WF_OK, wf_manifest_parse(f->text, f->size, &m, NULL));
    wf_manifest_close(m);
    assert_int_equal(WF_NOT_FOUND, wf_manifest_open("/nonexistent", &m, NULL));
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(what_is_written_is_read_back),
        WITH_DIR(the_content_hash_follows_the_header),
        WITH_DIR(equal_content_gives_an_equal_name),
        WITH_DIR(files_open_verified),
        WITH_DIR(another_valid_container_in_its_place_is_refused),
        WITH_DIR(every_damaged_byte_of_a_file_is_refused),
        WITH_DIR(writing_needs_whole_files_and_true_counts),
        WITH_DIR(each_changed_value_is_refused_by_name),
        WITH_DIR(hashes_have_one_spelling),
        WITH_DIR(every_cut_manifest_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.c - manifest.json: reading with every value checked, and writing as the last step of a
 * build. Opening the containers it lists is generation.c.
 *
 * The list of files follows from n_shards, so paths from the file are compared, never used to reach
 * anything: nothing outside the generation can be named. The content hash is computed again from
 * what was read; `name` is the start of it. All damage is WF_DATA_LOSS.
 */
#include "base/generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/schema_form.h"

enum { FORMAT = 1, MANIFEST_MOST = 64 << 20, SECTIONS_MOST = 1 << 16 };

/* ---- what both directions share ---- */

static int compare_files(const void *a, const void *b)
{
    const struct wf_manifest_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static struct wf_manifest_file *files_of(uint32_t n_shards)
{
    struct wf_manifest_file *files = wf_xarray(struct wf_manifest_file, (size_t)n_shards + 1);
    snprintf(files[0].path, sizeof files[0].path, "global/global.weft");
    for (uint32_t i = 0; i < n_shards; i++) {
        snprintf(files[i + 1].path, sizeof files[0].path, "shard-%03" PRIu32 "/shard.weft", i);
    }
    qsort(files, (size_t)n_shards + 1, sizeof *files, compare_files);
    return files;
}

/* Of files in path order and the canonical text of the schema. */
static void content_hash(const struct wf_manifest *m, const json_t *schema, char hex[33])
{
    struct wf_hasher *h = wf_hasher_create();
    for (unsigned i = 0; i < m->n_files; i++) {
        char line[WF_NAME_MAX + 64], hash[33];
        wf_hash128_hex(m->files[i].hash, hash);
        const int n = snprintf(line, sizeof line, "%s %" PRIu64 " %s\n", m->files[i].path,
                               m->files[i].size, hash);
        wf_hasher_add(h, line, (size_t)n);
    }
    char *text = json_dumps(schema, JSON_COMPACT | JSON_SORT_KEYS);
    wf_assert(text != NULL);
    wf_hasher_add(h, text, strlen(text));
    free(text); /* jansson's */
    wf_hash128_hex(wf_hasher_end(h), hex);
    wf_hasher_destroy(h);
}

void wf_manifest_close(struct wf_manifest *m)
{
    if (m != NULL) {
        wf_xfree(m->files);
        wf_xfree(m->shard_rows);
        wf_xfree(m);
    }
}

/* ---- reading ---- */

static enum wf_code read_hash(struct wf_json j, const char *key, struct wf_hash128 *out,
                              struct wf_error *err)
{
    char text[33], back[33], half[17];
    const enum wf_code code = wf_json_text(j, key, text, sizeof text, err);
    if (code != WF_OK) {
        return code;
    }
    memcpy(half, text, 16);
    half[16] = '\0';
    out->hi = strtoull(half, NULL, 16);
    out->lo = strlen(text) > 16 ? strtoull(text + 16, NULL, 16) : 0;
    wf_hash128_hex(*out, back);
    if (strcmp(text, back) != 0) { /* signs, spaces, capitals, short ones */
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" is \"%s\", not 32 lower-case hex digits",
                       j.where, key, text);
    }
    return WF_OK;
}

/* The list is for people and tools: the hash of the whole file covers it. Only its shape is
 * checked. */
static enum wf_code check_sections(struct wf_json file, uint64_t file_size, struct wf_error *err)
{
    static const char *const keys[] = {"hash", "name", "size", NULL};
    json_t *list = NULL;
    uint64_t sum = 0;
    enum wf_code code = wf_json_list(file, "sections", 0, SECTIONS_MOST, &list, err);
    const size_t n = code == WF_OK ? json_array_size(list) : 0;
    for (size_t i = 0; i < n && code == WF_OK; i++) {
        const struct wf_json j = {.value = json_array_get(list, i), .where = file.where};
        struct wf_hash128 hash;
        char name[64];
        int64_t size = 0;
        code = wf_json_keys(j, keys, err);
        if (code == WF_OK) {
            code = wf_json_text(j, "name", name, sizeof name, err);
        }
        if (code == WF_OK) {
            code = read_hash(j, "hash", &hash, err);
        }
        if (code == WF_OK) {
            code = wf_json_int(j, "size", 0, (int64_t)(file_size - sum), &size, err);
        }
        sum += (uint64_t)size;
    }
    return code;
}

static enum wf_code read_file_entry(struct wf_json j, struct wf_manifest_file *f,
                                    struct wf_error *err)
{
    static const char *const keys[] = {"hash", "path", "sections", "size", NULL};
    char path[WF_NAME_MAX];
    int64_t size = 0;
    enum wf_code code = wf_json_keys(j, keys, err);
    if (code == WF_OK) {
        code = wf_json_text(j, "path", path, sizeof path, err);
    }
    if (code == WF_OK && strcmp(path, f->path) != 0) {
        code = wf_fail(err, WF_DATA_LOSS, "%s: path is \"%s\", must be \"%s\"", j.where, path,
                       f->path);
    }
    if (code == WF_OK) {
        code = wf_json_int(j, "size", 0, INT64_MAX, &size, err);
    }
    if (code == WF_OK) {
        f->size = (uint64_t)size;
        code = read_hash(j, "hash", &f->hash, err);
    }
    return code == WF_OK ? check_sections(j, f->size, err) : code;
}

static enum wf_code read_files(struct wf_json j, struct wf_manifest *m, struct wf_error *err)
{
    json_t *list;
    const size_t want = (size_t)m->n_shards + 1;
    enum wf_code code = wf_json_list(j, "files", want, want, &list, err);
    if (code != WF_OK) {
        return code;
    }
    m->files = files_of(m->n_shards);
    m->n_files = (unsigned)want;
    for (unsigned i = 0; i < m->n_files && code == WF_OK; i++) {
        char where[64];
        snprintf(where, sizeof where, "files[%u]", i);
        const struct wf_json file = {.value = json_array_get(list, i), .where = where};
        code = read_file_entry(file, &m->files[i], err);
    }
    return code;
}

static enum wf_code read_rows(struct wf_json j, struct wf_manifest *m, struct wf_error *err)
{
    json_t *list;
    int64_t rows;
    enum wf_code code = wf_json_int(j, "rows", 0, INT64_MAX, &rows, err);
    if (code == WF_OK) {
        code = wf_json_list(j, "shard_rows", m->n_shards, m->n_shards, &list, err);
    }
    if (code != WF_OK) {
        return code;
    }
    m->rows = (uint64_t)rows;
    m->shard_rows = wf_xarray(uint64_t, m->n_shards);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < m->n_shards; i++) {
        const json_t *n = json_array_get(list, i);
        const int64_t value = json_is_integer(n) ? json_integer_value(n) : -1;
        if (value < 0 || value > UINT32_MAX) {
            return wf_fail(err, WF_DATA_LOSS, "shard_rows[%u] is not an integer within 0..%u", i,
                           UINT32_MAX);
        }
        m->shard_rows[i] = (uint64_t)value;
        sum += (uint64_t)value;
    }
    if (sum != m->rows) {
        return wf_fail(err, WF_DATA_LOSS, "rows is %" PRIu64 ", shard_rows sum to %" PRIu64,
                       m->rows, sum);
    }
    return WF_OK;
}

static enum wf_code read_head(struct wf_json j, struct wf_manifest *m, struct wf_error *err)
{
    static const char *const keys[] = {"as_of",  "content_hash", "created_ms", "files",
                                       "format", "n_shards",     "name",       "rows",
                                       "schema", "shard_rows",   NULL};
    int64_t format, as_of, n_shards;
    enum wf_code code = wf_json_keys(j, keys, err);
    if (code == WF_OK) {
        code = wf_json_int(j, "format", FORMAT, FORMAT, &format, err);
    }
    if (code == WF_OK) {
        code = wf_json_int(j, "created_ms", 0, INT64_MAX, &m->created_ms, err);
    }
    if (code == WF_OK) {
        code = wf_json_int(j, "as_of", 0, INT64_MAX, &as_of, err);
    }
    if (code == WF_OK) {
        code = wf_json_int(j, "n_shards", 1, WF_SHARDS_MAX, &n_shards, err);
    }
    if (code == WF_OK) {
        m->as_of = (uint64_t)as_of;
        m->n_shards = (uint32_t)n_shards;
        code = wf_json_text(j, "name", m->name, sizeof m->name, err);
    }
    return code == WF_OK
               ? wf_json_text(j, "content_hash", m->content_hash, sizeof m->content_hash, err)
               : code;
}

static enum wf_code read_manifest(json_t *root, struct wf_manifest *m, struct wf_error *err)
{
    const struct wf_json j = {.value = root, .where = "top level"};
    enum wf_code code = read_head(j, m, err);
    if (code == WF_OK) {
        code = read_rows(j, m, err);
    }
    if (code == WF_OK) {
        code = wf_schema_from_json(json_object_get(root, "schema"), &m->schema, err);
    }
    if (code == WF_OK) {
        code = read_files(j, m, err);
    }
    if (code != WF_OK) {
        return code;
    }
    char hex[33];
    content_hash(m, json_object_get(root, "schema"), hex);
    if (strcmp(hex, m->content_hash) != 0) {
        return wf_fail(err, WF_DATA_LOSS, "content_hash is %s, the content gives %s",
                       m->content_hash, hex);
    }
    if (strlen(m->name) != 16 || strncmp(hex, m->name, 16) != 0) {
        return wf_fail(err, WF_DATA_LOSS, "name is %s, content_hash is %s", m->name, hex);
    }
    return WF_OK;
}

enum wf_code wf_manifest_parse(const char *text, size_t size, struct wf_manifest **out,
                               struct wf_error *err)
{
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        return wf_fail(err, WF_DATA_LOSS, "manifest: line %d: %s", where.line, where.text);
    }
    struct wf_manifest *m = wf_xcalloc(1, sizeof *m);
    const enum wf_code code = read_manifest(root, m, err);
    json_decref(root);
    if (code != WF_OK) {
        wf_manifest_close(m);
        wf_prefix(err, "manifest: ");
        if (err != NULL) {
            err->code = WF_DATA_LOSS; /* a name that does not fit the rules is damage here */
        }
        return WF_DATA_LOSS;
    }
    *out = m;
    return WF_OK;
}

enum wf_code wf_manifest_open(const char *dir, struct wf_manifest **out, struct wf_error *err)
{
    char *path = wf_xprintf("%s/manifest.json", dir), *text = NULL;
    size_t size;
    enum wf_code code = wf_read_file(path, MANIFEST_MOST, &text, &size, err);
    if (code == WF_OK) {
        code = wf_manifest_parse(text, size, out, err);
        if (code != WF_OK) {
            wf_prefix(err, "%s: ", dir);
        }
    }
    wf_xfree(text);
    wf_xfree(path);
    return code;
}

/* ---- writing ---- */

static json_t *sections_to_json(const struct wf_container *c)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < wf_container_count(c); i++) {
        const struct wf_section *s = wf_container_at(c, i);
        char hex[33];
        wf_hash128_hex(s->hash, hex);
        json_array_append_new(list, json_pack("{ss sI ss}", "name", s->name, "size",
                                              (json_int_t)s->size, "hash", hex));
    }
    return list;
}

/* Verifies and hashes one file and appends its entry. */
static enum wf_code add_file(const char *dir, struct wf_manifest_file *f, json_t *list,
                             struct wf_error *err)
{
    char *path = wf_xprintf("%s/%s", dir, f->path);
    struct wf_container *c = NULL;
    enum wf_code code = wf_container_open(path, &c, err);
    if (code == WF_OK) {
        code = wf_container_verify_hash(c, NULL, &f->hash, err);
    }
    if (code == WF_OK) {
        char hex[33];
        f->size = wf_container_size(c);
        wf_hash128_hex(f->hash, hex);
        json_array_append_new(list, json_pack("{ss sI ss so}", "path", f->path, "size",
                                              (json_int_t)f->size, "hash", hex, "sections",
                                              sections_to_json(c)));
    }
    wf_container_close(c);
    wf_xfree(path);
    return code;
}

static enum wf_code check_to_write(const struct wf_manifest *m, struct wf_error *err)
{
    if (m->n_shards < 1 || m->n_shards > WF_SHARDS_MAX) {
        return wf_fail(err, WF_INVALID, "n_shards is %u, not within 1..%d", m->n_shards,
                       WF_SHARDS_MAX);
    }
    if (m->as_of > INT64_MAX || m->created_ms < 0) {
        return wf_fail(err, WF_INVALID, "as_of %" PRIu64 " or created_ms %" PRId64 " out of range",
                       m->as_of, m->created_ms);
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < m->n_shards; i++) {
        if (m->shard_rows[i] > UINT32_MAX) {
            return wf_fail(err, WF_INVALID, "shard %u has %" PRIu64 " rows, limit is %u", i,
                           m->shard_rows[i], UINT32_MAX);
        }
        sum += m->shard_rows[i];
    }
    if (sum != m->rows) {
        return wf_fail(err, WF_INVALID, "rows is %" PRIu64 ", shard_rows sum to %" PRIu64, m->rows,
                       sum);
    }
    return wf_schema_check(&m->schema, err);
}

/* Takes `files` and `schema`. */
static json_t *manifest_to_json(const struct wf_manifest *m, json_t *files, json_t *schema)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < m->n_shards; i++) {
        json_array_append_new(rows, json_integer((json_int_t)m->shard_rows[i]));
    }
    json_t *root =
        json_pack("{si ss sI sI si sI so ss so so}", "format", FORMAT, "name", m->name,
                  "created_ms", (json_int_t)m->created_ms, "as_of", (json_int_t)m->as_of,
                  "n_shards", (int)m->n_shards, "rows", (json_int_t)m->rows, "shard_rows", rows,
                  "content_hash", m->content_hash, "schema", schema, "files", files);
    wf_assert(root != NULL);
    return root;
}

static enum wf_code write_json(const char *dir, const json_t *root, struct wf_error *err)
{
    char *path = wf_xprintf("%s/manifest.json", dir);
    struct wf_writer *w;
    enum wf_code code = wf_writer_open(path, &w, err);
    if (code == WF_OK) {
        char *text = json_dumps(root, JSON_INDENT(1));
        wf_assert(text != NULL);
        wf_writer_put(w, text, strlen(text));
        wf_writer_put(w, "\n", 1);
        free(text); /* jansson's */
        code = wf_writer_commit(w, err);
    }
    wf_xfree(path);
    return code;
}

enum wf_code wf_manifest_write(const char *dir, struct wf_manifest *m, struct wf_error *err)
{
    enum wf_code code = check_to_write(m, err);
    if (code != WF_OK) {
        return code;
    }
    wf_xfree(m->files);
    m->files = files_of(m->n_shards);
    m->n_files = m->n_shards + 1;
    json_t *files = json_array();
    for (unsigned i = 0; i < m->n_files && code == WF_OK; i++) {
        code = add_file(dir, &m->files[i], files, err);
    }
    if (code != WF_OK) {
        json_decref(files);
        return code;
    }
    json_t *schema = wf_schema_to_json(&m->schema);
    content_hash(m, schema, m->content_hash);
    memcpy(m->name, m->content_hash, sizeof m->name - 1);
    m->name[sizeof m->name - 1] = '\0';
    json_t *root = manifest_to_json(m, files, schema);
    code = write_json(dir, root, err);
    json_decref(root);
    return code;
}

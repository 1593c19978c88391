/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset_read.c - items and spaces of a dataset directory into columns.
 *
 * An items line is one flat JSON object. A key that the schema does not know, a value of another
 * type, a SKU that came before: each is an error with file and line, because whoever wrote the file
 * meant something else than what would be built.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/vector.h"
#include "tools/dataset.h"
#include "tools/progress.h"

enum { LINE_LIMIT = 1 << 20, KEYWORD_MAX = 256, CHECK_EVERY = 4096 };

/* ---- one line ---- */

static void reserve(struct tool_dataset *ds, size_t want)
{
    struct wf_table *t = &ds->items;
    for (unsigned i = 0; i < ds->schema.n_attrs; i++) {
        struct wf_column *c = &t->columns[i];
        switch (ds->schema.attrs[i].type) {
        case WF_ATTR_KEYWORD:
            wf_xgrow(&c->codes, &ds->caps[i], want, sizeof *c->codes);
            break;
        case WF_ATTR_NUMBER:
            wf_xgrow(&c->numbers, &ds->caps[i], want, sizeof *c->numbers);
            break;
        case WF_ATTR_FLAG:
            wf_xgrow(&c->flags, &ds->caps[i], want, sizeof *c->flags);
            break;
        case WF_ATTR_TEXT:
            wf_xgrow(&c->texts, &ds->caps[i], want, sizeof *c->texts);
            break;
        }
    }
}

static void set_missing(struct tool_dataset *ds, size_t row)
{
    for (unsigned i = 0; i < ds->schema.n_attrs; i++) {
        struct wf_column *c = &ds->items.columns[i];
        switch (ds->schema.attrs[i].type) {
        case WF_ATTR_KEYWORD:
            c->codes[row] = WF_NO_CODE;
            break;
        case WF_ATTR_NUMBER:
            c->numbers[row] = NAN;
            break;
        case WF_ATTR_FLAG:
            c->flags[row] = 2;
            break;
        case WF_ATTR_TEXT:
            c->texts[row] = NULL;
            break;
        }
    }
}

static const char *json_kind(const json_t *v)
{
    static const char *const names[] = {"an object", "an array", "a string", "a number",
                                        "a number",  "true",     "false",    "null"};
    return names[json_typeof(v)];
}

static enum wf_code set_keyword(struct tool_dataset *ds, unsigned attr, size_t row, const json_t *v,
                                struct wf_error *err)
{
    const size_t size = json_string_length(v);
    if (size > KEYWORD_MAX) {
        return wf_fail(err, WF_INVALID, "'%s' has %zu bytes, a keyword has at most %d",
                       ds->schema.attrs[attr].name, size, KEYWORD_MAX);
    }
    if (size > 0) {
        ds->items.columns[attr].codes[row] =
            tool_intern_add(&ds->dictionaries[attr], json_string_value(v), size, NULL);
    }
    return WF_OK;
}

static enum wf_code set_value(struct tool_dataset *ds, unsigned attr, size_t row, const json_t *v,
                              struct wf_error *err)
{
    static const char *const wanted[] = {"", "a string", "a number", "true or false", "a string"};
    const struct wf_attr *a = &ds->schema.attrs[attr];
    struct wf_column *c = &ds->items.columns[attr];
    if (json_is_null(v)) {
        return WF_OK;
    }
    switch (a->type) {
    case WF_ATTR_KEYWORD:
        if (json_is_string(v)) {
            return set_keyword(ds, attr, row, v, err);
        }
        break;
    case WF_ATTR_NUMBER:
        if (json_is_number(v) && isfinite((float)json_number_value(v))) {
            c->numbers[row] = (float)json_number_value(v);
            return WF_OK;
        }
        break;
    case WF_ATTR_FLAG:
        if (json_is_boolean(v)) {
            c->flags[row] = json_is_true(v);
            return WF_OK;
        }
        break;
    case WF_ATTR_TEXT:
        if (json_is_string(v)) {
            c->texts[row] =
                wf_arena_strndup(&ds->texts, json_string_value(v), json_string_length(v));
            return WF_OK;
        }
        break;
    }
    return wf_fail(err, WF_INVALID, "'%s' is %s, the schema wants %s", a->name, json_kind(v),
                   wanted[a->type]);
}

static enum wf_code set_attributes(struct tool_dataset *ds, size_t row, json_t *object,
                                   struct wf_error *err)
{
    const char *key;
    json_t *value;
    reserve(ds, row + 1);
    set_missing(ds, row);
    json_object_foreach(object, key, value)
    {
        if (strcmp(key, "sku") == 0) {
            continue;
        }
        const int attr = wf_schema_attr(&ds->schema, key);
        if (attr < 0) {
            return wf_fail(err, WF_INVALID, "'%.40s' is not an attribute of the schema", key);
        }
        enum wf_code code = set_value(ds, (unsigned)attr, row, value, err);
        if (code != WF_OK) {
            return code;
        }
    }
    return WF_OK;
}

static enum wf_code add_object(struct tool_dataset *ds, json_t *object, bool attributes,
                               struct wf_error *err)
{
    const json_t *sku = json_object_get(object, "sku");
    if (!json_is_string(sku)) {
        return wf_fail(err, WF_INVALID, "'sku' is %s, wanted is a string",
                       sku ? json_kind(sku) : "missing");
    }
    const size_t size = json_string_length(sku);
    if (size < 1 || size > WF_SKU_MAX) {
        return wf_fail(err, WF_INVALID, "'sku' has %zu bytes, allowed are 1 to %d", size,
                       WF_SKU_MAX);
    }
    if (ds->skus.n == UINT32_MAX - 2) {
        return wf_fail(err, WF_INVALID, "more than %u items", UINT32_MAX - 2);
    }
    const size_t row = ds->skus.n;
    if (tool_intern_find(&ds->skus, json_string_value(sku), size) != TOOL_NO_ID) {
        return wf_fail(err, WF_EXISTS, "%s", json_string_value(sku)); /* the caller knows lines */
    }
    enum wf_code code = attributes ? set_attributes(ds, row, object, err) : WF_OK;
    if (code == WF_OK) {
        tool_intern_add(&ds->skus, json_string_value(sku), size, NULL);
        ds->items.n = ds->skus.n;
        ds->items.skus = ds->skus.names;
    }
    return code;
}

enum wf_code tool_dataset_add_line(struct tool_dataset *ds, const char *line, size_t size,
                                   bool attributes, struct wf_error *err)
{
    json_error_t why;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &why);
    if (!object) {
        return wf_fail(err, WF_INVALID, "not JSON, column %d: %s", why.column, why.text);
    }
    enum wf_code code =
        json_is_object(object)
            ? add_object(ds, object, attributes, err)
            : wf_fail(err, WF_INVALID, "is %s, an item is an object", json_kind(object));
    json_decref(object);
    return code;
}

/* ---- files ---- */

char *tool_dataset_file(const char *dir, const char *name)
{
    static const char *const suffixes[] = {"", ".zst", ".gz"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = wf_xprintf("%s/%s%s", dir, name, suffixes[i]);
        if (wf_exists(path)) {
            return path;
        }
        wf_xfree(path);
    }
    return NULL;
}

/* The line on which a row came: rows and lines differ by the empty lines before. */
static uint64_t line_of(const char *path, uint32_t row)
{
    struct wf_reader *r = NULL;
    struct wf_error ignored;
    char *line = NULL;
    size_t size = 0;
    uint64_t number = 0, seen = 0;
    if (wf_reader_open(path, &r, &ignored) != WF_OK) {
        return 0;
    }
    while (wf_reader_line(r, LINE_LIMIT, &line, &size, &ignored) == WF_OK && line) {
        if (size > 0 && seen++ == row) {
            number = wf_reader_line_number(r);
            break;
        }
    }
    wf_reader_close(r);
    return number;
}

static enum wf_code add_place(const struct tool_dataset *ds, const char *path, uint64_t line,
                              enum wf_code code, struct wf_error *err)
{
    if (code != WF_EXISTS) {
        return wf_prefix(err, "%s:%llu: ", path, (unsigned long long)line);
    }
    const uint32_t row = tool_intern_find(&ds->skus, err->text, strlen(err->text));
    return wf_fail(err, WF_INVALID, "%s:%llu: SKU '%s' came on line %llu before", path,
                   (unsigned long long)line, ds->skus.names[row],
                   (unsigned long long)line_of(path, row));
}

static enum wf_code read_items(struct tool_dataset *ds, const char *path, bool attributes,
                               struct wf_error *err)
{
    struct wf_reader *r = NULL;
    enum wf_code code = wf_reader_open(path, &r, err);
    if (code != WF_OK) {
        return code;
    }
    struct tool_progress progress;
    tool_progress_init(&progress, "reading items", "bytes", wf_reader_total(r));
    for (;;) {
        char *line = NULL;
        size_t size = 0;
        code = wf_reader_line(r, LINE_LIMIT, &line, &size, err);
        if (code == WF_OK && line && size > 0) {
            code = tool_dataset_add_line(ds, line, size, attributes, err);
        }
        if (code != WF_OK) {
            code = add_place(ds, path, wf_reader_line_number(r), code, err);
            break;
        }
        if (!line) {
            break;
        }
        if (ds->items.n % CHECK_EVERY == 0) {
            tool_progress_at(&progress, wf_reader_bytes(r));
        }
    }
    tool_progress_end(&progress, wf_reader_bytes(r));
    wf_reader_close(r);
    return code;
}

static enum wf_code open_items(struct tool_dataset *ds, bool attributes, struct wf_error *err)
{
    char *path = tool_dataset_file(ds->dir, "items.jsonl");
    if (!path) {
        return wf_fail(err, WF_INVALID, "%s/items.jsonl is missing, and so is items.jsonl.zst",
                       ds->dir);
    }
    enum wf_code code = read_items(ds, path, attributes, err);
    wf_xfree(path);
    for (unsigned i = 0; i < ds->schema.n_attrs; i++) {
        ds->items.columns[i].dictionary = ds->dictionaries[i].names;
        ds->items.columns[i].n_dictionary = ds->dictionaries[i].n;
    }
    return code;
}

static enum wf_code open_spaces(struct tool_dataset *ds, struct wf_error *err)
{
    for (unsigned s = 0; s < ds->schema.n_spaces; s++) {
        const struct wf_space *space = &ds->schema.spaces[s];
        struct tool_npy *npy = &ds->spaces[s];
        char *path = wf_xprintf("%s/spaces/%s.npy", ds->dir, space->name);
        enum wf_code code = tool_npy_open(path, npy, err);
        if (code == WF_OK && npy->dim != space->dim) {
            code = wf_fail(err, WF_INVALID, "%s: dimension %u, the schema says %u", path, npy->dim,
                           space->dim);
        }
        if (code == WF_OK && npy->rows != ds->items.n) {
            code = wf_fail(err, WF_INVALID, "%s: %zu rows for %zu items", path, npy->rows,
                           ds->items.n);
        }
        wf_xfree(path);
        if (code != WF_OK) {
            return code;
        }
    }
    return WF_OK;
}

static struct tool_dataset *dataset_create(const char *dir)
{
    struct tool_dataset *ds = wf_xarray(struct tool_dataset, 1);
    ds->dir = wf_xstrdup(dir);
    tool_intern_init(&ds->skus);
    wf_arena_init(&ds->texts, SIZE_MAX);
    return ds;
}

enum wf_code tool_dataset_open(const char *dir, unsigned parts, struct tool_dataset **out,
                               struct wf_error *err)
{
    struct tool_dataset *ds = dataset_create(dir);
    char *schema = wf_xprintf("%s/schema.cfg", dir);
    enum wf_code code = wf_schema_read(schema, &ds->schema, err);
    wf_xfree(schema);
    if (code == WF_OK) {
        ds->items.schema = &ds->schema;
        ds->items.columns = wf_xarray(struct wf_column, ds->schema.n_attrs + 1);
        ds->caps = wf_xarray(size_t, ds->schema.n_attrs + 1);
        ds->dictionaries = wf_xarray(struct tool_intern, ds->schema.n_attrs + 1);
        for (unsigned i = 0; i < ds->schema.n_attrs; i++) {
            tool_intern_init(&ds->dictionaries[i]);
        }
    }
    if (code == WF_OK && parts & (TOOL_LOAD_SKUS | TOOL_LOAD_ITEMS)) {
        code = open_items(ds, (parts & TOOL_LOAD_ITEMS) != 0, err);
    }
    if (code == WF_OK && parts & TOOL_LOAD_SPACES) {
        code = open_spaces(ds, err);
    }
    if (code != WF_OK) {
        tool_dataset_close(ds);
        return code;
    }
    *out = ds;
    return WF_OK;
}

void tool_dataset_close(struct tool_dataset *ds)
{
    if (!ds) {
        return;
    }
    for (unsigned i = 0; ds->dictionaries && i < ds->schema.n_attrs; i++) {
        struct wf_column *c = &ds->items.columns[i];
        wf_xfree(c->codes);
        wf_xfree(c->numbers);
        wf_xfree(c->flags);
        wf_xfree(c->texts);
        tool_intern_fini(&ds->dictionaries[i]);
    }
    for (unsigned s = 0; s < WF_SPACES_MAX; s++) {
        tool_npy_close(&ds->spaces[s]);
    }
    wf_xfree(ds->dictionaries);
    wf_xfree(ds->items.columns);
    wf_xfree(ds->caps);
    tool_intern_fini(&ds->skus);
    wf_arena_fini(&ds->texts);
    wf_xfree(ds->dir);
    wf_xfree(ds);
}

enum wf_code tool_dataset_check_space(const struct tool_dataset *ds, unsigned space,
                                      size_t *n_missing, struct wf_error *err)
{
    const struct tool_npy *npy = &ds->spaces[space];
    size_t missing = 0;
    for (size_t i = 0; i < npy->rows; i++) {
        const float *row = npy->data + i * npy->dim;
        const ptrdiff_t bad = wf_first_not_finite(row, npy->dim);
        if (bad == 0 && isnan(row[0])) {
            missing++;
        } else if (bad >= 0) {
            return wf_fail(err, WF_INVALID,
                           "%s/spaces/%s.npy: row %zu (SKU %s): element %td is not finite: %g",
                           ds->dir, ds->schema.spaces[space].name, i, ds->items.skus[i], bad,
                           (double)row[bad]);
        }
    }
    if (n_missing) {
        *n_missing = missing;
    }
    return WF_OK;
}

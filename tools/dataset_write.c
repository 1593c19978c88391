/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset_write.c - assembling a dataset directory.
 *
 * Everything goes to DIR.tmp-<pid>, so that a directory under the final name is always whole; the
 * schema is written last, and only when every space has as many rows as there are items.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "tools/cli.h"
#include "tools/dataset.h"
#include "tools/interrupt.h"

static void encode_value(const struct wf_attr *attr, const struct tool_value *v,
                         struct tool_text *out)
{
    switch (attr->type) {
    case WF_ATTR_KEYWORD:
    case WF_ATTR_TEXT:
        tool_text_json(out, v->text);
        break;
    case WF_ATTR_NUMBER:
        tool_text_float(out, v->number);
        break;
    case WF_ATTR_FLAG:
        tool_text_str(out, v->flag ? "true" : "false");
        break;
    }
}

static bool is_missing(const struct wf_attr *attr, const struct tool_value *v)
{
    switch (attr->type) {
    case WF_ATTR_KEYWORD:
    case WF_ATTR_TEXT:
        return v->text == NULL;
    case WF_ATTR_NUMBER:
        return !isfinite(v->number);
    case WF_ATTR_FLAG:
        return v->flag > 1;
    }
    return true;
}

void tool_item_encode(const struct wf_schema *schema, const char *sku,
                      const struct tool_value *values, struct tool_text *out)
{
    tool_text_str(out, "{\"sku\":");
    tool_text_json(out, sku);
    for (unsigned i = 0; i < schema->n_attrs; i++) {
        if (!is_missing(&schema->attrs[i], &values[i])) {
            tool_text_char(out, ',');
            tool_text_json(out, schema->attrs[i].name);
            tool_text_char(out, ':');
            encode_value(&schema->attrs[i], &values[i], out);
        }
    }
    tool_text_str(out, "}\n");
}

static enum wf_code open_files(struct tool_dataset_writer *w, struct wf_error *err)
{
    char *spaces = wf_xprintf("%s/spaces", w->temp);
    char *items = wf_xprintf("%s/items.jsonl.zst", w->temp);
    enum wf_code code = wf_mkdirs(w->schema.n_spaces ? spaces : w->temp, err);
    if (code == WF_OK) {
        code = wf_writer_open(items, &w->items, err);
    }
    if (code == WF_OK) {
        wf_writer_compress(w->items);
    }
    for (unsigned s = 0; s < w->schema.n_spaces && code == WF_OK; s++) {
        char *path = wf_xprintf("%s/%s.npy", spaces, w->schema.spaces[s].name);
        code = tool_npy_create(path, w->schema.spaces[s].dim, &w->spaces[s], err);
        wf_xfree(path);
    }
    wf_xfree(items);
    wf_xfree(spaces);
    return code;
}

enum wf_code tool_dataset_create(const char *dir, const struct wf_schema *schema,
                                 struct tool_dataset_writer **out, struct wf_error *err)
{
    struct tool_dataset_writer *w = wf_xarray(struct tool_dataset_writer, 1);
    size_t size = strlen(dir);
    while (size > 1 && dir[size - 1] == '/') {
        size--;
    }
    w->dir = wf_xstrndup(dir, size);
    w->temp = wf_xprintf("%s.tmp-%ld", w->dir, (long)getpid());
    w->schema = *schema;
    enum wf_code code = WF_OK;
    tool_interrupt_guard(w->temp);
    if (wf_exists(w->dir) && rmdir(w->dir) != 0) {
        code = wf_fail(err, WF_EXISTS, "%s is there already and not empty", w->dir);
    }
    if (code == WF_OK) {
        code = open_files(w, err);
    }
    if (code != WF_OK) {
        tool_dataset_abort(w);
        return code;
    }
    *out = w;
    return WF_OK;
}

void tool_dataset_put_lines(struct tool_dataset_writer *w, const struct tool_text *lines,
                            uint64_t n)
{
    wf_writer_put(w->items, lines->data, lines->size);
    w->n_items += n;
}

void tool_dataset_put_vectors(struct tool_dataset_writer *w, unsigned space, const float *rows,
                              size_t n)
{
    tool_npy_put(w->spaces[space], rows, n);
    w->n_vectors[space] += n;
}

static enum wf_code finish_spaces(struct tool_dataset_writer *w, struct wf_error *err)
{
    for (unsigned s = 0; s < w->schema.n_spaces; s++) {
        if (w->n_vectors[s] != w->n_items) {
            return wf_fail(err, WF_INTERNAL, "space %s has %llu vectors for %llu items",
                           w->schema.spaces[s].name, (unsigned long long)w->n_vectors[s],
                           (unsigned long long)w->n_items);
        }
        struct tool_npy_writer *npy = w->spaces[s];
        w->spaces[s] = NULL;
        enum wf_code code = tool_npy_commit(npy, err);
        if (code != WF_OK) {
            return code;
        }
    }
    return WF_OK;
}

enum wf_code tool_dataset_finish(struct tool_dataset_writer *w, struct wf_error *err)
{
    struct wf_writer *items = w->items;
    w->items = NULL;
    enum wf_code code = wf_writer_commit(items, err);
    if (code == WF_OK) {
        code = finish_spaces(w, err);
    }
    if (code == WF_OK && w->schema.n_spaces) {
        char *spaces = wf_xprintf("%s/spaces", w->temp);
        code = wf_sync_dir(spaces, err);
        wf_xfree(spaces);
    }
    if (code == WF_OK) {
        char *schema = wf_xprintf("%s/schema.cfg", w->temp);
        code = wf_schema_write(schema, &w->schema, err);
        wf_xfree(schema);
    }
    return code;
}

enum wf_code tool_dataset_publish(struct tool_dataset_writer *w, struct wf_error *err)
{
    enum wf_code code = wf_publish_dir(w->temp, w->dir, err);
    tool_dataset_abort(w);
    return code;
}

void tool_dataset_abort(struct tool_dataset_writer *w)
{
    if (!w) {
        return;
    }
    wf_writer_abort(w->items);
    for (unsigned s = 0; s < WF_SPACES_MAX; s++) {
        tool_npy_abort(w->spaces[s]);
    }
    struct wf_error ignored;
    enum wf_code code = wf_remove_tree(w->temp, &ignored); /* gone already once published */
    (void)code;
    tool_interrupt_release(w->temp);
    wf_xfree(w->dir);
    wf_xfree(w->temp);
    wf_xfree(w);
}

enum wf_code tool_space_fill(const char *name, const char *content_id, const char *metric,
                             struct wf_space *out, struct wf_error *err)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-";
    struct wf_space space = {.metric = WF_METRIC_COSINE};
    if (!*name || !strchr(first, *name) || name[strspn(name, more)] ||
        strlen(name) >= sizeof space.name) {
        return tool_usage(err, "--space '%.80s' is no name: a letter, then letters, digits, _ . -",
                          name);
    }
    content_id = content_id ? content_id : name;
    if (!*content_id || strlen(content_id) >= sizeof space.content_id) {
        return tool_usage(err, "--content-id has %zu bytes, allowed are 1 to %zu",
                          strlen(content_id), sizeof space.content_id - 1);
    }
    if (!wf_metric_parse(metric, &space.metric)) {
        return tool_usage(err, "--metric %s is none of ip, cosine, l2", metric);
    }
    memcpy(space.name, name, strlen(name));
    memcpy(space.content_id, content_id, strlen(content_id));
    *out = space;
    return WF_OK;
}

enum wf_code tool_dataset_begin_space(const char *dir, const struct wf_space *space,
                                      struct tool_npy_writer **out, struct wf_error *err)
{
    char *spaces = wf_xprintf("%s/spaces", dir);
    char *path = wf_xprintf("%s/%s.npy", spaces, space->name);
    enum wf_code code = wf_mkdirs(spaces, err);
    if (code == WF_OK) {
        code = tool_npy_create(path, space->dim, out, err);
    }
    wf_xfree(path);
    wf_xfree(spaces);
    return code;
}

enum wf_code tool_dataset_end_space(const char *dir, struct wf_schema *schema,
                                    const struct wf_space *space, struct tool_npy_writer *npy,
                                    struct wf_error *err)
{
    struct wf_schema changed = *schema;
    const int at = wf_schema_space(&changed, space->name);
    if (at < 0 && changed.n_spaces == WF_SPACES_MAX) {
        tool_npy_abort(npy);
        return wf_fail(err, WF_INVALID, "%s has %u spaces already, the limit is %d", dir,
                       changed.n_spaces, WF_SPACES_MAX);
    }
    changed.spaces[at < 0 ? changed.n_spaces++ : (unsigned)at] = *space;
    enum wf_code code = tool_npy_commit(npy, err);
    if (code != WF_OK) {
        return code;
    }
    char *spaces = wf_xprintf("%s/spaces", dir);
    char *config = wf_xprintf("%s/schema.cfg", dir);
    code = wf_sync_dir(spaces, err);
    if (code == WF_OK) {
        code = wf_schema_write(config, &changed, err);
    }
    if (code == WF_OK) {
        *schema = changed;
    }
    wf_xfree(config);
    wf_xfree(spaces);
    return code;
}

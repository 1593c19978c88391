/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_build.c - one shard's container. See build.h; the sections are listed in
 * docs/internals/generation.md.
 *
 * The spaces are made first, since the first one's lists decide the row order; everything else is
 * then written in that order. One thread, except FAISS's clustering.
 */
#include "shard/build.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/container.h"
#include "base/idmap.h"
#include "ranking/features.h"
#include "shard/made.h"
#include "shard/mapped.h"
#include "shard/trial.h"

struct work {
    const struct shard_build *b;
    uint32_t n;              /* rows */
    uint32_t *by_sku;        /* n: items in byte order of their SKUs */
    uint32_t *order;         /* n: place of each row's SKU in by_sku */
    uint32_t *item;          /* n: item of each row */
    uint32_t *row_of;        /* n: row of each place */
    struct shard_made *made; /* schema->n_spaces */
    unsigned n_made;
    struct wf_container_writer *w;
};

void shard_report(const struct shard_build *b, const char *what, double share)
{
    if (b->progress != NULL) {
        b->progress(b->progress_ctx, what, share);
    }
}

/* ---- row order ---- */

struct named {
    const char *sku;
    uint32_t item;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->sku, ((const struct named *)b)->sku);
}

static void sort_skus(struct work *wk)
{
    struct named *named = wf_xarray(struct named, (size_t)wk->n + 1);
    for (uint32_t i = 0; i < wk->n; i++) {
        named[i].item = wk->b->rows[i];
        named[i].sku = wk->b->items->skus[named[i].item];
    }
    qsort(named, wk->n, sizeof *named, by_bytes);
    for (uint32_t i = 0; i < wk->n; i++) {
        wk->by_sku[i] = named[i].item;
    }
    wf_xfree(named);
}

/* Rows: the first space's rows, then the items that it lacks, by SKU. */
static void number_rows(struct work *wk)
{
    memset(wk->row_of, 0xff, wk->n * sizeof *wk->row_of);
    uint32_t row = 0;
    if (wk->n_made > 0) {
        for (; row < wk->made[0].space.n; row++) {
            wk->order[row] = wk->made[0].places[row];
            wk->row_of[wk->order[row]] = row;
        }
    }
    for (uint32_t place = 0; place < wk->n; place++) {
        if (wk->row_of[place] == WF_NO_ROW) {
            wk->order[row] = place;
            wk->row_of[place] = row++;
        }
    }
    for (row = 0; row < wk->n; row++) {
        wk->item[row] = wk->by_sku[wk->order[row]];
    }
}

/* The permutations of every space but the first. */
static void link_space(const struct work *wk, struct shard_made *m)
{
    m->to_row = wf_xarray(uint32_t, (size_t)m->space.n + 1);
    m->of_row = wf_xarray(uint32_t, (size_t)wk->n + 1);
    memset(m->of_row, 0xff, wk->n * sizeof *m->of_row);
    for (uint32_t i = 0; i < m->space.n; i++) {
        m->to_row[i] = wk->row_of[m->places[i]];
        m->of_row[m->to_row[i]] = i;
    }
    m->space.to_row = m->to_row;
    m->space.of_row = m->of_row;
}

static enum wf_code make_spaces(struct work *wk, struct wf_error *err)
{
    const unsigned n = wk->b->schema->n_spaces;
    for (; wk->n_made < n; wk->n_made++) {
        enum wf_code code =
            shard_make(wk->b, wk->n_made, wk->by_sku, wk->n, &wk->made[wk->n_made], err);
        if (code != WF_OK) {
            return code;
        }
    }
    number_rows(wk);
    for (unsigned i = 0; i < n; i++) {
        if (i > 0) {
            link_space(wk, &wk->made[i]);
        }
        shard_report(wk->b, "tune", 0.8 + 0.1 * i / n);
        enum wf_code code = shard_tune(&wk->made[i], wk->order, wk->b, err);
        if (code != WF_OK) {
            return code;
        }
    }
    return WF_OK;
}

/* ---- sections ---- */

static void put_section(struct work *wk, const char *group, const char *name, const char *part,
                        const void *data, size_t size)
{
    char section[64];
    shard_section_name(section, group, name, part); /* lengths were checked */
    wf_container_add(wk->w, section, data, size);
}

static void write_graph(struct work *wk, const struct shard_made *m)
{
    struct shard_graph g;
    shard_faiss_graph_get(m->space.faiss, &g);
    const char *name = m->space.schema->name;
    put_section(wk, "space", name, "levels", g.levels, g.n * sizeof *g.levels);
    put_section(wk, "space", name, "links", g.adjacent, g.n_adjacent * sizeof *g.adjacent);
}

static void write_first_pass(struct work *wk, const struct shard_made *m)
{
    const struct shard_space *s = &m->space;
    const struct shard_pq *pq = &s->pq;
    const char *name = s->schema->name;
    if (m->norms != NULL) {
        put_section(wk, "space", name, "norms", m->norms, s->n * sizeof *m->norms);
    }
    if (pq->m > 0) {
        put_section(wk, "space", name, "pq_centres", m->pq_centres,
                    (size_t)pq->m * 2 * SHARD_PQ_CENTRES * sizeof(float));
        put_section(wk, "space", name, "pq_blocks", m->pq_blocks,
                    ((size_t)s->spec.n + 1) * sizeof *m->pq_blocks);
        put_section(wk, "space", name, "pq_packed", m->pq_packed,
                    shard_pq_bytes(pq, m->pq_blocks[s->spec.n]));
    }
}

static void write_space(struct work *wk, const struct shard_made *m)
{
    const struct shard_space *s = &m->space;
    const char *name = s->schema->name;
    put_section(wk, "space", name, "codes", m->codes, s->n * s->codes.stride);
    if (s->spec.kind == SHARD_IVF && s->n > 0) {
        put_section(wk, "space", name, "centroids", m->centroids, s->spec.n * s->centroids.stride);
        put_section(wk, "space", name, "lists", m->lists,
                    ((size_t)s->spec.n + 1) * sizeof *m->lists);
    }
    if (s->spec.kind == SHARD_HNSW && s->n > 0) {
        write_graph(wk, m);
    }
    if (s->spec.codec == WF_CODEC_SQ8) {
        put_section(wk, "space", name, "min", s->codes.min, s->codes.dim * sizeof(float));
        put_section(wk, "space", name, "step", s->codes.step, s->codes.dim * sizeof(float));
    }
    write_first_pass(wk, m);
    if (m->to_row != NULL) {
        put_section(wk, "space", name, "perm", m->to_row, s->n * sizeof *m->to_row);
        put_section(wk, "space", name, "inverse", m->of_row, wk->n * sizeof *m->of_row);
    }
}

/* Only the values that this shard's items have, in byte order; code[i]: of value i of the column's
 * dictionary, WF_NO_CODE for the others. */
struct used_values {
    const char **values;
    uint32_t *code;
    uint32_t n;
};

static int by_value(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t place_of(const struct used_values *u, const char *value)
{
    const char **found = bsearch(&value, u->values, u->n, sizeof *u->values, by_value);
    wf_assert(found != NULL);
    return (uint32_t)(found - u->values);
}

static void use_values(const struct work *wk, const struct wf_column *c, struct used_values *u)
{
    const size_t room = (size_t)c->n_dictionary + 1;
    u->values = wf_xarray(const char *, room);
    u->code = wf_xarray(uint32_t, room);
    memset(u->code, 0xff, room * sizeof *u->code);
    for (uint32_t row = 0; row < wk->n; row++) {
        const uint32_t code = c->codes[wk->item[row]];
        if (code != WF_NO_CODE && u->code[code] == WF_NO_CODE) {
            u->code[code] = 0;
            u->values[u->n++] = c->dictionary[code];
        }
    }
    qsort(u->values, u->n, sizeof *u->values, by_value);
    for (uint32_t i = 0; i < c->n_dictionary; i++) {
        u->code[i] = u->code[i] == WF_NO_CODE ? WF_NO_CODE : place_of(u, c->dictionary[i]);
    }
}

/* Each value with a NUL behind it. */
static enum wf_code write_values(struct work *wk, const char *name, const struct used_values *u,
                                 struct wf_error *err)
{
    uint32_t *offsets = wf_xarray(uint32_t, (size_t)u->n + 1);
    uint64_t total = 0;
    for (uint32_t i = 0; i < u->n; i++) {
        total += strlen(u->values[i]) + 1;
        offsets[i + 1] = (uint32_t)total;
    }
    put_section(wk, "attr", name, "offsets", offsets, ((size_t)u->n + 1) * sizeof *offsets);
    put_section(wk, "attr", name, "bytes", NULL, 0);
    for (uint32_t i = 0; i < u->n; i++) {
        wf_container_put(wk->w, u->values[i], strlen(u->values[i]) + 1);
    }
    wf_xfree(offsets);
    return total <= UINT32_MAX ? WF_OK
                               : wf_fail(err, WF_EXHAUSTED, "values of \"%s\" pass 4 GiB", name);
}

static enum wf_code write_keyword(struct work *wk, const char *name, const struct wf_column *c,
                                  struct wf_error *err)
{
    struct used_values u = {0};
    use_values(wk, c, &u);
    uint32_t *codes = wf_xarray(uint32_t, (size_t)wk->n + 1);
    for (uint32_t row = 0; row < wk->n; row++) {
        const uint32_t code = c->codes[wk->item[row]];
        codes[row] = code == WF_NO_CODE ? WF_NO_CODE : u.code[code];
    }
    put_section(wk, "attr", name, "codes", codes, wk->n * sizeof *codes);
    enum wf_code code = write_values(wk, name, &u, err);
    if (code == WF_OK && shard_postings_wanted(u.n, wk->n)) {
        shard_postings_write(wk->w, name, codes, wk->n, u.n);
    }
    wf_xfree(codes);
    wf_xfree(u.code);
    wf_xfree(u.values);
    return code;
}

static enum wf_code write_texts(struct work *wk, const char *name, const struct wf_column *c,
                                struct wf_error *err)
{
    uint32_t *offsets = wf_xarray(uint32_t, (size_t)wk->n + 1);
    uint64_t total = 0;
    for (uint32_t row = 0; row < wk->n; row++) {
        const char *text = c->texts[wk->item[row]];
        total += text == NULL ? 0 : strlen(text);
        offsets[row + 1] = (uint32_t)total;
    }
    put_section(wk, "attr", name, "offsets", offsets, ((size_t)wk->n + 1) * sizeof *offsets);
    put_section(wk, "attr", name, "bytes", NULL, 0);
    for (uint32_t row = 0; row < wk->n; row++) {
        const char *text = c->texts[wk->item[row]];
        wf_container_put(wk->w, text, text == NULL ? 0 : strlen(text));
    }
    wf_xfree(offsets);
    return total <= UINT32_MAX ? WF_OK
                               : wf_fail(err, WF_EXHAUSTED, "texts of \"%s\" pass 4 GiB", name);
}

/* One element of `size` bytes per row, from per-item values; owned. */
static void *gather(const struct work *wk, const void *values, size_t size)
{
    unsigned char *out = wf_xmalloc((wk->n + (size_t)1) * size);
    for (uint32_t row = 0; row < wk->n; row++) {
        memcpy(out + row * size, (const unsigned char *)values + wk->item[row] * size, size);
    }
    return out;
}

static void write_numbers(struct work *wk, const char *name, const struct wf_column *c)
{
    float *numbers = gather(wk, c->numbers, sizeof *numbers);
    put_section(wk, "attr", name, "numbers", numbers, wk->n * sizeof *numbers);
    shard_zones_write(wk->w, name, numbers, wk->n);
    wf_xfree(numbers);
}

static void write_flags(struct work *wk, const char *name, const struct wf_column *c)
{
    uint8_t *flags = gather(wk, c->flags, sizeof *flags);
    put_section(wk, "attr", name, "flags", flags, wk->n * sizeof *flags);
    uint32_t *codes = wf_xarray(uint32_t, (size_t)wk->n + 1);
    for (uint32_t row = 0; row < wk->n; row++) {
        codes[row] = flags[row] < 2 ? flags[row] : WF_NO_CODE;
    }
    shard_postings_write(wk->w, name, codes, wk->n, 2);
    wf_xfree(codes);
    wf_xfree(flags);
}

static enum wf_code write_attr(struct work *wk, unsigned i, struct wf_error *err)
{
    const struct wf_attr *attr = &wk->b->schema->attrs[i];
    const struct wf_column *c = &wk->b->items->columns[i];
    switch (attr->type) {
    case WF_ATTR_KEYWORD:
        return write_keyword(wk, attr->name, c, err);
    case WF_ATTR_NUMBER:
        write_numbers(wk, attr->name, c);
        return WF_OK;
    case WF_ATTR_FLAG:
        write_flags(wk, attr->name, c);
        return WF_OK;
    case WF_ATTR_TEXT:
        return write_texts(wk, attr->name, c, err);
    }
    return wf_fail(err, WF_INTERNAL, "attribute type %d", (int)attr->type);
}

static enum wf_code write_features(struct work *wk, struct wf_error *err)
{
    const struct shard_build *b = wk->b;
    float *column = wf_xarray(float, (size_t)wk->n + 1);
    enum wf_code code = WF_OK;
    for (uint32_t j = 0; j < b->n_features && code == WF_OK; j++) {
        const struct rank_feature *f = rank_feature_by_id(b->feature_ids[j]);
        if (f == NULL) {
            code = wf_fail(err, WF_INVALID, "feature %u has no name", b->feature_ids[j]);
            break;
        }
        for (uint32_t row = 0; row < wk->n; row++) {
            column[row] = b->features[(size_t)wk->item[row] * b->n_features + j];
        }
        shard_feature_write(wk->w, f->name, column, wk->n);
    }
    wf_xfree(column);
    return code;
}

static enum wf_code write_ids(struct work *wk, struct wf_error *err)
{
    const char **skus = wf_xarray(const char *, (size_t)wk->n + 1);
    for (uint32_t row = 0; row < wk->n; row++) {
        skus[row] = wk->b->items->skus[wk->item[row]];
    }
    enum wf_code code = wf_idmap_write(wk->w, "ids", skus, wk->n, err);
    wf_container_add(wk->w, "ids/order", wk->order, wk->n * sizeof *wk->order);
    wf_xfree(skus);
    return code;
}

/* ---- meta ---- */

static json_t *space_meta(const struct shard_made *m)
{
    const struct shard_space *s = &m->space;
    struct shard_graph g = {.entry = -1};
    if (s->spec.kind == SHARD_HNSW && s->n > 0) {
        shard_faiss_graph_get(s->faiss, &g);
    }
    return json_pack(
        "{s:s, s:s, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:b, s:i, s:i, s:I, s:o, "
        "s:o}",
        "name", s->schema->name, "content_id", s->schema->content_id, "dim", (int)s->schema->dim,
        "metric", wf_metric_name(s->schema->metric), "index", s->index, "vectors", (json_int_t)s->n,
        "without", (json_int_t)m->without, "effort", (json_int_t)s->effort, "row_cap",
        (json_int_t)s->row_cap, "max_norm", s->max_norm, "recall", m->measure.recall, "scanned",
        m->measure.scanned, "settled", (int)m->measure.settled, "entry", (int)g.entry, "top",
        (int)g.top, "refine", (json_int_t)s->pq.refine, "calibration",
        shard_calibration_json(&s->calibration), "regional", shard_calibration_json(&s->regional));
}

static enum wf_code write_meta(struct work *wk, struct wf_error *err)
{
    const struct shard_build *b = wk->b;
    json_t *spaces = json_array(), *features = json_array();
    for (unsigned i = 0; i < wk->n_made; i++) {
        json_array_append_new(spaces, space_meta(&wk->made[i]));
    }
    for (uint32_t j = 0; j < b->n_features; j++) {
        const struct rank_feature *f = rank_feature_by_id(b->feature_ids[j]);
        json_array_append_new(features, json_pack("{s:i, s:s}", "id", (int)b->feature_ids[j],
                                                  "name", f == NULL ? "" : f->name));
    }
    json_t *meta = json_pack("{s:i, s:i, s:i, s:I, s:o, s:o}", "format", 2, "shard", (int)b->shard,
                             "n_shards", (int)b->n_shards, "rows", (json_int_t)wk->n, "spaces",
                             spaces, "features", features);
    if (meta != NULL && b->trials != NULL) {
        json_object_set_new(meta, "trials", shard_trials_json(b->trials));
    }
    const size_t flags = JSON_COMPACT | JSON_SORT_KEYS;
    const size_t size = meta == NULL ? 0 : json_dumpb(meta, NULL, 0, flags);
    if (size == 0) {
        json_decref(meta);
        return wf_fail(err, WF_INTERNAL, "meta of shard %u is no JSON", b->shard);
    }
    char *text = wf_xmalloc(size);
    json_dumpb(meta, text, size, flags);
    json_decref(meta);
    wf_container_add(wk->w, "meta", text, size);
    wf_xfree(text);
    return WF_OK;
}

static enum wf_code write_all(struct work *wk, struct wf_error *err)
{
    enum wf_code code = write_meta(wk, err);
    if (code == WF_OK) {
        code = write_ids(wk, err);
    }
    for (unsigned i = 0; i < wk->b->schema->n_attrs && code == WF_OK; i++) {
        code = write_attr(wk, i, err);
    }
    if (code == WF_OK) {
        code = write_features(wk, err);
    }
    for (unsigned i = 0; i < wk->n_made && code == WF_OK; i++) {
        write_space(wk, &wk->made[i]);
    }
    return code;
}

/* ---- checks ---- */

static enum wf_code check_names(const struct wf_schema *schema, struct wf_error *err)
{
    static const char *const longest[] = {[WF_ATTR_KEYWORD] = "posting_offsets",
                                          [WF_ATTR_NUMBER] = "numbers",
                                          [WF_ATTR_FLAG] = "posting_offsets",
                                          [WF_ATTR_TEXT] = "offsets"};
    char section[64];
    for (unsigned i = 0; i < schema->n_attrs; i++) {
        const char *part = longest[schema->attrs[i].type];
        if (!shard_section_name(section, "attr", schema->attrs[i].name, part)) {
            return wf_fail(err, WF_INVALID, "attribute name \"%s\" has %zu bytes, limit is %zu",
                           schema->attrs[i].name, strlen(schema->attrs[i].name),
                           63 - strlen("attr//") - strlen(part));
        }
    }
    for (unsigned i = 0; i < schema->n_spaces; i++) {
        if (!shard_section_name(section, "space", schema->spaces[i].name, "pq_centres")) {
            return wf_fail(err, WF_INVALID, "space name \"%s\" has %zu bytes, limit is %zu",
                           schema->spaces[i].name, strlen(schema->spaces[i].name),
                           63 - strlen("space//pq_centres"));
        }
    }
    return WF_OK;
}

static enum wf_code check_build(const struct shard_build *b, struct wf_error *err)
{
    if (b->n_rows >= WF_NO_ROW) {
        return wf_fail(err, WF_EXHAUSTED, "shard %u has %zu rows, limit is %u", b->shard, b->n_rows,
                       WF_NO_ROW - 1);
    }
    enum wf_code code = shard_index_check(b->index, err);
    return code == WF_OK ? check_names(b->schema, err) : code;
}

static void work_fini(struct work *wk)
{
    for (unsigned i = 0; i < wk->n_made; i++) {
        shard_made_fini(&wk->made[i]);
    }
    wf_xfree(wk->made);
    wf_xfree(wk->row_of);
    wf_xfree(wk->item);
    wf_xfree(wk->order);
    wf_xfree(wk->by_sku);
}

enum wf_code shard_build(const struct shard_build *b, const char *path, struct wf_error *err)
{
    enum wf_code code = check_build(b, err);
    if (code != WF_OK) {
        return code;
    }
    const size_t n = b->n_rows + 1;
    struct work wk = {.b = b,
                      .n = (uint32_t)b->n_rows,
                      .by_sku = wf_xarray(uint32_t, n),
                      .order = wf_xarray(uint32_t, n),
                      .item = wf_xarray(uint32_t, n),
                      .row_of = wf_xarray(uint32_t, n),
                      .made = wf_xarray(struct shard_made, b->schema->n_spaces + 1)};
    shard_report(b, "sort", 0);
    sort_skus(&wk);
    code = make_spaces(&wk, err);
    if (code == WF_OK) {
        shard_report(b, "write", 0.9);
        code = wf_container_create(path, &wk.w, err);
    }
    if (code == WF_OK) {
        code = write_all(&wk, err);
        if (code == WF_OK) {
            code = wf_container_commit(wk.w, err);
        } else {
            wf_container_abort(wk.w);
        }
    }
    work_fini(&wk);
    if (code == WF_OK) {
        shard_report(b, "write", 1);
    }
    return code;
}

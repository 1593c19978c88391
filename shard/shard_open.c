/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_open.c - from a container to a shard: maps its sections and holds their sizes and counts
 * against the schema and against each other, in time that depends on their number alone.
 *
 * What the sections hold is read by shard_check.c, and nothing may be searched before that has
 * passed, now or when the file was sealed. What lies is WF_DATA_LOSS with the section's name.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "shard/mapped.h"
#include "shard/reach.h"

bool shard_section_name(char out[64], const char *group, const char *name, const char *part)
{
    const char *const pieces[] = {group, "/", name, part == NULL ? "" : "/",
                                  part == NULL ? "" : part};
    size_t at = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        const size_t size = strlen(pieces[i]);
        if (at + size > 63) {
            return false;
        }
        memcpy(out + at, pieces[i], size);
        at += size;
    }
    out[at] = '\0';
    return true;
}

enum wf_code shard_lies(struct wf_error *err, const char *group, const char *name, const char *what)
{
    wf_fail(err, WF_DATA_LOSS, "%s \"%s\": %s", group, name, what);
    return WF_DATA_LOSS;
}

/* The sections "<group>/<name>/...". */
struct family {
    const struct shard *s;
    const char *group, *name;
};

static enum wf_code section(const struct family *f, const char *part, size_t n, size_t size,
                            const void **out, struct wf_error *err)
{
    char text[64];
    if (!shard_section_name(text, f->group, f->name, part)) {
        return shard_lies(err, f->group, f->name, "name is too long for a section");
    }
    return wf_container_get(f->s->container, text, n, size, out, err);
}

/* As section, with as many elements as its own size gives. */
static enum wf_code whole_section(const struct family *f, const char *part, size_t size,
                                  const void **out, size_t *n, struct wf_error *err)
{
    char text[64];
    const struct wf_section *found = NULL;
    if (shard_section_name(text, f->group, f->name, part)) {
        found = wf_container_find(f->s->container, text);
    }
    if (found == NULL || found->size % size != 0) {
        return shard_lies(err, f->group, f->name,
                          found == NULL ? "a section is missing" : "a section is cut");
    }
    *out = found->data;
    *n = found->size / size;
    return WF_OK;
}

/* ---- attributes ---- */

static enum wf_code open_keyword(const struct shard *s, struct shard_attr *a, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "attr", .name = a->schema->name};
    const void *codes = NULL, *offsets = NULL, *bytes = NULL;
    size_t n_offsets = 0, n_bytes = 0;
    enum wf_code code = section(&f, "codes", s->rows, sizeof(uint32_t), &codes, err);
    if (code == WF_OK) {
        code = whole_section(&f, "offsets", sizeof(uint32_t), &offsets, &n_offsets, err);
    }
    if (code == WF_OK) {
        code = whole_section(&f, "bytes", 1, &bytes, &n_bytes, err);
    }
    if (code != WF_OK) {
        return code;
    }
    a->codes = codes;
    a->offsets = offsets;
    a->bytes = bytes;
    if (n_offsets == 0 || n_offsets > UINT32_MAX) {
        return shard_lies(err, "attribute", a->schema->name, "offsets do not fit the values");
    }
    a->n_values = (uint32_t)(n_offsets - 1);
    a->n_bytes = n_bytes;
    return shard_postings_open(s->container, a->schema->name, a->n_values, &a->postings, err);
}

static enum wf_code open_texts(const struct shard *s, struct shard_attr *a, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "attr", .name = a->schema->name};
    const void *offsets = NULL, *bytes = NULL;
    size_t n_bytes = 0;
    enum wf_code code =
        section(&f, "offsets", (size_t)s->rows + 1, sizeof(uint32_t), &offsets, err);
    if (code == WF_OK) {
        code = whole_section(&f, "bytes", 1, &bytes, &n_bytes, err);
    }
    a->offsets = offsets;
    a->bytes = bytes;
    a->n_bytes = n_bytes;
    return code;
}

static enum wf_code open_attr(const struct shard *s, struct shard_attr *a, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "attr", .name = a->schema->name};
    const void *values = NULL;
    enum wf_code code = WF_DATA_LOSS;
    switch (a->schema->type) {
    case WF_ATTR_KEYWORD:
        return open_keyword(s, a, err);
    case WF_ATTR_NUMBER:
        code = section(&f, "numbers", s->rows, sizeof(float), &values, err);
        a->numbers = values;
        return code == WF_OK
                   ? shard_zones_open(s->container, a->schema->name, s->rows, &a->zones, err)
                   : code;
    case WF_ATTR_FLAG:
        code = section(&f, "flags", s->rows, 1, &values, err);
        a->flags = values;
        return code == WF_OK
                   ? shard_postings_open(s->container, a->schema->name, 2, &a->postings, err)
                   : code;
    case WF_ATTR_TEXT:
        return open_texts(s, a, err);
    }
    return shard_lies(err, "attribute", a->schema->name, "unknown type");
}

/* ---- features ---- */

static enum wf_code open_features(struct shard *s, const json_t *list, struct wf_error *err)
{
    const size_t n = json_array_size(list);
    if (n > WIRE_FEATURES_MAX) {
        return shard_lies(err, "section", "meta", "too many features");
    }
    s->features = wf_xarray(struct shard_feature, n + 1);
    for (size_t i = 0; i < n; i++) {
        int id;
        const char *name;
        if (json_unpack(json_array_get(list, i), "{s:i, s:s}", "id", &id, "name", &name) != 0 ||
            id < 0) {
            return shard_lies(err, "section", "meta", "a feature has no id and name");
        }
        struct shard_feature *f = &s->features[s->n_features++];
        const enum wf_code code = shard_feature_open(s->container, name, s->rows, f, err);
        if (code != WF_OK) {
            return code;
        }
        f->id = (uint32_t)id;
    }
    return WF_OK;
}

/* ---- spaces ---- */

struct space_meta {
    const char *name, *content_id, *metric, *index;
    json_int_t vectors, effort, row_cap;
    int dim, entry, top;
    json_t *calibration, *regional;
};

static enum wf_code read_space_meta(json_t *json, const struct wf_space *schema,
                                    struct shard_space *sp, struct space_meta *out,
                                    struct wf_error *err)
{
    struct space_meta m = {0};
    if (json_unpack(json, "{s:s, s:s, s:i, s:s, s:s, s:I, s:I, s:I, s:F, s:i, s:i, s:o, s:o}",
                    "name", &m.name, "content_id", &m.content_id, "dim", &m.dim, "metric",
                    &m.metric, "index", &m.index, "vectors", &m.vectors, "effort", &m.effort,
                    "row_cap", &m.row_cap, "max_norm", &sp->max_norm, "entry", &m.entry, "top",
                    &m.top, "calibration", &m.calibration, "regional", &m.regional) != 0) {
        return shard_lies(err, "section", "meta", "a space lacks a member");
    }
    if (strcmp(m.name, schema->name) != 0 || strcmp(m.content_id, schema->content_id) != 0 ||
        m.dim != (int)schema->dim || strcmp(m.metric, wf_metric_name(schema->metric)) != 0) {
        return shard_lies(err, "space", schema->name, "meta and schema differ");
    }
    struct wf_error spec;
    if (shard_spec_parse(m.index, &sp->spec, &spec) != WF_OK || strlen(m.index) == 0) {
        return shard_lies(err, "space", schema->name, "unknown index");
    }
    if (shard_spec_fit(&sp->spec, schema->name, schema->dim, &spec) != WF_OK) {
        return shard_lies(err, "space", schema->name, "its dimension does not fit the index");
    }
    *out = m;
    return WF_OK;
}

static enum wf_code check_space_meta(const struct shard *s, const struct space_meta *m,
                                     struct shard_space *sp, struct wf_error *err)
{
    const char *name = sp->schema->name;
    if (m->vectors < 0 || m->vectors > (json_int_t)s->rows) {
        return shard_lies(err, "space", name, "more vectors than rows");
    }
    sp->n = (uint32_t)m->vectors;
    const json_int_t most = sp->spec.kind == SHARD_IVF ? SHARD_REACH_MOST : WIRE_EFFORT_MAX;
    const json_int_t least = sp->spec.kind == SHARD_FLAT ? 0 : 1;
    if (m->effort < least || m->effort > most || m->row_cap < 0 || m->row_cap > m->vectors) {
        return shard_lies(err, "space", name, "effort is out of range");
    }
    if (!(sp->max_norm >= 0) || !isfinite(sp->max_norm)) {
        return shard_lies(err, "space", name, "max_norm is out of range");
    }
    sp->effort = (uint32_t)m->effort;
    sp->row_cap = (uint32_t)m->row_cap;
    shard_spec_text(&sp->spec, sp->index);
    if (shard_calibration_read(m->calibration, (uint32_t)most, &sp->calibration, err) != WF_OK ||
        shard_calibration_read(m->regional, (uint32_t)most, &sp->regional, err) != WF_OK) {
        return wf_prefix(err, "space \"%s\": ", name);
    }
    return WF_OK;
}

static enum wf_code open_ranges(const struct shard *s, struct shard_space *sp, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "space", .name = sp->schema->name};
    const uint32_t dim = sp->schema->dim;
    const void *min = NULL, *step = NULL;
    enum wf_code code = section(&f, "min", dim, sizeof(float), &min, err);
    if (code == WF_OK) {
        code = section(&f, "step", dim, sizeof(float), &step, err);
    }
    if (code != WF_OK) {
        return code;
    }
    sp->codes.min = min;
    sp->codes.step = step;
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        const double w = fabs((double)sp->codes.min[i]) + 255 * fabs((double)sp->codes.step[i]);
        sum += w * w;
    }
    sp->decode_norm = sqrt(sum);
    return WF_OK;
}

static enum wf_code open_codes(const struct shard *s, struct shard_space *sp, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "space", .name = sp->schema->name};
    const struct wf_space *schema = sp->schema;
    const void *data = NULL;
    sp->codes =
        (struct wf_codes){.codec = sp->spec.codec, .metric = schema->metric, .dim = schema->dim};
    sp->codes.stride = wf_padded_dim(schema->dim) * wf_codec_size(sp->spec.codec);
    enum wf_code code = section(&f, "codes", sp->n, sp->codes.stride, &data, err);
    sp->codes.data = data;
    if (code == WF_OK && sp->spec.codec == WF_CODEC_SQ8) {
        code = open_ranges(s, sp, err);
    }
    return code;
}

static enum wf_code open_lists(const struct shard *s, struct shard_space *sp, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "space", .name = sp->schema->name};
    const size_t lists = sp->spec.n;
    const void *centroids = NULL, *offsets = NULL;
    sp->centroids = (struct wf_codes){.codec = WF_CODEC_FLOAT32,
                                      .metric = sp->schema->metric,
                                      .dim = sp->schema->dim,
                                      .stride = wf_padded_dim(sp->schema->dim) * sizeof(float)};
    enum wf_code code = section(&f, "centroids", lists, sp->centroids.stride, &centroids, err);
    if (code == WF_OK) {
        code = section(&f, "lists", lists + 1, sizeof(uint32_t), &offsets, err);
    }
    if (code != WF_OK) {
        return code;
    }
    sp->centroids.data = centroids;
    sp->lists = offsets;
    return shard_space_attach(sp, err);
}

static enum wf_code open_graph(const struct shard *s, const struct space_meta *m,
                               struct shard_space *sp, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "space", .name = sp->schema->name};
    const void *levels = NULL, *links = NULL;
    struct shard_graph g = {.n = sp->n, .links = sp->spec.n, .entry = m->entry, .top = m->top};
    enum wf_code code = section(&f, "levels", sp->n, sizeof(int32_t), &levels, err);
    if (code == WF_OK) {
        code = whole_section(&f, "links", sizeof(int32_t), &links, &g.n_adjacent, err);
    }
    if (code != WF_OK) {
        return code;
    }
    g.levels = levels;
    g.adjacent = links;
    return shard_faiss_graph_open(&sp->codes, &g, &sp->faiss, err);
}

static enum wf_code open_norms(const struct shard *s, struct shard_space *sp, struct wf_error *err)
{
    const struct family f = {.s = s, .group = "space", .name = sp->schema->name};
    const void *norms = NULL;
    enum wf_code code = section(&f, "norms", sp->n, sizeof(float), &norms, err);
    sp->norms = norms;
    return code;
}

/* The compressed first pass. */
static enum wf_code open_pq(const struct shard *s, const json_t *json, struct shard_space *sp,
                            struct wf_error *err)
{
    const struct family f = {.s = s, .group = "space", .name = sp->schema->name};
    const json_int_t refine = json_integer_value(json_object_get(json, "refine"));
    const size_t lists = sp->spec.n, parts = sp->spec.m;
    const void *centres = NULL, *blocks = NULL, *packed = NULL;
    size_t n_blocks = 0;
    if (refine < 1 || refine > SHARD_REFINE_MOST) {
        return shard_lies(err, "space", sp->schema->name, "refine is out of range");
    }
    enum wf_code code =
        section(&f, "pq_centres", parts * 2 * SHARD_PQ_CENTRES, sizeof(float), &centres, err);
    if (code == WF_OK) {
        code = section(&f, "pq_blocks", lists + 1, sizeof(uint32_t), &blocks, err);
    }
    if (code == WF_OK) {
        code = whole_section(&f, "pq_packed", parts * SHARD_PQ_CENTRES, &packed, &n_blocks, err);
    }
    if (code != WF_OK) {
        return code;
    }
    sp->pq = (struct shard_pq){.m = sp->spec.m,
                               .centres = centres,
                               .blocks = blocks,
                               .packed = packed,
                               .norms = sp->norms,
                               .refine = (uint32_t)refine};
    return sp->pq.blocks[lists] == n_blocks
               ? WF_OK
               : shard_lies(err, "space", sp->schema->name, "blocks do not fit the packed codes");
}

static enum wf_code open_permutation(const struct shard *s, struct shard_space *sp,
                                     struct wf_error *err)
{
    const struct family f = {.s = s, .group = "space", .name = sp->schema->name};
    const void *perm = NULL, *inverse = NULL;
    enum wf_code code = section(&f, "perm", sp->n, sizeof(uint32_t), &perm, err);
    if (code == WF_OK) {
        code = section(&f, "inverse", s->rows, sizeof(uint32_t), &inverse, err);
    }
    sp->to_row = perm;
    sp->of_row = inverse;
    return code;
}

static enum wf_code open_space(const struct shard *s, unsigned i, json_t *json,
                               struct wf_error *err)
{
    struct shard_space *sp = &s->spaces[i];
    struct space_meta m = {0};
    sp->schema = &s->schema.spaces[i];
    enum wf_code code = read_space_meta(json, sp->schema, sp, &m, err);
    if (code == WF_OK) {
        code = check_space_meta(s, &m, sp, err);
    }
    if (code == WF_OK) {
        code = open_codes(s, sp, err);
    }
    if (code == WF_OK && i > 0) {
        code = open_permutation(s, sp, err);
    }
    if (code == WF_OK && sp->n > 0 && sp->spec.kind == SHARD_IVF) {
        code = open_lists(s, sp, err);
    }
    if (code == WF_OK && shard_space_needs_norms(sp)) {
        code = open_norms(s, sp, err);
    }
    if (code == WF_OK && sp->n > 0 && sp->spec.pq) {
        code = open_pq(s, json, sp, err);
    }
    if (code == WF_OK && sp->n > 0 && sp->spec.kind == SHARD_HNSW) {
        code = open_graph(s, &m, sp, err);
    }
    return code;
}

/* ---- the whole ---- */

static enum wf_code open_parts(struct shard *s, const json_t *spaces, const json_t *features,
                               struct wf_error *err)
{
    const void *order = NULL;
    enum wf_code code = wf_idmap_map(s->container, "ids", s->rows, &s->ids, err);
    if (code == WF_OK) {
        code = wf_container_get(s->container, "ids/order", s->rows, sizeof(uint32_t), &order, err);
    }
    s->order = order;
    s->attrs = wf_xarray(struct shard_attr, s->schema.n_attrs + 1);
    for (unsigned i = 0; i < s->schema.n_attrs && code == WF_OK; i++) {
        s->attrs[i].schema = &s->schema.attrs[i];
        code = open_attr(s, &s->attrs[i], err);
    }
    if (code == WF_OK) {
        code = open_features(s, features, err);
    }
    if (code == WF_OK && json_array_size(spaces) != s->schema.n_spaces) {
        code = shard_lies(err, "section", "meta", "the schema has another number of spaces");
    }
    s->spaces = wf_xarray(struct shard_space, s->schema.n_spaces + 1);
    for (unsigned i = 0; i < s->schema.n_spaces && code == WF_OK; i++) {
        code = open_space(s, i, json_array_get(spaces, i), err);
    }
    return code;
}

static enum wf_code open_meta(struct shard *s, json_t *meta, struct wf_error *err)
{
    int format, number, n_shards;
    json_int_t rows;
    json_t *spaces, *features;
    if (json_unpack(meta, "{s:i, s:i, s:i, s:I, s:o, s:o}", "format", &format, "shard", &number,
                    "n_shards", &n_shards, "rows", &rows, "spaces", &spaces, "features",
                    &features) != 0) {
        return shard_lies(err, "section", "meta", "a member is missing");
    }
    if (format != 2) {
        return wf_fail(err, WF_DATA_LOSS, "shard format %d, this program reads 2", format);
    }
    if (rows < 0 || rows >= (json_int_t)WF_NO_ROW || number < 0 || n_shards <= number) {
        return shard_lies(err, "section", "meta", "rows or shard number are out of range");
    }
    s->rows = (uint32_t)rows;
    s->number = (uint32_t)number;
    s->n_shards = (uint32_t)n_shards;
    return open_parts(s, spaces, features, err);
}

enum wf_code shard_map(struct wf_container *container, const struct wf_schema *schema,
                       const char *generation, struct shard **out, struct wf_error *err)
{
    struct shard *s = wf_xcalloc(1, sizeof *s);
    s->container = container;
    s->schema = *schema;
    snprintf(s->generation, sizeof s->generation, "%s", generation);
    shard_memory_of(container, s->memory);
    for (unsigned i = 0; i < wf_container_count(container); i++) {
        s->bytes += wf_container_at(container, i)->size;
    }
    const struct wf_section *meta = wf_container_find(container, "meta");
    json_t *json = meta == NULL ? NULL
                                : json_loadb((const char *)meta->data, meta->size,
                                             JSON_REJECT_DUPLICATES, NULL);
    enum wf_code code = json == NULL ? shard_lies(err, "section", "meta", "missing, or not JSON")
                                     : open_meta(s, json, err);
    json_decref(json);
    if (code != WF_OK) {
        shard_close(s);
        return code;
    }
    s->filters = shard_filters_create(s, shard_filter_cache(&(struct shard_open_options){0}));
    *out = s;
    return WF_OK;
}

enum wf_code shard_view(struct wf_container *container, const struct wf_schema *schema,
                        const char *generation, struct shard **out, struct wf_error *err)
{
    struct shard *s;
    enum wf_code code = shard_map(container, schema, generation, &s, err);
    if (code != WF_OK) {
        return code;
    }
    code = shard_check(s, NULL, err);
    if (code != WF_OK) {
        shard_close(s);
        return code;
    }
    *out = s;
    return WF_OK;
}

void shard_close(struct shard *s)
{
    if (s == NULL) {
        return;
    }
    shard_filters_destroy(s->filters);
    for (unsigned i = 0; s->spaces != NULL && i < s->schema.n_spaces; i++) {
        shard_space_detach(&s->spaces[i]);
    }
    wf_xfree(s->spaces);
    wf_xfree(s->features);
    wf_xfree(s->attrs);
    wf_xfree(s->seal_file);
    wf_container_close(s->container);
    wf_xfree(s);
}

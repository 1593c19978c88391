/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_columns.c - rows of a shard as columns of a reply, built once, in the request's arena.
 *
 * A keyword column carries a dictionary of the values that its rows use and no others; the strings
 * themselves are borrowed from the mapping.
 */
#include <stdio.h>
#include <string.h>

#include "shard/mapped.h"

enum wf_code shard_no_room(const struct wf_arena *a, struct wf_error *err)
{
    struct wf_error local;
    err = err == NULL ? &local : err;
    wf_fail(err, WF_EXHAUSTED, "request needs more than its %zu bytes of memory", a->limit);
    wf_reason(err, "MEMORY");
    return WF_EXHAUSTED;
}

/* ---- what is wanted ---- */

static enum wf_code want_all_attrs(struct shard_want *w, struct wf_arena *a, struct wf_error *err)
{
    w->n_attrs = w->s->schema.n_attrs;
    w->attrs = wf_array(a, const struct shard_attr *, w->n_attrs);
    if (w->attrs == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < w->n_attrs; i++) {
        w->attrs[i] = &w->s->attrs[i];
    }
    return WF_OK;
}

enum wf_code shard_want_attrs(struct shard_want *w, const char *const *names, uint32_t n,
                              struct wf_arena *a, struct wf_error *err)
{
    if (n == 1 && strcmp(names[0], "*") == 0) {
        return want_all_attrs(w, a, err);
    }
    w->n_attrs = n;
    w->attrs = wf_array(a, const struct shard_attr *, n);
    if (w->attrs == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const int at = wf_schema_attr(&w->s->schema, names[i]);
        if (at < 0) {
            char field[32];
            snprintf(field, sizeof field, "attributes[%u]", i);
            return wf_invalid(err, "UNKNOWN_ATTRIBUTE", field,
                              "\"%.64s\" is not an attribute of generation %s", names[i],
                              w->s->generation);
        }
        w->attrs[i] = &w->s->attrs[at];
    }
    return WF_OK;
}

static const struct shard_feature *find_feature(const struct shard *s, uint32_t id)
{
    for (uint32_t i = 0; i < s->n_features; i++) {
        if (s->features[i].id == id) {
            return &s->features[i];
        }
    }
    return NULL;
}

enum wf_code shard_want_features(struct shard_want *w, const uint32_t *ids, uint32_t n,
                                 struct wf_arena *a, struct wf_error *err)
{
    w->n_features = n;
    w->features = wf_array(a, const struct shard_feature *, n);
    if (w->features == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        w->features[i] = find_feature(w->s, ids[i]);
        if (w->features[i] == NULL) {
            char field[32];
            snprintf(field, sizeof field, "features[%u]", i);
            return wf_invalid(err, "UNKNOWN_VALUE", field,
                              "feature %u is not one of the %u of generation %s", ids[i],
                              w->s->n_features, w->s->generation);
        }
    }
    return WF_OK;
}

/* ---- columns ---- */

static enum wf_code put_skus(const struct shard *s, const uint32_t *rows, uint32_t n,
                             struct wf_arena *a, struct wire_columns *out, struct wf_error *err)
{
    uint32_t *sizes = wf_array(a, uint32_t, n);
    if (sizes == NULL) {
        return shard_no_room(a, err);
    }
    size_t size, total = 0;
    for (uint32_t i = 0; i < n; i++) {
        wf_idmap_get(&s->ids, rows[i], &size);
        sizes[i] = (uint32_t)size;
        total += size;
    }
    char *bytes = wf_arena_alloc(a, total);
    if (bytes == NULL) {
        return shard_no_room(a, err);
    }
    char *at = bytes;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(at, wf_idmap_get(&s->ids, rows[i], &size), sizes[i]);
        at += sizes[i];
    }
    out->sku_bytes = bytes;
    out->sku_sizes = sizes;
    return WF_OK;
}

static enum wf_code put_features(const struct shard_want *w, const uint32_t *rows, uint32_t n,
                                 struct wf_arena *a, struct wire_columns *out, struct wf_error *err)
{
    if (w->n_features == 0) {
        return WF_OK;
    }
    float *matrix = wf_array(a, float, (size_t)n * w->n_features);
    if (matrix == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t j = 0; j < w->n_features; j++) {
        shard_feature_gather(w->features[j], rows, n, matrix + j, w->n_features);
    }
    out->features = matrix;
    return WF_OK;
}

static size_t element_size(enum wire_encoding e)
{
    return e == WIRE_FLOAT32 ? sizeof(float) : e == WIRE_FP16 ? sizeof(uint16_t) : 1;
}

/* fp16 codes and float32 codes travel as they are; everything else is decoded first. */
static bool same_bytes(const struct wf_codes *c, enum wire_encoding e)
{
    return (c->codec == WF_CODEC_FP16 && e == WIRE_FP16) ||
           (c->codec == WF_CODEC_FLOAT32 && e == WIRE_FLOAT32);
}

static void put_vector(const struct wf_codes *c, enum wire_encoding e, uint32_t row, float *scratch,
                       unsigned char *into, float *scale)
{
    if (same_bytes(c, e)) {
        memcpy(into, c->data + (size_t)row * c->stride, c->dim * element_size(e));
        return;
    }
    wf_decode_row(c, row, scratch);
    switch (e) {
    case WIRE_FLOAT32:
        memcpy(into, scratch, c->dim * sizeof *scratch);
        return;
    case WIRE_FP16:
        wf_float_to_half(scratch, (uint16_t *)(void *)into, c->dim);
        return;
    case WIRE_INT8:
        *scale = wf_float_to_int8(scratch, (int8_t *)into, c->dim);
        return;
    }
}

static enum wf_code put_vectors(const struct shard_want *w, const uint32_t *rows, uint32_t n,
                                struct wf_arena *a, struct wire_columns *out, struct wf_error *err)
{
    const struct shard_space *sp = w->vectors;
    if (sp == NULL) {
        return WF_OK;
    }
    const size_t size = sp->schema->dim * element_size(w->encoding);
    unsigned char *bytes = wf_arena_calloc_array(a, size, n);
    float *scratch = wf_array(a, float, sp->schema->dim);
    float *scales = wf_array(a, float, n);
    if (bytes == NULL || scratch == NULL || scales == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = shard_space_row(sp, rows[i]);
        if (row != WF_NO_ROW) {
            put_vector(&sp->codes, w->encoding, row, scratch, bytes + i * size, &scales[i]);
        }
    }
    out->vectors = bytes;
    out->vector_scales = w->encoding == WIRE_INT8 ? scales : NULL;
    return WF_OK;
}

/* Shard codes to codes of a dictionary of only those values, by a small hash table. */
struct recode {
    uint32_t *slots; /* power of two of them: 1 + index in values, 0 = free */
    uint32_t mask;
    uint32_t *values; /* shard codes in order of first use */
    uint32_t n;
};

static uint32_t recode_one(struct recode *r, uint32_t code)
{
    uint32_t at = code * UINT32_C(2654435761) & r->mask;
    while (r->slots[at] != 0) {
        if (r->values[r->slots[at] - 1] == code) {
            return r->slots[at] - 1;
        }
        at = (at + 1) & r->mask;
    }
    r->values[r->n] = code;
    r->slots[at] = ++r->n;
    return r->n - 1;
}

static enum wf_code put_keyword(const struct shard_attr *attr, const uint32_t *rows, uint32_t n,
                                struct wf_arena *a, struct wire_column *out, struct wf_error *err)
{
    struct recode r = {.mask = 1};
    while (r.mask < 2 * n) {
        r.mask = 2 * r.mask + 1;
    }
    r.slots = wf_array(a, uint32_t, (size_t)r.mask + 1);
    r.values = wf_array(a, uint32_t, n);
    uint32_t *codes = wf_array(a, uint32_t, n);
    if (r.slots == NULL || r.values == NULL || codes == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t code = attr->codes[rows[i]];
        codes[i] = code == WF_NO_CODE ? WF_NO_CODE : recode_one(&r, code);
    }
    const char **dictionary = wf_array(a, const char *, r.n);
    if (dictionary == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < r.n; i++) {
        dictionary[i] = attr->bytes + attr->offsets[r.values[i]];
    }
    out->kind = WIRE_COLUMN_KEYWORD;
    out->dictionary = dictionary;
    out->n_dictionary = r.n;
    out->codes = codes;
    return WF_OK;
}

static enum wf_code put_numbers(const struct shard_attr *attr, const uint32_t *rows, uint32_t n,
                                struct wf_arena *a, struct wire_column *out, struct wf_error *err)
{
    float *numbers = wf_array(a, float, n);
    if (numbers == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        numbers[i] = attr->numbers[rows[i]];
    }
    out->kind = WIRE_COLUMN_NUMBER;
    out->numbers = numbers;
    return WF_OK;
}

static enum wf_code put_flags(const struct shard_attr *attr, const uint32_t *rows, uint32_t n,
                              struct wf_arena *a, struct wire_column *out, struct wf_error *err)
{
    uint8_t *flags = wf_array(a, uint8_t, n);
    if (flags == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        flags[i] = attr->flags[rows[i]];
    }
    out->kind = WIRE_COLUMN_FLAG;
    out->flags = flags;
    return WF_OK;
}

static enum wf_code put_texts(const struct shard_attr *attr, const uint32_t *rows, uint32_t n,
                              struct wf_arena *a, struct wire_column *out, struct wf_error *err)
{
    uint32_t *sizes = wf_array(a, uint32_t, n);
    if (sizes == NULL) {
        return shard_no_room(a, err);
    }
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        sizes[i] = attr->offsets[rows[i] + 1] - attr->offsets[rows[i]];
        total += sizes[i];
    }
    char *bytes = wf_arena_alloc(a, total);
    if (bytes == NULL) {
        return shard_no_room(a, err);
    }
    out->kind = WIRE_COLUMN_TEXT;
    out->text = bytes;
    out->text_sizes = sizes;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(bytes, attr->bytes + attr->offsets[rows[i]], sizes[i]);
        bytes += sizes[i];
    }
    return WF_OK;
}

static enum wf_code put_attr(const struct shard_attr *attr, const uint32_t *rows, uint32_t n,
                             struct wf_arena *a, struct wire_column *out, struct wf_error *err)
{
    out->name = attr->schema->name;
    switch (attr->schema->type) {
    case WF_ATTR_KEYWORD:
        return put_keyword(attr, rows, n, a, out, err);
    case WF_ATTR_NUMBER:
        return put_numbers(attr, rows, n, a, out, err);
    case WF_ATTR_FLAG:
        return put_flags(attr, rows, n, a, out, err);
    case WF_ATTR_TEXT:
        return put_texts(attr, rows, n, a, out, err);
    }
    return wf_fail(err, WF_INTERNAL, "attribute type %d", (int)attr->schema->type);
}

enum wf_code shard_columns(const struct shard_want *w, const uint32_t *rows, uint32_t n,
                           struct wf_arena *a, struct wire_columns *out, struct wf_error *err)
{
    out->n = n;
    if (out->scores == NULL) {
        out->scores = wf_array(a, float, n);
    }
    struct wire_column *attrs = wf_array(a, struct wire_column, w->n_attrs);
    if (out->scores == NULL || attrs == NULL) {
        return shard_no_room(a, err);
    }
    out->attributes = attrs;
    out->n_attributes = w->n_attrs;
    enum wf_code code = put_skus(w->s, rows, n, a, out, err);
    if (code == WF_OK) {
        code = put_features(w, rows, n, a, out, err);
    }
    if (code == WF_OK) {
        code = put_vectors(w, rows, n, a, out, err);
    }
    for (uint32_t i = 0; i < w->n_attrs && code == WF_OK; i++) {
        code = put_attr(w->attrs[i], rows, n, a, &attrs[i], err);
    }
    return code;
}

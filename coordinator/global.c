/* SPDX-License-Identifier: Apache-2.0
 *
 * global.c - opens the coordinators' part of a generation. Bytes are verified before anything is
 * parsed; then every count, offset and size is checked once, so that queries need not. The ranker
 * must give the margins that the training library gave on the golden rows, or the generation is
 * refused.
 */
#include "coordinator/global.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

enum { LISTS_MAX = 1000, LIST_MAX = 1000 };
static const double GOLDEN_TOLERANCE = 1e-6; /* times max(1, |margin|) */

static enum wf_code damaged(struct wf_error *err, const char *what)
{
    wf_fail(err, WF_DATA_LOSS, "section global/meta: %s", what);
    return wf_reason(err, "GENERATION");
}

/* A count of the metadata, 0 when it is missing; false when it is no count. */
static bool read_count(const json_t *meta, const char *key, uint32_t *out)
{
    const json_t *value = json_object_get(meta, key);
    json_int_t n = json_integer_value(value);
    *out = 0;
    if (!value) {
        return true;
    }
    if (!json_is_integer(value) || n < 0 || n > (json_int_t)UINT32_MAX - 1) {
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

/* ---- popularity ---- */

static enum wf_code check_list(const struct coord_popularity *p, size_t bytes, unsigned i,
                               struct wf_error *err)
{
    bool good = p->offsets[0] == 0 && p->offsets[p->n] == bytes;
    for (uint32_t j = 0; good && j < p->n; j++) {
        good = p->offsets[j + 1] > p->offsets[j] && p->offsets[j + 1] <= bytes &&
               p->offsets[j + 1] - p->offsets[j] <= WF_SKU_MAX &&
               !memchr(p->bytes + p->offsets[j], 0, p->offsets[j + 1] - p->offsets[j]);
    }
    if (!good) {
        wf_fail(err, WF_DATA_LOSS, "popularity/%u: offsets do not fit %zu bytes of SKUs", i, bytes);
        return wf_reason(err, "GENERATION");
    }
    return WF_OK;
}

static enum wf_code open_list(const struct wf_container *c, const json_t *meta, unsigned i,
                              struct coord_popularity *p, struct wf_error *err)
{
    const char *segment = json_string_value(json_object_get(meta, "segment"));
    if (!segment || strlen(segment) > WF_SKU_MAX || !read_count(meta, "n", &p->n) ||
        p->n > LIST_MAX) {
        return damaged(err, "a popularity list without segment or size");
    }
    snprintf(p->segment, sizeof p->segment, "%s", segment);
    char name[64];
    const void *data = NULL;
    snprintf(name, sizeof name, "popularity/%u/skus/offsets", i);
    enum wf_code code = wf_container_get(c, name, (size_t)p->n + 1, sizeof(uint32_t), &data, err);
    p->offsets = data;
    if (code == WF_OK) {
        snprintf(name, sizeof name, "popularity/%u/counts", i);
        code = wf_container_get(c, name, p->n, sizeof(uint32_t), &data, err);
        p->counts = data;
    }
    if (code != WF_OK) {
        return code;
    }
    snprintf(name, sizeof name, "popularity/%u/skus/bytes", i);
    const struct wf_section *bytes = wf_container_find(c, name);
    if (!bytes) {
        return damaged(err, "a popularity list without SKUs");
    }
    p->bytes = (const char *)bytes->data;
    return check_list(p, bytes->size, i, err);
}

static enum wf_code open_lists(struct coord_global *g, const json_t *meta, struct wf_error *err)
{
    const json_t *lists = json_object_get(meta, "lists");
    size_t n = json_array_size(lists);
    if (n > LISTS_MAX) {
        return damaged(err, "too many popularity lists");
    }
    g->popularity = wf_xarray(struct coord_popularity, n);
    for (size_t i = 0; i < n; i++) {
        enum wf_code code =
            open_list(g->container, json_array_get(lists, i), (unsigned)i, &g->popularity[i], err);
        if (code != WF_OK) {
            return code;
        }
        g->n_popularity++;
    }
    return WF_OK;
}

/* ---- users and codes ---- */

static enum wf_code open_ids(struct coord_global *g, const json_t *meta, struct wf_error *err)
{
    const struct {
        const char *name;
        struct wf_idmap *map;
    } maps[] = {{"users", &g->users},
                {"categories", &g->categories},
                {"brands", &g->brands},
                {"colours", &g->colours}};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        uint32_t n;
        if (!read_count(meta, maps[i].name, &n)) {
            return damaged(err, maps[i].name);
        }
        if (!n) {
            continue;
        }
        enum wf_code code = wf_idmap_open(g->container, maps[i].name, n, maps[i].map, err);
        if (code != WF_OK) {
            return code;
        }
    }
    return WF_OK;
}

static enum wf_code open_users(struct coord_global *g, struct wf_error *err)
{
    const struct wf_schema *schema = &g->manifest->schema;
    const void *data = NULL;
    if (!g->users.n) {
        return WF_OK;
    }
    enum wf_code code = wf_container_get(g->container, "users/aggregates", g->users.n,
                                         sizeof(struct rank_user), &data, err);
    g->aggregates = data;
    for (unsigned i = 0; code == WF_OK && i < schema->n_spaces; i++) {
        char name[WF_NAME_MAX + 16];
        snprintf(name, sizeof name, "users/vectors/%s", schema->spaces[i].name);
        if (!wf_container_find(g->container, name)) {
            continue;
        }
        code = wf_container_get(g->container, name, (size_t)g->users.n * schema->spaces[i].dim,
                                sizeof(uint16_t), &data, err);
        g->user_vectors[i] = data;
    }
    return code;
}

/* ---- the ranker ---- */

static enum wf_code model_refused(struct wf_error *err)
{
    return wf_reason(err, "MODEL");
}

static enum wf_code check_golden(const struct coord_global *g, struct wf_error *err)
{
    const struct wf_section *s = wf_container_find(g->container, "model/golden");
    const uint32_t wide = rank_forest_features(g->ranker);
    const size_t row = ((size_t)wide + 1) * sizeof(float);
    if (!s || !s->size || s->size % row) {
        wf_fail(err, WF_DATA_LOSS, "section model/golden has %zu bytes, wanted rows of %zu",
                s ? s->size : 0, row);
        return model_refused(err);
    }
    const size_t n = s->size / row;
    const float *rows = (const void *)s->data;
    const float *wanted = rows + n * wide;
    float *margins = wf_xarray(float, n);
    rank_forest_score(g->ranker, rows, n, margins);
    size_t bad = 0;
    while (bad < n) {
        double want = (double)wanted[bad], got = (double)margins[bad];
        double slack = GOLDEN_TOLERANCE * fmax(1, fabs(want));
        if (!(fabs(got - want) <= slack)) {
            break;
        }
        bad++;
    }
    enum wf_code code = WF_OK;
    if (bad < n) {
        wf_fail(err, WF_DATA_LOSS, "golden row %zu: the ranker gives %.9g, training gave %.9g", bad,
                (double)margins[bad], (double)wanted[bad]);
        code = model_refused(err);
    }
    wf_xfree(margins);
    return code;
}

static enum wf_code open_ranker(struct coord_global *g, struct wf_error *err)
{
    const struct wf_section *s = wf_container_find(g->container, "model/ranker");
    snprintf(g->model, sizeof g->model, "none");
    if (!s) {
        return WF_OK;
    }
    enum wf_code code = rank_forest_parse((const char *)s->data, s->size, &g->ranker, err);
    if (code != WF_OK) {
        return code;
    }
    if (rank_forest_outputs(g->ranker) != 1) {
        wf_fail(err, WF_INVALID, "the model has %u outputs, a ranker has 1",
                rank_forest_outputs(g->ranker));
        return model_refused(err);
    }
    rank_forest_hash(g->ranker, g->model);
    g->binding = rank_binding_create(rank_forest_names(g->ranker), rank_forest_features(g->ranker));
    return check_golden(g, err);
}

/* ---- all of it ---- */

static enum wf_code open_sections(struct coord_global *g, struct wf_error *err)
{
    const struct wf_section *s = wf_container_find(g->container, "global/meta");
    if (!s) {
        return damaged(err, "missing");
    }
    json_error_t where;
    json_t *meta = json_loadb((const char *)s->data, s->size, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(meta)) {
        json_decref(meta);
        return damaged(err, "not a JSON object");
    }
    enum wf_code code = open_ids(g, meta, err);
    if (code == WF_OK) {
        code = open_lists(g, meta, err);
    }
    json_decref(meta);
    if (code == WF_OK) {
        code = open_users(g, err);
    }
    return code == WF_OK ? open_ranker(g, err) : code;
}

enum wf_code coord_global_open(const char *dir, struct coord_global **out, struct wf_error *err)
{
    struct coord_global *g = wf_xarray(struct coord_global, 1);
    enum wf_code code = wf_manifest_open(dir, &g->manifest, err);
    if (code == WF_OK) {
        code = wf_generation_file(dir, g->manifest, "global/global.weft", &g->container, err);
    }
    if (code == WF_OK) {
        code = open_sections(g, err);
        if (code != WF_OK) {
            wf_prefix(err, "%s/global/global.weft: ", dir);
        }
    }
    if (code != WF_OK) {
        coord_global_close(g);
        return code;
    }
    *out = g;
    return WF_OK;
}

void coord_global_close(struct coord_global *g)
{
    if (!g) {
        return;
    }
    rank_binding_destroy(g->binding);
    rank_forest_destroy(g->ranker);
    wf_xfree(g->popularity);
    wf_container_close(g->container);
    wf_manifest_close(g->manifest);
    wf_xfree(g);
}

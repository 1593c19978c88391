/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_fixture.c - see shard_fixture.h.
 */
#include "tests/support/shard_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "ranking/features.h"

enum { COLOURS = 7, SECOND_DIM = 8 };

static void must(enum wf_code code, const struct wf_error *err)
{
    if (code != WF_OK) {
        fprintf(stderr, "fixture: %s: %s\n", wf_code_name(code), err->text);
        abort();
    }
}

static void name_into(char to[WF_NAME_MAX], const char *name)
{
    snprintf(to, WF_NAME_MAX, "%s", name);
}

static void make_schema(struct wf_schema *s, const struct catalog_shape *shape)
{
    static const struct {
        const char *name;
        enum wf_attr_type type;
    } attrs[] = {{"colour", WF_ATTR_KEYWORD},
                 {"price", WF_ATTR_NUMBER},
                 {"stock", WF_ATTR_FLAG},
                 {"title", WF_ATTR_TEXT}};
    for (s->n_attrs = 0; s->n_attrs < 4; s->n_attrs++) {
        name_into(s->attrs[s->n_attrs].name, attrs[s->n_attrs].name);
        s->attrs[s->n_attrs].type = attrs[s->n_attrs].type;
    }
    s->n_spaces = 2;
    s->spaces[0] = (struct wf_space){.dim = shape->dim, .metric = shape->metric};
    s->spaces[1] = (struct wf_space){.dim = SECOND_DIM, .metric = WF_METRIC_IP};
    name_into(s->spaces[0].name, "first");
    name_into(s->spaces[0].content_id, "first-v1");
    name_into(s->spaces[1].name, "second");
    name_into(s->spaces[1].content_id, "second-v1");
}

static void make_columns(struct catalog *c, struct wf_random *r)
{
    const size_t n = c->table.n;
    c->table.columns = wf_xarray(struct wf_column, 4);
    struct wf_column *colour = &c->table.columns[0];
    colour->codes = wf_xarray(uint32_t, n);
    colour->dictionary = wf_xarray(char *, COLOURS);
    colour->n_dictionary = COLOURS;
    for (unsigned i = 0; i < COLOURS; i++) {
        colour->dictionary[i] = wf_xprintf("colour %u", i);
    }
    c->table.columns[1].numbers = wf_xarray(float, n);
    c->table.columns[2].flags = wf_xarray(uint8_t, n);
    c->table.columns[3].texts = wf_xarray(char *, n);
    c->features = wf_xarray(float, 2 * n);
    for (size_t i = 0; i < n; i++) {
        const uint64_t code = wf_random_below(r, COLOURS + 1);
        colour->codes[i] = code == COLOURS ? WF_NO_CODE : (uint32_t)code;
        const float price = (float)wf_random_below(r, 1000) / 10;
        c->table.columns[1].numbers[i] = i % 11 == 0 ? NAN : price;
        c->table.columns[2].flags[i] = (uint8_t)wf_random_below(r, 3);
        c->table.columns[3].texts[i] = i % 13 == 0 ? NULL : wf_xprintf("title of item %zu", i);
        c->features[2 * i] = price;
        c->features[2 * i + 1] = (float)i;
    }
}

static float *make_vectors(size_t n, uint32_t dim, const struct catalog_shape *shape,
                           struct wf_random *r)
{
    float *x = wf_xarray(float, n *dim), *centres = wf_xarray(float, (size_t)dim * 64);
    for (uint32_t i = 0; i < 64 * dim; i++) {
        centres[i] = (float)wf_random_normal(r);
    }
    for (size_t i = 0; i < n; i++) {
        if (shape->duplicate > 0 && i > 0 && wf_random_below(r, shape->duplicate) == 0) {
            memcpy(x + i * dim, x + wf_random_below(r, i) * dim, dim * sizeof *x);
            continue;
        }
        const float *centre = centres + wf_random_below(r, shape->clusters) * dim;
        for (uint32_t j = 0; j < dim; j++) {
            x[i * dim + j] = centre[j] + 0.5F * (float)wf_random_normal(r);
        }
    }
    wf_xfree(centres);
    return x;
}

struct catalog *catalog_make(const struct catalog_shape *shape)
{
    struct catalog *c = wf_xcalloc(1, sizeof *c);
    struct wf_random r = wf_random_of(shape->seed, 0);
    make_schema(&c->schema, shape);
    c->table.schema = &c->schema;
    c->table.n = shape->n;
    c->table.skus = wf_xarray(char *, shape->n);
    for (size_t i = 0; i < shape->n; i++) {
        c->table.skus[i] = wf_xprintf("sku%zu", i * 7919 % 1000003);
    }
    make_columns(c, &r);
    c->vectors[0] = make_vectors(shape->n, shape->dim, shape, &r);
    c->vectors[1] = make_vectors(shape->n, SECOND_DIM, shape, &r);
    for (size_t i = 0; i < shape->n; i++) {
        if (i % 2 == 1) {
            c->vectors[1][i * SECOND_DIM] = NAN;
        }
        if (i % 17 == 5) {
            c->vectors[0][i * shape->dim] = NAN;
        }
    }
    c->spaces[0].vectors = c->vectors[0];
    c->spaces[1].vectors = c->vectors[1];
    const char *tmp = getenv("TMPDIR");
    snprintf(c->dir, sizeof c->dir, "%s/weft-shard-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(c->dir) == NULL) {
        abort();
    }
    return c;
}

void catalog_free(struct catalog *c)
{
    struct wf_error err;
    must(wf_remove_tree(c->dir, &err), &err);
    for (unsigned i = 0; i < COLOURS; i++) {
        wf_xfree(c->table.columns[0].dictionary[i]);
    }
    for (size_t i = 0; i < c->table.n; i++) {
        wf_xfree(c->table.skus[i]);
        wf_xfree(c->table.columns[3].texts[i]);
    }
    wf_xfree(c->table.columns[0].codes);
    wf_xfree(c->table.columns[0].dictionary);
    wf_xfree(c->table.columns[1].numbers);
    wf_xfree(c->table.columns[2].flags);
    wf_xfree(c->table.columns[3].texts);
    wf_xfree(c->table.columns);
    wf_xfree(c->table.skus);
    wf_xfree(c->features);
    wf_xfree(c->vectors[0]);
    wf_xfree(c->vectors[1]);
    wf_xfree(c);
}

const char *catalog_build(struct catalog *c, const char *index, uint32_t number, uint32_t n_shards)
{
    static char path[320];
    static const uint32_t features[] = {RANK_PRICE, RANK_POPULARITY};
    snprintf(path, sizeof path, "%s/shard-%u-of-%u.weft", c->dir, number, n_shards);
    uint32_t *rows = wf_xarray(uint32_t, c->table.n + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < c->table.n; i++) {
        if (wf_shard_of(c->table.skus[i], strlen(c->table.skus[i]), n_shards) == number) {
            rows[n++] = i;
        }
    }
    float min[2][WF_DIM_MAX], step[2][WF_DIM_MAX];
    const float *mins[] = {min[0], min[1]}, *steps[] = {step[0], step[1]};
    for (unsigned i = 0; i < 2; i++) {
        shard_sq8_ranges(&c->schema.spaces[i], c->vectors[i], c->table.n, min[i], step[i]);
    }
    const struct shard_build b = {.schema = &c->schema,
                                  .items = &c->table,
                                  .spaces = c->spaces,
                                  .features = c->features,
                                  .feature_ids = features,
                                  .n_features = 2,
                                  .shard = number,
                                  .n_shards = n_shards,
                                  .rows = rows,
                                  .n_rows = n,
                                  .index = index,
                                  .sq8_min = mins,
                                  .sq8_step = steps,
                                  .seed = 1};
    struct wf_error err;
    must(shard_build(&b, path, &err), &err);
    wf_xfree(rows);
    return path;
}

struct shard *catalog_view(const struct catalog *c, const char *path)
{
    struct wf_error err;
    struct wf_container *container;
    struct shard *s;
    must(wf_container_open(path, &container, &err), &err);
    must(wf_container_verify(container, &err), &err);
    must(shard_view(container, &c->schema, "test", &s, &err), &err);
    return s;
}

struct shard *catalog_open(struct catalog *c, const char *index, uint32_t number, uint32_t n_shards)
{
    return catalog_view(c, catalog_build(c, index, number, n_shards));
}

static void write_global(const char *generation)
{
    struct wf_error err;
    struct wf_container_writer *w;
    char path[400];
    snprintf(path, sizeof path, "%s/global", generation);
    must(wf_mkdirs(path, &err), &err);
    snprintf(path, sizeof path, "%s/global/global.weft", generation);
    must(wf_container_create(path, &w, &err), &err);
    wf_container_add(w, "note", "nothing a shard reads", 21);
    must(wf_container_commit(w, &err), &err);
}

struct wf_manifest *catalog_generation(struct catalog *c, const char *index, uint32_t n_shards)
{
    struct wf_error err;
    char generation[300], path[400];
    snprintf(generation, sizeof generation, "%s/gen", c->dir);
    struct wf_manifest *m = wf_xcalloc(1, sizeof *m);
    m->n_shards = n_shards;
    m->schema = c->schema;
    m->shard_rows = wf_xarray(uint64_t, n_shards);
    for (uint32_t s = 0; s < n_shards; s++) {
        snprintf(path, sizeof path, "%s/shard-%03u", generation, s);
        must(wf_mkdirs(path, &err), &err);
        snprintf(path, sizeof path, "%s/shard-%03u/shard.weft", generation, s);
        if (rename(catalog_build(c, index, s, n_shards), path) != 0) {
            must(wf_fail(&err, WF_INTERNAL, "%s: cannot rename", path), &err);
        }
        struct shard *open = catalog_view(c, path);
        m->shard_rows[s] = shard_rows(open);
        m->rows += shard_rows(open);
        shard_close(open);
    }
    write_global(generation);
    must(wf_manifest_write(generation, m, &err), &err);
    return m;
}

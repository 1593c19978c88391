/* SPDX-License-Identifier: Apache-2.0
 *
 * build_global.c - users, popularity lists, codes and the ranker of a generation.
 */
#include "tools/build_global.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/pool.h"
#include "coordinator/global.h"
#include "tools/given_users.h"
#include "tools/golden.h"
#include "tools/popular.h"

enum { MODEL_MAX_BYTES = 64 << 20, USERS_PER_CHUNK = 256 };

float *tool_item_features(const struct tool_catalog *c, uint32_t **ids, uint32_t *n_features)
{
    size_t n_table;
    const struct rank_feature *table = rank_features(&n_table);
    *ids = wf_xarray(uint32_t, n_table);
    *n_features = 0;
    for (size_t i = 0; i < n_table; i++) {
        if (table[i].source == RANK_FROM_ITEM) {
            (*ids)[(*n_features)++] = table[i].id;
        }
    }
    float *out = wf_xarray(float, c->ds->items.n **n_features + 1);
    for (size_t i = 0; i < c->ds->items.n; i++) {
        for (uint32_t j = 0; j < *n_features; j++) {
            out[i * *n_features + j] =
                rank_item_feature((enum rank_feature_id)(*ids)[j], &c->items[i], &c->means);
        }
    }
    return out;
}

/* ---- users ---- */

/* Those with purchases in the catalog's order, then those of the users/ directory alone. */
struct users {
    const struct tool_catalog *c;
    const struct tool_given_users *given;
    uint32_t n;
    const char **names;  /* borrowed from the catalog and from `given` */
    uint32_t *given_row; /* of each user, or TOOL_NO_ID */
    struct rank_user *aggregates;
    float *vectors[WF_SPACES_MAX];
};

/* What the dataset gives, else the mean of purchases, else none. */
static void make_vector(const struct users *u, size_t user, unsigned space, float *out)
{
    const uint32_t row = u->given_row[user];
    if (row != TOOL_NO_ID &&
        tool_given_users_vector(u->given, &u->c->ds->schema, row, space, out)) {
        return;
    }
    if (user >= u->c->n_users || !tool_catalog_profile(u->c, (uint32_t)user, space, out)) {
        out[0] = NAN;
    }
}

static void make_users(void *ctx, size_t begin, size_t end, unsigned thread)
{
    struct users *u = ctx;
    const struct tool_catalog *c = u->c;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const size_t n = i < c->n_users ? c->user_start[i + 1] - c->user_start[i] : 0;
        const struct rank_item **history = wf_xcalloc(n + 1, sizeof history[0]);
        const size_t n_history =
            i < c->n_users ? tool_catalog_history(c, (uint32_t)i, history, n) : 0;
        rank_user_of(history, n_history, &u->aggregates[i]);
        wf_xfree(history);
        for (unsigned s = 0; s < c->ds->schema.n_spaces; s++) {
            make_vector(u, i, s, u->vectors[s] + i * c->ds->schema.spaces[s].dim);
        }
    }
}

static void name_users(struct users *u)
{
    const struct tool_intern *known = &u->c->users, *given = &u->given->ids;
    u->names = wf_xcalloc((size_t)known->n + given->n + 1, sizeof u->names[0]);
    u->given_row = wf_xarray(uint32_t, (size_t)known->n + given->n + 1);
    for (u->n = 0; u->n < known->n; u->n++) {
        u->names[u->n] = known->names[u->n];
        u->given_row[u->n] = tool_intern_find(given, u->names[u->n], strlen(u->names[u->n]));
    }
    for (uint32_t i = 0; i < given->n; i++) {
        if (tool_intern_find(known, given->names[i], strlen(given->names[i])) == TOOL_NO_ID) {
            u->names[u->n] = given->names[i];
            u->given_row[u->n++] = i;
        }
    }
}

static void users_init(struct users *u, const struct tool_catalog *c,
                       const struct tool_given_users *given)
{
    *u = (struct users){.c = c, .given = given};
    name_users(u);
    u->aggregates = wf_xcalloc((size_t)u->n + 1, sizeof u->aggregates[0]);
    for (unsigned s = 0; s < c->ds->schema.n_spaces; s++) {
        u->vectors[s] = wf_xarray(float, (size_t)u->n * c->ds->schema.spaces[s].dim + 1);
    }
    wf_parallel(0, u->n, USERS_PER_CHUNK, make_users, u);
}

static void users_fini(struct users *u)
{
    for (unsigned s = 0; s < u->c->ds->schema.n_spaces; s++) {
        wf_xfree(u->vectors[s]);
    }
    wf_xfree(u->aggregates);
    wf_xfree(u->given_row);
    wf_xfree(u->names);
}

/* ---- the model ---- */

/* A ranker's file and the rows beside it; all empty without one. */
struct model {
    char *text;
    size_t size;
    struct tool_golden golden;
};

static enum wf_code read_model(const char *path, struct model *m, struct wf_error *err)
{
    if (path == NULL) {
        return WF_OK;
    }
    char *beside = tool_golden_path(path);
    enum wf_code code = wf_read_file(path, MODEL_MAX_BYTES, &m->text, &m->size, err);
    if (code == WF_OK) {
        code = tool_golden_read(beside, &m->golden, err);
    }
    wf_xfree(beside);
    return code;
}

/* Puts the parts together; everything is borrowed. */
static enum wf_code write_global(const struct tool_catalog *c, const struct users *users,
                                 const struct model *model, const char *path, struct wf_error *err)
{
    struct tool_popular popular;
    tool_popular_make(c, &popular);
    struct coord_global_build b = {
        .schema = &c->ds->schema,
        .categories = c->categories.values,
        .brands = c->brands.values,
        .colours = c->colours.values,
        .n_categories = c->categories.n,
        .n_brands = c->brands.n,
        .n_colours = c->colours.n,
        .users = users->names,
        .n_users = users->n,
        .aggregates = users->aggregates,
        .lists = popular.lists,
        .n_lists = popular.n,
        .model = model->text,
        .model_size = model->size,
        .golden_rows = model->golden.rows,
        .golden_margins = model->golden.margins,
        .n_golden = model->golden.n_rows,
    };
    for (unsigned s = 0; s < c->ds->schema.n_spaces; s++) {
        b.user_vectors[s] = users->n == 0 ? NULL : users->vectors[s];
    }
    const enum wf_code code = coord_global_write(&b, path, err);
    tool_popular_fini(&popular);
    return code;
}

enum wf_code tool_build_global(const struct tool_catalog *c, const char *model, const char *path,
                               uint32_t *n_users, struct wf_error *err)
{
    struct tool_given_users given;
    struct model ranker = {0};
    struct users users;
    enum wf_code code = tool_given_users_open(c->ds->dir, &c->ds->schema, &given, err);
    if (code != WF_OK) {
        return code;
    }
    users_init(&users, c, &given);
    *n_users = users.n;
    code = read_model(model, &ranker, err);
    if (code == WF_OK) {
        code = write_global(c, &users, &ranker, path, err);
        if (code != WF_OK && model != NULL) {
            (void)wf_prefix(err, "%s: ", model);
        }
    }
    users_fini(&users);
    tool_given_users_close(&given);
    tool_golden_fini(&ranker.golden);
    wf_xfree(ranker.text);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * global_build.c - writes global/global.weft. Runs in the build tool only; what is written depends
 * on the input alone, so equal builds give equal bytes.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "coordinator/global.h"
#include "ranking/forest.h"

/* The space that user vectors are of; -1 without any. */
static int profile_space(const struct coord_global_build *b)
{
    for (unsigned i = 0; i < b->schema->n_spaces; i++) {
        if (b->n_users && b->user_vectors[i]) {
            return (int)i;
        }
    }
    return -1;
}

/* Parses the model, so that what cannot be served is not built; gives its hash and width. */
static enum wf_code check_model(const struct coord_global_build *b, char hash[33], size_t *wide,
                                struct wf_error *err)
{
    hash[0] = '\0';
    *wide = 0;
    if (!b->model) {
        return WF_OK;
    }
    struct rank_forest *forest = NULL;
    enum wf_code code = rank_forest_parse(b->model, b->model_size, &forest, err);
    if (code != WF_OK) {
        return code;
    }
    if (rank_forest_outputs(forest) != 1 || !b->n_golden) {
        code = wf_fail(err, WF_INVALID,
                       "the model has %u outputs and %u golden rows, wanted 1 and "
                       "at least 1",
                       rank_forest_outputs(forest), b->n_golden);
        wf_reason(err, "MODEL");
    }
    rank_forest_hash(forest, hash);
    *wide = rank_forest_features(forest);
    rank_forest_destroy(forest);
    return code;
}

static int put_json(const char *text, size_t size, void *w)
{
    wf_container_put(w, text, size);
    return 0;
}

static void put_meta(struct wf_container_writer *w, const struct coord_global_build *b,
                     const char *hash)
{
    int space = profile_space(b);
    json_t *lists = json_array();
    for (uint32_t i = 0; i < b->n_lists; i++) {
        json_array_append_new(lists, json_pack("{s:s, s:I}", "segment", b->lists[i].segment, "n",
                                               (json_int_t)b->lists[i].n));
    }
    json_t *meta =
        json_pack("{s:I, s:I, s:I, s:I, s:o, s:s, s:s}", "users", (json_int_t)b->n_users,
                  "categories", (json_int_t)b->n_categories, "brands", (json_int_t)b->n_brands,
                  "colours", (json_int_t)b->n_colours, "lists", lists, "space",
                  space < 0 ? "" : b->schema->spaces[space].name, "model", hash);
    wf_container_begin(w, "global/meta");
    wf_assert(json_dump_callback(meta, put_json, w, JSON_COMPACT | JSON_SORT_KEYS) == 0);
    json_decref(meta);
}

static enum wf_code put_ids(struct wf_container_writer *w, const struct coord_global_build *b,
                            struct wf_error *err)
{
    const struct {
        const char *name;
        const char *const *ids;
        uint32_t n;
    } maps[] = {{"users", b->users, b->n_users},
                {"categories", b->categories, b->n_categories},
                {"brands", b->brands, b->n_brands},
                {"colours", b->colours, b->n_colours}};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        enum wf_code code =
            maps[i].n ? wf_idmap_write(w, maps[i].name, maps[i].ids, maps[i].n, err) : WF_OK;
        if (code != WF_OK) {
            wf_prefix(err, "%s: ", maps[i].name);
            return code;
        }
    }
    return WF_OK;
}

static enum wf_code put_users(struct wf_container_writer *w, const struct coord_global_build *b,
                              struct wf_error *err)
{
    if (!b->n_users) {
        return WF_OK;
    }
    wf_container_add(w, "users/aggregates", b->aggregates, b->n_users * sizeof *b->aggregates);
    for (unsigned i = 0; i < b->schema->n_spaces; i++) {
        const struct wf_space *space = &b->schema->spaces[i];
        char name[WF_NAME_MAX + 16];
        int size = snprintf(name, sizeof name, "users/vectors/%s", space->name);
        if (!b->user_vectors[i]) {
            continue;
        }
        if (size >= WF_NAME_MAX) {
            return wf_fail(err, WF_INVALID, "space name \"%s\" is %d bytes too long for section %s",
                           space->name, size - WF_NAME_MAX + 1, name);
        }
        uint16_t *half = wf_xarray(uint16_t, space->dim);
        wf_container_begin(w, name);
        for (uint32_t u = 0; u < b->n_users; u++) {
            wf_float_to_half(b->user_vectors[i] + (size_t)u * space->dim, half, space->dim);
            wf_container_put(w, half, space->dim * sizeof *half);
        }
        wf_xfree(half);
    }
    return WF_OK;
}

static void put_list(struct wf_container_writer *w, const struct coord_global_list *list,
                     uint32_t i)
{
    char name[64];
    uint32_t *offsets = wf_xarray(uint32_t, (size_t)list->n + 1);
    for (uint32_t j = 0; j < list->n; j++) {
        offsets[j + 1] = offsets[j] + (uint32_t)strlen(list->skus[j]);
    }
    snprintf(name, sizeof name, "popularity/%u/skus/offsets", i);
    wf_container_add(w, name, offsets, ((size_t)list->n + 1) * sizeof *offsets);
    snprintf(name, sizeof name, "popularity/%u/skus/bytes", i);
    wf_container_begin(w, name);
    for (uint32_t j = 0; j < list->n; j++) {
        wf_container_put(w, list->skus[j], strlen(list->skus[j]));
    }
    snprintf(name, sizeof name, "popularity/%u/counts", i);
    wf_container_add(w, name, list->counts, list->n * sizeof *list->counts);
    wf_xfree(offsets);
}

static enum wf_code put_all(struct wf_container_writer *w, const struct coord_global_build *b,
                            struct wf_error *err)
{
    char hash[33];
    size_t wide;
    enum wf_code code = check_model(b, hash, &wide, err);
    if (code != WF_OK) {
        return code;
    }
    put_meta(w, b, hash);
    code = put_ids(w, b, err);
    if (code == WF_OK) {
        code = put_users(w, b, err);
    }
    for (uint32_t i = 0; code == WF_OK && i < b->n_lists; i++) {
        put_list(w, &b->lists[i], i);
    }
    if (code == WF_OK && b->model) {
        wf_container_add(w, "model/ranker", b->model, b->model_size);
        wf_container_begin(w, "model/golden");
        wf_container_put(w, b->golden_rows, b->n_golden * wide * sizeof(float));
        wf_container_put(w, b->golden_margins, b->n_golden * sizeof(float));
    }
    return code;
}

enum wf_code coord_global_write(const struct coord_global_build *b, const char *path,
                                struct wf_error *err)
{
    struct wf_container_writer *w = NULL;
    enum wf_code code = wf_container_create(path, &w, err);
    if (code != WF_OK) {
        return code;
    }
    code = put_all(w, b, err);
    if (code != WF_OK) {
        wf_container_abort(w);
        return code;
    }
    return wf_container_commit(w, err);
}

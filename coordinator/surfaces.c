/* SPDX-License-Identifier: Apache-2.0
 *
 * surfaces.c - see surfaces.h. One table of keys: reading a surface is a loop over it.
 */
#include "coordinator/surfaces.h"

#include <stdio.h>
#include <string.h>

#include "base/config.h"

static const struct coord_surface built_in[] = {
    {"for_you", COORD_SOURCE_SUBJECT, true, true, 0.7F, 500, true},
    {"similar", COORD_SOURCE_SUBJECT, true, true, 0.7F, 500, true},
    {"for_you_raw", COORD_SOURCE_SUBJECT, false, false, 1.0F, 500, true},
    {"similar_raw", COORD_SOURCE_SUBJECT, false, false, 1.0F, 500, true},
    {"trending", COORD_SOURCE_POPULARITY, false, false, 1.0F, 500, true},
};
static const char *const keys[] = {"name",   "source",     "ranker",   "mmr",
                                   "lambda", "rank_limit", "fallback", NULL};

static struct coord_surface *find(struct coord_surfaces *s, const char *name)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (strcmp(s->list[i].name, name) == 0) {
            return &s->list[i];
        }
    }
    return NULL;
}

static enum wf_code read_bool(const struct wf_tree *t, const char *at, const char *key, bool *out,
                              struct wf_error *err)
{
    char path[96];
    snprintf(path, sizeof path, "%s.%s", at, key);
    return wf_tree_has(t, path) ? wf_tree_bool(t, path, out, err) : WF_OK;
}

/* A key whose value is one of two words; *second says which. */
static enum wf_code read_word(const struct wf_tree *t, const char *at, const char *key,
                              const char *const words[2], bool *second, struct wf_error *err)
{
    char path[96];
    snprintf(path, sizeof path, "%s.%s", at, key);
    const char *word = NULL;
    if (!wf_tree_has(t, path)) {
        return WF_OK;
    }
    enum wf_code code = wf_tree_str(t, path, &word, err);
    if (code != WF_OK) {
        return code;
    }
    *second = strcmp(word, words[1]) == 0;
    if (!*second && strcmp(word, words[0]) != 0) {
        return wf_invalid(err, "CONFIG", path, "%s is \"%.40s\", wanted \"%s\" or \"%s\"", path,
                          word, words[0], words[1]);
    }
    return WF_OK;
}

static enum wf_code read_numbers(const struct wf_tree *t, const char *at, struct coord_surface *s,
                                 struct wf_error *err)
{
    char path[96];
    snprintf(path, sizeof path, "%s.lambda", at);
    enum wf_code code = WF_OK;
    double lambda = (double)s->lambda;
    if (wf_tree_has(t, path)) {
        code = wf_tree_real(t, path, &lambda, err);
    }
    if (code == WF_OK && !(lambda >= 0 && lambda <= 1)) {
        code = wf_invalid(err, "CONFIG", path, "%s is %g, wanted 0 to 1", path, lambda);
    }
    snprintf(path, sizeof path, "%s.rank_limit", at);
    int64_t limit = s->rank_limit;
    if (code == WF_OK && wf_tree_has(t, path)) {
        code = wf_tree_int(t, path, &limit, err);
    }
    if (code == WF_OK && (limit < 1 || limit > WIRE_RANK_LIMIT_MAX)) {
        code = wf_invalid(err, "CONFIG", path, "%s is %lld, wanted 1 to %d", path, (long long)limit,
                          WIRE_RANK_LIMIT_MAX);
    }
    if (code == WF_OK) {
        s->lambda = (float)lambda;
        s->rank_limit = (uint32_t)limit;
    }
    return code;
}

static enum wf_code read_fields(const struct wf_tree *t, const char *at, struct coord_surface *s,
                                struct wf_error *err)
{
    static const char *const sources[2] = {"subject", "popularity"};
    static const char *const fallbacks[2] = {"none", "popularity"};
    bool popular = s->source == COORD_SOURCE_POPULARITY;
    enum wf_code code = read_word(t, at, "source", sources, &popular, err);
    if (code == WF_OK) {
        code = read_word(t, at, "fallback", fallbacks, &s->fallback, err);
    }
    if (code == WF_OK) {
        code = read_bool(t, at, "ranker", &s->ranker, err);
    }
    if (code == WF_OK) {
        code = read_bool(t, at, "mmr", &s->mmr, err);
    }
    if (code == WF_OK) {
        code = read_numbers(t, at, s, err);
    }
    s->source = popular ? COORD_SOURCE_POPULARITY : COORD_SOURCE_SUBJECT;
    return code;
}

static enum wf_code read_surface(const struct wf_tree *t, unsigned i, struct coord_surfaces *all,
                                 struct wf_error *err)
{
    char at[64], path[96];
    snprintf(at, sizeof at, "surfaces.[%u]", i);
    enum wf_code code = wf_tree_only(t, at, keys, err);
    const char *name = NULL;
    snprintf(path, sizeof path, "%s.name", at);
    if (code == WF_OK) {
        code = wf_tree_str(t, path, &name, err);
    }
    if (code != WF_OK) {
        return code;
    }
    if (!name[0] || strlen(name) >= COORD_SURFACE_NAME_MAX) {
        return wf_invalid(err, "CONFIG", path, "%s has %zu bytes, wanted 1 to %d", path,
                          strlen(name), COORD_SURFACE_NAME_MAX - 1);
    }
    struct coord_surface *s = find(all, name);
    if (!s) {
        if (all->n == COORD_SURFACES_MAX) {
            return wf_invalid(err, "CONFIG", at, "more than %d surfaces", COORD_SURFACES_MAX);
        }
        s = &all->list[all->n++];
        *s = built_in[0];
        snprintf(s->name, sizeof s->name, "%s", name);
    }
    return read_fields(t, at, s, err);
}

enum wf_code coord_surfaces_read(const char *file, struct coord_surfaces *out, struct wf_error *err)
{
    static const char *const roots[] = {"surfaces", NULL};
    memset(out, 0, sizeof *out);
    memcpy(out->list, built_in, sizeof built_in);
    out->n = sizeof built_in / sizeof built_in[0];
    enum wf_code code = WF_OK;
    if (file[0]) {
        struct wf_tree *t = NULL;
        code = wf_tree_open(file, &t, err);
        if (code != WF_OK) {
            return code;
        }
        code = wf_tree_only(t, "", roots, err);
        for (unsigned i = 0; code == WF_OK && i < wf_tree_count(t, "surfaces"); i++) {
            code = read_surface(t, i, out, err);
            if (code == WF_NOT_FOUND) { /* a key that must be there */
                code = wf_invalid(err, "CONFIG", "surfaces", "%s: surface %u has no name", file, i);
            }
        }
        wf_tree_close(t);
    }
    for (uint32_t i = 0; i < out->n; i++) {
        out->names[i] = out->list[i].name;
    }
    return code;
}

enum wf_code coord_surfaces_find(const struct coord_surfaces *s,
                                 const struct wire_recommend_request *rq,
                                 const struct coord_surface **out, struct wf_error *err)
{
    const char *name = rq->surface;
    if (!name[0]) {
        bool items = rq->subject == WIRE_SUBJECT_ITEMS || rq->subject == WIRE_SUBJECT_SESSION;
        name = items ? "similar" : "for_you";
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (strcmp(s->list[i].name, name) == 0) {
            *out = &s->list[i];
            return WF_OK;
        }
    }
    const char *near = wf_nearest(name, s->names, s->n);
    return wf_invalid(err, "UNKNOWN_SURFACE", "surface", "surface \"%.64s\" is not declared%s%s%s",
                      name, near ? ", the nearest is \"" : "", near ? near : "", near ? "\"" : "");
}

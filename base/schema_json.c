/* SPDX-License-Identifier: Apache-2.0
 *
 * schema_json.c - a schema as JSON, as a manifest holds it:
 *   {"attributes":[{"name","type"}],"description","roles":{"title":...},"simulated_events",
 *    "spaces":[{"content_id","dim","metric","name"}]}
 * The text of it is hashed into the generation's name, so a schema has exactly one form: every key
 * is there (roles that nobody plays are not), and unknown ones are refused. Pure; thread-safe.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_read.h"
#include "base/schema_form.h"

/* ---- to JSON ---- */

/* jansson gives NULL only when memory is out or a string is not UTF-8, which the checks shut out.
 */
static json_t *must(json_t *json)
{
    wf_assert(json != NULL);
    return json;
}

static json_t *attrs_to_json(const struct wf_schema *s)
{
    json_t *list = must(json_array());
    for (unsigned i = 0; i < s->n_attrs; i++) {
        json_array_append_new(list, must(json_pack("{ss ss}", "name", s->attrs[i].name, "type",
                                                   wf_attr_type_name(s->attrs[i].type))));
    }
    return list;
}

static json_t *spaces_to_json(const struct wf_schema *s)
{
    json_t *list = must(json_array());
    for (unsigned i = 0; i < s->n_spaces; i++) {
        const struct wf_space *p = &s->spaces[i];
        json_array_append_new(list, must(json_pack("{ss sI ss ss}", "content_id", p->content_id,
                                                   "dim", (json_int_t)p->dim, "metric",
                                                   wf_metric_name(p->metric), "name", p->name)));
    }
    return list;
}

static json_t *roles_to_json(const struct wf_schema *s)
{
    json_t *roles = must(json_object());
    for (unsigned r = 0; r < WF_N_ROLES; r++) {
        if (s->roles[r][0] != '\0') {
            json_object_set_new(roles, wf_role_names[r], must(json_string(s->roles[r])));
        }
    }
    return roles;
}

json_t *wf_schema_to_json(const struct wf_schema *s)
{
    return must(json_pack("{so ss so sb so}", "attributes", attrs_to_json(s), "description",
                          s->description, "roles", roles_to_json(s), "simulated_events",
                          (int)s->simulated_events, "spaces", spaces_to_json(s)));
}

/* ---- from JSON ---- */

/* The wf_json of element i of a list, with its place written into where[]. */
static struct wf_json element(json_t *list, const char *name, unsigned i, char where[64])
{
    snprintf(where, 64, "schema: %s[%u]", name, i);
    return (struct wf_json){.value = json_array_get(list, i), .where = where};
}

static enum wf_code attr_from_json(struct wf_json j, struct wf_attr *out, struct wf_error *err)
{
    static const char *const keys[] = {"name", "type", NULL};
    char type[WF_NAME_MAX];
    enum wf_code code = wf_json_keys(j, keys, err);
    if (code == WF_OK) {
        code = wf_json_text(j, "name", out->name, sizeof out->name, err);
    }
    if (code == WF_OK) {
        code = wf_json_text(j, "type", type, sizeof type, err);
    }
    if (code == WF_OK && !wf_attr_type_parse(type, &out->type)) {
        code = wf_fail(err, WF_DATA_LOSS, "%s: unknown type \"%s\"", j.where, type);
    }
    return code;
}

static enum wf_code space_from_json(struct wf_json j, struct wf_space *out, struct wf_error *err)
{
    static const char *const keys[] = {"content_id", "dim", "metric", "name", NULL};
    char metric[WF_NAME_MAX];
    int64_t dim = 0;
    enum wf_code code = wf_json_keys(j, keys, err);
    if (code == WF_OK) {
        code = wf_json_text(j, "name", out->name, sizeof out->name, err);
    }
    if (code == WF_OK) {
        code = wf_json_text(j, "content_id", out->content_id, sizeof out->content_id, err);
    }
    if (code == WF_OK) {
        code = wf_json_int(j, "dim", 1, WF_DIM_MAX, &dim, err);
    }
    if (code == WF_OK) {
        out->dim = (uint32_t)dim;
        code = wf_json_text(j, "metric", metric, sizeof metric, err);
    }
    if (code == WF_OK && !wf_metric_parse(metric, &out->metric)) {
        code = wf_fail(err, WF_DATA_LOSS, "%s: unknown metric \"%s\"", j.where, metric);
    }
    return code;
}

static enum wf_code attrs_from_json(struct wf_json j, struct wf_schema *out, struct wf_error *err)
{
    json_t *list = NULL;
    char where[64];
    enum wf_code code = wf_json_list(j, "attributes", 0, WF_ATTRS_MAX, &list, err);
    while (code == WF_OK && out->n_attrs < json_array_size(list)) {
        const unsigned i = out->n_attrs++;
        code = attr_from_json(element(list, "attributes", i, where), &out->attrs[i], err);
    }
    return code;
}

static enum wf_code spaces_from_json(struct wf_json j, struct wf_schema *out, struct wf_error *err)
{
    json_t *list = NULL;
    char where[64];
    enum wf_code code = wf_json_list(j, "spaces", 0, WF_SPACES_MAX, &list, err);
    while (code == WF_OK && out->n_spaces < json_array_size(list)) {
        const unsigned i = out->n_spaces++;
        code = space_from_json(element(list, "spaces", i, where), &out->spaces[i], err);
    }
    return code;
}

static enum wf_code roles_from_json(json_t *json, struct wf_schema *out, struct wf_error *err)
{
    const struct wf_json j = {.value = json, .where = "schema: roles"};
    if (!json_is_object(json)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: not an object", j.where);
    }
    size_t played = 0;
    for (unsigned r = 0; r < WF_N_ROLES; r++) {
        if (json_object_get(json, wf_role_names[r]) == NULL) {
            continue;
        }
        const enum wf_code code =
            wf_json_text(j, wf_role_names[r], out->roles[r], sizeof out->roles[r], err);
        if (code != WF_OK) {
            return code;
        }
        if (out->roles[r][0] == '\0') {
            return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" is empty", j.where, wf_role_names[r]);
        }
        played++;
    }
    if (played != json_object_size(json)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: %zu keys, of which %zu are roles", j.where,
                       json_object_size(json), played);
    }
    return WF_OK;
}

enum wf_code wf_schema_from_json(json_t *json, struct wf_schema *out, struct wf_error *err)
{
    static const char *const keys[] = {"attributes",       "description", "roles",
                                       "simulated_events", "spaces",      NULL};
    const struct wf_json j = {.value = json, .where = "schema"};
    struct wf_schema s = {0};
    enum wf_code code = wf_json_keys(j, keys, err);
    if (code == WF_OK) {
        code = wf_json_text(j, "description", s.description, sizeof s.description, err);
    }
    if (code == WF_OK) {
        code = wf_json_bool(j, "simulated_events", &s.simulated_events, err);
    }
    if (code == WF_OK) {
        code = attrs_from_json(j, &s, err);
    }
    if (code == WF_OK) {
        code = spaces_from_json(j, &s, err);
    }
    if (code == WF_OK) {
        code = roles_from_json(json_object_get(json, "roles"), &s, err);
    }
    if (code == WF_OK) {
        code = wf_schema_check(&s, err);
    }
    if (code == WF_OK) {
        *out = s;
    }
    return code;
}

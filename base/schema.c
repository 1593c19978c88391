/* SPDX-License-Identifier: Apache-2.0
 *
 * schema.c - what a catalog consists of, and its file form schema.cfg. The JSON form inside a
 * manifest is schema_json.c; both end in the checks here, so that no schema enters the program
 * unchecked. Pure but for the file; thread-safe.
 */
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/file.h"
#include "base/schema_form.h"

const char *const wf_role_names[WF_N_ROLES] = {
    "title", "category", "brand", "colour", "price", "launch", "segment", "stock",
};
/* The types that may play each role, as bits. */
#define BIT(type) (1u << (type))
static const unsigned role_types[WF_N_ROLES] = {
    [WF_ROLE_TITLE] = BIT(WF_ATTR_TEXT) | BIT(WF_ATTR_KEYWORD),
    [WF_ROLE_CATEGORY] = BIT(WF_ATTR_KEYWORD),
    [WF_ROLE_BRAND] = BIT(WF_ATTR_KEYWORD),
    [WF_ROLE_COLOUR] = BIT(WF_ATTR_KEYWORD),
    [WF_ROLE_PRICE] = BIT(WF_ATTR_NUMBER),
    [WF_ROLE_LAUNCH] = BIT(WF_ATTR_NUMBER),
    [WF_ROLE_SEGMENT] = BIT(WF_ATTR_KEYWORD),
    [WF_ROLE_STOCK] = BIT(WF_ATTR_FLAG),
};
static const char *const type_names[] = {"", "keyword", "number", "flag", "text"};
static const char *const metric_names[] = {"", "ip", "cosine", "l2"};
/* Keys of an item's row that are not attributes. */
static const char *const reserved[] = {"sku", "vector", "vectors", "version"};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* ---- names ---- */

static unsigned find_name(const char *name, const char *const *names, unsigned n)
{
    unsigned i = 1;
    while (i < n && strcmp(name, names[i]) != 0) {
        i++;
    }
    return i < n ? i : 0;
}

const char *wf_attr_type_name(enum wf_attr_type t)
{
    return type_names[t];
}

bool wf_attr_type_parse(const char *name, enum wf_attr_type *out)
{
    const unsigned i = find_name(name, type_names, LENGTH(type_names));
    if (i != 0) {
        *out = (enum wf_attr_type)i;
    }
    return i != 0;
}

const char *wf_metric_name(enum wf_metric_space m)
{
    return metric_names[m];
}

bool wf_metric_parse(const char *name, enum wf_metric_space *out)
{
    const unsigned i = find_name(name, metric_names, LENGTH(metric_names));
    if (i != 0) {
        *out = (enum wf_metric_space)i;
    }
    return i != 0;
}

int wf_schema_attr(const struct wf_schema *s, const char *name)
{
    for (unsigned i = 0; i < s->n_attrs; i++) {
        if (strcmp(s->attrs[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int wf_schema_space(const struct wf_schema *s, const char *name)
{
    for (unsigned i = 0; i < s->n_spaces; i++) {
        if (strcmp(s->spaces[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int wf_schema_role(const struct wf_schema *s, enum wf_role role)
{
    return s->roles[role][0] == '\0' ? -1 : wf_schema_attr(s, s->roles[role]);
}

/* ---- checks ---- */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS  "0123456789"

static enum wf_code check_name(const char *name, struct wf_error *err)
{
    const size_t n = strlen(name);
    if (n == 0 || strspn(name, LETTERS) == 0 || strspn(name, LETTERS DIGITS ".-") != n) {
        return wf_fail(err, WF_INVALID, "name \"%s\" is not of the form [A-Za-z_][A-Za-z0-9_.-]*",
                       name);
    }
    return WF_OK;
}

enum wf_code wf_schema_check_attr(const struct wf_schema *s, unsigned i, struct wf_error *err)
{
    const char *name = s->attrs[i].name;
    const enum wf_code code = check_name(name, err);
    if (code != WF_OK) {
        return code;
    }
    for (size_t r = 0; r < LENGTH(reserved); r++) {
        if (strcmp(name, reserved[r]) == 0) {
            return wf_fail(err, WF_INVALID, "attribute name \"%s\" is reserved", name);
        }
    }
    if (s->attrs[i].type < WF_ATTR_KEYWORD || s->attrs[i].type > WF_ATTR_TEXT) {
        return wf_fail(err, WF_INVALID, "attribute \"%s\" has type %d, not within 1..%d", name,
                       (int)s->attrs[i].type, (int)WF_ATTR_TEXT);
    }
    const int first = wf_schema_attr(s, name);
    if (first != (int)i) {
        return wf_fail(err, WF_INVALID, "attribute \"%s\" is number %d and %u", name, first, i);
    }
    return WF_OK;
}

enum wf_code wf_schema_check_space(const struct wf_schema *s, unsigned i, struct wf_error *err)
{
    const struct wf_space *space = &s->spaces[i];
    const enum wf_code code = check_name(space->name, err);
    if (code != WF_OK) {
        return code;
    }
    const int first = wf_schema_space(s, space->name);
    if (first != (int)i) {
        return wf_fail(err, WF_INVALID, "space \"%s\" is number %d and %u", space->name, first, i);
    }
    if (space->dim < 1 || space->dim > WF_DIM_MAX) {
        return wf_fail(err, WF_INVALID, "dim of \"%s\" is %u, not within 1..%d", space->name,
                       space->dim, WF_DIM_MAX);
    }
    if (space->metric < WF_METRIC_IP || space->metric > WF_METRIC_L2) {
        return wf_fail(err, WF_INVALID, "metric of \"%s\" is %d, not within 1..%d", space->name,
                       (int)space->metric, (int)WF_METRIC_L2);
    }
    const size_t n = strlen(space->content_id);
    if (n == 0 || strspn(space->content_id, LETTERS DIGITS ".:/@+-") != n) {
        return wf_fail(err, WF_INVALID, "content_id \"%s\" of \"%s\" is not of [A-Za-z0-9_.:/@+-]+",
                       space->content_id, space->name);
    }
    return WF_OK;
}

enum wf_code wf_schema_check_role(const struct wf_schema *s, enum wf_role role,
                                  struct wf_error *err)
{
    if (s->roles[role][0] == '\0') {
        return WF_OK;
    }
    const int attr = wf_schema_role(s, role);
    if (attr < 0) {
        return wf_fail(err, WF_INVALID, "role %s: there is no attribute \"%s\"",
                       wf_role_names[role], s->roles[role]);
    }
    const enum wf_attr_type type = s->attrs[attr].type;
    if ((role_types[role] & BIT(type)) == 0) {
        return wf_fail(err, WF_INVALID, "role %s: attribute \"%s\" is a %s, which does not fit",
                       wf_role_names[role], s->roles[role], wf_attr_type_name(type));
    }
    return WF_OK;
}

enum wf_code wf_schema_check_description(const struct wf_schema *s, struct wf_error *err)
{
    const size_t n = strlen(s->description);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s->description[i] < ' ' || s->description[i] == 0x7f) {
            return wf_fail(err, WF_INVALID, "description has a control character at byte %zu", i);
        }
    }
    return wf_utf8_valid(s->description, n)
               ? WF_OK
               : wf_fail(err, WF_INVALID, "description is not valid UTF-8");
}

enum wf_code wf_schema_check(const struct wf_schema *s, struct wf_error *err)
{
    if (s->n_attrs > WF_ATTRS_MAX || s->n_spaces > WF_SPACES_MAX) {
        return wf_fail(err, WF_INVALID, "%u attributes and %u spaces, at most %d and %d",
                       s->n_attrs, s->n_spaces, WF_ATTRS_MAX, WF_SPACES_MAX);
    }
    enum wf_code code = wf_schema_check_description(s, err);
    for (unsigned i = 0; i < s->n_attrs && code == WF_OK; i++) {
        code = wf_schema_check_attr(s, i, err);
    }
    for (unsigned i = 0; i < s->n_spaces && code == WF_OK; i++) {
        code = wf_schema_check_space(s, i, err);
    }
    for (unsigned r = 0; r < WF_N_ROLES && code == WF_OK; r++) {
        code = wf_schema_check_role(s, (enum wf_role)r, err);
    }
    return code;
}

/* ---- schema.cfg: reading ---- */

/* `path` is the setting that messages point to. */
struct source {
    const struct wf_tree *tree;
    struct wf_schema *into;
    char path[96];
};

static enum wf_code placed(const struct source *s, enum wf_code code, struct wf_error *err)
{
    if (code != WF_OK) {
        wf_reason(err, "CONFIG");
        wf_tree_place(s->tree, s->path, err);
    }
    return code;
}

/* A string of the group at s->path, copied; it must fit. */
static enum wf_code read_text(struct source *s, const char *key, char *text, size_t size,
                              struct wf_error *err)
{
    char path[128];
    const char *value;
    snprintf(path, sizeof path, "%s%s%s", s->path, s->path[0] != '\0' ? "." : "", key);
    const enum wf_code code = wf_tree_str(s->tree, path, &value, err);
    if (code == WF_NOT_FOUND) {
        return placed(s, wf_fail(err, WF_INVALID, "\"%s\" is missing", key), err);
    }
    if (code != WF_OK) {
        return code;
    }
    const size_t n = strlen(value);
    if (n >= size) {
        return placed(
            s, wf_fail(err, WF_INVALID, "\"%s\" has %zu bytes, limit is %zu", key, n, size - 1),
            err);
    }
    memcpy(text, value, n + 1);
    return WF_OK;
}

static enum wf_code read_attr(struct source *s, unsigned i, struct wf_error *err)
{
    static const char *const keys[] = {"name", "type", NULL};
    struct wf_attr *attr = &s->into->attrs[i];
    char type[WF_NAME_MAX];
    enum wf_code code = wf_tree_only(s->tree, s->path, keys, err);
    if (code == WF_OK) {
        code = read_text(s, "name", attr->name, sizeof attr->name, err);
    }
    if (code == WF_OK) {
        code = read_text(s, "type", type, sizeof type, err);
    }
    if (code != WF_OK) {
        return code;
    }
    if (!wf_attr_type_parse(type, &attr->type)) {
        return placed(s,
                      wf_fail(err, WF_INVALID,
                              "type \"%s\" of \"%s\" is none of keyword, number, flag, text", type,
                              attr->name),
                      err);
    }
    return placed(s, wf_schema_check_attr(s->into, i, err), err);
}

static enum wf_code read_dim(struct source *s, struct wf_space *space, struct wf_error *err)
{
    char path[128];
    int64_t dim;
    snprintf(path, sizeof path, "%s.dim", s->path);
    const enum wf_code code = wf_tree_int(s->tree, path, &dim, err);
    if (code == WF_NOT_FOUND) {
        return placed(s, wf_fail(err, WF_INVALID, "\"dim\" is missing"), err);
    }
    if (code == WF_OK) { /* what does not fit becomes 0, which the check refuses */
        space->dim = dim > 0 && dim <= UINT32_MAX ? (uint32_t)dim : 0;
    }
    return code;
}

static enum wf_code read_space(struct source *s, unsigned i, struct wf_error *err)
{
    static const char *const keys[] = {"name", "dim", "metric", "content_id", NULL};
    struct wf_space *space = &s->into->spaces[i];
    char metric[WF_NAME_MAX];
    enum wf_code code = wf_tree_only(s->tree, s->path, keys, err);
    if (code == WF_OK) {
        code = read_text(s, "name", space->name, sizeof space->name, err);
    }
    if (code == WF_OK) {
        code = read_text(s, "content_id", space->content_id, sizeof space->content_id, err);
    }
    if (code == WF_OK) {
        code = read_text(s, "metric", metric, sizeof metric, err);
    }
    if (code == WF_OK) {
        code = read_dim(s, space, err);
    }
    if (code != WF_OK) {
        return code;
    }
    if (!wf_metric_parse(metric, &space->metric)) {
        return placed(s,
                      wf_fail(err, WF_INVALID, "metric \"%s\" of \"%s\" is none of ip, cosine, l2",
                              metric, space->name),
                      err);
    }
    return placed(s, wf_schema_check_space(s->into, i, err), err);
}

typedef enum wf_code read_fn(struct source *s, unsigned i, struct wf_error *err);

/* Reads the list `key` of at most `limit` groups; *n counts those that were read. */
static enum wf_code read_list(struct source *s, const char *key, unsigned limit, read_fn *read,
                              unsigned *n, struct wf_error *err)
{
    const unsigned count = wf_tree_count(s->tree, key);
    snprintf(s->path, sizeof s->path, "%s", key);
    if (wf_tree_has(s->tree, key) && !wf_tree_is_list(s->tree, key)) {
        return placed(s, wf_fail(err, WF_INVALID, "\"%s\" is not a list ( ... )", key), err);
    }
    if (count > limit) {
        return placed(s, wf_fail(err, WF_INVALID, "%u %s, limit is %u", count, key, limit), err);
    }
    for (unsigned i = 0; i < count; i++) {
        snprintf(s->path, sizeof s->path, "%s.[%u]", key, i);
        *n = i + 1;
        const enum wf_code code = read(s, i, err);
        if (code != WF_OK) {
            return code;
        }
    }
    return WF_OK;
}

static enum wf_code read_roles(struct source *s, struct wf_error *err)
{
    const char *names[WF_N_ROLES + 1] = {NULL};
    memcpy(names, wf_role_names, sizeof wf_role_names);
    if (!wf_tree_has(s->tree, "roles")) {
        return WF_OK;
    }
    enum wf_code code = wf_tree_only(s->tree, "roles", names, err);
    for (unsigned r = 0; r < WF_N_ROLES && code == WF_OK; r++) {
        char path[96];
        snprintf(path, sizeof path, "roles.%s", wf_role_names[r]);
        if (!wf_tree_has(s->tree, path)) {
            continue;
        }
        snprintf(s->path, sizeof s->path, "roles");
        code = read_text(s, wf_role_names[r], s->into->roles[r], sizeof s->into->roles[r], err);
        if (code == WF_OK) {
            snprintf(s->path, sizeof s->path, "%s", path);
            code = placed(s, wf_schema_check_role(s->into, (enum wf_role)r, err), err);
        }
    }
    return code;
}

static enum wf_code read_head(struct source *s, struct wf_error *err)
{
    static const char *const keys[] = {
        "description", "simulated_events", "attributes", "spaces", "roles", NULL};
    struct wf_schema *into = s->into;
    enum wf_code code = wf_tree_only(s->tree, "", keys, err);
    if (code == WF_OK && wf_tree_has(s->tree, "simulated_events")) {
        code = wf_tree_bool(s->tree, "simulated_events", &into->simulated_events, err);
    }
    if (code == WF_OK && wf_tree_has(s->tree, "description")) {
        code = read_text(s, "description", into->description, sizeof into->description, err);
    }
    if (code == WF_OK) {
        snprintf(s->path, sizeof s->path, "description");
        code = placed(s, wf_schema_check_description(into, err), err);
    }
    return code;
}

enum wf_code wf_schema_read(const char *path, struct wf_schema *out, struct wf_error *err)
{
    struct wf_tree *tree;
    enum wf_code code = wf_tree_open(path, &tree, err);
    if (code != WF_OK) {
        return code;
    }
    struct wf_schema schema = {0};
    struct source s = {.tree = tree, .into = &schema};
    code = read_head(&s, err);
    if (code == WF_OK) {
        code = read_list(&s, "attributes", WF_ATTRS_MAX, read_attr, &schema.n_attrs, err);
    }
    if (code == WF_OK) {
        code = read_list(&s, "spaces", WF_SPACES_MAX, read_space, &schema.n_spaces, err);
    }
    if (code == WF_OK) {
        code = read_roles(&s, err);
    }
    wf_tree_close(tree);
    if (code == WF_OK) {
        *out = schema;
    }
    return code;
}

/* ---- schema.cfg: writing ---- */

/* Between quotes; libconfig knows these two escapes, other control characters are refused before.
 */
static void put_quoted(struct wf_writer *w, const char *text)
{
    wf_writer_put(w, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            wf_writer_put(w, "\\", 1);
        }
        wf_writer_put(w, text, 1);
    }
    wf_writer_put(w, "\"", 1);
}

static void put_schema(struct wf_writer *w, const struct wf_schema *s)
{
    wf_writer_printf(w, "description = ");
    put_quoted(w, s->description);
    wf_writer_printf(w, ";\nsimulated_events = %s;\nattributes = (",
                     s->simulated_events ? "true" : "false");
    for (unsigned i = 0; i < s->n_attrs; i++) {
        wf_writer_printf(w, "%s\n  { name = \"%s\"; type = \"%s\"; }", i > 0 ? "," : "",
                         s->attrs[i].name, wf_attr_type_name(s->attrs[i].type));
    }
    wf_writer_printf(w, "\n);\nspaces = (");
    for (unsigned i = 0; i < s->n_spaces; i++) {
        const struct wf_space *p = &s->spaces[i];
        wf_writer_printf(
            w, "%s\n  { name = \"%s\"; dim = %u; metric = \"%s\"; content_id = \"%s\"; }",
            i > 0 ? "," : "", p->name, p->dim, wf_metric_name(p->metric), p->content_id);
    }
    wf_writer_printf(w, "\n);\nroles = {\n");
    for (unsigned r = 0; r < WF_N_ROLES; r++) {
        if (s->roles[r][0] != '\0') {
            wf_writer_printf(w, "  %s = \"%s\";\n", wf_role_names[r], s->roles[r]);
        }
    }
    wf_writer_printf(w, "};\n");
}

enum wf_code wf_schema_write(const char *path, const struct wf_schema *s, struct wf_error *err)
{
    enum wf_code code = wf_schema_check(s, err);
    if (code != WF_OK) {
        return code;
    }
    struct wf_writer *w;
    code = wf_writer_open(path, &w, err);
    if (code != WF_OK) {
        return code;
    }
    put_schema(w, s);
    return wf_writer_commit(w, err);
}

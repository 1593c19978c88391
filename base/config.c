/* SPDX-License-Identifier: Apache-2.0
 *
 * config.c - loading: defaults, then file, environment and flags, each value checked where it is
 * found, so that an error names its place even when something later would override it. The struct
 * is filled at the very end. The only file that reads the environment.
 */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/config_internal.h"

#define ENV_PREFIX "WEFT_"
#define NAME_MOST  160

struct load {
    struct wf_config *c;
    const char **names; /* [n] of the table */
};

static const struct wf_option *option_find(const struct load *l, const char *name)
{
    for (unsigned i = 0; i < l->c->n; i++) {
        if (strcmp(l->c->table[i].name, name) == 0) {
            return &l->c->table[i];
        }
    }
    return NULL;
}

/* Checks and sets; takes `origin`. */
static enum wf_code set(struct load *l, const struct wf_option *o, const char *text, char *origin,
                        struct wf_error *err)
{
    union wf_value v;
    enum wf_code code = wf_value_parse(o, text, &v, err);
    if (code) {
        wf_xfree(origin);
        return code;
    }
    struct wf_setting *s = &l->c->settings[o - l->c->table];
    char *copy = wf_xstrdup(text);
    wf_xfree(s->text);
    wf_xfree(s->origin);
    *s = (struct wf_setting){.text = copy, .origin = origin};
    return WF_OK;
}

/* File. */

/* The text of a scalar that fits the option's type; NULL when it does not. */
static const char *scalar(const struct wf_option *o, const config_setting_t *s, char number[64])
{
    bool numeric =
        o->type == WF_INT || o->type == WF_REAL || o->type == WF_BYTES || o->type == WF_MILLIS;
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        return config_setting_get_string(s);
    case CONFIG_TYPE_BOOL:
        return o->type != WF_BOOL ? NULL : config_setting_get_bool(s) ? "true" : "false";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(number, 64, "%lld", config_setting_get_int64(s));
        return numeric ? number : NULL;
    case CONFIG_TYPE_FLOAT:
        snprintf(number, 64, "%.17g", config_setting_get_float(s));
        return o->type == WF_REAL ? number : NULL;
    default:
        return NULL;
    }
}

static enum wf_code load_setting(struct load *l, const struct wf_tree *t, const config_setting_t *s,
                                 const char *name, struct wf_error *err)
{
    const struct wf_option *o = option_find(l, name);
    if (!o) {
        return wf_unknown_key(name, l->names, l->c->n, err);
    }
    char number[64];
    const char *text = scalar(o, s, number);
    if (!text) {
        return wf_invalid(err, "CONFIG", name, "%s must be %s", name, wf_value_kind(o));
    }
    return set(l, o, text, wf_tree_origin(t, s), err);
}

/* Whether some option lies in the group `name` ("" is the root). */
static bool is_section(const struct load *l, const char *name)
{
    size_t size = strlen(name);
    for (unsigned i = 0; i < l->c->n; i++) {
        const char *option = l->c->table[i].name;
        if (size == 0 || (strncmp(option, name, size) == 0 && option[size] == '.')) {
            return true;
        }
    }
    return false;
}

/*
 * All settings below `group`, whose path is in name[NAME_MOST]. A group that is no section and is
 * not empty is gone into all the same: its settings have the better message.
 */
static enum wf_code load_group(struct load *l, const struct wf_tree *t,
                               const config_setting_t *group, char *name, struct wf_error *err)
{
    size_t size = strlen(name);
    unsigned n = (unsigned)config_setting_length(group);
    if (n == 0 && !is_section(l, name)) {
        wf_unknown_key(name, l->names, l->c->n, err);
        return wf_tree_prefix(t, group, err);
    }
    for (unsigned i = 0; i < n; i++) {
        const config_setting_t *s = config_setting_get_elem(group, i);
        int more = snprintf(name + size, NAME_MOST - size, "%s%s", size ? "." : "",
                            config_setting_name(s));
        enum wf_code code = WF_OK;
        if (more < 0 || (size_t)more >= NAME_MOST - size) {
            code = wf_invalid(err, "CONFIG", "", "unknown key \"%.60s...\"", name);
            wf_tree_prefix(t, s, err);
        } else if (config_setting_is_group(s) && !option_find(l, name)) {
            code = load_group(l, t, s, name, err);
        } else if ((code = load_setting(l, t, s, name, err))) {
            wf_tree_prefix(t, s, err);
        }
        if (code) {
            return WF_INVALID;
        }
        name[size] = '\0';
    }
    return WF_OK;
}

static enum wf_code load_file(struct load *l, const char *file, struct wf_error *err)
{
    struct wf_tree *t = NULL;
    if (wf_tree_open(file, &t, err)) {
        if (err) {
            err->code = WF_INVALID; /* a missing file is a bad configuration too */
        }
        wf_reason(err, "CONFIG");
        return WF_INVALID;
    }
    char name[NAME_MOST] = "";
    enum wf_code code = load_group(l, t, wf_tree_root(t), name, err);
    wf_tree_close(t);
    return code;
}

/* Environment. */

/* WEFT_SEARCH__DEADLINE=... gives "search.deadline"; false when the variable is not an option's. */
static bool env_name(const char *variable, size_t size, char name[NAME_MOST])
{
    size_t prefix = strlen(ENV_PREFIX);
    size_t n = 0;
    bool dotted = false;
    if (size <= prefix || strncmp(variable, ENV_PREFIX, prefix) != 0) {
        return false;
    }
    for (size_t i = prefix; i < size && n < NAME_MOST - 1; i++) {
        bool dot = variable[i] == '_' && i + 1 < size && variable[i + 1] == '_';
        if (dot) {
            name[n++] = '.';
            i++;
        } else {
            name[n++] = (char)tolower((unsigned char)variable[i]);
        }
        dotted |= dot;
    }
    name[n] = '\0';
    return dotted;
}

static enum wf_code load_environment(struct load *l, struct wf_error *err)
{
    for (char **e = environ; e && *e; e++) {
        size_t size = strcspn(*e, "=");
        char name[NAME_MOST];
        if ((*e)[size] != '=' || !env_name(*e, size, name)) {
            continue;
        }
        const struct wf_option *o = option_find(l, name);
        enum wf_code code = o ? set(l, o, *e + size + 1, wf_xstrdup("environment"), err)
                              : wf_unknown_key(name, l->names, l->c->n, err);
        if (code) {
            return wf_prefix(err, "environment %.*s: ", size > 60 ? 60 : (int)size, *e);
        }
    }
    return WF_OK;
}

/* Flags. */

static enum wf_code load_flag(struct load *l, const char *flag, struct wf_error *err)
{
    size_t size = strcspn(flag, "=");
    if (flag[size] != '=') {
        return wf_invalid(err, "CONFIG", "", "flag \"%.80s\" must be section.key=value", flag);
    }
    char name[NAME_MOST];
    snprintf(name, sizeof name, "%.*s", size < NAME_MOST ? (int)size : NAME_MOST - 1, flag);
    const struct wf_option *o = option_find(l, name);
    enum wf_code code = o ? set(l, o, flag + size + 1, wf_xstrdup("flag"), err)
                          : wf_unknown_key(name, l->names, l->c->n, err);
    return code ? wf_prefix(err, "flag: ") : WF_OK;
}

/* All. */

static void store(const struct wf_config *c, const struct wf_option *o, void *into)
{
    union wf_value v = {0};
    struct wf_setting *s = &c->settings[o - c->table];
    unsigned char *field = (unsigned char *)into + o->offset;
    wf_assert(wf_value_parse(o, s->text, &v, NULL) == WF_OK); /* it was parsed before */
    int choice = (int)v.i;
    switch (o->type) {
    case WF_STR:
        memcpy(field, &s->text, sizeof s->text);
        break;
    case WF_INT:
    case WF_MILLIS:
        memcpy(field, &v.i, sizeof v.i);
        break;
    case WF_REAL:
        memcpy(field, &v.d, sizeof v.d);
        break;
    case WF_BOOL:
        memcpy(field, &v.b, sizeof v.b);
        break;
    case WF_BYTES:
        memcpy(field, &v.u, sizeof v.u);
        break;
    case WF_CHOICE:
        memcpy(field, &choice, sizeof choice);
        break;
    }
}

static enum wf_code load_all(struct load *l, const char *file, const char *const *sets,
                             unsigned n_sets, struct wf_error *err)
{
    for (unsigned i = 0; i < l->c->n; i++) {
        const struct wf_option *o = &l->c->table[i];
        l->names[i] = o->name;
        /* A default that its own table refuses is our bug. */
        wf_assert(set(l, o, o->def ? o->def : "", wf_xstrdup("default"), NULL) == WF_OK);
    }
    if (file && load_file(l, file, err)) {
        return WF_INVALID;
    }
    if (load_environment(l, err)) {
        return WF_INVALID;
    }
    for (unsigned i = 0; i < n_sets; i++) {
        if (load_flag(l, sets[i], err)) {
            return WF_INVALID;
        }
    }
    return WF_OK;
}

/* NOLINTNEXTLINE(readability-function-size): a table, its three sources and three outputs. */
enum wf_code wf_config_load(const struct wf_option *table, unsigned n, const char *file,
                            const char *const *sets, unsigned n_sets, void *into,
                            struct wf_config **out, struct wf_error *err)
{
    struct wf_config *c = wf_xcalloc(1, sizeof *c);
    c->table = table;
    c->n = n;
    c->settings = wf_xarray(struct wf_setting, n);
    struct load l = {.c = c, .names = wf_xarray(const char *, n)};
    enum wf_code code = load_all(&l, file, sets, n_sets, err);
    wf_xfree(l.names);
    if (code) {
        wf_config_destroy(c);
        return code;
    }
    for (unsigned i = 0; i < n; i++) {
        store(c, &table[i], into);
    }
    *out = c;
    return WF_OK;
}

void wf_config_destroy(struct wf_config *c)
{
    if (!c) {
        return;
    }
    for (unsigned i = 0; i < c->n; i++) {
        wf_xfree(c->settings[i].text);
        wf_xfree(c->settings[i].origin);
    }
    wf_xfree(c->settings);
    wf_xfree(c);
}

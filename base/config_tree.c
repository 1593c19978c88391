/* SPDX-License-Identifier: Apache-2.0
 *
 * config_tree.c - a libconfig text as a read-only tree. The tree owns everything it hands out; one
 * thread parses, any may read afterwards.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/config_internal.h"
#include "base/file.h"

#define FILE_MOST ((size_t)4 << 20)

struct wf_tree {
    config_t cfg;
    char *name; /* of the file, or "text" */
};

void wf_tree_close(struct wf_tree *t)
{
    if (t) {
        config_destroy(&t->cfg);
        wf_xfree(t->name);
        wf_xfree(t);
    }
}

/* @include is relative to the directory of the file that has it first. */
static void include_from(config_t *cfg, const char *file)
{
    const char *slash = strrchr(file, '/');
    char *dir = slash ? wf_xstrndup(file, (size_t)(slash - file) + (slash == file)) : NULL;
    config_set_include_dir(cfg, dir ? dir : ".");
    wf_xfree(dir);
}

static enum wf_code parse(const char *name, const char *text, size_t size, bool includes,
                          struct wf_tree **out, struct wf_error *err)
{
    if (wf_config_scan(name, text, size, includes, err)) {
        wf_reason(err, "CONFIG");
        return WF_INVALID;
    }
    struct wf_tree *t = wf_xcalloc(1, sizeof *t);
    t->name = wf_xstrdup(name);
    config_init(&t->cfg);
    if (includes) {
        include_from(&t->cfg, name);
    }
    if (!config_read_string(&t->cfg, text)) {
        const char *file = config_error_file(&t->cfg);
        const char *what = config_error_text(&t->cfg);
        wf_invalid(err, "CONFIG", "", "%s:%d: %s", file ? file : name, config_error_line(&t->cfg),
                   what ? what : "syntax error");
        wf_tree_close(t);
        return WF_INVALID;
    }
    *out = t;
    return WF_OK;
}

enum wf_code wf_tree_open(const char *file, struct wf_tree **out, struct wf_error *err)
{
    char *text = NULL;
    size_t size = 0;
    enum wf_code code = wf_read_file(file, FILE_MOST, &text, &size, err);
    if (code == WF_OK) {
        code = parse(file, text, size, true, out, err);
    }
    wf_xfree(text);
    return code;
}

enum wf_code wf_tree_parse(const char *text, struct wf_tree **out, struct wf_error *err)
{
    return parse("text", text, strlen(text), false, out, err);
}

config_setting_t *wf_tree_root(const struct wf_tree *t)
{
    return config_root_setting(&t->cfg);
}

static const char *source_file(const struct wf_tree *t, const config_setting_t *s)
{
    const char *file = config_setting_source_file(s);
    return file ? file : t->name;
}

enum wf_code wf_tree_prefix(const struct wf_tree *t, const config_setting_t *s,
                            struct wf_error *err)
{
    return wf_prefix(err, "%s:%u: ", source_file(t, s), (unsigned)config_setting_source_line(s));
}

char *wf_tree_origin(const struct wf_tree *t, const config_setting_t *s)
{
    return wf_xprintf("%s:%u", source_file(t, s), (unsigned)config_setting_source_line(s));
}

enum wf_code wf_unknown_key(const char *key, const char *const *names, size_t n,
                            struct wf_error *err)
{
    const char *nearest = wf_nearest(key, names, n);
    if (nearest) {
        return wf_invalid(err, "CONFIG", key, "unknown key \"%.80s\", nearest is \"%s\"", key,
                          nearest);
    }
    return wf_invalid(err, "CONFIG", key, "unknown key \"%.80s\"", key);
}

/* Child named by the n bytes of `name`, or numbered by "[7]"; NULL when there is none. */
static config_setting_t *child(const config_setting_t *s, const char *name, size_t n)
{
    char word[128];
    if (n == 0 || n >= sizeof word) {
        return NULL;
    }
    memcpy(word, name, n);
    word[n] = '\0';
    if (word[0] != '[') {
        return config_setting_is_group(s) ? config_setting_get_member(s, word) : NULL;
    }
    char *end = NULL;
    unsigned long i = strtoul(word + 1, &end, 10);
    bool whole = word[1] >= '0' && word[1] <= '9' && end == word + n - 1 && *end == ']';
    return whole && i < (unsigned long)config_setting_length(s)
               ? config_setting_get_elem(s, (unsigned)i)
               : NULL;
}

static config_setting_t *find(const struct wf_tree *t, const char *path)
{
    config_setting_t *s = wf_tree_root(t);
    while (s && *path) {
        size_t n = strcspn(path, ".");
        s = config_setting_is_aggregate(s) ? child(s, path, n) : NULL;
        path += n;
        path += *path == '.';
    }
    return s;
}

unsigned wf_tree_count(const struct wf_tree *t, const char *path)
{
    const config_setting_t *s = find(t, path);
    return s && config_setting_is_aggregate(s) ? (unsigned)config_setting_length(s) : 0;
}

const char *wf_tree_key(const struct wf_tree *t, const char *path, unsigned i)
{
    const config_setting_t *s = find(t, path);
    if (!s || !config_setting_is_group(s) || i >= (unsigned)config_setting_length(s)) {
        return NULL;
    }
    return config_setting_name(config_setting_get_elem(s, i));
}

bool wf_tree_has(const struct wf_tree *t, const char *path)
{
    return find(t, path) != NULL;
}

bool wf_tree_is_list(const struct wf_tree *t, const char *path)
{
    const config_setting_t *s = find(t, path);
    return s && config_setting_is_list(s);
}

enum wf_code wf_tree_place(const struct wf_tree *t, const char *path, struct wf_error *err)
{
    const config_setting_t *s = find(t, path);
    return s ? wf_tree_prefix(t, s, err) : wf_prefix(err, "%s: ", t->name);
}

static enum wf_code missing(const struct wf_tree *t, const char *path, struct wf_error *err)
{
    wf_fail(err, WF_NOT_FOUND, "%s: no setting \"%.80s\"", t->name, path);
    wf_reason(err, "CONFIG");
    return WF_NOT_FOUND;
}

static enum wf_code wrong(const struct wf_tree *t, const config_setting_t *s, const char *path,
                          const char *wanted, struct wf_error *err)
{
    static const char *const names[] = {
        [CONFIG_TYPE_NONE] = "nothing",       [CONFIG_TYPE_GROUP] = "a group",
        [CONFIG_TYPE_INT] = "a whole number", [CONFIG_TYPE_INT64] = "a whole number",
        [CONFIG_TYPE_FLOAT] = "a number",     [CONFIG_TYPE_STRING] = "a string",
        [CONFIG_TYPE_BOOL] = "true or false", [CONFIG_TYPE_ARRAY] = "an array",
        [CONFIG_TYPE_LIST] = "a list"};
    unsigned type = (unsigned)config_setting_type(s);
    const char *is = type < sizeof names / sizeof names[0] ? names[type] : "of unknown type";
    wf_invalid(err, "CONFIG", path, "\"%.80s\" is %s, must be %s", path, is, wanted);
    wf_tree_prefix(t, s, err);
    return WF_INVALID;
}

enum wf_code wf_tree_str(const struct wf_tree *t, const char *path, const char **out,
                         struct wf_error *err)
{
    const config_setting_t *s = find(t, path);
    if (!s) {
        return missing(t, path, err);
    }
    const char *text = config_setting_get_string(s);
    if (!text) {
        return wrong(t, s, path, "a string", err);
    }
    if (!wf_utf8_valid(text, strlen(text))) {
        wf_invalid(err, "CONFIG", path, "\"%.80s\" is not valid UTF-8", path);
        wf_tree_prefix(t, s, err);
        return WF_INVALID;
    }
    *out = text;
    return WF_OK;
}

static bool is_whole(const config_setting_t *s)
{
    return config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64;
}

enum wf_code wf_tree_int(const struct wf_tree *t, const char *path, int64_t *out,
                         struct wf_error *err)
{
    const config_setting_t *s = find(t, path);
    if (!s) {
        return missing(t, path, err);
    }
    if (!is_whole(s)) {
        return wrong(t, s, path, "a whole number", err);
    }
    *out = config_setting_get_int64(s);
    return WF_OK;
}

enum wf_code wf_tree_real(const struct wf_tree *t, const char *path, double *out,
                          struct wf_error *err)
{
    const config_setting_t *s = find(t, path);
    if (!s) {
        return missing(t, path, err);
    }
    bool real = config_setting_type(s) == CONFIG_TYPE_FLOAT;
    if (!real && !is_whole(s)) {
        return wrong(t, s, path, "a number", err);
    }
    double value = real ? config_setting_get_float(s) : (double)config_setting_get_int64(s);
    if (!isfinite(value)) {
        return wrong(t, s, path, "a finite number", err);
    }
    *out = value;
    return WF_OK;
}

enum wf_code wf_tree_bool(const struct wf_tree *t, const char *path, bool *out,
                          struct wf_error *err)
{
    const config_setting_t *s = find(t, path);
    if (!s) {
        return missing(t, path, err);
    }
    if (config_setting_type(s) != CONFIG_TYPE_BOOL) {
        return wrong(t, s, path, "true or false", err);
    }
    *out = config_setting_get_bool(s) != 0;
    return WF_OK;
}

enum wf_code wf_tree_only(const struct wf_tree *t, const char *path, const char *const *names,
                          struct wf_error *err)
{
    const config_setting_t *group = find(t, path);
    if (!group) {
        return missing(t, path, err);
    }
    if (!config_setting_is_group(group)) {
        return wrong(t, group, path, "a group", err);
    }
    size_t n = 0;
    while (names[n]) {
        n++;
    }
    for (unsigned i = 0; i < (unsigned)config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, i);
        size_t k = 0;
        while (k < n && strcmp(names[k], config_setting_name(s)) != 0) {
            k++;
        }
        if (k == n) {
            wf_unknown_key(config_setting_name(s), names, n, err);
            wf_tree_prefix(t, s, err);
            return WF_INVALID;
        }
    }
    return WF_OK;
}

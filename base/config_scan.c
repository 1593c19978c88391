/* SPDX-License-Identifier: Apache-2.0
 *
 * config_scan.c - bounds a text before libconfig sees it. libconfig recurses over nested settings,
 * searches each new name among its siblings one by one, and opens files for @include; so size,
 * depth, number of settings and @include are judged here. The scan knows libconfig's strings and
 * comments; where it is coarser it refuses. Pure.
 */
#include <string.h>

#include "base/config_internal.h"

#define SIZE_MOST     ((size_t)4 << 20)
#define SETTINGS_MOST 20000u

struct scan {
    const char *at, *end;
    unsigned line, depth, settings;
};

/* True when some line starts with @include, in a comment or string or not. */
static bool has_include(const char *text, unsigned *line)
{
    *line = 1;
    for (const char *at = text; at; (*line)++) {
        at += strspn(at, " \t");
        if (strncmp(at, "@include", 8) == 0) {
            return true;
        }
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return false;
}

/* Skips to behind `stop`, counting lines; to the end when it does not come. */
static void skip_past(struct scan *s, const char *stop)
{
    size_t size = strlen(stop);
    while (s->at < s->end && strncmp(s->at, stop, size) != 0) {
        s->line += *s->at == '\n';
        s->at++;
    }
    if (s->at < s->end) {
        s->line += *stop == '\n';
        s->at += size;
    }
}

/* `at` is behind the opening quote. Only \" and \\ hide the byte that follows. */
static void skip_string(struct scan *s)
{
    while (s->at < s->end && *s->at != '"') {
        s->line += *s->at == '\n';
        bool escape = *s->at == '\\' && (s->at[1] == '"' || s->at[1] == '\\');
        s->at += escape ? 2 : 1;
    }
    s->at += s->at < s->end;
}

/* One token that matters, or one byte. */
static void step(struct scan *s)
{
    char c = *s->at++;
    if (c == '"') {
        skip_string(s);
    } else if (c == '#' || (c == '/' && *s->at == '/')) {
        skip_past(s, "\n");
    } else if (c == '/' && *s->at == '*') {
        s->at++;
        skip_past(s, "*/");
    } else if (c == '{' || c == '(' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ')' || c == ']') {
        s->depth -= s->depth > 0;
    } else {
        s->line += c == '\n';
        s->settings += c == '=' || c == ':';
    }
}

enum wf_code wf_config_scan(const char *name, const char *text, size_t size, bool includes,
                            struct wf_error *err)
{
    if (size > SIZE_MOST) {
        return wf_fail(err, WF_INVALID, "%s: %zu bytes, limit is %zu", name, size, SIZE_MOST);
    }
    size_t nul = strlen(text);
    if (nul != size) {
        return wf_fail(err, WF_INVALID, "%s: byte %zu of %zu is NUL", name, nul, size);
    }
    unsigned line = 0;
    if (!includes && has_include(text, &line)) {
        return wf_fail(err, WF_INVALID, "%s:%u: @include is not allowed here", name, line);
    }
    struct scan s = {.at = text, .end = text + size, .line = 1};
    while (s.at < s.end) {
        step(&s);
        if (s.depth > WF_TREE_DEPTH) {
            return wf_fail(err, WF_INVALID, "%s:%u: nested %u deep, limit is %d", name, s.line,
                           s.depth, WF_TREE_DEPTH);
        }
        if (s.settings > SETTINGS_MOST) {
            return wf_fail(err, WF_INVALID, "%s:%u: more than %u settings", name, s.line,
                           SETTINGS_MOST);
        }
    }
    return WF_OK;
}

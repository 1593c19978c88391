/* SPDX-License-Identifier: Apache-2.0
 *
 * config_fuzz.c - any bytes as a configuration text and as a flag: refused by name, or a tree whose
 * every setting can be read by path.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/config.h"

struct conf {
    char *name;
    int64_t count, wait;
    double weight;
    bool on;
    uint64_t size;
    int level;
};
static const struct wf_option table[] = {
    {"a.name", WF_STR, WF_OPT(struct conf, name), "", NULL, NULL, "", NULL, false},
    {"a.count", WF_INT, WF_OPT(struct conf, count), "1", "-9", "9", "", NULL, false},
    {"a.weight", WF_REAL, WF_OPT(struct conf, weight), "0", "0", "1", "", NULL, false},
    {"a.on", WF_BOOL, WF_OPT(struct conf, on), "true", NULL, NULL, "", NULL, false},
    {"a.size", WF_BYTES, WF_OPT(struct conf, size), "1KiB", NULL, NULL, "", NULL, false},
    {"a.wait", WF_MILLIS, WF_OPT(struct conf, wait), "1s", NULL, "1h", "", NULL, false},
    {"a.level", WF_CHOICE, WF_OPT(struct conf, level), "x", NULL, NULL, "", "x|y", false},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all_ways(const struct wf_tree *t, const char *path)
{
    static const char *const names[] = {"name", "values", NULL};
    struct wf_error err;
    const char *text = NULL;
    int64_t whole = 0;
    double real = 0;
    bool on = false;
    unsigned good = 0;
    good += wf_tree_str(t, path, &text, &err) == WF_OK;
    good += wf_tree_int(t, path, &whole, &err) == WF_OK;
    good += wf_tree_real(t, path, &real, &err) == WF_OK;
    good += wf_tree_bool(t, path, &on, &err) == WF_OK;
    good += wf_tree_only(t, path, names, &err) == WF_OK;
    wf_assert(good <= 2); /* a whole number is a number too */
}

static void walk(const struct wf_tree *t, const char *path, unsigned depth)
{
    wf_assert(depth < 64);
    read_all_ways(t, path);
    unsigned n = wf_tree_count(t, path);
    for (unsigned i = 0; i < n && i < 50; i++) {
        char below[1024];
        const char *key = wf_tree_key(t, path, i);
        const char *dot = *path ? "." : "";
        int more = key ? snprintf(below, sizeof below, "%s%s%s", path, dot, key)
                       : snprintf(below, sizeof below, "%s%s[%u]", path, dot, i);
        if (more > 0 && (size_t)more < sizeof below) {
            walk(t, below, depth + 1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = wf_xstrndup((const char *)data, size);
    struct wf_tree *t = NULL;
    struct wf_error err;
    if (wf_tree_parse(text, &t, &err) == WF_OK) {
        walk(t, "", 0);
        wf_tree_close(t);
    } else {
        wf_assert(err.code == WF_INVALID && err.text[0]);
    }
    struct conf conf;
    struct wf_config *c = NULL;
    const char *flag = text;
    if (wf_config_load(table, sizeof table / sizeof table[0], NULL, &flag, 1, &conf, &c, &err) ==
        WF_OK) {
        wf_xfree(wf_config_text(c));
        wf_config_destroy(c);
    }
    wf_xfree(text);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.c - filter_parse from end to end: reads, normalises, checks the limits, and copies what
 * remains into an arena of its own size. The stages are in filter_internal.h.
 */
#include <math.h>
#include <string.h>

#include "base/filter_internal.h"

struct whole {
    struct wf_filter filter; /* first: what callers have */
    struct wf_arena arena;
};
struct copier {
    struct wf_arena *arena;
    const char *const *words;
};
struct extent {
    size_t nodes, depth;
};

void *wf_filter_take(struct wf_arena *a, size_t n, size_t size)
{
    void *p = wf_arena_calloc_array(a, size, n);
    wf_assert(p);
    return p;
}

/* ---- limits ---- */

static bool is_negated(const struct wf_filter_form *f)
{
    return f->set.n > 0 && f->set.at[0] == WF_FILTER_MISSING;
}

static struct extent measure(const struct wf_filter_form *f)
{
    struct extent e = {0, 0};
    for (uint32_t i = 0; i < f->n; i++) {
        const struct extent child = measure(f->children[i]);
        e.nodes += child.nodes;
        e.depth = child.depth > e.depth ? child.depth : e.depth;
    }
    const size_t own = is_negated(f) ? 2 : 1;
    return (struct extent){e.nodes + own, e.depth + own};
}

static enum wf_code check_extent(const struct wf_filter_form *root, struct wf_error *err)
{
    const struct extent e = measure(root);
    if (e.nodes > WF_FILTER_NODES_MAX || e.depth > WF_FILTER_DEPTH_MAX) {
        return wf_invalid(err, "MALFORMED", "filter",
                          "column 1: the filter has %zu parts, %zu deep; the limits are %d and %d",
                          e.nodes, e.depth, WF_FILTER_NODES_MAX, WF_FILTER_DEPTH_MAX);
    }
    return WF_OK;
}

static enum wf_code check_size(size_t size, const char *which, struct wf_error *err)
{
    return size <= WF_FILTER_TEXT_MAX
               ? WF_OK
               : wf_invalid(err, "MALFORMED", "filter",
                            "column 1: the filter has %zu bytes%s, the limit is %d", size, which,
                            WF_FILTER_TEXT_MAX);
}

/* ---- the tree of the caller ---- */

static void copy_values(struct copier *c, const struct wf_filter_set s, struct wf_filter_node *to)
{
    const char **values = wf_filter_array(c->arena, const char *, to->n);
    for (uint32_t i = 0; i < to->n; i++) {
        values[i] = wf_arena_strdup(c->arena, c->words[s.at[(size_t)2 * i] / 2]);
        wf_assert(values[i]);
    }
    to->values = values;
}

static void copy_ranges(struct copier *c, const struct wf_filter_set s, struct wf_filter_node *to)
{
    struct wf_filter_range *ranges = wf_filter_array(c->arena, struct wf_filter_range, to->n);
    for (uint32_t i = 0; i < to->n; i++) {
        ranges[i].low = wf_filter_number(s.at[(size_t)2 * i]);
        ranges[i].high = wf_filter_number(s.at[(size_t)2 * i + 1] - 1);
    }
    to->ranges = ranges;
}

static void copy_leaf(struct copier *c, const struct wf_filter_form *f, struct wf_filter_set s,
                      struct wf_filter_node *to)
{
    *to = (struct wf_filter_node){.op = f->op, .attr = f->attr, .n = s.n / 2};
    if (f->op == WF_FILTER_VALUES) {
        copy_values(c, s, to);
    } else if (f->op == WF_FILTER_RANGES) {
        copy_ranges(c, s, to);
    } else {
        to->flags = (s.at[0] == 0 ? 1U : 0U) | (s.at[s.n - 1] == 2 ? 2U : 0U);
        to->n = 0;
    }
}

static const struct wf_filter_node *copy(struct copier *c, const struct wf_filter_form *f)
{
    struct wf_filter_node *to = wf_filter_array(c->arena, struct wf_filter_node, 1);
    if (f->op >= WF_FILTER_VALUES) {
        if (!is_negated(f)) {
            copy_leaf(c, f, f->set, to);
            return to;
        }
        struct wf_filter_node *leaf = wf_filter_array(c->arena, struct wf_filter_node, 1);
        copy_leaf(c, f, (struct wf_filter_set){f->set.at + 1, f->set.n - 1}, leaf);
        const struct wf_filter_node **child =
            wf_filter_array(c->arena, const struct wf_filter_node *, 1);
        child[0] = leaf;
        *to = (struct wf_filter_node){.op = WF_FILTER_NOT, .children = child, .n = 1};
        return to;
    }
    const struct wf_filter_node **children =
        wf_filter_array(c->arena, const struct wf_filter_node *, f->n);
    for (uint32_t i = 0; i < f->n; i++) {
        children[i] = copy(c, f->children[i]);
    }
    *to = (struct wf_filter_node){.op = f->op, .children = children, .n = f->n};
    return to;
}

/* ---- the whole ---- */

static enum wf_code finish(const struct wf_filter_normal *normal, const struct wf_schema *schema,
                           struct wf_filter **out, struct wf_error *err)
{
    struct whole *w = wf_xcalloc(1, sizeof *w);
    wf_arena_init(&w->arena, SIZE_MAX);
    struct copier c = {&w->arena, normal->words};
    w->filter.root = copy(&c, normal->root);
    char *text = wf_filter_write(w->filter.root, schema);
    w->filter.text = wf_arena_strdup(&w->arena, text);
    wf_xfree(text);
    const enum wf_code code = check_size(strlen(w->filter.text), " when normalised", err);
    if (code != WF_OK) {
        wf_filter_close(&w->filter);
        return code;
    }
    *out = &w->filter;
    return WF_OK;
}

enum wf_code wf_filter_parse(const char *text, const struct wf_schema *schema,
                             struct wf_filter **out, struct wf_error *err)
{
    enum wf_code code = check_size(strlen(text), "", err);
    if (code != WF_OK) {
        return code;
    }
    struct wf_arena scratch;
    struct wf_filter_source source = {0};
    wf_arena_init(&scratch, SIZE_MAX);
    code = wf_filter_read(text, schema, &scratch, &source, err);
    if (code == WF_OK) {
        const struct wf_filter_normal normal = wf_filter_normalise(&scratch, &source);
        code = check_extent(normal.root, err);
        code = code == WF_OK ? finish(&normal, schema, out, err) : code;
    }
    wf_arena_fini(&scratch);
    return code;
}

void wf_filter_close(struct wf_filter *f)
{
    struct whole *w = (struct whole *)f;
    if (w) {
        wf_arena_fini(&w->arena);
        wf_xfree(w);
    }
}

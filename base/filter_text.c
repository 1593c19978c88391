/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_text.c - a tree in normal form as text that parses back to it. Leaves stand as few
 * comparisons: values as `in`, ranges as between, <=, >=, `in`, several joined by `or`. Pure.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/filter_internal.h"

struct writer {
    const struct wf_schema *schema;
    char *at;
    size_t n, cap;
};

/* ---- pieces ---- */

static void put_bytes(struct writer *w, const char *s, size_t n)
{
    wf_xgrow(&w->at, &w->cap, w->n + n + 1, 1);
    memcpy(w->at + w->n, s, n);
    w->n += n;
    w->at[w->n] = '\0';
}

static void put(struct writer *w, const char *s)
{
    put_bytes(w, s, strlen(s));
}

static void put_name(struct writer *w, const struct wf_filter_node *leaf)
{
    const char *name = w->schema->attrs[leaf->attr].name;
    const char *quote = wf_filter_needs_quotes(name) ? "`" : "";
    put(w, quote);
    put(w, name);
    put(w, quote);
}

static void put_string(struct writer *w, const char *s)
{
    put(w, "\"");
    for (; *s; s++) {
        put(w, *s == '"' || *s == '\\' ? "\\" : "");
        put_bytes(w, s, 1);
    }
    put(w, "\"");
}

/* The fewest digits that read back as x. */
static void put_number(struct writer *w, float x)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) {
            break;
        }
    }
    put(w, text);
}

/* ---- leaves ---- */

static void put_values(struct writer *w, const struct wf_filter_node *leaf)
{
    put_name(w, leaf);
    put(w, leaf->n == 1 ? " = " : " in (");
    for (uint32_t i = 0; i < leaf->n; i++) {
        put(w, i > 0 ? ", " : "");
        put_string(w, leaf->values[i]);
    }
    put(w, leaf->n == 1 ? "" : ")");
}

static bool is_point(struct wf_filter_range r)
{
    return r.low == r.high && isfinite(r.low);
}

/* All ranges that are one number. */
static void put_points(struct writer *w, const struct wf_filter_node *leaf, uint32_t n_points)
{
    const char *between = "";
    put_name(w, leaf);
    put(w, n_points == 1 ? " = " : " in (");
    for (uint32_t i = 0; i < leaf->n; i++) {
        if (is_point(leaf->ranges[i])) {
            put(w, between);
            put_number(w, leaf->ranges[i].low);
            between = ", ";
        }
    }
    put(w, n_points == 1 ? "" : ")");
}

static void put_compared(struct writer *w, const struct wf_filter_node *leaf, const char *mark,
                         float x)
{
    put_name(w, leaf);
    put(w, mark);
    put_number(w, x);
}

/* Not of one number. Infinity cannot be written: it is what lies beyond the largest number. */
static void put_range(struct writer *w, const struct wf_filter_node *leaf, struct wf_filter_range r)
{
    if (r.low == -INFINITY && r.high == INFINITY) {
        put_compared(w, leaf, " < ", 0);
        put(w, " or ");
        put_compared(w, leaf, " >= ", 0);
    } else if (r.low == INFINITY) {
        put_compared(w, leaf, " > ", FLT_MAX);
    } else if (r.high == -INFINITY) {
        put_compared(w, leaf, " < ", -FLT_MAX);
    } else if (r.high == INFINITY) {
        put_compared(w, leaf, " >= ", r.low);
    } else if (r.low == -INFINITY) {
        put_compared(w, leaf, " <= ", r.high);
    } else {
        put_compared(w, leaf, " between ", r.low);
        put(w, " and ");
        put_number(w, r.high);
    }
}

static void put_ranges(struct writer *w, const struct wf_filter_node *leaf)
{
    uint32_t n_points = 0;
    for (uint32_t i = 0; i < leaf->n; i++) {
        n_points += is_point(leaf->ranges[i]);
    }
    const char *before = "";
    if (n_points > 0) {
        put_points(w, leaf, n_points);
        before = " or ";
    }
    for (uint32_t i = 0; i < leaf->n; i++) {
        const struct wf_filter_range r = leaf->ranges[i];
        if (!is_point(r)) {
            put(w, before);
            put_range(w, leaf, r);
            before = " or ";
        }
    }
}

static void put_flags(struct writer *w, const struct wf_filter_node *leaf)
{
    if (leaf->flags & 1) {
        put_name(w, leaf);
        put(w, leaf->flags & 2 ? " = false or " : " = false");
    }
    if (leaf->flags & 2) {
        put_name(w, leaf);
    }
}

/* Whether its text is comparisons joined by `or`. */
static bool is_joined(const struct wf_filter_node *f)
{
    uint32_t n_points = 0;
    for (uint32_t i = 0; f->op == WF_FILTER_RANGES && i < f->n; i++) {
        n_points += is_point(f->ranges[i]);
        if (f->n == 1 && f->ranges[i].low == -INFINITY && f->ranges[i].high == INFINITY) {
            return true;
        }
    }
    return f->op == WF_FILTER_OR || (f->op == WF_FILTER_FLAGS && f->flags == 3) ||
           (f->op == WF_FILTER_RANGES && f->n > 1 && n_points < f->n);
}

/* ---- trees ---- */

static void put_node(struct writer *w, const struct wf_filter_node *f);

/* A part of `and` and `not`. */
static void put_part(struct writer *w, const struct wf_filter_node *f)
{
    const bool brackets = is_joined(f);
    put(w, brackets ? "(" : "");
    put_node(w, f);
    put(w, brackets ? ")" : "");
}

static void put_node(struct writer *w, const struct wf_filter_node *f)
{
    switch (f->op) {
    case WF_FILTER_ALL:
        put(w, "true");
        break;
    case WF_FILTER_NONE:
        put(w, "false");
        break;
    case WF_FILTER_AND:
    case WF_FILTER_OR:
        for (uint32_t i = 0; i < f->n; i++) {
            put(w, i == 0 ? "" : f->op == WF_FILTER_AND ? " and " : " or ");
            (f->op == WF_FILTER_AND ? put_part : put_node)(w, f->children[i]);
        }
        break;
    case WF_FILTER_NOT:
        put(w, "not ");
        put_part(w, f->children[0]);
        break;
    case WF_FILTER_VALUES:
        put_values(w, f);
        break;
    case WF_FILTER_RANGES:
        put_ranges(w, f);
        break;
    case WF_FILTER_FLAGS:
        put_flags(w, f);
        break;
    }
}

char *wf_filter_write(const struct wf_filter_node *root, const struct wf_schema *schema)
{
    struct writer w = {.schema = schema};
    put_node(&w, root);
    return w.at;
}

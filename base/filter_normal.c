/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_normal.c - a raw tree as one of a kind: the normal form.
 *
 * From the leaves up: `not` is carried down by De Morgan and ends in the complement of a leaf; the
 * children of an and/or are flattened into it; its leaves of one attribute become one; constants
 * are folded; children are sorted and made unique. `and` is never distributed over `or`, so the
 * form is not larger than the tree. Sorting keeps the runs that are in order already, as the
 * children of a flattened child are, so that deep nesting does not sort the same things again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/filter_internal.h"

struct normaliser {
    struct wf_arena *arena;
    const char **words;
    const uint32_t *ranks; /* of each string of the source */
};
struct forms {
    const struct wf_filter_form **at;
    size_t n, cap;
};
static const struct wf_filter_form all = {.op = WF_FILTER_ALL}, none = {.op = WF_FILTER_NONE};

/* ---- order ---- */

static bool is_leaf(const struct wf_filter_form *f)
{
    return f->op >= WF_FILTER_VALUES;
}

/* Leaves first, by attribute; those of one attribute by what they hold. */
static int compare(const struct wf_filter_form *x, const struct wf_filter_form *y)
{
    if (x == y) {
        return 0;
    }
    if (is_leaf(x) != is_leaf(y)) {
        return is_leaf(x) ? -1 : 1;
    }
    if (is_leaf(x)) {
        const int order = (x->attr > y->attr) - (x->attr < y->attr);
        return order ? order : wf_filter_set_compare(x->set, y->set);
    }
    int order = (x->op > y->op) - (x->op < y->op);
    for (uint32_t i = 0; order == 0 && i < x->n && i < y->n; i++) {
        order = compare(x->children[i], y->children[i]);
    }
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* Where the rising run that begins at `from` ends. */
static size_t run_end(const struct forms *f, size_t from)
{
    size_t i = from + 1;
    while (i < f->n && compare(f->at[i - 1], f->at[i]) <= 0) {
        i++;
    }
    return i < f->n ? i : f->n;
}

static void merge_runs(const struct wf_filter_form **to, const struct forms *f, size_t from,
                       size_t middle, size_t end)
{
    size_t i = from, j = middle;
    for (size_t k = from; k < end; k++) {
        bool left = j == end || (i < middle && compare(f->at[i], f->at[j]) <= 0);
        to[k] = left ? f->at[i++] : f->at[j++];
    }
}

/* Merges neighbouring runs until there is one. */
static void sort(struct forms *f)
{
    const struct wf_filter_form **spare = wf_xarray(const struct wf_filter_form *, f->n);
    while (f->n > 0 && run_end(f, 0) < f->n) {
        for (size_t from = 0; from < f->n;) {
            size_t middle = run_end(f, from);
            size_t end = middle < f->n ? run_end(f, middle) : f->n;
            merge_runs(spare, f, from, middle, end);
            from = end;
        }
        memcpy(f->at, spare, f->n * sizeof(const struct wf_filter_form *));
    }
    wf_xfree(spare);
}

/* ---- leaves ---- */

static const struct wf_filter_form *leaf(struct normaliser *c, enum wf_filter_op op, uint32_t attr,
                                         struct wf_filter_set set)
{
    if (set.n == 0) {
        return &none;
    }
    if (set.n == 1 && set.at[0] == WF_FILTER_MISSING) {
        return &all;
    }
    struct wf_filter_form *f = wf_filter_array(c->arena, struct wf_filter_form, 1);
    *f = (struct wf_filter_form){.op = op, .attr = attr, .set = set};
    return f;
}

static const struct wf_filter_form *raw_leaf(struct normaliser *c, const struct wf_filter_raw *raw,
                                             bool negated)
{
    struct wf_filter_span *spans = wf_filter_array(c->arena, struct wf_filter_span, raw->n);
    for (uint32_t i = 0; i < raw->n; i++) {
        spans[i] = raw->spans[i];
        if (raw->op == WF_FILTER_VALUES) {
            spans[i].low = spans[i].high = (int32_t)(2 * c->ranks[spans[i].low]);
        }
    }
    struct wf_filter_set set = wf_filter_set_of(c->arena, spans, raw->n);
    return leaf(c, raw->op, raw->attr, negated ? wf_filter_set_not(c->arena, set) : set);
}

/* Of n leaves of one attribute one. */
static const struct wf_filter_form *join(struct normaliser *c, enum wf_filter_op op,
                                         const struct wf_filter_form *const *leaves, size_t n)
{
    if (n == 1) {
        return leaves[0];
    }
    struct wf_filter_set *sets = wf_filter_array(c->arena, struct wf_filter_set, n);
    for (size_t i = 0; i < n; i++) {
        sets[i] = leaves[i]->set;
    }
    return leaf(c, leaves[0]->op, leaves[0]->attr,
                wf_filter_set_join(c->arena, sets, n, op == WF_FILTER_AND));
}

/* ---- and, or ---- */

static void push(struct forms *f, const struct wf_filter_form *form)
{
    wf_xgrow(&f->at, &f->cap, f->n + 1, sizeof(const struct wf_filter_form *));
    f->at[f->n++] = form;
}

/* Joins the leaves and drops what stands twice; the list is sorted before and after. */
static void unite(struct normaliser *c, enum wf_filter_op op, struct forms *f)
{
    size_t n = 0;
    for (size_t i = 0, end = 0; i < f->n; i = end) {
        end = i + 1;
        while (end < f->n &&
               (is_leaf(f->at[i]) ? is_leaf(f->at[end]) && f->at[end]->attr == f->at[i]->attr
                                  : compare(f->at[end], f->at[i]) == 0)) {
            end++;
        }
        f->at[n++] = is_leaf(f->at[i]) ? join(c, op, f->at + i, end - i) : f->at[i];
    }
    f->n = n;
}

/* Drops the constants that change nothing; true when one decides the whole. */
static bool fold(enum wf_filter_op op, struct forms *f)
{
    const enum wf_filter_op decides = op == WF_FILTER_AND ? WF_FILTER_NONE : WF_FILTER_ALL;
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->at[i]->op == decides) {
            return true;
        }
        if (f->at[i]->op > WF_FILTER_NONE) {
            f->at[n++] = f->at[i];
        }
    }
    f->n = n;
    return false;
}

static const struct wf_filter_form *reduce(struct normaliser *c, enum wf_filter_op op,
                                           struct forms *f)
{
    const struct wf_filter_form *deciding = op == WF_FILTER_AND ? &none : &all;
    if (fold(op, f)) {
        return deciding;
    }
    sort(f);
    unite(c, op, f);
    if (fold(op, f)) {
        return deciding;
    }
    if (f->n < 2) {
        return f->n == 1 ? f->at[0] : op == WF_FILTER_AND ? &all : &none;
    }
    struct wf_filter_form *form = wf_filter_array(c->arena, struct wf_filter_form, 1);
    form->op = op;
    form->n = (uint32_t)f->n;
    form->children = wf_filter_array(c->arena, const struct wf_filter_form *, f->n);
    memcpy(form->children, f->at, f->n * sizeof(const struct wf_filter_form *));
    return form;
}

static enum wf_filter_op under(enum wf_filter_op op, bool negated)
{
    return negated == (op == WF_FILTER_AND) ? WF_FILTER_OR : WF_FILTER_AND;
}

static const struct wf_filter_form *normal(struct normaliser *c, const struct wf_filter_raw *raw,
                                           bool negated);

/* What `raw` adds to the children of an `op`. */
static void collect(struct normaliser *c, const struct wf_filter_raw *raw, bool negated,
                    enum wf_filter_op op, struct forms *into)
{
    while (raw->op == WF_FILTER_NOT) {
        raw = raw->child;
        negated = !negated;
    }
    if ((raw->op == WF_FILTER_AND || raw->op == WF_FILTER_OR) && under(raw->op, negated) == op) {
        for (raw = raw->child; raw; raw = raw->next) {
            collect(c, raw, negated, op, into);
        }
        return;
    }
    const struct wf_filter_form *form = normal(c, raw, negated);
    if (form->op != op) {
        push(into, form);
        return;
    }
    for (uint32_t i = 0; i < form->n; i++) {
        push(into, form->children[i]);
    }
}

static const struct wf_filter_form *normal(struct normaliser *c, const struct wf_filter_raw *raw,
                                           bool negated)
{
    while (raw->op == WF_FILTER_NOT) {
        raw = raw->child;
        negated = !negated;
    }
    if (raw->op == WF_FILTER_ALL || raw->op == WF_FILTER_NONE) {
        return (raw->op == WF_FILTER_ALL) == negated ? &none : &all;
    }
    if (raw->op >= WF_FILTER_VALUES) {
        return raw_leaf(c, raw, negated);
    }
    const enum wf_filter_op op = under(raw->op, negated);
    struct forms children = {0};
    collect(c, raw, negated, op, &children);
    const struct wf_filter_form *form = reduce(c, op, &children);
    wf_xfree(children.at);
    return form;
}

/* ---- the whole ---- */

static int by_text(const void *x, const void *y)
{
    const char *const *const *a = x, *const *const *b = y;
    return strcmp(**a, **b);
}

/* Fills words and ranks. */
static void rank(struct normaliser *c, const struct wf_filter_source *src)
{
    const char ***order = wf_filter_array(c->arena, const char **, src->n_strings);
    uint32_t *ranks = wf_filter_array(c->arena, uint32_t, src->n_strings);
    c->words = wf_filter_array(c->arena, const char *, src->n_strings);
    for (uint32_t i = 0; i < src->n_strings; i++) {
        order[i] = &src->strings[i];
    }
    if (src->n_strings > 1) {
        qsort(order, src->n_strings, sizeof *order, by_text);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < src->n_strings; i++) {
        if (n == 0 || strcmp(c->words[n - 1], *order[i]) != 0) {
            c->words[n++] = *order[i];
        }
        ranks[order[i] - src->strings] = n - 1;
    }
    c->ranks = ranks;
}

struct wf_filter_normal wf_filter_normalise(struct wf_arena *a, const struct wf_filter_source *src)
{
    struct normaliser c = {.arena = a};
    rank(&c, src);
    const struct wf_filter_form *root = normal(&c, src->root, false);
    return (struct wf_filter_normal){root, c.words};
}

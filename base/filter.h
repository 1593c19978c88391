/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.h - filter expressions: text -> a checked, normalised tree.
 *
 *   category = "Dress" and price between 10 and 40 and colour in ("Black","Navy")
 *   and not brand = "X" and in_stock
 *
 * Words are case-insensitive; `not` binds tighter than `and`, `and` tighter than `or`. Strings
 * stand in double or single quotes with \\ \" \' escapes; a name that is a word of the language, or
 * has other characters than [A-Za-z0-9_.-], stands in backquotes. Keywords and texts take = != in;
 * numbers = != < <= > >= between in; flags = != true false, and may stand alone.
 *
 * Two-valued logic: a comparison with a missing value is false, `not` is its complement, and != is
 * `not =`. Number literals are rounded to float32, as the attribute is stored.
 *
 * Normalising: every number comparison becomes a set of closed ranges, `!=` becomes not, `in` a
 * sorted set; nested and/or are flattened, double negation and De Morgan are resolved towards the
 * leaves' side, leaves of one attribute are intersected or united, children are sorted and made
 * unique, what is always true or false is folded. Expressions that differ only in such ways have
 * the same canonical text. Pure; a tree is immutable and may be read from any thread.
 */
#ifndef WF_FILTER_H
#define WF_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/generation.h"

enum wf_filter_op {
    WF_FILTER_ALL = 1, /* every row */
    WF_FILTER_NONE,
    WF_FILTER_AND,
    WF_FILTER_OR,
    WF_FILTER_NOT,    /* one child */
    WF_FILTER_VALUES, /* keyword or text: one of `values` */
    WF_FILTER_RANGES, /* number: in one of `ranges` */
    WF_FILTER_FLAGS,  /* flag: one of `flags` */
};
struct wf_filter_range {
    float low, high; /* both belong to it; -INFINITY and INFINITY for open ends; low <= high */
};
struct wf_filter_node {
    enum wf_filter_op op;
    uint32_t attr;                                /* leaves: index into the schema's attributes */
    const struct wf_filter_node *const *children; /* AND, OR: >= 2; NOT: 1 */
    const char *const *values;                    /* byte order, unique */
    const struct wf_filter_range *ranges;         /* rising, disjoint */
    uint32_t n;                                   /* of what the op has */
    unsigned flags; /* bit 0: false is wanted, bit 1: true is wanted */
};
struct wf_filter {
    const struct wf_filter_node *root;
    const char *text; /* canonical; parses back to the same tree */
};
enum { WF_FILTER_DEPTH_MAX = 64, WF_FILTER_NODES_MAX = 4096, WF_FILTER_TEXT_MAX = 1 << 19 };

/*
 * The text must not be empty. WF_INVALID with field "filter" and reason MALFORMED (syntax, depth,
 * size), UNKNOWN_ATTRIBUTE (with the nearest name) or TYPE; the text names the column, from 1, what
 * stands there and what would be right.
 */
WF_MUST_CHECK enum wf_code wf_filter_parse(const char *text, const struct wf_schema *schema,
                                           struct wf_filter **out, struct wf_error *err);
void wf_filter_close(struct wf_filter *f); /* NULL is fine */

#endif

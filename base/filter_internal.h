/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_internal.h - the steps from the text of a filter to its normal form, for base/filter*.c.
 *
 *   filter_lex.c     text -> tokens
 *   filter_parse.c   tokens -> raw tree: names resolved, types checked, as it was written
 *   filter_sets.c    sets of values of one attribute, closed under and, or, not
 *   filter_normal.c  raw tree -> forms: negations at the leaves, one leaf per attribute, sorted
 *   filter_text.c    tree -> canonical text
 *   filter.c         forms -> the tree that callers see; limits
 *
 * Places. A leaf is a set of places on its attribute's axis: a number's place is its float32 in an
 * int32 of the same order, the flag's are 0 and 1, and the string of rank r (among all strings of
 * the filter, by bytes) has 2r; the odd places stand for the strings that the filter does not
 * mention. WF_FILTER_MISSING, before all of them, is a row without a value. So `not` is the
 * complement, on every axis, and all three types share one algebra.
 *
 * Memory: everything made here is in one arena without a limit of its own, bounded by the text:
 * WF_FILTER_TEXT_MAX, and merging costs at most n log n places for each level of the tree. It dies
 * with the call of wf_filter_parse. As for the wf_xmalloc family, being out of memory aborts.
 */
#ifndef WF_FILTER_INTERNAL_H
#define WF_FILTER_INTERNAL_H

#include "base/arena.h"
#include "base/filter.h"

/* Zeroed, aborts when memory is out. */
void *wf_filter_take(struct wf_arena *a, size_t n, size_t size);
#define wf_filter_array(a, type, n) ((type *)wf_filter_take((a), (n), sizeof(type)))

/* ---- filter_lex.c ---- */

enum wf_filter_kind {
    WF_TOKEN_END,
    WF_TOKEN_NAME,
    WF_TOKEN_STRING,
    WF_TOKEN_NUMBER,
    WF_TOKEN_EQ,
    WF_TOKEN_NE,
    WF_TOKEN_LT,
    WF_TOKEN_LE,
    WF_TOKEN_GT,
    WF_TOKEN_GE,
    WF_TOKEN_OPEN,
    WF_TOKEN_CLOSE,
    WF_TOKEN_COMMA,
    WF_TOKEN_AND,
    WF_TOKEN_OR,
    WF_TOKEN_NOT,
    WF_TOKEN_IN,
    WF_TOKEN_BETWEEN,
    WF_TOKEN_TRUE,
    WF_TOKEN_FALSE,
};
struct wf_filter_token {
    enum wf_filter_kind kind;
    const char *at; /* in the text, quotes included */
    size_t size;
};
/* The token at or after *at, which moves behind it. */
WF_MUST_CHECK enum wf_code wf_filter_lex(const char *text, const char **at,
                                         struct wf_filter_token *out, struct wf_error *err);
/* What a string or a name in quotes says. */
char *wf_filter_unquote(struct wf_arena *a, const struct wf_filter_token *t);
/* Whether `name` must stand in backquotes. */
bool wf_filter_needs_quotes(const char *name);
/* WF_INVALID with field "filter" and "column N: " in front; `at` is in `text`. */
enum wf_code wf_filter_refuse(struct wf_error *err, const char *reason, const char *text,
                              const char *at, const char *fmt, ...) WF_PRINTF(5, 6);
/* "the string "Black"", for messages; cut short where it is long. */
struct wf_filter_shown {
    char text[72];
};
struct wf_filter_shown wf_filter_show(const struct wf_filter_token *t);

/* ---- filter_parse.c ---- */

struct wf_filter_span {
    int32_t low, high; /* both belong to it */
};
struct wf_filter_raw {
    enum wf_filter_op op;
    uint32_t attr;
    struct wf_filter_span *spans; /* leaves, as written; of a string: its index in `strings` */
    uint32_t n;                   /* spans */
    struct wf_filter_raw *child, *next;
};
struct wf_filter_source {
    const struct wf_filter_raw *root;
    const char **strings; /* in the order of the text */
    uint32_t n_strings;
};
WF_MUST_CHECK enum wf_code wf_filter_read(const char *text, const struct wf_schema *schema,
                                          struct wf_arena *a, struct wf_filter_source *out,
                                          struct wf_error *err);

/* ---- filter_sets.c ---- */

#define WF_FILTER_MISSING INT32_MIN
#define WF_FILTER_LEAST   (-0x7f800000) /* the place of -INFINITY */
#define WF_FILTER_MOST    0x7f800000

/* The places at which membership changes, rising; before the first, nothing belongs to the set. */
struct wf_filter_set {
    const int32_t *at;
    uint32_t n;
};
int32_t wf_filter_place(float x);
float wf_filter_number(int32_t place);
/* Sorts `spans`. */
struct wf_filter_set wf_filter_set_of(struct wf_arena *a, struct wf_filter_span *spans, uint32_t n);
struct wf_filter_set wf_filter_set_not(struct wf_arena *a, struct wf_filter_set s);
/* What is in all of them, or in any; n >= 1. */
struct wf_filter_set wf_filter_set_join(struct wf_arena *a, const struct wf_filter_set *sets,
                                        size_t n, bool all);
int wf_filter_set_compare(struct wf_filter_set x, struct wf_filter_set y);

/* ---- filter_normal.c ---- */

/* A leaf with WF_FILTER_MISSING in its set is written as `not` of the complement. */
struct wf_filter_form {
    enum wf_filter_op op; /* not WF_FILTER_NOT */
    uint32_t attr;
    struct wf_filter_set set;
    const struct wf_filter_form **children;
    uint32_t n; /* children */
};
struct wf_filter_normal {
    const struct wf_filter_form *root;
    const char **words; /* the string of rank r */
};
struct wf_filter_normal wf_filter_normalise(struct wf_arena *a, const struct wf_filter_source *src);

/* ---- filter_text.c ---- */

/* Owned by the caller. */
char *wf_filter_write(const struct wf_filter_node *root, const struct wf_schema *schema);

#endif

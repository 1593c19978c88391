/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_parse.c - tokens of a filter -> raw tree, by recursive descent.
 *
 *   or         = and { "or" and }
 *   and        = unary { "and" unary }
 *   unary      = "not" unary | "(" or ")" | "true" | "false" | comparison
 *   comparison = name [ mark literal | ["not"] "between" number "and" number
 *                     | ["not"] "in" "(" literal { "," literal } ")" ]
 *
 * Names are resolved and types checked as they are met, so the first mistake of the text is the one
 * that is told. Brackets and `not` nest WF_FILTER_DEPTH_MAX deep at most, which bounds recursion.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/config.h"
#include "base/filter_internal.h"

struct parser {
    struct wf_arena *arena;
    const struct wf_schema *schema;
    const char *text, *behind; /* behind: the current token */
    struct wf_filter_token now;
    unsigned depth;
    struct wf_filter_span *spans; /* of the comparison being read */
    size_t n_spans, cap_spans;
    const char **strings;
    size_t n_strings, cap_strings;
    struct wf_error *err;
};

#define BIT(kind) (1U << (kind))
#define ORDERED   (BIT(WF_TOKEN_LT) | BIT(WF_TOKEN_LE) | BIT(WF_TOKEN_GT) | BIT(WF_TOKEN_GE))
#define EQUALITY  (BIT(WF_TOKEN_EQ) | BIT(WF_TOKEN_NE))

/* What each type of attribute can be asked. */
static const struct type {
    enum wf_filter_op op;
    unsigned comparisons; /* bits */
    const char *takes, *literal;
    unsigned literals; /* bits */
} types[] = {
    [WF_ATTR_KEYWORD] = {WF_FILTER_VALUES, EQUALITY | BIT(WF_TOKEN_IN), "= != in",
                         "a string in quotes", BIT(WF_TOKEN_STRING)},
    [WF_ATTR_TEXT] = {WF_FILTER_VALUES, EQUALITY | BIT(WF_TOKEN_IN), "= != in",
                      "a string in quotes", BIT(WF_TOKEN_STRING)},
    [WF_ATTR_NUMBER] = {WF_FILTER_RANGES,
                        EQUALITY | ORDERED | BIT(WF_TOKEN_IN) | BIT(WF_TOKEN_BETWEEN),
                        "= != < <= > >= between in", "a number", BIT(WF_TOKEN_NUMBER)},
    [WF_ATTR_FLAG] = {WF_FILTER_FLAGS, EQUALITY, "= !=", "true or false",
                      BIT(WF_TOKEN_TRUE) | BIT(WF_TOKEN_FALSE)},
};
#define ANY_COMPARISON (EQUALITY | ORDERED | BIT(WF_TOKEN_IN) | BIT(WF_TOKEN_BETWEEN))
#define ANY_LITERAL                                                                                \
    (BIT(WF_TOKEN_STRING) | BIT(WF_TOKEN_NUMBER) | BIT(WF_TOKEN_TRUE) | BIT(WF_TOKEN_FALSE))

/* ---- steps ---- */

static enum wf_code advance(struct parser *p)
{
    return wf_filter_lex(p->text, &p->behind, &p->now, p->err);
}

static bool at_any(const struct parser *p, unsigned kinds)
{
    return (BIT(p->now.kind) & kinds) != 0;
}

static enum wf_code expected(struct parser *p, const char *what)
{
    return wf_filter_refuse(p->err, "MALFORMED", p->text, p->now.at, "expected %s, found %s", what,
                            wf_filter_show(&p->now).text);
}

/* Past a token of this kind. */
static enum wf_code pass(struct parser *p, enum wf_filter_kind kind, const char *what)
{
    return p->now.kind == kind ? advance(p) : expected(p, what);
}

static struct wf_filter_raw *node(struct parser *p, enum wf_filter_op op,
                                  struct wf_filter_raw *child)
{
    struct wf_filter_raw *raw = wf_filter_array(p->arena, struct wf_filter_raw, 1);
    raw->op = op;
    raw->child = child;
    return raw;
}

static enum wf_code wrong_type(struct parser *p, const struct wf_attr *attr, const char *what)
{
    return wf_filter_refuse(p->err, "TYPE", p->text, p->now.at, "%s is a %s and takes %s, not %s",
                            attr->name, wf_attr_type_name(attr->type), what,
                            wf_filter_show(&p->now).text);
}

/* ---- names ---- */

static enum wf_code unknown(struct parser *p, const char *name)
{
    const char *names[WF_ATTRS_MAX] = {NULL}, *nearest = NULL;
    const unsigned n = p->schema->n_attrs;
    for (unsigned i = 0; i < n; i++) {
        names[i] = p->schema->attrs[i].name;
        nearest = strcasecmp(name, names[i]) == 0 ? names[i] : nearest;
    }
    nearest = nearest ? nearest : wf_nearest(name, names, n);
    const struct wf_filter_shown shown = wf_filter_show(&p->now);
    if (n == 0) {
        return wf_filter_refuse(p->err, "UNKNOWN_ATTRIBUTE", p->text, p->now.at,
                                "there is no attribute for %s, the schema has none", shown.text);
    }
    return wf_filter_refuse(
        p->err, "UNKNOWN_ATTRIBUTE", p->text, p->now.at, "there is no attribute for %s, %s is %s",
        shown.text, nearest ? "nearest" : "the first of the schema", nearest ? nearest : names[0]);
}

static enum wf_code attribute(struct parser *p, uint32_t *out)
{
    if (p->now.kind != WF_TOKEN_NAME) {
        return expected(p, "an attribute, \"not\" or \"(\"");
    }
    const char *name = wf_filter_unquote(p->arena, &p->now);
    const int found = wf_schema_attr(p->schema, name);
    if (found < 0) {
        return unknown(p, name);
    }
    *out = (uint32_t)found;
    return advance(p);
}

/* ---- literals ---- */

static void push_span(struct parser *p, int32_t low, int32_t high)
{
    wf_xgrow(&p->spans, &p->cap_spans, p->n_spans + 1, sizeof *p->spans);
    p->spans[p->n_spans++] = (struct wf_filter_span){low, high};
}

static int32_t push_string(struct parser *p)
{
    wf_xgrow(&p->strings, &p->cap_strings, p->n_strings + 1, sizeof *p->strings);
    p->strings[p->n_strings] = wf_filter_unquote(p->arena, &p->now);
    return (int32_t)p->n_strings++;
}

/* Its place on the attribute's axis; of a string, its index. */
static enum wf_code literal(struct parser *p, const struct wf_attr *attr, int32_t *out)
{
    const struct type *type = &types[attr->type];
    if (!at_any(p, type->literals)) {
        return at_any(p, ANY_LITERAL) ? wrong_type(p, attr, type->literal)
                                      : expected(p, type->literal);
    }
    if (p->now.kind == WF_TOKEN_STRING) {
        *out = push_string(p);
    } else if (p->now.kind == WF_TOKEN_NUMBER) {
        const float x = strtof(p->now.at, NULL);
        if (!isfinite(x)) {
            return wf_filter_refuse(p->err, "MALFORMED", p->text, p->now.at,
                                    "%s is beyond float32, whose largest is 3.4028235e+38",
                                    wf_filter_show(&p->now).text);
        }
        *out = wf_filter_place(x);
    } else {
        *out = p->now.kind == WF_TOKEN_TRUE;
    }
    return advance(p);
}

static enum wf_code literals(struct parser *p, const struct wf_attr *attr)
{
    enum wf_code code = pass(p, WF_TOKEN_OPEN, "\"(\" after \"in\"");
    bool more = true;
    while (code == WF_OK && more) {
        int32_t place = 0;
        code = literal(p, attr, &place);
        more = code == WF_OK && p->now.kind == WF_TOKEN_COMMA;
        if (code == WF_OK) {
            push_span(p, place, place);
            code = more ? advance(p) : WF_OK;
        }
    }
    return code == WF_OK ? pass(p, WF_TOKEN_CLOSE, "\",\" or \")\"") : code;
}

static enum wf_code ends(struct parser *p, const struct wf_attr *attr)
{
    int32_t low = 0, high = 0;
    enum wf_code code = literal(p, attr, &low);
    code = code == WF_OK ? pass(p, WF_TOKEN_AND, "\"and\" and the upper end") : code;
    code = code == WF_OK ? literal(p, attr, &high) : code;
    if (code == WF_OK && low <= high) {
        push_span(p, low, high);
    }
    return code;
}

static enum wf_code one_sided(struct parser *p, const struct wf_attr *attr,
                              enum wf_filter_kind kind)
{
    int32_t at = 0;
    const enum wf_code code = literal(p, attr, &at);
    if (code != WF_OK) {
        return code;
    }
    const bool less = kind == WF_TOKEN_LT || kind == WF_TOKEN_LE;
    const bool greater = kind == WF_TOKEN_GT || kind == WF_TOKEN_GE;
    at += kind == WF_TOKEN_GT ? 1 : kind == WF_TOKEN_LT ? -1 : 0;
    push_span(p, less ? WF_FILTER_LEAST : at, greater ? WF_FILTER_MOST : at);
    return WF_OK;
}

/* ---- comparisons ---- */

/* The attribute is read; nothing that compares it follows. */
static enum wf_code alone(struct parser *p, const struct wf_attr *attr,
                          const struct wf_filter_token *name)
{
    if (attr->type == WF_ATTR_FLAG) {
        push_span(p, 1, 1);
        return WF_OK;
    }
    if (at_any(p, BIT(WF_TOKEN_END) | BIT(WF_TOKEN_AND) | BIT(WF_TOKEN_OR) | BIT(WF_TOKEN_CLOSE))) {
        return wf_filter_refuse(p->err, "TYPE", p->text, name->at,
                                "%s is a %s, which cannot stand alone; compare it with one of %s",
                                attr->name, wf_attr_type_name(attr->type), types[attr->type].takes);
    }
    char what[80];
    snprintf(what, sizeof what, "one of %s", types[attr->type].takes);
    return expected(p, what);
}

/* Reads what follows the attribute into the spans. */
static enum wf_code compared(struct parser *p, const struct wf_attr *attr,
                             const struct wf_filter_token *name, bool *negated)
{
    enum wf_code code = WF_OK;
    if (p->now.kind == WF_TOKEN_NOT) {
        *negated = true;
        code = advance(p);
        if (code == WF_OK && !at_any(p, BIT(WF_TOKEN_IN) | BIT(WF_TOKEN_BETWEEN))) {
            return expected(p, "\"in\" or \"between\" after \"not\"");
        }
    }
    const enum wf_filter_kind kind = p->now.kind;
    if (code != WF_OK || !at_any(p, ANY_COMPARISON)) {
        return code == WF_OK ? alone(p, attr, name) : code;
    }
    if (!at_any(p, types[attr->type].comparisons)) {
        return wrong_type(p, attr, types[attr->type].takes);
    }
    code = advance(p);
    if (code != WF_OK) {
        return code;
    }
    *negated = *negated || kind == WF_TOKEN_NE;
    return kind == WF_TOKEN_IN        ? literals(p, attr)
           : kind == WF_TOKEN_BETWEEN ? ends(p, attr)
                                      : one_sided(p, attr, kind);
}

static enum wf_code comparison(struct parser *p, struct wf_filter_raw **out)
{
    const struct wf_filter_token name = p->now;
    uint32_t index = 0;
    bool negated = false;
    p->n_spans = 0;
    enum wf_code code = attribute(p, &index);
    const struct wf_attr *attr = &p->schema->attrs[index];
    code = code == WF_OK ? compared(p, attr, &name, &negated) : code;
    if (code != WF_OK) {
        return code;
    }
    struct wf_filter_raw *leaf = node(p, types[attr->type].op, NULL);
    leaf->attr = index;
    leaf->n = (uint32_t)p->n_spans;
    leaf->spans = wf_filter_array(p->arena, struct wf_filter_span, p->n_spans);
    if (leaf->n > 0) {
        memcpy(leaf->spans, p->spans, leaf->n * sizeof *leaf->spans);
    }
    *out = negated ? node(p, WF_FILTER_NOT, leaf) : leaf;
    return WF_OK;
}

/* ---- and, or, not, brackets ---- */

static enum wf_code chain(struct parser *p, enum wf_filter_op op, struct wf_filter_raw **out);

static enum wf_code brackets(struct parser *p, struct wf_filter_raw **out)
{
    enum wf_code code = advance(p);
    code = code == WF_OK ? chain(p, WF_FILTER_OR, out) : code;
    return code == WF_OK ? pass(p, WF_TOKEN_CLOSE, "\"and\", \"or\" or \")\"") : code;
}

static enum wf_code unary(struct parser *p, struct wf_filter_raw **out)
{
    const enum wf_filter_kind kind = p->now.kind;
    if (kind == WF_TOKEN_TRUE || kind == WF_TOKEN_FALSE) {
        *out = node(p, kind == WF_TOKEN_TRUE ? WF_FILTER_ALL : WF_FILTER_NONE, NULL);
        return advance(p);
    }
    if (kind != WF_TOKEN_NOT && kind != WF_TOKEN_OPEN) {
        return comparison(p, out);
    }
    if (p->depth == WF_FILTER_DEPTH_MAX) {
        return wf_filter_refuse(p->err, "MALFORMED", p->text, p->now.at,
                                "brackets and \"not\" nest %u deep, the limit is %d", p->depth + 1,
                                WF_FILTER_DEPTH_MAX);
    }
    p->depth++;
    enum wf_code code = WF_OK;
    if (kind == WF_TOKEN_OPEN) {
        code = brackets(p, out);
    } else {
        struct wf_filter_raw *child = NULL;
        code = advance(p);
        code = code == WF_OK ? unary(p, &child) : code;
        *out = code == WF_OK ? node(p, WF_FILTER_NOT, child) : NULL;
    }
    p->depth--;
    return code;
}

/* One or more parts joined by the word of `op`. */
static enum wf_code chain(struct parser *p, enum wf_filter_op op, struct wf_filter_raw **out)
{
    const bool is_or = op == WF_FILTER_OR;
    struct wf_filter_raw *first = NULL;
    enum wf_code code = is_or ? chain(p, WF_FILTER_AND, &first) : unary(p, &first);
    struct wf_filter_raw *last = first;
    while (code == WF_OK && p->now.kind == (is_or ? WF_TOKEN_OR : WF_TOKEN_AND)) {
        code = advance(p);
        if (code == WF_OK) {
            code = is_or ? chain(p, WF_FILTER_AND, &last->next) : unary(p, &last->next);
            last = last->next;
        }
    }
    if (code == WF_OK) {
        *out = first == last ? first : node(p, op, first);
    }
    return code;
}

static enum wf_code whole(struct parser *p, struct wf_filter_raw **out)
{
    enum wf_code code = advance(p);
    if (code == WF_OK && p->now.kind == WF_TOKEN_END) {
        return wf_filter_refuse(p->err, "MALFORMED", p->text, p->now.at,
                                "the filter is empty; write true for every row");
    }
    code = code == WF_OK ? chain(p, WF_FILTER_OR, out) : code;
    return code == WF_OK && p->now.kind != WF_TOKEN_END ? expected(p, "\"and\", \"or\" or the end")
                                                        : code;
}

enum wf_code wf_filter_read(const char *text, const struct wf_schema *schema, struct wf_arena *a,
                            struct wf_filter_source *out, struct wf_error *err)
{
    struct parser p = {.arena = a, .schema = schema, .text = text, .behind = text, .err = err};
    struct wf_filter_raw *root = NULL;
    const enum wf_code code = whole(&p, &root);
    if (code == WF_OK) {
        const char **strings = wf_filter_array(a, const char *, p.n_strings);
        if (p.n_strings > 0) {
            memcpy(strings, p.strings, p.n_strings * sizeof *strings);
        }
        *out = (struct wf_filter_source){root, strings, (uint32_t)p.n_strings};
    }
    wf_xfree(p.spans);
    wf_xfree(p.strings);
    return code;
}

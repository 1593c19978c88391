/* SPDX-License-Identifier: Apache-2.0
 *
 * random_filter.c - see random_filter.h. The ways to write are the rules that base/filter.h
 * promises to see through: De Morgan, double negation, order, grouping, doubles, comparisons that
 * split or join, and parts that change nothing.
 */
#include "tests/support/random_filter.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"

enum verb { EQUAL, BELOW, AT_MOST, ABOVE, AT_LEAST, BETWEEN, IN, VERB_AND, VERB_OR, VERB_NOT };
struct random_filter {
    const struct filter_vocabulary *v;
    enum verb verb;
    unsigned attr;
    unsigned values[4]; /* indexes into words or numbers; of a flag 0 or 1 */
    unsigned n;         /* values or children */
    struct random_filter *children[4];
};

static bool is_word(const struct random_filter *e)
{
    const enum wf_attr_type type = e->v->schema->attrs[e->attr].type;
    return type == WF_ATTR_KEYWORD || type == WF_ATTR_TEXT;
}

static bool is_number(const struct random_filter *e)
{
    return e->v->schema->attrs[e->attr].type == WF_ATTR_NUMBER;
}

/* ---- making ---- */

static struct random_filter *make_leaf(const struct filter_vocabulary *v, struct wf_random *r)
{
    struct random_filter *e = wf_xcalloc(1, sizeof *e);
    e->v = v;
    e->attr = (unsigned)wf_random_below(r, v->schema->n_attrs);
    e->n = 1;
    if (is_number(e)) {
        e->verb = (enum verb)wf_random_below(r, VERB_AND);
    } else if (is_word(e)) {
        e->verb = wf_random_below(r, 2) ? IN : EQUAL;
    } else {
        e->values[0] = (unsigned)wf_random_below(r, 2);
        return e;
    }
    e->n = e->verb == IN ? 1 + (unsigned)wf_random_below(r, 4) : e->verb == BETWEEN ? 2 : 1;
    for (unsigned i = 0; i < e->n; i++) {
        e->values[i] = (unsigned)wf_random_below(r, is_number(e) ? v->n_numbers : v->n_words);
    }
    return e;
}

struct random_filter *random_filter_create(const struct filter_vocabulary *v, struct wf_random *r,
                                           unsigned depth)
{
    if (depth == 0 || wf_random_below(r, 4) == 0) {
        return make_leaf(v, r);
    }
    struct random_filter *e = wf_xcalloc(1, sizeof *e);
    e->v = v;
    e->verb = VERB_AND + (enum verb)wf_random_below(r, 3);
    e->n = e->verb == VERB_NOT ? 1 : 2 + (unsigned)wf_random_below(r, 3);
    for (unsigned i = 0; i < e->n; i++) {
        e->children[i] = random_filter_create(v, r, depth - 1);
    }
    return e;
}

void random_filter_destroy(struct random_filter *e)
{
    for (unsigned i = 0; e->verb >= VERB_AND && i < e->n; i++) {
        random_filter_destroy(e->children[i]);
    }
    wf_xfree(e);
}

/* ---- meaning ---- */

static bool compares(const struct random_filter *e, float x)
{
    const float *numbers = e->v->numbers, v = numbers[e->values[0]];
    bool any = false;
    for (unsigned i = 0; e->verb == IN && i < e->n; i++) {
        any = any || x == numbers[e->values[i]];
    }
    switch ((unsigned)e->verb) {
    case EQUAL:
        return x == v;
    case BELOW:
        return x < v;
    case AT_MOST:
        return x <= v;
    case ABOVE:
        return x > v;
    case AT_LEAST:
        return x >= v;
    case BETWEEN:
        return x >= v && x <= numbers[e->values[1]];
    default:
        return any;
    }
}

bool random_filter_holds(const struct random_filter *e, const struct filter_cell *row)
{
    bool any = false, every = true;
    for (unsigned i = 0; e->verb >= VERB_AND && i < e->n; i++) {
        const bool is = random_filter_holds(e->children[i], row);
        any = any || is;
        every = every && is;
    }
    if (e->verb >= VERB_AND) {
        return e->verb == VERB_AND ? every : e->verb == VERB_OR ? any : !any;
    }
    const struct filter_cell *cell = &row[e->attr];
    if (is_number(e)) {
        return compares(e, cell->number);
    }
    if (!is_word(e)) {
        return cell->flag == (int)e->values[0];
    }
    for (unsigned i = 0; i < e->n; i++) {
        any = any || (cell->word && strcmp(cell->word, e->v->words[e->values[i]]) == 0);
    }
    return any;
}

/* ---- writing ---- */

void grown_put(struct grown_text *t, const char *s)
{
    const size_t n = strlen(s);
    wf_xgrow(&t->at, &t->cap, t->n + n + 1, 1);
    memcpy(t->at + t->n, s, n + 1);
    t->n += n;
}

struct style {
    struct grown_text *to;
    struct wf_random *r; /* NULL: plainly */
    unsigned nesting;
};

static unsigned dice(struct style *s, unsigned sides)
{
    return s->r ? (unsigned)wf_random_below(s->r, sides) : 0;
}

static void put(struct style *s, const char *text)
{
    grown_put(s->to, text);
}

static void put_char(struct style *s, char c)
{
    const char text[2] = {c, '\0'};
    put(s, text);
}

static void put_word(struct style *s, const char *word)
{
    for (const char *p = word; *p; p++) {
        const bool upper = dice(s, 4) == 1;
        put_char(s, (char)(upper ? toupper((unsigned char)*p) : *p));
    }
    put(s, dice(s, 5) == 1 ? "\n " : " ");
}

static void put_name(struct style *s, const struct random_filter *e)
{
    const char *name = e->v->schema->attrs[e->attr].name;
    const bool word = strcasecmp(name, "in") == 0; /* the only one that a vocabulary may have */
    const char *quote = word || dice(s, 4) == 1 ? "`" : "";
    put(s, quote);
    put(s, name);
    put(s, quote);
}

static void put_number(struct style *s, float x)
{
    char text[64];
    switch (dice(s, 3)) {
    case 0:
        snprintf(text, sizeof text, "%.9g ", (double)x);
        break;
    case 1:
        snprintf(text, sizeof text, "%+.12e\t", (double)x);
        break;
    default:
        snprintf(text, sizeof text, "%.17g", (double)x);
    }
    put(s, text);
}

static void put_value(struct style *s, const struct random_filter *e, unsigned value)
{
    if (is_number(e)) {
        put_number(s, e->v->numbers[value]);
        return;
    }
    if (!is_word(e)) {
        put_word(s, value ? "true" : "false");
        return;
    }
    const char *quote = dice(s, 2) == 1 ? "'" : "\"";
    put(s, quote);
    for (const char *p = e->v->words[value]; *p; p++) {
        put(s, strchr("\\'\"", *p) ? "\\" : "");
        put_char(s, *p);
    }
    put(s, quote);
}

static void put_verb(struct style *s, const struct random_filter *e, const char *verb,
                     unsigned value)
{
    put_name(s, e);
    put(s, *verb >= 'a' || dice(s, 2) == 0 ? " " : "");
    put_word(s, verb);
    put_value(s, e, value);
    put(s, " ");
}

/* Values from..n as one comparison or several. */
static void put_in(struct style *s, const struct random_filter *e, unsigned from)
{
    if (dice(s, 2) == 1) {
        put(s, "(");
        put_verb(s, e, "=", e->values[from]);
        if (from + 1 < e->n) {
            put_word(s, "or");
            put_in(s, e, from + 1);
        }
        put(s, ")");
        return;
    }
    put_name(s, e);
    put(s, " ");
    put_word(s, "in");
    for (unsigned i = from; i < e->n; i++) {
        put(s, i == from ? "(" : ",");
        put_value(s, e, e->values[i]);
    }
    put(s, ") ");
}

/* x < v as: x <= v and x != v; x <= v as: x < v or x = v; the like. */
static void put_side(struct style *s, const struct random_filter *e)
{
    static const char *const verbs[] = {"=", "<", "<=", ">", ">="};
    if (e->verb == EQUAL || dice(s, 3) != 1) {
        put_verb(s, e, verbs[e->verb], e->values[0]);
        return;
    }
    const bool open = e->verb == BELOW || e->verb == ABOVE;
    put(s, "(");
    put_verb(s, e, verbs[open ? e->verb + 1 : e->verb - 1], e->values[0]);
    put_word(s, open ? "and" : "or");
    put_verb(s, e, open ? "!=" : "=", e->values[0]);
    put(s, ")");
}

static void put_between(struct style *s, const struct random_filter *e)
{
    if (dice(s, 2) == 1) {
        put(s, "(");
        put_verb(s, e, ">=", e->values[0]);
        put_word(s, "and");
        put_verb(s, e, "<=", e->values[1]);
        put(s, ")");
        return;
    }
    put_verb(s, e, "between", e->values[0]);
    put_word(s, "and");
    put_value(s, e, e->values[1]);
    put(s, " ");
}

static void put_leaf(struct style *s, const struct random_filter *e)
{
    const bool flag = !is_number(e) && !is_word(e);
    if (e->verb == IN || (e->verb == EQUAL && !flag && dice(s, 2) == 1)) {
        put_in(s, e, 0);
    } else if (e->verb == BETWEEN) {
        put_between(s, e);
    } else if (flag && e->values[0] == 1 && dice(s, 2) == 1) {
        put_name(s, e);
        put(s, " ");
    } else {
        put_side(s, e);
    }
}

static void put_filter(struct style *s, const struct random_filter *e, bool negated);

/* Children from any of them on, some in brackets of their own, one of them twice. */
static void put_children(struct style *s, const struct random_filter *e, bool negated)
{
    const char *word = negated == (e->verb == VERB_AND) ? "or" : "and";
    const unsigned first = dice(s, e->n), twice = dice(s, 6);
    bool grouped = false;
    put(s, "(");
    for (unsigned i = 0; i < e->n; i++) {
        const bool group = !grouped && i > 0 && i + 1 < e->n && dice(s, 4) == 1;
        put(s, group ? "(" : "");
        put_filter(s, e->children[(first + i) % e->n], negated);
        put(s, grouped ? ")" : "");
        grouped = group;
        if (i + 1 < e->n) {
            put_word(s, word);
        }
    }
    if (twice > 0 && twice < e->n && s->nesting < 4) {
        put_word(s, word);
        put_filter(s, e->children[twice], negated);
    }
    put(s, ")");
}

static void put_neutral(struct style *s)
{
    static const char *const neutral[] = {"and true ", "or false ",
                                          "or colour = 'a' and not colour in('a') ",
                                          "and (price >= 1 or not price >= 1.0) "};
    put(s, neutral[dice(s, 4)]);
}

static void put_filter(struct style *s, const struct random_filter *e, bool negated)
{
    const unsigned way = s->nesting > 20 ? 0 : dice(s, 8);
    s->nesting++;
    if (e->verb == VERB_NOT && way != 1) {
        put_filter(s, e->children[0], !negated);
    } else if (way == 1) {
        put_word(s, "not");
        put(s, "(");
        put_filter(s, e, !negated);
        put(s, ")");
    } else if (way == 2) {
        put(s, "(");
        put_filter(s, e, negated);
        put_neutral(s);
        put(s, ")");
    } else if (e->verb >= VERB_AND) {
        put_children(s, e, negated);
    } else {
        put(s, negated ? "not " : "");
        put_leaf(s, e);
    }
    s->nesting--;
}

char *random_filter_text(const struct random_filter *e, struct wf_random *r)
{
    struct grown_text t = {0};
    struct style s = {.to = &t, .r = r};
    put_filter(&s, e, false);
    return t.at;
}

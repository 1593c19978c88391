/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_test.c - what each text becomes, how each mistake is told, what an adversary's text costs;
 * and random expressions, written in random ways that mean the same, which have one canonical text
 * and hold for the rows for which the expression, evaluated here on its own, does.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/filter.h"
#include "base/hash.h"

enum { COLOUR, BRAND, PRICE, SIZE, STOCK, NEW, N_ATTRS };
static const struct wf_schema schema = {
    .n_attrs = N_ATTRS + 1,
    .attrs = {{"colour", WF_ATTR_KEYWORD},
              {"brand", WF_ATTR_TEXT},
              {"price", WF_ATTR_NUMBER},
              {"size", WF_ATTR_NUMBER},
              {"stock", WF_ATTR_FLAG},
              {"new", WF_ATTR_FLAG},
              {"In", WF_ATTR_KEYWORD}},
};

static struct wf_filter *parsed(const char *text)
{
    struct wf_filter *f = NULL;
    struct wf_error err;
    if (wf_filter_parse(text, &schema, &f, &err) != WF_OK) {
        fail_msg("%.300s: %s", text, err.text);
    }
    return f;
}

/* ---- trees ---- */

static bool same_leaf(const struct wf_filter_node *a, const struct wf_filter_node *b)
{
    bool same = a->attr == b->attr && a->n == b->n && a->flags == b->flags;
    for (uint32_t i = 0; same && i < a->n; i++) {
        same = a->op == WF_FILTER_VALUES
                   ? strcmp(a->values[i], b->values[i]) == 0
                   : memcmp(&a->ranges[i], &b->ranges[i], sizeof *a->ranges) == 0;
    }
    return same;
}

static bool same_tree(const struct wf_filter_node *a, const struct wf_filter_node *b)
{
    if (a->op != b->op || a->n != b->n) {
        return false;
    }
    if (a->op >= WF_FILTER_VALUES) {
        return same_leaf(a, b);
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (!same_tree(a->children[i], b->children[i])) {
            return false;
        }
    }
    return true;
}

/* Every promise of filter.h about the form of a tree. */
static void check_form(const struct wf_filter_node *f, enum wf_filter_op parent)
{
    const bool constant = f->op == WF_FILTER_ALL || f->op == WF_FILTER_NONE;
    assert_true(!constant || parent == WF_FILTER_ALL);
    if (f->op == WF_FILTER_AND || f->op == WF_FILTER_OR) {
        assert_true(f->n >= 2 && f->op != parent && parent != WF_FILTER_NOT);
    }
    assert_true(f->op != WF_FILTER_NOT || (f->n == 1 && f->children[0]->op >= WF_FILTER_VALUES));
    for (uint32_t i = 0; f->op < WF_FILTER_VALUES && i < f->n; i++) {
        check_form(f->children[i], f->op);
    }
    for (uint32_t i = 0; f->op == WF_FILTER_VALUES && i + 1 < f->n; i++) {
        assert_true(strcmp(f->values[i], f->values[i + 1]) < 0);
    }
    for (uint32_t i = 0; f->op == WF_FILTER_RANGES && i < f->n; i++) {
        assert_true(f->ranges[i].low <= f->ranges[i].high);
        assert_true(i == 0 || nextafterf(f->ranges[i - 1].high, INFINITY) < f->ranges[i].low);
    }
    assert_true(f->op != WF_FILTER_FLAGS || (f->flags >= 1 && f->flags <= 3));
    assert_true(f->op == WF_FILTER_FLAGS || constant || f->n >= 1);
}

static void check_canonical(const struct wf_filter *f)
{
    check_form(f->root, WF_FILTER_ALL);
    struct wf_filter *again = parsed(f->text);
    assert_string_equal(f->text, again->text);
    assert_true(same_tree(f->root, again->root));
    wf_filter_close(again);
}

/* ---- tables ---- */

static const struct {
    const char *text, *canonical;
} good[] = {
    {"colour = \"Black\"", "colour = \"Black\""},
    {" colour='Black'\n", "colour = \"Black\""},
    {"`colour` in (\"b\",'a',\"b\")", "colour in (\"a\", \"b\")"},
    {"colour = \"a\" OR colour = \"b\"", "colour in (\"a\", \"b\")"},
    {"colour != \"a\"", "not colour = \"a\""},
    {"Not Not colour = \"a\"", "colour = \"a\""},
    {"colour not in (\"a\", \"b\")", "not colour in (\"a\", \"b\")"},
    {"colour != \"a\" and colour != \"b\"", "not colour in (\"a\", \"b\")"},
    {"colour != \"a\" or colour != \"b\"", "true"},
    {"colour = \"a\" and colour = \"b\"", "false"},
    {"colour in (\"a\",\"b\",\"c\") and colour != \"b\"", "colour in (\"a\", \"c\")"},
    {"colour = \"a\" or colour != \"b\"", "not colour = \"b\""},
    {"colour = 'say \\\"\\'\\\\'", "colour = \"say \\\"'\\\\\""},
    {"colour = \"\"", "colour = \"\""},
    {"colour = \"caf\xc3\xa9\"", "colour = \"caf\xc3\xa9\""},
    {"`In` = \"a\"", "`In` = \"a\""},
    {"price = 10", "price = 10"},
    {"price = 1e1 or price = +10.0", "price = 10"},
    {"price = .5", "price = 0.5"},
    {"price = -0.0", "price = 0"},
    {"price < 0", "price <= -1.4013e-45"},
    {"price > -0", "price >= 1.4013e-45"},
    {"price <= 10", "price <= 10"},
    {"price<10", "price <= 9.999999"},
    {"price between 10 and 40", "price between 10 and 40"},
    {"price >= 10 and price <= 40", "price between 10 and 40"},
    {"price not between 10 and 40", "not price between 10 and 40"},
    {"price between 40 and 10", "false"},
    {"not price between 40 and 10", "true"},
    {"price between 10 and 10", "price = 10"},
    {"price in (3, 1, 2, 1)", "price in (1, 2, 3)"},
    {"price in (9, 1) or price between 3 and 4 or price >= 20",
     "price in (1, 9) or price between 3 and 4 or price >= 20"},
    {"price between 1 and 3 or price between 2 and 5", "price between 1 and 5"},
    {"price < 10 or price >= 10", "price < 0 or price >= 0"},
    {"price < 10 and price >= 10", "false"},
    {"price != 10 and price != 10", "not price = 10"},
    {"price >= 5 and not price = 7", "price between 5 and 6.9999995 or price >= 7.0000005"},
    {"price > 3.40282347e38", "price > 3.4028235e+38"},
    {"price < -3.40282347e38", "price < -3.4028235e+38"},
    {"price >= -3.40282347e38", "price >= -3.4028235e+38"},
    {"price = 1e-60", "price = 0"},
    {"stock", "stock"},
    {"stock = true and stock != false", "stock"},
    {"stock = false", "stock = false"},
    {"stock != true", "not stock"},
    {"stock or stock = false", "stock = false or stock"},
    {"not stock and not stock = false", "not (stock = false or stock)"},
    {"stock and not stock", "false"},
    {"stock or not stock", "true"},
    {"TRUE", "true"},
    {"not true", "false"},
    {"stock and true", "stock"},
    {"stock and false", "false"},
    {"stock or false", "stock"},
    {"new and stock", "stock and new"},
    {"new or stock and price = 1", "new or price = 1 and stock"},
    {"(new or stock) and price = 1", "price = 1 and (stock or new)"},
    {"not (stock and new)", "not stock or not new"},
    {"not (stock or price < 1)", "not price <= 0.99999994 and not stock"},
    {"stock and (new and (price = 1 and size = 2))", "price = 1 and size = 2 and stock and new"},
    {"stock and (price < 2 or price > 5)", "(price <= 1.9999999 or price >= 5.0000005) and stock"},
    {"stock and not (price < 2 or price > 5)",
     "not (price <= 1.9999999 or price >= 5.0000005) and stock"},
    {"(stock or new) and (new or stock)", "stock or new"},
    {"stock and (new or (colour = \"a\" and colour != \"a\"))", "stock and new"},
};

static void texts_have_one_canonical_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct wf_filter *f = parsed(good[i].text);
        assert_string_equal(f->text, good[i].canonical);
        check_canonical(f);
        wf_filter_close(f);
    }
}

static const struct {
    const char *text, *reason, *says;
} bad[] = {
    {"", "MALFORMED", "column 1: the filter is empty; write true for every row"},
    {"  ", "MALFORMED", "column 3: the filter is empty"},
    {"colr = \"a\"", "UNKNOWN_ATTRIBUTE",
     "column 1: there is no attribute for the name colr, nearest is colour"},
    {"stock and Price > 1", "UNKNOWN_ATTRIBUTE",
     "column 11: there is no attribute for the name Price, nearest is price"},
    {"`much else` = 1", "UNKNOWN_ATTRIBUTE",
     "column 1: there is no attribute for the name `much else`, the first of the schema is "
     "colour"},
    {"colour = 5", "TYPE",
     "column 10: colour is a keyword and takes a string in quotes, not the number 5"},
    {"brand = true", "TYPE", "column 9: brand is a text and takes a string in quotes, not true"},
    {"price = \"5\"", "TYPE",
     "column 9: price is a number and takes a number, not the string \"5\""},
    {"stock = 1", "TYPE", "column 9: stock is a flag and takes true or false, not the number 1"},
    {"colour < \"a\"", "TYPE", "column 8: colour is a keyword and takes = != in, not <"},
    {"brand between \"a\" and \"b\"", "TYPE",
     "column 7: brand is a text and takes = != in, not between"},
    {"stock in (true)", "TYPE", "column 7: stock is a flag and takes = !=, not in"},
    {"stock >= true", "TYPE", "column 7: stock is a flag and takes = !=, not >="},
    {"new and price", "TYPE",
     "column 9: price is a number, which cannot stand alone; compare it with one of = != < <= "
     "> >= between in"},
    {"not (colour)", "TYPE", "column 6: colour is a keyword, which cannot stand alone"},
    {"colour = Black", "MALFORMED", "column 10: expected a string in quotes, found the name Black"},
    {"price <", "MALFORMED", "column 8: expected a number, found the end"},
    {"price = inf", "MALFORMED", "column 9: expected a number, found the name inf"},
    {"price = NaN", "MALFORMED", "column 9: expected a number, found the name NaN"},
    {"price = 0x10", "MALFORMED", "column 9: 0x10 is not a decimal number such as -12.5 or 1e3"},
    {"price = 1e", "MALFORMED", "column 9: 1e is not a decimal number"},
    {"price = -", "MALFORMED", "column 9: - is not a decimal number"},
    {"price = 1.2.3", "MALFORMED", "column 9: 1.2.3 is not a decimal number"},
    {"price = 1e39", "MALFORMED", "column 9: the number 1e39 is beyond float32"},
    {"price 10", "MALFORMED",
     "column 7: expected one of = != < <= > >= between in, found the number 10"},
    {"price not 10", "MALFORMED",
     "column 11: expected \"in\" or \"between\" after \"not\", found the number 10"},
    {"price between 10", "MALFORMED",
     "column 17: expected \"and\" and the upper end, found the end"},
    {"price == 10", "MALFORMED", "column 7: found ==, write ="},
    {"price <> 10", "MALFORMED", "column 7: found <>, write !="},
    {"stock && new", "MALFORMED", "column 7: found &&, write and"},
    {"stock || new", "MALFORMED", "column 7: found ||, write or"},
    {"!stock", "MALFORMED", "column 1: found !, write not"},
    {"colour in ()", "MALFORMED", "column 12: expected a string in quotes, found )"},
    {"colour in \"a\"", "MALFORMED",
     "column 11: expected \"(\" after \"in\", found the string \"a\""},
    {"colour in (\"a\" \"b\")", "MALFORMED",
     "column 16: expected \",\" or \")\", found the string \"b\""},
    {"colour in (\"a\",)", "MALFORMED", "column 16: expected a string in quotes, found )"},
    {"colour = \"a", "MALFORMED", "column 10: what begins here with \" has no closing \""},
    {"`colour = 1", "MALFORMED", "column 1: what begins here with ` has no closing `"},
    {"colour = \"a\\n\"", "MALFORMED", "column 12: a backslash stands before"},
    {"colour = \"\xff\"", "MALFORMED", "column 10: what begins here with \" is not valid UTF-8"},
    {"colour = \xe2\x80\x9cx\xe2\x80\x9d", "MALFORMED", "column 10: byte 0xe2 has no meaning here"},
    {"colour = \"\xc3\xa9\xc3\xa9\" stock", "MALFORMED",
     "column 15: expected \"and\", \"or\" or the end, found the name stock"},
    {"colour # 1", "MALFORMED", "column 8: # has no meaning here"},
    {"colour \x01 1", "MALFORMED", "column 8: byte 0x01 has no meaning here"},
    {"(stock", "MALFORMED", "column 7: expected \"and\", \"or\" or \")\", found the end"},
    {"stock)", "MALFORMED", "column 6: expected \"and\", \"or\" or the end, found )"},
    {"stock and", "MALFORMED", "column 10: expected an attribute, \"not\" or \"(\", found the end"},
    {"and stock", "MALFORMED", "column 1: expected an attribute, \"not\" or \"(\", found and"},
    {"10 < price", "MALFORMED",
     "column 1: expected an attribute, \"not\" or \"(\", found the number 10"},
    {"colour = 0123456789012345678901234567890123456789", "TYPE",
     "not the number 0123456789012345678901234567890123456789"},
    {"price = \"0123456789012345678901234567890123456789\"", "TYPE",
     "not the string \"012345678901234567890123456789012345678..."},
};

static void mistakes_name_the_column_and_what_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_filter *f = NULL;
        struct wf_error err;
        assert_int_equal(wf_filter_parse(bad[i].text, &schema, &f, &err), WF_INVALID);
        assert_null(f);
        if (!strstr(err.text, bad[i].says) || strncmp(err.text, "column ", 7) != 0) {
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, err.text, bad[i].says);
        }
        assert_string_equal(err.reason, bad[i].reason);
        assert_string_equal(err.field, "filter");
    }
}

/* ---- limits ---- */

/* Text that grows; released with wf_xfree. */
struct text {
    char *at;
    size_t n, cap;
};

static void put(struct text *t, const char *s)
{
    const size_t n = strlen(s);
    wf_xgrow(&t->at, &t->cap, t->n + n + 1, 1);
    memcpy(t->at + t->n, s, n + 1);
    t->n += n;
}

static void put_many(struct text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(t, s);
    }
}

/* " name123" and its like. */
static void put_numbered(struct text *t, const char *before, size_t number, const char *after)
{
    char *s = wf_xprintf("%s%zu%s", before, number, after);
    put(t, s);
    wf_xfree(s);
}

static void refused(struct text *t, const char *says)
{
    struct wf_filter *f = NULL;
    struct wf_error err;
    assert_int_equal(wf_filter_parse(t->at, &schema, &f, &err), WF_INVALID);
    assert_string_equal(err.reason, "MALFORMED");
    if (!strstr(err.text, says)) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    }
    t->n = 0;
}

static void depth_and_size_have_limits(void **state)
{
    (void)state;
    struct text t = {0};
    put_many(&t, "not ", 64);
    put(&t, "stock");
    wf_filter_close(parsed(t.at));
    t.n = 0;
    put_many(&t, "not ", 65);
    put(&t, "stock");
    refused(&t, "column 257: brackets and \"not\" nest 65 deep, the limit is 64");
    put_many(&t, "(", 64);
    put(&t, "stock");
    put_many(&t, ")", 64);
    wf_filter_close(parsed(t.at));
    t.n = 0;
    put_many(&t, "(", 100000);
    refused(&t, "column 65: brackets and \"not\" nest 65 deep, the limit is 64");
    for (size_t i = 0; i < 1366; i++) {
        put_numbered(&t, i ? " and (stock or price = " : "(stock or price = ", i, ")");
    }
    refused(&t, "the filter has 4099 parts, 3 deep; the limits are 4096 and 64");
    put_many(&t, " ", WF_FILTER_TEXT_MAX);
    put(&t, "stock");
    refused(&t, "the filter has 524293 bytes, the limit is 524288");
    for (int i = 0; i < 60; i++) {
        put(&t, i % 2 ? "(stock or price = 1 and " : "(new and size = 1 or colour = \"a\" and ");
    }
    put(&t, "stock");
    put_many(&t, ")", 60);
    refused(&t, "deep; the limits are 4096 and 64");
    wf_xfree(t.at);
}

/* Texts of 16 KiB that ask for as much work as they can. */
static void adversaries(unsigned which, struct text *t)
{
    static const char *const close[] = {") and colour != \"x\")", ") or colour = \"y\")",
                                        ") and stock or false)"};
    if (which < 3) {
        put_many(t, "((", 30);
        put(t, "colour in (");
        while (t->n < 15000) {
            put_numbered(t, "'", t->n, "',");
        }
        put(t, "'')");
        for (int i = 0; i < 30; i++) {
            put(t, close[which == 2 ? 2 : (unsigned)i % 2]);
        }
        return;
    }
    put_many(t, which == 3 ? "((" : "not(", 30);
    while (t->n < 14000) {
        put_numbered(t, "(new or size=", t->n, ") and ");
    }
    put(t, "stock");
    for (int i = 0; i < 30; i++) {
        put(t, which == 3 ? " or false) and price != 1)" : " or colour = 'z')");
    }
}

static void no_text_costs_much(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 5; which++) {
        struct text t = {0};
        adversaries(which, &t);
        assert_in_range(t.n, 10000, 17000);
        const int64_t start = wf_now_thread_cpu();
        struct wf_filter *f = parsed(t.at);
        print_message("adversary %u: %zu bytes, %.2f ms\n", which, t.n,
                      (double)(wf_now_thread_cpu() - start) / 1e6);
        check_canonical(f);
        assert_true(strlen(f->text) < 3 * t.n);
        wf_filter_close(f);
        wf_xfree(t.at);
    }
}

/* ---- random expressions ---- */

enum verb { EQUAL, BELOW, AT_MOST, ABOVE, AT_LEAST, BETWEEN, IN, VERB_AND, VERB_OR, VERB_NOT };
struct expr {
    enum verb verb;
    unsigned attr;
    unsigned values[4]; /* indexes into words, numbers; of a flag 0 or 1 */
    unsigned n;         /* values or children */
    struct expr *children[4];
};
struct row {
    int words[2]; /* COLOUR, BRAND; -1: missing */
    float numbers[2];
    int flags[2];
};
static const char *const words[] = {"", "a", "b\"\\'", "caf\xc3\xa9", "true", "B"};
static const float numbers[] = {-FLT_MAX, -1.5F, 0, 1e-45F, 1, 2, 1e10F, FLT_MAX};
enum { N_WORDS = 6, N_NUMBERS = 8 };

static struct expr *random_leaf(struct wf_random *r)
{
    struct expr *e = wf_xcalloc(1, sizeof *e);
    e->attr = (unsigned)wf_random_below(r, N_ATTRS);
    e->n = 1;
    if (e->attr >= STOCK) {
        e->values[0] = (unsigned)wf_random_below(r, 2);
        return e;
    }
    e->verb = e->attr >= PRICE        ? (enum verb)wf_random_below(r, VERB_AND)
              : wf_random_below(r, 2) ? IN
                                      : EQUAL;
    e->n = e->verb == IN ? 1 + (unsigned)wf_random_below(r, 4) : e->verb == BETWEEN ? 2 : 1;
    for (unsigned i = 0; i < e->n; i++) {
        e->values[i] = (unsigned)wf_random_below(r, e->attr >= PRICE ? N_NUMBERS : N_WORDS);
    }
    return e;
}

static struct expr *random_expr(struct wf_random *r, unsigned depth)
{
    if (depth == 0 || wf_random_below(r, 4) == 0) {
        return random_leaf(r);
    }
    struct expr *e = wf_xcalloc(1, sizeof *e);
    e->verb = VERB_AND + (enum verb)wf_random_below(r, 3);
    e->n = e->verb == VERB_NOT ? 1 : 2 + (unsigned)wf_random_below(r, 3);
    for (unsigned i = 0; i < e->n; i++) {
        e->children[i] = random_expr(r, depth - 1);
    }
    return e;
}

static void expr_free(struct expr *e)
{
    for (unsigned i = 0; e->verb >= VERB_AND && i < e->n; i++) {
        expr_free(e->children[i]);
    }
    wf_xfree(e);
}

static bool compares(const struct expr *e, float x)
{
    const float v = numbers[e->values[0]];
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

static bool holds(const struct expr *e, const struct row *row)
{
    bool any = false, every = true;
    for (unsigned i = 0; e->verb >= VERB_AND && i < e->n; i++) {
        const bool is = holds(e->children[i], row);
        any = any || is;
        every = every && is;
    }
    if (e->verb >= VERB_AND) {
        return e->verb == VERB_AND ? every : e->verb == VERB_OR ? any : !any;
    }
    if (e->attr >= STOCK) {
        return row->flags[e->attr - STOCK] == (int)e->values[0];
    }
    if (e->attr >= PRICE) {
        return compares(e, row->numbers[e->attr - PRICE]);
    }
    for (unsigned i = 0; i < e->n; i++) {
        any = any || row->words[e->attr] == (int)e->values[i];
    }
    return any;
}

static struct row random_row(struct wf_random *r)
{
    struct row row;
    for (unsigned i = 0; i < 2; i++) {
        row.words[i] = (int)wf_random_below(r, N_WORDS + 2) - 1; /* one that no expression names */
        row.flags[i] = (int)wf_random_below(r, 3) - 1;
        const float x = numbers[wf_random_below(r, N_NUMBERS)];
        const float near[] = {x, nextafterf(x, INFINITY), nextafterf(x, -INFINITY), NAN, -0.0F};
        row.numbers[i] = near[wf_random_below(r, 5)];
    }
    return row;
}

/* A tree of the library on the same row. */
static bool passes(const struct wf_filter_node *f, const struct row *row)
{
    bool any = f->op == WF_FILTER_ALL, every = true;
    for (uint32_t i = 0; f->op < WF_FILTER_VALUES && i < f->n; i++) {
        const bool is = passes(f->children[i], row);
        any = any || is;
        every = every && is;
    }
    if (f->op < WF_FILTER_VALUES) {
        return f->op == WF_FILTER_AND ? every : f->op == WF_FILTER_NOT ? !any : any;
    }
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->op == WF_FILTER_RANGES) {
            const float x = row->numbers[f->attr - PRICE];
            any = any || (x >= f->ranges[i].low && x <= f->ranges[i].high);
        } else {
            const int word = row->words[f->attr];
            any = any || (word >= 0 && word < N_WORDS && strcmp(words[word], f->values[i]) == 0);
        }
    }
    if (f->op == WF_FILTER_FLAGS) {
        const int flag = row->flags[f->attr - STOCK];
        any = flag >= 0 && (f->flags >> flag & 1);
    }
    return any;
}

/* ---- random ways to write them ---- */

struct style {
    struct wf_random *r; /* NULL: plainly */
    unsigned nesting;
};

static unsigned dice(struct style *s, unsigned sides)
{
    return s->r ? (unsigned)wf_random_below(s->r, sides) : 0;
}

static void write_word(struct text *t, struct style *s, const char *word)
{
    for (const char *p = word; *p; p++) {
        const char c[2] = {(char)(dice(s, 4) == 1 && *p >= 'a' && *p <= 'z' ? *p - 32 : *p), 0};
        put(t, c);
    }
    put(t, dice(s, 5) == 1 ? "\n " : " ");
}

static void write_value(struct text *t, struct style *s, unsigned attr, unsigned value)
{
    char number[64];
    if (attr >= STOCK) {
        write_word(t, s, value ? "true" : "false");
        return;
    }
    if (attr >= PRICE) {
        const double x = (double)numbers[value];
        switch (dice(s, 3)) {
        case 0:
            snprintf(number, sizeof number, "%.9g ", x);
            break;
        case 1:
            snprintf(number, sizeof number, "%+.12e\t", x);
            break;
        default:
            snprintf(number, sizeof number, "%.17g", x);
        }
        put(t, number);
        return;
    }
    const char *quote = dice(s, 2) == 1 ? "'" : "\"";
    put(t, quote);
    for (const char *p = words[value]; *p; p++) {
        const char c[2] = {*p, 0};
        put(t, strchr("\\'\"", *p) ? "\\" : "");
        put(t, c);
    }
    put(t, quote);
}

static void write_verb(struct text *t, struct style *s, const struct expr *e, const char *verb,
                       unsigned value)
{
    const char *quote = dice(s, 4) == 1 ? "`" : "";
    put(t, quote);
    put(t, schema.attrs[e->attr].name);
    put(t, quote);
    put(t, *verb >= 'a' || dice(s, 2) == 0 ? " " : "");
    write_word(t, s, verb);
    write_value(t, s, e->attr, value);
    put(t, " ");
}

/* Values from..n of e as one comparison or several. */
static void write_in(struct text *t, struct style *s, const struct expr *e, unsigned from)
{
    if (dice(s, 2) == 1) {
        put(t, "(");
        write_verb(t, s, e, "=", e->values[from]);
        if (from + 1 < e->n) {
            write_word(t, s, "or");
            write_in(t, s, e, from + 1);
        }
        put(t, ")");
        return;
    }
    put(t, schema.attrs[e->attr].name);
    put(t, " ");
    write_word(t, s, "in");
    for (unsigned i = from; i < e->n; i++) {
        put(t, i == from ? "(" : ",");
        write_value(t, s, e->attr, e->values[i]);
    }
    put(t, ") ");
}

static void write_number(struct text *t, struct style *s, const struct expr *e)
{
    static const char *const verbs[] = {"=", "<", "<=", ">", ">="};
    if (e->verb != BETWEEN) {
        if (e->verb != EQUAL && dice(s, 3) == 1) { /* x < v: x <= v and not x = v; the like */
            const bool open = e->verb == BELOW || e->verb == ABOVE;
            put(t, "(");
            write_verb(t, s, e, verbs[open ? e->verb + 1 : e->verb - 1], e->values[0]);
            write_word(t, s, open ? "and" : "or");
            write_verb(t, s, e, open ? "!=" : "=", e->values[0]);
            put(t, ")");
        } else {
            write_verb(t, s, e, verbs[e->verb], e->values[0]);
        }
    } else if (dice(s, 2) == 1) {
        put(t, "(");
        write_verb(t, s, e, ">=", e->values[0]);
        write_word(t, s, "and");
        write_verb(t, s, e, "<=", e->values[1]);
        put(t, ")");
    } else {
        write_verb(t, s, e, "between", e->values[0]);
        write_word(t, s, "and");
        write_value(t, s, e->attr, e->values[1]);
        put(t, " ");
    }
}

static void write_leaf(struct text *t, struct style *s, const struct expr *e)
{
    if (e->verb == IN || (e->attr < STOCK && e->verb == EQUAL && dice(s, 2) == 1)) {
        write_in(t, s, e, 0);
    } else if (e->attr == PRICE || e->attr == SIZE) {
        write_number(t, s, e);
    } else if (e->attr >= STOCK && e->values[0] == 1 && dice(s, 2) == 1) {
        put(t, schema.attrs[e->attr].name);
        put(t, " ");
    } else {
        write_verb(t, s, e, "=", e->values[0]);
    }
}

static void write_expr(struct text *t, struct style *s, const struct expr *e, bool negated);

/* Children in any order, some in brackets of their own, one of them twice. */
static void write_children(struct text *t, struct style *s, const struct expr *e, bool negated)
{
    const char *word = negated == (e->verb == VERB_AND) ? "or" : "and";
    const unsigned first = dice(s, e->n), twice = dice(s, 6);
    put(t, "(");
    for (unsigned i = 0; i < e->n; i++) {
        const bool group = i > 0 && i + 1 < e->n && dice(s, 4) == 1;
        put(t, group ? "(" : "");
        write_expr(t, s, e->children[(first + i) % e->n], negated);
        if (group) { /* the next one belongs to this one's brackets */
            i++;
            write_word(t, s, word);
            write_expr(t, s, e->children[(first + i) % e->n], negated);
            put(t, ")");
        }
        if (i + 1 < e->n) {
            write_word(t, s, word);
        }
    }
    if (twice > 0 && twice < e->n && s->nesting < 4) {
        write_word(t, s, word);
        write_expr(t, s, e->children[twice], negated);
    }
    put(t, ")");
}

/* Something that changes nothing, behind what was written. */
static void write_neutral(struct text *t, struct style *s)
{
    static const char *const neutral[] = {"and true ", "or false ",
                                          "or colour = 'a' and not colour in('a') ",
                                          "and (price >= 1 or not price >= 1.0) "};
    put(t, neutral[dice(s, 4)]);
}

static void write_expr(struct text *t, struct style *s, const struct expr *e, bool negated)
{
    const unsigned way = s->nesting > 20 ? 0 : dice(s, 8);
    s->nesting++;
    if (e->verb == VERB_NOT && way != 1) {
        write_expr(t, s, e->children[0], !negated);
    } else if (way == 1) {
        write_word(t, s, "not");
        put(t, "(");
        write_expr(t, s, e, !negated);
        put(t, ")");
    } else if (way == 2) {
        put(t, "(");
        write_expr(t, s, e, negated);
        write_neutral(t, s);
        put(t, ")");
    } else if (e->verb >= VERB_AND) {
        write_children(t, s, e, negated);
    } else {
        put(t, negated ? "not " : "");
        write_leaf(t, s, e);
    }
    s->nesting--;
}

static void check_same(const struct expr *e, struct wf_random *r, const struct wf_filter *plain)
{
    struct text t = {0};
    struct style s = {.r = r};
    write_expr(&t, &s, e, false);
    struct wf_filter *f = parsed(t.at);
    if (strcmp(f->text, plain->text) != 0) {
        fail_msg("%s\nis %s\nnot %s", t.at, f->text, plain->text);
    }
    assert_true(same_tree(f->root, plain->root));
    wf_filter_close(f);
    wf_xfree(t.at);
}

static void one_expression(struct wf_random *r, bool *constant)
{
    struct expr *e = random_expr(r, 1 + (unsigned)wf_random_below(r, 4));
    struct text t = {0};
    struct style plainly = {0};
    write_expr(&t, &plainly, e, false);
    struct wf_filter *plain = parsed(t.at);
    check_canonical(plain);
    for (int i = 0; i < 4; i++) {
        check_same(e, r, plain);
    }
    for (int i = 0; i < 40; i++) {
        const struct row row = random_row(r);
        if (holds(e, &row) != passes(plain->root, &row)) {
            fail_msg("row %d of %s is %d by %s", i, t.at, !holds(e, &row), plain->text);
        }
    }
    *constant = plain->root->op <= WF_FILTER_NONE;
    wf_filter_close(plain);
    wf_xfree(t.at);
    expr_free(e);
}

static void equal_meaning_is_equal_text(void **state)
{
    (void)state;
    const uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    unsigned n_constant = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct wf_random r = wf_random_of(seed, i);
        bool constant = false;
        one_expression(&r, &constant);
        n_constant += constant;
    }
    assert_true(n_constant < 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_one_canonical_form),
        cmocka_unit_test(mistakes_name_the_column_and_what_is_right),
        cmocka_unit_test(depth_and_size_have_limits),
        cmocka_unit_test(no_text_costs_much),
        cmocka_unit_test(equal_meaning_is_equal_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

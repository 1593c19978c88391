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
#include "tests/support/random_filter.h"

enum { N_ATTRS = 7 };
static const struct wf_schema schema = {
    .n_attrs = N_ATTRS,
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

static void put_many(struct grown_text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        grown_put(t, s);
    }
}

/* " name123" and its like. */
static void put_numbered(struct grown_text *t, const char *before, size_t number, const char *after)
{
    char *s = wf_xprintf("%s%zu%s", before, number, after);
    grown_put(t, s);
    wf_xfree(s);
}

static void refused(struct grown_text *t, const char *says)
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
    struct grown_text t = {0};
    put_many(&t, "not ", 64);
    grown_put(&t, "stock");
    wf_filter_close(parsed(t.at));
    t.n = 0;
    put_many(&t, "not ", 65);
    grown_put(&t, "stock");
    refused(&t, "column 257: brackets and \"not\" nest 65 deep, the limit is 64");
    put_many(&t, "(", 64);
    grown_put(&t, "stock");
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
    grown_put(&t, "stock");
    refused(&t, "the filter has 524293 bytes, the limit is 524288");
    for (int i = 0; i < 60; i++) {
        grown_put(&t,
                  i % 2 ? "(stock or price = 1 and " : "(new and size = 1 or colour = \"a\" and ");
    }
    grown_put(&t, "stock");
    put_many(&t, ")", 60);
    refused(&t, "deep; the limits are 4096 and 64");
    wf_xfree(t.at);
}

/* Texts of 16 KiB that ask for as much work as they can. */
static void adversaries(unsigned which, struct grown_text *t)
{
    static const char *const close[] = {") and colour != \"x\")", ") or colour = \"y\")",
                                        ") and stock or false)"};
    if (which < 3) {
        put_many(t, "((", 30);
        grown_put(t, "colour in (");
        while (t->n < 15000) {
            put_numbered(t, "'", t->n, "',");
        }
        grown_put(t, "'')");
        for (int i = 0; i < 30; i++) {
            grown_put(t, close[which == 2 ? 2 : (unsigned)i % 2]);
        }
        return;
    }
    put_many(t, which == 3 ? "((" : "not(", 30);
    while (t->n < 14000) {
        put_numbered(t, "(new or size=", t->n, ") and ");
    }
    grown_put(t, "stock");
    for (int i = 0; i < 30; i++) {
        grown_put(t, which == 3 ? " or false) and price != 1)" : " or colour = 'z')");
    }
}

static void no_text_costs_much(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 5; which++) {
        struct grown_text t = {0};
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

static const char *const words[] = {"", "a", "b\"\\'", "caf\xc3\xa9", "true", "B"};
static const float numbers[] = {-FLT_MAX, -1.5F, 0, 1e-45F, 1, 2, 1e10F, FLT_MAX};
enum { N_WORDS = 6, N_NUMBERS = 8 };
static const struct filter_vocabulary vocabulary = {&schema, words, N_WORDS, numbers, N_NUMBERS};

static void random_row(struct wf_random *r, struct filter_cell row[N_ATTRS])
{
    for (unsigned i = 0; i < N_ATTRS; i++) {
        const uint64_t word = wf_random_below(r, N_WORDS + 2);
        row[i].word = word < N_WORDS ? words[word] : word == N_WORDS ? "named nowhere" : NULL;
        row[i].flag = (int)wf_random_below(r, 3) - 1;
        const float x = numbers[wf_random_below(r, N_NUMBERS)];
        const float near[] = {x, nextafterf(x, INFINITY), nextafterf(x, -INFINITY), NAN, -0.0F};
        row[i].number = near[wf_random_below(r, 5)];
    }
}

static bool leaf_passes(const struct wf_filter_node *f, const struct filter_cell *cell)
{
    bool any = f->op == WF_FILTER_FLAGS && cell->flag >= 0 && (f->flags >> cell->flag & 1);
    for (uint32_t i = 0; i < f->n; i++) {
        any = any || (f->op == WF_FILTER_RANGES
                          ? cell->number >= f->ranges[i].low && cell->number <= f->ranges[i].high
                          : cell->word && strcmp(cell->word, f->values[i]) == 0);
    }
    return any;
}

/* A tree of the library, as filter.h defines it. */
static bool passes(const struct wf_filter_node *f, const struct filter_cell *row)
{
    if (f->op >= WF_FILTER_VALUES) {
        return leaf_passes(f, &row[f->attr]);
    }
    bool any = f->op == WF_FILTER_ALL, every = true;
    for (uint32_t i = 0; i < f->n; i++) {
        const bool is = passes(f->children[i], row);
        any = any || is;
        every = every && is;
    }
    return f->op == WF_FILTER_AND ? every : f->op == WF_FILTER_NOT ? !any : any;
}

static void check_same(const struct random_filter *e, struct wf_random *r,
                       const struct wf_filter *plain)
{
    char *text = random_filter_text(e, r);
    struct wf_filter *f = parsed(text);
    if (strcmp(f->text, plain->text) != 0) {
        fail_msg("%s\nis %s\nnot %s", text, f->text, plain->text);
    }
    assert_true(same_tree(f->root, plain->root));
    wf_filter_close(f);
    wf_xfree(text);
}

/* Whether it is always true or always false. */
static bool check_one(struct wf_random *r)
{
    struct random_filter *e =
        random_filter_create(&vocabulary, r, 1 + (unsigned)wf_random_below(r, 4));
    char *text = random_filter_text(e, NULL);
    struct wf_filter *plain = parsed(text);
    check_canonical(plain);
    for (int i = 0; i < 4; i++) {
        check_same(e, r, plain);
    }
    for (int i = 0; i < 40; i++) {
        struct filter_cell row[N_ATTRS];
        random_row(r, row);
        const bool holds = random_filter_holds(e, row);
        if (holds != passes(plain->root, row)) {
            fail_msg("row %d of %s is %d by %s", i, text, !holds, plain->text);
        }
    }
    const bool constant = plain->root->op <= WF_FILTER_NONE;
    wf_filter_close(plain);
    wf_xfree(text);
    random_filter_destroy(e);
    return constant;
}

static void equal_meaning_is_equal_text(void **state)
{
    (void)state;
    const uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    unsigned n_constant = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct wf_random r = wf_random_of(seed, i);
        n_constant += check_one(&r);
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * brand_test.c - the stated rule, case by case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/brand.h"

static void the_rule_holds(void **state)
{
    (void)state;
    static const char *const vocabulary[] = {"Casual Shoes", "Navy Blue", "Red",
                                             "Tshirts",      "Lip Gloss", "Bags and Belts"};
    static const struct {
        const char *name, *brand; /* NULL: none */
    } cases[] = {
        {"Puma Men Navy Blue T-shirt", "Puma"},
        {"Peter England Men's Party Jeans", "Peter England"},
        {"United Colors of Benetton Women Top", "United Colors of Benetton"},
        {"Red Tape Men Shirt", "Red Tape"}, /* a colour in front is part of the brand */
        {"Gini and Jony Girls Top", "Gini and Jony"},
        {"Doodle Red Tshirt", "Doodle"},  /* ended by the vocabulary */
        {"Puma Big Cat Running", "Puma"}, /* nothing ends it: the longest seen brand */
        {"Peter England Elements Plus Ultra", "Peter England"},
        {"Deborah Euphoric Shine Ultra", "Deborah"}, /* nothing ends it, none is known */
        {"Jealous 21 Women Top", "Jealous 21"},
        {"Women Blue Top", NULL},
        {"  Puma   Men  Shoe", "Puma"},
        {"Solo", "Solo"},
        {"", NULL},
    };
    struct tool_brands b;
    char brand[TOOL_BRAND_MAX + 1];
    tool_brands_init(&b);
    for (size_t i = 0; i < sizeof vocabulary / sizeof *vocabulary; i++) {
        tool_brands_vocabulary(&b, vocabulary[i]);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tool_brands_learn(&b, cases[i].name);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cases[i].brand != NULL, tool_brands_of(&b, cases[i].name, brand));
        assert_true(!cases[i].brand || strcmp(cases[i].brand, brand) == 0);
    }
    tool_brands_fini(&b);
}

static void endless_words_are_no_brand(void **state)
{
    (void)state;
    struct tool_brands b;
    char brand[TOOL_BRAND_MAX + 1], name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    tool_brands_init(&b);
    tool_brands_learn(&b, name);
    assert_false(tool_brands_of(&b, name, brand));
    tool_brands_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule_holds),
        cmocka_unit_test(endless_words_are_no_brand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * features_test.c - every feature's value by its stated formula, and what is missing stays missing.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "ranking/features.h"

static const float mean_prices[] = {20, NAN};
static const struct rank_catalog catalog = {mean_prices, 2, 1000};

static struct rank_item item_of(float price, uint32_t category, uint32_t brand)
{
    return (struct rank_item){.price = price,
                              .launch_day = 990,
                              .in_stock = 1,
                              .category = category,
                              .brand = brand,
                              .colour = UINT32_MAX,
                              .events = 3,
                              .recent = 1.5};
}

static void item_features_follow_their_formulas(void **state)
{
    (void)state;
    const struct rank_item item = item_of(30, 0, 7);
    assert_true(rank_item_feature(RANK_PRICE, &item, &catalog) == 30.0f);
    assert_true(rank_item_feature(RANK_PRICE_TO_CATEGORY, &item, &catalog) == 1.5f);
    assert_true(rank_item_feature(RANK_AGE_DAYS, &item, &catalog) == 10.0f);
    assert_true(rank_item_feature(RANK_BRAND_CODE, &item, &catalog) == 7.0f);
    assert_true(fabsf(rank_item_feature(RANK_POPULARITY, &item, &catalog) - 1.3862944f) < 1e-6f);
    assert_true(fabsf(rank_item_feature(RANK_POPULARITY_RECENT, &item, &catalog) - 0.9162907f) <
                1e-6f);
    assert_true(isnan(rank_item_feature(RANK_COLOUR_CODE, &item, &catalog)));
}

static void what_is_unknown_is_missing(void **state)
{
    (void)state;
    const struct rank_item no_price = item_of(NAN, 0, 1), no_mean = item_of(30, 1, 1),
                           no_code = item_of(30, 9, 1);
    assert_true(isnan(rank_item_feature(RANK_PRICE_TO_CATEGORY, &no_price, &catalog)));
    assert_true(isnan(rank_item_feature(RANK_PRICE_TO_CATEGORY, &no_mean, &catalog)));
    assert_true(isnan(rank_item_feature(RANK_PRICE_TO_CATEGORY, &no_code, &catalog)));
}

static void a_user_is_the_shares_of_the_purchases(void **state)
{
    (void)state;
    const struct rank_item a = item_of(10, 5, 1), b = item_of(20, 5, 2),
                           c = item_of(NAN, 4, UINT32_MAX);
    const struct rank_item *const history[] = {&a, &b, &c, &a};
    struct rank_user user;
    rank_user_of(history, 4, &user);
    assert_int_equal(user.events, 4);
    assert_true(fabsf(user.mean_price - 40.0f / 3) < 1e-5f);
    assert_int_equal(user.categories[0].code, 5);
    assert_true(user.categories[0].share == 0.75f);
    assert_int_equal(user.categories[1].code, 4);
    assert_int_equal(user.categories[2].code, UINT32_MAX);
    assert_int_equal(user.brands[0].code, 1);
    assert_true(user.brands[0].share == 0.5f);
    rank_user_of(NULL, 0, &user);
    assert_int_equal(user.events, 0);
    assert_true(isnan(user.mean_price));
}

static void binding_asks_for_cross_inputs_once(void **state)
{
    (void)state;
    const char *const names[] = {"price",      "price_to_user",  "brand_affinity",
                                 "moon_phase", "retrieval_rank", "user_events"};
    struct rank_binding *b = rank_binding_create(names, 6);
    assert_int_equal(b->n_wanted, 2); /* price serves two */
    assert_int_equal(b->wanted[0], RANK_PRICE);
    assert_int_equal(b->wanted[1], RANK_BRAND_CODE);
    assert_int_equal(b->n_unknown, 1);

    const struct rank_item bought = item_of(10, 0, 3);
    const struct rank_item *const history[] = {&bought};
    struct rank_user user;
    rank_user_of(history, 1, &user);
    const struct rank_context context = {&user}, nobody = {NULL};
    const float item[] = {25, 3, NAN, 4};
    const float scores[] = {0.5f, 0.25f};
    const uint32_t ranks[] = {1, 2};
    const struct rank_rows rows = {2, item, scores, ranks, NULL};
    float out[12];
    rank_features_fill(b, &context, &rows, out);
    assert_true(out[0] == 25 && out[1] == 2.5f && out[2] == 1 && isnan(out[3]) && out[4] == 1 &&
                out[5] == 1);
    assert_true(isnan(out[6]) && isnan(out[7]) && out[8] == 0 && isnan(out[9]) && out[10] == 2 &&
                out[11] == 1);
    rank_features_fill(b, &nobody, &rows, out);
    assert_true(out[0] == 25 && isnan(out[1]) && isnan(out[2]) && isnan(out[5]));
    rank_binding_destroy(b);
}

static void ids_and_names_are_unique(void **state)
{
    (void)state;
    size_t n;
    const struct rank_feature *table = rank_features(&n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(rank_feature_by_name(table[i].name), &table[i]);
        assert_ptr_equal(rank_feature_by_id(table[i].id), &table[i]);
    }
    assert_null(rank_feature_by_name("moon_phase"));
    assert_null(rank_feature_by_id(0));
    char *page = rank_features_markdown();
    assert_non_null(strstr(page, "`price_to_category`"));
    wf_xfree(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item_features_follow_their_formulas),
        cmocka_unit_test(what_is_unknown_is_missing),
        cmocka_unit_test(a_user_is_the_shares_of_the_purchases),
        cmocka_unit_test(binding_asks_for_cross_inputs_once),
        cmocka_unit_test(ids_and_names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

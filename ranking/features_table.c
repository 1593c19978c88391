/* SPDX-License-Identifier: Apache-2.0
 *
 * features_table.c - the table of features, with prose, and the page made of it.
 */
#include <string.h>

#include "base/arena.h"
#include "ranking/features.h"

static const struct rank_feature table[] = {
    {RANK_PRICE, RANK_FROM_ITEM, "price", "currency", "The attribute that plays the role price."},
    {RANK_PRICE_TO_CATEGORY, RANK_FROM_ITEM, "price_to_category", "ratio",
     "price / mean price of the item's category."},
    {RANK_POPULARITY, RANK_FROM_ITEM, "popularity", "log count",
     "ln(1 + purchases over all time)."},
    {RANK_POPULARITY_RECENT, RANK_FROM_ITEM, "popularity_recent", "log count",
     "ln(1 + sum over purchases of 0.5^(age in days / 7))."},
    {RANK_AGE_DAYS, RANK_FROM_ITEM, "age_days", "days",
     "Newest day of the data - the attribute that plays the role launch, at least 0."},
    {RANK_IN_STOCK, RANK_FROM_ITEM, "in_stock", "0 or 1",
     "The attribute that plays the role stock."},
    {RANK_CATEGORY_CODE, RANK_FROM_ITEM, "category_code", "code",
     "Index of the item's category in the generation's list."},
    {RANK_BRAND_CODE, RANK_FROM_ITEM, "brand_code", "code",
     "Index of the item's brand in the generation's list."},
    {RANK_COLOUR_CODE, RANK_FROM_ITEM, "colour_code", "code",
     "Index of the item's colour in the generation's list."},
    {RANK_RETRIEVAL_SCORE, RANK_FROM_RETRIEVAL, "retrieval_score", "score",
     "Score of the stored vector against the probe."},
    {RANK_RETRIEVAL_RANK, RANK_FROM_RETRIEVAL, "retrieval_rank", "rank",
     "Position after the merge, from 1."},
    {RANK_USER_EVENTS, RANK_FROM_USER, "user_events", "count", "Purchases of the user."},
    {RANK_USER_MEAN_PRICE, RANK_FROM_USER, "user_mean_price", "currency",
     "Mean price of the user's purchases that have one."},
    {RANK_PRICE_TO_USER, RANK_FROM_CROSS, "price_to_user", "ratio", "price / user_mean_price."},
    {RANK_CATEGORY_AFFINITY, RANK_FROM_CROSS, "category_affinity", "share",
     "Share of the user's purchases in the item's category; the user's eight largest are kept, the "
     "rest count 0."},
    {RANK_BRAND_AFFINITY, RANK_FROM_CROSS, "brand_affinity", "share", "The same by brand."},
    {RANK_COLOUR_AFFINITY, RANK_FROM_CROSS, "colour_affinity", "share", "The same by colour."},
    {RANK_PROFILE_SIMILARITY, RANK_FROM_CROSS, "profile_similarity", "cosine",
     "Cosine of the stored vector and the user's profile vector."},
};
enum { N_FEATURES = sizeof table / sizeof table[0] };

static const char *const source_names[] = {
    [RANK_FROM_ITEM] = "item column",
    [RANK_FROM_RETRIEVAL] = "retrieval",
    [RANK_FROM_USER] = "user aggregates",
    [RANK_FROM_CROSS] = "item against user",
};

const struct rank_feature *rank_features(size_t *n)
{
    *n = N_FEATURES;
    return table;
}

const struct rank_feature *rank_feature_by_name(const char *name)
{
    for (size_t i = 0; i < N_FEATURES; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

const struct rank_feature *rank_feature_by_id(uint32_t id)
{
    for (size_t i = 0; i < N_FEATURES; i++) {
        if (table[i].id == id) {
            return &table[i];
        }
    }
    return NULL;
}

char *rank_features_markdown(void)
{
    char *text = wf_xstrdup("| id | name | source | unit | value |\n|--:|---|---|---|---|\n");
    for (size_t i = 0; i < N_FEATURES; i++) {
        const struct rank_feature *f = &table[i];
        char *longer = wf_xprintf("%s| %u | `%s` | %s | %s | %s |\n", text, (unsigned)f->id,
                                  f->name, source_names[f->source], f->unit, f->formula);
        wf_xfree(text);
        text = longer;
    }
    return text;
}

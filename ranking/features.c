/* SPDX-License-Identifier: Apache-2.0
 *
 * features.c - computes features: item columns when a generation is built, everything else when a
 * query is served. Training calls the same functions, so what was learnt is what is served. NaN is
 * missing everywhere.
 */
#include "ranking/features.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/arena.h"

static float ratio(float a, float b)
{
    return b > 0 ? a / b : NAN; /* NaN operands give NaN */
}

static float code_value(uint32_t code)
{
    return code == UINT32_MAX ? NAN : (float)code;
}

static float age_days(const struct rank_item *item, const struct rank_catalog *catalog)
{
    const float age = catalog->now_day - item->launch_day;
    return age < 0 ? 0 : age;
}

float rank_item_feature(enum rank_feature_id id, const struct rank_item *item,
                        const struct rank_catalog *catalog)
{
    const bool has_category = item->category < catalog->n_categories;
    const float mean = has_category ? catalog->category_mean_price[item->category] : NAN;
    if (id == RANK_PRICE) {
        return item->price;
    }
    if (id == RANK_PRICE_TO_CATEGORY) {
        return ratio(item->price, mean);
    }
    if (id == RANK_POPULARITY) {
        return (float)log1p((double)item->events);
    }
    if (id == RANK_POPULARITY_RECENT) {
        return (float)log1p(item->recent);
    }
    if (id == RANK_AGE_DAYS) {
        return age_days(item, catalog);
    }
    if (id == RANK_IN_STOCK) {
        return item->in_stock;
    }
    if (id == RANK_CATEGORY_CODE) {
        return code_value(item->category);
    }
    if (id == RANK_BRAND_CODE) {
        return code_value(item->brand);
    }
    return id == RANK_COLOUR_CODE ? code_value(item->colour) : NAN;
}

/* ---- users ---- */

static int by_code(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Larger share first, then the smaller code. */
static int by_share(const void *a, const void *b)
{
    const struct rank_share *x = a, *y = b;
    if (x->share != y->share) {
        return x->share > y->share ? -1 : 1;
    }
    return (x->code > y->code) - (x->code < y->code);
}

/* The RANK_SHARES largest shares among codes[0..n), which gets sorted; UINT32_MAX codes count in n
 * alone. */
static void top_shares(uint32_t *codes, size_t n, struct rank_share out[RANK_SHARES])
{
    struct rank_share *all = wf_xarray(struct rank_share, n + 1);
    size_t n_all = 0;
    qsort(codes, n, sizeof codes[0], by_code);
    for (size_t i = 0; i < n && codes[i] != UINT32_MAX;) {
        size_t end = i + 1;
        while (end < n && codes[end] == codes[i]) {
            end++;
        }
        all[n_all++] = (struct rank_share){.code = codes[i], .share = (float)(end - i) / (float)n};
        i = end;
    }
    qsort(all, n_all, sizeof all[0], by_share);
    for (size_t i = 0; i < RANK_SHARES; i++) {
        out[i] = i < n_all ? all[i] : (struct rank_share){.code = UINT32_MAX, .share = 0};
    }
    wf_xfree(all);
}

static float mean_price(const struct rank_item *const *items, size_t n)
{
    double sum = 0;
    size_t priced = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(items[i]->price)) {
            sum += (double)items[i]->price;
            priced++;
        }
    }
    return priced == 0 ? NAN : (float)(sum / (double)priced);
}

void rank_user_of(const struct rank_item *const *items, size_t n, struct rank_user *out)
{
    uint32_t *codes = wf_xarray(uint32_t, n + 1);
    out->mean_price = mean_price(items, n);
    out->events = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        codes[i] = items[i]->category;
    }
    top_shares(codes, n, out->categories);
    for (size_t i = 0; i < n; i++) {
        codes[i] = items[i]->brand;
    }
    top_shares(codes, n, out->brands);
    for (size_t i = 0; i < n; i++) {
        codes[i] = items[i]->colour;
    }
    top_shares(codes, n, out->colours);
    wf_xfree(codes);
}

/* ---- binding ---- */

/* Item columns that cross features read, in the order of rank_binding.need. */
static const enum rank_feature_id cross_inputs[RANK_N_NEEDS] = {
    [RANK_NEED_PRICE] = RANK_PRICE,
    [RANK_NEED_CATEGORY] = RANK_CATEGORY_CODE,
    [RANK_NEED_BRAND] = RANK_BRAND_CODE,
    [RANK_NEED_COLOUR] = RANK_COLOUR_CODE,
};

/* Which cross input a feature reads; RANK_N_NEEDS when none. */
static enum rank_need need_of(enum rank_feature_id id)
{
    if (id == RANK_PRICE_TO_USER) {
        return RANK_NEED_PRICE;
    }
    if (id == RANK_CATEGORY_AFFINITY) {
        return RANK_NEED_CATEGORY;
    }
    if (id == RANK_BRAND_AFFINITY) {
        return RANK_NEED_BRAND;
    }
    return id == RANK_COLOUR_AFFINITY ? RANK_NEED_COLOUR : RANK_N_NEEDS;
}

/* Column of an item feature in the shard's matrix, added when it is new. */
static uint32_t want(struct rank_binding *b, enum rank_feature_id id)
{
    for (uint32_t i = 0; i < b->n_wanted; i++) {
        if (b->wanted[i] == (uint32_t)id) {
            return i;
        }
    }
    b->wanted[b->n_wanted] = id;
    return b->n_wanted++;
}

struct rank_binding *rank_binding_create(const char *const *names, uint32_t n)
{
    struct rank_binding *b = wf_xcalloc(1, sizeof *b);
    b->n = n;
    b->source = wf_xcalloc(n + 1, sizeof b->source[0]);
    b->item_column = wf_xarray(uint32_t, n + 1);
    b->wanted = wf_xarray(uint32_t, (size_t)n + RANK_N_NEEDS);
    for (uint32_t i = 0; i < RANK_N_NEEDS; i++) {
        b->need[i] = UINT32_MAX;
    }
    for (uint32_t j = 0; j < n; j++) {
        const struct rank_feature *f = rank_feature_by_name(names[j]);
        b->source[j] = f;
        b->item_column[j] = UINT32_MAX;
        if (f == NULL) {
            b->n_unknown++;
        } else if (f->source == RANK_FROM_ITEM) {
            b->item_column[j] = want(b, f->id);
        } else if (need_of(f->id) != RANK_N_NEEDS) {
            b->need[need_of(f->id)] = want(b, cross_inputs[need_of(f->id)]);
        }
        b->wants_profile |= f != NULL && f->id == RANK_PROFILE_SIMILARITY;
    }
    return b;
}

void rank_binding_destroy(struct rank_binding *b)
{
    if (b != NULL) {
        wf_xfree(b->source);
        wf_xfree(b->item_column);
        wf_xfree(b->wanted);
        wf_xfree(b);
    }
}

/* ---- filling ---- */

/* Share of `code` (a float column value) among the user's largest. */
static float affinity(const struct rank_share shares[RANK_SHARES], float code)
{
    if (isnan(code)) {
        return NAN;
    }
    for (size_t i = 0; i < RANK_SHARES && shares[i].code != UINT32_MAX; i++) {
        if ((float)shares[i].code == code) {
            return shares[i].share;
        }
    }
    return 0;
}

static float cross_value(const struct rank_user *user, enum rank_need need, float item)
{
    if (user == NULL || user->events == 0) {
        return NAN;
    }
    if (need == RANK_NEED_PRICE) {
        return ratio(item, user->mean_price);
    }
    if (need == RANK_NEED_CATEGORY) {
        return affinity(user->categories, item);
    }
    return affinity(need == RANK_NEED_BRAND ? user->brands : user->colours, item);
}

static float user_value(const struct rank_user *user, enum rank_feature_id id)
{
    if (user == NULL) {
        return NAN;
    }
    return id == RANK_USER_EVENTS ? (float)user->events : user->mean_price;
}

/* Column j of the model for every row; out points at the first row's cell. */
static void fill_column(const struct rank_binding *b, uint32_t j,
                        const struct rank_context *context, const struct rank_rows *rows,
                        float *out)
{
    const struct rank_feature *f = b->source[j];
    const enum rank_need need = f == NULL ? RANK_N_NEEDS : need_of(f->id);
    const size_t step = b->n;
    for (uint32_t i = 0; i < rows->n; i++) {
        const float *item = rows->item == NULL ? NULL : rows->item + (size_t)i * b->n_wanted;
        float value = NAN;
        if (f == NULL) {
            value = NAN;
        } else if (f->source == RANK_FROM_ITEM) {
            value = item == NULL ? NAN : item[b->item_column[j]];
        } else if (f->id == RANK_RETRIEVAL_SCORE) {
            value = rows->retrieval_score[i];
        } else if (f->id == RANK_RETRIEVAL_RANK) {
            value = (float)rows->retrieval_rank[i];
        } else if (f->source == RANK_FROM_USER) {
            value = user_value(context->user, f->id);
        } else if (need != RANK_N_NEEDS) {
            value = item == NULL ? NAN : cross_value(context->user, need, item[b->need[need]]);
        } else if (rows->profile_similarity != NULL) {
            value = rows->profile_similarity[i];
        }
        out[i * step] = value;
    }
}

void rank_features_fill(const struct rank_binding *b, const struct rank_context *context,
                        const struct rank_rows *rows, float *out)
{
    for (uint32_t j = 0; j < b->n; j++) {
        fill_column(b, j, context, rows, out + j);
    }
}

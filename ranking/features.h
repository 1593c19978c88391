/* SPDX-License-Identifier: Apache-2.0
 *
 * features.h - the one table of features and the code that computes them, for serving and for
 * training alike.
 *
 * Item features are columns of the generation ("feature/<name>", float32, NaN = missing) and travel
 * with the candidates, by id; the others are filled in by rank_features_fill() from the request's
 * context. A model names its features; binding is by name. Pure: no I/O, no threads, no messages.
 * docs/FEATURES.md is generated from the table.
 */
#ifndef RANK_FEATURES_H
#define RANK_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum rank_feature_source {
    RANK_FROM_ITEM = 1,  /* a column of the shard */
    RANK_FROM_RETRIEVAL, /* score and rank of the candidate */
    RANK_FROM_USER,      /* the user's aggregates */
    RANK_FROM_CROSS,     /* item column against user or query */
};
/* Ids are forever; the array index is not the id. */
enum rank_feature_id {
    RANK_PRICE = 1,
    RANK_PRICE_TO_CATEGORY = 2,
    RANK_POPULARITY = 3,
    RANK_POPULARITY_RECENT = 4,
    RANK_AGE_DAYS = 5,
    RANK_IN_STOCK = 6,
    RANK_CATEGORY_CODE =
        7, /* index in the generation's category list; also feeds the cross features */
    RANK_BRAND_CODE = 8,
    RANK_COLOUR_CODE = 9,
    RANK_RETRIEVAL_SCORE = 64,
    RANK_RETRIEVAL_RANK = 65,
    RANK_USER_EVENTS = 96,
    RANK_USER_MEAN_PRICE = 97,
    RANK_PRICE_TO_USER = 128,
    RANK_CATEGORY_AFFINITY = 129,
    RANK_BRAND_AFFINITY = 130,
    RANK_COLOUR_AFFINITY = 131,
    RANK_PROFILE_SIMILARITY = 132,
};
struct rank_feature {
    enum rank_feature_id id;
    enum rank_feature_source source;
    const char *name; /* "price_to_category" */
    const char *unit;
    const char *formula; /* prose for the manual */
};
const struct rank_feature *rank_features(size_t *n);
const struct rank_feature *rank_feature_by_name(const char *name); /* NULL when unknown */
const struct rank_feature *rank_feature_by_id(uint32_t id);

/* ---- item features, at build time ---- */

/* What is known of one item; NaN where unknown. Days since 1970. */
struct rank_item {
    float price, launch_day, in_stock; /* in_stock: 0, 1 or NaN */
    uint32_t category, brand, colour;  /* global codes, UINT32_MAX = missing */
    uint64_t events;                   /* purchases over all time */
    double recent;                     /* sum of 0.5^(age in days / 7) over purchases */
};
/* Means over the whole catalog, by category code. */
struct rank_catalog {
    const float *category_mean_price; /* n_categories, NaN = none */
    uint32_t n_categories;
    float now_day; /* the data's own present: the newest event or launch, so that builds are
                      reproducible */
};
/* One item feature's value. */
float rank_item_feature(enum rank_feature_id id, const struct rank_item *item,
                        const struct rank_catalog *catalog);

/* ---- users ---- */

enum { RANK_SHARES = 8 };
struct rank_share {
    uint32_t code; /* UINT32_MAX = unused */
    float share;   /* of the user's purchases, 0..1 */
};
/* Fixed-size record, also the layout of section "users/aggregates" (little-endian). */
struct rank_user {
    float mean_price; /* NaN = unknown */
    uint32_t events;
    struct rank_share categories[RANK_SHARES], brands[RANK_SHARES], colours[RANK_SHARES];
};
/* From a purchase history of n items (any order); an empty one gives events = 0. */
void rank_user_of(const struct rank_item *const *items, size_t n, struct rank_user *out);

/* ---- binding and filling, at query time ---- */

/* Item columns that cross features read. */
enum rank_need {
    RANK_NEED_PRICE,
    RANK_NEED_CATEGORY,
    RANK_NEED_BRAND,
    RANK_NEED_COLOUR,
    RANK_N_NEEDS
};

/* The model's columns resolved: for model feature j, where it comes from. */
struct rank_binding {
    uint32_t n;                         /* model features */
    const struct rank_feature **source; /* [n]; NULL = nobody supplies it: missing, reported */
    uint32_t *item_column; /* [n] column in the shard's matrix for item features, else UINT32_MAX */
    uint32_t *wanted;      /* ids of item features to ask shards for, cross inputs included */
    uint32_t n_wanted;
    uint32_t need[RANK_N_NEEDS]; /* column of each cross input, UINT32_MAX = not asked */
    uint32_t n_unknown;          /* features that nobody supplies */
    bool wants_profile;          /* profile_similarity is among them: vectors are needed */
};
/* Owned by the caller; names are the model's. */
struct rank_binding *rank_binding_create(const char *const *names, uint32_t n);
void rank_binding_destroy(struct rank_binding *b);

struct rank_context {
    const struct rank_user *user; /* NULL = unknown: user features are missing */
};
/* One candidate batch: n rows. */
struct rank_rows {
    uint32_t n;
    const float *item;               /* n x binding->n_wanted, in the order of `wanted` */
    const float *retrieval_score;    /* n */
    const uint32_t *retrieval_rank;  /* n, from 1 */
    const float *profile_similarity; /* n, or NULL = missing */
};
/* Fills out (n x binding->n, row-major). NaN = missing. Never fails. */
void rank_features_fill(const struct rank_binding *b, const struct rank_context *context,
                        const struct rank_rows *rows, float *out);
/* The generated page; owned by the caller (wf_xfree). */
char *rank_features_markdown(void);

#endif

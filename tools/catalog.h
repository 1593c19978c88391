/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog.h - what is known of a dataset's items and users beyond their attributes: global codes of
 * the role attributes, purchases, means; the input of item features, user aggregates and popularity
 * lists. Build and training compute features from this alone, so both see the same values.
 */
#ifndef TOOL_CATALOG_H
#define TOOL_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ranking/features.h"
#include "tools/dataset.h"
#include "tools/intern.h"

/* One purchase; user and item are indices. In order of (user, time, place in the file). */
struct tool_purchase {
    uint32_t user, item;
    int64_t unix_time;
    uint64_t place; /* in the file, from 0 */
};
/* The distinct values of a role's attribute over the catalog; code = index, sorted by bytes. */
struct tool_codes {
    const char **values; /* borrowed from the dataset */
    uint32_t n;
    uint32_t *of_local; /* code of each dictionary entry of the attribute */
    int attr;           /* -1: the role is not taken */
};
struct tool_catalog {
    const struct tool_dataset *ds; /* borrowed; items loaded */
    struct tool_codes categories, brands, colours;
    struct rank_item *items;         /* ds->items.n */
    struct rank_catalog means;       /* category means and the data's present day */
    float *category_means;           /* what means points at */
    struct tool_purchase *purchases; /* sorted by user, then time */
    size_t n_purchases;
    size_t
        *user_start; /* n_users + 1: purchases of user u are [user_start[u], user_start[u + 1]) */
    uint32_t n_users;
    struct tool_intern users; /* id = user index, in order of first appearance */
};
/*
 * Reads interactions.tsv (kind "purchase"; SKUs that are not in the catalog are counted in
 * *n_unknown and left out). `until`: purchases later than this unix time are left out of everything
 * (training holds out the last ones); INT64_MAX: all.
 */
WF_MUST_CHECK enum wf_code tool_catalog_open(const struct tool_dataset *ds, int64_t until,
                                             struct tool_catalog **out, uint64_t *n_unknown,
                                             struct wf_error *err);
void tool_catalog_close(struct tool_catalog *c);
/* The purchases' items of a user as rank_user_of takes them: pointers into c->items; at most `max`,
 * the last ones. */
size_t tool_catalog_history(const struct tool_catalog *c, uint32_t user,
                            const struct rank_item **out, size_t max);
/* Normalised mean of the vectors of the user's last 20 purchases in a space; false when none has
 * one. */
bool tool_catalog_profile(const struct tool_catalog *c, uint32_t user, unsigned space, float *out);

#endif

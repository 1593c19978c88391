/* SPDX-License-Identifier: Apache-2.0
 *
 * synth.h - a synthetic fashion shop and its shoppers.
 *
 * Shop: item i is a pure function of (seed, i), so items are made in any order by any number of
 * threads and never held in memory. Every item belongs to a style group; group sizes and the
 * popularity inside a group are power laws. A vector is category + group + brand + colour + its own
 * noise, each drawn with a decaying spectrum, rotated, normalised: clusters overlap, as real
 * embeddings do.
 *
 * Shoppers: shopper u is a pure function of (seed, u) and of what is on sale. Each has favourite
 * groups, brands, colours, a price level and a taste vector; favourites are replaced now and then
 * and the taste moves towards what was bought. At each purchase a few items that are already
 * launched are looked at, more popular ones more often, and one is bought with a probability that
 * follows taste, price, brand, colour and recency.
 */
#ifndef TOOL_SYNTH_H
#define TOOL_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "tools/dataset.h"
#include "tools/text.h"

/* ---- the shop ---- */

struct tool_shop; /* tables of one shop: immutable, thread-safe */
struct tool_shop *tool_shop_create(uint64_t items, uint32_t dim, uint64_t seed);
void tool_shop_destroy(struct tool_shop *shop); /* NULL is fine */
/* The schema of its dataset: attributes, roles and one space "style". */
void tool_shop_schema(const struct tool_shop *shop, struct wf_schema *out);
/* Appends the items line and fills dim floats. Pure. */
void tool_shop_item(const struct tool_shop *shop, uint64_t i, struct tool_text *line,
                    float *vector);

/* ---- what shoppers see ---- */

struct tool_good {
    float price, launch_day; /* NaN = unknown */
    uint32_t brand, colour;  /* UINT32_MAX = unknown */
};
struct tool_market {
    const void *ctx;
    uint32_t n_groups;
    const double *group_cumulative; /* n_groups: share of sales up to and with this group, last 1 */
    /* An item of the group, popular ones more often; u in [0, 1). Pure. */
    uint64_t (*draw)(const void *ctx, uint32_t group, double u);
    void (*look)(const void *ctx, uint64_t item, struct tool_good *out); /* pure */
    void (*name)(const void *ctx, uint64_t item, char sku[WF_SKU_MAX + 1]);
    /* Fills dim floats; false: this item has no vector. NULL: none has one. */
    bool (*vector)(const void *ctx, uint64_t item, float *out);
    uint32_t dim;
    int64_t first_day, last_day; /* of the simulated time, days since 1970 */
};
/*
 * The market of a shop whose vectors were written to `npy` (NULL: shop without looking). They are
 * read row by row and not mapped, so that memory stays small whatever their number; the file is
 * closed with the shop.
 */
WF_MUST_CHECK enum wf_code tool_shop_market(struct tool_shop *shop, const char *npy,
                                            struct tool_market *out, struct wf_error *err);
/* Whether every vector could be read since then. */
WF_MUST_CHECK enum wf_code tool_shop_check(const struct tool_shop *shop, struct wf_error *err);

/* The market of any dataset that is open with its items and spaces. */
struct tool_catalog_market;
struct tool_catalog_market *tool_catalog_market_create(const struct tool_dataset *ds, uint64_t seed,
                                                       struct tool_market *out);
void tool_catalog_market_destroy(struct tool_catalog_market *m); /* NULL is fine */

/* ---- shoppers ---- */

struct tool_shoppers {
    uint64_t users, events, seed;
    unsigned threads; /* 0 = cores */
};
/* Writes interactions.tsv lines, header included, in order of user and time. */
WF_MUST_CHECK enum wf_code tool_shoppers_write(const struct tool_market *market,
                                               const struct tool_shoppers *who,
                                               struct wf_writer *to, struct wf_error *err);

/* A seed of its own for each purpose of one seed. */
uint64_t tool_synth_seed(uint64_t seed, unsigned purpose);
/* Index of the first entry of a rising table that is above u. */
uint32_t tool_synth_pick(const double *cumulative, uint32_t n, double u);

#endif

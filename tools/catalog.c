/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog.c - derives item facts and purchase histories from a dataset. Everything is a function of
 * the files alone: the present is the newest purchase (or launch), never the clock.
 */
#include "tools/catalog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/vector.h"

enum { SECONDS_PER_DAY = 86400, PROFILE_PURCHASES = 20 };
#define RECENT_HALF_LIFE_DAYS 7.0

/* ---- codes ---- */

struct entry {
    const char *value;
    uint32_t local;
};

static int by_value(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->value, ((const struct entry *)b)->value);
}

/* Numbers the values of the attribute that plays `role`, sorted, so that codes do not depend on the
 * items' order. */
static void make_codes(const struct tool_dataset *ds, enum wf_role role, struct tool_codes *out)
{
    *out = (struct tool_codes){.attr = wf_schema_role(&ds->schema, role)};
    if (out->attr < 0 || ds->schema.attrs[out->attr].type != WF_ATTR_KEYWORD) {
        out->attr = -1;
        return;
    }
    const struct wf_column *column = &ds->items.columns[out->attr];
    struct entry *entries = wf_xarray(struct entry, (size_t)column->n_dictionary + 1);
    out->n = column->n_dictionary;
    out->values = wf_xcalloc((size_t)out->n + 1, sizeof out->values[0]);
    out->of_local = wf_xarray(uint32_t, (size_t)out->n + 1);
    for (uint32_t i = 0; i < out->n; i++) {
        entries[i] = (struct entry){column->dictionary[i], i};
    }
    qsort(entries, out->n, sizeof entries[0], by_value);
    for (uint32_t i = 0; i < out->n; i++) {
        out->values[i] = entries[i].value;
        out->of_local[entries[i].local] = i;
    }
    wf_xfree(entries);
}

static void codes_fini(struct tool_codes *codes)
{
    wf_xfree(codes->values);
    wf_xfree(codes->of_local);
}

static uint32_t code_of(const struct tool_catalog *c, const struct tool_codes *codes, size_t item)
{
    if (codes->attr < 0) {
        return UINT32_MAX;
    }
    const uint32_t local = c->ds->items.columns[codes->attr].codes[item];
    return local == WF_NO_CODE ? UINT32_MAX : codes->of_local[local];
}

/* ---- items ---- */

static float number_of(const struct tool_dataset *ds, enum wf_role role, size_t item)
{
    const int attr = wf_schema_role(&ds->schema, role);
    if (attr < 0) {
        return NAN;
    }
    const struct wf_column *column = &ds->items.columns[attr];
    if (ds->schema.attrs[attr].type == WF_ATTR_FLAG) {
        return column->flags[item] == 2 ? NAN : (float)column->flags[item];
    }
    return ds->schema.attrs[attr].type == WF_ATTR_NUMBER ? column->numbers[item] : NAN;
}

static void fill_items(struct tool_catalog *c)
{
    const struct tool_dataset *ds = c->ds;
    make_codes(ds, WF_ROLE_CATEGORY, &c->categories);
    make_codes(ds, WF_ROLE_BRAND, &c->brands);
    make_codes(ds, WF_ROLE_COLOUR, &c->colours);
    c->items = wf_xcalloc(ds->items.n + 1, sizeof c->items[0]);
    for (size_t i = 0; i < ds->items.n; i++) {
        c->items[i] = (struct rank_item){.price = number_of(ds, WF_ROLE_PRICE, i),
                                         .launch_day = number_of(ds, WF_ROLE_LAUNCH, i),
                                         .in_stock = number_of(ds, WF_ROLE_STOCK, i),
                                         .category = code_of(c, &c->categories, i),
                                         .brand = code_of(c, &c->brands, i),
                                         .colour = code_of(c, &c->colours, i)};
    }
}

static void fill_means(struct tool_catalog *c)
{
    const uint32_t n = c->categories.n;
    double *sums = wf_xarray(double, (size_t)n + 1);
    uint64_t *counts = wf_xarray(uint64_t, (size_t)n + 1);
    for (size_t i = 0; i < c->ds->items.n; i++) {
        const struct rank_item *item = &c->items[i];
        if (item->category != UINT32_MAX && !isnan(item->price)) {
            sums[item->category] += (double)item->price;
            counts[item->category]++;
        }
    }
    c->category_means = wf_xarray(float, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++) {
        c->category_means[i] = counts[i] == 0 ? NAN : (float)(sums[i] / (double)counts[i]);
    }
    wf_xfree(counts);
    wf_xfree(sums);
    c->means.category_mean_price = c->category_means;
    c->means.n_categories = n;
}

/* ---- purchases ---- */

static enum wf_code read_purchases(struct tool_catalog *c, struct tool_events *events,
                                   int64_t until, uint64_t *n_unknown, struct wf_error *err)
{
    size_t cap = 0;
    for (;;) {
        struct tool_event e;
        bool more, added;
        const enum wf_code code = tool_events_next(events, &e, &more, err);
        if (code != WF_OK || !more) {
            return code;
        }
        if (strcmp(e.kind, tool_event_purchase) != 0 || e.unix_time > until) {
            continue;
        }
        const uint32_t item = tool_intern_find(&c->ds->skus, e.sku, strlen(e.sku));
        if (item == TOOL_NO_ID) {
            ++*n_unknown;
            continue;
        }
        wf_xgrow(&c->purchases, &cap, c->n_purchases + 1, sizeof c->purchases[0]);
        c->purchases[c->n_purchases] = (struct tool_purchase){
            .user = tool_intern_add(&c->users, e.user, strlen(e.user), &added),
            .item = item,
            .place = c->n_purchases,
            .unix_time = e.unix_time};
        c->n_purchases++;
    }
}

/* By user, then time, then place in the file (which `place` keeps until the sort is done). */
static int by_user_and_time(const void *a, const void *b)
{
    const struct tool_purchase *x = a, *y = b;
    if (x->user != y->user) {
        return x->user < y->user ? -1 : 1;
    }
    if (x->unix_time != y->unix_time) {
        return x->unix_time < y->unix_time ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

static void sort_purchases(struct tool_catalog *c)
{
    c->n_users = c->users.n;
    c->user_start = wf_xarray(size_t, (size_t)c->n_users + 1);
    if (c->n_purchases > 0) {
        qsort(c->purchases, c->n_purchases, sizeof c->purchases[0], by_user_and_time);
    }
    for (size_t i = 0; i < c->n_purchases; i++) {
        c->user_start[c->purchases[i].user + 1]++;
    }
    for (uint32_t u = 0; u < c->n_users; u++) {
        c->user_start[u + 1] += c->user_start[u];
    }
}

static void count_purchases(struct tool_catalog *c)
{
    int64_t newest = 0;
    float now = 0;
    for (size_t i = 0; i < c->n_purchases; i++) {
        newest = c->purchases[i].unix_time > newest ? c->purchases[i].unix_time : newest;
    }
    for (size_t i = 0; i < c->ds->items.n && newest == 0; i++) {
        now = c->items[i].launch_day > now ? c->items[i].launch_day : now;
    }
    const int64_t newest_day = newest / SECONDS_PER_DAY;
    c->means.now_day = newest == 0 ? now : (float)newest_day;
    for (size_t i = 0; i < c->n_purchases; i++) {
        const double age = (double)(newest - c->purchases[i].unix_time) / SECONDS_PER_DAY;
        c->items[c->purchases[i].item].events++;
        c->items[c->purchases[i].item].recent += exp2(-age / RECENT_HALF_LIFE_DAYS);
    }
}

enum wf_code tool_catalog_open(const struct tool_dataset *ds, int64_t until,
                               struct tool_catalog **out, uint64_t *n_unknown, struct wf_error *err)
{
    struct tool_events *events;
    enum wf_code code = tool_events_open(ds->dir, &events, err);
    if (code != WF_OK) {
        return code;
    }
    struct tool_catalog *c = wf_xcalloc(1, sizeof *c);
    uint64_t unknown = 0;
    c->ds = ds;
    tool_intern_init(&c->users);
    fill_items(c);
    fill_means(c);
    if (events != NULL) {
        code = read_purchases(c, events, until, &unknown, err);
        tool_events_close(events);
    }
    if (code != WF_OK) {
        tool_catalog_close(c);
        return code;
    }
    sort_purchases(c);
    count_purchases(c);
    *n_unknown = unknown;
    *out = c;
    return WF_OK;
}

void tool_catalog_close(struct tool_catalog *c)
{
    if (c == NULL) {
        return;
    }
    codes_fini(&c->categories);
    codes_fini(&c->brands);
    codes_fini(&c->colours);
    wf_xfree(c->items);
    wf_xfree(c->category_means);
    wf_xfree(c->purchases);
    wf_xfree(c->user_start);
    tool_intern_fini(&c->users);
    wf_xfree(c);
}

size_t tool_catalog_history(const struct tool_catalog *c, uint32_t user,
                            const struct rank_item **out, size_t max)
{
    const size_t begin = c->user_start[user], end = c->user_start[user + 1];
    const size_t first = end - begin > max ? end - max : begin;
    for (size_t i = first; i < end; i++) {
        out[i - first] = &c->items[c->purchases[i].item];
    }
    return end - first;
}

/* Adds a vector, in a cosine space as a unit vector; one that is missing or null adds nothing. */
static void add_vector(const float *vector, uint32_t dim, bool unit, float *sum)
{
    const float norm = unit ? sqrtf(wf_dot(vector, vector, dim)) : 1.0f;
    if (!(norm > 0)) {
        return;
    }
    for (uint32_t d = 0; d < dim; d++) {
        sum[d] += vector[d] / norm;
    }
}

bool tool_catalog_profile(const struct tool_catalog *c, uint32_t user, unsigned space, float *out)
{
    const struct tool_npy *npy = &c->ds->spaces[space];
    const bool unit = c->ds->schema.spaces[space].metric == WF_METRIC_COSINE;
    const size_t begin = c->user_start[user], end = c->user_start[user + 1];
    const size_t first = end - begin > PROFILE_PURCHASES ? end - PROFILE_PURCHASES : begin;
    memset(out, 0, npy->dim * sizeof out[0]);
    for (size_t i = first; i < end; i++) {
        const float *vector = npy->data + (size_t)c->purchases[i].item * npy->dim;
        if (!isnan(vector[0])) {
            add_vector(vector, npy->dim, unit, out);
        }
    }
    return wf_normalise(out, npy->dim);
}

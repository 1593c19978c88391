/* SPDX-License-Identifier: Apache-2.0
 *
 * synth_market.c - a real catalog as something to shop in: groups are the values of the category
 * role, and how well an item sells is a log-normal draw from (seed, SKU), since the catalog does
 * not say. Holds three numbers per item; the dataset is borrowed.
 */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "tools/synth.h"

enum { DEFAULT_LAST_DAY = 20453 /* 2025-12-31 */, SHOPPING_DAYS = 365, SETTLING_DAYS = 30 };

struct tool_catalog_market {
    const struct tool_dataset *ds;
    uint32_t n_groups;
    size_t *starts;                   /* n_groups + 1, into items */
    uint32_t *items;                  /* rows by group */
    double *sales;                    /* running share of the group's sales, by place in `items` */
    double *group_cumulative;         /* n_groups */
    const uint32_t *brands, *colours; /* NULL = no such role */
    const float *prices, *launches;
};

/* Group of a row; items without a category share the last group. */
static uint32_t group_of(const uint32_t *codes, uint32_t n_groups, size_t row)
{
    return !codes || codes[row] == WF_NO_CODE ? n_groups - 1 : codes[row];
}

static double appeal(const struct tool_dataset *ds, uint64_t seed, size_t row)
{
    const char *sku = ds->items.skus[row];
    struct wf_random r = wf_random_of(seed, wf_hash64(sku, strlen(sku)));
    return exp(1.1 * wf_random_normal(&r));
}

/* Counting sort of the rows by group. */
static void sort_rows(struct tool_catalog_market *m, const uint32_t *codes)
{
    const size_t n = m->ds->items.n;
    m->starts = wf_xarray(size_t, m->n_groups + 1);
    m->items = wf_xarray(uint32_t, n);
    for (size_t i = 0; i < n; i++) {
        m->starts[group_of(codes, m->n_groups, i) + 1]++;
    }
    for (uint32_t g = 0; g < m->n_groups; g++) {
        m->starts[g + 1] += m->starts[g];
    }
    size_t *at = wf_xarray(size_t, m->n_groups + 1);
    memcpy(at, m->starts, m->n_groups * sizeof *at);
    for (size_t i = 0; i < n; i++) {
        m->items[at[group_of(codes, m->n_groups, i)]++] = (uint32_t)i;
    }
    wf_xfree(at);
}

static void weigh(struct tool_catalog_market *m, uint64_t seed)
{
    double total = 0;
    m->sales = wf_xarray(double, m->ds->items.n);
    m->group_cumulative = wf_xarray(double, m->n_groups);
    for (uint32_t g = 0; g < m->n_groups; g++) {
        double sum = 0;
        for (size_t i = m->starts[g]; i < m->starts[g + 1]; i++) {
            sum += appeal(m->ds, seed, m->items[i]);
            m->sales[i] = sum;
        }
        for (size_t i = m->starts[g]; i < m->starts[g + 1]; i++) {
            m->sales[i] /= sum;
        }
        total += sum;
        m->group_cumulative[g] = total;
    }
    for (uint32_t g = 0; g < m->n_groups; g++) {
        m->group_cumulative[g] /= total;
    }
}

static uint64_t draw(const void *ctx, uint32_t group, double u)
{
    const struct tool_catalog_market *m = ctx;
    const size_t start = m->starts[group];
    const uint32_t n = (uint32_t)(m->starts[group + 1] - start);
    wf_assert(n > 0); /* an empty group has no share of the sales, so nobody draws it */
    return m->items[start + tool_synth_pick(m->sales + start, n, u)];
}

static void look(const void *ctx, uint64_t i, struct tool_good *out)
{
    const struct tool_catalog_market *m = ctx;
    out->price = m->prices ? m->prices[i] : NAN;
    out->launch_day = m->launches ? m->launches[i] : NAN;
    out->brand = m->brands ? m->brands[i] : WF_NO_CODE;
    out->colour = m->colours ? m->colours[i] : WF_NO_CODE;
}

static void name(const void *ctx, uint64_t i, char sku[WF_SKU_MAX + 1])
{
    const struct tool_catalog_market *m = ctx;
    const char *from = m->ds->items.skus[i];
    memcpy(sku, from, strlen(from) + 1);
}

static bool read_vector(const void *ctx, uint64_t i, float *out)
{
    const struct tool_catalog_market *m = ctx;
    const struct tool_npy *npy = &m->ds->spaces[0];
    memcpy(out, npy->data + i * npy->dim, npy->dim * sizeof(float));
    return !isnan(out[0]);
}

static const struct wf_column *role_column(const struct tool_dataset *ds, enum wf_role role)
{
    const int attr = wf_schema_role(&ds->schema, role);
    return attr < 0 ? NULL : &ds->items.columns[attr];
}

static int64_t newest_launch(const struct tool_catalog_market *m)
{
    float newest = -INFINITY;
    for (size_t i = 0; m->launches && i < m->ds->items.n; i++) {
        newest = m->launches[i] > newest ? m->launches[i] : newest;
    }
    return newest > 0 && newest < 1e6F ? (int64_t)newest + SETTLING_DAYS : DEFAULT_LAST_DAY;
}

struct tool_catalog_market *tool_catalog_market_create(const struct tool_dataset *ds, uint64_t seed,
                                                       struct tool_market *out)
{
    wf_assert(ds->items.n > 0);
    const struct wf_column *category = role_column(ds, WF_ROLE_CATEGORY);
    const struct wf_column *brand = role_column(ds, WF_ROLE_BRAND);
    const struct wf_column *colour = role_column(ds, WF_ROLE_COLOUR);
    const struct wf_column *price = role_column(ds, WF_ROLE_PRICE);
    const struct wf_column *launch = role_column(ds, WF_ROLE_LAUNCH);
    struct tool_catalog_market *m = wf_xarray(struct tool_catalog_market, 1);
    m->ds = ds;
    m->n_groups = (category ? category->n_dictionary : 0) + 1;
    m->brands = brand ? brand->codes : NULL;
    m->colours = colour ? colour->codes : NULL;
    m->prices = price ? price->numbers : NULL;
    m->launches = launch ? launch->numbers : NULL;
    sort_rows(m, category ? category->codes : NULL);
    weigh(m, tool_synth_seed(seed, 100));
    const int64_t last_day = newest_launch(m);
    *out =
        (struct tool_market){.ctx = m,
                             .n_groups = m->n_groups,
                             .group_cumulative = m->group_cumulative,
                             .draw = draw,
                             .look = look,
                             .name = name,
                             .last_day = last_day,
                             .first_day = last_day > SHOPPING_DAYS ? last_day - SHOPPING_DAYS : 0};
    if (ds->schema.n_spaces) {
        out->vector = read_vector;
        out->dim = ds->spaces[0].dim;
    }
    return m;
}

void tool_catalog_market_destroy(struct tool_catalog_market *m)
{
    if (!m) {
        return;
    }
    wf_xfree(m->starts);
    wf_xfree(m->items);
    wf_xfree(m->sales);
    wf_xfree(m->group_cumulative);
    wf_xfree(m);
}

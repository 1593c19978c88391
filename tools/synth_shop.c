/* SPDX-License-Identifier: Apache-2.0
 *
 * synth_shop.c - items of the synthetic shop.
 *
 * Item numbers are spread over positions by a permutation of [0, n) (a four-round Feistel network,
 * walked until it stays inside); positions are cut into groups. So an item knows its group and its
 * place in it, and a place in a group knows its item, without any table of n entries. The place is
 * the popularity: place 0 sells best.
 *
 * The rotation is by blocks of at most ROTATED dimensions, each an orthogonal matrix from
 * Gram-Schmidt on normal numbers; the spectrum is dealt out over the blocks, so that each has its
 * share of large and small variances.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/vector.h"
#include "tools/synth.h"
#include "tools/synth_words.h"

enum { ROTATED = 256, GROUPS_MAX = 4096, ITEMS_PER_GROUP = 200, FEW_ITEMS = 50000 };
enum { GROUP_BRANDS = 8, GROUP_COLOURS = 6 };
enum { LAST_DAY = 20453 /* 2025-12-31 */, OLDEST = 900 /* days */, SHOPPING_DAYS = 365 };
enum purpose { FOR_ITEMS = 1, FOR_GROUPS, FOR_CENTRES, FOR_ROTATION, FOR_BRANDS, FOR_SPREAD };

static const double group_exponent = 0.8, place_exponent = 0.7, place_offset = 8;

struct group {
    uint32_t category;
    uint64_t start, size; /* positions */
    uint16_t brands[GROUP_BRANDS], colours[GROUP_COLOURS];
};
struct tool_shop {
    uint64_t n, seed, items_seed;
    uint32_t dim, n_groups, block, n_blocks;
    struct group *groups;
    double *group_cumulative;
    float *spectrum;                                /* standard deviation per dimension */
    float *categories, *centres, *brands, *colours; /* rows of dim, spectrum applied */
    float *rotation;                                /* n_blocks x block x block, rows orthonormal */
    float brand_price[TOOL_N_BRANDS];               /* factor */
    double noise;                                   /* of an item about its group */
    unsigned half_bits;                             /* of the permutation */
    uint64_t keys[4];
    int file;             /* of the written vectors, -1 = none */
    _Atomic bool *failed; /* a vector could not be read */
};

uint64_t tool_synth_seed(uint64_t seed, unsigned purpose)
{
    struct wf_random r = wf_random_of(seed, UINT64_C(0xF00D) << 32 | purpose);
    return wf_random_next(&r);
}

uint32_t tool_synth_pick(const double *cumulative, uint32_t n, double u)
{
    uint32_t low = 0, high = n - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (cumulative[middle] > u) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* ---- the permutation ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 29) * UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 32;
}

static uint64_t permute_once(const struct tool_shop *shop, uint64_t x, bool back)
{
    const uint64_t mask = (UINT64_C(1) << shop->half_bits) - 1;
    uint64_t left = x >> shop->half_bits, right = x & mask;
    for (unsigned round = 0; round < 4; round++) {
        const uint64_t key = shop->keys[back ? 3 - round : round];
        if (back) {
            const uint64_t before = right ^ (mix(left + key) & mask);
            right = left;
            left = before;
        } else {
            const uint64_t after = left ^ (mix(right + key) & mask);
            left = right;
            right = after;
        }
    }
    return left << shop->half_bits | right;
}

static uint64_t permute(const struct tool_shop *shop, uint64_t x, bool back)
{
    do {
        x = permute_once(shop, x, back);
    } while (x >= shop->n);
    return x;
}

/* ---- tables ---- */

static void fill_spectrum(struct tool_shop *shop)
{
    shop->spectrum = wf_xarray(float, shop->dim);
    double total = 0;
    for (uint32_t j = 0; j < shop->dim; j++) {
        total += pow(1.0 + j, -0.8);
    }
    for (uint32_t j = 0; j < shop->dim; j++) {
        /* Place j / n_blocks inside block j % n_blocks: every block gets large and small ones. */
        const uint32_t at = (j % shop->n_blocks) * shop->block + j / shop->n_blocks;
        if (at < shop->dim) {
            shop->spectrum[at] = (float)sqrt(pow(1.0 + j, -0.8) / total);
        }
    }
}

/* n rows of independent normal numbers with the spectrum, times `scale`. */
static float *make_centres(const struct tool_shop *shop, uint64_t n, unsigned kind, double scale)
{
    float *rows = wf_xarray(float, n * shop->dim);
    for (uint64_t i = 0; i < n; i++) {
        struct wf_random r =
            wf_random_of(tool_synth_seed(shop->seed, FOR_CENTRES), (uint64_t)kind << 32 | i);
        for (uint32_t j = 0; j < shop->dim; j++) {
            rows[i * shop->dim + j] = (float)(scale * wf_random_normal(&r)) * shop->spectrum[j];
        }
    }
    return rows;
}

/* row -= its projections on the n orthonormal rows. */
static void take_away(float *row, const float *rows, uint32_t n, uint32_t size)
{
    for (uint32_t k = 0; k < n; k++) {
        const float *other = rows + (size_t)k * size;
        const float along = wf_dot(row, other, size);
        for (uint32_t j = 0; j < size; j++) {
            row[j] -= along * other[j];
        }
    }
}

/* One block: Gram-Schmidt over normal rows; rows that are nearly dependent are drawn again. */
static void make_block(float *rows, uint32_t size, struct wf_random *r)
{
    for (uint32_t i = 0; i < size;) {
        float *row = rows + (size_t)i * size;
        for (uint32_t j = 0; j < size; j++) {
            row[j] = (float)wf_random_normal(r);
        }
        take_away(row, rows, i, size); /* twice: once leaves rounding errors behind */
        take_away(row, rows, i, size);
        i += wf_normalise(row, size) ? 1 : 0;
    }
}

static void make_rotation(struct tool_shop *shop)
{
    const size_t area = (size_t)shop->block * shop->block;
    shop->rotation = wf_xarray(float, area * shop->n_blocks);
    for (uint32_t b = 0; b < shop->n_blocks; b++) {
        struct wf_random r = wf_random_of(tool_synth_seed(shop->seed, FOR_ROTATION), b);
        make_block(shop->rotation + b * area, shop->block, &r);
    }
}

static void fill_group(struct group *g, struct wf_random *r, const double *categories)
{
    g->category = tool_synth_pick(categories, TOOL_N_CATEGORIES, wf_random_unit(r));
    for (unsigned i = 0; i < GROUP_BRANDS; i++) { /* squaring favours the big brands */
        const double u = wf_random_unit(r);
        g->brands[i] = (uint16_t)(u * u * TOOL_N_BRANDS);
    }
    for (unsigned i = 0; i < GROUP_COLOURS; i++) {
        const double u = wf_random_unit(r);
        g->colours[i] = (uint16_t)(u * u * TOOL_N_COLOURS);
    }
}

static void make_groups(struct tool_shop *shop)
{
    double categories[TOOL_N_CATEGORIES], weight = 0, total = 0;
    for (uint32_t c = 0; c < TOOL_N_CATEGORIES; c++) {
        total += (double)tool_categories[c].share;
    }
    for (uint32_t c = 0; c < TOOL_N_CATEGORIES; c++) {
        weight += (double)tool_categories[c].share / total;
        categories[c] = weight;
    }
    shop->groups = wf_xarray(struct group, shop->n_groups);
    shop->group_cumulative = wf_xarray(double, shop->n_groups);
    total = 0;
    for (uint32_t g = 0; g < shop->n_groups; g++) {
        struct wf_random r = wf_random_of(tool_synth_seed(shop->seed, FOR_GROUPS), g);
        fill_group(&shop->groups[g], &r, categories);
        total += pow(g + 3.0, -group_exponent);
        shop->group_cumulative[g] = total;
    }
    uint64_t start = 0; /* every group has an item: n_groups <= n */
    const double spare = (double)(shop->n - shop->n_groups);
    for (uint32_t g = 0; g < shop->n_groups; g++) {
        shop->group_cumulative[g] /= total;
        const uint64_t end = g + 1 == shop->n_groups
                                 ? shop->n
                                 : g + 1 + (uint64_t)(shop->group_cumulative[g] * spare);
        shop->groups[g].start = start;
        shop->groups[g].size = end - start;
        start = end;
    }
    shop->group_cumulative[shop->n_groups - 1] = 1;
}

static void make_permutation(struct tool_shop *shop)
{
    struct wf_random r = wf_random_of(tool_synth_seed(shop->seed, FOR_SPREAD), 0);
    for (unsigned i = 0; i < 4; i++) {
        shop->keys[i] = wf_random_next(&r);
    }
    shop->half_bits = 1;
    while (UINT64_C(1) << (2 * shop->half_bits) < shop->n) {
        shop->half_bits++;
    }
}

/*
 * Up to 50,000 items so wide that lists overlap as in real catalogs: of 256, 8 hold .96 of the ten
 * nearest. A larger shop has more of the same (sizes, washes, re-issues), so its items lie closer
 * about their groups; of a million in 2,048 lists, 16 hold .98 of the hundred nearest, about what
 * other clustered sets of that size show.
 */
static double noise_of(uint64_t items)
{
    return items <= FEW_ITEMS ? 1.2 : 1.2 * pow((double)FEW_ITEMS / (double)items, 0.2);
}

struct tool_shop *tool_shop_create(uint64_t items, uint32_t dim, uint64_t seed)
{
    wf_assert(items >= 1 && dim >= 1 && dim <= WF_DIM_MAX);
    struct tool_shop *shop = wf_xarray(struct tool_shop, 1);
    shop->n = items;
    shop->seed = seed;
    shop->items_seed = tool_synth_seed(seed, FOR_ITEMS);
    shop->dim = dim;
    shop->noise = noise_of(items);
    shop->file = -1;
    shop->failed = wf_xarray(_Atomic bool, 1);
    uint64_t groups = items / ITEMS_PER_GROUP;
    groups = groups < TOOL_N_CATEGORIES ? TOOL_N_CATEGORIES : groups;
    groups = groups > GROUPS_MAX ? GROUPS_MAX : groups;
    shop->n_groups = (uint32_t)(groups > items ? items : groups);
    shop->n_blocks = (dim + ROTATED - 1) / ROTATED;
    shop->block = (dim + shop->n_blocks - 1) / shop->n_blocks;
    fill_spectrum(shop);
    shop->categories = make_centres(shop, TOOL_N_CATEGORIES, 0, 0.8);
    shop->centres = make_centres(shop, shop->n_groups, 1, 0.7);
    shop->brands = make_centres(shop, TOOL_N_BRANDS, 2, 0.25);
    shop->colours = make_centres(shop, TOOL_N_COLOURS, 3, 0.25);
    make_rotation(shop);
    make_groups(shop);
    make_permutation(shop);
    for (uint32_t b = 0; b < TOOL_N_BRANDS; b++) {
        struct wf_random r = wf_random_of(tool_synth_seed(seed, FOR_BRANDS), b);
        shop->brand_price[b] = (float)exp(0.35 * wf_random_normal(&r));
    }
    return shop;
}

void tool_shop_destroy(struct tool_shop *shop)
{
    if (!shop) {
        return;
    }
    if (shop->file >= 0) {
        close(shop->file);
    }
    wf_xfree((void *)shop->failed);
    wf_xfree(shop->groups);
    wf_xfree(shop->group_cumulative);
    wf_xfree(shop->spectrum);
    wf_xfree(shop->categories);
    wf_xfree(shop->centres);
    wf_xfree(shop->brands);
    wf_xfree(shop->colours);
    wf_xfree(shop->rotation);
    wf_xfree(shop);
}

/* ---- items ---- */

struct item {
    uint32_t group, category, brand, colour, cut;
    const char *gender, *season;
    float price, launch_day;
    bool in_stock;
};

static uint32_t group_of(const struct tool_shop *shop, uint64_t position)
{
    uint32_t low = 0, high = shop->n_groups - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        if (shop->groups[middle].start <= position) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

static const char *pick_gender(unsigned genders, struct wf_random *r)
{
    static const struct {
        unsigned bit;
        const char *name;
        double share;
    } kinds[] = {{TOOL_WOMEN, "Women", 0.52}, {TOOL_MEN, "Men", 0.34}, {TOOL_KIDS, "Kids", 0.14}};
    double total = 0;
    for (unsigned i = 0; i < 3; i++) {
        total += genders & kinds[i].bit ? kinds[i].share : 0;
    }
    double u = wf_random_unit(r) * total;
    const char *name = kinds[0].name;
    for (unsigned i = 0; i < 3; i++) {
        if (genders & kinds[i].bit) {
            name = kinds[i].name;
            u -= kinds[i].share;
            if (u < 0) {
                break;
            }
        }
    }
    return name;
}

/* By launch: what comes in February is for spring; a quarter of all is for any time. */
static const char *season_of(float launch_day, struct wf_random *r)
{
    static const char *const seasons[] = {"Spring", "Summer", "Fall", "Winter"};
    if (wf_random_unit(r) < 0.25) {
        return "All Year";
    }
    const unsigned day_of_year = (unsigned)fmodf(launch_day + 10, 365.25F);
    return seasons[day_of_year / 92 % 4];
}

/* All but the vector; leaves *r where the vector's numbers begin. */
static void make_item(const struct tool_shop *shop, uint64_t i, struct wf_random *r,
                      struct item *out)
{
    *r = wf_random_of(shop->items_seed, i);
    const uint32_t g = group_of(shop, permute(shop, i, false));
    const struct group *group = &shop->groups[g];
    const struct tool_category *c = &tool_categories[group->category];
    *out = (struct item){.group = g, .category = group->category};
    out->brand = wf_random_unit(r) < 0.85 ? group->brands[wf_random_below(r, GROUP_BRANDS)]
                                          : (uint32_t)wf_random_below(r, TOOL_N_BRANDS);
    out->colour = wf_random_unit(r) < 0.75 ? group->colours[wf_random_below(r, GROUP_COLOURS)]
                                           : (uint32_t)wf_random_below(r, TOOL_N_COLOURS);
    out->cut = (uint32_t)wf_random_below(r, TOOL_N_CUTS);
    out->gender = pick_gender(c->genders, r);
    const double factor = exp((double)c->spread * wf_random_normal(r));
    const double price = (double)c->price * (double)shop->brand_price[out->brand] * factor;
    out->price = (float)(floor(fmin(fmax(price, 1), 5000)) + 0.99);
    const double age = OLDEST * pow(wf_random_unit(r), 1.6);
    const int64_t week = (LAST_DAY - (int64_t)age) / 7; /* weekly drops */
    out->launch_day = (float)(7 * week);
    out->season = season_of(out->launch_day, r);
    out->in_stock = wf_random_unit(r) < 0.93;
}

static void make_vector(const struct tool_shop *shop, const struct item *item, struct wf_random *r,
                        float *vector)
{
    const uint32_t d = shop->dim;
    const float *category = shop->categories + (size_t)item->category * d;
    const float *centre = shop->centres + (size_t)item->group * d;
    const float *brand = shop->brands + (size_t)item->brand * d;
    const float *colour = shop->colours + (size_t)item->colour * d;
    const float noise = (float)(shop->noise * exp(0.3 * wf_random_normal(r)));
    float z[WF_DIM_MAX + ROTATED] = {0};
    for (uint32_t j = 0; j < d; j++) {
        z[j] = category[j] + centre[j] + brand[j] + colour[j] +
               noise * shop->spectrum[j] * (float)wf_random_normal(r);
    }
    const size_t area = (size_t)shop->block * shop->block;
    for (uint32_t j = 0; j < d; j++) {
        const uint32_t b = j / shop->block;
        const float *row = shop->rotation + b * area + (size_t)(j % shop->block) * shop->block;
        vector[j] = wf_dot(row, z + (size_t)b * shop->block, shop->block);
    }
    if (!wf_normalise(vector, d)) {
        vector[0] = 1; /* a zero vector has probability zero; stay total */
    }
}

static void sku_of(uint64_t i, char sku[WF_SKU_MAX + 1])
{
    snprintf(sku, WF_SKU_MAX + 1, "%09llu", (unsigned long long)i);
}

enum attribute {
    TITLE,
    MASTER,
    SUB,
    CATEGORY,
    GENDER,
    BRAND,
    COLOUR,
    SEASON,
    PRICE,
    LAUNCH,
    STOCK
};
static const struct wf_attr attributes[] = {
    [TITLE] = {"title", WF_ATTR_TEXT},        [MASTER] = {"department", WF_ATTR_KEYWORD},
    [SUB] = {"subcategory", WF_ATTR_KEYWORD}, [CATEGORY] = {"category", WF_ATTR_KEYWORD},
    [GENDER] = {"gender", WF_ATTR_KEYWORD},   [BRAND] = {"brand", WF_ATTR_KEYWORD},
    [COLOUR] = {"colour", WF_ATTR_KEYWORD},   [SEASON] = {"season", WF_ATTR_KEYWORD},
    [PRICE] = {"price", WF_ATTR_NUMBER},      [LAUNCH] = {"launch_day", WF_ATTR_NUMBER},
    [STOCK] = {"in_stock", WF_ATTR_FLAG},
};
enum { N_ATTRIBUTES = sizeof attributes / sizeof *attributes };

void tool_shop_item(const struct tool_shop *shop, uint64_t i, struct tool_text *line, float *vector)
{
    struct wf_random r;
    struct item item;
    char sku[WF_SKU_MAX + 1], brand[32], title[128];
    make_item(shop, i, &r, &item);
    const struct tool_category *c = &tool_categories[item.category];
    snprintf(brand, sizeof brand, "%s%s", tool_brand_heads[item.brand / 15],
             tool_brand_tails[item.brand % 15]);
    snprintf(title, sizeof title, "%s %s %s %s %s", brand, item.gender, tool_colours[item.colour],
             tool_cuts[item.cut], c->name);
    const struct tool_value values[N_ATTRIBUTES] = {
        [TITLE] = {.text = title},
        [MASTER] = {.text = c->master},
        [SUB] = {.text = c->sub},
        [CATEGORY] = {.text = c->name},
        [GENDER] = {.text = item.gender},
        [BRAND] = {.text = brand},
        [COLOUR] = {.text = tool_colours[item.colour]},
        [SEASON] = {.text = item.season},
        [PRICE] = {.number = item.price},
        [LAUNCH] = {.number = item.launch_day},
        [STOCK] = {.flag = item.in_stock},
    };
    struct wf_schema schema; /* only names and types are read */
    memcpy(schema.attrs, attributes, sizeof attributes);
    schema.n_attrs = N_ATTRIBUTES;
    sku_of(i, sku);
    tool_item_encode(&schema, sku, values, line);
    make_vector(shop, &item, &r, vector);
}

void tool_shop_schema(const struct tool_shop *shop, struct wf_schema *out)
{
    static const char *const roles[WF_N_ROLES] = {
        [WF_ROLE_TITLE] = "title",    [WF_ROLE_CATEGORY] = "category",
        [WF_ROLE_BRAND] = "brand",    [WF_ROLE_COLOUR] = "colour",
        [WF_ROLE_PRICE] = "price",    [WF_ROLE_LAUNCH] = "launch_day",
        [WF_ROLE_SEGMENT] = "gender", [WF_ROLE_STOCK] = "in_stock",
    };
    memset(out, 0, sizeof *out);
    memcpy(out->attrs, attributes, sizeof attributes);
    out->n_attrs = N_ATTRIBUTES;
    for (unsigned i = 0; i < WF_N_ROLES; i++) {
        snprintf(out->roles[i], sizeof out->roles[i], "%s", roles[i]);
    }
    struct wf_space *space = &out->spaces[out->n_spaces++];
    space->dim = shop->dim;
    space->metric = WF_METRIC_COSINE;
    snprintf(space->name, sizeof space->name, "style");
    snprintf(space->content_id, sizeof space->content_id, "synth-style-%llu-%u",
             (unsigned long long)shop->seed, shop->dim);
    snprintf(out->description, sizeof out->description,
             "Synthetic fashion shop: %llu items, seed %llu", (unsigned long long)shop->n,
             (unsigned long long)shop->seed);
}

/* ---- as a market ---- */

/* Inverse of the distribution of a power law over places, in closed form. */
static uint64_t draw(const void *ctx, uint32_t group, double u)
{
    const struct tool_shop *shop = ctx;
    const struct group *g = &shop->groups[group];
    const double power = 1 - place_exponent;
    const double low = pow(place_offset, power);
    const double high = pow(place_offset + (double)g->size, power);
    uint64_t place = (uint64_t)(pow(low + u * (high - low), 1 / power) - place_offset);
    place = place < g->size ? place : g->size - 1;
    return permute(shop, g->start + place, true);
}

static void look(const void *ctx, uint64_t i, struct tool_good *out)
{
    struct wf_random r;
    struct item item;
    make_item(ctx, i, &r, &item);
    out->price = item.price;
    out->launch_day = item.launch_day;
    out->brand = item.brand;
    out->colour = item.colour;
}

static void name(const void *ctx, uint64_t i, char sku[WF_SKU_MAX + 1])
{
    (void)ctx;
    sku_of(i, sku);
}

static bool read_vector(const void *ctx, uint64_t i, float *out)
{
    const struct tool_shop *shop = ctx;
    const size_t size = shop->dim * sizeof(float);
    if (pread(shop->file, out, size, (off_t)(TOOL_NPY_HEADER + i * size)) != (ssize_t)size) {
        atomic_store(shop->failed, true);
        return false;
    }
    return true;
}

enum wf_code tool_shop_check(const struct tool_shop *shop, struct wf_error *err)
{
    return atomic_load(shop->failed)
               ? wf_fail(err, WF_INTERNAL, "cannot read back the vectors just written")
               : WF_OK;
}

enum wf_code tool_shop_market(struct tool_shop *shop, const char *npy, struct tool_market *out,
                              struct wf_error *err)
{
    if (npy) {
        shop->file = open(npy, O_RDONLY | O_CLOEXEC);
        if (shop->file < 0) {
            return wf_fail(err, WF_INTERNAL, "%s: %s", npy, strerror(errno));
        }
    }
    *out = (struct tool_market){.ctx = shop,
                                .n_groups = shop->n_groups,
                                .group_cumulative = shop->group_cumulative,
                                .draw = draw,
                                .look = look,
                                .name = name,
                                .vector = npy ? read_vector : NULL,
                                .dim = shop->dim,
                                .first_day = LAST_DAY - SHOPPING_DAYS,
                                .last_day = LAST_DAY};
    return WF_OK;
}

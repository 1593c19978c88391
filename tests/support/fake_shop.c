/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_shop.c - see fake_shop.h.
 */
#include "tests/support/fake_shop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "tests/support/fake_narrow.h"
#include "tests/support/wire_text.h"

const char fake_model[] =
    "{\"learner\":{\"feature_names\":[\"price\",\"retrieval_score\"],\"gradient_booster\":{"
    "\"model\":{\"tree_info\":[0],\"trees\":[{\"left_children\":[1,-1,3,-1,-1],"
    "\"right_children\":[2,-1,4,-1,-1],\"split_conditions\":[30,1,60,0,-1],"
    "\"split_indices\":[0,0,0,0,0],\"default_left\":[1,0,0,0,0]}]},\"name\":\"gbtree\"},"
    "\"learner_model_param\":{\"base_score\":\"0E0\",\"num_class\":\"0\",\"num_feature\":\"2\"},"
    "\"objective\":{\"name\":\"rank:pairwise\"}},\"version\":[1,7,4]}";

/* ---- the shop ---- */

static void draw_item(struct fake_item *item, uint32_t i, uint32_t n_shards, struct wf_random *r)
{
    snprintf(item->sku, sizeof item->sku, "sku%04u", i);
    item->shard = wf_shard_of(item->sku, strlen(item->sku), n_shards);
    item->category = (uint32_t)wf_random_below(r, FAKE_CATEGORIES);
    item->brand = (uint32_t)wf_random_below(r, 3);
    item->colour = (uint32_t)wf_random_below(r, 3);
    item->price = (float)wf_random_below(r, 90) + 1;
    for (unsigned d = 0; d < FAKE_DIM; d++) {
        item->vector[d] = (float)wf_random_below(r, 5) - 2;
    }
    item->vector[0] += 5; /* nobody is zero */
}

static void describe(struct wf_schema *s, enum wf_metric_space metric)
{
    static const struct wf_attr attrs[] = {
        {"category", WF_ATTR_KEYWORD}, {"brand", WF_ATTR_KEYWORD}, {"colour", WF_ATTR_KEYWORD},
        {"price", WF_ATTR_NUMBER},     {"in_stock", WF_ATTR_FLAG}, {"title", WF_ATTR_TEXT}};
    memcpy(s->attrs, attrs, sizeof attrs);
    s->n_attrs = sizeof attrs / sizeof attrs[0];
    s->spaces[0] =
        (struct wf_space){.name = "v", .content_id = "v-1", .dim = FAKE_DIM, .metric = metric};
    s->n_spaces = 1;
    snprintf(s->roles[WF_ROLE_CATEGORY], WF_NAME_MAX, "category");
    snprintf(s->roles[WF_ROLE_BRAND], WF_NAME_MAX, "brand");
    snprintf(s->roles[WF_ROLE_COLOUR], WF_NAME_MAX, "colour");
}

/* Popular is what comes first in the catalog. */
static void list_popular(struct fake_shop *s)
{
    struct coord_popularity *p = wf_xarray(struct coord_popularity, 2);
    p[0].n = s->n < 60 ? s->n : 60;
    p[1].n = s->n < 10 ? s->n : 10;
    snprintf(p[1].segment, sizeof p[1].segment, "Women");
    for (unsigned i = 0; i < 2; i++) {
        uint32_t *offsets = wf_xarray(uint32_t, (size_t)p[i].n + 1);
        uint32_t *counts = wf_xarray(uint32_t, p[i].n);
        char *bytes = wf_xmalloc((size_t)p[i].n * sizeof s->items->sku);
        for (uint32_t j = 0; j < p[i].n; j++) {
            size_t size = strlen(s->items[j].sku);
            memcpy(bytes + offsets[j], s->items[j].sku, size);
            offsets[j + 1] = offsets[j] + (uint32_t)size;
            counts[j] = 1000 - j;
        }
        p[i].offsets = offsets;
        p[i].counts = counts;
        p[i].bytes = bytes;
    }
    s->global.popularity = p;
    s->global.n_popularity = 2;
}

struct fake_shop *fake_shop_create(uint64_t seed, uint32_t n_items, uint32_t n_shards,
                                   enum wf_metric_space metric, const char *model)
{
    struct fake_shop *s = wf_xarray(struct fake_shop, 1);
    struct wf_random r = wf_random_of(seed, 1);
    s->items = wf_xarray(struct fake_item, n_items);
    s->shard_rows = wf_xarray(uint64_t, n_shards);
    s->n = n_items;
    s->n_shards = n_shards;
    s->metric = metric;
    for (uint32_t i = 0; i < n_items; i++) {
        draw_item(&s->items[i], i, n_shards, &r);
        s->shard_rows[s->items[i].shard]++;
    }
    snprintf(s->manifest.name, sizeof s->manifest.name, "%s", FAKE_GENERATION);
    s->manifest.n_shards = n_shards;
    s->manifest.rows = n_items;
    s->manifest.shard_rows = s->shard_rows;
    describe(&s->manifest.schema, metric);
    s->global.manifest = &s->manifest;
    snprintf(s->global.model, sizeof s->global.model, "none");
    list_popular(s);
    wf_assert(coord_surfaces_read("", &s->surfaces, NULL) == WF_OK);
    if (model) {
        struct wf_error err;
        wf_assert(rank_forest_parse(model, strlen(model), &s->global.ranker, &err) == WF_OK);
        rank_forest_hash(s->global.ranker, s->global.model);
        s->global.binding = rank_binding_create(rank_forest_names(s->global.ranker),
                                                rank_forest_features(s->global.ranker));
    }
    return s;
}

void fake_shop_destroy(struct fake_shop *s)
{
    for (unsigned i = 0; i < s->global.n_popularity; i++) {
        wf_xfree((void *)s->global.popularity[i].offsets);
        wf_xfree((void *)s->global.popularity[i].counts);
        wf_xfree((void *)s->global.popularity[i].bytes);
    }
    rank_binding_destroy(s->global.binding);
    rank_forest_destroy(s->global.ranker);
    wf_xfree(s->global.popularity);
    wf_xfree(s->shard_rows);
    wf_xfree(s->items);
    wf_xfree(s);
}

/* ---- garbage ---- */

/* SearchResponse: 1 generation, 2 documents, 3 source {1 SKU bytes, 2 sizes, 3 scores, 4 features,
 * 5 vectors, 7 attribute, 8 asked, 10 planned, 11 done}, 4 dimension. */
#define G "1:'" FAKE_GENERATION "' 2:9 "
static const struct {
    const char *name, *text;
} garbage[] = {
    {"no source", G},
    {"a source too many", G "3:{} 3:{}"},
    {"another generation", "1:'0000000000000000' 2:9 3:{}"},
    {"no generation", "2:9 3:{}"},
    {"score NaN", G "3:{1:'ab' 2:<1 1> 3:[2 nan]}"},
    {"score infinite", G "3:{1:'ab' 2:<1 1> 3:[inf 1]}"},
    {"scores rising", G "3:{1:'ab' 2:<1 1> 3:[1 2]}"},
    {"ties out of SKU order", G "3:{1:'ba' 2:<1 1> 3:[1 1]}"},
    {"a SKU twice", G "3:{1:'aa' 2:<1 1> 3:[1 1]}"},
    {"more rows than asked", G "3:{1:'a'*5000 2:<1>*5000 3:[1]*5000}"},
    {"an empty SKU", G "3:{1:'a' 2:<0 1> 3:[2 1]}"},
    {"a SKU of 65 bytes", G "3:{1:'a'*65 2:<65> 3:[1]}"},
    {"SKU sizes beyond the bytes", G "3:{1:'ab' 2:<1 9> 3:[2 1]}"},
    {"bytes without a SKU", G "3:{1:'abc' 2:<1 1> 3:[2 1]}"},
    {"a NUL in a SKU", G "3:{1:'a\\0' 2:<2> 3:[1]}"},
    {"a SKU that is not UTF-8", G "3:{1:'\\xff' 2:<1> 3:[1]}"},
    {"fewer scores than SKUs", G "3:{1:'ab' 2:<1 1> 3:[1]}"},
    {"features nobody asked for", G "3:{1:'a' 2:<1> 3:[1] 4:[1]}"},
    {"vectors nobody asked for", G "3:{1:'a' 2:<1> 3:[1] 5:'0123456789abcdef'} 4:8"},
    {"more parts done than planned", G "3:{10:1 11:2}"},
    {"an attribute nobody asked for", G "3:{1:'a' 2:<1> 3:[1] 7:{1:'x' 4:[1]}}"},
    {"a probe answered as a lookup", G "3:{1:'a' 2:<1> 3:[1] 8:<0>}"},
};

uint32_t fake_n_garbage(void)
{
    return sizeof garbage / sizeof garbage[0];
}

const char *fake_garbage_name(uint32_t i)
{
    return garbage[i].name;
}

const ProtobufCMessage *fake_garbage(uint32_t i, struct wf_arena *arena)
{
    size_t size = 0;
    const unsigned char *data = wire_text(arena, garbage[i].text, &size);
    return wire_decode(arena, wire_method(WIRE_SEARCH)->response, data, size);
}

/* ---- answers ---- */

/* Rows found, before they become columns. */
struct found {
    const struct fake_item *item;
    float score;
    uint32_t asked;
};

/* A probe's rows of one shard. */
static uint32_t search(const struct fake_shop *s, uint32_t mask, const float *q,
                       const struct fake_narrow *w, struct found *out)
{
    struct fake_scored *rows = wf_xarray(struct fake_scored, s->n);
    const uint32_t n = fake_search(s, mask, q, w, rows);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (struct found){.item = rows[i].item, .score = rows[i].score};
    }
    wf_xfree(rows);
    return n;
}

/* Lookups answer with what is left, too. */
static uint32_t leave(const struct fake_narrow *w, struct found *rows, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (fake_admits(w, rows[i].item)) {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

static uint32_t look_up(const struct fake_shop *s, uint32_t shard, const char *const *skus,
                        uint32_t n_skus, struct found *out)
{
    uint32_t n = 0;
    for (uint32_t a = 0; a < n_skus; a++) {
        for (uint32_t i = 0; i < s->n; i++) {
            if (s->items[i].shard == shard && strcmp(s->items[i].sku, skus[a]) == 0) {
                out[n++] = (struct found){.item = &s->items[i], .asked = a};
            }
        }
    }
    return n;
}

/* Row i of a shard is its i-th item. */
static uint32_t look_up_rows(const struct fake_shop *s, uint32_t shard, const uint32_t *rows,
                             uint32_t n_rows, struct found *out)
{
    uint32_t n = 0;
    for (uint32_t a = 0; a < n_rows; a++) {
        uint32_t row = 0;
        for (uint32_t i = 0; i < s->n; i++) {
            if (s->items[i].shard == shard && row++ == rows[a]) {
                out[n++] = (struct found){.item = &s->items[i], .asked = a};
            }
        }
    }
    return n;
}

static float feature_of(const struct fake_item *item, uint32_t id)
{
    switch (id) {
    case RANK_PRICE:
        return item->price;
    case RANK_CATEGORY_CODE:
        return (float)item->category;
    default:
        return NAN;
    }
}

static const char *const words[] = {"w0", "w1", "w2", "w3", "w4"};

static void put_attribute(struct wire_column *c, const char *name, const struct found *rows,
                          uint32_t n, struct wf_arena *arena)
{
    uint32_t *codes = wf_array(arena, uint32_t, n);
    float *numbers = wf_array(arena, float, n);
    uint8_t *flags = wf_array(arena, uint8_t, n);
    char *text = wf_array(arena, char, (size_t)n * 8);
    const bool is_price = strcmp(name, "price") == 0;
    c->name = name;
    c->kind = is_price                        ? WIRE_COLUMN_NUMBER
              : strcmp(name, "in_stock") == 0 ? WIRE_COLUMN_FLAG
              : strcmp(name, "title") == 0    ? WIRE_COLUMN_TEXT
                                              : WIRE_COLUMN_KEYWORD;
    for (uint32_t i = 0; i < n; i++) {
        const struct fake_item *item = rows[i].item;
        numbers[i] = item->price;
        flags[i] = (uint8_t)(item->category % 3);
        memcpy(text + (size_t)i * 7, item->sku, 7);
        codes[i] = strcmp(name, "category") == 0 ? item->category
                   : strcmp(name, "brand") == 0  ? item->brand
                                                 : item->colour;
    }
    c->dictionary = words;
    c->n_dictionary = FAKE_CATEGORIES;
    c->codes = codes;
    c->numbers = numbers;
    c->flags = flags;
    c->text = text;
    uint32_t *sizes = wf_array(arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++) {
        sizes[i] = 7;
    }
    c->text_sizes = sizes;
}

static void put_attributes(struct wire_columns *c, const char *const *names, uint32_t n_names,
                           const struct found *rows, struct wf_arena *arena)
{
    static const char *const all[] = {"category", "brand", "colour", "price", "in_stock", "title"};
    if (n_names == 1 && strcmp(names[0], "*") == 0) {
        names = all;
        n_names = 6;
    }
    struct wire_column *columns = wf_array(arena, struct wire_column, n_names);
    for (uint32_t i = 0; i < n_names; i++) {
        put_attribute(&columns[i], names[i], rows, c->n, arena);
    }
    c->attributes = columns;
    c->n_attributes = n_names;
}

static void put_rows(struct wire_columns *c, const struct found *rows, uint32_t n,
                     struct wf_arena *arena)
{
    char *bytes = wf_array(arena, char, (size_t)n * 16);
    uint32_t *sizes = wf_array(arena, uint32_t, n);
    float *scores = wf_array(arena, float, n);
    uint32_t *asked = wf_array(arena, uint32_t, n);
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        sizes[i] = (uint32_t)strlen(rows[i].item->sku);
        memcpy(bytes + at, rows[i].item->sku, sizes[i]);
        at += sizes[i];
        scores[i] = rows[i].score;
        asked[i] = rows[i].asked;
    }
    *c = (struct wire_columns){.n = n,
                               .sku_bytes = bytes,
                               .sku_sizes = sizes,
                               .scores = scores,
                               .asked = asked,
                               .scanned = n,
                               .parts_planned = 4,
                               .parts_done = 4};
}

static void put_vectors(struct wire_columns *c, const struct found *rows, enum wire_encoding how,
                        struct wf_arena *arena)
{
    size_t size = how == WIRE_FP16 ? sizeof(uint16_t) : sizeof(float);
    unsigned char *data = wf_arena_alloc64(arena, (size_t)c->n * FAKE_DIM * size + 1);
    for (uint32_t i = 0; i < c->n; i++) {
        unsigned char *to = data + (size_t)i * FAKE_DIM * size;
        if (how == WIRE_FP16) {
            wf_float_to_half(rows[i].item->vector, (void *)to, FAKE_DIM);
        } else {
            memcpy(to, rows[i].item->vector, sizeof rows[i].item->vector);
        }
    }
    c->vectors = data;
}

static void put_source(const struct wire_search_request *rq, struct wire_columns *c,
                       const struct found *rows, uint32_t n, struct wf_arena *arena)
{
    put_rows(c, rows, n, arena);
    put_attributes(c, rq->attributes, rq->n_attributes, rows, arena);
    if (rq->n_features) {
        float *features = wf_array(arena, float, (size_t)n * rq->n_features);
        for (uint32_t i = 0; i < n * rq->n_features; i++) {
            features[i] =
                feature_of(rows[i / rq->n_features].item, rq->features[i % rq->n_features]);
        }
        c->features = features;
    }
    if (rq->want_vectors) {
        put_vectors(c, rows, rq->encoding, arena);
    }
}

/* Every second row and half of the parts. */
static uint32_t cut(struct found *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        rows[i] = rows[2 * i];
    }
    return n / 2;
}

static uint64_t n_matching(const struct fake_shop *s, uint32_t shard,
                           const struct wf_filter *filter)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        n += s->items[i].shard == shard && fake_matches(filter, &s->items[i]);
    }
    return n;
}

static const ProtobufCMessage *answer_search(const struct fake_shop *s, uint32_t shard,
                                             const struct wire_search_request *rq,
                                             struct fake_narrow *w, bool cut_short,
                                             struct wf_arena *arena)
{
    struct found *rows = wf_array(arena, struct found, s->n);
    struct wire_columns *sources =
        wf_array(arena, struct wire_columns, rq->n_probes + rq->n_lookups);
    for (uint32_t i = 0; i < rq->n_probes; i++) {
        w->negatives = rq->probes[i].negatives;
        w->n_negatives = rq->probes[i].n_negatives;
        w->weight = rq->probes[i].negative_weight;
        uint32_t n = search(s, 1U << shard, rq->probes[i].vector, w, rows);
        n = cut_short ? cut(rows, n) : n;
        put_source(rq, &sources[i], rows, n < rq->probes[i].k ? n : rq->probes[i].k, arena);
        sources[i].asked = NULL;
        sources[i].parts_done = cut_short ? 2 : 4;
    }
    for (uint32_t i = 0; i < rq->n_lookups; i++) {
        const struct wire_lookup *l = &rq->lookups[i];
        uint32_t n = l->rows ? look_up_rows(s, shard, l->rows, l->n_rows, rows)
                             : look_up(s, shard, l->skus, l->n_skus, rows);
        n = leave(w, rows, n);
        put_source(rq, &sources[rq->n_probes + i], rows, n, arena);
    }
    const struct wire_search_response reply = {
        .generation = FAKE_GENERATION,
        .documents = s->shard_rows[shard],
        .matched = n_matching(s, shard, w->filter),
        .sources = sources,
        .n_sources = rq->n_probes + rq->n_lookups,
        .vector_dim = rq->want_vectors ? FAKE_DIM : 0,
    };
    return wire_resend(arena, wire_search_response_message(&reply, rq, arena));
}

static const ProtobufCMessage *answer_fetch(const struct fake_shop *s, uint32_t shard,
                                            const struct wire_fetch_request *rq,
                                            struct wf_arena *arena)
{
    struct found *rows = wf_array(arena, struct found, s->n);
    struct wire_fetch_response reply = {.generation = FAKE_GENERATION, .vector_dim = FAKE_DIM};
    uint32_t n = look_up(s, shard, rq->skus, rq->n_skus, rows);
    put_rows(&reply.items, rows, n, arena);
    put_attributes(&reply.items, rq->attributes, rq->n_attributes, rows, arena);
    put_vectors(&reply.items, rows, WIRE_FLOAT32, arena);
    return wire_resend(arena, wire_fetch_response_message(&reply, arena));
}

static const ProtobufCMessage *answer_stats(const struct fake_shop *s, uint32_t shard,
                                            struct wf_arena *arena)
{
    struct wire_generation_stats g = {.name = FAKE_GENERATION, .documents = s->shard_rows[shard]};
    const struct wire_stats stats = {.shard = shard,
                                     .n_shards = s->n_shards,
                                     .incarnation = 1,
                                     .cpu_us = (shard + 1) * FAKE_CPU_US,
                                     .generations = &g,
                                     .n_generations = 1};
    return wire_resend(arena, wire_stats_message(&stats, arena));
}

const ProtobufCMessage *fake_shard_answer(const struct fake_shop *s, uint32_t shard,
                                          enum wire_method method, const ProtobufCMessage *msg,
                                          bool cut_short, struct wf_arena *arena,
                                          struct wf_error *err)
{
    if (method == WIRE_STATS) {
        return answer_stats(s, shard, arena);
    }
    if (method == WIRE_FETCH) {
        struct wire_fetch_request rq;
        enum wf_code code = wire_fetch_request_read(msg, arena, &rq, err);
        return code == WF_OK ? answer_fetch(s, shard, &rq, arena) : NULL;
    }
    struct wire_search_request rq;
    if (wire_search_request_read(msg, arena, &rq, err) != WF_OK) {
        return NULL;
    }
    if (rq.n_probes && rq.probes[0].effort.kind == WIRE_EFFORT_EF) {
        wf_invalid(err, "UNSUPPORTED", "probes[0].ef_search", "the index is Flat and takes none");
        return NULL;
    }
    struct wf_filter *filter = NULL;
    if (rq.filter[0] && wf_filter_parse(rq.filter, &s->manifest.schema, &filter, err) != WF_OK) {
        return NULL;
    }
    struct fake_narrow w = {.filter = filter,
                            .exclude = rq.exclude,
                            .n_exclude = rq.n_exclude,
                            .group_by = rq.group_by,
                            .group_max = rq.group_max};
    const ProtobufCMessage *reply = answer_search(s, shard, &rq, &w, cut_short, arena);
    wf_filter_close(filter);
    return reply;
}

uint32_t fake_brute_force(const struct fake_shop *s, uint32_t mask, const float *query, uint32_t k,
                          const struct fake_item **out, float *scores)
{
    const struct fake_narrow all = {0};
    struct fake_scored *rows = wf_xarray(struct fake_scored, s->n);
    uint32_t n = fake_search(s, mask, query, &all, rows);
    n = n < k ? n : k;
    for (uint32_t i = 0; i < n; i++) {
        out[i] = rows[i].item;
        scores[i] = rows[i].score;
    }
    wf_xfree(rows);
    return n;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_columns_test.c - what a shard answers besides scores: SKUs, features, attributes, vectors
 * in every encoding, lookups and Fetch; and every bad request by code, reason and field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "base/epoch.h"
#include "ranking/features.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 500, DIM = 20 };
static const uint64_t seed = 99;

struct fixture {
    struct catalog *c;
    struct shard *s; /* IVF8,SQfp16 */
    struct wf_arena arena;
};
static struct fixture fx;

static int setup(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = ROWS, .dim = DIM, .metric = WF_METRIC_COSINE, .clusters = 10, .seed = seed};
    fx.c = catalog_make(&shape);
    fx.s = catalog_open(fx.c, "IVF8,SQfp16", 0, 1);
    wf_arena_init(&fx.arena, 16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shard_close(fx.s);
    catalog_free(fx.c);
    wf_arena_fini(&fx.arena);
    return 0;
}

static struct wire_search_request empty(void)
{
    return (struct wire_search_request){
        .generation = "test", .request_id = "", .filter = "", .vector_space = ""};
}

static void ask(const struct wire_search_request *rq, struct wire_search_response *out)
{
    struct wf_error err;
    wf_arena_reset(&fx.arena);
    if (shard_search(fx.s, rq, INT64_MAX, &fx.arena, out, &err) != WF_OK) {
        fail_msg("%s: %s", err.reason, err.text);
    }
}

/* Item numbers of the SKUs in a column. */
static size_t item_of(const char *sku, uint32_t size)
{
    for (size_t i = 0; i < fx.c->table.n; i++) {
        if (strlen(fx.c->table.skus[i]) == size && memcmp(fx.c->table.skus[i], sku, size) == 0) {
            return i;
        }
    }
    fail_msg("sku %.*s is not in the catalog", (int)size, sku);
    return 0;
}

static void assert_attributes(const struct wire_columns *col, uint32_t i, size_t item)
{
    const struct wf_column *columns = fx.c->table.columns;
    const uint32_t code = col->attributes[0].codes[i], want = columns[0].codes[item];
    assert_int_equal(code == WF_NO_CODE, want == WF_NO_CODE);
    if (code != WF_NO_CODE) {
        assert_true(code < col->attributes[0].n_dictionary);
        assert_string_equal(col->attributes[0].dictionary[code], columns[0].dictionary[want]);
    }
    assert_memory_equal(&col->attributes[1].numbers[i], &columns[1].numbers[item], sizeof(float));
    assert_int_equal(col->attributes[2].flags[i], columns[2].flags[item]);
    const char *text = columns[3].texts[item] == NULL ? "" : columns[3].texts[item];
    assert_int_equal(col->attributes[3].text_sizes[i], strlen(text));
}

static void lookups_tell_everything(void **state)
{
    (void)state;
    const char *skus[] = {fx.c->table.skus[17], "unknown", fx.c->table.skus[0],
                          fx.c->table.skus[17]};
    const uint32_t rows[] = {0, ROWS, ROWS - 1, UINT32_MAX};
    const struct wire_lookup lookups[] = {{.skus = skus, .n_skus = 4}, {.rows = rows, .n_rows = 4}};
    const uint32_t features[] = {RANK_POPULARITY, RANK_PRICE};
    const char *all = "*";
    struct wire_search_request rq = empty();
    rq.lookups = lookups;
    rq.n_lookups = 2;
    rq.features = features;
    rq.n_features = 2;
    rq.attributes = &all;
    rq.n_attributes = 1;
    struct wire_search_response got;
    ask(&rq, &got);
    assert_int_equal(got.documents, ROWS);
    assert_int_equal(got.n_sources, 2);
    const struct wire_columns *col = &got.sources[0];
    assert_int_equal(col->n, 3);
    assert_int_equal(col->asked[0], 0);
    assert_int_equal(col->asked[1], 2);
    assert_int_equal(col->asked[2], 3);
    assert_int_equal(got.sources[1].n, 2);
    assert_int_equal(got.sources[1].asked[1], 2);
    for (uint32_t k = 0; k < 2; k++) {
        col = &got.sources[k];
        const char *sku = col->sku_bytes, *text = col->attributes[3].text;
        for (uint32_t i = 0; i < col->n; i++) {
            const size_t item = item_of(sku, col->sku_sizes[i]);
            sku += col->sku_sizes[i];
            assert_true(col->scores[i] == 0);
            assert_true(col->features[2 * i] == (float)item);
            assert_true(col->features[2 * i + 1] == fx.c->features[2 * item]);
            assert_attributes(col, i, item);
            if (fx.c->table.columns[3].texts[item] != NULL) {
                assert_memory_equal(text, fx.c->table.columns[3].texts[item],
                                    col->attributes[3].text_sizes[i]);
            }
            text += col->attributes[3].text_sizes[i];
        }
    }
}

static void vectors_travel_in_every_encoding(void **state)
{
    (void)state;
    static const enum wire_encoding encodings[] = {WIRE_FLOAT32, WIRE_FP16, WIRE_INT8};
    const char *skus[] = {fx.c->table.skus[4], fx.c->table.skus[5], fx.c->table.skus[6]};
    const struct wire_lookup lookup = {.skus = skus, .n_skus = 3}; /* item 5 has no vector */
    float exact[DIM];
    for (size_t e = 0; e < 3; e++) {
        struct wire_search_request rq = empty();
        rq.lookups = &lookup;
        rq.n_lookups = 1;
        rq.want_vectors = true;
        rq.encoding = encodings[e];
        struct wire_search_response got;
        ask(&rq, &got);
        const struct wire_columns *col = &got.sources[0];
        assert_int_equal(got.vector_dim, DIM);
        for (size_t i = 0; i < 3; i++) {
            memcpy(exact, fx.c->vectors[0] + (4 + i) * DIM, sizeof exact);
            if (i == 1) {
                memset(exact, 0, sizeof exact);
            } else {
                assert_true(wf_normalise(exact, DIM));
            }
            for (uint32_t j = 0; j < DIM; j++) {
                float x = 0;
                if (encodings[e] == WIRE_FLOAT32) {
                    x = ((const float *)(const void *)col->vectors)[i * DIM + j];
                } else if (encodings[e] == WIRE_FP16) {
                    wf_half_to_float((const uint16_t *)(const void *)col->vectors + i * DIM + j, &x,
                                     1);
                } else {
                    x = col->vector_scales[i] * (float)(int8_t)col->vectors[i * DIM + j];
                }
                assert_true(fabsf(x - exact[j]) < (encodings[e] == WIRE_INT8 ? 0.01F : 0.001F));
            }
        }
    }
}

/* Fetch is lossless: scoring what it gives equals the score that a search gave. */
static void fetch_gives_the_stored_vector(void **state)
{
    (void)state;
    static const char *const indexes[] = {"Flat", "IVF8,SQ8", "HNSW8,SQfp16"};
    for (size_t i = 0; i < 3; i++) {
        struct shard *s = catalog_open(fx.c, indexes[i], 0, 1);
        const char *names[] = {"price", "colour"};
        const char *sku = fx.c->table.skus[8];
        float q[8];
        memcpy(q, fx.c->vectors[1] + (size_t)8 * 8, sizeof q);
        const struct wire_fetch_request rq = {.generation = "test",
                                              .skus = &sku,
                                              .n_skus = 1,
                                              .space = "second",
                                              .attributes = names,
                                              .n_attributes = 2};
        struct wire_fetch_response got;
        struct wf_error err;
        wf_arena_reset(&fx.arena);
        assert_int_equal(shard_fetch(s, &rq, &fx.arena, &got, &err), WF_OK);
        assert_int_equal(got.items.n, 1);
        assert_int_equal(got.vector_dim, 8);
        assert_string_equal(got.items.attributes[0].name, "price");
        const struct wire_probe p = {.space = "second",
                                     .content_id = "second-v1",
                                     .vector = q,
                                     .dim = 8,
                                     .k = ROWS,
                                     .effort = {.kind = WIRE_EFFORT_EXACT}};
        struct wire_search_request search = empty();
        search.probes = &p;
        search.n_probes = 1;
        struct wire_search_response hits;
        assert_int_equal(shard_search(s, &search, INT64_MAX, &fx.arena, &hits, &err), WF_OK);
        assert_int_equal(hits.sources[0].n, ROWS / 2); /* the odd items have no second vector */
        const float want = wf_dot(q, (const float *)(const void *)got.items.vectors, 8);
        const char *at = hits.sources[0].sku_bytes;
        uint32_t row = 0;
        while (strlen(sku) != hits.sources[0].sku_sizes[row] || memcmp(at, sku, strlen(sku)) != 0) {
            at += hits.sources[0].sku_sizes[row++];
            assert_true(row < hits.sources[0].n);
        }
        assert_memory_equal(&hits.sources[0].scores[row], &want, sizeof want);
        shard_close(s);
    }
}

/* ---- bad requests ---- */

static float huge[DIM], fine[DIM];
static const uint32_t unknown_feature[] = {RANK_PRICE, 77};
static const char *const unknown_attribute[] = {"price", "prise"};

static void expect(const struct shard *s, const struct wire_search_request *rq, enum wf_code code,
                   const char *reason, const char *field)
{
    struct wire_search_response got;
    struct wf_error err = {0};
    wf_arena_reset(&fx.arena);
    assert_int_equal(shard_search(s, rq, INT64_MAX, &fx.arena, &got, &err), code);
    assert_string_equal(err.reason, reason);
    assert_string_equal(err.field, field);
    assert_true(strlen(err.text) > 0);
}

#define PROBE(s, c, v, d, n)                                                                       \
    {                                                                                              \
        .space = (s), .content_id = (c), .vector = (v), .dim = (d), .k = (n)                       \
    }

static void bad_probes_are_named(void **state)
{
    (void)state;
    huge[0] = 1e30F;
    fine[0] = 1;
    const struct {
        struct wire_probe p;
        enum wf_code code;
        const char *reason, *field;
    } cases[] = {
        {PROBE("none", "", fine, DIM, 5), WF_INVALID, "UNKNOWN_SPACE", "probes[1].space"},
        {PROBE("", "other", fine, DIM, 5), WF_PRECONDITION, "WRONG_SPACE", ""},
        {PROBE("", "", fine, DIM - 1, 5), WF_INVALID, "DIMENSION", "probes[1].vector"},
        {PROBE("second", "", fine, DIM, 5), WF_INVALID, "DIMENSION", "probes[1].vector"},
        {PROBE("", "", huge, DIM, 5), WF_INVALID, "OUT_OF_RANGE", "probes[1].vector"},
        {PROBE("", "", fine, DIM, 0), WF_INVALID, "OUT_OF_RANGE", "probes[1].k"},
        {{.space = "",
          .content_id = "",
          .vector = fine,
          .dim = DIM,
          .k = 5,
          .effort = {.kind = WIRE_EFFORT_EF, .value = 9}},
         WF_INVALID,
         "UNSUPPORTED",
         "probes[1].effort"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct wire_probe probes[] = {
            {.space = "", .content_id = "first-v1", .vector = fine, .dim = DIM, .k = 5},
            cases[i].p};
        struct wire_search_request rq = empty();
        rq.probes = probes;
        rq.n_probes = 2;
        expect(fx.s, &rq, cases[i].code, cases[i].reason, cases[i].field);
    }
}

static void efforts_must_fit_the_index(void **state)
{
    (void)state;
    static const char *const indexes[] = {"Flat", "HNSW8"};
    fine[0] = 1;
    for (size_t i = 0; i < 2; i++) {
        struct shard *s = catalog_open(fx.c, indexes[i], 0, 1);
        const struct wire_probe p = {.space = "",
                                     .content_id = "",
                                     .vector = fine,
                                     .dim = DIM,
                                     .k = 5,
                                     .effort = {WIRE_EFFORT_NPROBE, 3}};
        struct wire_search_request rq = empty();
        rq.probes = &p;
        rq.n_probes = 1;
        expect(s, &rq, WF_INVALID, "UNSUPPORTED", "probes[0].effort");
        shard_close(s);
    }
}

static void bad_requests_are_named(void **state)
{
    (void)state;
    struct wire_search_request rq = empty();
    rq.generation = "yesterday";
    expect(fx.s, &rq, WF_PRECONDITION, "WRONG_GENERATION", "");
    rq = empty();
    rq.filter = "prise < 3";
    wf_epoch_enter();
    expect(fx.s, &rq, WF_INVALID, "UNKNOWN_ATTRIBUTE", "filter");
    wf_epoch_leave();
    rq = empty();
    rq.group_by = "prise";
    rq.group_max = 1;
    expect(fx.s, &rq, WF_INVALID, "UNKNOWN_ATTRIBUTE", "group_by");
    rq = empty();
    rq.features = unknown_feature;
    rq.n_features = 2;
    expect(fx.s, &rq, WF_INVALID, "UNKNOWN_VALUE", "features[1]");
    rq = empty();
    rq.attributes = unknown_attribute;
    rq.n_attributes = 2;
    expect(fx.s, &rq, WF_INVALID, "UNKNOWN_ATTRIBUTE", "attributes[1]");
    rq = empty();
    rq.want_vectors = true;
    rq.vector_space = "third";
    expect(fx.s, &rq, WF_INVALID, "UNKNOWN_SPACE", "vector_space");
}

/* Whatever the arena's limit, a request ends in an answer or in EXHAUSTED, never in a crash. */
static void any_arena_limit_is_an_outcome(void **state)
{
    (void)state;
    fine[0] = 1;
    const struct wire_probe p = {
        .space = "", .content_id = "", .vector = fine, .dim = DIM, .k = 50};
    const char *all = "*";
    struct wire_search_request rq = empty();
    rq.probes = &p;
    rq.n_probes = 1;
    rq.attributes = &all;
    rq.n_attributes = 1;
    rq.want_vectors = true;
    rq.encoding = WIRE_INT8;
    unsigned answered = 0;
    for (size_t limit = 0; limit < 64 * 1024; limit += 128) {
        struct wf_arena a;
        struct wire_search_response got;
        struct wf_error err;
        wf_arena_init(&a, limit);
        const enum wf_code code = shard_search(fx.s, &rq, INT64_MAX, &a, &got, &err);
        assert_true(code == WF_OK || code == WF_EXHAUSTED);
        answered += code == WF_OK;
        wf_arena_fini(&a);
    }
    assert_true(answered > 0);
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_tell_everything),
        cmocka_unit_test(vectors_travel_in_every_encoding),
        cmocka_unit_test(fetch_gives_the_stored_vector),
        cmocka_unit_test(bad_probes_are_named),
        cmocka_unit_test(efforts_must_fit_the_index),
        cmocka_unit_test(bad_requests_are_named),
        cmocka_unit_test(any_arena_limit_is_an_outcome),
    };
    wf_epoch_thread_begin();
    const int failed = cmocka_run_group_tests(tests, setup, teardown);
    wf_epoch_thread_end();
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_open_test.c - containers that lie. Every section of a good shard is damaged, cut, grown,
 * left out or swapped, and written again with right checksums: opening says WF_DATA_LOSS, or the
 * shard is harmless to ask. Run it under ASan to mean it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "ranking/features.h"
#include "shard/mapped.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 160, DIM = 12, MUTANTS = 1500 };
static const uint64_t seed = 31337;

/* Each kind of leaf, over the lists and zones that the shard has. */
static void exercise_filters(const struct shard *s)
{
    static const char *const texts[] = {"colour in (\"colour 1\", \"colour 5\")",
                                        "price between 20 and 60", "not stock",
                                        "title = \"title of item 7\" or price >= 99"};
    wf_epoch_thread_begin();
    wf_epoch_enter();
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0] * 2; i++) {
        const struct shard_allowed *allowed;
        struct wf_error err;
        (void)!shard_filters_get(s->filters, texts[i / 2], i % 2, &allowed, NULL, &err);
    }
    wf_epoch_leave();
    wf_epoch_thread_end();
}

/* Asks for all there is, every way. */
static void exercise(const struct shard *s)
{
    exercise_filters(s);
    float q[DIM] = {1, -1, 0.5F}, q2[8] = {0.5F, 0.25F};
    const struct wire_probe probes[] = {
        {.space = "first", .content_id = "", .vector = q, .dim = DIM, .k = 20},
        {.space = "second", .content_id = "", .vector = q2, .dim = 8, .k = 200},
        {.space = "first",
         .content_id = "",
         .vector = q,
         .dim = DIM,
         .k = 2,
         .effort = {WIRE_EFFORT_EXACT, 0}},
    };
    uint32_t rows[ROWS + 8];
    for (uint32_t i = 0; i < ROWS + 8; i++) {
        rows[i] = i;
    }
    const char *skus[] = {"sku0", "sku7919", "sku"};
    const struct wire_lookup lookups[] = {{.rows = rows, .n_rows = ROWS + 8},
                                          {.skus = skus, .n_skus = 3}};
    const uint32_t features[] = {RANK_PRICE};
    const char *all = "*";
    static const char *const vector_spaces[] = {"first", "second"};
    for (int i = 0; i < 2; i++) {
        const struct wire_search_request rq = {.generation = "test",
                                               .request_id = "",
                                               .filter = "",
                                               .probes = probes,
                                               .n_probes = 3,
                                               .lookups = lookups,
                                               .n_lookups = 2,
                                               .features = features,
                                               .n_features = 1,
                                               .attributes = &all,
                                               .n_attributes = 1,
                                               .want_vectors = true,
                                               .vector_space = vector_spaces[i],
                                               .encoding = WIRE_INT8};
        struct wf_arena a;
        struct wire_search_response got;
        struct wf_error err;
        wf_arena_init(&a, 64 << 20);
        (void)!shard_search(s, &rq, INT64_MAX, &a, &got, &err);
        wf_arena_fini(&a);
    }
}

/* Words that sit at the edges of what integers may be. */
static const uint32_t edges[] = {0, 1, UINT32_MAX, INT32_MAX, ROWS, ROWS - 1, ROWS + 1, 1u << 31};

static void mutate(struct wf_random *r, unsigned char *data, size_t *size, size_t room)
{
    const uint64_t kind = wf_random_below(r, 8);
    if (kind == 0) {
        *size = wf_random_below(r, *size + 1);
    } else if (kind == 1) {
        *size += wf_random_below(r, room - *size + 1);
    } else if (kind < 5 && *size >= 4) {
        const uint32_t word = edges[wf_random_below(r, sizeof edges / sizeof edges[0])];
        memcpy(data + wf_random_below(r, *size / 4) * 4, &word, 4);
    } else if (*size > 0) {
        data[wf_random_below(r, *size)] ^= (unsigned char)(1u << wf_random_below(r, 8));
    }
}

/* Writes the container again with one section changed, left out, or put under another's name. */
static void write_mutant(const struct wf_container *c, struct wf_random *r, const char *path)
{
    const unsigned n = wf_container_count(c), victim = (unsigned)wf_random_below(r, n);
    const uint64_t how = wf_random_below(r, 20);
    struct wf_container_writer *w;
    struct wf_error err;
    assert_int_equal(wf_container_create(path, &w, &err), WF_OK);
    for (unsigned i = 0; i < n; i++) {
        const struct wf_section *s = wf_container_at(c, i);
        const size_t room = s->size + 64;
        size_t size = s->size;
        unsigned char *data = wf_xcalloc(1, room);
        if (size > 0) {
            memcpy(data, s->data, size);
        }
        if (i == victim && how == 0) {
            wf_xfree(data);
            continue;
        }
        if (i == victim && how == 1) {
            const struct wf_section *other = wf_container_at(c, (unsigned)wf_random_below(r, n));
            wf_container_add(w, s->name, other->data, other->size);
            wf_xfree(data);
            continue;
        }
        for (uint64_t edits = i == victim ? 1 + wf_random_below(r, 3) : 0; edits > 0; edits--) {
            mutate(r, data, &size, room);
        }
        wf_container_add(w, s->name, data, size);
        wf_xfree(data);
    }
    assert_int_equal(wf_container_commit(w, &err), WF_OK);
}

static void lying_containers_do_no_harm(void **state)
{
    (void)state;
    static const char *const indexes[] = {"Flat", "IVF8,SQfp16", "IVF8,SQ8", "HNSW6,SQfp16",
                                          "IVF8,PQx4fs,Refine(SQ8)"};
    const struct catalog_shape shape = {
        .n = ROWS, .dim = DIM, .metric = WF_METRIC_L2, .clusters = 6, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    unsigned opened = 0, refused = 0;
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        struct wf_container *good;
        struct wf_error err;
        struct wf_random r = wf_random_of(seed, i);
        assert_int_equal(wf_container_open(catalog_build(c, indexes[i], 0, 1), &good, &err), WF_OK);
        char path[320];
        snprintf(path, sizeof path, "%s/mutant.weft", c->dir);
        for (int m = 0; m < MUTANTS / 5; m++) {
            struct wf_container *mutant;
            struct shard *s;
            write_mutant(good, &r, path);
            assert_int_equal(wf_container_open(path, &mutant, &err), WF_OK);
            assert_int_equal(wf_container_verify(mutant, &err), WF_OK);
            const enum wf_code code = shard_view(mutant, &c->schema, "test", &s, &err);
            if (code != WF_OK) {
                assert_int_equal(code, WF_DATA_LOSS);
                refused++;
                continue;
            }
            exercise(s);
            shard_close(s);
            opened++;
        }
        wf_container_close(good);
    }
    print_message("%u mutants refused, %u opened and asked\n", refused, opened);
    assert_true(refused > opened / 2);
    catalog_free(c);
}

static void a_shard_of_another_schema_is_refused(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = ROWS, .dim = DIM, .metric = WF_METRIC_IP, .clusters = 6, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    const char *path = catalog_build(c, "", 0, 1);
    for (int what = 0; what < 5; what++) {
        struct wf_schema schema = c->schema;
        schema.spaces[0].dim += what == 0;
        schema.spaces[0].metric = what == 1 ? WF_METRIC_L2 : schema.spaces[0].metric;
        if (what == 2) {
            schema.spaces[0].content_id[0] = 'x';
        }
        schema.n_spaces -= what == 3;
        schema.attrs[0].type = what == 4 ? WF_ATTR_TEXT : schema.attrs[0].type;
        struct wf_container *container;
        struct shard *s;
        struct wf_error err;
        assert_int_equal(wf_container_open(path, &container, &err), WF_OK);
        assert_int_equal(shard_view(container, &schema, "test", &s, &err), WF_DATA_LOSS);
    }
    catalog_free(c);
}

/* No rows, one row, no vectors, and a build that repeats. */
static void small_shards_work(void **state)
{
    (void)state;
    static const char *const indexes[] = {"Flat", "", "IVF8,SQ8", "HNSW8",
                                          "IVF8,PQx4fs,Refine(SQfp16)"};
    for (size_t n = 0; n < 4; n++) {
        const struct catalog_shape shape = {.n = n == 3 ? 6 : n,
                                            .dim = DIM,
                                            .metric = WF_METRIC_COSINE,
                                            .clusters = 2,
                                            .seed = seed};
        struct catalog *c = catalog_make(&shape);
        if (n == 2) { /* nobody has a vector: one NULL, one all NaN */
            c->spaces[0].vectors = NULL;
            c->vectors[1][0] = c->vectors[1][8] = __builtin_nanf("");
        }
        for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
            struct shard *s = catalog_open(c, indexes[i], 0, 1);
            assert_int_equal(shard_rows(s), c->table.n);
            exercise(s);
            shard_close(s);
        }
        catalog_free(c);
    }
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    (void)state;
    static const char *const indexes[] = {"", "HNSW8", "IVF8,PQx4fs,Refine(SQ8)"};
    const struct catalog_shape shape = {
        .n = 2000, .dim = DIM, .metric = WF_METRIC_COSINE, .clusters = 12, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        struct wf_container *a, *b;
        struct wf_error err;
        assert_int_equal(wf_container_open(catalog_build(c, indexes[i], 1, 3), &a, &err), WF_OK);
        assert_int_equal(wf_container_open(catalog_build(c, indexes[i], 1, 3), &b, &err), WF_OK);
        assert_int_equal(wf_container_count(a), wf_container_count(b));
        for (unsigned j = 0; j < wf_container_count(a); j++) {
            const struct wf_section *x = wf_container_at(a, j), *y = wf_container_at(b, j);
            assert_string_equal(x->name, y->name);
            assert_memory_equal(&x->hash, &y->hash, sizeof x->hash);
        }
        wf_container_close(a);
        wf_container_close(b);
    }
    catalog_free(c);
}

static void what_cannot_be_coded_is_named(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = 10, .dim = DIM, .metric = WF_METRIC_IP, .clusters = 2, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    c->vectors[0][3 * DIM + 2] = 1e5F;
    const uint32_t rows[] = {3};
    struct shard_build b = {.schema = &c->schema,
                            .items = &c->table,
                            .spaces = c->spaces,
                            .n_shards = 1,
                            .rows = rows,
                            .n_rows = 1,
                            .index = "IVF1,SQfp16"};
    char path[320];
    snprintf(path, sizeof path, "%s/none.weft", c->dir);
    struct wf_error err;
    assert_int_equal(shard_build(&b, path, &err), WF_INVALID);
    assert_non_null(strstr(err.text, c->table.skus[3]));
    b.index = "IVF1,SQ8";
    assert_int_equal(shard_build(&b, path, &err), WF_INVALID); /* without ranges */
    b.index = "IVF1,PQ4x4fs,Refine(SQfp16)";                   /* 12 dimensions take 8 */
    assert_int_equal(shard_build(&b, path, &err), WF_INVALID);
    assert_non_null(strstr(err.text, "PQ8x4fs"));
    b.index = "IVF1,PQ8";
    assert_int_equal(shard_build(&b, path, &err), WF_INVALID);
    catalog_free(c);
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lying_containers_do_no_harm),
        cmocka_unit_test(a_shard_of_another_schema_is_refused),
        cmocka_unit_test(small_shards_work),
        cmocka_unit_test(the_same_input_gives_the_same_bytes),
        cmocka_unit_test(what_cannot_be_coded_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

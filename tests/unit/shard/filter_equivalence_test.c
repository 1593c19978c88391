/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_equivalence_test.c - filtered searches of every index kind and metric: filters that mean
 * the same give the same bytes, whatever the effort, the instruction set and what is cached; exact
 * answers are those of brute force over the rows for which the filter, evaluated without the
 * library, holds; and the recall of the default effort where filter and vectors are correlated.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "base/hash.h"
#include "tests/support/random_filter.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 1200, DIM = 20, K = 30, N_ATTRS = 4, FILTERS = 12, WAYS = 3 };
static const uint64_t seed = 811;

static const char *const indexes[] = {"Flat", "IVF16,SQfp16", "IVF16,SQ8", "HNSW12"};
static const enum wf_metric_space metrics[] = {WF_METRIC_IP, WF_METRIC_COSINE, WF_METRIC_L2};
static const enum wf_isa isas[] = {WF_ISA_AUTO, WF_ISA_C, WF_ISA_AVX2};
static const char *const words[] = {"colour 0",        "colour 2",          "colour 3", "colour 6",
                                    "title of item 5", "title of item 100", "a"};
static const float numbers[] = {-1, 0, 12.5F, 33.3F, 50, 50.1F, 80, 99.9F};

/* A catalog, one shard of all of it, and what is needed to know better. */
struct shop {
    struct catalog *c;
    struct shard *s;
    struct filter_vocabulary vocabulary;
    float *stored; /* rows x dim, as the shard gives them back; NaN first: no vector */
    struct filter_cell (*cells)[N_ATTRS];
    struct wf_arena arena;
};

/* ---- the shop ---- */

static void read_cells(struct shop *shop)
{
    const struct wf_table *t = &shop->c->table;
    shop->cells = wf_xcalloc(t->n, sizeof *shop->cells);
    for (size_t i = 0; i < t->n; i++) {
        struct filter_cell *row = shop->cells[i];
        const uint32_t code = t->columns[0].codes[i];
        row[0].word = code == WF_NO_CODE ? NULL : t->columns[0].dictionary[code];
        row[1].number = t->columns[1].numbers[i];
        row[2].flag = t->columns[2].flags[i] == 2 ? -1 : t->columns[2].flags[i];
        row[3].word = t->columns[3].texts[i];
    }
}

/* Stored vectors through Fetch: what scores are made of. */
static void read_vectors(struct shop *shop)
{
    const struct wf_table *t = &shop->c->table;
    const uint32_t dim = shop->c->schema.spaces[0].dim;
    shop->stored = wf_xarray(float, t->n *dim);
    for (size_t i = 0; i < t->n; i++) {
        const char *sku = t->skus[i];
        const struct wire_fetch_request rq = {
            .generation = "test", .skus = &sku, .n_skus = 1, .space = "first"};
        struct wire_fetch_response got;
        struct wf_error err;
        wf_arena_reset(&shop->arena);
        assert_int_equal(shard_fetch(shop->s, &rq, &shop->arena, &got, &err), WF_OK);
        assert_int_equal(got.items.n, 1);
        memcpy(shop->stored + i * dim, got.items.vectors, dim * sizeof(float));
        if (isnan(shop->c->vectors[0][i * dim])) {
            shop->stored[i * dim] = NAN;
        }
    }
}

static void shop_open(struct shop *shop, struct catalog *c, const char *index)
{
    *shop = (struct shop){.c = c,
                          .s = catalog_open(c, index, 0, 1),
                          .vocabulary = {&c->schema, words, sizeof words / sizeof words[0], numbers,
                                         sizeof numbers / sizeof numbers[0]}};
    wf_arena_init(&shop->arena, 64 << 20);
    read_cells(shop);
    read_vectors(shop);
}

static void shop_close(struct shop *shop)
{
    shard_close(shop->s);
    wf_arena_fini(&shop->arena);
    wf_xfree(shop->stored);
    wf_xfree(shop->cells);
}

static void draw_query(const struct catalog *c, struct wf_random *r, float *q)
{
    const uint32_t dim = c->schema.spaces[0].dim;
    size_t row;
    do {
        row = wf_random_below(r, c->table.n);
    } while (isnan(c->vectors[0][row * dim]));
    for (uint32_t j = 0; j < dim; j++) {
        q[j] = c->vectors[0][row * dim + j] + 0.2F * (float)wf_random_normal(r);
    }
    if (c->schema.spaces[0].metric == WF_METRIC_COSINE) {
        assert_true(wf_normalise(q, dim));
    }
}

/* ---- searching ---- */

static struct wire_search_response search(struct shop *shop, const float *q, uint32_t k,
                                          const struct wire_effort *effort, const char *filter)
{
    const struct wire_probe probe = {.space = "first",
                                     .content_id = "",
                                     .vector = q,
                                     .dim = shop->c->schema.spaces[0].dim,
                                     .k = k,
                                     .effort = *effort};
    const struct wire_search_request rq = {.generation = "test",
                                           .request_id = "",
                                           .probes = &probe,
                                           .n_probes = 1,
                                           .filter = filter,
                                           .vector_space = "",
                                           .group_by = ""};
    struct wire_search_response out;
    struct wf_error err;
    if (shard_search(shop->s, &rq, INT64_MAX, &shop->arena, &out, &err) != WF_OK) {
        fail_msg("%s: %s: %s", filter, err.reason, err.text);
    }
    return out;
}

static void assert_same_answer(const struct wire_search_response *got,
                               const struct wire_search_response *want, const char *filter)
{
    const struct wire_columns *x = &got->sources[0], *y = &want->sources[0];
    size_t bytes = 0;
    for (uint32_t i = 0; i < y->n; i++) {
        bytes += y->sku_sizes[i];
    }
    if (x->n != y->n || got->matched != want->matched || x->scanned != y->scanned ||
        x->parts_planned != y->parts_planned || x->parts_done != y->parts_done ||
        memcmp(x->scores, y->scores, y->n * sizeof(float)) != 0 ||
        memcmp(x->sku_sizes, y->sku_sizes, y->n * sizeof(uint32_t)) != 0 ||
        memcmp(x->sku_bytes, y->sku_bytes, bytes) != 0) {
        fail_msg("%s: %u hits of %u rows, %u and %u are due", filter, x->n, (unsigned)x->scanned,
                 y->n, (unsigned)y->scanned);
    }
}

struct scored {
    float score;
    const char *sku;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : strcmp(x->sku, y->sku);
}

/* Best first; *matched counts the rows without a vector too. */
static size_t brute_force(const struct shop *shop, const float *q, const struct random_filter *f,
                          struct scored *out, uint64_t *matched)
{
    const struct wf_space *space = &shop->c->schema.spaces[0];
    size_t n = 0;
    *matched = 0;
    for (size_t i = 0; i < shop->c->table.n; i++) {
        const float *x = shop->stored + i * space->dim;
        if (!random_filter_holds(f, shop->cells[i])) {
            continue;
        }
        (*matched)++;
        if (!isnan(x[0])) {
            out[n++] = (struct scored){space->metric == WF_METRIC_L2 ? wf_l2(q, x, space->dim)
                                                                     : wf_dot(q, x, space->dim),
                                       shop->c->table.skus[i]};
        }
    }
    qsort(out, n, sizeof *out, by_score);
    return n;
}

static void assert_exact(const struct shop *shop, const float *q, const struct random_filter *f,
                         const struct wire_search_response *got, const char *filter)
{
    static struct scored truth[ROWS];
    uint64_t matched = 0;
    const size_t n = brute_force(shop, q, f, truth, &matched), due = n < K ? n : K;
    const struct wire_columns *col = &got->sources[0];
    if (col->n != due || got->matched != matched) {
        fail_msg("%s: %u hits, %u match; %zu and %u by brute force", filter, col->n,
                 (unsigned)got->matched, due, (unsigned)matched);
    }
    const char *sku = col->sku_bytes;
    for (size_t i = 0; i < due; sku += col->sku_sizes[i++]) {
        if (memcmp(&col->scores[i], &truth[i].score, sizeof(float)) != 0 ||
            col->sku_sizes[i] != strlen(truth[i].sku) ||
            memcmp(sku, truth[i].sku, col->sku_sizes[i]) != 0) {
            fail_msg("%s, place %zu: %.*s %.9g, brute force has %s %.9g", filter, i,
                     (int)col->sku_sizes[i], sku, (double)col->scores[i], truth[i].sku,
                     (double)truth[i].score);
        }
    }
}

/* ---- equivalence ---- */

/* One filter, every effort: each way to write it gives the bytes of the plain one. */
static void check_filter(struct shop *shop, const char *index, const struct random_filter *f,
                         struct wf_random *r)
{
    const bool ivf = strncmp(index, "IVF", 3) == 0, hnsw = strncmp(index, "HNSW", 4) == 0;
    const struct wire_effort efforts[] = {
        {.kind = WIRE_EFFORT_DEFAULT},
        {.kind = WIRE_EFFORT_EXACT},
        {.kind = ivf    ? WIRE_EFFORT_NPROBE
                 : hnsw ? WIRE_EFFORT_EF
                        : WIRE_EFFORT_EXACT,
         .value = 1 + (uint32_t)wf_random_below(r, 40)},
        {.kind = ivf ? WIRE_EFFORT_NPROBE : WIRE_EFFORT_EXACT, .value = ivf ? 65536 : 0},
    };
    char *plain = random_filter_text(f, NULL), *ways[WAYS];
    for (int w = 0; w < WAYS; w++) {
        ways[w] = random_filter_text(f, r);
    }
    float q[DIM];
    draw_query(shop->c, r, q);
    for (size_t e = 0; e < sizeof efforts / sizeof efforts[0]; e++) {
        wf_arena_reset(&shop->arena);
        const struct wire_search_response want = search(shop, q, K, &efforts[e], plain);
        if (e % 2 == 1) { /* exact, and all lists */
            assert_exact(shop, q, f, &want, plain);
        }
        for (int w = 0; w < WAYS; w++) {
            if (!hnsw || efforts[e].kind == WIRE_EFFORT_EXACT) { /* its walk is FAISS's */
                wf_vector_isa_set(isas[w]);
            }
            const struct wire_search_response got = search(shop, q, K, &efforts[e], ways[w]);
            wf_vector_isa_set(WF_ISA_AUTO);
            assert_same_answer(&got, &want, ways[w]);
        }
    }
    for (int w = 0; w < WAYS; w++) {
        wf_xfree(ways[w]);
    }
    wf_xfree(plain);
}

static void equivalent_filters_give_the_same_bytes(void **state)
{
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t m = 0; m < 3; m++) {
        const struct catalog_shape shape = {.n = ROWS,
                                            .dim = DIM,
                                            .metric = metrics[m],
                                            .clusters = 30,
                                            .duplicate = 4,
                                            .seed = seed + m};
        struct catalog *c = catalog_make(&shape);
        for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
            struct shop shop;
            shop_open(&shop, c, indexes[i]);
            struct wf_random r = wf_random_of(seed, 100 * m + i);
            for (unsigned n = 0; n < FILTERS; n++) {
                struct random_filter *f = random_filter_create(&shop.vocabulary, &r, n % 4);
                check_filter(&shop, indexes[i], f, &r);
                random_filter_destroy(f);
            }
            shop_close(&shop);
        }
        catalog_free(c);
    }
}

/* ---- lookups ---- */

static void lookups_leave_out_what_the_filter_does(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = ROWS, .dim = DIM, .metric = WF_METRIC_IP, .clusters = 9, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    struct shop shop;
    shop_open(&shop, c, "IVF16,SQfp16");
    struct wf_random r = wf_random_of(seed, 1000);
    for (unsigned n = 0; n < 20; n++) {
        struct random_filter *f = random_filter_create(&shop.vocabulary, &r, 2);
        char *text = random_filter_text(f, &r);
        const struct wire_lookup lookup = {.skus = (const char *const *)c->table.skus,
                                           .n_skus = 200};
        const struct wire_search_request rq = {.generation = "test",
                                               .request_id = "",
                                               .lookups = &lookup,
                                               .n_lookups = 1,
                                               .filter = text,
                                               .vector_space = "",
                                               .group_by = ""};
        struct wire_search_response got;
        struct wf_error err;
        wf_arena_reset(&shop.arena);
        assert_int_equal(shard_search(shop.s, &rq, INT64_MAX, &shop.arena, &got, &err), WF_OK);
        uint32_t at = 0;
        for (uint32_t i = 0; i < lookup.n_skus; i++) {
            const bool there = at < got.sources[0].n && got.sources[0].asked[at] == i;
            assert_int_equal(there, random_filter_holds(f, shop.cells[i]));
            at += there;
        }
        assert_int_equal(at, got.sources[0].n);
        wf_xfree(text);
        random_filter_destroy(f);
    }
    shop_close(&shop);
    catalog_free(c);
}

static void mistakes_are_refused_by_the_shard(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"colour = ", "MALFORMED"},
                                         {"colours = 'a'", "UNKNOWN_ATTRIBUTE"},
                                         {"price = 'a'", "TYPE"}};
    const struct catalog_shape shape = {
        .n = 200, .dim = DIM, .metric = WF_METRIC_IP, .clusters = 9, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    struct shard *s = catalog_open(c, "Flat", 0, 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct wire_search_request rq = {.generation = "test",
                                               .request_id = "",
                                               .filter = bad[i][0],
                                               .vector_space = "",
                                               .group_by = ""};
        struct wire_search_response got;
        struct wf_error err;
        struct wf_arena a;
        wf_arena_init(&a, 1 << 20);
        assert_int_equal(shard_search(s, &rq, INT64_MAX, &a, &got, &err), WF_INVALID);
        assert_string_equal(err.reason, bad[i][1]);
        assert_string_equal(err.field, "filter");
        wf_arena_fini(&a);
    }
    shard_close(s);
    catalog_free(c);
}

/* ---- recall where filter and vectors are correlated ---- */

enum { WIDE = 32, QUERIES = 40, DEEP = 50 };

/* The colour is where the vector points: its largest of the first seven dimensions. */
static void correlate(struct catalog *c)
{
    for (size_t i = 0; i < c->table.n; i++) {
        const float *x = c->vectors[0] + i * WIDE;
        uint32_t best = 0;
        for (uint32_t j = 1; j < 7 && !isnan(x[0]); j++) {
            best = x[j] > x[best] ? j : best;
        }
        c->table.columns[0].codes[i] = best;
    }
}

static double recall_of(struct shop *shop, const char *filter, struct wf_random *r)
{
    const struct wire_effort exactly = {.kind = WIRE_EFFORT_EXACT};
    const struct wire_effort usual = {.kind = WIRE_EFFORT_DEFAULT};
    unsigned found = 0, due = 0;
    for (unsigned n = 0; n < QUERIES; n++) {
        float q[WIDE];
        draw_query(shop->c, r, q);
        wf_arena_reset(&shop->arena);
        const struct wire_search_response want = search(shop, q, DEEP, &exactly, filter);
        const struct wire_search_response got = search(shop, q, DEEP, &usual, filter);
        const struct wire_columns *best = &want.sources[0], *have = &got.sources[0];
        assert_true(best->n > 0);
        for (uint32_t i = 0; i < have->n; i++) {
            found += have->scores[i] >= best->scores[best->n - 1];
        }
        due += best->n;
    }
    return (double)found / due;
}

static void recall_holds_where_the_filter_follows_the_vectors(void **state)
{
    (void)state;
    static const char *const filters[] = {
        "colour = 'colour 3'", /* near for some queries, far for most */
        "colour in ('colour 0','colour 5')",
        "colour != 'colour 3'",
        "colour = 'colour 1' and price < 10",
        "colour = 'colour 6' and price < 8 and stock",
        "price between 20 and 30", /* not correlated */
    };
    static const struct {
        const char *index;
        size_t n;
        enum wf_metric_space metric;
    } kinds[] = {{"IVF128,SQfp16", 20000, WF_METRIC_IP},
                 {"IVF64,SQ8", 8000, WF_METRIC_COSINE},
                 {"IVF64,Flat", 8000, WF_METRIC_L2},
                 {"HNSW12", 3000, WF_METRIC_COSINE}};
    double worst = 1;
    for (size_t m = 0; m < sizeof kinds / sizeof kinds[0]; m++) {
        const struct catalog_shape shape = {.n = kinds[m].n,
                                            .dim = WIDE,
                                            .metric = kinds[m].metric,
                                            .clusters = 60,
                                            .seed = seed + 9 + m};
        struct catalog *c = catalog_make(&shape);
        correlate(c);
        struct shop shop = {.c = c, .s = catalog_open(c, kinds[m].index, 0, 1)};
        wf_arena_init(&shop.arena, 64 << 20);
        for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
            struct wf_random r = wf_random_of(seed, 2000 + i);
            const double recall = recall_of(&shop, filters[i], &r);
            print_message("%s, %s: %.4f\n", kinds[m].index, filters[i], recall);
            worst = recall < worst ? recall : worst;
        }
        shop_close(&shop);
        catalog_free(c);
    }
    /* Queries from everywhere are unlike any row, which calibration does not know: the least is
     * that of a filter at random. */
    assert_true(worst >= 0.9);
}

static int begin(void **state)
{
    (void)state;
    wf_epoch_thread_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    wf_epoch_thread_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equivalent_filters_give_the_same_bytes),
        cmocka_unit_test(lookups_leave_out_what_the_filter_does),
        cmocka_unit_test(mistakes_are_refused_by_the_shard),
        cmocka_unit_test(recall_holds_where_the_filter_follows_the_vectors),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_search_test.c - searches against brute force written the plain way, for every index kind
 * and metric; the same bits on every instruction set; ties; lookups; columns; deadlines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "ranking/features.h"
#include "shard/space.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 1200, DIM = 20, K = 25 };
static const uint64_t seed = 20240611;

static const char *const indexes[] = {"Flat",      "IVF16,Flat", "IVF16,SQfp16",
                                      "IVF16,SQ8", "HNSW12",     "HNSW12,SQfp16"};
enum { N_INDEXES = sizeof indexes / sizeof indexes[0] };
static const enum wf_metric_space metrics[] = {WF_METRIC_IP, WF_METRIC_COSINE, WF_METRIC_L2};

/* One probe with everything else empty. */
static struct wire_search_request request(const struct wire_probe *p)
{
    return (struct wire_search_request){.generation = "test",
                                        .request_id = "",
                                        .filter = "",
                                        .vector_space = "",
                                        .probes = p,
                                        .n_probes = p == NULL ? 0 : 1};
}

static struct wire_probe probe(const float *vector, uint32_t dim)
{
    return (struct wire_probe){.space = "", .content_id = "", .vector = vector, .dim = dim, .k = K};
}

static void search(const struct shard *s, const struct wire_search_request *rq, struct wf_arena *a,
                   struct wire_search_response *out)
{
    struct wf_error err;
    if (shard_search(s, rq, INT64_MAX, a, out, &err) != WF_OK) {
        fail_msg("%s: %s", err.reason, err.text);
    }
}

/* All stored vectors through Fetch, and scores by the one-pair kernels. */
struct scored {
    float score;
    const char *sku;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return strcmp(x->sku, y->sku);
}

static size_t brute_force(const struct catalog *c, const struct shard *s, const float *q,
                          struct wf_arena *a, struct scored *out)
{
    size_t n = 0;
    const struct wf_space *sp = &c->schema.spaces[0];
    for (size_t i = 0; i < c->table.n; i++) {
        const char *sku = c->table.skus[i];
        const struct wire_fetch_request rq = {
            .generation = "test", .skus = &sku, .n_skus = 1, .space = "first"};
        struct wire_fetch_response got;
        struct wf_error err;
        wf_arena_reset(a);
        assert_int_equal(shard_fetch(s, &rq, a, &got, &err), WF_OK);
        if (got.items.n == 0 || i % 17 == 5) {
            continue; /* not in this shard, or without a vector */
        }
        const float *x = (const float *)(const void *)got.items.vectors;
        out[n++] = (struct scored){.score = sp->metric == WF_METRIC_L2 ? wf_l2(q, x, sp->dim)
                                                                       : wf_dot(q, x, sp->dim),
                                   .sku = sku};
    }
    qsort(out, n, sizeof *out, by_score);
    return n;
}

static void assert_same(const struct wire_columns *got, const struct scored *want, size_t n,
                        const char *what)
{
    const size_t due = n < K ? n : K;
    assert_int_equal(got->n, due);
    const char *sku = got->sku_bytes;
    for (size_t i = 0; i < due; i++) {
        if (memcmp(&got->scores[i], &want[i].score, sizeof(float)) != 0 ||
            got->sku_sizes[i] != strlen(want[i].sku) ||
            memcmp(sku, want[i].sku, got->sku_sizes[i]) != 0) {
            fail_msg("%s, place %zu: %.*s %.9g, brute force has %s %.9g", what, i,
                     (int)got->sku_sizes[i], sku, (double)got->scores[i], want[i].sku,
                     (double)want[i].score);
        }
        sku += got->sku_sizes[i];
    }
}

static void draw_query(const struct catalog *c, struct wf_random *r, float q[DIM])
{
    size_t row;
    do {
        row = wf_random_below(r, c->table.n);
    } while (row % 17 == 5);
    for (uint32_t j = 0; j < DIM; j++) {
        q[j] = c->vectors[0][row * DIM + j] + 0.2F * (float)wf_random_normal(r);
    }
    if (c->schema.spaces[0].metric == WF_METRIC_COSINE) {
        assert_true(wf_normalise(q, DIM));
    }
}

static struct wire_effort everything(const char *index)
{
    return strncmp(index, "IVF", 3) == 0
               ? (struct wire_effort){.kind = WIRE_EFFORT_NPROBE, .value = 65536}
               : (struct wire_effort){.kind = WIRE_EFFORT_EXACT};
}

/* Exact, and all lists, equal brute force to the bit; the default finds nearly all of it. */
static void check_index(struct catalog *c, const char *index)
{
    static struct scored truth[ROWS];
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    struct shard *s = catalog_open(c, index, 0, 1);
    struct wf_random r = wf_random_of(seed, 7);
    unsigned hits = 0, due = 0;
    for (int round = 0; round < 4; round++) {
        float q[DIM];
        draw_query(c, &r, q);
        const size_t n = brute_force(c, s, q, &a, truth);
        struct wire_probe p = probe(q, DIM);
        const struct wire_search_request rq = request(&p);
        struct wire_search_response got;
        p.effort.kind = WIRE_EFFORT_EXACT;
        search(s, &rq, &a, &got);
        assert_same(&got.sources[0], truth, n, "exact");
        assert_int_equal(got.sources[0].scanned, n);
        p.effort = everything(index);
        search(s, &rq, &a, &got);
        assert_same(&got.sources[0], truth, n, "all lists");
        p.effort.kind = WIRE_EFFORT_DEFAULT;
        search(s, &rq, &a, &got);
        assert_int_equal(got.sources[0].parts_done, got.sources[0].parts_planned);
        for (uint32_t i = 0; i < got.sources[0].n; i++) {
            hits += got.sources[0].scores[i] >= truth[K - 1].score;
        }
        due += K;
    }
    if (hits < 0.85 * due) {
        fail_msg("%s: default effort finds %u of %u", index, hits, due);
    }
    shard_close(s);
    wf_arena_fini(&a);
}

static void every_index_agrees_with_brute_force(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        const struct catalog_shape shape = {.n = ROWS,
                                            .dim = DIM,
                                            .metric = metrics[m],
                                            .clusters = 30,
                                            .duplicate = 4,
                                            .seed = seed + m};
        struct catalog *c = catalog_make(&shape);
        for (size_t i = 0; i < N_INDEXES; i++) {
            print_message("%s, metric %d\n", indexes[i], (int)metrics[m]);
            check_index(c, indexes[i]);
        }
        catalog_free(c);
    }
}

static void assert_same_bytes(const struct wire_columns *x, const struct wire_columns *y)
{
    size_t bytes = 0;
    assert_int_equal(x->n, y->n);
    assert_int_equal(x->scanned, y->scanned);
    assert_memory_equal(x->scores, y->scores, x->n * sizeof(float));
    assert_memory_equal(x->sku_sizes, y->sku_sizes, x->n * sizeof(uint32_t));
    for (uint32_t i = 0; i < x->n; i++) {
        bytes += x->sku_sizes[i];
    }
    assert_memory_equal(x->sku_bytes, y->sku_bytes, bytes);
}

/* Every effort, every instruction set: scores, SKUs and rows compared are the same bytes. */
static void instruction_sets_agree(void **state)
{
    (void)state;
    static const enum wf_isa isas[] = {WF_ISA_C, WF_ISA_AVX2, WF_ISA_AVX512};
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    for (size_t i = 0; i < N_INDEXES; i++) {
        const struct catalog_shape shape = {.n = ROWS,
                                            .dim = DIM,
                                            .metric = metrics[i % 3],
                                            .clusters = 30,
                                            .duplicate = 3,
                                            .seed = seed + 50 + i};
        struct catalog *c = catalog_make(&shape);
        struct shard *s = catalog_open(c, indexes[i], 0, 1);
        struct wf_random r = wf_random_of(seed, 8);
        for (int round = 0; round < 25; round++) {
            float q[DIM];
            draw_query(c, &r, q);
            struct wire_probe p = probe(q, DIM);
            p.k = 1 + (uint32_t)wf_random_below(&r, 200);
            const struct wire_search_request rq = request(&p);
            struct wire_search_response first = {0};
            wf_arena_reset(&a);
            for (size_t v = 0; v < 6; v++) { /* each by FAISS and by the kernel alone */
                wf_vector_isa_set(isas[v / 2]);
                shard_select_set(v % 2 == 0 ? SHARD_SELECT_FAISS : SHARD_SELECT_KERNEL);
                struct wire_search_response got;
                search(s, &rq, &a, &got);
                if (v == 0) {
                    first = got;
                    continue;
                }
                assert_same_bytes(&first.sources[0], &got.sources[0]);
            }
            shard_select_set(SHARD_SELECT_AUTO);
            wf_vector_isa_set(WF_ISA_AUTO);
        }
        shard_close(s);
        catalog_free(c);
    }
    wf_arena_fini(&a);
}

/* All vectors equal: the answer is the first SKUs by bytes, whatever the index. */
static void ties_go_by_sku(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = 600, .dim = DIM, .metric = WF_METRIC_COSINE, .clusters = 4, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    for (size_t i = 1; i < c->table.n; i++) {
        memcpy(c->vectors[0] + i * DIM, c->vectors[0], DIM * sizeof(float));
    }
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    float q[DIM];
    memcpy(q, c->vectors[0], sizeof q);
    assert_true(wf_normalise(q, DIM));
    for (size_t i = 0; i < 4; i++) { /* Flat and IVF: HNSW promises no ties */
        struct shard *s = catalog_open(c, indexes[i], 0, 1);
        struct wire_probe p = probe(q, DIM);
        p.effort = everything(indexes[i]);
        const struct wire_search_request rq = request(&p);
        struct wire_search_response got;
        wf_arena_reset(&a);
        search(s, &rq, &a, &got);
        const struct wire_columns *col = &got.sources[0];
        const char *sku = col->sku_bytes;
        assert_int_equal(col->n, K);
        assert_int_equal(col->sku_sizes[0], 4);
        assert_memory_equal(sku, "sku0", 4);
        for (uint32_t j = 1; j < col->n; j++) {
            const char *next = sku + col->sku_sizes[j - 1];
            const size_t both = col->sku_sizes[j - 1] < col->sku_sizes[j] ? col->sku_sizes[j - 1]
                                                                          : col->sku_sizes[j];
            const int order = memcmp(sku, next, both);
            assert_true(order < 0 || (order == 0 && both == col->sku_sizes[j - 1]));
            sku = next;
        }
        shard_close(s);
    }
    wf_arena_fini(&a);
    catalog_free(c);
}

static void shards_together_equal_one(void **state)
{
    (void)state;
    const struct catalog_shape shape = {.n = ROWS,
                                        .dim = DIM,
                                        .metric = WF_METRIC_COSINE,
                                        .clusters = 30,
                                        .duplicate = 3,
                                        .seed = seed};
    struct catalog *c = catalog_make(&shape);
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    struct wf_random r = wf_random_of(seed, 9);
    float q[DIM];
    draw_query(c, &r, q);
    struct wire_probe p = probe(q, DIM);
    p.effort.kind = WIRE_EFFORT_EXACT;
    const struct wire_search_request rq = request(&p);
    struct shard *whole = catalog_open(c, "IVF16,SQ8", 0, 1);
    struct wire_search_response want;
    search(whole, &rq, &a, &want);
    uint32_t at[3] = {0};
    struct wire_search_response part[3];
    struct shard *shards[3];
    for (uint32_t i = 0; i < 3; i++) {
        shards[i] = catalog_open(c, "IVF16,SQ8", i, 3);
        search(shards[i], &rq, &a, &part[i]);
    }
    for (uint32_t j = 0; j < K; j++) { /* the next best score of the three */
        uint32_t best = 3;
        for (uint32_t i = 0; i < 3; i++) {
            if (at[i] < part[i].sources[0].n &&
                (best == 3 ||
                 part[i].sources[0].scores[at[i]] > part[best].sources[0].scores[at[best]])) {
                best = i;
            }
        }
        assert_memory_equal(&part[best].sources[0].scores[at[best]], &want.sources[0].scores[j],
                            sizeof(float));
        at[best]++;
    }
    for (uint32_t i = 0; i < 3; i++) {
        shard_close(shards[i]);
    }
    shard_close(whole);
    wf_arena_fini(&a);
    catalog_free(c);
}

static void a_late_search_stops_between_parts(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        /* more rows than are scanned between two looks at the clock */
        .n = 12000,
        .dim = 8,
        .metric = WF_METRIC_L2,
        .clusters = 40,
        .seed = seed};
    struct catalog *c = catalog_make(&shape);
    struct shard *s = catalog_open(c, "IVF64,SQfp16", 0, 1);
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    struct wire_probe p = probe(c->vectors[0], 8);
    const struct wire_search_request rq = request(&p);
    struct wire_search_response got;
    struct wf_error err;
    p.effort = (struct wire_effort){.kind = WIRE_EFFORT_NPROBE, .value = 64};
    assert_int_equal(shard_search(s, &rq, 0, &a, &got, &err), WF_OK);
    assert_int_equal(got.sources[0].n, K);
    assert_int_equal(got.sources[0].parts_planned, 64);
    assert_in_range(got.sources[0].parts_done, 1, 63);
    assert_true(got.sources[0].scanned < shape.n);
    p.effort.kind = WIRE_EFFORT_EXACT;
    assert_int_equal(shard_search(s, &rq, 0, &a, &got, &err), WF_OK);
    assert_int_equal(got.sources[0].parts_planned, 1);
    assert_int_equal(got.sources[0].parts_done, 0);
    shard_close(s);
    wf_arena_fini(&a);
    catalog_free(c);
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_agrees_with_brute_force),
        cmocka_unit_test(instruction_sets_agree),
        cmocka_unit_test(ties_go_by_sku),
        cmocka_unit_test(shards_together_equal_one),
        cmocka_unit_test(a_late_search_stops_between_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

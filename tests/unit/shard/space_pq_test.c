/* SPDX-License-Identifier: Apache-2.0
 *
 * space_pq_test.c - searching with a compressed first pass: near what comparing every row of the
 * lists gives, to the bit the same on every instruction set and in company, with filters and
 * exclusions; and where it cannot be used, exactly what comparing gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "shard/made.h"
#include "shard/mapped.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 9000, MOST_DIM = 64, CLOUDS = 40, QUERIES = 30, K = 10 };
static const uint64_t seed = 271828;

struct world {
    struct wf_schema schema;
    struct shard_made made;
    float *x, queries[QUERIES * MOST_DIM];
    uint32_t order[ROWS];
    struct wf_arena arena;
};

static void make_vectors(struct world *w, uint32_t dim, struct wf_random *r)
{
    float centres[CLOUDS * MOST_DIM];
    for (uint32_t i = 0; i < CLOUDS * dim; i++) {
        centres[i] = (float)wf_random_normal(r);
    }
    w->x = wf_xarray(float, (size_t)ROWS *dim);
    for (uint32_t i = 0; i < ROWS + QUERIES; i++) {
        float *at = i < ROWS ? w->x + (size_t)i * dim : w->queries + (size_t)(i - ROWS) * dim;
        const float *centre = centres + wf_random_below(r, CLOUDS) * dim;
        for (uint32_t j = 0; j < dim; j++) {
            at[j] = centre[j] + 0.6F * (float)wf_random_normal(r);
        }
    }
}

static struct world *make(const char *index, uint32_t dim, enum wf_metric_space metric)
{
    struct world *w = wf_xcalloc(1, sizeof *w);
    struct wf_random r = wf_random_of(seed, dim);
    static float min[MOST_DIM], step[MOST_DIM]; /* the space borrows them */
    const float *const mins[] = {min}, *const steps[] = {step};
    char **skus = wf_xarray(char *, ROWS);
    uint32_t *by_sku = wf_xarray(uint32_t, ROWS);
    w->schema.n_spaces = 1;
    w->schema.spaces[0] = (struct wf_space){.name = "photo", .dim = dim, .metric = metric};
    make_vectors(w, dim, &r);
    for (uint32_t i = 0; i < ROWS; i++) {
        skus[i] = wf_xprintf("%05u", i);
        by_sku[i] = i;
    }
    shard_sq8_ranges(&w->schema.spaces[0], w->x, ROWS, min, step);
    const struct wf_table table = {.schema = &w->schema, .n = ROWS, .skus = skus};
    const struct shard_build_space space = {.vectors = w->x};
    const struct shard_build b = {.schema = &w->schema,
                                  .items = &table,
                                  .spaces = &space,
                                  .index = index,
                                  .sq8_min = mins,
                                  .sq8_step = steps};
    struct wf_error err;
    assert_int_equal(shard_make(&b, 0, by_sku, ROWS, &w->made, &err), WF_OK);
    memcpy(w->order, w->made.places, ROWS * sizeof *w->order);
    for (uint32_t i = 0; i < ROWS; i++) {
        wf_xfree(skus[i]);
    }
    wf_xfree(skus);
    wf_xfree(by_sku);
    wf_arena_init(&w->arena, (size_t)64 << 20);
    return w;
}

static void destroy(struct world *w)
{
    wf_arena_fini(&w->arena);
    shard_made_fini(&w->made);
    wf_xfree(w->x);
    wf_xfree(w);
}

static struct shard_query query_of(const struct world *w, uint32_t i, uint32_t nprobe)
{
    return (struct shard_query){.vector = w->queries + (size_t)i * w->schema.spaces[0].dim,
                                .k = K,
                                .effort = {.kind = WIRE_EFFORT_NPROBE, .value = nprobe},
                                .deadline = INT64_MAX,
                                .order = w->order};
}

static struct shard_hits search(struct world *w, const struct shard_space *s,
                                const struct shard_query *q)
{
    struct shard_hits hits;
    struct wf_error err;
    assert_int_equal(shard_space_search(s, q, &w->arena, &hits, &err), WF_OK);
    return hits;
}

/* The space without its first pass. */
static struct shard_space plain(const struct world *w)
{
    struct shard_space s = w->made.space;
    s.pq.m = 0;
    return s;
}

static void assert_same(const struct shard_hits *a, const struct shard_hits *b)
{
    assert_int_equal(a->n, b->n);
    for (uint32_t i = 0; i < a->n; i++) {
        assert_memory_equal(&a->hits[i].score, &b->hits[i].score, sizeof(float));
        assert_int_equal(a->hits[i].row, b->hits[i].row);
    }
}

/* Adds to how many of the right rows were found; every score must be the kernel's own. */
static void compare(struct world *w, const struct shard_query *q, uint32_t *found, uint32_t *due)
{
    const struct shard_space without = plain(w);
    const struct shard_hits got = search(w, &w->made.space, q), want = search(w, &without, q);
    assert_int_equal(got.n, want.n);
    assert_int_equal(got.planned, want.planned);
    assert_int_equal(got.done, want.done);
    assert_true(q->allowed != NULL || got.scanned == want.scanned);
    for (uint32_t i = 0; i < got.n; i++) {
        float score;
        wf_score_rows(&w->made.space.codes, q->vector, &got.hits[i].row, 0, 1, &score);
        assert_memory_equal(&score, &got.hits[i].score, sizeof score);
        assert_true(q->allowed == NULL || wf_bit(q->allowed->bits, got.hits[i].row));
        *found += got.hits[i].score >= want.hits[want.n - 1].score;
    }
    *due += want.n;
}

static const struct {
    const char *index;
    uint32_t dim;
    enum wf_metric_space metric;
} cases[] = {
    {"IVF40,PQx4fs,Refine(SQfp16)", 64, WF_METRIC_L2},
    {"IVF40,PQx4fs,Refine(SQ8)", 64, WF_METRIC_IP},
    {"IVF40,PQx4fs,Refine(SQ8)", 33, WF_METRIC_L2},
    {"IVF40,PQ12x4fs,Refine(SQfp16)", 23, WF_METRIC_COSINE},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void finds_what_comparing_finds(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        struct world *w = make(cases[c].index, cases[c].dim, cases[c].metric);
        uint32_t found = 0, due = 0;
        w->made.space.pq.refine = 16;
        for (uint32_t i = 0; i < QUERIES; i++) {
            const struct shard_query q = query_of(w, i, 20);
            compare(w, &q, &found, &due);
        }
        print_message("%s, %u dimensions, %s: %u of %u\n", w->made.space.index, cases[c].dim,
                      wf_metric_name(cases[c].metric), found, due);
        assert_true(found >= due * 97 / 100);
        destroy(w);
    }
}

static void more_rows_refined_find_more(void **state)
{
    (void)state;
    struct world *w = make(cases[0].index, cases[0].dim, cases[0].metric);
    uint32_t few = 0, many = 0, due = 0;
    for (uint32_t i = 0; i < QUERIES; i++) {
        const struct shard_query q = query_of(w, i, 40);
        w->made.space.pq.refine = 1;
        compare(w, &q, &few, &due);
        w->made.space.pq.refine = SHARD_REFINE_MOST;
        compare(w, &q, &many, &due);
    }
    assert_true(few < many);
    assert_true(many >= due / 2 * 99 / 100);
    destroy(w);
}

static void every_instruction_set_answers_the_same(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        struct world *w = make(cases[c].index, cases[c].dim, cases[c].metric);
        w->made.space.pq.refine = 3;
        for (uint32_t i = 0; i < QUERIES; i++) {
            const struct shard_query q = query_of(w, i, 25);
            struct shard_hits hits[3];
            for (int isa = WF_ISA_C; isa <= WF_ISA_AVX512; isa++) {
                wf_vector_isa_set((enum wf_isa)isa);
                hits[isa - WF_ISA_C] = search(w, &w->made.space, &q);
            }
            assert_same(&hits[0], &hits[1]);
            assert_same(&hits[0], &hits[2]);
            wf_arena_reset(&w->arena);
        }
        wf_vector_isa_set(WF_ISA_AUTO);
        destroy(w);
    }
}

static void company_changes_nothing(void **state)
{
    (void)state;
    struct world *w = make(cases[1].index, cases[1].dim, cases[1].metric);
    struct shard_query queries[4];
    struct shard_hits many[4];
    struct wf_error err;
    w->made.space.pq.refine = 4;
    for (uint32_t i = 0; i < 4; i++) {
        queries[i] = query_of(w, i, i == 2 ? 1 : 25); /* one list has too few rows to estimate */
    }
    assert_int_equal(shard_space_search_many(&w->made.space, queries, 4, &w->arena, many, &err),
                     WF_OK);
    for (uint32_t i = 0; i < 4; i++) {
        const struct shard_hits alone = search(w, &w->made.space, &queries[i]);
        assert_same(&many[i], &alone);
    }
    destroy(w);
}

/* One row in `one_in` allowed. */
static struct shard_allowed allow(struct world *w, uint32_t one_in, struct wf_random *r)
{
    const struct shard_space *s = &w->made.space;
    uint64_t *bits = wf_array(&w->arena, uint64_t, wf_bits_words(s->n));
    uint32_t *lists = wf_array(&w->arena, uint32_t, s->spec.n);
    struct shard_allowed a = {.bits = bits, .lists = lists};
    for (uint32_t l = 0; l < s->spec.n; l++) {
        for (uint32_t row = s->lists[l]; row < s->lists[l + 1]; row++) {
            if (wf_random_below(r, one_in) == 0) {
                wf_bit_set(bits, row);
                lists[l]++;
                a.matched++;
            }
        }
    }
    return a;
}

static void filters_hold(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 7);
    for (size_t c = 0; c < CASES; c++) {
        struct world *w = make(cases[c].index, cases[c].dim, cases[c].metric);
        uint32_t found = 0, due = 0;
        w->made.space.pq.refine = 16;
        for (uint32_t i = 0; i < QUERIES; i++) {
            const struct shard_allowed a = allow(w, 1 + i % 3, &r);
            struct shard_query q = query_of(w, i, 40);
            q.allowed = &a;
            compare(w, &q, &found, &due);
        }
        assert_true(found >= due * 97 / 100);
        destroy(w);
    }
}

static uint64_t one_group(const void *ctx, uint32_t row)
{
    (void)ctx;
    return row % 2;
}

/* Who is kept out by a group is known after scoring only: no first pass then. */
static void groups_compare_every_row(void **state)
{
    (void)state;
    struct world *w = make(cases[0].index, cases[0].dim, cases[0].metric);
    const struct shard_space without = plain(w);
    const struct shard_rules rules = {.group = one_group, .group_max = 3};
    w->made.space.pq.refine = 1;
    for (uint32_t i = 0; i < QUERIES; i++) {
        struct shard_query q = query_of(w, i, 30);
        q.rules = &rules;
        const struct shard_hits got = search(w, &w->made.space, &q), want = search(w, &without, &q);
        assert_int_equal(got.n, 6);
        assert_same(&got, &want);
    }
    destroy(w);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Without its 100 best rows a query finds the ten behind them. */
static void excluded_rows_take_no_places(void **state)
{
    (void)state;
    enum { EXCLUDED = 100 };
    const struct catalog_shape shape = {
        .n = ROWS, .dim = 32, .metric = WF_METRIC_IP, .clusters = 30, .seed = seed};
    struct catalog *c = catalog_make(&shape);
    struct shard *s = catalog_open(c, "IVF30,PQx4fs,Refine(SQfp16)", 0, 1);
    struct shard_space space = s->spaces[0], without = space;
    struct wf_arena a;
    struct wf_error err;
    uint32_t found = 0;
    space.pq.refine = 8;
    without.pq.m = 0;
    wf_arena_init(&a, (size_t)64 << 20);
    for (uint32_t i = 0; i < QUERIES; i++) {
        uint64_t exclude[EXCLUDED];
        struct shard_rules rules = {.ids = &s->ids, .exclude = exclude, .n_exclude = EXCLUDED};
        struct shard_query q = {.vector = c->vectors[0] + (size_t)(17 * i) * shape.dim,
                                .k = EXCLUDED,
                                .effort = {.kind = WIRE_EFFORT_NPROBE, .value = 30},
                                .deadline = INT64_MAX,
                                .order = s->order};
        struct shard_hits got, want;
        assert_int_equal(shard_space_search(&without, &q, &a, &want, &err), WF_OK);
        for (uint32_t j = 0; j < EXCLUDED; j++) {
            size_t size;
            const char *sku = wf_idmap_get(&s->ids, want.hits[j].row, &size);
            exclude[j] = wf_hash64(sku, size);
        }
        qsort(exclude, EXCLUDED, sizeof exclude[0], by_value);
        q.k = K;
        q.rules = &rules;
        assert_int_equal(shard_space_search(&space, &q, &a, &got, &err), WF_OK);
        assert_int_equal(shard_space_search(&without, &q, &a, &want, &err), WF_OK);
        assert_int_equal(got.n, K);
        for (uint32_t j = 0; j < K; j++) {
            assert_true(got.hits[j].score <= want.hits[0].score);
            found += got.hits[j].score >= want.hits[K - 1].score;
        }
        wf_arena_reset(&a);
    }
    assert_true(found >= QUERIES * K * 97 / 100);
    wf_arena_fini(&a);
    shard_close(s);
    catalog_free(c);
}

static void deadlines_and_limits_hold(void **state)
{
    (void)state;
    struct world *w = make(cases[0].index, cases[0].dim, cases[0].metric);
    w->made.space.pq.refine = 2;
    struct shard_query q = query_of(w, 0, 40);
    q.deadline = 0;
    struct shard_hits hits = search(w, &w->made.space, &q);
    assert_int_equal(hits.planned, 40);
    assert_in_range(hits.done, 1, 39);
    assert_int_equal(hits.n, K);
    struct wf_arena small;
    struct wf_error err;
    unsigned refused = 0;
    for (size_t limit = 64; limit < 200000; limit += limit / 2) {
        wf_arena_init(&small, limit);
        const enum wf_code code = shard_space_search(&w->made.space, &q, &small, &hits, &err);
        assert_true(code == WF_OK || code == WF_EXHAUSTED);
        refused += code == WF_EXHAUSTED;
        wf_arena_fini(&small);
    }
    assert_true(refused > 3);
    destroy(w);
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_comparing_finds),
        cmocka_unit_test(more_rows_refined_find_more),
        cmocka_unit_test(every_instruction_set_answers_the_same),
        cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(filters_hold),
        cmocka_unit_test(groups_compare_every_row),
        cmocka_unit_test(excluded_rows_take_no_places),
        cmocka_unit_test(deadlines_and_limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

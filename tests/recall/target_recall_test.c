/* SPDX-License-Identifier: Apache-2.0
 *
 * target_recall_test.c - recall as a contract: a query that asks for .90, .95 or .99 gets it within
 * .01 (.06 where a filter takes regions), without a filter and under filters, at depths 10 and 100,
 * and effort never rises as the target falls.
 *
 * Queries were never part of the space: rows of each data set are kept out of it. Filters let
 * through rows at random, or the rows of some regions alone, wherever the query is. A hit counts
 * when its score is at least that of the last wanted row minus 1e-6 x max(1, |it|). Real vectors
 * where they are (tests/support/recall_data.h); synthetic ones in each kind of index and each
 * metric. WEFT_RECALL_QUERIES (200) says how many are kept out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "shard/made.h"
#include "tests/support/recall_data.h"

enum { DEPTHS = 2, TARGETS = 3, REGIONS = 40 };
static const uint64_t seed = 4711;
static const uint32_t depths[DEPTHS] = {10, 100};
static const double targets[TARGETS] = {0.99, 0.95, 0.90}; /* falling, as effort must */

struct set {
    struct wf_schema schema;
    float *vectors; /* base, then queries */
    uint32_t n, n_queries;
    struct shard_made made;
    float *min, *step;
    struct wf_arena arena;
};
struct filter {
    const char *name;
    bool regional;
    struct shard_allowed allowed;
    uint64_t *bits;
    uint32_t *lists;
};

static void must(enum wf_code code, const struct wf_error *err)
{
    if (code != WF_OK) {
        fail_msg("%s: %s", wf_code_name(code), err->text);
    }
}

/* ---- spaces ---- */

/* Shuffles the rows and keeps the last ones out; takes the vectors. */
static void set_init(struct set *t, enum wf_metric_space metric, float *vectors, size_t n,
                     uint32_t dim)
{
    const char *wanted = getenv("WEFT_RECALL_QUERIES");
    const uint32_t queries = wanted == NULL ? 200 : (uint32_t)strtoul(wanted, NULL, 10);
    *t = (struct set){.schema = {.n_spaces = 1}, .vectors = vectors};
    struct wf_space *sp = &t->schema.spaces[0];
    *sp = (struct wf_space){.name = "text", .content_id = "v1", .dim = dim, .metric = metric};
    struct wf_random r = wf_random_of(seed, 1);
    float *x = wf_xarray(float, dim);
    for (size_t i = n - 1; i > 0; i--) {
        const size_t j = wf_random_below(&r, i + 1);
        memcpy(x, vectors + i * dim, dim * sizeof *x);
        memmove(vectors + i * dim, vectors + j * dim, dim * sizeof *x);
        memcpy(vectors + j * dim, x, dim * sizeof *x);
    }
    wf_xfree(x);
    t->n_queries = queries < n / 4 ? queries : (uint32_t)(n / 4);
    t->n = (uint32_t)n - t->n_queries;
    for (size_t i = t->n; i < n && metric == WF_METRIC_COSINE; i++) {
        (void)wf_normalise(vectors + i * dim, dim);
    }
    t->min = wf_xarray(float, dim);
    t->step = wf_xarray(float, dim);
    wf_arena_init(&t->arena, 256 << 20);
}

static void set_build(struct set *t, const char *index)
{
    char **skus = wf_xarray(char *, t->n);
    uint32_t *by_sku = wf_xarray(uint32_t, t->n);
    for (uint32_t i = 0; i < t->n; i++) {
        skus[i] = wf_xprintf("%08u", i);
        by_sku[i] = i;
    }
    const float *const mins[] = {t->min}, *const steps[] = {t->step};
    const struct shard_build_space space = {.vectors = t->vectors};
    const struct wf_table table = {.schema = &t->schema, .n = t->n, .skus = skus};
    const struct shard_build b = {.schema = &t->schema,
                                  .items = &table,
                                  .spaces = &space,
                                  .n_shards = 1,
                                  .index = index,
                                  .sq8_min = mins,
                                  .sq8_step = steps,
                                  .seed = seed};
    struct wf_error err;
    shard_sq8_ranges(&t->schema.spaces[0], t->vectors, t->n, t->min, t->step);
    must(shard_make(&b, 0, by_sku, t->n, &t->made, &err), &err);
    must(shard_tune(&t->made, t->made.places, &b, &err), &err);
    for (uint32_t i = 0; i < t->n; i++) {
        wf_xfree(skus[i]);
    }
    wf_xfree(skus);
    wf_xfree(by_sku);
}

static void set_fini(struct set *t)
{
    wf_xfree(t->vectors);
    wf_xfree(t->min);
    wf_xfree(t->step);
    wf_arena_fini(&t->arena);
}

/* ---- filters ---- */

static void filter_begin(const struct set *t, const char *name, struct filter *f)
{
    *f = (struct filter){.name = name, .bits = wf_xarray(uint64_t, wf_bits_words(t->n))};
    if (t->made.space.spec.kind == SHARD_IVF) {
        f->lists = wf_xarray(uint32_t, t->made.space.spec.n);
    }
}

static void filter_end(const struct set *t, struct filter *f)
{
    const struct shard_space *s = &t->made.space;
    f->allowed = (struct shard_allowed){
        .bits = f->bits, .matched = wf_bits_count(f->bits, 0, s->n), .lists = f->lists};
    f->allowed.regional = s->spec.kind == SHARD_IVF && shard_filter_regional(s, &f->allowed);
    for (uint32_t l = 0; f->lists != NULL && l < s->spec.n; l++) {
        f->lists[l] = wf_bits_count(f->bits, s->lists[l], s->lists[l + 1]);
    }
}

static void filter_random(const struct set *t, double share, struct filter *f)
{
    struct wf_random r = wf_random_of(seed, 2);
    filter_begin(t, "random", f);
    for (uint32_t row = 0; row < t->made.space.n; row++) {
        if (wf_random_unit(&r) < share) {
            wf_bit_set(f->bits, row);
        }
    }
    filter_end(t, f);
}

/* Rows that are nearest to the first `take` of REGIONS rows of the space: what a category is. */
static void filter_regions(const struct set *t, uint32_t take, struct filter *f)
{
    const struct shard_space *s = &t->made.space;
    const uint32_t dim = s->schema->dim;
    float *x = wf_xarray(float, dim), *best = wf_xarray(float, s->n);
    float *scores = wf_xmalloc64(s->n * sizeof *scores);
    uint32_t *region = wf_xarray(uint32_t, s->n);
    struct wf_random r = wf_random_of(seed, 3);
    filter_begin(t, "regions", f);
    f->regional = true;
    for (uint32_t i = 0; i < REGIONS; i++) {
        wf_decode_row(&s->codes, (uint32_t)wf_random_below(&r, s->n), x);
        wf_score_rows(&s->codes, x, NULL, 0, s->n, scores);
        for (uint32_t row = 0; row < s->n; row++) {
            if (i == 0 || scores[row] > best[row]) {
                best[row] = scores[row];
                region[row] = i;
            }
        }
    }
    for (uint32_t row = 0; row < s->n; row++) {
        if (region[row] < take) {
            wf_bit_set(f->bits, row);
        }
    }
    filter_end(t, f);
    wf_xfree(x);
    wf_xfree(best);
    wf_xfree(scores);
    wf_xfree(region);
}

static void filter_fini(struct filter *f)
{
    wf_xfree(f->bits);
    wf_xfree(f->lists);
}

/* ---- measuring ---- */

struct answers {
    double recall, rows;
};

static void search(struct set *t, const struct filter *f, uint32_t i, uint32_t k,
                   struct wire_effort effort, struct shard_hits *out)
{
    struct wf_error err;
    const struct shard_query q = {.vector =
                                      t->vectors + (size_t)(t->n + i) * t->schema.spaces[0].dim,
                                  .k = k,
                                  .effort = effort,
                                  .deadline = INT64_MAX,
                                  .order = t->made.places,
                                  .allowed = f == NULL ? NULL : &f->allowed};
    must(shard_space_search(&t->made.space, &q, &t->arena, out, &err), &err);
}

/* Scores that a right row reaches, by brute force; +infinity where nothing matches. */
static void truth(struct set *t, const struct filter *f, uint32_t k, float *floors, uint32_t *due)
{
    for (uint32_t i = 0; i < t->n_queries; i++) {
        struct shard_hits hits;
        wf_arena_reset(&t->arena);
        search(t, f, i, k, (struct wire_effort){.kind = WIRE_EFFORT_EXACT}, &hits);
        due[i] = hits.n;
        const float last = hits.n == 0 ? INFINITY : hits.hits[hits.n - 1].score;
        floors[i] = last - 1e-6F * fmaxf(1, fabsf(last));
    }
}

static struct answers measure(struct set *t, const struct filter *f, uint32_t k,
                              struct wire_effort effort, const float *floors, const uint32_t *due)
{
    uint64_t found = 0, all = 0, rows = 0;
    for (uint32_t i = 0; i < t->n_queries; i++) {
        struct shard_hits hits;
        wf_arena_reset(&t->arena);
        search(t, f, i, k, effort, &hits);
        for (uint32_t j = 0; j < hits.n; j++) {
            found += hits.hits[j].score >= floors[i];
        }
        all += due[i];
        rows += hits.scanned;
    }
    return (struct answers){(double)found / (double)all, (double)rows / t->n_queries};
}

static void check_depth(struct set *t, const char *name, const struct filter *f, uint32_t k)
{
    float *floors = wf_xarray(float, t->n_queries);
    uint32_t *due = wf_xarray(uint32_t, t->n_queries);
    const struct shard_space *s = &t->made.space;
    const double share = f == NULL ? 1 : (double)f->allowed.matched / s->n;
    uint32_t before = UINT32_MAX;
    char line[256];
    int at = snprintf(line, sizeof line, "%s %s k %u, %s %.3f:", name, s->index, k,
                      f == NULL ? "all" : f->name, share);
    truth(t, f, k, floors, due);
    /* Which regions a filter takes matters more than a build's sample of them can show. */
    const double slack = f != NULL && f->regional ? 0.06 : 0.01;
    bool good = true;
    for (int i = 0; i < TARGETS; i++) {
        const struct wire_effort effort = {.kind = WIRE_EFFORT_RECALL, .recall = (float)targets[i]};
        const struct answers got = measure(t, f, k, effort, floors, due);
        const uint32_t now = shard_effort_for(&s->calibration, targets[i], k, share).effort;
        at += snprintf(line + at, sizeof line - (size_t)at, " %.2f %.4f effort %d rows %.0f;",
                       targets[i], got.recall, (int)now, got.rows);
        good = good && got.recall >= targets[i] - slack && now <= before;
        before = now;
    }
    print_message("%s\n", line);
    wf_xfree(floors);
    wf_xfree(due);
    assert_true(good);
}

static void check(struct set *t, const char *name, const char *index)
{
    static const double shares[] = {.5, .1};
    set_build(t, index);
    for (uint32_t d = 0; d < DEPTHS; d++) {
        check_depth(t, name, NULL, depths[d]);
        struct filter f;
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
            filter_random(t, shares[i], &f);
            check_depth(t, name, &f, depths[d]);
            filter_fini(&f);
        }
        filter_regions(t, REGIONS / 3, &f);
        check_depth(t, name, &f, depths[d]);
        filter_fini(&f);
    }
    shard_made_fini(&t->made);
}

/* ---- data ---- */

static void check_file(const char *name, const char *file, enum wf_metric_space metric,
                       uint32_t columns, const char *const *indexes)
{
    char path[512];
    if (!recall_find(file, path)) {
        print_message("%s: no %s, skipped\n", name, path);
        skip();
    }
    size_t n;
    uint32_t dim = columns;
    float *vectors = recall_load(path, &dim, &n);
    struct set t;
    set_init(&t, metric, vectors, n, dim);
    for (; *indexes != NULL; indexes++) {
        check(&t, name, *indexes);
    }
    set_fini(&t);
}

static void fashion(void **state)
{
    (void)state;
    static const char *const indexes[] = {"", NULL};
    check_file("fashion", "fashion-product-images/sku_glove100d.fvecs.gz", WF_METRIC_COSINE, 0,
               indexes);
}

static void words(void **state)
{
    (void)state;
    static const char *const indexes[] = {"", NULL};
    check_file("words", "glove-wink-100d/words100d.fvecs.gz", WF_METRIC_COSINE, 0, indexes);
}

static void sift(void **state)
{
    (void)state;
    static const char *const indexes[] = {"", "HNSW16", NULL};
    check_file("sift", "sift5k/sift-dataset-5k.tsv.gz", WF_METRIC_L2, 128, indexes);
}

/* Clusters of different width. */
static void synthetic(enum wf_metric_space metric, const char *name, const char *const *indexes)
{
    enum { N = 6000, DIM = 24, CENTRES = 50 };
    struct wf_random r = wf_random_of(seed, 10 + (uint64_t)metric);
    float centres[CENTRES][DIM];
    for (int i = 0; i < CENTRES * DIM; i++) {
        centres[i / DIM][i % DIM] = (float)wf_random_normal(&r);
    }
    float *x = wf_xarray(float, (size_t)N *DIM);
    for (size_t i = 0; i < N; i++) {
        const uint64_t c = wf_random_below(&r, CENTRES);
        for (uint32_t j = 0; j < DIM; j++) {
            x[i * DIM + j] =
                centres[c][j] + (0.2F + (float)(c % 5) / 8) * (float)wf_random_normal(&r);
        }
    }
    struct set t;
    set_init(&t, metric, x, N, DIM);
    for (; *indexes != NULL; indexes++) {
        check(&t, name, *indexes);
    }
    set_fini(&t);
}

static void synthetic_product(void **state)
{
    (void)state;
    static const char *const indexes[] = {"", "HNSW16", NULL};
    synthetic(WF_METRIC_IP, "product", indexes);
}

static void synthetic_cosine(void **state)
{
    (void)state;
    static const char *const indexes[] = {"IVF64,SQ8", "HNSW16,SQfp16", NULL};
    synthetic(WF_METRIC_COSINE, "cosine", indexes);
}

static void synthetic_l2(void **state)
{
    (void)state;
    static const char *const indexes[] = {"Flat", "IVF64,Flat", "HNSW16", NULL};
    synthetic(WF_METRIC_L2, "l2", indexes);
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sift),
        cmocka_unit_test(synthetic_product),
        cmocka_unit_test(synthetic_cosine),
        cmocka_unit_test(synthetic_l2),
        cmocka_unit_test(fashion),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

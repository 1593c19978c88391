/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_recall_test.c - recall@10 of the default index over three shards, merged, against brute
 * force over the stored vectors; and the share of the rows that it compared. On real catalogs where
 * they are (../shared/data beside the source tree, or WEFT_DATA), and on synthetic clusters.
 *
 * A hit counts when its exact score is at least the tenth best minus 1e-6 x max(1, |tenth best|).
 * Queries: items, each left out of the truth and of the answer; items moved by noise; means of a
 * few items that are near each other, as a user's vector is.
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
#include "base/file.h"
#include "base/hash.h"
#include "base/table.h"
#include "shard/build.h"
#include "shard/shard.h"
#include "tests/support/recall_data.h"

enum { SHARDS = 3, DEPTH = 10, QUERIES = 600 };
static const uint64_t seed = 77;

struct data {
    struct wf_schema schema;
    struct wf_table table;
    float *vectors;
    struct shard *shards[SHARDS];
    struct wf_arena arena;
};

static void must(enum wf_code code, const struct wf_error *err)
{
    if (code != WF_OK) {
        fail_msg("%s: %s", wf_code_name(code), err->text);
    }
}

/* ---- data ---- */

static void load_ids(struct data *d, const char *path)
{
    struct wf_reader *r;
    struct wf_error err;
    must(wf_reader_open(path, &r, &err), &err);
    for (size_t i = 0; i < d->table.n; i++) {
        char *line;
        size_t size;
        must(wf_reader_line(r, 4096, &line, &size, &err), &err);
        assert_non_null(line);
        d->table.skus[i] =
            size == 0 || size > WF_SKU_MAX ? wf_xprintf("row-%zu", i) : wf_xstrdup(line);
    }
    wf_reader_close(r);
}

static void init(struct data *d, enum wf_metric_space metric)
{
    *d = (struct data){.schema = {.n_spaces = 1}};
    d->table.schema = &d->schema;
    snprintf(d->schema.spaces[0].name, WF_NAME_MAX, "text");
    snprintf(d->schema.spaces[0].content_id, WF_NAME_MAX, "text-v1");
    d->schema.spaces[0].metric = metric;
    wf_arena_init(&d->arena, 256 << 20);
}

static void build(struct data *d, const char *index)
{
    char dir[256], path[300];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/weft-recall-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(dir));
    const struct shard_build_space space = {.vectors = d->vectors};
    const struct wf_space *sp = &d->schema.spaces[0];
    float *min = wf_xarray(float, sp->dim), *step = wf_xarray(float, sp->dim);
    const float *const mins[] = {min}, *const steps[] = {step};
    shard_sq8_ranges(sp, d->vectors, d->table.n, min, step);
    uint32_t *rows = wf_xarray(uint32_t, d->table.n);
    struct wf_error err;
    for (uint32_t s = 0; s < SHARDS; s++) {
        struct shard_build b = {.schema = &d->schema,
                                .items = &d->table,
                                .spaces = &space,
                                .shard = s,
                                .n_shards = SHARDS,
                                .rows = rows,
                                .index = index,
                                .sq8_min = mins,
                                .sq8_step = steps,
                                .seed = seed};
        for (uint32_t i = 0; i < d->table.n; i++) {
            if (wf_shard_of(d->table.skus[i], strlen(d->table.skus[i]), SHARDS) == s) {
                rows[b.n_rows++] = i;
            }
        }
        struct wf_container *c;
        snprintf(path, sizeof path, "%s/shard-%u.weft", dir, s);
        must(shard_build(&b, path, &err), &err);
        must(wf_container_open(path, &c, &err), &err);
        must(shard_view(c, &d->schema, "test", &d->shards[s], &err), &err);
    }
    must(wf_remove_tree(dir, &err), &err); /* the mappings stay */
    wf_xfree(rows);
    wf_xfree(min);
    wf_xfree(step);
}

static void close_shards(struct data *d)
{
    for (uint32_t s = 0; s < SHARDS; s++) {
        shard_close(d->shards[s]);
    }
}

static void fini(struct data *d)
{
    for (size_t i = 0; i < d->table.n; i++) {
        wf_xfree(d->table.skus[i]);
    }
    wf_xfree(d->table.skus);
    wf_xfree(d->vectors);
    wf_arena_fini(&d->arena);
}

/* ---- queries ---- */

static void add_scaled(float *to, const float *x, double scale, uint32_t dim)
{
    for (uint32_t j = 0; j < dim; j++) {
        to[j] += (float)scale * x[j];
    }
}

/* Item `row` moved by noise of `share` of its own length. */
static void moved(const struct data *d, size_t row, double share, struct wf_random *r, float *q)
{
    const uint32_t dim = d->schema.spaces[0].dim;
    memcpy(q, d->vectors + row * dim, dim * sizeof *q);
    const double length = sqrt((double)wf_dot(q, q, dim) / dim);
    for (uint32_t j = 0; j < dim; j++) {
        q[j] += (float)(share * length * wf_random_normal(r));
    }
}

/* Mean of an item and of those of 200 drawn ones that are nearest to it. */
static void taste(const struct data *d, size_t row, struct wf_random *r, float *q)
{
    const uint32_t dim = d->schema.spaces[0].dim;
    const float *x = d->vectors + row * dim;
    memcpy(q, x, dim * sizeof *q);
    for (int i = 0; i < 5; i++) {
        const float *best = NULL;
        for (int j = 0; j < 40; j++) {
            const float *y = d->vectors + wf_random_below(r, d->table.n) * dim;
            best = best == NULL || wf_l2(x, y, dim) > wf_l2(x, best, dim) ? y : best;
        }
        add_scaled(q, best, 1, dim);
    }
    for (uint32_t j = 0; j < dim; j++) {
        q[j] /= 6;
    }
}

struct merged {
    uint32_t n;
    float scores[SHARDS * (DEPTH + 1)];
    uint64_t scanned;
};

static int falling(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x > y ? -1 : x < y;
}

/* The best DEPTH scores of all shards, without the item `skip`. */
static void ask(struct data *d, const float *q, enum wire_effort_kind effort, const char *skip,
                struct merged *out)
{
    const struct wire_probe p = {.space = "",
                                 .content_id = "",
                                 .vector = q,
                                 .dim = d->schema.spaces[0].dim,
                                 .k = DEPTH + 1,
                                 .effort = {.kind = effort}};
    const struct wire_search_request rq = {.generation = "test",
                                           .request_id = "",
                                           .filter = "",
                                           .vector_space = "",
                                           .probes = &p,
                                           .n_probes = 1};
    *out = (struct merged){0};
    wf_arena_reset(&d->arena);
    for (uint32_t s = 0; s < SHARDS; s++) {
        struct wire_search_response got;
        struct wf_error err;
        must(shard_search(d->shards[s], &rq, INT64_MAX, &d->arena, &got, &err), &err);
        const struct wire_columns *c = &got.sources[0];
        const char *sku = c->sku_bytes;
        for (uint32_t i = 0; i < c->n; sku += c->sku_sizes[i++]) {
            if (skip == NULL || strlen(skip) != c->sku_sizes[i] ||
                memcmp(skip, sku, c->sku_sizes[i]) != 0) {
                out->scores[out->n++] = c->scores[i];
            }
        }
        out->scanned += c->scanned;
    }
    qsort(out->scores, out->n, sizeof out->scores[0], falling);
    out->n = out->n < DEPTH ? out->n : DEPTH;
}

struct figures {
    double recall, scanned, most_scanned;
};

static struct figures measure(struct data *d, int kind)
{
    const uint32_t dim = d->schema.spaces[0].dim;
    float *q = wf_xarray(float, dim);
    uint64_t found = 0, due = 0, scanned = 0, most = 0;
    struct wf_random r = wf_random_of(seed, 1000 + (uint64_t)kind);
    for (int i = 0; i < QUERIES; i++) {
        const size_t row = wf_random_below(&r, d->table.n);
        moved(d, row, kind == 1 ? 0.3 : 0, &r, q);
        if (kind == 2) {
            taste(d, row, &r, q);
        }
        if (d->schema.spaces[0].metric == WF_METRIC_COSINE && !wf_normalise(q, dim)) {
            continue;
        }
        const char *skip = kind == 0 ? d->table.skus[row] : NULL;
        struct merged truth, got;
        ask(d, q, WIRE_EFFORT_EXACT, skip, &truth);
        ask(d, q, WIRE_EFFORT_DEFAULT, skip, &got);
        const float last = truth.scores[truth.n - 1];
        for (uint32_t j = 0; j < got.n; j++) {
            found += got.scores[j] >= last - 1e-6F * fmaxf(1, fabsf(last));
        }
        due += truth.n;
        scanned += got.scanned;
        most = got.scanned > most ? got.scanned : most;
    }
    wf_xfree(q);
    return (struct figures){
        .recall = (double)found / (double)due,
        .scanned = (double)scanned / QUERIES / (double)d->table.n,
        .most_scanned = (double)most / (double)d->table.n,
    };
}

static void check(struct data *d, const char *name, const char *index, double recall,
                  double scanned)
{
    static const char *const kinds[] = {"items", "moved items", "tastes"};
    build(d, index);
    for (int kind = 0; kind < 3; kind++) {
        const struct figures f = measure(d, kind);
        struct wf_arena a;
        struct wire_generation_stats stats;
        wf_arena_init(&a, 1 << 16);
        must(shard_describe(d->shards[0], &a, &stats, NULL), &(struct wf_error){0});
        print_message("%s, %s (effort %u), %s: recall@10 %.4f, scanned %.4f (at most %.4f)\n", name,
                      stats.spaces[0].index, stats.spaces[0].effort, kinds[kind], f.recall,
                      f.scanned, f.most_scanned);
        wf_arena_fini(&a);
        assert_true(f.recall >= recall);
        assert_true(f.scanned <= scanned);
    }
    close_shards(d);
}

static void check_file(const char *name, const char *vectors, const char *ids)
{
    char path[512], id_path[512];
    if (!recall_find(vectors, path) || !recall_find(ids, id_path)) {
        print_message("%s: no %s, skipped\n", name, path);
        skip();
    }
    struct data d;
    init(&d, WF_METRIC_COSINE);
    d.vectors = recall_load(path, &d.schema.spaces[0].dim, &d.table.n);
    d.table.skus = wf_xarray(char *, d.table.n);
    load_ids(&d, id_path);
    check(&d, name, "", 0.95, 0.10);
    fini(&d);
}

static void fashion(void **state)
{
    (void)state;
    check_file("fashion", "fashion-product-images/sku_glove100d.fvecs.gz",
               "fashion-product-images/sku_glove100d.ids.txt.gz");
}

static void words(void **state)
{
    (void)state;
    check_file("words", "glove-wink-100d/words100d.fvecs.gz", "glove-wink-100d/words.txt.gz");
}

/* Clusters of different width; every kind of index and metric. */
static void synthetic(void **state)
{
    (void)state;
    static const struct {
        const char *index;
        double scanned;
    } kinds[] = {{"", 1},     {"IVF64,Flat", 1}, {"IVF64,SQ8", 1},
                 {"Flat", 1}, {"HNSW16", 1},     {"HNSW16,SQfp16", 1}};
    for (int metric = WF_METRIC_IP; metric <= WF_METRIC_L2; metric++) {
        struct data d;
        init(&d, (enum wf_metric_space)metric);
        const uint32_t dim = d.schema.spaces[0].dim = 24;
        struct wf_random r = wf_random_of(seed, (uint64_t)metric);
        float centres[50][24];
        for (int i = 0; i < 50 * 24; i++) {
            centres[i / 24][i % 24] = (float)wf_random_normal(&r);
        }
        d.table.n = 9000;
        d.table.skus = wf_xarray(char *, d.table.n);
        d.vectors = wf_xarray(float, d.table.n *dim);
        for (size_t i = 0; i < d.table.n; i++) {
            const uint64_t c = wf_random_below(&r, 50);
            d.table.skus[i] = wf_xprintf("item-%zu", i);
            for (uint32_t j = 0; j < dim; j++) {
                d.vectors[i * dim + j] =
                    centres[c][j] + (0.2F + (float)(c % 5) / 8) * (float)wf_random_normal(&r);
            }
        }
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            char name[32];
            snprintf(name, sizeof name, "synthetic, metric %d", metric);
            check(&d, name, kinds[i].index, 0.94, kinds[i].scanned);
        }
        fini(&d);
    }
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fashion),
        cmocka_unit_test(words),
        cmocka_unit_test(synthetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * space_rules_test.c - filters, exclusions, groups and disliked vectors against sorting all rows by
 * the definition; several queries in one pass against each alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/hash.h"
#include "shard/mapped.h"
#include "shard/top.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 900, DIM = 20, GROUPS = 40, QUERIES = 5, ROUNDS = 40, NEGATIVES = 3 };
static const uint64_t seed = 9177;

static const char *const kinds[] = {"Flat", "IVF24,SQfp16", "IVF24,SQ8", "IVF24,Flat", "HNSW12"};
enum { LIST_KINDS = 4, ALL_KINDS };
static const enum wf_metric_space metrics[] = {WF_METRIC_IP, WF_METRIC_COSINE, WF_METRIC_L2};

/* A query with rules, and the storage of both. */
struct ruled {
    struct shard_query q;
    struct shard_rules rules;
    struct shard_allowed allowed;
    float vector[DIM], negatives[NEGATIVES * DIM];
    uint64_t bits[ROWS / 64 + 1], exclude[ROWS];
    uint32_t lists[64];
};

static uint64_t group_of(const void *ctx, uint32_t row)
{
    (void)ctx;
    return row % 7 == 0 ? UINT64_MAX : wf_hash64(&row, sizeof row) % GROUPS;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void draw_filter(struct ruled *d, const struct shard_space *sp, struct wf_random *r)
{
    const double share = (double[]){0, 0.01, 0.2, 0.6, 0.95, 1}[wf_random_below(r, 6)];
    for (uint32_t row = 0; row < sp->n; row++) {
        if (wf_random_unit(r) < share) {
            wf_bit_set(d->bits, row);
        }
    }
    d->allowed = (struct shard_allowed){
        .bits = d->bits, .matched = wf_bits_count(d->bits, 0, sp->n), .lists = d->lists};
    for (uint32_t l = 0; sp->spec.kind == SHARD_IVF && l < sp->spec.n; l++) {
        d->lists[l] = wf_bits_count(d->bits, sp->lists[l], sp->lists[l + 1]);
    }
    d->q.allowed = &d->allowed;
}

static void draw_rules(struct ruled *d, const struct shard *s, struct wf_random *r)
{
    d->rules.ids = &s->ids;
    for (uint32_t n = (uint32_t)wf_random_below(r, 3) * 100; d->rules.n_exclude < n;) {
        size_t size;
        const char *sku = wf_idmap_get(&s->ids, (uint32_t)wf_random_below(r, s->rows), &size);
        d->exclude[d->rules.n_exclude++] = wf_hash64(sku, size);
    }
    qsort(d->exclude, d->rules.n_exclude, sizeof d->exclude[0], by_value);
    d->rules.exclude = d->exclude;
    if (wf_random_below(r, 2) > 0) {
        d->rules.group = group_of;
        d->rules.group_max = 1 + (uint32_t)wf_random_below(r, 3);
    }
    if (wf_random_below(r, 2) > 0 && s->spaces[0].codes.metric != WF_METRIC_L2) {
        d->rules.negatives = d->negatives;
        d->rules.n_negatives = 1 + (uint32_t)wf_random_below(r, NEGATIVES);
        d->rules.negative_weight = (float)wf_random_unit(r);
    }
    d->q.rules = &d->rules;
}

static void draw(struct ruled *d, const struct shard *s, struct wf_random *r)
{
    memset(d, 0, sizeof *d);
    for (uint32_t j = 0; j < DIM; j++) {
        d->vector[j] = (float)wf_random_normal(r);
    }
    for (uint32_t j = 0; j < NEGATIVES * DIM; j++) {
        d->negatives[j] = (float)wf_random_normal(r);
    }
    d->q = (struct shard_query){
        .vector = d->vector,
        .k = 1 + (uint32_t)wf_random_below(r, 120),
        .effort = {.kind = wf_random_below(r, 2) > 0 ? WIRE_EFFORT_EXACT : WIRE_EFFORT_NPROBE,
                   .value = 65536},
        .deadline = INT64_MAX,
        .order = s->order};
    if (s->spaces[0].spec.kind == SHARD_FLAT) {
        d->q.effort = (struct wire_effort){.kind = WIRE_EFFORT_EXACT};
    }
    if (wf_random_below(r, 3) > 0) {
        draw_filter(d, &s->spaces[0], r);
    }
    if (wf_random_below(r, 3) > 0) {
        draw_rules(d, s, r);
    }
}

/* ---- the definition ---- */

static int best_first(const void *a, const void *b)
{
    const struct shard_hit *x = a, *y = b;
    return shard_hit_before(x, y) ? -1 : shard_hit_before(y, x);
}

static bool is_excluded(const struct ruled *d, const struct shard *s, uint32_t row)
{
    size_t size;
    const char *sku = wf_idmap_get(&s->ids, row, &size);
    const uint64_t hash = wf_hash64(sku, size);
    for (uint32_t i = 0; i < d->rules.n_exclude; i++) {
        if (d->exclude[i] == hash) {
            return true;
        }
    }
    return false;
}

static float score_of(const struct ruled *d, const struct shard_space *sp, uint32_t row)
{
    float score, worst = 0;
    wf_score_rows(&sp->codes, d->vector, &row, 0, 1, &score);
    for (uint32_t i = 0; i < d->rules.n_negatives; i++) {
        float with;
        wf_score_rows(&sp->codes, d->negatives + (size_t)i * DIM, &row, 0, 1, &with);
        worst = with > worst ? with : worst;
    }
    return score - d->rules.negative_weight * worst;
}

static uint32_t by_definition(const struct ruled *d, const struct shard *s, struct shard_hit *all)
{
    uint32_t n = 0, kept = 0, taken[GROUPS] = {0};
    for (uint32_t row = 0; row < s->spaces[0].n; row++) {
        if ((d->q.allowed == NULL || wf_bit(d->bits, row)) && !is_excluded(d, s, row)) {
            all[n++] = (struct shard_hit){score_of(d, &s->spaces[0], row), s->order[row], row};
        }
    }
    qsort(all, n, sizeof all[0], best_first);
    for (uint32_t i = 0; i < n && kept < d->q.k; i++) {
        const uint64_t group = group_of(NULL, all[i].row);
        if (d->rules.group_max == 0 || group == UINT64_MAX || taken[group]++ < d->rules.group_max) {
            all[kept++] = all[i];
        }
    }
    return kept;
}

static void check_hits(const struct shard_hits *hits, const struct shard_hit *due, uint32_t n)
{
    assert_int_equal(hits->n, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(hits->hits[i].row, due[i].row);
        assert_memory_equal(&hits->hits[i].score, &due[i].score, sizeof due[i].score);
    }
    assert_int_equal(hits->planned, hits->done);
}

static void each_kind(size_t n, void (*check)(struct shard *, struct wf_random *))
{
    for (size_t i = 0; i < n; i++) {
        for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++) {
            struct catalog *c = catalog_make(&(struct catalog_shape){.n = ROWS,
                                                                     .dim = DIM,
                                                                     .metric = metrics[m],
                                                                     .clusters = 9,
                                                                     .duplicate = 5,
                                                                     .seed = seed});
            struct shard *s = catalog_open(c, kinds[i], 0, 1);
            struct wf_random r = wf_random_of(seed, i * 8 + m);
            check(s, &r);
            shard_close(s);
            catalog_free(c);
        }
    }
}

static void check_rules(struct shard *s, struct wf_random *r)
{
    static struct ruled d;
    static struct shard_hit due[ROWS];
    struct wf_arena a;
    wf_arena_init(&a, 16 << 20);
    for (int round = 0; round < ROUNDS; round++) {
        struct shard_hits hits;
        struct wf_error err;
        draw(&d, s, r);
        const uint32_t n = by_definition(&d, s, due);
        assert_int_equal(shard_space_search(&s->spaces[0], &d.q, &a, &hits, &err), WF_OK);
        check_hits(&hits, due, n);
        wf_arena_reset(&a);
    }
    wf_arena_fini(&a);
}

static void hits_are_the_best_under_the_rules(void **state)
{
    (void)state;
    each_kind(LIST_KINDS, check_rules);
}

static void check_many(struct shard *s, struct wf_random *r)
{
    static struct ruled d[QUERIES];
    struct wf_arena a;
    wf_arena_init(&a, 16 << 20);
    for (int round = 0; round < ROUNDS / 4; round++) {
        struct shard_query queries[QUERIES];
        struct shard_hits many[QUERIES], one;
        struct wf_error err;
        for (uint32_t i = 0; i < QUERIES; i++) {
            draw(&d[i], s, r);
            if (d[i].q.effort.kind == WIRE_EFFORT_NPROBE) {
                d[i].q.effort.value = 1 + (uint32_t)wf_random_below(r, 12);
            }
            queries[i] = d[i].q;
        }
        assert_int_equal(shard_space_search_many(&s->spaces[0], queries, QUERIES, &a, many, &err),
                         WF_OK);
        for (uint32_t i = 0; i < QUERIES; i++) {
            assert_int_equal(shard_space_search(&s->spaces[0], &queries[i], &a, &one, &err), WF_OK);
            check_hits(&many[i], one.hits, one.n);
            assert_int_equal(many[i].planned, one.planned);
            assert_int_equal(many[i].scanned, one.scanned);
        }
        wf_arena_reset(&a);
    }
    wf_arena_fini(&a);
}

/* Rules that leave little among the lists of the default effort: the list is full all the same. */
static void check_full(struct shard *s, struct wf_random *r)
{
    static struct ruled d;
    static struct shard_hit due[ROWS];
    struct wf_arena a;
    wf_arena_init(&a, 16 << 20);
    for (int round = 0; round < ROUNDS; round++) {
        struct shard_hits hits;
        struct wf_error err;
        draw(&d, s, r);
        d.q.effort = (struct wire_effort){.kind = WIRE_EFFORT_DEFAULT};
        const uint32_t n = by_definition(&d, s, due);
        assert_int_equal(shard_space_search(&s->spaces[0], &d.q, &a, &hits, &err), WF_OK);
        assert_int_equal(hits.n, n);
        assert_int_equal(hits.planned, hits.done);
        wf_arena_reset(&a);
    }
    wf_arena_fini(&a);
}

static void rules_do_not_shorten_the_list(void **state)
{
    (void)state;
    each_kind(ALL_KINDS, check_full);
}

static void one_pass_gives_what_each_alone_gives(void **state)
{
    (void)state;
    each_kind(LIST_KINDS, check_many);
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hits_are_the_best_under_the_rules),
        cmocka_unit_test(rules_do_not_shorten_the_list),
        cmocka_unit_test(one_pass_gives_what_each_alone_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

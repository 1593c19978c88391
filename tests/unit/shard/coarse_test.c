/* SPDX-License-Identifier: Apache-2.0
 *
 * coarse_test.c - the lists found from 8-bit centroids hold all of those that scoring every
 * centroid would choose, and not many more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/hash.h"
#include "shard/coarse.h"
#include "shard/top.h"

enum { LISTS = 700, MOST_DIM = 200 };
static const uint64_t seed = 60311;

struct shape {
    uint32_t dim;
    enum wf_metric_space metric;
    double size, offset;
};

static float values[LISTS * MOST_DIM];

/* The centroids lie in `values`. */
static struct wf_codes make(const struct shape *sh, struct wf_random *r)
{
    const uint32_t padded = wf_padded_dim(sh->dim);
    float *x = values;
    memset(x, 0, sizeof values);
    for (uint32_t i = 0; i < LISTS * padded; i++) {
        if (i % padded < sh->dim) {
            x[i] = (float)(sh->offset + sh->size * wf_random_normal(r));
        }
    }
    return (struct wf_codes){.codec = WF_CODEC_FLOAT32,
                             .metric = sh->metric,
                             .dim = sh->dim,
                             .stride = padded * sizeof(float),
                             .data = (unsigned char *)x};
}

/* Returns the lists found, of `want` that are due. */
static uint32_t check(const struct wf_codes *centroids, const struct shard_coarse *c,
                      const float *query, uint32_t want, const uint32_t *rows)
{
    static float scores[LISTS];
    bool found[LISTS] = {false};
    uint32_t n;
    struct shard_top top;
    struct shard_some near;
    struct wf_arena a;
    wf_arena_init(&a, 1 << 20);
    wf_score_rows(centroids, query, NULL, 0, LISTS, scores);
    assert_true(shard_top_init(&top, want, NULL, &a));
    for (uint32_t i = 0; i < LISTS; i++) {
        if (rows[i] > 0) {
            shard_top_push(&top, (struct shard_hit){.score = scores[i], .order = i, .row = i});
        }
    }
    shard_top_sort(&top);
    struct shard_near estimates;
    assert_true(shard_coarse_estimate(c, query, &a, &estimates));
    assert_true(shard_coarse_near(c, &estimates, want, rows, &a, &near));
    for (uint32_t i = 0; i < near.n; i++) {
        const uint32_t list = near.lists[i];
        assert_true(list < LISTS && rows[list] > 0 && (i == 0 || list > near.lists[i - 1]));
        found[list] = true;
    }
    for (uint32_t i = 0; i < top.n; i++) {
        assert_true(found[top.hits[i].row]);
    }
    n = near.n;
    wf_arena_fini(&a);
    return n;
}

static void check_shape(const struct shape *sh, struct wf_random *r)
{
    struct wf_codes centroids = make(sh, r);
    uint32_t lists[LISTS + 1] = {0}, rows[LISTS];
    for (uint32_t i = 0; i < LISTS; i++) {
        rows[i] = (uint32_t)wf_random_below(r, 3);
        lists[i + 1] = lists[i] + rows[i];
    }
    struct shard_coarse *c = shard_coarse_make(&centroids, lists, LISTS);
    assert_non_null(c);
    uint64_t found = 0, due = 0;
    for (int round = 0; round < 20; round++) {
        float query[MOST_DIM];
        for (uint32_t j = 0; j < sh->dim; j++) {
            query[j] = (float)(sh->offset + sh->size * wf_random_normal(r));
        }
        const uint32_t want = 1 + (uint32_t)wf_random_below(r, 60);
        found += check(&centroids, c, query, want, rows);
        due += want;
    }
    print_message("dim %u metric %d size %g + %g: %.2f lists scored for each chosen\n", sh->dim,
                  (int)sh->metric, sh->size, sh->offset, (double)found / (double)due);
    if (sh->offset == 0 && sh->dim > 1) {
        assert_true(found < 3 * due);
    }
    shard_coarse_free(c);
}

static void no_near_list_is_missed(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 17, 96, MOST_DIM};
    static const double sizes[] = {1e-12, 0.1, 300};
    struct wf_random r = wf_random_of(seed, 1);
    for (size_t d = 0; d < 4; d++) {
        for (int metric = WF_METRIC_IP; metric <= WF_METRIC_L2; metric++) {
            for (size_t i = 0; i < 6; i++) {
                check_shape(&(struct shape){.dim = dims[d],
                                            .metric = (enum wf_metric_space)metric,
                                            .size = sizes[i % 3],
                                            .offset = i < 3 ? 0 : 20 * sizes[i % 3]},
                            &r);
            }
        }
    }
}

static void odd_centroids_have_no_copy(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 2);
    struct wf_codes centroids =
        make(&(struct shape){.dim = 8, .metric = WF_METRIC_IP, .size = 1}, &r);
    static const uint32_t lists[LISTS + 1] = {0};
    assert_null(shard_coarse_make(&centroids, lists, 16));
    values[10] = (float)INFINITY;
    assert_null(shard_coarse_make(&centroids, lists, LISTS));
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_near_list_is_missed),
        cmocka_unit_test(odd_centroids_have_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

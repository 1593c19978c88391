/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_test.c - clustering and assignment by groups of centroids: nearly always the nearest
 * centroid, about as close as FAISS's k-means, the same every time, and no list without a use.
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
#include "base/hash.h"
#include "shard/cluster.h"

enum { ROWS = 8000, DIM = 24, BLOBS = 150, LISTS = 400 };
static const uint64_t seed = 3;

/* Rows around BLOBS centres, of unit length unless compared by L2. */
static float *make_rows(enum wf_metric_space metric)
{
    float *x = wf_xarray(float, (size_t)ROWS *DIM);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct wf_random blob = wf_random_of(seed, i % BLOBS);
        struct wf_random own = wf_random_of(seed + 1, i);
        for (uint32_t j = 0; j < DIM; j++) {
            x[(size_t)i * DIM + j] =
                (float)(wf_random_normal(&blob) + 0.6 * wf_random_normal(&own));
        }
        if (metric != WF_METRIC_L2) {
            assert_true(wf_normalise(x + (size_t)i * DIM, DIM));
        }
    }
    return x;
}

static double score(const struct shard_points *p, size_t i, const float *centroid)
{
    const float *x = p->x + i * p->d;
    return (double)(p->metric == WF_METRIC_L2 ? wf_l2(x, centroid, p->d)
                                              : wf_dot(x, centroid, p->d));
}

/* Mean score of each row with its list. */
static double closeness(const struct shard_points *p, const float *centroids, const uint32_t *list)
{
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        sum += score(p, i, centroids + (size_t)list[i] * DIM);
    }
    return sum / (double)p->n;
}

static void check_metric(enum wf_metric_space metric)
{
    float *x = make_rows(metric);
    const struct shard_points p = {.x = x, .n = ROWS, .d = DIM, .metric = metric};
    float *many = wf_xarray(float, LISTS *DIM), *again = wf_xarray(float, LISTS *DIM);
    float *plain = wf_xarray(float, LISTS *DIM);
    uint32_t *list = wf_xarray(uint32_t, ROWS), *exact = wf_xarray(uint32_t, ROWS);
    struct wf_error err;
    assert_int_equal(shard_cluster_many(&p, LISTS, seed, many, &err), WF_OK);
    assert_int_equal(shard_cluster_many(&p, LISTS, seed, again, &err), WF_OK);
    assert_memory_equal(many, again, LISTS * DIM * sizeof *many);
    assert_int_equal(shard_assign_many(&p, many, LISTS, seed, list, &err), WF_OK);
    assert_int_equal(shard_assign(&p, many, LISTS, exact, &err), WF_OK);
    uint32_t same = 0, used = 0;
    uint32_t *sizes = wf_xarray(uint32_t, LISTS);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_true(list[i] < LISTS);
        same += list[i] == exact[i];
        sizes[list[i]]++;
    }
    for (uint32_t i = 0; i < LISTS; i++) {
        used += sizes[i] > 0;
    }
    const double ours = closeness(&p, many, list);
    assert_int_equal(shard_cluster(&p, LISTS, seed, plain, &err), WF_OK);
    assert_int_equal(shard_assign(&p, plain, LISTS, exact, &err), WF_OK);
    const double theirs = closeness(&p, plain, exact);
    print_message("seed %llu: %.4f with the nearest, %u lists used, mean score %.4f, FAISS %.4f\n",
                  (unsigned long long)seed, (double)same / ROWS, used, ours, theirs);
    assert_true(same > 0.97 * ROWS);
    assert_true(used > 0.97 * LISTS);
    assert_true(ours > theirs - 0.05 * fabs(theirs));
    wf_xfree(sizes);
    wf_xfree(exact);
    wf_xfree(list);
    wf_xfree(plain);
    wf_xfree(again);
    wf_xfree(many);
    wf_xfree(x);
}

static void by_direction(void **state)
{
    (void)state;
    check_metric(WF_METRIC_COSINE);
}

static void by_distance(void **state)
{
    (void)state;
    check_metric(WF_METRIC_L2);
}

/* Fewer kinds of rows than lists: lists stay empty, and no row is lost. */
static void equal_rows_do_no_harm(void **state)
{
    (void)state;
    enum { N = 500, FEW = 40 };
    float *x = wf_xarray(float, (size_t)N *DIM);
    for (uint32_t i = 0; i < N; i++) {
        x[(size_t)i * DIM + i % 3] = 1;
    }
    const struct shard_points p = {.x = x, .n = N, .d = DIM, .metric = WF_METRIC_COSINE};
    float *centroids = wf_xarray(float, FEW *DIM);
    uint32_t *list = wf_xarray(uint32_t, N);
    struct wf_error err;
    assert_int_equal(shard_cluster_many(&p, FEW, seed, centroids, &err), WF_OK);
    assert_int_equal(wf_first_not_finite(centroids, FEW * DIM), -1);
    assert_int_equal(shard_assign_many(&p, centroids, FEW, seed, list, &err), WF_OK);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(list[i] < FEW);
        assert_true(score(&p, i, centroids + (size_t)list[i] * DIM) > 0.99);
    }
    wf_xfree(list);
    wf_xfree(centroids);
    wf_xfree(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_direction),
                                       cmocka_unit_test(by_distance),
                                       cmocka_unit_test(equal_rows_do_no_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

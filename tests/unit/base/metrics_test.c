/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics_test.c - sums over threads, the Prometheus text, and the histogram's error bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/histogram.h"
#include "base/metrics.h"

enum { REQUESTS, SHARDS_UP, LATENCY, N_METRICS };
static const char *const code_values[] = {"ok", "a \"bad\\one\"\n", NULL};
static const struct wf_metric table[N_METRICS] = {
    [REQUESTS] = {"weft_requests_total", WF_COUNTER, "Requests\nby outcome.", "code", code_values},
    [SHARDS_UP] = {"weft_shards_up", WF_GAUGE, "Healthy shards.", NULL, NULL},
    [LATENCY] = {"weft_request_seconds", WF_HISTOGRAM, "Time of a request.", NULL, NULL},
};

static void *add_much(void *arg)
{
    struct wf_metrics *m = arg;
    for (int i = 0; i < 10000; i++) {
        wf_count(m, REQUESTS, 1, 2);
        wf_observe_ns(m, LATENCY, 0, 1000000);
        wf_gauge(m, SHARDS_UP, 0, 3.5);
    }
    return NULL;
}

static void threads_are_summed(void **state)
{
    (void)state;
    struct wf_metrics *m = wf_metrics_create(table, N_METRICS);
    pthread_t threads[20]; /* more than stripes */
    for (int i = 0; i < 20; i++) {
        pthread_create(&threads[i], NULL, add_much, m);
    }
    for (int i = 0; i < 10; i++) {
        size_t size = 0;
        wf_xfree(wf_metrics_text(m, &size));
        assert_true(size > 0);
    }
    for (int i = 0; i < 20; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(400000, wf_count_read(m, REQUESTS, 1));
    assert_int_equal(0, wf_count_read(m, REQUESTS, 0));
    assert_int_equal(200000, wf_count_read(m, LATENCY, 0));
    wf_metrics_destroy(m);
    wf_metrics_destroy(NULL);
}

static void the_text_is_prometheus(void **state)
{
    (void)state;
    struct wf_metrics *m = wf_metrics_create(table, N_METRICS);
    wf_count(m, REQUESTS, 0, 7);
    wf_count(m, REQUESTS, 1, 1);
    wf_gauge(m, SHARDS_UP, 0, 0.5);
    wf_observe_ns(m, LATENCY, 0, 400000);
    wf_observe_ns(m, LATENCY, 0, INT64_C(2000000000));
    wf_observe_ns(m, LATENCY, 0, INT64_MAX / 4);
    wf_observe_ns(m, LATENCY, 0, -5);
    size_t size = 0;
    char *text = wf_metrics_text(m, &size);
    assert_int_equal(size, strlen(text));
    static const char *const wanted[] = {
        "# HELP weft_requests_total Requests\\nby outcome.\n# TYPE weft_requests_total counter\n",
        "weft_requests_total{code=\"ok\"} 7\n",
        "weft_requests_total{code=\"a \\\"bad\\\\one\\\"\\n\"} 1\n",
        "# TYPE weft_shards_up gauge\nweft_shards_up 0.5\n",
        "weft_request_seconds_bucket{le=\"0.00001\"} 1\n",
        "weft_request_seconds_bucket{le=\"0.00025\"} 1\n",
        "weft_request_seconds_bucket{le=\"0.0005\"} 2\n",
        "weft_request_seconds_bucket{le=\"1\"} 2\n",
        "weft_request_seconds_bucket{le=\"2.5\"} 3\n",
        "weft_request_seconds_bucket{le=\"100\"} 3\n",
        "weft_request_seconds_bucket{le=\"+Inf\"} 4\n",
        "weft_request_seconds_count 4\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!strstr(text, wanted[i])) {
            fail_msg("no %s in\n%s", wanted[i], text);
        }
    }
    wf_xfree(text);
    wf_metrics_destroy(m);
}

static void markdown_has_a_row_for_each(void **state)
{
    (void)state;
    char *text = wf_metrics_markdown(table, N_METRICS);
    assert_non_null(strstr(text, "| `weft_shards_up` | gauge |  | Healthy shards. |\n"));
    assert_non_null(strstr(text, "| `weft_requests_total` | counter | `code`: `ok`"));
    wf_xfree(text);
}

static void buckets_follow_each_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WF_BUCKETS; i++) {
        assert_int_equal(i, wf_bucket_of(wf_bucket_low(i)));
        assert_int_equal(i, wf_bucket_of(wf_bucket_low(i + 1) - 1));
    }
    assert_int_equal(WF_BUCKETS - 1, wf_bucket_of(INT64_MAX));
    assert_int_equal(0, wf_bucket_of(INT64_MIN));
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void quantiles_are_right_to_one_in_32(void **state)
{
    (void)state;
    enum { N = 5000 };
    static int64_t values[N];
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    struct wf_histogram *h = wf_histogram_create();
    struct wf_histogram *half = wf_histogram_create();
    assert_int_equal(0, wf_histogram_quantile(h, 0.5));
    for (int i = 0; i < N; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        values[i] = (int64_t)(seed >> 25 >> (seed % 30));
        wf_histogram_add(i % 2 ? h : half, values[i]);
    }
    wf_histogram_merge(h, half);
    qsort(values, N, sizeof values[0], compare);
    for (int i = 1; i <= N; i++) {
        double want = (double)values[i - 1];
        double got = (double)wf_histogram_quantile(h, (i - 0.5) / N);
        assert_true(got >= want - want / 32 - 0.5 && got <= want + want / 32 + 0.5);
    }
    assert_int_equal(N, wf_histogram_count(h));
    assert_true(wf_histogram_max(h) == values[N - 1]);
    assert_true(wf_histogram_quantile(h, 1) == values[N - 1]);
    assert_true(wf_histogram_quantile(h, -1) <= values[0] + values[0] / 32);
    wf_histogram_destroy(half);
    wf_histogram_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_summed),
        cmocka_unit_test(the_text_is_prometheus),
        cmocka_unit_test(markdown_has_a_row_for_each),
        cmocka_unit_test(buckets_follow_each_other),
        cmocka_unit_test(quantiles_are_right_to_one_in_32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * audit_test.c - recall and its bounds: known values, what ties and short answers count, coverage
 * of the true recall on simulated probes whose hits are missed together; and the auditor itself
 * over a small shard, which sees what too few lists miss and nothing else.
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
#include <sched.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "base/vector.h"
#include "shard/audit.h"
#include "tests/support/shard_fixture.h"

#define PATIENCE (30 * WF_SECOND)
static const uint64_t seed = 11;

/* ---- statistics ---- */

static void no_probes_say_nothing(void **state)
{
    (void)state;
    const struct shard_recall r = shard_recall_of(NULL, 0);
    assert_int_equal(r.probes, 0);
    assert_true(r.low == 0 && r.high == 1);
}

/* Wilson's interval of 10 of 10 and 0 of 10, from its closed form: n / (n + z^2). */
static void perfect_probes_count_as_one_each(void **state)
{
    (void)state;
    struct shard_audited probes[10];
    for (int i = 0; i < 10; i++) {
        probes[i] = (struct shard_audited){.due = 100, .found = 100};
    }
    struct shard_recall r = shard_recall_of(probes, 10);
    assert_true(r.recall == 1 && r.high > 1 - 1e-12);
    assert_true(fabs(r.low - 10 / (10 + 3.841459)) < 1e-6);
    for (int i = 0; i < 10; i++) {
        probes[i].found = 0;
    }
    r = shard_recall_of(probes, 10);
    assert_true(r.recall == 0 && r.low < 1e-12);
    assert_true(fabs(r.high - 3.841459 / (10 + 3.841459)) < 1e-6);
}

/* Wilson 1927 for 81 of 263: 0.2553 to 0.3662; one hit a probe is the plain proportion. */
static void single_hits_give_the_plain_interval(void **state)
{
    (void)state;
    struct shard_audited probes[263];
    for (int i = 0; i < 263; i++) {
        probes[i] = (struct shard_audited){.due = 1, .found = i < 81};
    }
    const struct shard_recall r = shard_recall_of(probes, 263);
    assert_true(fabs(r.recall - 81.0 / 263) < 1e-12);
    assert_true(fabs(r.low - 0.2553) < 1e-4);
    assert_true(fabs(r.high - 0.3662) < 1e-4);
}

/* 95 % bounds hold the truth in about 95 % of repetitions, clustered misses or not. */
static void bounds_cover_the_truth(void **state)
{
    (void)state;
    enum { REPEAT = 2000, PROBES = 200, K = 10 };
    for (int together = 0; together < 2; together++) {
        int held = 0;
        for (uint64_t repeat = 0; repeat < REPEAT; repeat++) {
            struct wf_random random = wf_random_of(seed, repeat);
            struct shard_audited probes[PROBES];
            for (int i = 0; i < PROBES; i++) {
                const bool bad = wf_random_unit(&random) < 0.1;
                probes[i] = (struct shard_audited){.due = K};
                for (int j = 0; j < K; j++) { /* a bad probe misses half; or all miss alike */
                    const double miss = together ? (bad ? 0.5 : 0) : 0.05;
                    probes[i].found += wf_random_unit(&random) >= miss;
                }
            }
            const struct shard_recall r = shard_recall_of(probes, PROBES);
            held += r.low <= 0.95 && 0.95 <= r.high;
        }
        print_message("seed %llu: bounds hold %.3f of the time\n", (unsigned long long)seed,
                      (double)held / REPEAT);
        assert_in_range(held, (int)(0.92 * REPEAT), (int)(0.985 * REPEAT));
    }
}

static void ties_with_the_last_count(void **state)
{
    (void)state;
    static const float exact[] = {5, 4, 3, 3};
    static const float tied[] = {5, 3, 3, 3}, worse[] = {5, 4, 3, 2}, few[] = {5};
    assert_int_equal(shard_recall_found(exact, 4, exact, 4), 4);
    assert_int_equal(shard_recall_found(tied, 4, exact, 4), 4);
    assert_int_equal(shard_recall_found(worse, 4, exact, 4), 3);
    assert_int_equal(shard_recall_found(few, 1, exact, 4), 1);
    assert_int_equal(shard_recall_found(few, 1, NULL, 0), 0);
}

/* ---- the auditor ---- */

enum { M_AUDITED, M_DROPPED, METRICS };
static const struct wf_metric table[METRICS] = {
    [M_AUDITED] = {"audited_total", WF_COUNTER, "Audited.", NULL, NULL},
    [M_DROPPED] = {"dropped_total", WF_COUNTER, "Dropped.", NULL, NULL},
};
enum { ROWS = 3000, DIM = 16, ASKED = 200 };

struct bench {
    struct catalog *c;
    struct shard *shard;
    struct wf_metrics *metrics;
    struct shard_audit *audit;
    struct wf_arena arena;
};

static void bench_begin(struct bench *b, double share)
{
    const struct catalog_shape shape = {
        .n = ROWS, .dim = DIM, .metric = WF_METRIC_COSINE, .clusters = 40, .seed = seed};
    struct wf_error err;
    b->c = catalog_make(&shape);
    b->shard = catalog_open(b->c, "IVF64,SQfp16", 0, 1);
    b->metrics = wf_metrics_create(table, METRICS);
    const struct shard_audit_config config = {.shard = b->shard,
                                              .share = share,
                                              .load = 1,
                                              .metrics = b->metrics,
                                              .audited = M_AUDITED,
                                              .dropped = M_DROPPED};
    assert_int_equal(shard_audit_create(&config, &b->audit, &err), WF_OK);
    wf_arena_init(&b->arena, 64 << 20);
    wf_epoch_thread_begin();
}

static void bench_end(struct bench *b)
{
    wf_epoch_thread_end();
    shard_audit_destroy(b->audit);
    wf_arena_fini(&b->arena);
    wf_metrics_destroy(b->metrics);
    shard_close(b->shard);
    catalog_free(b->c);
}

static uint64_t seen(const struct bench *b)
{
    return wf_count_read(b->metrics, M_AUDITED, 0) + wf_count_read(b->metrics, M_DROPPED, 0);
}

/* Asks for vectors between rows, and waits for the audit of each. */
static void ask(struct bench *b, uint32_t k, struct wire_effort effort, const char *filter)
{
    for (uint32_t i = 0; i < ASKED; i++) {
        float vector[DIM];
        for (uint32_t j = 0; j < DIM; j++) {
            vector[j] = b->c->vectors[0][(size_t)i * DIM + j] +
                        b->c->vectors[0][(size_t)(i + 700) * DIM + j];
        }
        if (wf_first_not_finite(vector, DIM) >= 0) { /* an item without a vector */
            memcpy(vector, b->c->vectors[0], sizeof vector);
        }
        const struct wire_probe probe = {.space = "first",
                                         .content_id = "",
                                         .vector = vector,
                                         .dim = DIM,
                                         .k = k,
                                         .effort = effort};
        const struct wire_search_request rq = {.generation = "test",
                                               .request_id = "",
                                               .filter = filter,
                                               .vector_space = "",
                                               .group_by = "",
                                               .probes = &probe,
                                               .n_probes = 1,
                                               .encoding = WIRE_FLOAT32};
        struct wire_search_response reply;
        struct wf_error err = {0};
        wf_arena_reset(&b->arena);
        if (shard_search(b->shard, &rq, INT64_MAX, &b->arena, &reply, &err) != WF_OK) {
            fail_msg("%s", err.text);
        }
        const uint64_t before = seen(b);
        shard_audit_offer(b->audit, &rq, &reply);
        const int64_t until = wf_now() + PATIENCE;
        while (seen(b) == before && wf_now() < until) {
            sched_yield();
        }
    }
}

static void what_is_missed_is_seen(void **state)
{
    (void)state;
    struct bench b;
    struct shard_recall r[SHARD_AUDIT_DEPTHS];
    bench_begin(&b, 1);
    ask(&b, 10, (struct wire_effort){.kind = WIRE_EFFORT_NPROBE, .value = 1}, "");
    shard_audit_read(b.audit, r);
    assert_int_equal(wf_count_read(b.metrics, M_DROPPED, 0), 0);
    assert_int_equal(r[SHARD_AUDIT_10].probes, ASKED);
    assert_true(r[SHARD_AUDIT_10].high < 0.9);
    assert_true(r[SHARD_AUDIT_10].low < r[SHARD_AUDIT_10].recall);
    const double ten = r[SHARD_AUDIT_10].recall;
    ask(&b, 100, (struct wire_effort){.kind = WIRE_EFFORT_EXACT}, "");
    shard_audit_read(b.audit, r);
    assert_int_equal(r[SHARD_AUDIT_10].probes, 2 * ASKED); /* the best ten of a hundred count */
    assert_true(fabs(r[SHARD_AUDIT_10].recall - (ten + 1) / 2) < 1e-9);
    assert_int_equal(r[SHARD_AUDIT_100].probes, ASKED);
    assert_true(r[SHARD_AUDIT_100].recall == 1 && r[SHARD_AUDIT_100].low > 0.98);
    assert_int_equal(r[SHARD_AUDIT_OTHER].probes, 0);
    ask(&b, 7, (struct wire_effort){.kind = WIRE_EFFORT_EXACT}, "stock = true");
    shard_audit_read(b.audit, r);
    assert_int_equal(r[SHARD_AUDIT_OTHER].probes, ASKED);
    assert_true(r[SHARD_AUDIT_OTHER].recall == 1);
    bench_end(&b);
}

/* A full queue drops and counts; stopping does not wait for it. */
static void what_is_too_much_is_dropped(void **state)
{
    (void)state;
    struct bench b;
    bench_begin(&b, 1);
    static float vector[DIM] = {1};
    const struct wire_probe probe = {
        .space = "", .content_id = "", .vector = vector, .dim = DIM, .k = 10};
    const struct wire_probe probes[] = {probe, probe, probe, probe, probe, probe, probe, probe};
    const struct wire_search_request rq = {.generation = "test",
                                           .request_id = "",
                                           .filter = "",
                                           .vector_space = "",
                                           .group_by = "",
                                           .probes = probes,
                                           .n_probes = 8,
                                           .encoding = WIRE_FLOAT32};
    struct wire_search_response reply;
    struct wf_error err = {0};
    assert_int_equal(shard_search(b.shard, &rq, INT64_MAX, &b.arena, &reply, &err), WF_OK);
    for (int i = 0; i < 200; i++) {
        shard_audit_offer(b.audit, &rq, &reply);
    }
    assert_true(wf_count_read(b.metrics, M_DROPPED, 0) > 0);
    const int64_t begin = wf_now();
    bench_end(&b);
    assert_true(wf_now() - begin < PATIENCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_probes_say_nothing),
        cmocka_unit_test(perfect_probes_count_as_one_each),
        cmocka_unit_test(single_hits_give_the_plain_interval),
        cmocka_unit_test(bounds_cover_the_truth),
        cmocka_unit_test(ties_with_the_last_count),
        cmocka_unit_test(what_is_missed_is_seen),
        cmocka_unit_test(what_is_too_much_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_refusal_test.c - requests that are well-formed and still cannot be served by this
 * generation: status, reason and field of each.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/vector.h"
#include "coordinator/coord_metrics.h"
#include "tests/support/fake_query.h"

static const float unit[FAKE_DIM] = {1}, zero[FAKE_DIM], huge[FAKE_DIM] = {3e38F, 3e38F},
                   tiny[FAKE_DIM] = {1e-45F};
static const char *const titel[] = {"category", "titel"};
static const char *const one_sku[] = {"sku0001"};

#define VECTOR(v) .subject = WIRE_SUBJECT_VECTOR, .vector = (v), .dim = FAKE_DIM
struct refusal {
    const char *name;
    struct wire_recommend_request rq; /* strings left NULL are "" */
    enum wf_code code;
    const char *reason, *field, *says;
};
static const struct refusal refusals[] = {
    {"surface",
     {VECTOR(unit), .surface = "simlar"},
     WF_INVALID,
     "UNKNOWN_SURFACE",
     "surface",
     "similar"},
    {"filter",
     {VECTOR(unit), .filter = "a = 1"},
     WF_INVALID,
     "UNKNOWN_ATTRIBUTE",
     "filter",
     "column 1"},
    {"exact and effort",
     {VECTOR(unit), .exact = true, .effort = {WIRE_EFFORT_NPROBE, 5}},
     WF_INVALID,
     "CONFLICT",
     "effort",
     "exact"},
    {"effort of another index",
     {VECTOR(unit), .effort = {WIRE_EFFORT_EF, 5}},
     WF_INVALID,
     "UNSUPPORTED",
     "effort",
     "Flat"},
    {"rank limit under k",
     {VECTOR(unit), .rank_limit = 5},
     WF_INVALID,
     "OUT_OF_RANGE",
     "rank_limit",
     "k is 10"},
    {"attribute",
     {VECTOR(unit), .attributes = titel, .n_attributes = 2},
     WF_INVALID,
     "UNKNOWN_ATTRIBUTE",
     "attributes[1]",
     "title"},
    {"space",
     {VECTOR(unit), .space = "w"},
     WF_INVALID,
     "UNKNOWN_SPACE",
     "subject.vector.space",
     "\"w\""},
    {"content id",
     {VECTOR(unit), .content_id = "v-2"},
     WF_PRECONDITION,
     "WRONG_SPACE",
     "subject.vector.content_id",
     "\"v-2\""},
    {"dimension",
     {.subject = WIRE_SUBJECT_VECTOR, .vector = unit, .dim = 7},
     WF_INVALID,
     "DIMENSION",
     "subject.vector.values",
     "dimension 7, space v has 8"},
    {"zero", {VECTOR(zero)}, WF_INVALID, "ZERO_VECTOR", "subject.vector.values", "norm is 0"},
    {"denormal", {VECTOR(tiny)}, WF_INVALID, "ZERO_VECTOR", "subject.vector.values", "norm is 0"},
    {"huge", {VECTOR(huge)}, WF_INVALID, "OUT_OF_RANGE", "subject.vector.values", "not finite"},
    {"text",
     {.subject = WIRE_SUBJECT_TEXT, .id = "red dress"},
     WF_PRECONDITION,
     "NO_TEXT_ENCODER",
     "subject.text",
     "no text encoder"},
    {"trending by vector",
     {VECTOR(unit), .surface = "trending"},
     WF_INVALID,
     "CONFLICT",
     "subject",
     "trending"},
    {"trending by items",
     {.subject = WIRE_SUBJECT_ITEMS, .skus = one_sku, .n_skus = 1, .surface = "trending"},
     WF_INVALID,
     "CONFLICT",
     "subject",
     "trending"},
};

static struct wire_recommend_request complete(const struct wire_recommend_request *given)
{
    struct wire_recommend_request rq = *given;
    const char **strings[] = {
        &rq.request_id, &rq.surface, &rq.space,        &rq.content_id,     &rq.id,
        &rq.filter,     &rq.segment, &rq.context_user, &rq.exclude_handle, &rq.group_by};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        *strings[i] = *strings[i] ? *strings[i] : "";
    }
    rq.k = rq.k ? rq.k : WIRE_K_DEFAULT;
    return rq;
}

static void each_refusal_names_status_reason_and_field(void **state)
{
    (void)state;
    struct wf_metrics *m = wf_metrics_create(coord_metrics_table, COORD_N_METRICS);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        struct fake_shop *shop = fake_shop_create(1, 100, 3, WF_METRIC_COSINE, NULL);
        struct fake_transport t;
        struct fake_query f;
        struct wire_recommend_request rq = complete(&r->rq);
        fake_transport_init(&t, shop, 1, 1);
        fake_query_run(&f, &t, m, &rq, WF_SECOND);
        const struct wf_error *err = &f.q.err;
        if (err->code != r->code || strcmp(err->reason, r->reason) != 0 ||
            strcmp(err->field, r->field) != 0 || !strstr(err->text, r->says)) {
            fail_msg("%s: %s %s %s: %s", r->name, wf_code_name(err->code), err->reason, err->field,
                     err->text);
        }
        assert_int_equal(f.times, 1);
        fake_query_fini(&f);
        fake_transport_fini(&t);
        fake_shop_destroy(shop);
    }
    assert_int_equal(wf_count_read(m, COORD_M_REQUESTS, WF_INVALID) +
                         wf_count_read(m, COORD_M_REQUESTS, WF_PRECONDITION),
                     sizeof refusals / sizeof refusals[0]);
    wf_metrics_destroy(m);
}

static void a_deadline_that_has_passed_is_refused_at_once(void **state)
{
    (void)state;
    struct wf_metrics *m = wf_metrics_create(coord_metrics_table, COORD_N_METRICS);
    struct fake_shop *shop = fake_shop_create(1, 100, 3, WF_METRIC_COSINE, NULL);
    struct fake_transport t;
    struct fake_query f;
    struct wire_recommend_request rq = complete(&(struct wire_recommend_request){VECTOR(unit)});
    fake_transport_init(&t, shop, 1, 1);
    fake_query_run(&f, &t, m, &rq, 0);
    assert_int_equal(f.q.err.code, WF_TIMEOUT);
    assert_int_equal(t.replicas[0][0].calls, 0);
    fake_query_fini(&f);
    fake_transport_fini(&t);
    fake_shop_destroy(shop);
    wf_metrics_destroy(m);
}

/* More than there is gives what there is. */
static void k_above_the_catalog_returns_all_of_it(void **state)
{
    (void)state;
    struct wf_metrics *m = wf_metrics_create(coord_metrics_table, COORD_N_METRICS);
    struct fake_shop *shop = fake_shop_create(1, 30, 3, WF_METRIC_COSINE, NULL);
    struct fake_transport t;
    struct fake_query f;
    struct wire_recommend_request rq =
        complete(&(struct wire_recommend_request){VECTOR(unit), .k = WIRE_K_MAX, .exact = true});
    fake_transport_init(&t, shop, 1, 1);
    fake_query_run(&f, &t, m, &rq, WF_SECOND);
    assert_int_equal(f.q.err.code, WF_OK);
    assert_int_equal(f.q.response.n_hits, 30);
    assert_int_equal(f.q.response.degraded, 1U << WIRE_NO_RANKER);
    fake_query_fini(&f);
    fake_transport_fini(&t);
    fake_shop_destroy(shop);
    wf_metrics_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_names_status_reason_and_field),
        cmocka_unit_test(a_deadline_that_has_passed_is_refused_at_once),
        cmocka_unit_test(k_above_the_catalog_returns_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * effort_test.c - a target becomes an effort: between points, between curves, beyond them; never
 * cheaper when the question is harder, whatever was measured; and JSON that lies is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "base/hash.h"
#include "shard/effort.h"

static const struct shard_calibration two_by_two = {
    .n = 4,
    .curves = {
        {.k = 10, .selectivity = 1, .n = 3, .points = {{1, .5F, 100}, {5, .9F, 500}, {9, 1, 900}}},
        {.k = 10, .selectivity = .01F, .n = 2, .points = {{1, .5F, 1}, {16, 1, 16}}},
        {.k = 1000, .selectivity = 1, .n = 2, .points = {{1, .5F, 100}, {15, .9F, 1500}}},
        {.k = 1000, .selectivity = .01F, .n = 1, .points = {{21, 1, 21}}},
    }};

static uint32_t effort(double target, uint32_t k, double selectivity)
{
    return shard_effort_for(&two_by_two, target, k, selectivity).effort;
}

static void between_points_effort_is_linear_and_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(effort(.5, 10, 1), 1);
    assert_int_equal(effort(.7, 10, 1), 3);
    assert_int_equal(effort(.71, 10, 1), 4);
    assert_int_equal(effort(.9, 10, 1), 5);
    assert_int_equal(effort(1, 10, 1), 9);
    assert_float_equal(shard_effort_for(&two_by_two, .7, 10, 1).rows, 300, 1);
}

static void easy_questions_take_the_first_point(void **state)
{
    (void)state;
    assert_int_equal(effort(.1, 10, 1), 1);
    assert_int_equal(effort(.9, 1, 1), 5);  /* no shallower curve than 10 */
    assert_int_equal(effort(.9, 10, 7), 5); /* no more than all rows */
}

static void between_curves_effort_is_logarithmic(void **state)
{
    (void)state;
    assert_int_equal(effort(.9, 1000, 1), 15);
    assert_int_equal(effort(.9, 100, 1), 10);  /* half way from 5 to 15 */
    assert_int_equal(effort(.9, 10, .1), 9);   /* half way from 5 to 13 */
    assert_int_equal(effort(.9, 100, .1), 14); /* in the middle of 5, 13, 15 and 21 */
}

static void beyond_the_curves_effort_grows_as_a_square_root(void **state)
{
    (void)state;
    assert_int_equal(effort(.9, 4000, 1), 30);
    assert_int_equal(effort(.9, 10, .0025), 26);
    assert_int_equal(effort(.9, 4000, .0025), 84);
}

static void what_was_never_reached_is_unknown(void **state)
{
    (void)state;
    const struct shard_calibration none = {0};
    assert_int_equal(shard_effort_for(&none, .5, 10, 1).effort, UINT32_MAX);
    assert_int_equal(effort(.95, 1000, 1), UINT32_MAX);
    assert_int_equal(effort(.95, 11, 1), UINT32_MAX);
    assert_int_equal(effort(.95, 10, 1), 7);
    assert_true(isinf(shard_effort_for(&two_by_two, .95, 1000, 1).rows));
    assert_int_equal(effort(.9, 10, 0), UINT32_MAX);
    assert_int_equal(effort(NAN, 10, 1), 9); /* as 1 */
    assert_int_equal(effort(.9, 10, NAN), UINT32_MAX);
}

/* Curves of any shape, also such that a harder question was measured to need less. */
static void random_calibration(struct wf_random *r, struct shard_calibration *out)
{
    static const uint32_t depths[] = {10, 100, 1000};
    static const float shares[] = {1, .5F, .1F, .05F, .01F, .001F};
    *out = (struct shard_calibration){0};
    for (uint32_t i = 0; i < 18; i++) {
        if (i > 0 && wf_random_below(r, 4) == 0) {
            continue; /* a curve that nobody measured */
        }
        struct shard_curve *c = &out->curves[out->n++];
        c->k = depths[i / 6];
        c->selectivity = shares[i % 6];
        c->n = 1 + (uint32_t)wf_random_below(r, SHARD_POINTS_MAX);
        struct shard_point p = {0};
        for (uint32_t j = 0; j < c->n; j++) {
            p.effort += 1 + (uint32_t)wf_random_below(r, 20);
            p.recall += (1 - p.recall) * (float)wf_random_unit(r) / 2;
            p.rows += (float)wf_random_unit(r);
            c->points[j] = p;
        }
    }
}

static void a_harder_question_never_takes_less(void **state)
{
    (void)state;
    const uint64_t seed = 20240611;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 0);
    for (int i = 0; i < 20000; i++) {
        struct shard_calibration c;
        random_calibration(&r, &c);
        const double target = wf_random_unit(&r), more = target + wf_random_unit(&r) / 4;
        const uint32_t k = 1 + (uint32_t)wf_random_below(&r, 3000);
        const double share = exp(-10 * wf_random_unit(&r));
        const uint32_t base = shard_effort_for(&c, target, k, share).effort;
        assert_true(shard_effort_for(&c, more < 1 ? more : 1, k, share).effort >= base);
        assert_true(shard_effort_for(&c, target, k + 1 + i % 2000, share).effort >= base);
        assert_true(shard_effort_for(&c, target, k, share * wf_random_unit(&r)).effort >= base);
    }
}

static void json_keeps_every_number(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(5, 0);
    for (int i = 0; i < 100; i++) {
        struct shard_calibration c, back;
        random_calibration(&r, &c);
        json_t *json = shard_calibration_json(&c);
        char *text = json_dumps(json, JSON_COMPACT);
        json_t *read = json_loads(text, 0, NULL);
        assert_int_equal(shard_calibration_read(read, 1000, &back, NULL), WF_OK);
        assert_int_equal(back.n, c.n);
        assert_memory_equal(&back, &c, sizeof c);
        json_decref(read);
        json_decref(json);
        free(text);
    }
}

static void json_that_lies_is_refused(void **state)
{
    (void)state;
#define CURVE(points) "[{\"k\":10,\"selectivity\":1,\"points\":" points "}]"
    static const char *const bad[] = {
        "{}",
        "[1]",
        "[{}]",
        CURVE("{}"),
        CURVE("[]"),
        CURVE("[[1,0.5]]"),
        CURVE("[[1,0.5,3,4]]"),
        CURVE("[[0,0.5,3]]"),
        CURVE("[[-1,0.5,3]]"),
        CURVE("[[101,0.5,3]]"),
        CURVE("[[4294967297,0.5,3]]"),
        CURVE("[[1,1.5,3]]"),
        CURVE("[[1,-0.5,3]]"),
        CURVE("[[1,0.5,-3]]"),
        CURVE("[[1,0.5,1e300]]"),
        CURVE("[[1,\"0.5\",3]]"),
        CURVE("[[1,0.5,3],[1,0.6,4]]"),
        CURVE("[[1,0.5,3],[2,0.4,4]]"),
        CURVE("[[1,0.5,3],[2,0.6,2]]"),
        "[{\"k\":0,\"selectivity\":1,\"points\":[[1,1,1]]}]",
        "[{\"k\":99999999,\"selectivity\":1,\"points\":[[1,1,1]]}]",
        "[{\"k\":10,\"selectivity\":0,\"points\":[[1,1,1]]}]",
        "[{\"k\":10,\"selectivity\":1e-30,\"points\":[[1,1,1]]}]",
        "[{\"k\":10,\"selectivity\":0.5,\"points\":[[1,1,1]]}]",
        "[{\"k\":10,\"selectivity\":2,\"points\":[[1,1,1]]}]",
        "[{\"k\":10,\"selectivity\":1,\"points\":[[1,1,1]],\"more\":1}]",
        "[{\"k\":10,\"selectivity\":1,\"points\":[[1,1,1]]},"
        "{\"k\":10,\"selectivity\":1,\"points\":[[1,1,1]]}]",
        "[{\"k\":100,\"selectivity\":1,\"points\":[[1,1,1]]},"
        "{\"k\":10,\"selectivity\":0.5,\"points\":[[1,1,1]]}]",
    };
#undef CURVE
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *json = json_loads(bad[i], 0, NULL);
        assert_non_null(json);
        struct shard_calibration c = {.n = 77};
        struct wf_error err;
        if (shard_calibration_read(json, 100, &c, &err) != WF_DATA_LOSS) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_int_equal(c.n, 77);
        json_decref(json);
    }
    json_t *many = json_array();
    for (int i = 0; i <= SHARD_CURVES_MAX; i++) {
        json_array_append_new(many, json_object());
    }
    struct shard_calibration c;
    assert_int_equal(shard_calibration_read(many, 100, &c, NULL), WF_DATA_LOSS);
    assert_int_equal(shard_calibration_read(NULL, 100, &c, NULL), WF_DATA_LOSS);
    json_decref(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_points_effort_is_linear_and_rounded_up),
        cmocka_unit_test(easy_questions_take_the_first_point),
        cmocka_unit_test(between_curves_effort_is_logarithmic),
        cmocka_unit_test(beyond_the_curves_effort_grows_as_a_square_root),
        cmocka_unit_test(what_was_never_reached_is_unknown),
        cmocka_unit_test(a_harder_question_never_takes_less),
        cmocka_unit_test(json_keeps_every_number),
        cmocka_unit_test(json_that_lies_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

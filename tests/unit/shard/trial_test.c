/* SPDX-License-Identifier: Apache-2.0
 *
 * trial_test.c - which index a build chooses by itself: the rule on made-up figures, and a run over
 * a small catalog whose result a shard is built with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "shard/trial.h"
#include "tests/support/shard_fixture.h"

static const struct shard_trials figures = {
    .n = 5,
    .trials = {
        {.index = "a", .recall = .985, .micros = 100, .bytes_per_row = 264},
        {.index = "b", .recall = .981, .micros = 50, .bytes_per_row = 140},
        {.index = "c", .recall = .99, .micros = 54, .bytes_per_row = 132},
        {.index = "d", .recall = .97, .micros = 20, .bytes_per_row = 100},
        {.index = "e", .recall = 1, .micros = 900, .bytes_per_row = 512},
    }};

static void the_cheapest_that_will_do_is_taken(void **state)
{
    (void)state;
    static const struct {
        double recall;
        uint64_t memory;
        const char *index; /* NULL: none */
    } cases[] = {
        {.98, 0, "c"}, /* within a tenth of b, and smaller */
        {.97, 0, "d"},      {.991, 0, "e"},     {1, 0, "e"},
        {1, 270000, "c"},   /* out of reach: the highest recall */
        {.98, 131999, "d"}, /* too large but d, which recalls less */
        {.98, 132000, "c"}, {.98, 100000, "d"}, {.5, 99999, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct shard_wish wish = {.recall = cases[i].recall, .memory = cases[i].memory};
        struct shard_trials t = figures;
        struct wf_error err;
        const enum wf_code code = shard_trials_choose(&t, &wish, 1000, &err);
        if (cases[i].index == NULL) {
            assert_int_equal(code, WF_EXHAUSTED);
            assert_non_null(strstr(err.text, "d takes 100000"));
            continue;
        }
        assert_int_equal(code, WF_OK);
        assert_string_equal(shard_trials_index(&t), cases[i].index);
    }
}

static struct shard_build build_of(struct catalog *c, uint32_t *rows, const float *const *mins,
                                   const float *const *steps)
{
    for (uint32_t i = 0; i < c->table.n; i++) {
        rows[i] = i;
    }
    return (struct shard_build){.schema = &c->schema,
                                .items = &c->table,
                                .spaces = c->spaces,
                                .n_shards = 1,
                                .rows = rows,
                                .n_rows = c->table.n,
                                .index = "",
                                .sq8_min = mins,
                                .sq8_step = steps,
                                .seed = 1};
}

/* Every candidate is measured in both spaces, and the one that is taken can be built. */
static void a_small_catalog_is_tried(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = 1500, .dim = 20, .metric = WF_METRIC_L2, .clusters = 9, .duplicate = 9, .seed = 77};
    struct catalog *c = catalog_make(&shape);
    uint32_t *rows = wf_xarray(uint32_t, shape.n);
    float min[2][20], step[2][20];
    const float *const mins[] = {min[0], min[1]}, *const steps[] = {step[0], step[1]};
    for (unsigned i = 0; i < 2; i++) {
        shard_sq8_ranges(&c->schema.spaces[i], c->vectors[i], shape.n, min[i], step[i]);
    }
    const struct shard_build b = build_of(c, rows, mins, steps);
    const struct shard_wish wish = {.recall = .95};
    struct shard_trials t;
    struct wf_error err;
    assert_int_equal(shard_try(&b, &wish, &t, &err), WF_OK);
    assert_int_equal(t.rows, shape.n);
    assert_int_equal(t.n, 6);
    unsigned chosen = 0;
    for (uint32_t i = 0; i < t.n; i++) {
        const struct shard_trial *at = &t.trials[i];
        assert_int_equal(shard_index_check(at->index, &err), WF_OK);
        assert_true(at->recall > .9 && at->recall <= 1);
        assert_true(at->micros > 0);
        assert_true(at->bytes_per_row > 20 && at->bytes_per_row < 1000);
        chosen += at->chosen;
    }
    assert_int_equal(chosen, 1);
    struct shard *s = catalog_open(c, shard_trials_index(&t), 0, 1);
    assert_int_equal(shard_rows(s), shape.n);
    shard_close(s);
    json_t *json = shard_trials_json(&t);
    assert_int_equal(json_array_size(json), 6);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json, 5), "index")),
                        "Flat");
    json_decref(json);
    wf_xfree(rows);
    catalog_free(c);
}

static void what_cannot_be_tried_is_left_out(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = 60, .dim = 520, .metric = WF_METRIC_IP, .clusters = 3, .seed = 78};
    struct catalog *c = catalog_make(&shape);
    uint32_t *rows = wf_xarray(uint32_t, shape.n);
    float *min = wf_xarray(float, 520), *step = wf_xarray(float, 520);
    const float *const mins[] = {min, min}, *const steps[] = {step, step};
    struct shard_build b = build_of(c, rows, mins, steps);
    const struct shard_wish wish = {.recall = .95, .memory = 1000};
    struct shard_trials t = {0};
    struct wf_error err;
    assert_int_equal(shard_try(&b, &wish, &t, &err), WF_EXHAUSTED); /* nothing is so small */
    assert_null(shard_trials_index(&t));
    c->spaces[0].vectors = c->spaces[1].vectors = NULL;
    assert_int_equal(shard_try(&b, &(struct shard_wish){.recall = 1}, &t, &err), WF_OK);
    assert_non_null(shard_trials_index(&t)); /* no vectors: anything will do */
    for (uint32_t i = 0; i < t.n; i++) {
        assert_null(strstr(t.trials[i].index, "PQ")); /* 520 dimensions are too many */
    }
    wf_xfree(step);
    wf_xfree(min);
    wf_xfree(rows);
    catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_that_will_do_is_taken),
        cmocka_unit_test(a_small_catalog_is_tried),
        cmocka_unit_test(what_cannot_be_tried_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * synth_test.c - the same seed gives the same bytes for any number of threads; the shop and its
 * shoppers behave like ones.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/vector.h"
#include "tests/support/run_tool.h"
#include "tests/support/scratch.h"
#include "tools/commands.h"
#include "tools/dataset.h"
#include "tools/synth.h"

static const struct tool_command *const commands[] = {&tool_synth};

/* Runs the words after the program's name, up to NULL; returns the exit code. */
static int weft(const char *const *words)
{
    return run_tool(commands, sizeof commands / sizeof *commands, words);
}
#define SYNTH(...) weft((const char *const[]){"synth", __VA_ARGS__, NULL})

static void assert_same_file(struct scratch *s, const char *a, const char *b, const char *name)
{
    char path[128];
    struct wf_map x, y;
    struct wf_error err;
    snprintf(path, sizeof path, "%s/%s", a, name);
    assert_int_equal(WF_OK, wf_map_open(scratch_path(s, path), &x, &err));
    snprintf(path, sizeof path, "%s/%s", b, name);
    assert_int_equal(WF_OK, wf_map_open(scratch_path(s, path), &y, &err));
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    wf_map_close(&x);
    wf_map_close(&y);
}

static void threads_do_not_show(void **state)
{
    struct scratch *s = *state;
    static const char *const dirs[] = {"a", "b"}, *const threads[] = {"1", "3"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(0, SYNTH("--items", "1500", "--dim", "16", "--users", "200", "--events",
                                  "1000", "--seed", "5", "--threads", threads[i], "--out",
                                  scratch_path(s, dirs[i])));
    }
    assert_same_file(s, "a", "b", "items.jsonl.zst");
    assert_same_file(s, "a", "b", "spaces/style.npy");
    assert_same_file(s, "a", "b", "interactions.tsv.zst");
    assert_same_file(s, "a", "b", "schema.cfg");
}

static void every_place_of_every_group_is_one_item(void **state)
{
    (void)state;
    enum { N = 777 };
    struct tool_shop *shop = tool_shop_create(N, 8, 3);
    struct tool_market market;
    bool drawn[N] = {false};
    assert_int_equal(WF_OK, tool_shop_market(shop, NULL, &market, NULL));
    for (uint32_t g = 0; g < market.n_groups; g++) {
        for (int i = 0; i < 20000; i++) {
            const uint64_t item = market.draw(market.ctx, g, i / 20000.0);
            assert_in_range(item, 0, N - 1);
            drawn[item] = true;
        }
    }
    for (int i = 0; i < N; i++) {
        assert_true(drawn[i]);
    }
    tool_shop_destroy(shop);
}

static void vectors_are_unit_and_uneven(void **state)
{
    (void)state;
    enum { N = 2000, D = 300 }; /* two blocks of the rotation */
    struct tool_shop *shop = tool_shop_create(N, D, 9);
    struct tool_text line = {0};
    float x[D], mean_square[D] = {0};
    for (uint64_t i = 0; i < N; i++) {
        tool_shop_item(shop, i, &line, x);
        assert_true(fabsf(wf_dot(x, x, D) - 1) < 1e-5F);
        for (int j = 0; j < D; j++) {
            mean_square[j] += x[j] * x[j] / N;
        }
    }
    for (int j = 0; j < D; j++) { /* rotated: no dimension is dead and none carries the rest */
        assert_true(mean_square[j] > 0.02F / D && mean_square[j] < 30.0F / D);
    }
    tool_text_fini(&line);
    tool_shop_destroy(shop);
}

/* Mean cosine between two purchases: of one shopper, or of neighbours in the file. */
static float similarity(const struct tool_dataset *ds, bool same)
{
    struct tool_events *ev = NULL;
    struct tool_event e;
    struct wf_error err;
    char user[WF_SKU_MAX + 1] = "";
    uint32_t before = TOOL_NO_ID;
    bool more = true;
    float sum = 0;
    uint32_t n = 0;
    assert_int_equal(WF_OK, tool_events_open(ds->dir, &ev, &err));
    while (tool_events_next(ev, &e, &more, &err) == WF_OK && more) {
        const uint32_t row = tool_intern_find(&ds->skus, e.sku, strlen(e.sku));
        assert_int_not_equal(TOOL_NO_ID, row);
        if (before != TOOL_NO_ID && same == (strcmp(user, e.user) == 0)) {
            const uint32_t d = ds->spaces[0].dim;
            sum += wf_dot(ds->spaces[0].data + (size_t)row * d,
                          ds->spaces[0].data + (size_t)before * d, d);
            n++;
        }
        before = row;
        snprintf(user, sizeof user, "%s", e.user);
    }
    tool_events_close(ev);
    assert_true(n > 50);
    return sum / (float)n;
}

static void shoppers_have_taste(void **state)
{
    struct scratch *s = *state;
    struct tool_dataset *ds = NULL;
    struct wf_error err;
    const char *dir = scratch_path(s, "shop");
    assert_int_equal(0, SYNTH("--items", "3000", "--dim", "24", "--users", "300", "--events",
                              "3000", "--out", dir));
    assert_int_equal(WF_OK, tool_dataset_open(dir, TOOL_LOAD_ITEMS | TOOL_LOAD_SPACES, &ds, &err));
    assert_true(ds->schema.simulated_events);
    assert_true(similarity(ds, true) > similarity(ds, false) + 0.1F);
    tool_dataset_close(ds);
}

static void real_interactions_are_kept(void **state)
{
    struct scratch *s = *state;
    struct wf_schema schema;
    struct wf_error err;
    const char *dir = scratch_path(s, "d");
    const char *config = scratch_text(s, "d/schema.cfg",
                                      "attributes = ( { name = \"kind\"; type = \"keyword\"; } ); "
                                      "roles = { category = \"kind\"; };");
    scratch_text(s, "d/items.jsonl", "{\"sku\":\"a\",\"kind\":\"x\"}\n{\"sku\":\"b\"}\n");
    const char *real = scratch_text(s, "d/interactions.tsv", tool_events_header);
    assert_int_equal(1, SYNTH("--events-for", dir, "--users", "3", "--events", "9"));
    assert_int_equal(WF_OK, wf_schema_read(config, &schema, &err));
    assert_false(schema.simulated_events);
    assert_int_equal(0, SYNTH("--events-for", dir, "--users", "3", "--events", "9", "--force"));
    assert_int_equal(WF_OK, wf_schema_read(config, &schema, &err));
    assert_true(schema.simulated_events);
    assert_false(wf_exists(real));
    assert_int_equal(0, SYNTH("--events-for", dir, "--users", "3", "--events", "9")); /* again */
    assert_int_equal(2, SYNTH("--events-for", dir, "--out", dir));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(threads_do_not_show),
        cmocka_unit_test(every_place_of_every_group_is_one_item),
        cmocka_unit_test(vectors_are_unit_and_uneven),
        CASE(shoppers_have_taste),
        CASE(real_interactions_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * train_ranker_test.c - a ranker learnt from a synthetic shop orders the candidates of users it has
 * not seen better than retrieval does; the same run gives the same bytes; golden rows hold.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "ranking/features.h"
#include "ranking/forest.h"
#include "tests/support/scratch.h"
#include "tools/commands.h"
#include "tools/dataset.h"
#include "tools/golden.h"
#include "tools/train.h"
#include "tools/train_search.h"

enum { ITEMS = 600 };

static void weft(const char *const *argv, int argc)
{
    const struct tool_command *const commands[] = {&tool_synth};
    assert_int_equal(0, tool_main("weft", "", commands, 1, argc, (char **)argv));
}

static const char *synth(struct scratch *s, const char *name, const char *users, const char *events)
{
    const char *dir = scratch_path(s, name);
    const char *argv[] = {"weft",    "synth", "--items",  "600",  "--dim", "32",
                          "--users", users,   "--events", events, "--out", dir};
    weft(argv, sizeof argv / sizeof argv[0]);
    return dir;
}

static struct tool_train_options options_for(const char *input, const char *out)
{
    return (struct tool_train_options){.input = input,
                                       .out = out,
                                       .objective = "rank:ndcg",
                                       .rounds = 40,
                                       .depth = 4,
                                       .candidates = 50,
                                       .groups = 2000,
                                       .seed = 1,
                                       .eta = 0.1,
                                       .threads = 1};
}

static char *bytes_of(const char *path, size_t *size)
{
    char *bytes;
    assert_int_equal(WF_OK, wf_read_file(path, 64 << 20, &bytes, size, NULL));
    return bytes;
}

static void assert_same_file(const char *a, const char *b)
{
    size_t m, n;
    char *x = bytes_of(a, &m), *y = bytes_of(b, &n);
    assert_int_equal(m, n);
    assert_memory_equal(x, y, m);
    wf_xfree(x);
    wf_xfree(y);
}

/* Names are the table's, and the evaluator gives the library's margins, bit for bit. */
static void assert_model_holds(const char *path, const char *hash)
{
    size_t size, n;
    char *text = bytes_of(path, &size), *golden_path = tool_golden_path(path), hex[33];
    const struct rank_feature *features = rank_features(&n);
    struct rank_forest *f;
    struct tool_golden g;
    float margins[64];
    assert_int_equal(WF_OK, rank_forest_parse(text, size, &f, NULL));
    assert_int_equal(n, rank_forest_features(f));
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(features[i].name, rank_forest_names(f)[i]);
    }
    rank_forest_hash(f, hex);
    assert_string_equal(hash, hex);
    assert_int_equal(WF_OK, tool_golden_read(golden_path, &g, NULL));
    assert_int_equal(64, g.n_rows);
    assert_int_equal(n, g.n_features);
    assert_int_equal(1, g.n_outputs);
    assert_true(isnan(g.rows[63 * n]) && isnan(g.rows[3 * n]));
    rank_forest_score(f, g.rows, g.n_rows, margins);
    assert_memory_equal(g.margins, margins, sizeof margins);
    tool_golden_fini(&g);
    rank_forest_destroy(f);
    wf_xfree(golden_path);
    wf_xfree(text);
}

static void it_ranks_better_than_retrieval_and_repeats(void **state)
{
    const char *shop = synth(*state, "shop", "3000", "60000");
    const char *paths[2] = {scratch_path(*state, "a.json"), scratch_path(*state, "b.json")};
    struct tool_train_result r;
    struct wf_error err = {0};
    for (unsigned i = 0; i < 2; i++) {
        const struct tool_train_options o = options_for(shop, paths[i]);
        const enum wf_code code = tool_train_ranker_run(&o, &r, &err);
        assert_string_equal("", err.text);
        assert_int_equal(WF_OK, code);
    }
    print_message("seed 1: NDCG@10 model %.4f retrieval %.4f popularity %.4f, recall %.2f, %u of "
                  "%u groups learnt\n",
                  r.model, r.retrieval, r.popularity, r.recall, (unsigned)r.n_learnt,
                  (unsigned)r.n_groups);
    assert_true(r.n_groups == 2000 && r.n_judged == 400 && r.n_rows == r.n_learnt * 50);
    assert_true(r.model > 1.1 * r.retrieval && r.model < 0.9); /* 0.9: something gave it away */
    assert_same_file(paths[0], paths[1]);
    assert_same_file(scratch_path(*state, "a.json.golden"), scratch_path(*state, "b.json.golden"));
    assert_model_holds(paths[0], r.hash);
}

static void too_few_purchases_are_told(void **state)
{
    const char *shop = synth(*state, "shop", "5", "50");
    const char *out = scratch_path(*state, "m.json");
    const struct tool_train_options o = options_for(shop, out);
    struct tool_train_result r;
    struct wf_error err;
    assert_int_equal(WF_INVALID, tool_train_ranker_run(&o, &r, &err));
    assert_non_null(strstr(err.text, "weft synth --events-for"));
    assert_false(wf_exists(out));
    assert_false(wf_exists(scratch_path(*state, "m.json.golden")));
}

static void a_catalog_without_vectors_is_told(void **state)
{
    static const char schema[] =
        "attributes = ( { name = \"price\"; type = \"number\"; } );\nspaces = ();\n";
    scratch_text(*state, "shop/schema.cfg", schema);
    scratch_text(*state, "shop/items.jsonl", "{\"sku\":\"A\",\"price\":3}\n");
    const struct tool_train_options o =
        options_for(scratch_path(*state, "shop"), scratch_path(*state, "m.json"));
    struct tool_train_result r;
    struct wf_error err;
    assert_int_equal(WF_INVALID, tool_train_ranker_run(&o, &r, &err));
    assert_non_null(strstr(err.text, "weft embed tokens"));
}

/* Best first, ties by SKU bytes, what is not offered left out: as a full sort says. */
static void candidates_are_the_best(void **state)
{
    const char *shop = synth(*state, "shop", "0", "0");
    struct tool_dataset *ds;
    struct tool_train_search s;
    struct tool_train_hit hits[ITEMS];
    static uint8_t offered[ITEMS];
    float q[32];
    assert_int_equal(WF_OK, tool_dataset_open(shop, TOOL_LOAD_ITEMS | TOOL_LOAD_SPACES, &ds, NULL));
    for (uint32_t i = 0; i < ITEMS; i++) {
        offered[i] = i % 3 != 0;
    }
    tool_train_search_init(&s, ds, 0, offered);
    memcpy(q, ds->spaces[0].data + 7 * 32, sizeof q);
    assert_true(s.n > 300 && s.n <= 400);
    const uint32_t n_all = tool_train_search_top(&s, q, ITEMS, hits);
    assert_int_equal(s.n, n_all);
    assert_int_equal(7, hits[0].row);
    for (uint32_t i = 1; i < n_all; i++) {
        const struct tool_train_hit *a = &hits[i - 1], *b = &hits[i];
        assert_true(offered[b->row] && a->score >= b->score);
        assert_true(a->score > b->score ||
                    strcmp(ds->items.skus[a->row], ds->items.skus[b->row]) < 0);
    }
    struct tool_train_hit few[20];
    assert_int_equal(20, tool_train_search_top(&s, q, 20, few));
    assert_memory_equal(hits, few, sizeof few);
    tool_train_search_fini(&s);
    tool_dataset_close(ds);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(it_ranks_better_than_retrieval_and_repeats),
        SCRATCH_TEST(too_few_purchases_are_told),
        SCRATCH_TEST(a_catalog_without_vectors_is_told),
        SCRATCH_TEST(candidates_are_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

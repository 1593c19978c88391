/* SPDX-License-Identifier: Apache-2.0
 *
 * given_users_test.c - vectors that a dataset gives for users reach the generation, beside those
 * that purchases make; what is wrong with them is named.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/vector.h"
#include "coordinator/global.h"
#include "tests/support/run_tool.h"
#include "tests/support/scratch.h"
#include "tools/commands.h"
#include "tools/given_users.h"

static const char schema_text[] =
    "description = \"a test\"; simulated_events = false; attributes = ( );\n"
    "spaces = ( { name = \"v\"; dim = 2; metric = \"cosine\"; content_id = \"x\"; } );\n"
    "roles = { };\n";

static const char *write_npy(struct scratch *s, const char *name, const float *rows, size_t n,
                             uint32_t dim)
{
    struct tool_npy_writer *w = NULL;
    struct wf_error err;
    const char *path = scratch_text(s, name, ""); /* makes the directory */
    assert_int_equal(WF_OK, tool_npy_create(path, dim, &w, &err));
    tool_npy_put(w, rows, n);
    assert_int_equal(WF_OK, tool_npy_commit(w, &err));
    return path;
}

static void write_shop(struct scratch *s)
{
    static const float items[] = {1, 0, 0, 1};
    scratch_text(s, "shop/schema.cfg", schema_text);
    scratch_text(s, "shop/items.jsonl", "{\"sku\":\"a\"}\n{\"sku\":\"b\"}\n");
    scratch_text(s, "shop/interactions.tsv",
                 "user\tsku\tevent\tunix_time\tvalue\nold\ta\tpurchase\t86400\t1\n"
                 "both\ta\tpurchase\t86400\t1\nunsaid\tb\tpurchase\t86400\t1\n");
    write_npy(s, "shop/spaces/v.npy", items, 2, 2);
}

static void expect_vector(const struct coord_global *g, const char *user, float x, float y)
{
    const uint32_t row = wf_idmap_find(&g->users, user, strlen(user));
    float out[2];
    assert_true(row < g->users.n);
    wf_half_to_float(g->user_vectors[0] + (size_t)row * 2, out, 2);
    assert_true(fabsf(out[0] - x) < 1e-3F && fabsf(out[1] - y) < 1e-3F);
}

static void given_vectors_take_the_place_of_computed_ones(void **state)
{
    struct scratch *s = *state;
    static const struct tool_command *const commands[] = {&tool_build};
    static const float given[] = {0, 5, 3, 4, NAN, 0};
    write_shop(s);
    scratch_text(s, "shop/users/ids.txt", "both\nnew\nunsaid\n");
    write_npy(s, "shop/users/v.npy", given, 3, 2);
    const char *gen = scratch_path(s, "gen");
    const char *words[] = {"build", "--input", scratch_path(s, "shop"), "--out", gen, NULL};
    assert_int_equal(TOOL_EXIT_OK, run_tool(commands, 1, words));
    struct coord_global *g = NULL;
    struct wf_error err;
    assert_int_equal(WF_OK, coord_global_open(gen, &g, &err));
    assert_int_equal(4, g->users.n);
    expect_vector(g, "old", 1, 0);  /* by purchases alone */
    expect_vector(g, "both", 0, 1); /* given wins, as a unit vector */
    expect_vector(g, "new", 0.6F, 0.8F);
    expect_vector(g, "unsaid", 0, 1); /* given as missing: by purchases */
    coord_global_close(g);
}

static void expect_refused(struct scratch *s, const char *ids, const char *text)
{
    struct tool_given_users g;
    struct wf_schema schema;
    struct wf_error err = {0};
    const char *path = scratch_text(s, "shop/schema.cfg", schema_text);
    assert_int_equal(WF_OK, wf_schema_read(path, &schema, &err));
    scratch_text(s, "shop/users/ids.txt", ids);
    assert_int_equal(WF_INVALID, tool_given_users_open(scratch_path(s, "shop"), &schema, &g, &err));
    if (!strstr(err.text, text)) {
        fail_msg("'%s' does not say '%s'", err.text, text);
    }
}

static void what_is_wrong_is_named(void **state)
{
    struct scratch *s = *state;
    static const float wide[] = {1, 2, 3, 4, 5, 6}, huge[] = {1, 0, 0, 1e6F};
    expect_refused(s, "a\nb\n", "the vectors of none of 1 spaces");
    write_npy(s, "shop/users/v.npy", wide, 2, 3);
    expect_refused(s, "a\nb\n", "users/v.npy: dimension 3, the schema says 2");
    write_npy(s, "shop/users/v.npy", huge, 2, 2);
    expect_refused(s, "a\nb\n", "row 1 (user b): element 1 is 1e+06");
    expect_refused(s, "a\n", "users/v.npy: 2 rows for 1 ids");
    expect_refused(s, "a\na\n", "ids.txt:2: user 'a' came on line 1 before");
    expect_refused(s, "a\n\n", "ids.txt:2: user id of 0 bytes");
    expect_refused(s, "a\n\xff\n", "ids.txt:2: user id is not UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(given_vectors_take_the_place_of_computed_ones,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

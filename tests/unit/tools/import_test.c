/* SPDX-License-Identifier: Apache-2.0
 *
 * import_test.c - import styles, import vectors and embed tokens as commands: messy rows come in
 * whole, bad ones are counted and left out, spaces are added to what is there.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/vector.h"
#include "tests/support/run_tool.h"
#include "tests/support/scratch.h"
#include "tools/commands.h"
#include "tools/dataset.h"

static const struct tool_command *const commands[] = {&tool_import_styles, &tool_import_vectors,
                                                      &tool_embed_tokens};

/* Runs the words after the program's name, up to NULL; returns the exit code. */
static int weft(const char *const *words)
{
    return run_tool(commands, sizeof commands / sizeof *commands, words);
}
#define WEFT(...) weft((const char *const[]){__VA_ARGS__, NULL})

static const char header[] = "id,gender,masterCategory,subCategory,articleType,baseColour,season,"
                             "year,usage,productDisplayName\n";
static const char good[] =
    "0010,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Turtle Men \"Slim\" Shirt\n"
    "11,Women,Apparel,Topwear,Tops,NA,,2012,,Live, Life, Laugh\n"
    "12,Girls,Apparel,Topwear,Tops,Red,Spring,,Casual,Gini Girls Top 3.5\" high\n";

static const char *catalog(struct scratch *s, const char *more)
{
    char text[2048];
    snprintf(text, sizeof text, "%s%s%s", header, good, more);
    return scratch_text(s, "styles.csv", text);
}

static struct tool_dataset *open_dataset(const char *dir)
{
    struct tool_dataset *ds = NULL;
    struct wf_error err = {0};
    assert_int_equal(WF_OK, tool_dataset_open(dir, TOOL_LOAD_ITEMS | TOOL_LOAD_SPACES, &ds, &err));
    return ds;
}

static const char *keyword(const struct tool_dataset *ds, const char *name, size_t row)
{
    const struct wf_column *c = &ds->items.columns[wf_schema_attr(&ds->schema, name)];
    return c->codes[row] == WF_NO_CODE ? NULL : c->dictionary[c->codes[row]];
}

static void styles_come_in_whole(void **state)
{
    struct scratch *s = *state;
    const char *out = scratch_path(s, "out");
    assert_int_equal(0, WEFT("import", "styles", "--catalog", catalog(s, ""), "--out", out));
    struct tool_dataset *ds = open_dataset(out);
    const struct wf_column *c = ds->items.columns;
    assert_int_equal(3, ds->items.n);
    assert_string_equal("0010", ds->items.skus[0]);
    assert_string_equal("Turtle Men \"Slim\" Shirt",
                        c[wf_schema_attr(&ds->schema, "productDisplayName")].texts[0]);
    assert_string_equal("Live, Life, Laugh",
                        c[wf_schema_attr(&ds->schema, "productDisplayName")].texts[1]);
    assert_string_equal("Turtle", keyword(ds, "brand", 0));
    assert_string_equal("NA", keyword(ds, "baseColour", 1));
    assert_null(keyword(ds, "season", 1));
    const float *launch = c[wf_schema_attr(&ds->schema, "launch_day")].numbers;
    assert_true(launch[0] == 15187.0F); /* 2011-08-01 */
    assert_true(launch[1] == 15340.0F); /* 2012-01-01 */
    assert_true(isnan(launch[2]));
    assert_string_equal("articleType", ds->schema.roles[WF_ROLE_CATEGORY]);
    tool_dataset_close(ds);
}

static void bad_rows_are_left_out_up_to_a_limit(void **state)
{
    struct scratch *s = *state;
    const char *in = catalog(s, "11,Men,A,B,C,Red,Fall,2011,Casual,came before\n"
                                "13,Men,A,B\n"
                                ",Men,A,B,C,Red,Fall,2011,Casual,no id\n"
                                "14,Men,A,B,C,Red,Fall,MMXI,Casual,no year\n"
                                "15,Men,A,B,C,Red,Fall,2011,Casual,\xFF\n"
                                "16,Men,A,B,C,Red,Fall,2011,Casual,Fine Men\n");
    const char *out = scratch_path(s, "out"), *none = scratch_path(s, "none");
    assert_int_equal(0,
                     WEFT("import", "styles", "--catalog", in, "--out", out, "--max-errors", "5"));
    assert_int_equal(5,
                     WEFT("import", "styles", "--catalog", in, "--out", none, "--max-errors", "4"));
    assert_false(wf_exists(none));
    struct tool_dataset *ds = open_dataset(out);
    assert_int_equal(4, ds->items.n);
    assert_string_equal("16", ds->items.skus[3]);
    tool_dataset_close(ds);
}

static void a_foreign_header_is_refused(void **state)
{
    struct scratch *s = *state;
    const char *in = scratch_text(s, "x.csv", "id,sex\n1,2\n");
    assert_int_equal(5, WEFT("import", "styles", "--catalog", in, "--out", scratch_path(s, "out")));
    assert_int_equal(1, WEFT("import", "styles", "--catalog", scratch_path(s, "gone.csv"), "--out",
                             scratch_path(s, "out2")));
}

static void vectors_go_to_their_items(void **state)
{
    struct scratch *s = *state;
    const char *out = scratch_path(s, "out");
    const char *v = scratch_text(s, "v.tsv", "1\t2\n3\t4\n0\t0\n5\t6\nx\t1\n");
    const char *ids = scratch_text(s, "ids.txt", "12\n0010\n11\nunknown\n11\n");
    assert_int_equal(0, WEFT("import", "styles", "--catalog", catalog(s, ""), "--vectors", v,
                             "--ids", ids, "--content-id", "test-1", "--out", out));
    struct tool_dataset *ds = open_dataset(out);
    assert_true(ds->spaces[0].data[0] == 3 && ds->spaces[0].data[4] == 1);
    assert_true(isnan(ds->spaces[0].data[2])); /* a norm of 0 is no direction: no vector */
    assert_string_equal("test-1", ds->schema.spaces[0].content_id);
    tool_dataset_close(ds);
}

static void vectors_alone_are_a_dataset_and_more_are_a_space(void **state)
{
    struct scratch *s = *state;
    const char *out = scratch_path(s, "out");
    const char *v = scratch_text(s, "v.tsv", "1\t2\n3\t4\n5\t6\n");
    const char *ids = scratch_text(s, "ids.txt", "a\nb\na\n");
    assert_int_equal(0, WEFT("import", "vectors", v, "--ids", ids, "--space", "one", "--out", out));
    const char *turned = scratch_text(s, "more.txt", "b\na\nc\n");
    assert_int_equal(0, WEFT("import", "vectors", v, "--ids", turned, "--space", "two", "--metric",
                             "l2", "--out", out));
    struct tool_dataset *ds = open_dataset(out);
    assert_int_equal(2, ds->items.n);
    assert_int_equal(2, ds->schema.n_spaces);
    assert_int_equal(WF_METRIC_L2, ds->schema.spaces[1].metric);
    assert_true(ds->spaces[0].data[2] == 3 && ds->spaces[1].data[2] == 1);
    tool_dataset_close(ds);
}

static void uneven_files_are_refused(void **state)
{
    struct scratch *s = *state;
    const char *v = scratch_text(s, "v.tsv", "1\t2\n3\t4\n");
    const char *few = scratch_text(s, "few.txt", "a\n"),
               *many = scratch_text(s, "many.txt", "a\nb\nc\n");
    const char *out = scratch_path(s, "out");
    assert_int_equal(5, WEFT("import", "vectors", v, "--ids", few, "--space", "x", "--out", out));
    assert_int_equal(5, WEFT("import", "vectors", v, "--ids", many, "--space", "x", "--out", out));
    assert_false(wf_exists(out));
    assert_int_equal(2, WEFT("import", "vectors", v, "--space", "../x", "--out", out));
    assert_int_equal(
        2, WEFT("import", "vectors", v, "--space", "x", "--metric", "hamming", "--out", out));
}

static void tokens_bring_the_like_together(void **state)
{
    struct scratch *s = *state;
    const char *out = scratch_path(s, "out");
    const char *in =
        catalog(s, "20,Men,Apparel,Topwear,Shirts,Blue,Fall,2011,Casual,Turtle Men Shirt\n"
                   "21,Men,Footwear,Shoes,Boots,Black,Fall,2011,Casual,Kraus Boots\n");
    assert_int_equal(0, WEFT("import", "styles", "--catalog", in, "--out", out));
    assert_int_equal(0, WEFT("embed", "tokens", "--input", out, "--dim", "256"));
    struct tool_dataset *ds = open_dataset(out);
    const float *first = ds->spaces[0].data;
    assert_int_equal(256, ds->spaces[0].dim);
    for (size_t i = 0; i < ds->items.n; i++) {
        const float *row = first + i * 256;
        assert_true(fabsf(wf_dot(row, row, 256) - 1) < 1e-5F);
    }
    /* Row 3 is the other Turtle shirt, row 4 the boots. */
    assert_true(wf_dot(first, first + 3 * 256, 256) > wf_dot(first, first + 4 * 256, 256) + 0.2F);
    tool_dataset_close(ds);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(styles_come_in_whole),
        CASE(bad_rows_are_left_out_up_to_a_limit),
        CASE(a_foreign_header_is_refused),
        CASE(vectors_go_to_their_items),
        CASE(vectors_alone_are_a_dataset_and_more_are_a_space),
        CASE(uneven_files_are_refused),
        CASE(tokens_bring_the_like_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

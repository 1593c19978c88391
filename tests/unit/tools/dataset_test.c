/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset_test.c - what a writer writes a reader reads; whatever is wrong is named by file and
 * line.
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
#include "tests/support/scratch.h"
#include "tools/dataset.h"

static const char schema_text[] =
    "description = \"a test\"; simulated_events = false;\n"
    "attributes = ( { name = \"title\"; type = \"text\"; }, { name = \"kind\"; type = \"keyword\"; "
    "},\n"
    "  { name = \"price\"; type = \"number\"; }, { name = \"here\"; type = \"flag\"; } );\n"
    "spaces = ( { name = \"v\"; dim = 2; metric = \"cosine\"; content_id = \"x\"; } );\n"
    "roles = { title = \"title\"; category = \"kind\"; };\n";

static enum wf_code write_two(const char *dir, const struct wf_schema *schema, struct wf_error *err)
{
    static const float vectors[] = {1, 2, 3, 4};
    const struct tool_value rows[2][4] = {
        {{.text = "q\"\\\n\x01\xC3\xA9"}, {.text = "Dress"}, {.number = 19.99F}, {.flag = 1}},
        {TOOL_MISSING, TOOL_MISSING, TOOL_MISSING, TOOL_MISSING},
    };
    struct tool_dataset_writer *w = NULL;
    struct tool_text lines = {0};
    enum wf_code code = tool_dataset_create(dir, schema, &w, err);
    if (code != WF_OK) {
        return code;
    }
    tool_item_encode(schema, "007", rows[0], &lines);
    tool_item_encode(schema, "b", rows[1], &lines);
    tool_dataset_put_lines(w, &lines, 2);
    tool_dataset_put_vectors(w, 0, vectors, 2);
    tool_text_fini(&lines);
    assert_int_equal(WF_OK, tool_dataset_finish(w, err));
    assert_false(wf_exists(dir));
    return tool_dataset_publish(w, err);
}

static void what_is_written_is_read(void **state)
{
    struct scratch *s = *state;
    struct wf_schema schema;
    struct tool_dataset *ds = NULL;
    struct wf_error err;
    const char *dir = scratch_path(s, "shop");
    assert_int_equal(WF_OK, wf_schema_read(scratch_text(s, "s.cfg", schema_text), &schema, &err));
    assert_int_equal(WF_OK, write_two(dir, &schema, &err));
    assert_int_equal(WF_OK, tool_dataset_open(dir, TOOL_LOAD_ITEMS | TOOL_LOAD_SPACES, &ds, &err));
    assert_int_equal(2, ds->items.n);
    assert_string_equal("007", ds->items.skus[0]);
    const struct wf_column *c = ds->items.columns;
    assert_string_equal("q\"\\\n\x01\xC3\xA9", c[0].texts[0]);
    assert_null(c[0].texts[1]);
    assert_string_equal("Dress", c[1].dictionary[c[1].codes[0]]);
    assert_int_equal(WF_NO_CODE, c[1].codes[1]);
    assert_true(c[2].numbers[0] == 19.99F && isnan(c[2].numbers[1]));
    assert_true(c[3].flags[0] == 1 && c[3].flags[1] == 2);
    assert_true(ds->spaces[0].data[3] == 4);
    assert_int_equal(1, tool_intern_find(&ds->skus, "b", 1));
    tool_dataset_close(ds);
    assert_int_equal(WF_EXISTS, write_two(dir, &schema, &err)); /* never over something */
}

/* Opens a dataset with these items lines; the error's text must hold `text`. */
static void expect_refused(struct scratch *s, const char *items, const char *text)
{
    struct tool_dataset *ds = NULL;
    struct wf_error err = {0};
    scratch_text(s, "d/items.jsonl", items);
    assert_int_equal(WF_INVALID, tool_dataset_open(s->paths[0], TOOL_LOAD_ITEMS, &ds, &err));
    if (!strstr(err.text, text)) {
        fail_msg("'%s' is not in '%s'", text, err.text);
    }
}

static void bad_items_are_named_by_line(void **state)
{
    static const struct {
        const char *items, *text;
    } cases[] = {
        {"{\"sku\":\"a\"}\n\n{\"sku\":\"b\"}\n{\"sku\":\"a\"}\n",
         "items.jsonl:4: SKU 'a' came on line 1 before"},
        {"{\"sku\":\"a\"}\n{\"sku\":\"b\",\"colour\":\"x\"}\n",
         "items.jsonl:2: 'colour' is not an attribute of the schema"},
        {"{\"sku\":\"a\",\"price\":\"3\"}\n", ":1: 'price' is a string, the schema wants a number"},
        {"{\"sku\":\"a\",\"price\":1e99}\n", ":1: 'price' is a number"},
        {"{\"sku\":\"a\",\"kind\":3}\n", ":1: 'kind' is a number, the schema wants a string"},
        {"{\"sku\":\"a\",\"here\":\"yes\"}\n", ":1: 'here' is a string, the schema wants true"},
        {"{\"sku\":7}\n", ":1: 'sku' is a number"},
        {"{\"title\":\"x\"}\n", ":1: 'sku' is missing"},
        {"{\"sku\":\"\"}\n", ":1: 'sku' has 0 bytes"},
        {"{\"sku\":\"a\"\n", ":1: not JSON"},
        {"[]\n", ":1: is an array"},
        {"{\"sku\":\"a\",\"sku\":\"b\"}\n", ":1: not JSON"},
        {"{\"sku\":\"\xFF\"}\n", ":1: not JSON"},
    };
    struct scratch *s = *state;
    scratch_path(s, "d");
    scratch_text(s, "d/schema.cfg", schema_text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_refused(s, cases[i].items, cases[i].text);
    }
}

static void spaces_must_fit(void **state)
{
    struct scratch *s = *state;
    struct tool_dataset *ds = NULL;
    struct tool_npy_writer *npy = NULL;
    struct wf_error err = {0};
    const float rows[] = {NAN, 0, 1, NAN};
    const char *dir = scratch_path(s, "d");
    scratch_text(s, "d/schema.cfg", schema_text);
    scratch_text(s, "d/items.jsonl", "{\"sku\":\"a\"}\n{\"sku\":\"b\"}\n");
    const char *path = scratch_text(s, "d/spaces/v.npy", "");
    for (uint32_t dim = 1; dim <= 2; dim++) {
        for (size_t n = 1; n <= 2; n++) {
            assert_int_equal(WF_OK, tool_npy_create(path, dim, &npy, &err));
            tool_npy_put(npy, rows, n);
            assert_int_equal(WF_OK, tool_npy_commit(npy, &err));
            const enum wf_code want = dim == 2 && n == 2 ? WF_OK : WF_INVALID;
            const unsigned parts = TOOL_LOAD_SKUS | TOOL_LOAD_SPACES;
            assert_int_equal(want, tool_dataset_open(dir, parts, &ds, &err));
        }
    }
    assert_int_equal(WF_INVALID, tool_dataset_check_space(ds, 0, NULL, &err));
    assert_non_null(strstr(err.text, "v.npy: row 1 (SKU b): element 1 is not finite"));
    tool_dataset_close(ds);
}

static void events_are_read_and_checked(void **state)
{
    static const struct {
        const char *line, *text; /* NULL: fine */
    } cases[] = {
        {"u1\ts1\tpurchase\t1700000000\t9.5", NULL},
        {"u1\ts1\tview\t0\t", NULL},
        {"u1\ts1\tpurchase\t1700000000", "interactions.tsv:2: 4 columns, wanted are 5"},
        {"u1\ts1\tpurchase\t1\t2\t3", ":2: 6 columns"},
        {"\ts1\tpurchase\t1\t2", ":2: user of 0 bytes"},
        {"u1\ts1\tpurchase\t-1\t2", ":2: unix_time '-1'"},
        {"u1\ts1\tpurchase\t1.5\t2", ":2: unix_time '1.5'"},
        {"u1\ts1\tpurchase\t1\tx", ":2: value 'x'"},
    };
    struct scratch *s = *state;
    const char *dir = scratch_path(s, "d");
    scratch_text(s, "d/schema.cfg", schema_text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tool_events *ev = NULL;
        struct tool_event event;
        struct wf_error err = {0};
        bool more = false;
        char *text = wf_xprintf("%s%s\n", tool_events_header, cases[i].line);
        scratch_text(s, "d/interactions.tsv", text);
        wf_xfree(text);
        assert_int_equal(WF_OK, tool_events_open(dir, &ev, &err));
        const enum wf_code code = tool_events_next(ev, &event, &more, &err);
        assert_int_equal(cases[i].text ? WF_INVALID : WF_OK, code);
        assert_true(!cases[i].text || strstr(err.text, cases[i].text));
        tool_events_close(ev);
    }
}

static void no_interactions_are_no_error(void **state)
{
    struct scratch *s = *state;
    struct tool_events *ev = NULL;
    struct wf_error err;
    assert_int_equal(WF_OK, tool_events_open(s->dir, &ev, &err));
    assert_null(ev);
    scratch_text(s, "interactions.tsv", "user,sku\n");
    assert_int_equal(WF_INVALID, tool_events_open(s->dir, &ev, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(bad_items_are_named_by_line, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(spaces_must_fit, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(events_are_read_and_checked, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(no_interactions_are_no_error, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

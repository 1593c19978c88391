/* SPDX-License-Identifier: Apache-2.0
 *
 * schema_test.c - schema.cfg is read, written and read back; each rule has a file that breaks it
 * and the line that is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/generation.h"
#include "base/schema_form.h"

static char dir[256], path[300];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/weft-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/schema.cfg", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    assert_int_equal(WF_OK, wf_remove_tree(dir, NULL));
    return 0;
}

static enum wf_code read_text(const char *text, struct wf_schema *s, struct wf_error *err)
{
    struct wf_writer *w;
    assert_int_equal(WF_OK, wf_writer_open(path, &w, NULL));
    wf_writer_put(w, text, strlen(text));
    assert_int_equal(WF_OK, wf_writer_commit(w, NULL));
    return wf_schema_read(path, s, err);
}

static const char sample[] =
    "description = \"A \\\"shop\\\" \\\\ caf\xc3\xa9\";\n"
    "attributes = (\n"
    "  { name = \"articleType\"; type = \"keyword\"; },\n"
    "  { name = \"price\"; type = \"number\"; },\n"
    "  { name = \"in_stock\"; type = \"flag\"; },\n"
    "  { name = \"title\"; type = \"text\"; }\n"
    ");\n"
    "spaces = ( { name = \"text\"; dim = 100; metric = \"cosine\"; content_id = \"glove-v1\"; },\n"
    "           { name = \"image.v2\"; dim = 4096; metric = \"l2\"; content_id = \"r50\"; } );\n"
    "roles = { title = \"title\"; category = \"articleType\"; price = \"price\";\n"
    "          stock = \"in_stock\"; };\n";

static void check_sample(const struct wf_schema *s)
{
    assert_string_equal("A \"shop\" \\ caf\xc3\xa9", s->description);
    assert_int_equal(4, s->n_attrs);
    assert_int_equal(2, s->n_spaces);
    assert_false(s->simulated_events);
    assert_int_equal(1, wf_schema_attr(s, "price"));
    assert_int_equal(WF_ATTR_NUMBER, s->attrs[1].type);
    assert_int_equal(-1, wf_schema_attr(s, "Price"));
    assert_int_equal(1, wf_schema_space(s, "image.v2"));
    assert_int_equal(4096, s->spaces[1].dim);
    assert_int_equal(WF_METRIC_L2, s->spaces[1].metric);
    assert_string_equal("glove-v1", s->spaces[0].content_id);
    assert_int_equal(0, wf_schema_role(s, WF_ROLE_CATEGORY));
    assert_int_equal(2, wf_schema_role(s, WF_ROLE_STOCK));
    assert_int_equal(-1, wf_schema_role(s, WF_ROLE_BRAND));
}

static void a_schema_survives_both_forms(void **state)
{
    (void)state;
    struct wf_schema a, b, c;
    struct wf_error err;
    assert_int_equal(WF_OK, read_text(sample, &a, &err));
    check_sample(&a);
    assert_int_equal(WF_OK, wf_schema_write(path, &a, &err));
    assert_int_equal(WF_OK, wf_schema_read(path, &b, &err));
    assert_memory_equal(&a, &b, sizeof a);
    json_t *json = wf_schema_to_json(&a);
    assert_int_equal(WF_OK, wf_schema_from_json(json, &c, &err));
    assert_memory_equal(&a, &c, sizeof a);
    json_decref(json);
}

static void an_empty_schema_is_one(void **state)
{
    (void)state;
    struct wf_schema s;
    assert_int_equal(WF_OK, read_text("", &s, NULL));
    assert_int_equal(0, s.n_attrs + s.n_spaces);
    assert_int_equal(WF_OK, wf_schema_write(path, &s, NULL));
    assert_int_equal(WF_OK, wf_schema_read(path, &s, NULL));
}

#define ATTR(name, type) "{ name = \"" name "\"; type = \"" type "\"; }"
#define SPACE(rest)      "spaces = (\n { name = \"text\"; content_id = \"v1\"; " rest " } );"

static void each_broken_rule_names_line_and_value(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"\nattribute = ();", "schema.cfg:2: unknown key \"attribute\", nearest is \"attributes\""},
        {"attributes = 3;", "schema.cfg:1: \"attributes\" is not a list"},
        {"attributes = { a = 1; };", "schema.cfg:1: \"attributes\" is not a list"},
        {"attributes = (\n\n 3 );", "schema.cfg:3: "},
        {"attributes = (\n { name = \"a\"; } );", "schema.cfg:2: \"type\" is missing"},
        {"attributes = (\n { name = 3; type = \"flag\"; } );", "schema.cfg:2: "},
        {"attributes = (\n" ATTR("a", "int") ");",
         "schema.cfg:2: type \"int\" of \"a\" is none of"},
        {"attributes = (\n" ATTR("1a", "flag") ");",
         "schema.cfg:2: name \"1a\" is not of the form"},
        {"attributes = (" ATTR("", "flag") ");", "name \"\" is not of the form"},
        {"attributes = (" ATTR("sku", "text") ");", "attribute name \"sku\" is reserved"},
        {"attributes = (" ATTR("a", "flag") ",\n\n" ATTR("a", "text") ");",
         "schema.cfg:3: attribute \"a\" is number 0 and 1"},
        {"attributes = (" ATTR("a123456789a123456789a123456789a123456789a123456789a123456789abcd",
                               "flag") ");",
         "\"name\" has 64 bytes, limit is 63"},
        {SPACE("dim = 0; metric = \"ip\";"), "schema.cfg:2: dim of \"text\" is 0, not within"},
        {SPACE("dim = 4097; metric = \"ip\";"), "dim of \"text\" is 4097, not within 1..4096"},
        {SPACE("dim = -1; metric = \"ip\";"), "dim of \"text\" is"},
        {SPACE("dim = 8; metric = \"dot\";"), "metric \"dot\" of \"text\" is none of"},
        {SPACE("dim = \"8\"; metric = \"ip\";"), "schema.cfg:2: "},
        {SPACE("metric = \"ip\";"), "schema.cfg:2: \"dim\" is missing"},
        {"spaces = ( { name = \"t\"; dim = 1; metric = \"ip\"; content_id = \"\"; } );",
         "content_id \"\" of \"t\""},
        {"roles = { titel = \"x\"; };", "unknown key \"titel\", nearest is \"title\""},
        {"\nroles = { title = \"x\"; };", "schema.cfg:2: role title: there is no attribute \"x\""},
        {"attributes = (" ATTR("a", "flag") ");\nroles = { price = \"a\"; };",
         "schema.cfg:2: role price: attribute \"a\" is a flag, which does not fit"},
        {"simulated_events = 1;", "schema.cfg:1: "},
        {"description = \"a\\tb\";", "schema.cfg:1: description has a control character at byte 1"},
        {"description = \"\\xff\";", "not valid UTF-8"},
        {"attributes = (", "schema.cfg:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_schema s = {.n_attrs = 77};
        struct wf_error err = {0};
        assert_int_equal(WF_INVALID, read_text(bad[i].text, &s, &err));
        if (strstr(err.text, bad[i].says) == NULL) {
            fail_msg("%s\nsays: %s\nwant: %s", bad[i].text, err.text, bad[i].says);
        }
        assert_string_equal("CONFIG", err.reason);
        assert_int_equal(77, s.n_attrs);
    }
}

static void limits_on_counts_hold(void **state)
{
    (void)state;
    struct wf_error err;
    struct wf_schema *s = wf_xcalloc(1, sizeof *s);
    char *text = wf_xmalloc(1 << 16);
    for (int n = WF_ATTRS_MAX; n <= WF_ATTRS_MAX + 1; n++) {
        size_t at = (size_t)snprintf(text, 64, "attributes = (");
        for (int i = 0; i < n; i++) {
            at +=
                (size_t)snprintf(text + at, 64, "%s{name=\"a%d\";type=\"flag\";}", i ? "," : "", i);
        }
        snprintf(text + at, 8, ");");
        assert_int_equal(n > WF_ATTRS_MAX ? WF_INVALID : WF_OK, read_text(text, s, &err));
    }
    assert_non_null(strstr(err.text, "257 attributes, limit is 256"));
    wf_xfree(text);
    wf_xfree(s);
}

static void what_cannot_be_read_is_not_written(void **state)
{
    (void)state;
    struct wf_schema s;
    assert_int_equal(WF_OK, read_text(sample, &s, NULL));
    s.attrs[0].type = 0;
    assert_int_equal(WF_INVALID, wf_schema_write(path, &s, NULL));
    assert_int_equal(WF_OK, wf_schema_read(path, &s, NULL)); /* the old file is still there */
    check_sample(&s);
    assert_int_equal(WF_NOT_FOUND, wf_schema_read("/nonexistent/schema.cfg", &s, NULL));
}

static void names_of_types_and_metrics_go_both_ways(void **state)
{
    (void)state;
    for (unsigned i = WF_ATTR_KEYWORD; i <= WF_ATTR_TEXT; i++) {
        enum wf_attr_type t;
        assert_true(wf_attr_type_parse(wf_attr_type_name(i), &t));
        assert_int_equal(i, t);
    }
    for (unsigned i = WF_METRIC_IP; i <= WF_METRIC_L2; i++) {
        enum wf_metric_space m;
        assert_true(wf_metric_parse(wf_metric_name(i), &m));
        assert_int_equal(i, m);
        assert_false(wf_metric_parse("", &m));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_survives_both_forms),
        cmocka_unit_test(an_empty_schema_is_one),
        cmocka_unit_test(each_broken_rule_names_line_and_value),
        cmocka_unit_test(limits_on_counts_hold),
        cmocka_unit_test(what_cannot_be_read_is_not_written),
        cmocka_unit_test(names_of_types_and_metrics_go_both_ways),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

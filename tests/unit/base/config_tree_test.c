/* SPDX-License-Identifier: Apache-2.0
 *
 * config_tree_test.c - reading trees by path, and texts that libconfig never gets to see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/config.h"

static const char sample[] = "version = 1;\n"
                             "big = 5000000000L;\n"
                             "spaces = (\n"
                             "  { name = \"image\"; dimension = 512; weight = 0.5; on = true; },\n"
                             "  { name = \"text \\\"q\\\"\"; dimension = 128; weight = 2; }\n"
                             ");\n"
                             "list = [ 1, 2, 3 ];\n";

static struct wf_tree *parsed(const char *text)
{
    struct wf_tree *t = NULL;
    struct wf_error err;
    if (wf_tree_parse(text, &t, &err)) {
        fail_msg("%s", err.text);
    }
    return t;
}

static void refused(const char *text, const char *message)
{
    struct wf_tree *t = NULL;
    struct wf_error err;
    assert_int_equal(WF_INVALID, wf_tree_parse(text, &t, &err));
    assert_string_equal(message, err.text);
    assert_string_equal("CONFIG", err.reason);
    assert_null(t);
}

static void values_are_found_by_path(void **state)
{
    (void)state;
    struct wf_tree *t = parsed(sample);
    const char *name = NULL;
    int64_t whole = 0;
    double real = 0;
    bool on = false;
    assert_int_equal(WF_OK, wf_tree_str(t, "spaces.[1].name", &name, NULL));
    assert_string_equal("text \"q\"", name);
    assert_int_equal(WF_OK, wf_tree_int(t, "spaces.[0].dimension", &whole, NULL));
    assert_int_equal(512, whole);
    assert_int_equal(WF_OK, wf_tree_int(t, "big", &whole, NULL));
    assert_true(whole == INT64_C(5000000000));
    assert_int_equal(WF_OK, wf_tree_int(t, "list.[2]", &whole, NULL));
    assert_int_equal(3, whole);
    assert_int_equal(WF_OK, wf_tree_real(t, "spaces.[0].weight", &real, NULL));
    assert_true(real == 0.5);
    assert_int_equal(WF_OK, wf_tree_real(t, "spaces.[1].weight", &real, NULL));
    assert_true(real == 2);
    assert_int_equal(WF_OK, wf_tree_bool(t, "spaces.[0].on", &on, NULL));
    assert_true(on);
    wf_tree_close(t);
    wf_tree_close(NULL);
}

static void children_are_counted_and_named(void **state)
{
    (void)state;
    struct wf_tree *t = parsed(sample);
    assert_int_equal(4, wf_tree_count(t, ""));
    assert_int_equal(2, wf_tree_count(t, "spaces"));
    assert_int_equal(4, wf_tree_count(t, "spaces.[0]"));
    assert_int_equal(3, wf_tree_count(t, "list"));
    assert_int_equal(0, wf_tree_count(t, "version"));
    assert_int_equal(0, wf_tree_count(t, "nowhere"));
    assert_string_equal("dimension", wf_tree_key(t, "spaces.[0]", 1));
    assert_null(wf_tree_key(t, "spaces.[0]", 4));
    assert_null(wf_tree_key(t, "spaces", 0));
    assert_true(wf_tree_has(t, "spaces.[1]"));
    static const char *const none[] = {"spaces.[2]", "spaces.[-1]", "spaces.[x]",
                                       "spaces.[0",  "spaces.name", "version.x",
                                       "a..b",       ".",           "[99999999999999999999]"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(wf_tree_has(t, none[i]));
    }
    wf_tree_close(t);
}

static void wrong_types_name_the_line(void **state)
{
    (void)state;
    struct wf_tree *t = parsed(sample);
    struct wf_error err;
    const char *name = NULL;
    int64_t whole = 77;
    bool on = false;
    assert_int_equal(WF_NOT_FOUND, wf_tree_int(t, "nowhere", &whole, &err));
    assert_string_equal("text: no setting \"nowhere\"", err.text);
    assert_int_equal(WF_INVALID, wf_tree_int(t, "spaces.[0].weight", &whole, &err));
    assert_string_equal("text:4: \"spaces.[0].weight\" is a number, must be a whole number",
                        err.text);
    assert_string_equal("spaces.[0].weight", err.field);
    assert_int_equal(WF_INVALID, wf_tree_str(t, "spaces", &name, &err));
    assert_string_equal("text:3: \"spaces\" is a list, must be a string", err.text);
    assert_int_equal(WF_INVALID, wf_tree_bool(t, "version", &on, &err));
    assert_int_equal(77, whole);
    wf_tree_close(t);
    t = parsed("s = \"\\xff\"; r = 1e999;");
    double real = 0;
    assert_int_equal(WF_INVALID, wf_tree_str(t, "s", &name, &err));
    assert_string_equal("text:1: \"s\" is not valid UTF-8", err.text);
    assert_int_equal(WF_INVALID, wf_tree_real(t, "r", &real, &err));
    wf_tree_close(t);
}

static void only_known_keys_pass(void **state)
{
    (void)state;
    static const char *const names[] = {"name", "dimension", "weights", "on", NULL};
    static const char *const good[] = {"name", "dimension", "weight", "on", NULL};
    struct wf_tree *t = parsed(sample);
    struct wf_error err;
    assert_int_equal(WF_OK, wf_tree_only(t, "spaces.[0]", good, &err));
    assert_int_equal(WF_INVALID, wf_tree_only(t, "spaces.[0]", names, &err));
    assert_string_equal("text:4: unknown key \"weight\", nearest is \"weights\"", err.text);
    assert_int_equal(WF_INVALID, wf_tree_only(t, "spaces", names, &err));
    assert_int_equal(WF_NOT_FOUND, wf_tree_only(t, "spaces.[7]", names, &err));
    wf_tree_close(t);
}

static void broken_text_names_the_line(void **state)
{
    (void)state;
    refused("a = 1;\nb = = 2;", "text:2: syntax error");
    refused("a = 1;\na = 2;", "text:2: duplicate setting name");
    refused("a = \"", "text:1: syntax error");
}

static void includes_are_refused_everywhere(void **state)
{
    (void)state;
    refused("@include \"/etc/passwd\"", "text:1: @include is not allowed here");
    refused("a = 1;\n \t @include \"/etc/passwd\"\n", "text:2: @include is not allowed here");
    refused("/*\n@include \"x\"\n*/", "text:2: @include is not allowed here");
    wf_tree_close(parsed("a = \"see @include\";"));
}

/* n times `open`, a value, n times `shut`. */
static char *nested(unsigned n, const char *open, const char *shut)
{
    char *text = wf_xcalloc(1, 2 * n * 8 + 64);
    size_t at = 0;
    at += (size_t)snprintf(text, 8, "a = ");
    for (unsigned i = 0; i < n; i++) {
        at += (size_t)snprintf(text + at, 8, "%s", open);
    }
    for (unsigned i = 0; i < n; i++) {
        at += (size_t)snprintf(text + at, 8, "%s", shut);
    }
    snprintf(text + at, 8, ";");
    return text;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char *good = nested(32, "(", ")");
    wf_tree_close(parsed(good));
    char *deep = nested(33, "(", ")");
    refused(deep, "text:1: nested 33 deep, limit is 32");
    char *deeper = nested(100000, "{a=", ";}");
    refused(deeper, "text:1: nested 33 deep, limit is 32");
    wf_xfree(good);
    wf_xfree(deep);
    wf_xfree(deeper);
    wf_tree_close(parsed("a = \"((((((((((((((((((((((((((((((((((((((((((((\\\"(\";"));
    wf_tree_close(parsed("# ((((((((((((((((((((((((((((((((((((((((((((((\na = 1; // ((((((("
                         "(((((((((((((((((((((((((((((((((((\n/* ((((((((((((((((((((((((((((((("
                         "((((((((((((((((((((( */"));
}

static void size_is_bounded(void **state)
{
    (void)state;
    size_t size = ((size_t)4 << 20) + 1;
    char *text = wf_xmalloc(size + 1);
    memset(text, ' ', size);
    text[size] = '\0';
    refused(text, "text: 4194305 bytes, limit is 4194304");
    for (size_t i = 0; i + 1 < size; i += 2) {
        memcpy(text + i, "=\n", 2);
    }
    text[size - 1] = '\0';
    refused(text, "text:20001: more than 20000 settings");
    wf_xfree(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_path),
        cmocka_unit_test(children_are_counted_and_named),
        cmocka_unit_test(wrong_types_name_the_line),
        cmocka_unit_test(only_known_keys_pass),
        cmocka_unit_test(broken_text_names_the_line),
        cmocka_unit_test(includes_are_refused_everywhere),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

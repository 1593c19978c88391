/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_test.c - the option table: types, defaults, what is refused and how, exit codes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "tools/cli.h"

struct args {
    bool loud;
    const char *out;
    uint64_t count;
    double rate;
    struct tool_list sets;
};
static const struct tool_option options[] = {
    {.name = "loud", .type = TOOL_FLAG, .offset = offsetof(struct args, loud), .what = "."},
    {.name = "out",
     .type = TOOL_STR,
     .offset = offsetof(struct args, out),
     .what = ".",
     .required = true,
     .value = "DIR"},
    {.name = "count",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, count),
     .what = ".",
     .def = "7",
     .min = 1,
     .max = 100},
    {.name = "rate", .type = TOOL_REAL, .offset = offsetof(struct args, rate), .what = "."},
    {.name = "set", .type = TOOL_LIST, .offset = offsetof(struct args, sets), .what = "."},
};
static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    return a->loud ? wf_fail(err, WF_UNAVAILABLE, "nobody there") : WF_OK;
}
static const struct tool_command command = {.name = "do it",
                                            .what = ".",
                                            .examples = "prog do it --out x\n",
                                            .operands = "GEN",
                                            .max_operands = 1,
                                            TOOL_OPTIONS(options),
                                            .size = sizeof(struct args),
                                            .run = run};
static const struct tool_command *const commands[] = {&command};

/* Parses a line of words separated by blanks. */
static enum wf_code parse(const char *line, struct args *args, struct tool_call *call,
                          struct wf_error *err)
{
    static char words[512];
    char *argv[16];
    int argc = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *at = words; *at; argc++) {
        argv[argc] = at;
        at += strcspn(at, " ");
        if (*at) {
            *at++ = '\0';
        }
    }
    enum wf_code code = tool_parse(&command, argc, argv, args, call, err);
    if (code == WF_OK) {
        wf_xfree(call->operands);
    }
    return code;
}

static void every_type_is_filled(void **state)
{
    (void)state;
    struct args a;
    struct tool_call call;
    struct wf_error err;
    assert_int_equal(WF_OK, parse("--out=d --count 9 --loud --rate -1.5 --set a=b --set c --json g",
                                  &a, &call, &err));
    assert_string_equal("d", a.out);
    assert_int_equal(9, a.count);
    assert_true(a.loud && call.json);
    assert_true(a.rate == -1.5);
    assert_int_equal(2, a.sets.n);
    assert_string_equal("a=b", a.sets.values[0]);
    assert_int_equal(1, call.n_operands);
}

static void defaults_hold(void **state)
{
    (void)state;
    struct args a;
    struct tool_call call;
    struct wf_error err;
    assert_int_equal(WF_OK, parse("--out d", &a, &call, &err));
    assert_int_equal(7, a.count);
    assert_false(a.loud || call.json);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"--out d --cuont 3", "unknown flag --cuont, did you mean --count?"},
        {"--out d --zzzzzzzzzzz", "unknown flag --zzzzzzzzzzz"},
        {"--count 3", "--out DIR is missing"},
        {"--out", "--out wants DIR behind it"},
        {"--out d --count 101", "--count 101 is outside 1 to 100"},
        {"--out d --count 0", "--count 0 is outside 1 to 100"},
        {"--out d --count 3x", "--count wants a whole number, not '3x'"},
        {"--out d --count 99999999999999999999", "--count wants a whole number"},
        {"--out d --rate nan", "--rate wants a number, not 'nan'"},
        {"--out d --loud=1", "--loud takes no value"},
        {"--out d --out e", "--out given twice"},
        {"--out d a b", "'b' is one argument too many"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct args a;
        struct tool_call call;
        struct wf_error err;
        enum wf_code code = parse(cases[i].line, &a, &call, &err);
        assert_int_equal(WF_INVALID, code);
        assert_non_null(strstr(err.text, cases[i].text));
        assert_int_equal(TOOL_EXIT_USAGE, tool_exit_code(code, &err));
    }
}

static int run_main(int argc, const char *const *words)
{
    char copies[8][32], *argv[8];
    for (int i = 0; i < argc; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", words[i]);
        argv[i] = copies[i];
    }
    return tool_main("prog", "prog do it\n", commands, 1, argc, argv);
}

static void exit_codes_follow_from_the_error(void **state)
{
    (void)state;
    struct wf_error err = {0};
    assert_int_equal(0, tool_exit_code(WF_OK, &err));
    assert_int_equal(1, tool_exit_code(wf_fail(&err, WF_EXISTS, "x"), &err));
    assert_int_equal(2, tool_exit_code(tool_usage(&err, "x"), &err));
    assert_int_equal(3, tool_exit_code(tool_threshold(&err, "x"), &err));
    wf_fail(&err, WF_INVALID, "x");
    assert_int_equal(4, tool_exit_code(wf_reason(&err, "CONFIG"), &err));
    assert_int_equal(5, tool_exit_code(wf_fail(&err, WF_DATA_LOSS, "x"), &err));
    assert_int_equal(5, tool_exit_code(wf_fail(&err, WF_INVALID, "x"), &err));
    assert_int_equal(6, tool_exit_code(wf_fail(&err, WF_UNAVAILABLE, "x"), &err));
}

static void commands_are_found_and_run(void **state)
{
    (void)state;
    assert_int_equal(0, run_main(5, (const char *[]){"prog", "do", "it", "--out", "d"}));
    assert_int_equal(6, run_main(6, (const char *[]){"prog", "do", "it", "--out", "d", "--loud"}));
    assert_int_equal(2, run_main(3, (const char *[]){"prog", "do", "at"}));
    assert_int_equal(2, run_main(2, (const char *[]){"prog", "do"}));
    assert_int_equal(2, run_main(1, (const char *[]){"prog"}));
    assert_int_equal(0, run_main(4, (const char *[]){"prog", "help", "do", "it"}));
    assert_int_equal(0, run_main(2, (const char *[]){"prog", "help"}));
    assert_int_equal(2, run_main(3, (const char *[]){"prog", "help", "no"}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_filled),
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(exit_codes_follow_from_the_error),
        cmocka_unit_test(commands_are_found_and_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

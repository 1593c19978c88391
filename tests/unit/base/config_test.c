/* SPDX-License-Identifier: Apache-2.0
 *
 * config_test.c - where values come from, what is refused and how the message names it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/config.h"

struct conf {
    char *listen, *token;
    int64_t shards;
    double lambda;
    bool exact;
    uint64_t max_message;
    int64_t deadline_ms;
    int log_level;
};

static const struct wf_option table[] = {
    {"rpc.listen", WF_STR, WF_OPT(struct conf, listen), "0.0.0.0:7000", NULL, NULL, "Address.",
     NULL, false},
    {"rpc.token", WF_STR, WF_OPT(struct conf, token), "", NULL, NULL, "Secret.", NULL, true},
    {"rpc.max_message", WF_BYTES, WF_OPT(struct conf, max_message), "16MiB", "64KiB", "256MiB",
     "Largest message.", NULL, false},
    {"search.shards", WF_INT, WF_OPT(struct conf, shards), "3", "1", NULL, "Shards.", NULL, false},
    {"search.lambda", WF_REAL, WF_OPT(struct conf, lambda), "0.7", "0", "1", "MMR.", NULL, false},
    {"search.exact", WF_BOOL, WF_OPT(struct conf, exact), "false", NULL, NULL, "Exact.", NULL,
     false},
    {"search.deadline", WF_MILLIS, WF_OPT(struct conf, deadline_ms), "50", "1", "60000",
     "Deadline.", NULL, false},
    {"log.level", WF_CHOICE, WF_OPT(struct conf, log_level), "info", NULL, NULL, "Level.",
     "debug|info|warn|error", false},
};
#define N (sizeof table / sizeof table[0])

static char dir[256], path[300];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/weft-config-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/c.conf", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void write_file(const char *at, const char *text)
{
    FILE *f = fopen(at, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void refused_file(const char *text, const char *message)
{
    struct conf conf;
    struct wf_config *c = NULL;
    struct wf_error err;
    char wanted[512];
    write_file(path, text);
    assert_int_equal(WF_INVALID, wf_config_load(table, N, path, NULL, 0, &conf, &c, &err));
    snprintf(wanted, sizeof wanted, "%s:%s", path, message);
    assert_string_equal(wanted, err.text);
    assert_string_equal("CONFIG", err.reason);
    assert_null(c);
}

static void refused_flag(const char *flag, const char *message)
{
    struct conf conf;
    struct wf_config *c = NULL;
    struct wf_error err;
    assert_int_equal(WF_INVALID, wf_config_load(table, N, NULL, &flag, 1, &conf, &c, &err));
    assert_string_equal(message, err.text);
    assert_string_equal("CONFIG", err.reason);
}

static void defaults_fill_the_struct(void **state)
{
    (void)state;
    struct conf conf;
    struct wf_config *c = NULL;
    assert_int_equal(WF_OK, wf_config_load(table, N, NULL, NULL, 0, &conf, &c, NULL));
    assert_string_equal("0.0.0.0:7000", conf.listen);
    assert_int_equal(3, conf.shards);
    assert_true(conf.lambda == 0.7);
    assert_false(conf.exact);
    assert_int_equal(16 << 20, conf.max_message);
    assert_int_equal(50, conf.deadline_ms);
    assert_int_equal(1, conf.log_level);
    wf_config_destroy(c);
}

static void later_sources_win_and_are_named(void **state)
{
    (void)state;
    write_file(path, "rpc: { listen = \"a:1\"; token = \"hush\"; max_message = 65536; }\n"
                     "search = { lambda = 1; exact = true; shards = 7L;\n"
                     "  deadline = \"2s\"; };\nlog: { level = \"warn\"; };\n");
    setenv("WEFT_SEARCH__SHARDS", "8", 1);
    setenv("WEFT_SEARCH__LAMBDA", "0.25", 1);
    setenv("WEFT_BIN", "/somewhere", 1);
    const char *sets[] = {"search.lambda=0.5", "rpc.listen=b=2"};
    struct conf conf;
    struct wf_config *c = NULL;
    assert_int_equal(WF_OK, wf_config_load(table, N, path, sets, 2, &conf, &c, NULL));
    unsetenv("WEFT_SEARCH__SHARDS");
    unsetenv("WEFT_SEARCH__LAMBDA");
    assert_string_equal("b=2", conf.listen);
    assert_string_equal("hush", conf.token);
    assert_int_equal(65536, conf.max_message);
    assert_int_equal(8, conf.shards);
    assert_true(conf.lambda == 0.5);
    assert_true(conf.exact);
    assert_int_equal(2000, conf.deadline_ms);
    assert_int_equal(2, conf.log_level);
    char *text = wf_config_text(c);
    char wanted[2048];
    snprintf(wanted, sizeof wanted,
             "rpc.listen = \"b=2\"  # flag\nrpc.token = (hidden)  # %s:1\n"
             "rpc.max_message = 65536  # %s:1\nsearch.shards = 8  # environment\n"
             "search.lambda = 0.5  # flag\nsearch.exact = true  # %s:2\n"
             "search.deadline = 2s  # %s:3\nlog.level = warn  # %s:4\n",
             path, path, path, path, path);
    assert_string_equal(wanted, text);
    wf_xfree(text);
    wf_config_destroy(c);
}

static void unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    refused_file("\nserch: { deadline = 5; };",
                 "2: unknown key \"serch.deadline\", nearest is \"search.deadline\"");
    refused_file("rpc: {\n lisen = \"a\"; };",
                 "2: unknown key \"rpc.lisen\", nearest is \"rpc.listen\"");
    refused_file("completely: { different = 5; };", "1: unknown key \"completely.different\"");
    refused_file("zzzzzz: {};", "1: unknown key \"zzzzzz\"");
    refused_flag("serch.deadline=5",
                 "flag: unknown key \"serch.deadline\", nearest is \"search.deadline\"");
    refused_flag("search.deadline", "flag \"search.deadline\" must be section.key=value");
}

static void environment_keys_are_checked(void **state)
{
    (void)state;
    struct conf conf;
    struct wf_config *c = NULL;
    struct wf_error err;
    setenv("WEFT_SERCH__DEADLINE", "5", 1);
    assert_int_equal(WF_INVALID, wf_config_load(table, N, NULL, NULL, 0, &conf, &c, &err));
    unsetenv("WEFT_SERCH__DEADLINE");
    assert_string_equal("environment WEFT_SERCH__DEADLINE: unknown key \"serch.deadline\", "
                        "nearest is \"search.deadline\"",
                        err.text);
    setenv("WEFT_RPC__MAX_MESSAGE", "1TB", 1);
    assert_int_equal(WF_INVALID, wf_config_load(table, N, NULL, NULL, 0, &conf, &c, &err));
    unsetenv("WEFT_RPC__MAX_MESSAGE");
    assert_string_equal("environment WEFT_RPC__MAX_MESSAGE: rpc.max_message = \"1TB\", must be a "
                        "size such as 4096, 64KiB, 16MiB or 1GiB",
                        err.text);
    assert_string_equal("rpc.max_message", err.field);
}

static void types_and_ranges_are_checked(void **state)
{
    (void)state;
    refused_file("search: { deadline = 70000; };",
                 "1: search.deadline = 70000, must be at least 1 and at most 60000");
    refused_file("search: { shards = 0; };", "1: search.shards = 0, must be at least 1");
    refused_file("search: { shards = 1.5; };", "1: search.shards must be a whole number");
    refused_file("rpc: { listen = 5; };", "1: rpc.listen must be a string");
    refused_file("rpc: { listen = [ \"a\", \"b\" ]; };", "1: rpc.listen must be a string");
    refused_file("search: { exact = 1; };", "1: search.exact must be true or false");
    refused_file("log: { level = \"loud\"; };",
                 "1: log.level = \"loud\", must be one of debug|info|warn|error");
    refused_flag("search.lambda=nan", "flag: search.lambda = \"nan\", must be a number");
    refused_flag("search.lambda=1.01",
                 "flag: search.lambda = 1.01, must be at least 0 and at most 1");
    refused_flag("search.shards=99999999999999999999",
                 "flag: search.shards = \"99999999999999999999\", must be a whole number");
    refused_flag("search.deadline=-5",
                 "flag: search.deadline = \"-5\", must be a time such as 50, 50ms, 2s or 1m");
    refused_flag("rpc.max_message=9999999999GiB",
                 "flag: rpc.max_message = \"9999999999GiB\", must be a size such as 4096, 64KiB, "
                 "16MiB or 1GiB");
    refused_flag("log.level=", "flag: log.level = \"\", must be one of debug|info|warn|error");
}

static void broken_files_name_the_line(void **state)
{
    (void)state;
    refused_file("rpc: {\n listen = ;\n};", "2: syntax error");
    struct conf conf;
    struct wf_config *c = NULL;
    struct wf_error err;
    unlink(path);
    assert_int_equal(WF_INVALID, wf_config_load(table, N, path, NULL, 0, &conf, &c, &err));
    assert_non_null(strstr(err.text, path));
    assert_string_equal("CONFIG", err.reason);
    write_file(path, "");
}

static void units_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *flag;
        uint64_t bytes;
        int64_t ms;
    } cases[] = {
        {"rpc.max_message=65536", 65536, 50},     {"rpc.max_message=70000B", 70000, 50},
        {"rpc.max_message=64KiB", 65536, 50},     {"rpc.max_message=256MiB", 256 << 20, 50},
        {"search.deadline=1", 16 << 20, 1},       {"search.deadline=250ms", 16 << 20, 250},
        {"search.deadline=60s", 16 << 20, 60000}, {"search.deadline=1m", 16 << 20, 60000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conf conf;
        struct wf_config *c = NULL;
        assert_int_equal(WF_OK, wf_config_load(table, N, NULL, &cases[i].flag, 1, &conf, &c, NULL));
        assert_int_equal(cases[i].bytes, conf.max_message);
        assert_int_equal(cases[i].ms, conf.deadline_ms);
        wf_config_destroy(c);
    }
}

static void includes_are_relative_to_the_file(void **state)
{
    (void)state;
    char more[300];
    struct conf conf;
    struct wf_config *c = NULL;
    struct wf_error err;
    snprintf(more, sizeof more, "%s/more.conf", dir);
    write_file(path, "log: { level = \"warn\"; };\n@include \"more.conf\"\n");
    write_file(more, "search: {\n shards = 9;\n};\n");
    assert_int_equal(WF_OK, wf_config_load(table, N, path, NULL, 0, &conf, &c, &err));
    assert_int_equal(9, conf.shards);
    wf_config_destroy(c);
    write_file(more, "search: {\n shards = -9;\n};\n");
    assert_int_equal(WF_INVALID, wf_config_load(table, N, path, NULL, 0, &conf, &c, &err));
    assert_non_null(strstr(err.text, "more.conf:2: search.shards = -9, must be at least 1"));
    unlink(more);
}

static void the_manual_has_every_option(void **state)
{
    (void)state;
    char *text = wf_config_markdown(table, N);
    assert_non_null(strstr(text, "| `search.deadline` | time | `50` | `1` to `60000` | Deadline. |"
                                 "\n"));
    assert_non_null(
        strstr(text, "| `log.level` | choice | `info` | `debug` `info` `warn` `error` | Level. |"));
    assert_non_null(strstr(text, "| `rpc.token` | string |  |  | Secret. |"));
    wf_xfree(text);
}

static void nearest_is_near(void **state)
{
    (void)state;
    static const char *const names[] = {"build", "query", "verify"};
    assert_string_equal("query", wf_nearest("qeury", names, 3));
    assert_string_equal("build", wf_nearest("biuld", names, 3));
    assert_null(wf_nearest("synth", names, 3));
    assert_null(wf_nearest("query", names, 0));
    char word[400];
    memset(word, 'q', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_null(wf_nearest(word, names, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_the_struct),
        cmocka_unit_test(later_sources_win_and_are_named),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(environment_keys_are_checked),
        cmocka_unit_test(types_and_ranges_are_checked),
        cmocka_unit_test(broken_files_name_the_line),
        cmocka_unit_test(units_are_understood),
        cmocka_unit_test(includes_are_relative_to_the_file),
        cmocka_unit_test(the_manual_has_every_option),
        cmocka_unit_test(nearest_is_near),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

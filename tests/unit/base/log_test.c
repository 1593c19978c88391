/* SPDX-License-Identifier: Apache-2.0
 *
 * log_test.c - every line is valid JSON whatever it carries, sites are limited, and a stderr that
 * nobody reads blocks nobody. The real stderr is put aside while a test writes to its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_line.h"

static int real_stderr = -1;

static void redirect(int fd)
{
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
}

static void restore(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
}

/* Everything in f, owned by the caller. */
static char *read_all(FILE *f)
{
    char *text = wf_xcalloc(1, 1 << 20);
    rewind(f);
    text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
    return text;
}

static json_t *parse(const char *line)
{
    json_error_t err;
    json_t *root = json_loads(line, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &err);
    if (!root) {
        fail_msg("%s: %s", err.text, line);
    }
    return root;
}

static const char *text_of(json_t *root, const char *key)
{
    return json_string_value(json_object_get(root, key));
}

static json_t *format(const struct wf_field *fields, unsigned n, char line[WF_LOG_LINE])
{
    struct wf_log_event e = {.wall_ms = 0,
                             .level = WF_WARN,
                             .component = "shard",
                             .event = "ready",
                             .fields = fields,
                             .n_fields = n};
    size_t size = wf_log_format(&e, true, line);
    assert_true(size <= WF_LOG_LINE);
    assert_int_equal('\n', line[size - 1]);
    line[size - 1] = '\0';
    assert_null(strchr(line, '\n'));
    return parse(line);
}

static void a_line_has_all_kinds_of_fields(void **state)
{
    (void)state;
    char line[WF_LOG_LINE];
    const struct wf_field fields[] = {WF_S("s", "a \"b\"\n\x1b\xC3\xA9\xFF"),
                                      WF_I("i", -7),
                                      WF_D("d", 0.25),
                                      WF_D("nan", NAN),
                                      WF_B("b", true),
                                      WF_S("null", NULL)};
    json_decref(format(fields, 6, line));
    assert_string_equal(
        "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"component\":\"shard\","
        "\"event\":\"ready\",\"s\":\"a \\\"b\\\"\\n\\u001b\xC3\xA9\\\\xff\",\"i\":-7,\"d\":0.25,"
        "\"nan\":\"nan\",\"b\":true,\"null\":\"\"}",
        line);
}

static void text_lines_quote_what_needs_it(void **state)
{
    (void)state;
    char line[WF_LOG_LINE];
    const struct wf_field fields[] = {WF_S("a", "10.0.0.7:7000"), WF_S("b", "two words"),
                                      WF_S("c", ""), WF_D("d", INFINITY)};
    struct wf_log_event e = {.level = WF_INFO,
                             .component = "shard",
                             .event = "ready",
                             .fields = fields,
                             .n_fields = 4,
                             .left_out = 3};
    line[wf_log_format(&e, false, line)] = '\0';
    assert_string_equal("00:00:00.000 INFO  shard ready a=10.0.0.7:7000 b=\"two words\" c=\"\" "
                        "d=inf left_out=3\n",
                        line);
}

static void any_bytes_make_valid_json(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 2000; round++) {
        char value[3000];
        size_t size = seed % sizeof value;
        for (size_t i = 0; i < size; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            value[i] = (char)(seed >> 33 >> (round % 3 ? 0 : 1));
        }
        value[size] = '\0';
        char line[WF_LOG_LINE];
        const struct wf_field fields[] = {WF_S("v", value), WF_S("w", value), WF_S("x", value)};
        json_decref(format(fields, 3, line));
    }
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    char value[5000];
    memset(value, 1, sizeof value); /* six bytes each when escaped */
    value[sizeof value - 1] = '\0';
    char line[WF_LOG_LINE];
    const struct wf_field fields[] = {WF_I("first", 1), WF_S("v", value), WF_S("w", value),
                                      WF_I("last", 1)};
    json_t *root = format(fields, 4, line);
    assert_true(json_is_true(json_object_get(root, "truncated")));
    assert_non_null(json_object_get(root, "v"));
    assert_null(json_object_get(root, "w"));
    json_decref(root);
}

static void log_from_one_site(int n)
{
    static struct wf_log_site site;
    const struct wf_field field = WF_I("n", n);
    for (int i = 0; i < n; i++) {
        wf_log_write(&site, WF_INFO, "often", &field, 1);
    }
    site.window -= 2 * WF_SECOND; /* as if that were long ago */
}

static void a_site_is_limited_and_says_so(void **state)
{
    (void)state;
    FILE *f = tmpfile();
    redirect(fileno(f));
    wf_log_start("test", WF_INFO);
    log_from_one_site(25);
    log_from_one_site(1);
    wf_log(WF_DEBUG, "below", WF_I("level", 0));
    wf_log_stop();
    restore();
    char *text = read_all(f);
    unsigned n = 0;
    json_t *last = NULL;
    for (char *line = text; *line; line = strchr(line, '\n') + 1) {
        json_decref(last);
        last = parse(line);
        n++;
    }
    assert_int_equal(11, n);
    assert_string_equal("test", text_of(last, "component"));
    assert_int_equal(15, json_integer_value(json_object_get(last, "left_out")));
    json_decref(last);
    wf_xfree(text);
    fclose(f);
}

static void without_start_lines_are_written_at_once(void **state)
{
    (void)state;
    FILE *f = tmpfile();
    redirect(fileno(f));
    wf_log(WF_ERROR, "early", WF_S("why", "no thread yet"));
    restore();
    char *text = read_all(f);
    json_t *root = parse(text);
    assert_string_equal("early", text_of(root, "event"));
    assert_string_equal("error", text_of(root, "level"));
    json_decref(root);
    wf_xfree(text);
    fclose(f);
}

enum { N_LINES = 20000 };

static void log_many(void)
{
    char value[201];
    memset(value, 'x', 200);
    value[200] = '\0';
    const struct wf_field field = WF_S("v", value);
    for (int i = 0; i < N_LINES; i++) {
        wf_log_write(NULL, WF_INFO, "many", &field, 1);
    }
}

struct tally {
    FILE *from;
    uint64_t written, reported; /* lines, and what they say was dropped */
};

static void *read_lines(void *arg)
{
    struct tally *t = arg;
    char line[WF_LOG_LINE + 1];
    while (fgets(line, sizeof line, t->from)) {
        json_t *root = parse(line);
        if (strcmp(text_of(root, "event"), "log_dropped") == 0) {
            t->reported += (uint64_t)json_integer_value(json_object_get(root, "lines"));
        } else {
            t->written++;
        }
        json_decref(root);
    }
    return NULL;
}

static void a_blocked_stderr_blocks_no_caller(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(0, pipe(fds));
    redirect(fds[1]);
    close(fds[1]);
    uint64_t before = wf_log_dropped();
    wf_log_start("test", WF_INFO);
    log_many(); /* nobody reads: returns all the same */
    uint64_t dropped = wf_log_dropped() - before;
    assert_true(dropped > 0);
    struct tally t = {.from = fdopen(fds[0], "r")};
    pthread_t reader;
    pthread_create(&reader, NULL, read_lines, &t);
    wf_log_stop();
    restore();
    pthread_join(reader, NULL);
    assert_int_equal(N_LINES, t.written + dropped);
    assert_int_equal(dropped, t.reported);
    fclose(t.from);
}

static void stop_gives_up_on_a_blocked_stderr(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(0, pipe(fds));
    redirect(fds[1]);
    uint64_t before = wf_log_dropped();
    wf_log_start("test", WF_INFO);
    log_many();
    wf_log_stop();
    restore();
    close(fds[1]);
    struct tally t = {.from = fdopen(fds[0], "r")};
    read_lines(&t);
    /* A line that reports earlier drops may itself be among what is left, and counts then. */
    uint64_t lines = t.written + wf_log_dropped() - before;
    assert_in_range(lines, N_LINES, N_LINES + N_LINES / 100);
    fclose(t.from);
}

static void levels_have_names(void **state)
{
    (void)state;
    enum wf_level level = WF_DEBUG;
    assert_true(wf_level_parse("warn", &level));
    assert_int_equal(WF_WARN, level);
    assert_false(wf_level_parse("loud", &level));
    assert_int_equal(WF_WARN, level);
    wf_log_set_level(WF_ERROR);
    assert_int_equal(WF_ERROR, wf_log_level());
    wf_log_set_level(WF_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_all_kinds_of_fields),
        cmocka_unit_test(text_lines_quote_what_needs_it),
        cmocka_unit_test(any_bytes_make_valid_json),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(without_start_lines_are_written_at_once),
        cmocka_unit_test(a_site_is_limited_and_says_so),
        cmocka_unit_test(a_blocked_stderr_blocks_no_caller),
        cmocka_unit_test(stop_gives_up_on_a_blocked_stderr),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

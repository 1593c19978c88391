/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt_test.c - a process that a signal ends takes its unfinished files along and still ends
 * by that signal; what was released stays.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/support/scratch.h"
#include "tools/interrupt.h"

struct plan {
    const char *path, *done;
    int number;
};

/* A command: guards two paths, finishes one, then the signal comes. */
static enum wf_code end_myself(const struct tool_call *call, struct wf_error *err)
{
    const struct plan *p = call->args;
    tool_interrupt_guard(p->path);
    tool_interrupt_guard(p->done);
    tool_interrupt_release(p->done);
    kill(getpid(), p->number);
    pause();
    return wf_fail(err, WF_INTERNAL, "the signal did not end the process");
}

static enum wf_code live_on(const struct tool_call *call, struct wf_error *err)
{
    const struct plan *p = call->args;
    tool_interrupt_guard(p->path);
    kill(getpid(), p->number);
    tool_interrupt_release(p->path);
    return wf_fail(err, WF_EXISTS, "the command's own error");
}

/* In a child: guards `path`, releases `done`, then the signal comes. Gives how the child ended. */
static int end_by(int number, const char *path, const char *done)
{
    const pid_t pid = fork();
    if (pid == 0) {
        const struct plan plan = {path, done, number};
        const struct tool_call call = {.args = &plan};
        signal(number, SIG_DFL); /* whoever runs the tests may ignore it */
        _exit(tool_interrupt_run(end_myself, &call, NULL) == WF_OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(pid, waitpid(pid, &status, 0));
    return status;
}

static void unfinished_files_go_with_the_process(void **state)
{
    struct scratch *s = *state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        const char *inner = scratch_text(s, "gen.tmp/shard-000/shard.weft", "half");
        const char *tree = scratch_path(s, "gen.tmp"), *done = scratch_text(s, "done.npy", "whole");
        const int status = end_by(signals[i], tree, done);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(signals[i], WTERMSIG(status));
        assert_false(wf_exists(inner) || wf_exists(tree));
        assert_true(wf_exists(done));
    }
}

static void an_ignored_signal_stays_ignored(void **state)
{
    struct scratch *s = *state;
    const char *file = scratch_text(s, "a.tmp", "half");
    const pid_t pid = fork();
    if (pid == 0) {
        const struct plan plan = {.path = file, .number = SIGINT};
        const struct tool_call call = {.args = &plan};
        struct wf_error err;
        signal(SIGINT, SIG_IGN);
        const enum wf_code code = tool_interrupt_run(live_on, &call, &err);
        _exit(code == WF_EXISTS && wf_exists(file) ? 7 : 8);
    }
    int status = 0;
    assert_int_equal(pid, waitpid(pid, &status, 0));
    assert_true(WIFEXITED(status));
    assert_int_equal(7, WEXITSTATUS(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unfinished_files_go_with_the_process, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(an_ignored_signal_stays_ignored, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

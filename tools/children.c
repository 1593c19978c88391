/* SPDX-License-Identifier: Apache-2.0
 *
 * children.c - starting, awaiting and ending server processes.
 */
#include "tools/children.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "tools/cli.h"

enum { READY_LINE_MAX = 1024, STOP_SECONDS = 30 };

enum wf_code tool_own_directory(char *out, unsigned size, struct wf_error *err)
{
    const ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0) {
        return wf_fail(err, WF_INTERNAL, "/proc/self/exe: %s", strerror(errno));
    }
    out[n] = '\0';
    *strrchr(out, '/') = '\0';
    return WF_OK;
}

/* In the child: default signals, an end when the parent ends, then the program. */
static _Noreturn void become(const char **argv, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent) {
        execv(argv[0], (char *const *)argv);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    }
    _exit(TOOL_EXIT_RUN);
}

enum wf_code tool_child_start(struct tool_child *c, const char **argv, struct wf_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return wf_fail(err, WF_INTERNAL, "pipe: %s", strerror(errno));
    }
    char number[16];
    unsigned n = 0;
    while (argv[n] != NULL) {
        n++;
    }
    snprintf(number, sizeof number, "%d", ends[1]);
    argv[n] = "--ready-fd";
    argv[n + 1] = number;
    argv[n + 2] = NULL;
    const pid_t parent = getpid();
    c->pid = fork();
    if (c->pid == 0) {
        fcntl(ends[1], F_SETFD, 0);
        become(argv, parent);
    }
    close(ends[1]);
    argv[n] = NULL;
    if (c->pid < 0) {
        close(ends[0]);
        c->pid = 0;
        return wf_fail(err, WF_INTERNAL, "fork: %s", strerror(errno));
    }
    c->ready = ends[0];
    return WF_OK;
}

/* The child ended before it served: its exit code becomes ours. */
static enum wf_code ended_early(struct tool_child *c, struct wf_error *err)
{
    int status;
    waitpid(c->pid, &status, 0);
    c->pid = 0;
    const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_EXIT_RUN;
    const enum wf_code code = exit_code == TOOL_EXIT_DATA ? WF_DATA_LOSS : WF_INTERNAL;
    (void)wf_fail(err, code, "%s ended with %s %d before it served", c->name,
                  WIFEXITED(status) ? "exit code" : "signal",
                  WIFEXITED(status) ? exit_code : WTERMSIG(status));
    if (exit_code == TOOL_EXIT_CONFIG) {
        (void)wf_reason(err, "CONFIG");
    }
    return code;
}

/* Reads up to the line's end; *size = 0 when the child closed the pipe. */
static enum wf_code read_line(struct tool_child *c, int64_t deadline, char *line, size_t *size,
                              struct wf_error *err)
{
    *size = 0;
    while (*size < READY_LINE_MAX) {
        const int64_t left = (deadline - wf_now()) / WF_MILLISECOND;
        struct pollfd fd = {.fd = c->ready, .events = POLLIN};
        const int polled = left <= 0 ? 0 : poll(&fd, 1, left > 1000000 ? 1000000 : (int)left);
        if (polled == 0) {
            return wf_fail(err, WF_TIMEOUT, "%s did not serve in time", c->name);
        }
        const ssize_t got = polled < 0 ? -1 : read(c->ready, line + *size, READY_LINE_MAX - *size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            *size = 0;
            return WF_OK;
        }
        *size += (size_t)got;
        if (line[*size - 1] == '\n') {
            return WF_OK;
        }
    }
    return wf_fail(err, WF_INTERNAL, "%s: its line is longer than %d bytes", c->name,
                   READY_LINE_MAX);
}

static enum wf_code parse_line(struct tool_child *c, const char *line, size_t size,
                               struct wf_error *err)
{
    const char *address, *http;
    json_t *root = json_loadb(line, size, 0, NULL);
    if (root == NULL || json_unpack(root, "{s:s, s:s}", "address", &address, "http", &http) != 0) {
        json_decref(root);
        return wf_fail(err, WF_INTERNAL, "%s: its line is not {\"address\",\"http\"}: %.*s",
                       c->name, (int)size, line);
    }
    snprintf(c->address, sizeof c->address, "%s", address);
    snprintf(c->http, sizeof c->http, "%s", http);
    json_decref(root);
    return WF_OK;
}

enum wf_code tool_child_ready(struct tool_child *c, int64_t deadline, struct wf_error *err)
{
    char line[READY_LINE_MAX];
    size_t size;
    enum wf_code code = read_line(c, deadline, line, &size, err);
    close(c->ready);
    c->ready = -1;
    if (code == WF_OK) {
        code = size == 0 ? ended_early(c, err) : parse_line(c, line, size, err);
    }
    return code;
}

/* Notes how a child ended. */
static bool note_end(struct tool_child *c, int status, bool stopping)
{
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!clean || !stopping) {
        fprintf(stderr, "%s (process %d) ended with %s %d\n", c->name, (int)c->pid,
                WIFEXITED(status) ? "exit code" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    c->pid = 0;
    return clean;
}

unsigned tool_children_reap(struct tool_child *children, unsigned n)
{
    unsigned running = 0;
    for (unsigned i = 0; i < n; i++) {
        int status;
        if (children[i].pid != 0 && waitpid(children[i].pid, &status, WNOHANG) == children[i].pid) {
            note_end(&children[i], status, false);
        }
        running += children[i].pid != 0;
    }
    return running;
}

static void signal_all(const struct tool_child *children, unsigned n, int number)
{
    for (unsigned i = 0; i < n; i++) {
        if (children[i].pid != 0) {
            kill(children[i].pid, number);
        }
    }
}

/* Takes the ends of those that have ended; those that run on are counted. */
static unsigned collect(struct tool_child *children, unsigned n, int flags, bool *clean)
{
    unsigned running = 0;
    for (unsigned i = 0; i < n; i++) {
        int status;
        if (children[i].pid != 0 && waitpid(children[i].pid, &status, flags) == children[i].pid) {
            *clean &= note_end(&children[i], status, true);
        }
        running += children[i].pid != 0;
    }
    return running;
}

/* Until a signal of the set came, or `left` ns are over. */
static int next_signal(const sigset_t *set, int64_t left)
{
    const struct timespec wait = {.tv_sec = left / WF_SECOND, .tv_nsec = left % WF_SECOND};
    return left <= 0 ? SIGALRM : sigtimedwait(set, NULL, &wait);
}

bool tool_children_stop(struct tool_child *children, unsigned n)
{
    const int64_t deadline = wf_now() + STOP_SECONDS * WF_SECOND;
    bool clean = true;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal_all(children, n, SIGTERM);
    while (collect(children, n, WNOHANG, &clean) > 0) {
        const int number = next_signal(&set, deadline - wf_now());
        if (number == SIGTERM || number == SIGINT || number == SIGALRM) {
            signal_all(children, n, SIGKILL);
            (void)collect(children, n, 0, &clean);
        }
    }
    return clean;
}

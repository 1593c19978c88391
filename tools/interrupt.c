/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.c - the main thread's wait for signals, and the list of what it removes.
 *
 * Once a signal came, the lock is kept until the process has ended: a command that fails because
 * its files vanish stops in release, before it prints an error that nobody caused. Its threads may
 * still be creating files while the tree is removed, hence the repetitions.
 */
#include "tools/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

enum { ATTEMPTS = 100, DONE = SIGUSR2 };

static struct {
    pthread_mutex_t mu;
    /* guarded by mu: */
    char **paths;
    size_t n, cap;
} guard = {.mu = PTHREAD_MUTEX_INITIALIZER};

void tool_interrupt_guard(const char *path)
{
    pthread_mutex_lock(&guard.mu);
    wf_xgrow(&guard.paths, &guard.cap, guard.n + 1, sizeof *guard.paths);
    guard.paths[guard.n++] = wf_xstrdup(path);
    pthread_mutex_unlock(&guard.mu);
}

void tool_interrupt_release(const char *path)
{
    pthread_mutex_lock(&guard.mu);
    for (size_t i = 0; path && i < guard.n; i++) {
        if (strcmp(guard.paths[i], path) == 0) {
            wf_xfree(guard.paths[i]);
            guard.paths[i] = guard.paths[--guard.n];
            break;
        }
    }
    if (guard.n == 0) {
        wf_xfree(guard.paths);
        guard.paths = NULL;
        guard.cap = 0;
    }
    pthread_mutex_unlock(&guard.mu);
}

/* A command on its way, in its thread. */
struct task {
    tool_run_fn *run;
    const struct tool_call *call;
    struct wf_error *err;
    pthread_t main;
    enum wf_code code;
};

static void *work(void *ctx)
{
    struct task *t = ctx;
    pthread_setname_np(pthread_self(), "command");
    t->code = t->run(t->call, t->err);
    pthread_kill(t->main, DONE);
    return NULL;
}

/* Those of the signals that are not ignored, and the one that says that the command is done. */
static sigset_t watched(void)
{
    static const int endings[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, DONE);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct sigaction now;
        if (sigaction(endings[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
            sigaddset(&set, endings[i]);
        }
    }
    return set;
}

/* Ends the process as the signal would have. */
static void end_by(int number, const sigset_t *set)
{
    pthread_mutex_lock(&guard.mu); /* and never unlocked */
    for (size_t i = 0; i < guard.n; i++) {
        for (int k = 0; k < ATTEMPTS && wf_exists(guard.paths[i]); k++) {
            struct wf_error ignored;
            (void)!wf_remove_tree(guard.paths[i], &ignored);
        }
    }
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

enum wf_code tool_interrupt_run(tool_run_fn *run, const struct tool_call *call,
                                struct wf_error *err)
{
    struct task t = {.run = run, .call = call, .err = err, .main = pthread_self()};
    const sigset_t set = watched();
    sigset_t before;
    pthread_t thread;
    int number = 0;
    pthread_sigmask(SIG_BLOCK, &set, &before);
    if (pthread_create(&thread, NULL, work, &t) != 0) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return run(call, err); /* then leftovers stay */
    }
    while (sigwait(&set, &number) == 0 && number != DONE) {
        end_by(number, &set);
    }
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return t.code;
}

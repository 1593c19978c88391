/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_timer.c - rpc_loop_at(): functions that run at a time.
 *
 * The C library of gRPC exports no alarm, so the loop has one thread of its own for this: a binary
 * heap by time under a mutex, and a condition variable on CLOCK_MONOTONIC. The thread counts as a
 * loop thread (same hooks). Adding a timer wakes it only when the new one is the earliest.
 */
#include "rpc/rpc_internal.h"

#include <time.h>

#include "base/clock.h"

struct timer {
    int64_t when;
    rpc_timer_fn *fn;
    void *ctx;
};
struct rpc_timers {
    struct rpc_loop_config config;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* guarded by mu: */
    struct timer *heap;
    size_t n, cap;
    bool stopping;
};

static void push(struct rpc_timers *t, struct timer timer)
{
    wf_xgrow(&t->heap, &t->cap, t->n + 1, sizeof *t->heap);
    size_t i = t->n++;
    while (i > 0 && t->heap[(i - 1) / 2].when > timer.when) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = timer;
}

static struct timer pop(struct rpc_timers *t)
{
    const struct timer first = t->heap[0];
    const struct timer last = t->heap[--t->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < t->n && t->heap[child + 1].when < t->heap[child].when) {
            child++;
        }
        if (child >= t->n || t->heap[child].when >= last.when) {
            break;
        }
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = last;
    return first;
}

static void wait_until(struct rpc_timers *t, int64_t when)
{
    if (when == INT64_MAX) {
        pthread_cond_wait(&t->changed, &t->mu);
        return;
    }
    const struct timespec ts = {.tv_sec = when / WF_SECOND, .tv_nsec = when % WF_SECOND};
    pthread_cond_timedwait(&t->changed, &t->mu, &ts);
}

static void *run(void *arg)
{
    struct rpc_timers *t = arg;
    if (t->config.thread_begin) {
        t->config.thread_begin();
    }
    pthread_mutex_lock(&t->mu);
    while (t->n > 0 || !t->stopping) {
        const int64_t next = t->n > 0 ? t->heap[0].when : INT64_MAX;
        if (!t->stopping && next > wf_now()) {
            wait_until(t, next);
            continue;
        }
        const struct timer due = pop(t);
        pthread_mutex_unlock(&t->mu);
        due.fn(due.ctx);
        pthread_mutex_lock(&t->mu);
    }
    pthread_mutex_unlock(&t->mu);
    if (t->config.thread_end) {
        t->config.thread_end();
    }
    return NULL;
}

struct rpc_timers *rpc_timers_start(const struct rpc_loop_config *config)
{
    struct rpc_timers *t = wf_xcalloc(1, sizeof *t);
    t->config = *config;
    pthread_mutex_init(&t->mu, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&t->thread, NULL, run, t) != 0) {
        pthread_cond_destroy(&t->changed);
        pthread_mutex_destroy(&t->mu);
        wf_xfree(t);
        return NULL;
    }
    pthread_setname_np(t->thread, "loop-timer");
    return t;
}

void rpc_timers_at(struct rpc_timers *t, int64_t when, rpc_timer_fn *fn, void *ctx)
{
    pthread_mutex_lock(&t->mu);
    const bool earliest = t->n == 0 || when < t->heap[0].when;
    push(t, (struct timer){.when = when > 0 ? when : 0, .fn = fn, .ctx = ctx});
    if (earliest) {
        pthread_cond_signal(&t->changed);
    }
    pthread_mutex_unlock(&t->mu);
}

void rpc_timers_stop(struct rpc_timers *t)
{
    pthread_mutex_lock(&t->mu);
    t->stopping = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mu);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mu);
    wf_xfree(t->heap);
    wf_xfree(t);
}

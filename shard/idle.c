/* SPDX-License-Identifier: Apache-2.0
 *
 * idle.c - see idle.h. A semaphore is both clock and bell: ringing it never waits for a thread that
 * may not get the processor for long.
 */
#include "shard/idle.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

struct shard_idle {
    shard_idle_fn *work;
    void *ctx;
    int64_t due;
    char name[16];
    pthread_t thread;
    atomic_bool stop;
    sem_t bell;
};

/* Waits until the next piece is due; false when the thread has to end. */
static bool rest(struct shard_idle *s)
{
    const struct timespec at = {.tv_sec = s->due / WF_SECOND, .tv_nsec = s->due % WF_SECOND};
    while (!atomic_load(&s->stop) && wf_now() < s->due) {
        if (s->due < INT64_MAX) {
            (void)sem_clockwait(&s->bell, CLOCK_MONOTONIC, &at);
        } else if (sem_wait(&s->bell) == 0) {
            break;
        }
    }
    return !atomic_load(&s->stop);
}

static void *run(void *ctx)
{
    struct shard_idle *s = ctx;
    const struct sched_param none = {0};
    pthread_setname_np(pthread_self(), s->name);
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none); /* a wish: it may be refused */
    while (rest(s)) {
        s->due = s->work(s->ctx, &s->stop);
    }
    return NULL;
}

static void release(struct shard_idle *s)
{
    sem_destroy(&s->bell);
    wf_xfree(s);
}

enum wf_code shard_idle_start(const char *name, int64_t first, shard_idle_fn *work, void *ctx,
                              struct shard_idle **out, struct wf_error *err)
{
    struct shard_idle *s = wf_xcalloc(1, sizeof *s);
    s->work = work;
    s->ctx = ctx;
    s->due = first;
    snprintf(s->name, sizeof s->name, "%s", name);
    sem_init(&s->bell, 0, 0);
    const int failed = pthread_create(&s->thread, NULL, run, s);
    if (failed != 0) {
        release(s);
        return wf_fail_errno(err, failed, "start", name);
    }
    *out = s;
    return WF_OK;
}

void shard_idle_ring(struct shard_idle *s)
{
    sem_post(&s->bell);
}

void shard_idle_stop(struct shard_idle *s)
{
    if (s == NULL) {
        return;
    }
    atomic_store(&s->stop, true);
    sem_post(&s->bell);
    pthread_join(s->thread, NULL);
    release(s);
}

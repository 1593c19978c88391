/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_scrub.c - see shard_scrub.h. One condition with a deadline is both clock and bell.
 */
#include "shard/shard_scrub.h"

#include <pthread.h>
#include <sched.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

struct shard_scrubber {
    struct shard_scrub_config config;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t mu; /* guards nothing but the bell */
    pthread_cond_t bell;
};

/* Waits until `deadline`; false when the thread has to end. */
static bool rest_until(struct shard_scrubber *s, int64_t deadline)
{
    const struct timespec at = {.tv_sec = deadline / WF_SECOND, .tv_nsec = deadline % WF_SECOND};
    pthread_mutex_lock(&s->mu);
    while (!atomic_load(&s->stop) && wf_now() < deadline) {
        if (deadline == INT64_MAX) {
            pthread_cond_wait(&s->bell, &s->mu);
        } else {
            pthread_cond_timedwait(&s->bell, &s->mu, &at);
        }
    }
    pthread_mutex_unlock(&s->mu);
    return !atomic_load(&s->stop);
}

static int64_t later(int64_t delay)
{
    const int64_t now = wf_now();
    return delay > INT64_MAX - now ? INT64_MAX : now + delay;
}

static void *run(void *ctx)
{
    struct shard_scrubber *s = ctx;
    const struct sched_param none = {0};
    pthread_setname_np(pthread_self(), "scrub");
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none); /* a wish: it may be refused */
    enum wf_code code = WF_OK;
    for (int64_t at = later(s->config.first); code == WF_OK && rest_until(s, at);
         at = later(s->config.interval)) {
        struct wf_error err = {0};
        const int64_t begin = wf_now();
        code = shard_scrub(s->config.shard, &s->stop, &err);
        if (code != WF_CANCELLED) {
            s->config.done(s->config.ctx, code, &err, wf_now() - begin);
        }
    }
    return NULL;
}

enum wf_code shard_scrub_start(const struct shard_scrub_config *config, struct shard_scrubber **out,
                               struct wf_error *err)
{
    struct shard_scrubber *s = wf_xcalloc(1, sizeof *s);
    s->config = *config;
    pthread_mutex_init(&s->mu, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&s->bell, &clock);
    pthread_condattr_destroy(&clock);
    const int failed = pthread_create(&s->thread, NULL, run, s);
    if (failed != 0) {
        pthread_cond_destroy(&s->bell);
        pthread_mutex_destroy(&s->mu);
        wf_xfree(s);
        return wf_fail_errno(err, failed, "start", "scrub thread");
    }
    *out = s;
    return WF_OK;
}

void shard_scrub_stop(struct shard_scrubber *s)
{
    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&s->mu);
    atomic_store(&s->stop, true);
    pthread_cond_signal(&s->bell);
    pthread_mutex_unlock(&s->mu);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->bell);
    pthread_mutex_destroy(&s->mu);
    wf_xfree(s);
}

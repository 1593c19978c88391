/* SPDX-License-Identifier: Apache-2.0
 *
 * pool.c - work threads over one bounded queue.
 *
 * The queue is a ring of fixed size under one leaf lock: a task costs no allocation. Threads sleep
 * on `filled`; stop() marks the pool, wakes them all, and they leave when the ring is empty, so
 * everything that was accepted is called exactly once. Work threads are registered as epoch
 * readers.
 */
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/epoch.h"

#define NAME_MOST    10
#define THREADS_MOST 4096
#define QUEUE_MOST   (1u << 20)

struct task {
    wf_work_fn *run;
    void *ctx;
    int64_t deadline;
};

struct wf_pool {
    char name[NAME_MOST + 1];
    unsigned n_threads;
    pthread_t *threads;
    pthread_mutex_t mu;
    pthread_cond_t filled;
    /* guarded by mu: */
    struct task *ring;
    unsigned size, first, count;
    unsigned n_named; /* threads that took their number */
    bool stopping;
};

/* Takes the oldest task; waits for one; false when the pool stops and is empty. */
static bool take(struct wf_pool *p, struct task *out)
{
    pthread_mutex_lock(&p->mu);
    while (p->count == 0 && !p->stopping) {
        pthread_cond_wait(&p->filled, &p->mu);
    }
    bool any = p->count > 0;
    if (any) {
        *out = p->ring[p->first];
        p->first = (p->first + 1) % p->size;
        p->count--;
    }
    pthread_mutex_unlock(&p->mu);
    return any;
}

static void *work(void *arg)
{
    struct wf_pool *p = arg;
    pthread_mutex_lock(&p->mu);
    unsigned number = p->n_named++;
    pthread_mutex_unlock(&p->mu);
    char name[16];
    snprintf(name, sizeof name, "%.10s-%u", p->name, number % 10000);
    pthread_setname_np(pthread_self(), name);
    wf_epoch_thread_begin();
    struct task t;
    while (take(p, &t)) {
        t.run(t.ctx, t.deadline != INT64_MAX && wf_now() > t.deadline);
    }
    wf_epoch_thread_end();
    return NULL;
}

enum wf_code wf_pool_start(const char *name, unsigned threads, unsigned queue, struct wf_pool **out,
                           struct wf_error *err)
{
    if (threads == 0 || threads > THREADS_MOST) {
        return wf_fail(err, WF_INVALID, "pool %s: %u threads, must be 1 to %d", name, threads,
                       THREADS_MOST);
    }
    if (queue == 0 || queue > QUEUE_MOST) {
        return wf_fail(err, WF_INVALID, "pool %s: queue of %u, must be 1 to %u", name, queue,
                       QUEUE_MOST);
    }
    struct wf_pool *p = wf_xcalloc(1, sizeof *p);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->threads = wf_xarray(pthread_t, threads);
    p->ring = wf_xarray(struct task, queue);
    p->size = queue;
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->filled, NULL);
    int rc = 0;
    while (p->n_threads < threads && rc == 0) {
        rc = pthread_create(&p->threads[p->n_threads], NULL, work, p);
        p->n_threads += rc == 0;
    }
    if (rc != 0) {
        unsigned started = p->n_threads;
        wf_pool_stop(p);
        return wf_fail(err, WF_EXHAUSTED, "pool %s: started %u of %u threads: %s", name, started,
                       threads, strerror(rc));
    }
    *out = p;
    return WF_OK;
}

void wf_pool_stop(struct wf_pool *p)
{
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->mu);
    p->stopping = true;
    pthread_cond_broadcast(&p->filled);
    pthread_mutex_unlock(&p->mu);
    for (unsigned i = 0; i < p->n_threads; i++) {
        pthread_join(p->threads[i], NULL);
    }
    pthread_cond_destroy(&p->filled);
    pthread_mutex_destroy(&p->mu);
    wf_xfree(p->ring);
    wf_xfree(p->threads);
    wf_xfree(p);
}

enum wf_code wf_pool_submit(struct wf_pool *p, wf_work_fn *run, void *ctx, int64_t deadline)
{
    pthread_mutex_lock(&p->mu);
    bool room = p->count < p->size && !p->stopping;
    if (room) {
        p->ring[(p->first + p->count) % p->size] =
            (struct task){.run = run, .ctx = ctx, .deadline = deadline};
        p->count++;
        pthread_cond_signal(&p->filled);
    }
    pthread_mutex_unlock(&p->mu);
    return room ? WF_OK : WF_EXHAUSTED;
}

/* wf_parallel: the chunks are dealt by one counter; the caller is thread 0. */

struct parallel {
    size_t n, chunk;
    atomic_size_t next; /* number of the next chunk */
    wf_range_fn *fn;
    void *ctx;
};

struct hand {
    struct parallel *all;
    unsigned number;
    pthread_t thread;
};

static void *run_chunks(void *arg)
{
    struct hand *h = arg;
    struct parallel *p = h->all;
    size_t n_chunks = p->n / p->chunk + (p->n % p->chunk != 0);
    for (size_t i = atomic_fetch_add(&p->next, 1); i < n_chunks;
         i = atomic_fetch_add(&p->next, 1)) {
        size_t begin = i * p->chunk;
        size_t end = p->n - begin < p->chunk ? p->n : begin + p->chunk;
        p->fn(p->ctx, begin, end, h->number);
    }
    return NULL;
}

void wf_parallel(unsigned threads, size_t n, size_t chunk, wf_range_fn *fn, void *ctx)
{
    struct parallel all = {.n = n, .chunk = chunk ? chunk : 1, .fn = fn, .ctx = ctx};
    threads = threads ? threads : wf_cores();
    threads = threads > THREADS_MOST ? THREADS_MOST : threads;
    struct hand *hands = wf_xarray(struct hand, threads);
    unsigned started = 1;
    for (unsigned i = 0; i < threads; i++) {
        hands[i] = (struct hand){.all = &all, .number = i};
    }
    /* Fewer threads than asked for only take longer. */
    while (started < threads &&
           pthread_create(&hands[started].thread, NULL, run_chunks, &hands[started]) == 0) {
        started++;
    }
    run_chunks(&hands[0]);
    for (unsigned i = 1; i < started; i++) {
        pthread_join(hands[i].thread, NULL);
    }
    wf_xfree(hands);
}

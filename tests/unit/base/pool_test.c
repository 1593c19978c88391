/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_test.c - everything accepted is called once, late work is told so, a full queue refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <pthread.h>
#include <semaphore.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/epoch.h"
#include "base/pool.h"

static struct wf_pool *start(unsigned threads, unsigned queue)
{
    struct wf_pool *p = NULL;
    struct wf_error err;
    assert_int_equal(WF_OK, wf_pool_start("test", threads, queue, &p, &err));
    return p;
}

/* A task that says that it runs and then waits to be let go. */
struct gate {
    sem_t running, go;
    atomic_int called, expired;
};

static void gate_init(struct gate *g)
{
    memset(g, 0, sizeof *g);
    sem_init(&g->running, 0, 0);
    sem_init(&g->go, 0, 0);
}

static void gate_fini(struct gate *g)
{
    sem_destroy(&g->running);
    sem_destroy(&g->go);
}

static void hold(void *ctx, bool expired)
{
    struct gate *g = ctx;
    (void)expired;
    sem_post(&g->running);
    sem_wait(&g->go);
}

static void count(void *ctx, bool expired)
{
    struct gate *g = ctx;
    atomic_fetch_add(&g->called, 1);
    atomic_fetch_add(&g->expired, expired);
}

static void stop_runs_what_is_queued(void **state)
{
    (void)state;
    struct gate g;
    gate_init(&g);
    struct wf_pool *p = start(3, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(WF_OK, wf_pool_submit(p, count, &g, INT64_MAX));
    }
    wf_pool_stop(p);
    assert_int_equal(1000, atomic_load(&g.called));
    assert_int_equal(0, atomic_load(&g.expired));
    gate_fini(&g);
}

static void a_full_queue_refuses_at_once(void **state)
{
    (void)state;
    struct gate g;
    gate_init(&g);
    struct wf_pool *p = start(1, 2);
    assert_int_equal(WF_OK, wf_pool_submit(p, hold, &g, INT64_MAX));
    sem_wait(&g.running); /* the only thread is busy, the queue is empty */
    assert_int_equal(WF_OK, wf_pool_submit(p, count, &g, INT64_MAX));
    assert_int_equal(WF_OK, wf_pool_submit(p, count, &g, INT64_MAX));
    assert_int_equal(WF_EXHAUSTED, wf_pool_submit(p, count, &g, INT64_MAX));
    sem_post(&g.go);
    wf_pool_stop(p);
    assert_int_equal(2, atomic_load(&g.called));
    gate_fini(&g);
}

static void late_work_is_told_so(void **state)
{
    (void)state;
    struct gate g;
    gate_init(&g);
    struct wf_pool *p = start(1, 8);
    assert_int_equal(WF_OK, wf_pool_submit(p, count, &g, wf_now() - 1));
    assert_int_equal(WF_OK, wf_pool_submit(p, count, &g, INT64_MIN));
    assert_int_equal(WF_OK, wf_pool_submit(p, count, &g, wf_deadline_ms(wf_now(), 1000000)));
    assert_int_equal(WF_OK, wf_pool_submit(p, count, &g, INT64_MAX));
    wf_pool_stop(p);
    assert_int_equal(4, atomic_load(&g.called));
    assert_int_equal(2, atomic_load(&g.expired));
    gate_fini(&g);
}

struct chain {
    struct wf_pool *p;
    struct gate *g;
    enum wf_code code;
};

static void submit_again(void *ctx, bool expired)
{
    struct chain *c = ctx;
    (void)expired;
    sem_post(&c->g->running);
    sem_wait(&c->g->go);
    do {
        c->code = wf_pool_submit(c->p, count, c->g, INT64_MAX);
    } while (c->code == WF_OK); /* until stop() refuses */
}

static void *stop_in_thread(void *p)
{
    wf_pool_stop(p);
    return NULL;
}

static void a_stopping_pool_takes_no_more(void **state)
{
    (void)state;
    struct gate g;
    gate_init(&g);
    struct chain c = {.p = start(1, 1000000), .g = &g};
    assert_int_equal(WF_OK, wf_pool_submit(c.p, submit_again, &c, INT64_MAX));
    sem_wait(&g.running);
    pthread_t stopper;
    pthread_create(&stopper, NULL, stop_in_thread, c.p);
    sem_post(&g.go);
    pthread_join(stopper, NULL);
    assert_int_equal(WF_EXHAUSTED, c.code);
    gate_fini(&g);
}

static void reads_in_an_epoch(void *ctx, bool expired)
{
    (void)expired;
    wf_epoch_enter();
    *(char *)ctx = 1;
    wf_epoch_leave();
}

static void threads_are_epoch_readers(void **state)
{
    (void)state;
    char done = 0;
    struct wf_pool *p = start(1, 1);
    assert_int_equal(WF_OK, wf_pool_submit(p, reads_in_an_epoch, &done, INT64_MAX));
    wf_pool_stop(p);
    assert_int_equal(1, done);
}

static void bad_sizes_are_named(void **state)
{
    (void)state;
    struct wf_pool *p = NULL;
    struct wf_error err;
    assert_int_equal(WF_INVALID, wf_pool_start("x", 0, 1, &p, &err));
    assert_string_equal("pool x: 0 threads, must be 1 to 4096", err.text);
    assert_int_equal(WF_INVALID, wf_pool_start("x", 1, 0, &p, &err));
    assert_null(p);
    wf_pool_stop(NULL);
}

struct seen {
    unsigned char *times;
    size_t n;
    atomic_uint bad;
    unsigned threads;
};

static void see(void *ctx, size_t begin, size_t end, unsigned thread)
{
    struct seen *s = ctx;
    bool good =
        begin % 7 == 0 && end <= s->n && (end - begin == 7 || end == s->n) && thread < s->threads;
    atomic_fetch_add(&s->bad, !good);
    for (size_t i = begin; i < end; i++) {
        s->times[i]++;
    }
}

static void parallel_covers_the_range_once(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads < 6; threads++) {
        for (size_t n = 0; n < 200; n += 13) {
            struct seen s = {.n = n, .threads = threads ? threads : wf_cores()};
            s.times = wf_xcalloc(n + 1, 1);
            wf_parallel(threads, n, 7, see, &s);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(1, s.times[i]);
            }
            assert_int_equal(0, atomic_load(&s.bad));
            wf_xfree(s.times);
        }
    }
    assert_true(wf_cores() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_runs_what_is_queued),
        cmocka_unit_test(a_full_queue_refuses_at_once),
        cmocka_unit_test(late_work_is_told_so),
        cmocka_unit_test(a_stopping_pool_takes_no_more),
        cmocka_unit_test(threads_are_epoch_readers),
        cmocka_unit_test(bad_sizes_are_named),
        cmocka_unit_test(parallel_covers_the_range_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * epoch_test.c - a reader's snapshot lives until it leaves, whatever is published meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/epoch.h"

enum { N_READERS = 3, N_VERSIONS = 200, N_NUMBERS = 64 };

struct snapshot {
    uint64_t numbers[N_NUMBERS]; /* all the version; 0 when freed */
};

static struct wf_published published;
static atomic_bool done;

static struct snapshot *snapshot_create(uint64_t version)
{
    struct snapshot *s = wf_xcalloc(1, sizeof *s);
    for (int i = 0; i < N_NUMBERS; i++) {
        s->numbers[i] = version;
    }
    return s;
}

static void *read_all(void *arg)
{
    uint64_t *torn = arg;
    uint64_t last = 0;
    wf_epoch_thread_begin();
    while (!atomic_load(&done)) {
        wf_epoch_enter();
        wf_epoch_enter();
        const struct snapshot *s = wf_published_get(&published);
        for (int i = 0; s && i < N_NUMBERS; i++) {
            *torn += s->numbers[i] != s->numbers[0];
        }
        *torn += s && s->numbers[0] < last;
        last = s ? s->numbers[0] : last;
        wf_epoch_leave();
        wf_epoch_leave();
    }
    wf_epoch_thread_end();
    return NULL;
}

static void readers_see_whole_snapshots_in_order(void **state)
{
    (void)state;
    pthread_t threads[N_READERS];
    uint64_t torn[N_READERS] = {0};
    for (int i = 0; i < N_READERS; i++) {
        pthread_create(&threads[i], NULL, read_all, &torn[i]);
    }
    for (uint64_t v = 1; v <= N_VERSIONS; v++) {
        struct snapshot *old = wf_published_swap(&published, snapshot_create(v));
        for (int i = 0; old && i < N_NUMBERS; i++) {
            assert_int_equal(v - 1, old->numbers[i]);
            old->numbers[i] = 0; /* a reader still here would see it */
        }
        wf_xfree(old);
    }
    atomic_store(&done, true);
    for (int i = 0; i < N_READERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(0, torn[i]);
    }
    wf_xfree(wf_published_swap(&published, NULL));
}

static void registration_nests(void **state)
{
    (void)state;
    wf_epoch_thread_begin();
    wf_epoch_thread_begin();
    wf_epoch_thread_end();
    wf_epoch_enter();
    struct wf_published p = {0};
    assert_null(wf_published_get(&p));
    wf_epoch_leave();
    wf_epoch_thread_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_snapshots_in_order),
        cmocka_unit_test(registration_nests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

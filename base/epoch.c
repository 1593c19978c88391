/* SPDX-License-Identifier: Apache-2.0
 *
 * epoch.c - the memb flavour of liburcu behind eight functions. The library's functions are called,
 * not inlined: its headers' inline versions would bring its licence into our objects.
 *
 * ThreadSanitizer does not see into liburcu, so the edge from the last reader's leave to the
 * writer's return is told to it by name; without the sanitizer these calls vanish.
 */
#include "base/epoch.h"

#include <assert.h>
#include <stddef.h>

#include <urcu/urcu-memb.h>

#include "base/error.h"

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifdef TSAN
#include <sanitizer/tsan_interface.h>
static char grace;
#define SAY_LEFT()   __tsan_release(&grace)
#define SAY_WAITED() __tsan_acquire(&grace)
#else
#define SAY_LEFT()   ((void)0)
#define SAY_WAITED() ((void)0)
#endif

static _Thread_local unsigned registered; /* begins without their end */

void wf_epoch_thread_begin(void)
{
    if (registered++ == 0) {
        urcu_memb_register_thread();
    }
}

void wf_epoch_thread_end(void)
{
    wf_assert(registered > 0);
    if (--registered == 0) {
        urcu_memb_unregister_thread();
    }
}

void wf_epoch_enter(void)
{
    wf_assert(registered > 0);
    urcu_memb_read_lock();
}

void wf_epoch_leave(void)
{
    SAY_LEFT();
    urcu_memb_read_unlock();
}

static_assert(sizeof(struct rcu_head) <= offsetof(struct wf_deferred, release),
              "wf_deferred has room for the library's link");

static void release_now(struct rcu_head *head)
{
    SAY_WAITED();
    struct wf_deferred *d = (struct wf_deferred *)(void *)head;
    d->release(d);
}

void wf_epoch_defer(struct wf_deferred *d, void (*release)(struct wf_deferred *d))
{
    d->release = release;
    SAY_LEFT(); /* what the caller wrote is seen by `release` */
    urcu_memb_call_rcu((struct rcu_head *)(void *)d, release_now);
}

void wf_epoch_settle(void)
{
    urcu_memb_barrier();
    SAY_WAITED();
}

void *wf_published_get(const struct wf_published *p)
{
    return __atomic_load_n(&p->now, __ATOMIC_SEQ_CST);
}

void *wf_published_swap(struct wf_published *p, void *next)
{
    void *old = __atomic_exchange_n(&p->now, next, __ATOMIC_SEQ_CST);
    urcu_memb_synchronize_rcu();
    SAY_WAITED();
    return old;
}

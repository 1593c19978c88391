/* SPDX-License-Identifier: Apache-2.0
 *
 * epoch.h - publication of immutable snapshots over liburcu (memb flavour). Readers enter an epoch
 * and see a snapshot that lives until they leave; writers publish the next and free the old after a
 * grace period. A thread must be registered while it reads: wf_epoch_thread_begin/end (loop and
 * work threads do it in their start hook).
 */
#ifndef WF_EPOCH_H
#define WF_EPOCH_H

void wf_epoch_thread_begin(void);
void wf_epoch_thread_end(void);
void wf_epoch_enter(void); /* nests; does not block */
void wf_epoch_leave(void);

/*
 * Something to release when nobody can read it any more: put into it, unreachable for those who
 * enter an epoch from now on, and given to wf_epoch_defer, which does not wait. `release` runs on a
 * thread of its own, once every epoch that is open now has ended. The caller must be registered.
 */
struct wf_deferred {
    void *link[2]; /* the library's */
    void (*release)(struct wf_deferred *d);
};
void wf_epoch_defer(struct wf_deferred *d, void (*release)(struct wf_deferred *d));
/* Waits until all that was deferred before is released. Outside of an epoch. */
void wf_epoch_settle(void);

struct wf_published {
    void *now; /* read with wf_published_get only */
};
/* Inside an epoch; may be NULL before the first publication. */
void *wf_published_get(const struct wf_published *p);
/* Makes `next` visible, waits for readers of the old and returns it for freeing. One writer at a
 * time; blocks. */
void *wf_published_swap(struct wf_published *p, void *next);

#endif

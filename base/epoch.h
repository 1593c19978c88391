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

struct wf_published {
    void *now; /* read with wf_published_get only */
};
/* Inside an epoch; may be NULL before the first publication. */
void *wf_published_get(const struct wf_published *p);
/* Makes `next` visible, waits for readers of the old and returns it for freeing. One writer at a
 * time; blocks. */
void *wf_published_swap(struct wf_published *p, void *next);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * idle.h - a thread for work that may wait: it runs when nothing else wants the processor
 * (SCHED_IDLE), when its time has come or somebody rings.
 */
#ifndef SHARD_IDLE_H
#define SHARD_IDLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

/*
 * One piece of work, on the thread. Returns monotonic ns when the next is due; INT64_MAX: when
 * somebody rings. Work of more than milliseconds looks at *stop.
 */
typedef int64_t shard_idle_fn(void *ctx, const atomic_bool *stop);
struct shard_idle;
/* `name`: at most 15 characters. The first piece is due at `first`. */
WF_MUST_CHECK enum wf_code shard_idle_start(const char *name, int64_t first, shard_idle_fn *work,
                                            void *ctx, struct shard_idle **out,
                                            struct wf_error *err);
/* Work without a time of its own is due now; what has one keeps it. Thread-safe, never waits. */
void shard_idle_ring(struct shard_idle *s);
void shard_idle_stop(struct shard_idle *s); /* joins; NULL is fine */

#endif

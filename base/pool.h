/* SPDX-License-Identifier: Apache-2.0
 *
 * pool.h - work threads over one bounded queue. A full queue refuses at once; nothing waits past
 * its deadline: work whose deadline has passed when it is taken out is called with expired = true.
 * wf_parallel() is for tools.
 */
#ifndef WF_POOL_H
#define WF_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct wf_pool;
typedef void wf_work_fn(void *ctx, bool expired);

/* Threads are named "<name>-<i>". `name` is at most 10 characters. */
WF_MUST_CHECK enum wf_code wf_pool_start(const char *name, unsigned threads, unsigned queue,
                                         struct wf_pool **out, struct wf_error *err);
/* Takes no more work, runs what is queued, joins. NULL is fine. */
void wf_pool_stop(struct wf_pool *p);
/* WF_EXHAUSTED when the queue is full or the pool stops; then `run` is never called. Thread-safe.
 */
WF_MUST_CHECK enum wf_code wf_pool_submit(struct wf_pool *p, wf_work_fn *run, void *ctx,
                                          int64_t deadline);

/*
 * Calls fn(ctx, begin, end, thread) over [0, n) in chunks from `threads` threads (0 = cores) and
 * waits. Chunk bounds depend on n and `chunk` alone, so results that depend on the chunk are the
 * same for any thread count.
 */
typedef void wf_range_fn(void *ctx, size_t begin, size_t end, unsigned thread);
void wf_parallel(unsigned threads, size_t n, size_t chunk, wf_range_fn *fn, void *ctx);
unsigned wf_cores(void); /* usable by this process: affinity and cgroup quota, at least 1 */

#endif

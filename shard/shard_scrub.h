/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_scrub.h - a thread that verifies an open shard again while it serves.
 *
 * It runs when nothing else wants the processor (SCHED_IDLE) and ends by itself after a pass that
 * found damage. Stopping interrupts a pass within milliseconds.
 */
#ifndef SHARD_SCRUB_H
#define SHARD_SCRUB_H

#include <stdint.h>

#include "base/error.h"
#include "shard/shard.h"

/* After every pass that was not stopped, on the thread of the scrub. */
typedef void shard_scrub_fn(void *ctx, enum wf_code code, const struct wf_error *err, int64_t ns);
struct shard_scrub_config {
    const struct shard *shard; /* borrowed until stop */
    int64_t first, interval;   /* ns until the first pass, and between two; INT64_MAX: never */
    shard_scrub_fn *done;
    void *ctx;
};
struct shard_scrubber;
WF_MUST_CHECK enum wf_code shard_scrub_start(const struct shard_scrub_config *config,
                                             struct shard_scrubber **out, struct wf_error *err);
void shard_scrub_stop(struct shard_scrubber *s); /* joins; NULL is fine */

#endif

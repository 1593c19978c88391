/* SPDX-License-Identifier: Apache-2.0
 *
 * load.h - open-loop load on a coordinator: requests go out at their times whether or not answers
 * came, and latency counts from the time a request should have been sent, so a stall is seen by
 * every request that it delays.
 */
#ifndef TOOL_LOAD_H
#define TOOL_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/metrics.h"
#include "tools/client.h"
#include "tools/subjects.h"

struct tool_load {
    double rate; /* requests per second */
    double seconds;
    uint64_t timeout_ms;
    const char *surface;
    const char *filter, *exclude_handle; /* "": none */
    float target_recall;                 /* 0: none */
    uint32_t k, rank_limit;
    bool by_item;   /* the subjects are items, not users */
    uint64_t first; /* number of the first draw */
};
struct tool_load_result {
    uint64_t sent, ok, refused, late, errors;
    struct wf_histogram *latency; /* of answers, owned */
    double seconds;               /* of load, and on to the last answer */
    double coverage_min;
    uint64_t search_us; /* sum over shards and answers */
    uint64_t scanned;
    enum wf_code first_code; /* of the first failure that was neither refused nor late */
    char first_error[200];   /* "" when none */
};
/* Blocks until every request has its outcome. `subjects` are not none. */
void tool_load_run(struct tool_client *client, const struct tool_subjects *subjects,
                   const struct tool_load *load, struct tool_load_result *out);
/* Monotonic. */
void tool_sleep_until(int64_t when);

#endif

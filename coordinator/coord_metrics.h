/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_metrics.h - what the coordinator counts. docs/METRICS.md is made from the table.
 */
#ifndef COORD_METRICS_H
#define COORD_METRICS_H

#include "base/metrics.h"
#include "coordinator/query.h"

enum coord_metric {
    COORD_M_REQUESTS,
    COORD_M_BATCHES,
    COORD_M_REQUEST_SECONDS,
    COORD_M_STAGE_SECONDS,
    COORD_M_DEGRADED,
    COORD_M_FALLBACKS,
    COORD_M_SHARD_REPLIES,
    COORD_M_GARBAGE,
    COORD_M_RETRIES,
    COORD_M_HITS,
    COORD_M_SHARDS,
    COORD_M_SHARDS_READY,
    COORD_M_DOCUMENTS,
    COORD_M_UPLOADS,
    COORD_M_EVICTIONS,
    COORD_M_SETS,
    COORD_M_SET_BYTES,
    COORD_N_METRICS
};
extern const struct wf_metric coord_metrics_table[COORD_N_METRICS];

enum coord_stage {
    COORD_STAGE_QUEUE,
    COORD_STAGE_RESOLVE,
    COORD_STAGE_GATHER,
    COORD_STAGE_MERGE,
    COORD_STAGE_RANK,
    COORD_STAGE_DIVERSIFY
};

/* Counts one query that has ended, at `now`. */
void coord_metrics_count(const struct coord_query *q, int64_t now);

#endif

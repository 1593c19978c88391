/* SPDX-License-Identifier: Apache-2.0
 *
 * space_pq.h - the compressed first pass over probed lists (pq.h): the rows with the best
 * estimates, refine x k of them, are compared; all others are not.
 */
#ifndef SHARD_SPACE_PQ_H
#define SHARD_SPACE_PQ_H

#include "shard/select.h"

/* What the plan costs with estimates first, in rows compared; UINT64_MAX where that cannot be.
 * Follows from plan and query alone, never from the processor: answers with and without differ. */
uint64_t shard_packed_cost(const struct shard_space *s, const struct shard_query *q,
                           const struct shard_probes *plan);
/* Runs a plan that costs less than its rows until the query's deadline and counts the lists done.
 * Rows compared: the allowed rows of these lists. */
WF_MUST_CHECK enum wf_code shard_packed_lists(struct shard_scan *sc, struct shard_probes *plan,
                                              struct wf_arena *a, struct wf_error *err);

#endif

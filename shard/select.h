/* SPDX-License-Identifier: Apache-2.0
 *
 * select.h - FAISS picks candidates from IVF lists, the scoring kernel scores them: for processors
 * on which the kernel is plain C. The answer is the kernel's own (docs/internals/search.md).
 */
#ifndef SHARD_SELECT_H
#define SHARD_SELECT_H

#include "shard/scan.h"

/* Lists to probe, best first, and how many are done. */
struct shard_probes {
    int64_t *lists;
    uint32_t n, done;
    uint64_t rows; /* allowed rows of all of them */
};
/* Whether FAISS is the faster one; never under a filter, whose bits our own scan reads faster. */
bool shard_select_pays(const struct shard_probes *plan, const struct shard_query *q);
/* Runs the plan until the query's deadline and counts the lists done. */
WF_MUST_CHECK enum wf_code shard_select_lists(struct shard_scan *sc, struct shard_probes *plan,
                                              struct wf_arena *a, struct wf_error *err);

#endif

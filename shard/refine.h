/* SPDX-License-Identifier: Apache-2.0
 *
 * refine.h - how many rows of a compressed first pass are scored for each row wanted: the fewest
 * with which the best ten are the same but for .003 of them. Build only; every core.
 */
#ifndef SHARD_REFINE_H
#define SHARD_REFINE_H

#include "shard/made.h"

struct shard_refine_sample {
    const float *queries; /* n x dim */
    uint32_t n;
    const uint32_t *order;
    uint32_t nprobe;
};
/*
 * Sets the space's pq.refine. *kept is the share of the rows, found by comparing all of these
 * lists, that is still found; 1 without a first pass. The most that pq.refine may be is taken where
 * nothing less keeps enough.
 */
WF_MUST_CHECK enum wf_code shard_tune_refine(struct shard_space *s,
                                             const struct shard_refine_sample *sample, double *kept,
                                             struct wf_error *err);

#endif

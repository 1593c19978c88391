/* SPDX-License-Identifier: Apache-2.0
 *
 * negatives.h - what the list should be unlike: disliked items and vectors. SUBTRACT changes the
 * probes here, BEST_MINUS_WORST goes to the shards with them. Disliked items are not hits either
 * way. A list of what is popular has no probes: there they are left out, and nothing else.
 */
#ifndef COORD_NEGATIVES_H
#define COORD_NEGATIVES_H

#include "coordinator/query.h"

/*
 * Behind coord_resolve: the disliked items, yet to be fetched, and checks of vectors and mode
 * against the space: DIMENSION, ZERO_VECTOR, OUT_OF_RANGE, UNSUPPORTED (best minus worst in an L2
 * space).
 */
WF_MUST_CHECK enum wf_code coord_negatives_check(struct coord_query *q, struct wf_error *err);
/*
 * Behind the Fetch, when there are probes: changes them, or sets q->subject.negatives. Unknown
 * items are left out and reported (UNKNOWN_ITEM). ZERO_VECTOR when nothing is left of a probe.
 */
WF_MUST_CHECK enum wf_code coord_negatives_apply(struct coord_query *q, struct wf_error *err);

#endif

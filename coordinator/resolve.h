/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.h - from the subject to probes: the caller's vector, a user's profile, items, a session,
 * or popularity when there is nothing to go on. Vectors are normalised here, once, for spaces that
 * are compared by cosine. Items need a round of Fetch first: the two halves are before and after.
 */
#ifndef COORD_RESOLVE_H
#define COORD_RESOLVE_H

#include "coordinator/query.h"

/*
 * Fills q->subject. Afterwards n_items > 0 with n_probes = 0 means that the items must be fetched.
 * Errors name reason and field (UNKNOWN_SPACE, DIMENSION, ZERO_VECTOR, WRONG_SPACE,
 * NO_TEXT_ENCODER, ...).
 */
WF_MUST_CHECK enum wf_code coord_resolve(struct coord_query *q, struct wf_error *err);
/*
 * Takes q->fetch's replies and makes the probes. All items unknown: WF_NOT_FOUND naming the first;
 * some: UNKNOWN_ITEM. Items whose shard did not answer are not unknown: when none is left the
 * popularity list answers.
 */
WF_MUST_CHECK enum wf_code coord_resolve_items(struct coord_query *q, struct wf_error *err);

#endif

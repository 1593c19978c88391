/* SPDX-License-Identifier: Apache-2.0
 *
 * candidates.h - from the shards' columns to one ordered list: merge, rank, diversify. Each works
 * on q->candidates and leaves it in the order of the answer so far. No malloc, no lock: all in the
 * query's arena; nothing depends on the order in which replies came.
 */
#ifndef COORD_CANDIDATES_H
#define COORD_CANDIDATES_H

#include "coordinator/query.h"

/*
 * The best q->want of all rows, one per SKU, the items that the request names left out, groups
 * limited; popularity: in the list's order. WF_EXHAUSTED when the arena is full.
 */
WF_MUST_CHECK enum wf_code coord_merge(struct coord_query *q, struct wf_error *err);
/* Scores all candidates with the generation's ranker and sorts by margin, ties as they were. */
WF_MUST_CHECK enum wf_code coord_rank(struct coord_query *q, struct wf_error *err);
/* Picks k by MMR; the candidates become these k. Missing vectors: NO_MMR in q->degraded. */
WF_MUST_CHECK enum wf_code coord_diversify(struct coord_query *q, struct wf_error *err);

/* Whether the retrieval score is the plain similarity to the profile. */
bool coord_retrieved_by_profile(const struct coord_query *q);
/* The columns that a candidate is a row of. */
const struct wire_columns *coord_candidate_columns(const struct coord_query *q,
                                                   const struct coord_candidate *c);
/* The candidate's vector, unit length, dim floats; false (zeros) when it has none. */
bool coord_candidate_vector(const struct coord_query *q, const struct coord_candidate *c,
                            float *out);

#endif

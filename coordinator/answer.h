/* SPDX-License-Identifier: Apache-2.0
 *
 * answer.h - the response: hits with their attributes and reasons, versions, what fell short.
 */
#ifndef COORD_ANSWER_H
#define COORD_ANSWER_H

#include "coordinator/query.h"

/* Whether `name` is in names[0..n). */
bool coord_has_name(const char *const *names, uint32_t n, const char *name);
/* WF_INVALID, UNKNOWN_ATTRIBUTE at `field`, with the nearest name. */
enum wf_code coord_unknown_attribute(const struct wf_schema *schema, const char *field,
                                     const char *name, struct wf_error *err);
/* Attribute names are those of the schema, or "*": else WF_INVALID, UNKNOWN_ATTRIBUTE. */
WF_MUST_CHECK enum wf_code coord_check_attributes(const struct wf_schema *schema,
                                                  const struct wire_recommend_request *rq,
                                                  struct wf_error *err);
/* All but hits, coverage and timings. */
void coord_answer_frame(struct coord_query *q);
/* q->response.hits from q->candidates (at most k). */
WF_MUST_CHECK enum wf_code coord_answer_hits(struct coord_query *q, struct wf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * groups.h - at most n candidates that share a value of an attribute. The shards have done the same
 * with their own rows; here it is done across them, by the value itself, because each shard's codes
 * are its own. An item without a value is alone in its group. One query's, in its arena.
 */
#ifndef COORD_GROUPS_H
#define COORD_GROUPS_H

#include "coordinator/query.h"

struct coord_groups; /* NULL: no limit */

/* For at most q->want candidates; *out NULL when the request has no group. WF_EXHAUSTED. */
WF_MUST_CHECK enum wf_code coord_groups_open(struct coord_query *q, struct coord_groups **out);
/* Whether the candidate's group has room; then it takes a place in it. Call in order, best first.
 */
bool coord_groups_admit(struct coord_groups *g, const struct coord_query *q,
                        const struct coord_candidate *c);

#endif

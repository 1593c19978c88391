/* SPDX-License-Identifier: Apache-2.0
 *
 * narrow.h - what narrows a list down: its filter, what it must not hold, its groups. All is
 * checked against the generation before anything is asked of a shard.
 */
#ifndef COORD_NARROW_H
#define COORD_NARROW_H

#include "coordinator/query.h"

/*
 * Before the subject is resolved. The filter is parsed, and q->rq.filter becomes its canonical
 * text: shards cache by text. WF_INVALID as wf_filter_parse says, or for the group's attribute
 * (UNKNOWN_ATTRIBUTE, TYPE); WF_PRECONDITION, reason UNKNOWN_HANDLE.
 */
WF_MUST_CHECK enum wf_code coord_narrow_check(struct coord_query *q, struct wf_error *err);
/*
 * Behind it: q->exclude, by shard. Where groups are limited the subject's own items are excluded
 * too: they are not to be hits, and must not take another one's place in its group.
 */
WF_MUST_CHECK enum wf_code coord_narrow_exclude(struct coord_query *q, struct wf_error *err);

#endif

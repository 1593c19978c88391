/* SPDX-License-Identifier: Apache-2.0
 *
 * items.h - what a query needs to know of items that it names: one round of Fetch for those of the
 * subject and those disliked, and what came of it.
 */
#ifndef COORD_ITEMS_H
#define COORD_ITEMS_H

#include "coordinator/query.h"

/* Distinct items of a list of SKUs, in order of first appearance; `at`, when not NULL, gets the
 * item of each SKU. NULL when the arena is full. */
struct coord_item *coord_items_of(struct coord_query *q, const char *const *skus, uint32_t n,
                                  uint32_t *n_items, uint32_t *at);
/* q->fetch for all items of the subject, liked and disliked, ready to start. */
WF_MUST_CHECK enum wf_code coord_items_fetch(struct coord_query *q, struct wf_error *err);
/* Takes what the Fetch says about one item. Fails only for want of memory. */
WF_MUST_CHECK enum wf_code coord_items_take(struct coord_query *q, struct coord_item *item,
                                            struct wf_error *err);

/* Makes v what queries of the space must be: normalised for cosine (ZERO_VECTOR when it cannot be),
 * its product with itself finite (OUT_OF_RANGE). */
WF_MUST_CHECK enum wf_code coord_make_query(const struct wf_space *space, float *v,
                                            const char *field, struct wf_error *err);

/* Role of shared attribute i (category, brand, colour). */
enum wf_role coord_shared_role(unsigned i);
/* Value of a keyword or text attribute of one row, "" size 0 when missing or not delivered. */
const char *coord_column_text(const struct wire_columns *c, const char *name, uint32_t row,
                              uint32_t *size);

#endif

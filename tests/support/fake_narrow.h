/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_narrow.h - what a request makes of the fake shop's items, by the plainest means: filters,
 * exclusions, groups, negatives. The fake shards use it with their share of a query, tests with all
 * of it, and then the two must agree.
 */
#ifndef FAKE_NARROW_H
#define FAKE_NARROW_H

#include "base/filter.h"
#include "tests/support/fake_shop.h"

struct fake_narrow {
    const struct wf_filter *filter; /* NULL: none */
    const uint64_t *exclude;        /* in any order */
    uint32_t n_exclude;
    const char *group_by; /* "" or NULL: none */
    uint32_t group_max;
    const float *negatives; /* n x FAKE_DIM: best minus worst */
    uint32_t n_negatives;
    float weight;
};
struct fake_scored {
    const struct fake_item *item;
    float score;
};
/* Whether the filter lets the item through. */
bool fake_matches(const struct wf_filter *filter, const struct fake_item *item);
/* Filter and exclusions. */
bool fake_admits(const struct fake_narrow *w, const struct fake_item *item);
/* All items of the shards in `mask` that are left, best first, groups limited; how many. */
uint32_t fake_search(const struct fake_shop *s, uint32_t mask, const float *query,
                     const struct fake_narrow *w, struct fake_scored *out);

#endif

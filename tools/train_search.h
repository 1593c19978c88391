/* SPDX-License-Identifier: Apache-2.0
 *
 * train_search.h - exact search over one space of a dataset, with the scores and the order that a
 * generation built with the default codec (fp16) would give: vectors normalised for cosine, coded,
 * scored by the scoring kernel; ties by SKU bytes. Immutable after create; searches are
 * thread-safe.
 */
#ifndef TOOL_TRAIN_SEARCH_H
#define TOOL_TRAIN_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vector.h"
#include "tools/dataset.h"

struct tool_train_hit {
    float score;
    uint32_t row; /* of the dataset */
};
struct tool_train_search {
    uint32_t n;     /* items that have a vector and are offered */
    uint32_t *rows; /* of the dataset, in the order of SKU bytes */
    struct wf_codes codes;
    unsigned char *data; /* private */
};
/* `offered`: one byte per item, 0 = leave out. */
void tool_train_search_init(struct tool_train_search *s, const struct tool_dataset *ds,
                            unsigned space, const uint8_t *offered);
void tool_train_search_fini(struct tool_train_search *s);
/* The best k for a query of the space's dimension, best first; returns how many. */
uint32_t tool_train_search_top(const struct tool_train_search *s, const float *q, uint32_t k,
                               struct tool_train_hit *out);

#endif

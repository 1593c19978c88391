/* SPDX-License-Identifier: Apache-2.0
 *
 * train_groups.h - training data: users as groups, candidates as rows, later purchases as labels;
 * see train.h for what is known when. All groups have the same number of rows. Owns its memory.
 */
#ifndef TOOL_TRAIN_GROUPS_H
#define TOOL_TRAIN_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "tools/dataset.h"
#include "tools/train.h"

struct tool_train_group {
    uint32_t user;       /* of the catalog as of the split */
    uint32_t *positives; /* item rows bought after the split: rising, distinct; borrowed */
    uint32_t n_positives;
    uint32_t n_found; /* of them among the candidates */
};
struct tool_train_groups {
    uint32_t n_features;
    const char **names;  /* n_features; the strings are the feature table's */
    uint32_t popularity; /* index of that feature */
    size_t n;
    uint32_t n_candidates;           /* rows per group, in retrieval order */
    struct tool_train_group *groups; /* n, in random order */
    float *rows;                     /* n x n_candidates x n_features, row-major, NaN = missing */
    float *labels;                   /* n x n_candidates: 1 = bought after the split */
    uint32_t *positives;             /* private */
};
/* Errors are WF_INVALID and say what to do. */
WF_MUST_CHECK enum wf_code tool_train_groups_make(const struct tool_dataset *ds,
                                                  const struct tool_train_options *o,
                                                  struct tool_train_groups *out,
                                                  struct wf_error *err);
void tool_train_groups_fini(struct tool_train_groups *t);

#endif

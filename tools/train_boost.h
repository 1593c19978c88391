/* SPDX-License-Identifier: Apache-2.0
 *
 * train_boost.h - gradient boosting by the XGBoost library (C API 1.7,
 * https://xgboost.readthedocs.io/en/release_1.7.0/c.html). Its sums and its random pairs depend on
 * the number of threads, and on nothing else: the same data, options and threads give the same
 * model. More than one thread pays for large data alone, and never on a busy machine: the threads
 * spin at every barrier. One caller at a time.
 */
#ifndef TOOL_TRAIN_BOOST_H
#define TOOL_TRAIN_BOOST_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "tools/train.h"

/* Rows of one query lie together; n_per_group rows each. Borrowed. */
struct tool_boost_data {
    const char **names;
    uint32_t n_features;
    size_t n_groups;
    uint32_t n_per_group;
    const float *rows, *labels;
};
struct tool_boost; /* a trained model */
WF_MUST_CHECK enum wf_code tool_boost_train(const struct tool_boost_data *data,
                                            const struct tool_train_options *o,
                                            struct tool_boost **out, struct wf_error *err);
void tool_boost_destroy(struct tool_boost *b); /* NULL is fine */
/* The model as JSON, with the features' names; owned by the caller (wf_xfree). */
WF_MUST_CHECK enum wf_code tool_boost_model(struct tool_boost *b, char **text, size_t *size,
                                            struct wf_error *err);
/* The library's own margins of n rows of one output. */
WF_MUST_CHECK enum wf_code tool_boost_margins(struct tool_boost *b, const float *rows, size_t n,
                                              float *margins, struct wf_error *err);

#endif

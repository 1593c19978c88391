/* SPDX-License-Identifier: Apache-2.0
 *
 * forest.h - gradient-boosted trees: load a trained model and score rows with it, bit-equal to the
 * library that trained it.
 *
 * Formats: XGBoost JSON (save_model;
 * https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html), gbtree, numerical splits.
 * What is refused (gblinear, dart, categorical splits, the old binary format, other objectives) is
 * named with what to do. Every input is validated: children in range, no cycle, finite thresholds,
 * feature indices, sizes. A split sends x to the left when x < threshold (float32); NaN follows
 * default_left. Margins are float32 sums in tree order, starting from the margin of base_score. A
 * loaded forest is immutable and thread-safe.
 */
#ifndef RANK_FOREST_H
#define RANK_FOREST_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

struct rank_forest;
/* `text` need not be NUL-terminated. Errors are WF_INVALID, reason
 * MODEL. */
WF_MUST_CHECK enum wf_code rank_forest_parse(const char *text, size_t size,
                                             struct rank_forest **out, struct wf_error *err);
void rank_forest_destroy(struct rank_forest *f);

uint32_t rank_forest_features(const struct rank_forest *f);
/* Name of feature j: the model's, or "f<j>" when it has none. */
const char *const *rank_forest_names(const struct rank_forest *f);
uint32_t rank_forest_outputs(const struct rank_forest *f); /* 1, or the number of classes */
uint32_t rank_forest_trees(const struct rank_forest *f);
uint32_t rank_forest_depth(const struct rank_forest *f);
const char *rank_forest_objective(const struct rank_forest *f);   /* "rank:pairwise" */
void rank_forest_hash(const struct rank_forest *f, char hex[33]); /* XXH3-128 of the file's bytes */

/* rows: n x features, row-major, NaN = missing. margins: n x outputs. Allocates nothing, takes no
 * lock. */
void rank_forest_score(const struct rank_forest *f, const float *rows, size_t n, float *margins);
/* What the objective makes of margins (sigmoid, softmax, exp, identity), in place; own exp, no
 * libm. */
void rank_forest_transform(const struct rank_forest *f, float *margins, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * train.h - a ranker out of a dataset's purchases.
 *
 * The data are split by time: four fifths of the purchases lie before the split, and everything
 * that becomes a feature (item statistics, user aggregates, profile vectors, the catalog itself) is
 * what a generation built at the split would hold. What users bought afterwards are the labels. So
 * no feature sees the future, and what is learnt is what will be served: the next purchases from
 * what is known before them. Attributes (price, stock) have no history and are taken as they are.
 *
 * One user is one group. Its rows are the candidates that the coordinator would have: the best N
 * items of an exact search by the profile vector over the first space, with their scores and ranks.
 * A purchase outside of them is not added: as the only row of its rank it would give itself away,
 * and ranking cannot help what retrieval does not find; it counts against every order alike in the
 * NDCG that is reported. Four fifths of the groups are learnt from, the others judge.
 */
#ifndef TOOL_TRAIN_H
#define TOOL_TRAIN_H

#include <stdint.h>

#include "base/error.h"

struct tool_train_options {
    const char *input, *out; /* dataset directory, model file */
    const char *objective;   /* "rank:ndcg", "rank:pairwise" */
    uint64_t rounds, depth, candidates, groups, seed;
    double eta;
    unsigned threads; /* of the training library, at least 1; all else uses all cores */
};
struct tool_train_result {
    uint32_t n_features;
    uint64_t n_groups, n_judged; /* users, and those of them that judge */
    uint64_t n_learnt;           /* groups with something to learn from */
    uint64_t n_rows;             /* that were learnt from */
    double recall;               /* judging users' later purchases that are among the candidates */
    double model, retrieval, popularity; /* mean NDCG@10 of three orders of the candidates */
    char hash[33];                       /* of the model's bytes */
};
/*
 * Writes the model (XGBoost JSON) and, as "<out>.golden", 64 rows with the margins of the library
 * that trained it (golden.h). The same input, options and number of threads give the same bytes.
 */
WF_MUST_CHECK enum wf_code tool_train_ranker_run(const struct tool_train_options *o,
                                                 struct tool_train_result *out,
                                                 struct wf_error *err);

#endif

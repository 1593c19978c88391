/* SPDX-License-Identifier: Apache-2.0
 *
 * trial.h - which index suits a catalog: a few are built on a sample of one shard's rows, and the
 * cheapest that reaches the wanted recall within the memory is taken.
 *
 * Cost is CPU time per query on this machine, so two builds may choose differently; what was seen
 * is recorded in the generation. Build only; one thread besides the clustering's.
 */
#ifndef SHARD_TRIAL_H
#define SHARD_TRIAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "shard/build.h"
#include "shard/spec.h"

enum { SHARD_TRIALS_MAX = 8 };

struct shard_wish {
    double recall;   /* of the 10 best by the vectors as given */
    uint64_t memory; /* bytes of codes and indexes of a shard, all spaces; 0: any */
};
/* One index on the sample; several spaces: the lowest recall, the sums of time and bytes. */
struct shard_trial {
    char index[SHARD_SPEC_TEXT]; /* as --index takes it for the whole shard */
    double recall;               /* reached with the least effort that reaches the wish */
    double micros;               /* CPU time per query with that effort */
    double bytes_per_row;
    bool fits, chosen;
};
struct shard_trials {
    uint32_t rows; /* of the sample */
    uint32_t n;
    struct shard_trial trials[SHARD_TRIALS_MAX];
};

/*
 * Tries the table of indexes for the shard of `b`, whose own index is not looked at and which needs
 * ranges for SQ8. Exactly one trial is chosen: of those that fit and reach the recall the cheapest,
 * where differences below a tenth go to the one with fewer bytes; where none reaches it, the one
 * with the highest recall. WF_EXHAUSTED when none fits; names the smallest.
 */
WF_MUST_CHECK enum wf_code shard_try(const struct shard_build *b, const struct shard_wish *wish,
                                     struct shard_trials *out, struct wf_error *err);
/* The chosen index; NULL without trials. */
const char *shard_trials_index(const struct shard_trials *t);
/* Marks the chosen one among trials that are measured; as shard_try. `rows`: of the shard. */
WF_MUST_CHECK enum wf_code shard_trials_choose(struct shard_trials *t,
                                               const struct shard_wish *wish, uint64_t rows,
                                               struct wf_error *err);
/* "trials" of the meta section: [{"index","recall","micros","bytes_per_row","chosen"},...] */
json_t *shard_trials_json(const struct shard_trials *t);

#endif

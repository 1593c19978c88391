/* SPDX-License-Identifier: Apache-2.0
 *
 * effort.h - how much to search for a recall: what the build measured, looked up.
 *
 * For one space: curves of recall@k against effort, one for every k and selectivity of a filter
 * that the build tried. Effort is IVF's reach (reach.h), or HNSW's ef.
 * Selectivity is the share of the space's rows that a filter lets through, 1 without one. Immutable
 * after opening; thread-safe.
 */
#ifndef SHARD_EFFORT_H
#define SHARD_EFFORT_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

enum { SHARD_CURVES_MAX = 32, SHARD_POINTS_MAX = 24 };
#define SHARD_TARGET_DEFAULT 0.98

struct shard_point {
    uint32_t effort; /* rising */
    float recall;    /* mean over the sample, never falling along the curve */
    float rows;      /* mean rows compared */
};
struct shard_curve {
    uint32_t k;        /* depth: 10, 100, 1000 */
    float selectivity; /* 1, .5, .1, ... */
    uint32_t n;
    struct shard_point points[SHARD_POINTS_MAX];
};
struct shard_calibration {
    uint32_t n;
    struct shard_curve
        curves[SHARD_CURVES_MAX]; /* by k rising, then selectivity falling; first: 1 */
};

/* What a target comes to. */
struct shard_effort {
    uint32_t effort; /* UINT32_MAX: nothing short of everything is known to reach the target */
    float rows;      /* rows that it is expected to compare; INFINITY for UINT32_MAX */
};
/*
 * The least effort known to reach `target` (over 0, at most 1) for the best k of the rows that a
 * filter of this selectivity lets through. Between measured points: linear in recall, logarithmic
 * in k and in selectivity, rounded up; beyond the curves it grows as the square root of k and of 1
 * / selectivity. Never falls when the target rises, k rises or selectivity falls. Without curves:
 * UINT32_MAX.
 */
struct shard_effort shard_effort_for(const struct shard_calibration *c, double target, uint32_t k,
                                     double selectivity);

/* "calibration" of a space in the meta section: [{"k","selectivity","points":[[effort,recall,rows],
 * ...]},...]. Reading checks every number and order: WF_DATA_LOSS. */
json_t *shard_calibration_json(const struct shard_calibration *c);
WF_MUST_CHECK enum wf_code shard_calibration_read(const json_t *json, uint32_t effort_max,
                                                  struct shard_calibration *out,
                                                  struct wf_error *err);

#endif

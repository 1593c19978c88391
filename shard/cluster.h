/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster.h - centroids and lists of an IVF index, by FAISS's k-means on every core. Build only.
 */
#ifndef SHARD_CLUSTER_H
#define SHARD_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vector.h"

/* n vectors of d floats, packed; n >= lists >= 1. IP and cosine cluster by direction. */
struct shard_points {
    const float *x;
    size_t n;
    uint32_t d;
    enum wf_metric_space metric;
};
/* Fills centroids (lists x d). The same seed, data and machine give the same centroids. */
WF_MUST_CHECK enum wf_code shard_cluster(const struct shard_points *points, uint32_t lists,
                                         uint64_t seed, float *centroids, struct wf_error *err);
/* The list of each vector: that of its nearest centroid. */
WF_MUST_CHECK enum wf_code shard_assign(const struct shard_points *points, const float *centroids,
                                        uint32_t lists, uint32_t *list, struct wf_error *err);

#endif

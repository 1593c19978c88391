/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster.h - centroids and lists of an IVF index, on every core: by FAISS's k-means, or, where
 * that would take an hour, by groups of centroids. Build only.
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

/*
 * The same for many lists, at a tenth of the cost: fewer points train, and a point is compared with
 * the centroids of the groups near to it alone. Nearly always its list is that of its nearest
 * centroid; it is the same for any number of cores.
 */
enum { SHARD_MANY_LISTS = 8192 };
WF_MUST_CHECK enum wf_code shard_cluster_many(const struct shard_points *points, uint32_t lists,
                                              uint64_t seed, float *centroids,
                                              struct wf_error *err);
WF_MUST_CHECK enum wf_code shard_assign_many(const struct shard_points *points,
                                             const float *centroids, uint32_t lists, uint64_t seed,
                                             uint32_t *list, struct wf_error *err);

#endif

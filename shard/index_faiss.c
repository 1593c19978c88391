/* SPDX-License-Identifier: Apache-2.0
 *
 * index_faiss.c - see cluster.h. The only includer of FAISS's C headers: they pollute (OK, idx_t).
 *
 * All points train, up to 256 a list: the lists decide how many rows a query must see, and training
 * is paid once per generation. OpenMP gets one thread: the time goes into OpenBLAS's matrix
 * products, whose threads would wait for OpenMP's spinning ones (a quarter of the CPU, measured).
 */
#include "shard/cluster.h"

#include <faiss/c_api/Clustering_c.h>
#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>

#include <cblas.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/pool.h"
#include "shard/faiss_params.h"

enum { ITERATIONS = 15, POINTS_PER_LIST = 256, ASSIGN_CHUNK = 16384 };

static enum wf_code failed(const char *what, struct wf_error *err)
{
    const char *text = faiss_get_last_error();
    return wf_fail(err, WF_INTERNAL, "faiss %s: %.180s", what, text == NULL ? "unknown" : text);
}

static FaissMetricType metric_of(enum wf_metric_space metric)
{
    return metric == WF_METRIC_L2 ? METRIC_L2 : METRIC_INNER_PRODUCT;
}

static enum wf_code cluster(const struct shard_points *points, uint32_t lists, uint64_t seed,
                            float *centroids, struct wf_error *err)
{
    FaissClusteringParameters params;
    faiss_ClusteringParameters_init(&params);
    params.niter = ITERATIONS;
    params.spherical = points->metric != WF_METRIC_L2;
    params.min_points_per_centroid = 1;
    params.max_points_per_centroid = POINTS_PER_LIST;
    params.seed = (int)(seed & INT32_MAX);
    FaissIndexFlat *index = NULL;
    FaissClustering *clustering = NULL;
    enum wf_code code = WF_OK;
    if (faiss_IndexFlat_new_with(&index, points->d, metric_of(points->metric)) != 0 ||
        faiss_Clustering_new_with_params(&clustering, (int)points->d, (int)lists, &params) != 0 ||
        faiss_Clustering_train(clustering, (idx_t)points->n, points->x, index) != 0) {
        code = failed("clustering", err);
        goto out;
    }
    float *result;
    size_t size;
    faiss_Clustering_centroids(clustering, &result, &size);
    if (size != (size_t)lists * points->d) {
        code = wf_fail(err, WF_INTERNAL, "faiss gave %zu floats of centroids, %zu are due", size,
                       (size_t)lists * points->d);
        goto out;
    }
    for (size_t i = 0; i < size; i++) {
        centroids[i] = result[i];
    }
out:
    if (clustering != NULL) {
        faiss_Clustering_free(clustering);
    }
    if (index != NULL) {
        faiss_Index_free(index);
    }
    return code;
}

enum wf_code shard_cluster(const struct shard_points *points, uint32_t lists, uint64_t seed,
                           float *centroids, struct wf_error *err)
{
    const int threads = shard_faiss_threads(1);
    enum wf_code code = cluster(points, lists, seed, centroids, err);
    shard_faiss_threads(threads);
    return code;
}

/* ---- assignment ---- */

struct assignment {
    FaissIndex *index; /* over the centroids; searching is thread-safe */
    const struct shard_points *points;
    uint32_t lists;
    uint32_t *list;
    pthread_mutex_t mu; /* guards what follows */
    enum wf_code code;
    struct wf_error err;
};

static enum wf_code assign_range(const struct assignment *as, size_t begin, size_t end,
                                 idx_t *labels, struct wf_error *err)
{
    const struct shard_points *p = as->points;
    const size_t n = end - begin;
    if (faiss_Index_assign(as->index, (idx_t)n, p->x + begin * p->d, labels, 1) != 0) {
        return failed("assignment", err);
    }
    for (size_t i = 0; i < n; i++) {
        if (labels[i] < 0 || labels[i] >= (idx_t)as->lists) {
            return wf_fail(err, WF_INTERNAL, "vector %zu has no nearest centroid", begin + i);
        }
        as->list[begin + i] = (uint32_t)labels[i];
    }
    return WF_OK;
}

static void assign_chunk(void *ctx, size_t begin, size_t end, unsigned thread)
{
    struct assignment *as = ctx;
    struct wf_error err;
    (void)thread;
    idx_t *labels = wf_xarray(idx_t, end - begin);
    const int threads = shard_faiss_threads(1);
    const enum wf_code code = assign_range(as, begin, end, labels, &err);
    shard_faiss_threads(threads);
    wf_xfree(labels);
    if (code != WF_OK) {
        pthread_mutex_lock(&as->mu);
        as->code = code;
        as->err = err;
        pthread_mutex_unlock(&as->mu);
    }
}

enum wf_code shard_assign(const struct shard_points *points, const float *centroids, uint32_t lists,
                          uint32_t *list, struct wf_error *err)
{
    const int blas = openblas_get_num_threads();
    FaissIndexFlat *index = NULL;
    if (faiss_IndexFlat_new_with(&index, points->d, metric_of(points->metric)) != 0) {
        return failed("assignment", err);
    }
    if (faiss_Index_add(index, lists, centroids) != 0) {
        faiss_Index_free(index);
        return failed("assignment", err);
    }
    struct assignment as = {.index = index, .points = points, .lists = lists};
    as.list = list;
    pthread_mutex_init(&as.mu, NULL);
    openblas_set_num_threads(1); /* the cores have a chunk each */
    wf_parallel(0, points->n, ASSIGN_CHUNK, assign_chunk, &as);
    openblas_set_num_threads(blas);
    pthread_mutex_destroy(&as.mu);
    faiss_Index_free(index);
    if (as.code != WF_OK && err != NULL) {
        *err = as.err;
    }
    return as.code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_many.c - k-means and assignment for many lists, by groups of centroids. See cluster.h.
 *
 * With thousands of lists comparing every point with every centroid is nearly all of a build. The
 * centroids are clustered into groups themselves; a point is compared with the centres of all
 * groups and then with the centroids of the nearest sixteen alone: a tenth of the products. Points
 * that want one group are multiplied with it together, so that the work stays matrix products; each
 * chunk of points is one thread's, so that no core waits for another.
 */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/order.h"
#include "base/pool.h"
#include "shard/cluster.h"

enum {
    POINTS_PER_LIST = 64,
    ITERATIONS = 10,
    CHUNK = 16384,     /* points of one piece of work */
    BLOCK = 256,       /* points of one product */
    GROUPS_TRIED = 16, /* nearest groups whose centroids a point is compared with */
};

/* Centroids by group; scores are x.c, less half the squared length of c for L2. */
struct groups {
    uint32_t d, lists, n;
    float *centres;            /* n x d */
    float *centroids;          /* lists x d, in order of groups */
    uint32_t *ids;             /* list of each */
    uint32_t *first;           /* n + 1: where a group's centroids begin */
    float *centre_half, *half; /* half squared lengths; zeros where direction alone counts */
    uint32_t largest;
};

static float half_square(const float *x, uint32_t d, enum wf_metric_space metric)
{
    return metric == WF_METRIC_L2 ? wf_dot(x, x, d) / 2 : 0;
}

static void groups_fini(struct groups *g)
{
    wf_xfree(g->centres);
    wf_xfree(g->centroids);
    wf_xfree(g->ids);
    wf_xfree(g->first);
    wf_xfree(g->centre_half);
    wf_xfree(g->half);
}

static uint32_t groups_of(uint32_t lists)
{
    uint32_t n = 1;
    while (n * n < lists) {
        n *= 2;
    }
    return n;
}

/* Puts the centroids into the order of their groups. */
static void sort_centroids(struct groups *g, const float *centroids, const uint32_t *group,
                           enum wf_metric_space metric)
{
    uint32_t *at = wf_xarray(uint32_t, g->n + 1);
    for (uint32_t i = 0; i < g->lists; i++) {
        g->first[group[i] + 1]++;
    }
    for (uint32_t i = 0; i < g->n; i++) {
        g->largest = g->first[i + 1] > g->largest ? g->first[i + 1] : g->largest;
        g->first[i + 1] += g->first[i];
        at[i] = g->first[i];
    }
    for (uint32_t i = 0; i < g->lists; i++) {
        const uint32_t to = at[group[i]]++;
        memcpy(g->centroids + (size_t)to * g->d, centroids + (size_t)i * g->d,
               g->d * sizeof(float));
        g->ids[to] = i;
        g->half[to] = half_square(centroids + (size_t)i * g->d, g->d, metric);
    }
    wf_xfree(at);
}

static enum wf_code groups_make(struct groups *g, const float *centroids, uint32_t lists,
                                const struct shard_points *like, uint64_t seed,
                                struct wf_error *err)
{
    *g = (struct groups){.d = like->d, .lists = lists, .n = groups_of(lists)};
    const struct shard_points points = {
        .x = centroids, .n = lists, .d = like->d, .metric = like->metric};
    uint32_t *group = wf_xarray(uint32_t, lists);
    g->centres = wf_xarray(float, (size_t)g->n * g->d);
    g->centroids = wf_xarray(float, (size_t)lists * g->d);
    g->ids = wf_xarray(uint32_t, lists);
    g->first = wf_xarray(uint32_t, (size_t)g->n + 1);
    g->centre_half = wf_xarray(float, g->n);
    g->half = wf_xarray(float, lists);
    enum wf_code code = shard_cluster(&points, g->n, seed, g->centres, err);
    if (code == WF_OK) {
        code = shard_assign(&points, g->centres, g->n, group, err);
    }
    if (code == WF_OK) {
        sort_centroids(g, centroids, group, like->metric);
        for (uint32_t i = 0; i < g->n; i++) {
            g->centre_half[i] = half_square(g->centres + (size_t)i * g->d, g->d, like->metric);
        }
    } else {
        groups_fini(g);
    }
    wf_xfree(group);
    return code;
}

/* ---- assignment ---- */

struct nearest {
    const struct groups *g;
    const float *x; /* all points */
    uint32_t *list; /* of each, filled */
};
/* One thread's scratch for one chunk. */
struct scratch {
    float *scores;    /* one product: at most max(groups, largest group) x BLOCK */
    float *gathered;  /* BLOCK x d */
    float *best;      /* CHUNK */
    uint32_t *tried;  /* CHUNK x GROUPS_TRIED */
    uint32_t *wanted; /* the same by group: points */
    uint32_t *starts; /* groups + 1 */
};

/* scores (rows of n): centroid i with point j; n points of d floats. */
static void products(const float *centroids, uint32_t m, const float *x, uint32_t n, uint32_t d,
                     float *scores)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)d, 1,
                centroids, (blasint)d, x, (blasint)d, 0, scores, (blasint)n);
}

/* The nearest groups of point j of a product, best first. */
static void try_groups(const struct groups *g, const float *scores, uint32_t n, uint32_t j,
                       uint32_t *tried)
{
    float kept[GROUPS_TRIED];
    uint32_t most = g->n < GROUPS_TRIED ? g->n : GROUPS_TRIED, have = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const float score = scores[(size_t)i * n + j] - g->centre_half[i];
        if (have == most && !(score > kept[have - 1])) {
            continue;
        }
        uint32_t at = have < most ? have++ : have - 1;
        for (; at > 0 && score > kept[at - 1]; at--) {
            kept[at] = kept[at - 1];
            tried[at] = tried[at - 1];
        }
        kept[at] = score;
        tried[at] = i;
    }
}

/* Which points want which group. */
static void choose_groups(const struct nearest *ne, size_t begin, uint32_t n, struct scratch *s)
{
    const struct groups *g = ne->g;
    const uint32_t most = g->n < GROUPS_TRIED ? g->n : GROUPS_TRIED;
    for (uint32_t at = 0; at < n; at += BLOCK) {
        const uint32_t size = n - at < BLOCK ? n - at : BLOCK;
        products(g->centres, g->n, ne->x + (begin + at) * g->d, size, g->d, s->scores);
        for (uint32_t j = 0; j < size; j++) {
            try_groups(g, s->scores, size, j, s->tried + (size_t)(at + j) * GROUPS_TRIED);
        }
    }
    memset(s->starts, 0, (g->n + 2) * sizeof *s->starts);
    for (uint32_t j = 0; j < n; j++) {
        for (uint32_t t = 0; t < most; t++) {
            s->starts[s->tried[(size_t)j * GROUPS_TRIED + t] + 2]++;
        }
    }
    for (uint32_t i = 0; i < g->n; i++) {
        s->starts[i + 2] += s->starts[i + 1];
    }
    for (uint32_t j = 0; j < n; j++) { /* afterwards starts[i] .. starts[i + 1] is group i */
        for (uint32_t t = 0; t < most; t++) {
            s->wanted[s->starts[s->tried[(size_t)j * GROUPS_TRIED + t] + 1]++] = j;
        }
    }
}

/* Compares some points that want group i with its centroids. */
static void try_group(const struct nearest *ne, size_t begin, uint32_t i, const uint32_t *points,
                      uint32_t n, struct scratch *s)
{
    const struct groups *g = ne->g;
    const uint32_t first = g->first[i], m = g->first[i + 1] - first;
    float best[BLOCK];
    uint32_t place[BLOCK];
    if (m == 0) {
        return;
    }
    for (uint32_t j = 0; j < n; j++) {
        memcpy(s->gathered + (size_t)j * g->d, ne->x + (begin + points[j]) * g->d,
               g->d * sizeof(float));
        best[j] = -INFINITY;
        place[j] = 0;
    }
    products(g->centroids + (size_t)first * g->d, m, s->gathered, n, g->d, s->scores);
    for (uint32_t c = 0; c < m; c++) {
        const float *row = s->scores + (size_t)c * n;
        const float half = g->half[first + c];
        for (uint32_t j = 0; j < n; j++) {
            const float score = row[j] - half;
            place[j] = score > best[j] ? c : place[j];
            best[j] = score > best[j] ? score : best[j];
        }
    }
    for (uint32_t j = 0; j < n; j++) {
        if (best[j] > s->best[points[j]]) {
            s->best[points[j]] = best[j];
            ne->list[begin + points[j]] = g->ids[first + place[j]];
        }
    }
}

static void nearest_chunk(void *ctx, size_t begin, size_t end, unsigned thread)
{
    const struct nearest *ne = ctx;
    const struct groups *g = ne->g;
    const uint32_t n = (uint32_t)(end - begin), rows = g->largest > g->n ? g->largest : g->n;
    struct scratch s = {.scores = wf_xarray(float, (size_t)rows *BLOCK),
                        .gathered = wf_xarray(float, (size_t)BLOCK * g->d),
                        .best = wf_xarray(float, n),
                        .tried = wf_xarray(uint32_t, (size_t)n * GROUPS_TRIED),
                        .wanted = wf_xarray(uint32_t, (size_t)n * GROUPS_TRIED),
                        .starts = wf_xarray(uint32_t, (size_t)g->n + 2)};
    (void)thread;
    choose_groups(ne, begin, n, &s);
    for (uint32_t j = 0; j < n; j++) {
        s.best[j] = -INFINITY;
        ne->list[begin + j] = 0;
    }
    for (uint32_t i = 0; i < g->n; i++) {
        for (uint32_t at = s.starts[i]; at < s.starts[i + 1]; at += BLOCK) {
            const uint32_t left = s.starts[i + 1] - at;
            try_group(ne, begin, i, s.wanted + at, left < BLOCK ? left : BLOCK, &s);
        }
    }
    wf_xfree(s.scores);
    wf_xfree(s.gathered);
    wf_xfree(s.best);
    wf_xfree(s.tried);
    wf_xfree(s.wanted);
    wf_xfree(s.starts);
}

enum wf_code shard_assign_many(const struct shard_points *points, const float *centroids,
                               uint32_t lists, uint64_t seed, uint32_t *list, struct wf_error *err)
{
    struct groups g;
    enum wf_code code = groups_make(&g, centroids, lists, points, seed, err);
    if (code != WF_OK) {
        return code;
    }
    struct nearest ne = {.g = &g, .x = points->x};
    ne.list = list;
    const int blas = openblas_get_num_threads();
    openblas_set_num_threads(1); /* the cores have a chunk each */
    wf_parallel(0, points->n, CHUNK, nearest_chunk, &ne);
    openblas_set_num_threads(blas);
    groups_fini(&g);
    return WF_OK;
}

/* ---- k-means ---- */

/* Points that are spread by a seeded order; the first `lists` are where clustering begins. */
static float *sample(const struct shard_points *p, size_t n, uint64_t seed)
{
    const struct wf_order order = wf_order_of(p->n, seed, 0);
    float *x = wf_xarray(float, n * p->d);
    for (size_t i = 0; i < n; i++) {
        memcpy(x + i * p->d, p->x + wf_order_at(&order, i) * p->d, p->d * sizeof *x);
    }
    return x;
}

/* An empty list takes half of the largest: the same centroid, moved a little both ways. */
static void fill_empty(const struct shard_points *p, uint32_t lists, uint32_t *sizes,
                       float *centroids)
{
    for (uint32_t i = 0; i < lists; i++) {
        if (sizes[i] > 0) {
            continue;
        }
        uint32_t from = 0;
        for (uint32_t j = 1; j < lists; j++) {
            from = sizes[j] > sizes[from] ? j : from;
        }
        float *a = centroids + (size_t)i * p->d, *b = centroids + (size_t)from * p->d;
        for (uint32_t j = 0; j < p->d; j++) {
            a[j] = b[j] * (j % 2 == 0 ? 1 + 0x1p-10F : 1 - 0x1p-10F);
            b[j] = b[j] * (j % 2 == 0 ? 1 - 0x1p-10F : 1 + 0x1p-10F);
        }
        sizes[i] = sizes[from] / 2;
        sizes[from] -= sizes[i];
    }
}

/* Means of the points of each list; of unit length where direction alone counts. */
static void move_centroids(const struct shard_points *p, const uint32_t *list, uint32_t lists,
                           float *centroids)
{
    uint32_t *sizes = wf_xarray(uint32_t, lists);
    memset(centroids, 0, (size_t)lists * p->d * sizeof *centroids);
    for (size_t i = 0; i < p->n; i++) {
        float *c = centroids + (size_t)list[i] * p->d;
        const float *x = p->x + i * p->d;
        for (uint32_t j = 0; j < p->d; j++) {
            c[j] += x[j];
        }
        sizes[list[i]]++;
    }
    for (uint32_t i = 0; i < lists; i++) {
        float *c = centroids + (size_t)i * p->d;
        for (uint32_t j = 0; sizes[i] > 0 && j < p->d; j++) {
            c[j] /= (float)sizes[i];
        }
    }
    fill_empty(p, lists, sizes, centroids);
    for (uint32_t i = 0; p->metric != WF_METRIC_L2 && i < lists; i++) {
        (void)wf_normalise(centroids + (size_t)i * p->d, p->d);
    }
    wf_xfree(sizes);
}

enum wf_code shard_cluster_many(const struct shard_points *points, uint32_t lists, uint64_t seed,
                                float *centroids, struct wf_error *err)
{
    const size_t most = (size_t)lists * POINTS_PER_LIST;
    const size_t n = points->n < most ? points->n : most;
    float *x = sample(points, n, seed);
    uint32_t *list = wf_xarray(uint32_t, n);
    const struct shard_points some = {.x = x, .n = n, .d = points->d, .metric = points->metric};
    memcpy(centroids, x, (size_t)lists * points->d * sizeof *x);
    enum wf_code code = WF_OK;
    for (int i = 0; i < ITERATIONS && code == WF_OK; i++) {
        code = shard_assign_many(&some, centroids, lists, seed, list, err);
        if (code == WF_OK) {
            move_centroids(&some, list, lists, centroids);
        }
    }
    wf_xfree(list);
    wf_xfree(x);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * coarse.c - see coarse.h.
 *
 * Let c' be the decoded copy of centroid c and e the greatest |c - c'|. A product with the query q
 * is off by at most e |q| (Cauchy and Schwarz), a distance to it by at most e (triangle). The
 * kernel's own rounding adds g |q| |c| to either product, and a factor 1 + g to either squared
 * distance (docs/internals/search.md). With E the estimate's error and t the want-th best estimate,
 * want lists have at least t less all errors, so a list that may belong to the nearest has an
 * estimate of at least t less twice all errors.
 */
#include "shard/coarse.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/estimate.h"
#include "shard/top.h"

enum { LEAST = 256 }; /* lists */

struct shard_coarse {
    struct wf_codes codes;
    unsigned char *data;
    float *min, *step, *norms;
    uint32_t n;
    uint32_t *rows; /* of each list */
    double apart;   /* no copy is further from its centroid */
    double longest; /* no centroid nor copy is longer */
};

static void ranges(const struct wf_codes *centroids, uint32_t n, float *min, float *step)
{
    const uint32_t dim = centroids->dim;
    float *max = wf_xarray(float, dim), *x = wf_xarray(float, dim);
    for (uint32_t i = 0; i < n; i++) {
        wf_decode_row(centroids, i, x);
        for (uint32_t j = 0; j < dim; j++) {
            min[j] = i == 0 || x[j] < min[j] ? x[j] : min[j];
            max[j] = i == 0 || x[j] > max[j] ? x[j] : max[j];
        }
    }
    for (uint32_t j = 0; j < dim; j++) {
        step[j] = (max[j] - min[j]) / 255;
    }
    wf_xfree(max);
    wf_xfree(x);
}

/* Codes all centroids; finds how far the copies are off. */
static void encode(struct shard_coarse *c, const struct wf_codes *centroids)
{
    const uint32_t dim = centroids->dim;
    float *x = wf_xarray(float, dim), *copy = wf_xarray(float, dim);
    for (uint32_t i = 0; i < c->n; i++) {
        wf_decode_row(centroids, i, x);
        wf_encode_row(&c->codes, x, c->data + i * c->codes.stride);
        wf_decode_row(&c->codes, i, copy);
        const double apart = sqrt(-(double)wf_l2(x, copy, dim)) * (1 + 0x1p-10);
        c->apart = apart > c->apart ? apart : c->apart;
        c->norms[i] = wf_dot(copy, copy, dim);
        const double length = sqrt((double)c->norms[i]) * (1 + 0x1p-10) + apart;
        c->longest = length > c->longest ? length : c->longest;
    }
    wf_xfree(x);
    wf_xfree(copy);
}

struct shard_coarse *shard_coarse_make(const struct wf_codes *centroids, const uint32_t *lists,
                                       uint32_t n)
{
    const size_t floats = n * centroids->stride / sizeof(float);
    if (n < LEAST || !wf_estimate_pays(WF_CODEC_SQ8) ||
        wf_first_not_finite((const float *)(const void *)centroids->data, floats) >= 0) {
        return NULL;
    }
    struct shard_coarse *c = wf_xcalloc(1, sizeof *c);
    const uint32_t dim = centroids->dim;
    c->n = n;
    c->min = wf_xarray(float, dim);
    c->step = wf_xarray(float, dim);
    c->norms = wf_xarray(float, n);
    c->rows = wf_xarray(uint32_t, n);
    for (uint32_t i = 0; i < n; i++) {
        c->rows[i] = lists[i + 1] - lists[i];
    }
    ranges(centroids, n, c->min, c->step);
    c->codes = (struct wf_codes){.codec = WF_CODEC_SQ8,
                                 .metric = centroids->metric,
                                 .dim = dim,
                                 .stride = wf_padded_dim(dim),
                                 .min = c->min,
                                 .step = c->step};
    c->data = wf_xmalloc64(n * c->codes.stride + 64);
    c->codes.data = c->data;
    encode(c, centroids);
    if (!isfinite(c->apart) || !isfinite(c->longest)) {
        shard_coarse_free(c);
        return NULL;
    }
    return c;
}

void shard_coarse_free(struct shard_coarse *c)
{
    if (c != NULL) {
        wf_xfree(c->data);
        wf_xfree(c->min);
        wf_xfree(c->step);
        wf_xfree(c->norms);
        wf_xfree(c->rows);
        wf_xfree(c);
    }
}

uint64_t shard_coarse_bytes(const struct shard_coarse *c)
{
    return c == NULL ? 0 : c->n * (c->codes.stride + 2 * sizeof(float)) + sizeof *c;
}

bool shard_coarse_estimate(const struct shard_coarse *c, const float *query, struct wf_arena *a,
                           struct shard_near *out)
{
    struct wf_estimate e;
    float *estimates = wf_arena_alloc64(a, c->n * sizeof *estimates);
    if (estimates == NULL || !wf_estimate_begin(&e, &c->codes, c->norms, query, a)) {
        return false;
    }
    wf_estimate_rows(&e, NULL, 0, c->n, estimates);
    const double g = (c->codes.dim + 8.0) * 0x1p-24;
    const double norm = sqrt((double)wf_dot(query, query, c->codes.dim)) * (1 + 0x1p-10);
    *out = (struct shard_near){.scores = estimates, .estimated = true};
    out->reach_own = 2 * e.error * (1 + 0x1p-20F);
    out->reach_far = (float)(2 * c->apart * (1 + 0x1p-20));
    if (c->codes.metric != WF_METRIC_L2) {
        out->reach_far = (float)((2 * c->apart + 4 * g * c->longest) * norm * (1 + 0x1p-20));
    }
    return true;
}

/* The least estimate that a list among the nearest may have, `last` being the want-th best. */
static float reach(const struct shard_coarse *c, const struct shard_near *near, float last)
{
    const double own = (double)near->reach_own, further = (double)near->reach_far;
    if (c->codes.metric == WF_METRIC_L2) {
        const double g = (c->codes.dim + 8.0) * 0x1p-24;
        const double far = sqrt(fmax(0, own - (double)last) * (1 + 4 * g)) + further;
        return (float)(-(far * far) * (1 + 4 * g) - own);
    }
    const double least = (double)last - own - further;
    return (float)(least - fabs(least) * 0x1p-20);
}

bool shard_coarse_near(const struct shard_coarse *c, const struct shard_near *near, uint32_t want,
                       const uint32_t *rows, struct wf_arena *a, struct shard_some *out)
{
    struct shard_top top;
    rows = rows == NULL ? c->rows : rows;
    *out = (struct shard_some){.lists = wf_array(a, uint32_t, c->n)};
    if (out->lists == NULL || !shard_top_init(&top, want < c->n ? want : c->n, NULL, a)) {
        return false;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        if (near->scores[i] >= top.floor && rows[i] > 0) {
            shard_top_push(&top, (struct shard_hit){near->scores[i], i, i});
        }
    }
    shard_top_sort(&top);
    const bool all = top.n < top.k || !isfinite(near->reach_own) || !isfinite(near->reach_far);
    const float least = all ? -FLT_MAX : reach(c, near, top.hits[top.n - 1].score);
    for (uint32_t i = 0; i < c->n; i++) {
        if ((all || near->scores[i] >= least) && rows[i] > 0) {
            out->lists[out->n++] = i;
        }
    }
    return true;
}

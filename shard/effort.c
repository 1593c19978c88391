/* SPDX-License-Identifier: Apache-2.0
 *
 * effort.c - see effort.h: a target between measured curves.
 *
 * The curves' depths and selectivities span a grid. A curve's need at a node counts at every node
 * of greater depth and lower selectivity too, so that noise in the sample cannot make a harder
 * question cheaper, and a node without a curve of its own takes what is known below it. Inside
 * the grid the answer is bilinear in log k and log selectivity. Outside it effort grows as the
 * square root of k / selectivity, which is faster than lists or graphs were seen to need: the k-th
 * match of a filter is about the (k / selectivity)-th nearest row.
 */
#include "shard/effort.h"

#include <math.h>
#include <stdbool.h>

static const double slack = 1e-6; /* of targets, and of rounding up: float noise is no effort */
enum { DEPTH_MOST = 1 << 20 };

/* ---- looking up ---- */

/* Where a value lies among rising marks: between at and at + 1, or beyond the last by a factor. */
struct place {
    uint32_t at;
    double share;  /* of the way to at + 1 */
    double beyond; /* >= 1: value / last mark */
};
struct need {
    double effort, rows; /* INFINITY: not known to be reached */
};

static double rows_at(const struct shard_curve *c, double effort)
{
    uint32_t i = 0;
    while (i < c->n && c->points[i].effort < effort) {
        i++;
    }
    if (i == 0 || i == c->n) {
        return (double)c->points[i == 0 ? 0 : c->n - 1].rows;
    }
    const struct shard_point *low = &c->points[i - 1], *high = &c->points[i];
    const double share = (effort - low->effort) / (high->effort - low->effort);
    return (double)low->rows + share * ((double)high->rows - (double)low->rows);
}

static double effort_at(const struct shard_curve *c, double target)
{
    uint32_t i = 0;
    while (i < c->n && (double)c->points[i].recall < target) {
        i++;
    }
    if (i == c->n) {
        return INFINITY;
    }
    if (i == 0) {
        return c->points[0].effort;
    }
    const struct shard_point *low = &c->points[i - 1], *high = &c->points[i];
    const double share =
        (target - (double)low->recall) / ((double)high->recall - (double)low->recall);
    return low->effort + share * (high->effort - low->effort);
}

/* The most that any curve of at most this depth and at least this selectivity needs; rows by the
 * deepest and most selective of them. */
static struct need need_at(const struct shard_calibration *c, double target, uint32_t k,
                           float selectivity)
{
    struct need out = {0};
    const struct shard_curve *nearest = NULL;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct shard_curve *curve = &c->curves[i];
        if (curve->k > k || curve->selectivity < selectivity) {
            continue;
        }
        out.effort = fmax(out.effort, effort_at(curve, target));
        if (nearest == NULL || curve->selectivity <= nearest->selectivity) {
            nearest = curve;
        }
    }
    if (nearest == NULL) { /* reading does not let it happen */
        return out;
    }
    if (isinf(out.effort)) {
        return (struct need){INFINITY, INFINITY};
    }
    out.rows = rows_at(nearest, out.effort) * (double)(selectivity / nearest->selectivity);
    return out;
}

static double between(double a, double b, double share)
{
    return share <= 0 || isinf(a) ? a : a + share * (b - a);
}

static struct need need_between(struct need a, struct need b, double share)
{
    return (struct need){between(a.effort, b.effort, share), between(a.rows, b.rows, share)};
}

/* `marks` rise and are over 0. */
static struct place place_of(const double *marks, uint32_t n, double value)
{
    struct place p = {.beyond = fmax(1, value / marks[n - 1])};
    while (p.at + 1 < n && marks[p.at + 1] <= value) {
        p.at++;
    }
    if (p.at + 1 < n && value > marks[p.at]) {
        p.share = log(value / marks[p.at]) / log(marks[p.at + 1] / marks[p.at]);
    }
    return p;
}

/* Puts a value among n rising ones unless it is there; returns how many there are now. */
static uint32_t insert(double *marks, uint32_t n, double value)
{
    uint32_t at = n;
    while (at > 0 && marks[at - 1] > value) {
        at--;
    }
    if (at > 0 && marks[at - 1] == value) {
        return n;
    }
    for (uint32_t i = n; i > at; i--) {
        marks[i] = marks[i - 1];
    }
    marks[at] = value;
    return n + 1;
}

struct shard_effort shard_effort_for(const struct shard_calibration *c, double target, uint32_t k,
                                     double selectivity)
{
    const struct shard_effort unknown = {.effort = UINT32_MAX, .rows = INFINITY};
    if (c->n == 0 || !(selectivity > 0)) {
        return unknown;
    }
    double depths[SHARD_CURVES_MAX] = {0},
           rarities[SHARD_CURVES_MAX] = {0}; /* rarity: 1 / selectivity */
    uint32_t n_depths = 0, n_rarities = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        n_depths = insert(depths, n_depths, c->curves[i].k);
        n_rarities = insert(rarities, n_rarities, 1 / (double)c->curves[i].selectivity);
    }
    target = (target < 1 ? target : 1) - slack;
    const struct place d = place_of(depths, n_depths, k);
    const struct place r = place_of(rarities, n_rarities, fmax(1, 1 / selectivity));
    struct need along[2];
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t depth = (uint32_t)depths[i == 0 || d.share <= 0 ? d.at : d.at + 1];
        const float near = (float)(1 / rarities[r.at]);
        const float far = (float)(1 / rarities[r.share > 0 ? r.at + 1 : r.at]);
        along[i] =
            need_between(need_at(c, target, depth, near), need_at(c, target, depth, far), r.share);
    }
    const struct need need = need_between(along[0], along[1], d.share);
    const double effort = fmax(1, ceil(need.effort * sqrt(d.beyond * r.beyond) - slack));
    if (!(effort < (double)UINT32_MAX)) {
        return unknown;
    }
    const double rows = need.rows * sqrt(d.beyond) / sqrt(r.beyond);
    return (struct shard_effort){.effort = (uint32_t)effort, .rows = (float)rows};
}

/* ---- JSON ---- */

json_t *shard_calibration_json(const struct shard_calibration *c)
{
    json_t *out = json_array();
    for (uint32_t i = 0; i < c->n; i++) {
        const struct shard_curve *curve = &c->curves[i];
        json_t *points = json_array();
        for (uint32_t j = 0; j < curve->n; j++) {
            const struct shard_point *p = &curve->points[j];
            json_array_append_new(points, json_pack("[I, f, f]", (json_int_t)p->effort,
                                                    (double)p->recall, (double)p->rows));
        }
        json_array_append_new(out,
                              json_pack("{s:I, s:f, s:o}", "k", (json_int_t)curve->k, "selectivity",
                                        (double)curve->selectivity, "points", points));
    }
    return out;
}

static enum wf_code lies(struct wf_error *err, uint32_t curve, const char *what)
{
    return wf_fail(err, WF_DATA_LOSS, "calibration curve %u: %s", curve, what);
}

static bool point_fits(const struct shard_point *p, const struct shard_point *before)
{
    return isfinite(p->recall) && isfinite(p->rows) && p->recall >= 0 && p->recall <= 1 &&
           p->rows >= 0 &&
           (before == NULL ||
            (p->effort > before->effort && p->recall >= before->recall && p->rows >= before->rows));
}

static enum wf_code read_points(const json_t *json, uint32_t i, uint32_t effort_max,
                                struct shard_curve *out, struct wf_error *err)
{
    const size_t n = json_array_size(json);
    if (n < 1 || n > SHARD_POINTS_MAX) {
        return wf_fail(err, WF_DATA_LOSS, "calibration curve %u: %zu points, 1 to %d are possible",
                       i, n, SHARD_POINTS_MAX);
    }
    for (size_t j = 0; j < n; j++) {
        json_int_t effort;
        double recall, rows;
        json_t *point = json_array_get(json, j);
        if (json_unpack(point, "[I, F, F!]", &effort, &recall, &rows) != 0) {
            return lies(err, i, "a point is not [effort, recall, rows]");
        }
        if (effort < 1 || effort > (json_int_t)effort_max) {
            return wf_fail(err, WF_DATA_LOSS, "calibration curve %u: effort %lld, limit %u", i,
                           (long long)effort, effort_max);
        }
        struct shard_point *p = &out->points[j];
        *p = (struct shard_point){(uint32_t)effort, (float)recall, (float)rows};
        if (!point_fits(p, j == 0 ? NULL : p - 1)) {
            return lies(err, i, "a point is out of range or out of order");
        }
    }
    out->n = (uint32_t)n;
    return WF_OK;
}

static enum wf_code read_curve(json_t *json, uint32_t i, uint32_t effort_max,
                               struct shard_curve *out, struct wf_error *err)
{
    json_int_t k;
    double selectivity;
    json_t *points;
    if (json_unpack(json, "{s:I, s:F, s:o!}", "k", &k, "selectivity", &selectivity, "points",
                    &points) != 0 ||
        !json_is_array(points)) {
        return lies(err, i, "not an object of k, selectivity and points");
    }
    if (k < 1 || k > DEPTH_MOST || !(selectivity >= 1e-9) || selectivity > 1) {
        return lies(err, i, "k or selectivity is out of range");
    }
    *out = (struct shard_curve){.k = (uint32_t)k, .selectivity = (float)selectivity};
    return read_points(points, i, effort_max, out, err);
}

enum wf_code shard_calibration_read(const json_t *json, uint32_t effort_max,
                                    struct shard_calibration *out, struct wf_error *err)
{
    const size_t n = json_array_size(json);
    if (!json_is_array(json) || n > SHARD_CURVES_MAX) {
        return wf_fail(err, WF_DATA_LOSS, "calibration: %zu curves in an array, limit %d", n,
                       SHARD_CURVES_MAX);
    }
    struct shard_calibration c = {.n = (uint32_t)n};
    for (uint32_t i = 0; i < c.n; i++) {
        enum wf_code code = read_curve(json_array_get(json, i), i, effort_max, &c.curves[i], err);
        if (code != WF_OK) {
            return code;
        }
        const struct shard_curve *now = &c.curves[i], *before = i == 0 ? now : now - 1;
        if (i > 0 && (now->k < before->k ||
                      (now->k == before->k && now->selectivity >= before->selectivity))) {
            return lies(err, i, "out of order");
        }
    }
    if (c.n > 0 && c.curves[0].selectivity < 1) {
        return lies(err, 0, "the first is not the one without a filter");
    }
    *out = c;
    return WF_OK;
}

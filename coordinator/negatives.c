/* SPDX-License-Identifier: Apache-2.0
 *
 * negatives.c - see negatives.h.
 */
#include "coordinator/negatives.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/items.h"

static enum wf_code arena_full(struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the request needs more memory than its limit");
}

static bool are_there(const struct coord_query *q)
{
    return q->rq.n_negative_skus || q->rq.n_negative_vectors;
}

/* The caller's vectors, as the space wants queries, in front of room for the items'. */
static enum wf_code take_vectors(struct coord_query *q, struct wf_error *err)
{
    const struct wire_recommend_request *rq = &q->rq;
    struct coord_subject *s = &q->subject;
    const uint32_t dim = s->space->dim;
    const size_t most = (size_t)rq->n_negative_vectors + s->n_disliked;
    if (rq->n_negative_vectors && rq->negative_dim != dim) {
        return wf_invalid(err, "DIMENSION", "negatives.vectors[0].values",
                          "dimension %u, space %s has %u", rq->negative_dim, s->space->name, dim);
    }
    s->negatives = wf_arena_alloc64(q->arena, most * dim * sizeof *s->negatives);
    if (!s->negatives) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < rq->n_negative_vectors; i++) {
        char field[48];
        snprintf(field, sizeof field, "negatives.vectors[%u].values", i);
        float *v = s->negatives + (size_t)i * dim;
        memcpy(v, rq->negative_vectors + (size_t)i * dim, dim * sizeof *v);
        enum wf_code code = coord_make_query(s->space, v, field, err);
        if (code != WF_OK) {
            return code;
        }
    }
    s->n_negatives = rq->n_negative_vectors;
    return WF_OK;
}

enum wf_code coord_negatives_check(struct coord_query *q, struct wf_error *err)
{
    struct coord_subject *s = &q->subject;
    if (!are_there(q)) {
        return WF_OK;
    }
    s->disliked =
        coord_items_of(q, q->rq.negative_skus, q->rq.n_negative_skus, &s->n_disliked, NULL);
    if (!s->disliked) {
        return arena_full(err);
    }
    if (s->popularity) {
        return WF_OK;
    }
    if (q->rq.negative_mode == WIRE_NEGATIVE_BEST_MINUS_WORST && s->space->metric == WF_METRIC_L2) {
        return wf_invalid(err, "UNSUPPORTED", "negatives.mode",
                          "best minus worst needs similarities, space %s is compared by L2 "
                          "distance: subtract is served",
                          s->space->name);
    }
    return take_vectors(q, err);
}

/* Puts the fetched vectors behind the caller's; says what was not to be had. */
static enum wf_code take_items(struct coord_query *q, struct wf_error *err)
{
    struct coord_subject *s = &q->subject;
    uint32_t unknown = 0, silent = 0;
    for (uint32_t i = 0; i < s->n_disliked; i++) {
        struct coord_item *item = &s->disliked[i];
        enum wf_code code = coord_items_take(q, item, err);
        if (code != WF_OK) {
            return code;
        }
        unknown += item->answered && !item->found;
        silent += !item->answered;
        if (item->found) {
            memcpy(s->negatives + (size_t)s->n_negatives++ * s->space->dim, item->vector,
                   s->space->dim * sizeof *item->vector);
        }
    }
    s->degraded |= unknown ? 1U << WIRE_UNKNOWN_ITEM : 0;
    s->degraded |= silent ? coord_gather_degraded(q->fetch) : 0;
    return WF_OK;
}

/* probe - weight x mean. */
static enum wf_code subtract(struct coord_query *q, struct coord_probe *probe, const float *mean,
                             struct wf_error *err)
{
    const struct wf_space *space = q->subject.space;
    float *v = wf_arena_alloc64(q->arena, space->dim * sizeof *v);
    if (!v) {
        return arena_full(err);
    }
    for (uint32_t d = 0; d < space->dim; d++) {
        float part = q->rq.negative_weight * mean[d];
        v[d] = probe->vector[d] - part;
    }
    enum wf_code code = coord_make_query(space, v, "negatives", err);
    if (code != WF_OK && strcmp(err->reason, "ZERO_VECTOR") == 0) {
        return wf_invalid(err, "ZERO_VECTOR", "negatives",
                          "nothing is left of the subject's vector less %g times the mean of %u "
                          "disliked ones, space %s is compared by cosine",
                          (double)q->rq.negative_weight, q->subject.n_negatives, space->name);
    }
    probe->vector = v;
    return code;
}

static enum wf_code subtract_mean(struct coord_query *q, struct wf_error *err)
{
    struct coord_subject *s = &q->subject;
    const uint32_t dim = s->space->dim;
    float *mean = wf_array(q->arena, float, dim);
    if (!mean) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < s->n_negatives; i++) {
        for (uint32_t d = 0; d < dim; d++) {
            mean[d] += s->negatives[(size_t)i * dim + d];
        }
    }
    for (uint32_t d = 0; d < dim; d++) {
        mean[d] /= (float)s->n_negatives;
    }
    for (uint32_t i = 0; i < s->n_probes; i++) {
        enum wf_code code = subtract(q, &s->probes[i], mean, err);
        if (code != WF_OK) {
            return code;
        }
    }
    s->n_negatives = 0; /* they have done their part: the shards need none */
    return WF_OK;
}

enum wf_code coord_negatives_apply(struct coord_query *q, struct wf_error *err)
{
    struct coord_subject *s = &q->subject;
    if (!are_there(q) || s->popularity) {
        return WF_OK;
    }
    enum wf_code code = take_items(q, err);
    if (code != WF_OK) {
        return code;
    }
    if (!s->n_negatives || q->rq.negative_weight == 0) {
        s->n_negatives = 0;
        return WF_OK;
    }
    s->weighed = true;
    return q->rq.negative_mode == WIRE_NEGATIVE_SUBTRACT ? subtract_mean(q, err) : WF_OK;
}

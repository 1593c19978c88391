/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_recommend.c - weft.v1.RecommendRequest, both ways.
 *
 * Reading goes subject, numbers, knobs, in the order of the message, and stops at the first fault.
 * What only a generation can tell (dimension, names, a zero vector under cosine) is the
 * coordinator's to check.
 */
#include "proto/wire.h"

#include <string.h>

#include "proto/wire_check.h"
#include "proto/wire_parts.h"
#include "weft/v1/recommend.pb-c.h"

typedef Weft__V1__RecommendRequest request_msg; /* the generated names are long */

/* ---- reading ---- */

static enum wf_code read_vector(const Weft__V1__VectorSubject *m, struct wf_error *err,
                                struct wire_recommend_request *rq)
{
    struct wire_place at = wire_place(err, "subject.vector.");
    WIRE_TRY(wire_check_text(&at, "space", m->space, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(&at, "content_id", m->content_id, WIRE_ID_MAX));
    WIRE_TRY(wire_check_vector(&at, "values", m->values, m->n_values));
    rq->space = wire_str(m->space);
    rq->content_id = wire_str(m->content_id);
    rq->vector = m->values;
    rq->dim = (uint32_t)m->n_values;
    return WF_OK;
}

static enum wf_code read_skus(const struct wire_place *at, char *const *skus, size_t n, size_t max,
                              struct wire_recommend_request *rq)
{
    WIRE_TRY(wire_check_count(at, "skus", n, 1, max));
    WIRE_TRY(wire_check_ids(at, "skus", skus, n));
    rq->skus = (const char *const *)skus;
    rq->n_skus = (uint32_t)n;
    return WF_OK;
}

static enum wf_code read_subject(const request_msg *m, struct wf_error *err,
                                 struct wire_recommend_request *rq)
{
    struct wire_place at = {.err = err};
    switch (m->subject_case) {
    case WEFT__V1__RECOMMEND_REQUEST__SUBJECT_VECTOR:
        rq->subject = WIRE_SUBJECT_VECTOR;
        return read_vector(m->vector, err, rq);
    case WEFT__V1__RECOMMEND_REQUEST__SUBJECT_USER:
        rq->subject = WIRE_SUBJECT_USER;
        rq->id = wire_str(m->user->id);
        at = wire_place(err, "subject.user.");
        return wire_check_id(&at, "id", m->user->id, WIRE_ID_MAX);
    case WEFT__V1__RECOMMEND_REQUEST__SUBJECT_ITEMS:
        rq->subject = WIRE_SUBJECT_ITEMS;
        at = wire_place(err, "subject.items.");
        return read_skus(&at, m->items->skus, m->items->n_skus, WIRE_ITEMS_MAX, rq);
    case WEFT__V1__RECOMMEND_REQUEST__SUBJECT_SESSION:
        rq->subject = WIRE_SUBJECT_SESSION;
        at = wire_place(err, "subject.session.");
        return read_skus(&at, m->session->skus, m->session->n_skus, WIRE_SESSION_MAX, rq);
    case WEFT__V1__RECOMMEND_REQUEST__SUBJECT_TEXT:
        rq->subject = WIRE_SUBJECT_TEXT;
        rq->id = wire_str(m->text->text);
        at = wire_place(err, "subject.text.");
        return wire_check_id(&at, "text", m->text->text, WIRE_TEXT_MAX);
    case WEFT__V1__RECOMMEND_REQUEST__SUBJECT__NOT_SET:
    case _WEFT__V1__RECOMMEND_REQUEST__SUBJECT__CASE_IS_INT_SIZE:
        break;
    }
    rq->subject = WIRE_SUBJECT_NONE;
    return WF_OK;
}

/* k, timeout_ms and rank_limit. */
static enum wf_code read_counts(const request_msg *m, const struct wire_place *at,
                                struct wire_recommend_request *rq)
{
    rq->k = WIRE_K_DEFAULT;
    if (m->k_presence_case) {
        WIRE_TRY(wire_check_range(at, "k", m->k, 1, WIRE_K_MAX));
        rq->k = m->k;
    }
    if (m->timeout_ms_presence_case) {
        WIRE_TRY(wire_check_range(at, "timeout_ms", m->timeout_ms, 1, WIRE_TIMEOUT_MAX_MS));
        rq->timeout_ms = m->timeout_ms;
    }
    if (m->rank_limit_presence_case) {
        WIRE_TRY(wire_check_range(at, "rank_limit", m->rank_limit, rq->k, WIRE_RANK_LIMIT_MAX));
        rq->rank_limit = m->rank_limit;
    }
    return WF_OK;
}

static enum wf_code read_shares(const request_msg *m, const struct wire_place *at,
                                struct wire_recommend_request *rq)
{
    if (m->target_recall_presence_case) {
        WIRE_TRY(wire_check_share(at, "target_recall", (double)m->target_recall));
        if (!(m->target_recall > 0)) {
            return wire_bad(at, "OUT_OF_RANGE", "target_recall", "%g, over 0 and at most 1 allowed",
                            (double)m->target_recall);
        }
        rq->target_recall = m->target_recall;
    }
    if (m->min_coverage_presence_case) {
        WIRE_TRY(wire_check_share(at, "min_coverage", (double)m->min_coverage));
        rq->min_coverage = m->min_coverage;
    }
    return WF_OK;
}

static enum wf_code read_effort(const request_msg *m, const struct wire_place *at,
                                struct wire_recommend_request *rq)
{
    const Weft__V1__Effort *e = m->effort;
    if (!e) {
        return WF_OK;
    }
    if (!e->kind_case) {
        return wire_bad(at, "MISSING", "effort", "none of nprobe and ef_search is set");
    }
    bool lists = e->kind_case == WEFT__V1__EFFORT__KIND_NPROBE;
    uint32_t value = lists ? e->nprobe : e->ef_search;
    WIRE_TRY(wire_check_range(at, lists ? "effort.nprobe" : "effort.ef_search", value, 1,
                              WIRE_EFFORT_MAX));
    if (rq->exact) {
        return wire_bad(at, "CONFLICT", "effort", "%u together with exact, which has no effort",
                        value);
    }
    if (rq->target_recall > 0) {
        return wire_bad(at, "CONFLICT", "effort", "%u together with target_recall %g", value,
                        (double)rq->target_recall);
    }
    rq->effort =
        (struct wire_effort){.kind = lists ? WIRE_EFFORT_NPROBE : WIRE_EFFORT_EF, .value = value};
    return WF_OK;
}

static enum wf_code read_names(const request_msg *m, const struct wire_place *at,
                               struct wire_recommend_request *rq)
{
    const char *filter = m->filter_presence_case ? m->filter : NULL;
    WIRE_TRY(wire_check_text(at, "request_id", m->request_id, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(at, "surface", m->surface, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(at, "filter", filter, WIRE_FILTER_MAX));
    WIRE_TRY(wire_check_count(at, "attributes", m->n_attributes, 0, WIRE_ATTRIBUTES_MAX));
    WIRE_TRY(wire_check_ids(at, "attributes", m->attributes, m->n_attributes));
    rq->request_id = wire_str(m->request_id);
    rq->surface = wire_str(m->surface);
    rq->filter = wire_str(filter);
    rq->attributes = (const char *const *)m->attributes;
    rq->n_attributes = (uint32_t)m->n_attributes;
    if (m->context) {
        WIRE_TRY(wire_check_text(at, "context.segment", m->context->segment, WIRE_TEXT_MAX));
        WIRE_TRY(wire_check_text(at, "context.user", m->context->user, WIRE_ID_MAX));
        rq->segment = wire_str(m->context->segment);
        rq->context_user = wire_str(m->context->user);
    }
    return WF_OK;
}

static enum wf_code read_exclude(const request_msg *m, struct wf_error *err,
                                 struct wire_recommend_request *rq)
{
    struct wire_place at = wire_place(err, "exclude.");
    const Weft__V1__Exclusions *e = m->exclude;
    if (!e) {
        return WF_OK;
    }
    if (e->kind_case == WEFT__V1__EXCLUSIONS__KIND_HANDLE) {
        rq->exclude_handle = wire_str(e->handle);
        return wire_check_id(&at, "handle", e->handle, WIRE_ID_MAX);
    }
    if (e->kind_case != WEFT__V1__EXCLUSIONS__KIND_HASHES) {
        at = wire_place(err, "");
        return wire_bad(&at, "MISSING", "exclude", "none of hashes and handle is set");
    }
    struct wire_exclusions list;
    WIRE_TRY(wire_read_hashes(&e->hashes->base, &at, &list));
    rq->exclude = list.hashes;
    rq->n_exclude = list.n;
    return WF_OK;
}

static enum wf_code read_group(const request_msg *m, struct wf_error *err,
                               struct wire_recommend_request *rq)
{
    const struct wire_place at = wire_place(err, "group_by.");
    const Weft__V1__GroupBy *g = m->group_by;
    if (!g) {
        return WF_OK;
    }
    WIRE_TRY(wire_check_id(&at, "attribute", g->attribute, WIRE_ID_MAX));
    rq->group_by = g->attribute;
    rq->group_max = g->max_presence_case ? g->max : 1;
    return wire_check_range(&at, "max", rq->group_max, 1, WIRE_GROUP_MAX);
}

/* Disliked vectors, one after another: all of one size. */
static enum wf_code read_negative_vectors(const Weft__V1__Negatives *m, const struct wire_place *at,
                                          struct wf_arena *arena, struct wire_recommend_request *rq)
{
    if (!m->n_vectors) {
        return WF_OK;
    }
    const size_t dim = m->vectors[0]->n_values;
    for (size_t i = 0; i < m->n_vectors; i++) {
        const Weft__V1__NegativeVector *v = m->vectors[i];
        struct wire_place in = wire_place_in(at, "vectors", i);
        WIRE_TRY(wire_check_vector(&in, "values", v->values, v->n_values));
        if (v->n_values != dim) {
            return wire_bad(&in, "DIMENSION", "values", "%zu numbers, the first vector has %zu",
                            v->n_values, dim);
        }
    }
    float *all = wf_arena_alloc64(arena, m->n_vectors * dim * sizeof *all);
    if (!all) {
        return wire_full(at->err, arena);
    }
    for (size_t i = 0; i < m->n_vectors; i++) {
        memcpy(all + i * dim, m->vectors[i]->values, dim * sizeof *all);
    }
    rq->negative_vectors = all;
    rq->n_negative_vectors = (uint32_t)m->n_vectors;
    rq->negative_dim = (uint32_t)dim;
    return WF_OK;
}

static enum wf_code read_negatives(const request_msg *m, struct wf_arena *arena,
                                   struct wf_error *err, struct wire_recommend_request *rq)
{
    const struct wire_place at = wire_place(err, "negatives.");
    const Weft__V1__Negatives *n = m->negatives;
    if (!n) {
        return WF_OK;
    }
    const int mode = (int)n->mode;
    if (mode < 0 || mode > WIRE_NEGATIVE_BEST_MINUS_WORST) {
        return wire_bad(&at, "UNKNOWN_VALUE", "mode", "%d, known are 1 to %d", mode,
                        WIRE_NEGATIVE_BEST_MINUS_WORST);
    }
    WIRE_TRY(wire_check_count(&at, n->n_vectors ? "vectors" : "skus", n->n_skus + n->n_vectors, 1,
                              WIRE_NEGATIVES_MAX));
    WIRE_TRY(wire_check_ids(&at, "skus", n->skus, n->n_skus));
    WIRE_TRY(read_negative_vectors(n, &at, arena, rq));
    if (rq->subject == WIRE_SUBJECT_NONE) {
        const struct wire_place top = wire_place(err, "");
        return wire_bad(&top, "CONFLICT", "negatives",
                        "%zu disliked without a subject to weigh them against",
                        n->n_skus + n->n_vectors);
    }
    rq->negative_mode = mode ? (enum wire_negative_mode)mode : WIRE_NEGATIVE_SUBTRACT;
    rq->negative_weight = n->weight_presence_case ? n->weight : 0.5F;
    rq->negative_skus = (const char *const *)n->skus;
    rq->n_negative_skus = (uint32_t)n->n_skus;
    return wire_check_weight(&at, "weight", rq->negative_weight);
}

enum wf_code wire_recommend_request_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                         struct wire_recommend_request *out, struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__v1__recommend_request__descriptor);
    const request_msg *m = (const request_msg *)msg;
    struct wire_place at = {.err = err};
    struct wire_recommend_request rq = {
        .space = "",
        .content_id = "",
        .id = "",
        .segment = "",
        .context_user = "",
        .exclude_handle = "",
        .group_by = "",
        .exact = m->exact,
        .explain = m->explain,
        .seed = m->seed_presence_case ? m->seed : 0,
    };
    WIRE_TRY(read_names(m, &at, &rq));
    WIRE_TRY(read_subject(m, err, &rq));
    WIRE_TRY(read_counts(m, &at, &rq));
    WIRE_TRY(read_shares(m, &at, &rq));
    WIRE_TRY(read_effort(m, &at, &rq));
    WIRE_TRY(read_exclude(m, err, &rq));
    WIRE_TRY(read_group(m, err, &rq));
    WIRE_TRY(read_negatives(m, arena, err, &rq));
    *out = rq;
    return WF_OK;
}

/* ---- building ---- */

static bool build_list_subject(const struct wire_recommend_request *rq, struct wf_arena *arena,
                               request_msg *m)
{
    if (rq->subject == WIRE_SUBJECT_ITEMS) {
        Weft__V1__ItemsSubject *s = wire_new(arena, &weft__v1__items_subject__descriptor);
        if (s) {
            s->skus = wire_borrow_list(rq->skus);
            s->n_skus = rq->n_skus;
        }
        m->subject_case = WEFT__V1__RECOMMEND_REQUEST__SUBJECT_ITEMS;
        m->items = s;
        return s;
    }
    Weft__V1__SessionSubject *s = wire_new(arena, &weft__v1__session_subject__descriptor);
    if (s) {
        s->skus = wire_borrow_list(rq->skus);
        s->n_skus = rq->n_skus;
    }
    m->subject_case = WEFT__V1__RECOMMEND_REQUEST__SUBJECT_SESSION;
    m->session = s;
    return s;
}

static bool build_id_subject(const struct wire_recommend_request *rq, struct wf_arena *arena,
                             request_msg *m)
{
    if (rq->subject == WIRE_SUBJECT_USER) {
        Weft__V1__UserSubject *s = wire_new(arena, &weft__v1__user_subject__descriptor);
        if (s) {
            s->id = wire_borrow(rq->id);
        }
        m->subject_case = WEFT__V1__RECOMMEND_REQUEST__SUBJECT_USER;
        m->user = s;
        return s;
    }
    Weft__V1__TextSubject *s = wire_new(arena, &weft__v1__text_subject__descriptor);
    if (s) {
        s->text = wire_borrow(rq->id);
    }
    m->subject_case = WEFT__V1__RECOMMEND_REQUEST__SUBJECT_TEXT;
    m->text = s;
    return s;
}

static bool build_vector_subject(const struct wire_recommend_request *rq, struct wf_arena *arena,
                                 request_msg *m)
{
    Weft__V1__VectorSubject *s = wire_new(arena, &weft__v1__vector_subject__descriptor);
    if (!s) {
        return false;
    }
    s->space = wire_borrow(rq->space);
    s->content_id = wire_borrow(rq->content_id);
    s->values = (float *)rq->vector;
    s->n_values = rq->dim;
    m->subject_case = WEFT__V1__RECOMMEND_REQUEST__SUBJECT_VECTOR;
    m->vector = s;
    return true;
}

static bool build_subject(const struct wire_recommend_request *rq, struct wf_arena *arena,
                          request_msg *m)
{
    switch (rq->subject) {
    case WIRE_SUBJECT_NONE:
        return true;
    case WIRE_SUBJECT_VECTOR:
        return build_vector_subject(rq, arena, m);
    case WIRE_SUBJECT_USER:
    case WIRE_SUBJECT_TEXT:
        return build_id_subject(rq, arena, m);
    case WIRE_SUBJECT_ITEMS:
    case WIRE_SUBJECT_SESSION:
        return build_list_subject(rq, arena, m);
    }
    return false;
}

static bool build_effort(const struct wire_effort *effort, struct wf_arena *arena, request_msg *m)
{
    if (effort->kind == WIRE_EFFORT_DEFAULT || effort->kind == WIRE_EFFORT_EXACT) {
        m->exact = m->exact || effort->kind == WIRE_EFFORT_EXACT;
        return true;
    }
    m->effort = wire_new(arena, &weft__v1__effort__descriptor);
    if (!m->effort) {
        return false;
    }
    if (effort->kind == WIRE_EFFORT_NPROBE) {
        m->effort->kind_case = WEFT__V1__EFFORT__KIND_NPROBE;
        m->effort->nprobe = effort->value;
    } else {
        m->effort->kind_case = WEFT__V1__EFFORT__KIND_EF_SEARCH;
        m->effort->ef_search = effort->value;
    }
    return true;
}

static bool build_context(const struct wire_recommend_request *rq, struct wf_arena *arena,
                          request_msg *m)
{
    if (!*wire_str(rq->segment) && !*wire_str(rq->context_user)) {
        return true;
    }
    m->context = wire_new(arena, &weft__v1__context__descriptor);
    if (!m->context) {
        return false;
    }
    m->context->segment = wire_borrow(rq->segment);
    m->context->user = wire_borrow(rq->context_user);
    return true;
}

/* Fields whose absence means something; 0 and "" stand for absent in the struct. */
static void build_optional(const struct wire_recommend_request *rq, request_msg *m)
{
    if (rq->k) {
        m->k_presence_case = WEFT__V1__RECOMMEND_REQUEST__K_PRESENCE_K;
        m->k = rq->k;
    }
    if (rq->timeout_ms) {
        m->timeout_ms_presence_case = WEFT__V1__RECOMMEND_REQUEST__TIMEOUT_MS_PRESENCE_TIMEOUT_MS;
        m->timeout_ms = rq->timeout_ms;
    }
    if (*wire_str(rq->filter)) {
        m->filter_presence_case = WEFT__V1__RECOMMEND_REQUEST__FILTER_PRESENCE_FILTER;
        m->filter = wire_borrow(rq->filter);
    }
    if (rq->target_recall != 0) {
        m->target_recall_presence_case =
            WEFT__V1__RECOMMEND_REQUEST__TARGET_RECALL_PRESENCE_TARGET_RECALL;
        m->target_recall = rq->target_recall;
    }
    if (rq->rank_limit) {
        m->rank_limit_presence_case = WEFT__V1__RECOMMEND_REQUEST__RANK_LIMIT_PRESENCE_RANK_LIMIT;
        m->rank_limit = rq->rank_limit;
    }
    if (rq->min_coverage != 0) {
        m->min_coverage_presence_case =
            WEFT__V1__RECOMMEND_REQUEST__MIN_COVERAGE_PRESENCE_MIN_COVERAGE;
        m->min_coverage = rq->min_coverage;
    }
    if (rq->seed) {
        m->seed_presence_case = WEFT__V1__RECOMMEND_REQUEST__SEED_PRESENCE_SEED;
        m->seed = rq->seed;
    }
}

static bool build_exclude(const struct wire_recommend_request *rq, struct wf_arena *arena,
                          request_msg *m)
{
    const char *handle = wire_str(rq->exclude_handle);
    if (!rq->n_exclude && !*handle) {
        return true;
    }
    m->exclude = wire_new(arena, &weft__v1__exclusions__descriptor);
    if (!m->exclude) {
        return false;
    }
    if (*handle) {
        m->exclude->kind_case = WEFT__V1__EXCLUSIONS__KIND_HANDLE;
        m->exclude->handle = wire_borrow(handle);
        return true;
    }
    m->exclude->kind_case = WEFT__V1__EXCLUSIONS__KIND_HASHES;
    m->exclude->hashes =
        (Weft__V1__SkuHashes *)wire_hashes_message(rq->exclude, rq->n_exclude, arena);
    return m->exclude->hashes;
}

static bool build_group(const struct wire_recommend_request *rq, struct wf_arena *arena,
                        request_msg *m)
{
    if (!*wire_str(rq->group_by)) {
        return true;
    }
    m->group_by = wire_new(arena, &weft__v1__group_by__descriptor);
    if (!m->group_by) {
        return false;
    }
    m->group_by->attribute = wire_borrow(rq->group_by);
    m->group_by->max_presence_case = WEFT__V1__GROUP_BY__MAX_PRESENCE_MAX;
    m->group_by->max = rq->group_max;
    return true;
}

static bool build_negatives(const struct wire_recommend_request *rq, struct wf_arena *arena,
                            request_msg *m)
{
    if (!rq->n_negative_skus && !rq->n_negative_vectors) {
        return true;
    }
    Weft__V1__Negatives *n = wire_new(arena, &weft__v1__negatives__descriptor);
    Weft__V1__NegativeVector **vectors =
        wf_array(arena, Weft__V1__NegativeVector *, rq->n_negative_vectors);
    if (!n || !vectors) {
        return false;
    }
    n->skus = wire_borrow_list(rq->negative_skus);
    n->n_skus = rq->n_negative_skus;
    n->vectors = vectors;
    n->n_vectors = rq->n_negative_vectors;
    n->mode = (Weft__V1__NegativeMode)rq->negative_mode;
    n->weight_presence_case = WEFT__V1__NEGATIVES__WEIGHT_PRESENCE_WEIGHT;
    n->weight = rq->negative_weight;
    for (uint32_t i = 0; i < rq->n_negative_vectors; i++) {
        vectors[i] = wire_new(arena, &weft__v1__negative_vector__descriptor);
        if (!vectors[i]) {
            return false;
        }
        vectors[i]->values = (float *)rq->negative_vectors + (size_t)i * rq->negative_dim;
        vectors[i]->n_values = rq->negative_dim;
    }
    m->negatives = n;
    return true;
}

const ProtobufCMessage *wire_recommend_request_message(const struct wire_recommend_request *rq,
                                                       struct wf_arena *arena)
{
    request_msg *m = wire_new(arena, &weft__v1__recommend_request__descriptor);
    if (!m) {
        return NULL;
    }
    m->request_id = wire_borrow(rq->request_id);
    m->surface = wire_borrow(rq->surface);
    m->exact = rq->exact;
    m->explain = rq->explain;
    m->attributes = wire_borrow_list(rq->attributes);
    m->n_attributes = rq->n_attributes;
    build_optional(rq, m);
    bool whole = build_subject(rq, arena, m) && build_effort(&rq->effort, arena, m) &&
                 build_context(rq, arena, m) && build_exclude(rq, arena, m) &&
                 build_group(rq, arena, m) && build_negatives(rq, arena, m);
    return whole ? &m->base : NULL;
}

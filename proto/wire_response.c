/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_response.c - weft.v1.RecommendResponse, both ways, and the words for its enums.
 *
 * A reader tolerates what a newer coordinator may add: unknown degraded reasons are left out,
 * unknown states and sources are kept as numbers that name themselves "unknown". Everything else
 * that is not as the proto says is GARBAGE.
 */
#include "proto/wire.h"

#include <string.h>

#include "proto/wire_check.h"
#include "proto/wire_parts.h"
#include "weft/v1/recommend.pb-c.h"

/* ---- words ---- */

static const char *word_of(const char *const *words, size_t n, unsigned i)
{
    return i < n && words[i] ? words[i] : "unknown";
}

const char *wire_shard_state_name(enum wire_shard_state s)
{
    static const char *const words[] = {
        [WIRE_SHARD_OK] = "ok",           [WIRE_SHARD_PARTIAL] = "partial",
        [WIRE_SHARD_TIMEOUT] = "timeout", [WIRE_SHARD_DOWN] = "down",
        [WIRE_SHARD_FAILED] = "failed",   [WIRE_SHARD_NO_GENERATION] = "no_generation",
    };
    return word_of(words, sizeof words / sizeof words[0], (unsigned)s);
}

const char *wire_degraded_name(enum wire_degraded d)
{
    static const char *const words[] = {
        [WIRE_SHARD_TIMEOUT_REASON] = "SHARD_TIMEOUT",
        [WIRE_SHARD_DOWN_REASON] = "SHARD_DOWN",
        [WIRE_SHARD_FAILED_REASON] = "SHARD_FAILED",
        [WIRE_SHARD_PARTIAL_REASON] = "SHARD_PARTIAL",
        [WIRE_UNKNOWN_SUBJECT] = "UNKNOWN_SUBJECT",
        [WIRE_UNKNOWN_ITEM] = "UNKNOWN_ITEM",
        [WIRE_NO_RANKER] = "NO_RANKER",
        [WIRE_NO_MMR] = "NO_MMR",
        [WIRE_DEADLINE] = "DEADLINE",
        [WIRE_FEATURE_MISSING] = "FEATURE_MISSING",
        [WIRE_FALLBACK] = "FALLBACK",
    };
    return word_of(words, sizeof words / sizeof words[0], (unsigned)d);
}

const char *wire_source_name(enum wire_source s)
{
    static const char *const words[] = {
        [WIRE_SOURCE_VECTOR] = "vector",
        [WIRE_SOURCE_PROFILE] = "profile",
        [WIRE_SOURCE_ITEM] = "item",
        [WIRE_SOURCE_SESSION] = "session",
        [WIRE_SOURCE_POPULARITY] = "popularity",
    };
    return word_of(words, sizeof words / sizeof words[0], (unsigned)s);
}

/* ---- reading ---- */

static enum wf_code read_attribute(const Weft__V1__Attribute *m, const struct wire_place *at,
                                   struct wire_attribute *out)
{
    WIRE_TRY(wire_check_id(at, "name", m->name, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(at, "role", m->role, WIRE_ID_MAX));
    out->name = m->name;
    out->role = wire_str(m->role);
    out->text = "";
    switch (m->value_case) {
    case WEFT__V1__ATTRIBUTE__VALUE_TEXT:
        out->kind = WIRE_TEXT;
        out->text = wire_str(m->text);
        return wire_check_text(at, "text", m->text, SIZE_MAX);
    case WEFT__V1__ATTRIBUTE__VALUE_NUMBER:
        out->kind = WIRE_NUMBER;
        out->number = m->number;
        return WF_OK;
    case WEFT__V1__ATTRIBUTE__VALUE_FLAG:
        out->kind = WIRE_FLAG;
        out->flag = m->flag;
        return WF_OK;
    case WEFT__V1__ATTRIBUTE__VALUE__NOT_SET:
    case _WEFT__V1__ATTRIBUTE__VALUE__CASE_IS_INT_SIZE:
        break;
    }
    return wire_bad(at, "MISSING", "value", "none of text, number and flag is set");
}

static enum wf_code read_attributes(const Weft__V1__Hit *m, const struct wire_place *at,
                                    struct wf_arena *arena, struct wire_hit *out)
{
    WIRE_TRY(wire_check_count(at, "attributes", m->n_attributes, 0, WIRE_ATTRIBUTES_MAX));
    out->n_attributes = (uint32_t)m->n_attributes;
    out->attributes = wf_array(arena, struct wire_attribute, m->n_attributes);
    if (!out->attributes) {
        return wire_full(at->err, arena);
    }
    for (size_t i = 0; i < m->n_attributes; i++) {
        struct wire_place in = wire_place_in(at, "attributes", i);
        WIRE_TRY(read_attribute(m->attributes[i], &in, &out->attributes[i]));
    }
    return WF_OK;
}

static enum wf_code read_contributions(const Weft__V1__Hit *m, const struct wire_place *at,
                                       struct wf_arena *arena, struct wire_hit *out)
{
    WIRE_TRY(wire_check_count(at, "contributions", m->n_contributions, 0, WIRE_FEATURES_MAX + 1));
    out->n_contributions = (uint32_t)m->n_contributions;
    out->contributions = wf_array(arena, struct wire_contribution, m->n_contributions);
    if (!out->contributions) {
        return wire_full(at->err, arena);
    }
    for (size_t i = 0; i < m->n_contributions; i++) {
        const Weft__V1__Contribution *c = m->contributions[i];
        struct wire_place in = wire_place_in(at, "contributions", i);
        WIRE_TRY(wire_check_id(&in, "feature", c->feature, WIRE_ID_MAX));
        out->contributions[i] = (struct wire_contribution){c->feature, c->value};
    }
    return WF_OK;
}

static enum wf_code read_why(const Weft__V1__Why *m, const struct wire_place *at,
                             struct wire_hit *out)
{
    out->item = "";
    out->segment = "";
    if (!m) {
        return WF_OK;
    }
    WIRE_TRY(wire_check_text(at, "why.item", m->item, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(at, "why.segment", m->segment, WIRE_TEXT_MAX));
    WIRE_TRY(wire_check_count(at, "why.shared", m->n_shared, 0, WIRE_ATTRIBUTES_MAX));
    for (size_t i = 0; i < m->n_shared; i++) {
        WIRE_TRY(wire_check_text(at, "why.shared", m->shared[i], SIZE_MAX));
    }
    out->has_why = true;
    out->source = (enum wire_source)m->source;
    out->similarity = m->similarity;
    out->item = wire_str(m->item);
    out->segment = wire_str(m->segment);
    out->shared = (const char *const *)m->shared;
    out->n_shared = (uint32_t)m->n_shared;
    return WF_OK;
}

static enum wf_code read_hit(const Weft__V1__Hit *m, const struct wire_place *at,
                             struct wf_arena *arena, struct wire_hit *out)
{
    WIRE_TRY(wire_check_id(at, "sku", m->sku, WIRE_ID_MAX));
    WIRE_TRY(wire_check_finite(at, "score", &m->score, 1));
    WIRE_TRY(wire_check_finite(at, "retrieval_score", &m->retrieval_score, 1));
    out->sku = m->sku;
    out->score = m->score;
    out->retrieval_score = m->retrieval_score;
    out->rank = m->rank;
    if (m->rank_score_presence_case) {
        WIRE_TRY(wire_check_finite(at, "rank_score", &m->rank_score, 1));
        out->has_rank_score = true;
        out->rank_score = m->rank_score;
    }
    WIRE_TRY(read_attributes(m, at, arena, out));
    WIRE_TRY(read_contributions(m, at, arena, out));
    return read_why(m->why, at, out);
}

static enum wf_code read_hits(const Weft__V1__RecommendResponse *m, const struct wire_place *at,
                              struct wf_arena *arena, struct wire_recommend_response *out)
{
    WIRE_TRY(wire_check_count(at, "hits", m->n_hits, 0, WIRE_K_MAX));
    out->n_hits = (uint32_t)m->n_hits;
    out->hits = wf_array(arena, struct wire_hit, m->n_hits);
    if (!out->hits) {
        return wire_full(at->err, arena);
    }
    for (uint32_t i = 0; i < out->n_hits; i++) {
        struct wire_place in = wire_place_in(at, "hits", i);
        WIRE_TRY(wire_check_range(&in, "rank", m->hits[i]->rank, i + 1, i + 1));
        WIRE_TRY(read_hit(m->hits[i], &in, arena, &out->hits[i]));
    }
    return WF_OK;
}

static enum wf_code read_shards(const Weft__V1__Coverage *m, const struct wire_place *at,
                                struct wf_arena *arena, struct wire_coverage *out)
{
    WIRE_TRY(wire_check_count(at, "shards", m->n_shards, 0, WIRE_REPEATED_MAX));
    out->n_shards = (uint32_t)m->n_shards;
    out->shards = wf_array(arena, struct wire_shard_coverage, m->n_shards);
    if (!out->shards) {
        return wire_full(at->err, arena);
    }
    for (size_t i = 0; i < m->n_shards; i++) {
        const Weft__V1__ShardCoverage *s = m->shards[i];
        struct wire_place in = wire_place_in(at, "shards", i);
        WIRE_TRY(wire_check_text(&in, "generation", s->generation, WIRE_ID_MAX));
        if (!s->state) {
            return wire_bad(&in, "MISSING", "state", "unspecified");
        }
        out->shards[i] = (struct wire_shard_coverage){
            .shard = s->shard,
            .replica = s->replica,
            .state = (enum wire_shard_state)s->state,
            .documents = s->documents,
            .scanned = s->scanned,
            .micros = s->micros,
            .hedged = s->hedged,
            .generation = wire_str(s->generation),
        };
    }
    return WF_OK;
}

static enum wf_code read_coverage(const Weft__V1__Coverage *m, struct wf_error *err,
                                  struct wf_arena *arena, struct wire_coverage *out)
{
    if (!m) {
        return WF_OK;
    }
    struct wire_place at = wire_place(err, "coverage.");
    WIRE_TRY(wire_check_share(&at, "ratio", m->ratio));
    out->documents = m->documents;
    out->searched = m->searched;
    out->scanned = m->scanned;
    out->matched = m->matched;
    out->ratio = m->ratio;
    return read_shards(m, &at, arena, out);
}

static enum wf_code read_versions(const Weft__V1__Versions *m, struct wf_error *err,
                                  struct wire_recommend_response *out)
{
    out->generation = out->model = out->rules = out->space = "";
    if (!m) {
        return WF_OK;
    }
    struct wire_place at = wire_place(err, "versions.");
    WIRE_TRY(wire_check_text(&at, "generation", m->generation, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(&at, "model", m->model, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(&at, "rules", m->rules, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(&at, "space", m->space, WIRE_ID_MAX));
    out->generation = wire_str(m->generation);
    out->model = wire_str(m->model);
    out->rules = wire_str(m->rules);
    out->space = wire_str(m->space);
    return WF_OK;
}

static enum wf_code read_summary(const Weft__V1__RecommendResponse *m, const struct wire_place *at,
                                 struct wire_recommend_response *out)
{
    WIRE_TRY(wire_check_text(at, "request_id", m->request_id, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(at, "fallback", m->fallback, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(at, "surface", m->surface, WIRE_ID_MAX));
    out->request_id = wire_str(m->request_id);
    out->fallback = wire_str(m->fallback);
    out->surface = wire_str(m->surface);
    for (size_t i = 0; i < m->n_degraded; i++) {
        unsigned reason = (unsigned)m->degraded[i];
        if (!reason) {
            return wire_bad_element(at, "MISSING", "degraded", i, "unspecified");
        }
        out->degraded |= reason < WIRE_N_DEGRADED ? UINT32_C(1) << reason : 0;
    }
    const Weft__V1__Timings *t = m->timings;
    if (t) {
        out->timings = (struct wire_timings){t->queue, t->resolve,   t->gather, t->merge,
                                             t->rank,  t->diversify, t->total};
    }
    return WF_OK;
}

enum wf_code wire_read_response(const ProtobufCMessage *msg, const char *path,
                                struct wf_arena *arena, struct wire_recommend_response *out,
                                struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__v1__recommend_response__descriptor);
    const Weft__V1__RecommendResponse *m = (const Weft__V1__RecommendResponse *)msg;
    struct wire_place at = wire_place(err, path);
    struct wire_recommend_response reply = {0};
    WIRE_TRY(read_summary(m, &at, &reply));
    WIRE_TRY(read_hits(m, &at, arena, &reply));
    WIRE_TRY(read_coverage(m->coverage, err, arena, &reply.coverage));
    WIRE_TRY(read_versions(m->versions, err, &reply));
    *out = reply;
    return WF_OK;
}

enum wf_code wire_recommend_response_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                          struct wire_recommend_response *out, struct wf_error *err)
{
    return wire_as_garbage(wire_read_response(msg, "", arena, out, err), err);
}

/* ---- building ---- */

static bool build_attributes(const struct wire_hit *hit, struct wf_arena *arena, Weft__V1__Hit *m)
{
    m->n_attributes = hit->n_attributes;
    m->attributes = wf_array(arena, Weft__V1__Attribute *, hit->n_attributes);
    for (uint32_t i = 0; m->attributes && i < hit->n_attributes; i++) {
        const struct wire_attribute *a = &hit->attributes[i];
        Weft__V1__Attribute *to = wire_new(arena, &weft__v1__attribute__descriptor);
        if (!to) {
            return false;
        }
        m->attributes[i] = to;
        to->name = wire_borrow(a->name);
        to->role = wire_borrow(a->role);
        switch (a->kind) {
        case WIRE_TEXT:
            to->value_case = WEFT__V1__ATTRIBUTE__VALUE_TEXT;
            to->text = wire_borrow(a->text);
            break;
        case WIRE_NUMBER:
            to->value_case = WEFT__V1__ATTRIBUTE__VALUE_NUMBER;
            to->number = a->number;
            break;
        case WIRE_FLAG:
            to->value_case = WEFT__V1__ATTRIBUTE__VALUE_FLAG;
            to->flag = a->flag;
            break;
        }
    }
    return m->attributes;
}

static bool build_contributions(const struct wire_hit *hit, struct wf_arena *arena,
                                Weft__V1__Hit *m)
{
    m->n_contributions = hit->n_contributions;
    m->contributions = wf_array(arena, Weft__V1__Contribution *, hit->n_contributions);
    for (uint32_t i = 0; m->contributions && i < hit->n_contributions; i++) {
        Weft__V1__Contribution *to = wire_new(arena, &weft__v1__contribution__descriptor);
        if (!to) {
            return false;
        }
        m->contributions[i] = to;
        to->feature = wire_borrow(hit->contributions[i].feature);
        to->value = hit->contributions[i].value;
    }
    return m->contributions;
}

static bool build_why(const struct wire_hit *hit, struct wf_arena *arena, Weft__V1__Hit *m)
{
    if (!hit->has_why) {
        return true;
    }
    m->why = wire_new(arena, &weft__v1__why__descriptor);
    if (!m->why) {
        return false;
    }
    m->why->source = (Weft__V1__Source)hit->source;
    m->why->similarity = hit->similarity;
    m->why->item = wire_borrow(hit->item);
    m->why->segment = wire_borrow(hit->segment);
    m->why->shared = wire_borrow_list(hit->shared);
    m->why->n_shared = hit->n_shared;
    return true;
}

static Weft__V1__Hit *build_hit(const struct wire_hit *hit, struct wf_arena *arena)
{
    Weft__V1__Hit *m = wire_new(arena, &weft__v1__hit__descriptor);
    if (!m) {
        return NULL;
    }
    m->sku = wire_borrow(hit->sku);
    m->score = hit->score;
    m->retrieval_score = hit->retrieval_score;
    m->rank = hit->rank;
    if (hit->has_rank_score) {
        m->rank_score_presence_case = WEFT__V1__HIT__RANK_SCORE_PRESENCE_RANK_SCORE;
        m->rank_score = hit->rank_score;
    }
    bool whole = (!hit->n_attributes || build_attributes(hit, arena, m)) &&
                 (!hit->n_contributions || build_contributions(hit, arena, m)) &&
                 build_why(hit, arena, m);
    return whole ? m : NULL;
}

static bool build_hits(const struct wire_recommend_response *reply, struct wf_arena *arena,
                       Weft__V1__RecommendResponse *m)
{
    m->n_hits = reply->n_hits;
    m->hits = wf_array(arena, Weft__V1__Hit *, reply->n_hits);
    for (uint32_t i = 0; m->hits && i < reply->n_hits; i++) {
        m->hits[i] = build_hit(&reply->hits[i], arena);
        if (!m->hits[i]) {
            return false;
        }
    }
    return m->hits;
}

static bool build_coverage(const struct wire_coverage *c, struct wf_arena *arena,
                           Weft__V1__RecommendResponse *reply)
{
    Weft__V1__Coverage *m = wire_new(arena, &weft__v1__coverage__descriptor);
    Weft__V1__ShardCoverage **shards = wf_array(arena, Weft__V1__ShardCoverage *, c->n_shards);
    if (!m || !shards) {
        return false;
    }
    m->documents = c->documents;
    m->searched = c->searched;
    m->scanned = c->scanned;
    m->matched = c->matched;
    m->ratio = c->ratio;
    m->shards = shards;
    m->n_shards = c->n_shards;
    for (uint32_t i = 0; i < c->n_shards; i++) {
        const struct wire_shard_coverage *s = &c->shards[i];
        Weft__V1__ShardCoverage *to = wire_new(arena, &weft__v1__shard_coverage__descriptor);
        if (!to) {
            return false;
        }
        shards[i] = to;
        to->shard = s->shard;
        to->replica = s->replica;
        to->state = (Weft__V1__ShardState)s->state;
        to->documents = s->documents;
        to->scanned = s->scanned;
        to->micros = s->micros;
        to->hedged = s->hedged;
        to->generation = wire_borrow(s->generation);
    }
    reply->coverage = m;
    return true;
}

static bool build_degraded(uint32_t degraded, struct wf_arena *arena,
                           Weft__V1__RecommendResponse *m)
{
    m->degraded = wf_array(arena, Weft__V1__DegradedReason, WIRE_N_DEGRADED);
    for (unsigned i = 1; m->degraded && i < WIRE_N_DEGRADED; i++) {
        if (degraded & UINT32_C(1) << i) {
            m->degraded[m->n_degraded++] = (Weft__V1__DegradedReason)i;
        }
    }
    return m->degraded;
}

static bool build_summary(const struct wire_recommend_response *reply, struct wf_arena *arena,
                          Weft__V1__RecommendResponse *m)
{
    Weft__V1__Versions *v = wire_new(arena, &weft__v1__versions__descriptor);
    Weft__V1__Timings *t = wire_new(arena, &weft__v1__timings__descriptor);
    if (!v || !t) {
        return false;
    }
    m->request_id = wire_borrow(reply->request_id);
    m->fallback = wire_borrow(reply->fallback);
    m->surface = wire_borrow(reply->surface);
    v->generation = wire_borrow(reply->generation);
    v->model = wire_borrow(reply->model);
    v->rules = wire_borrow(reply->rules);
    v->space = wire_borrow(reply->space);
    t->queue = reply->timings.queue;
    t->resolve = reply->timings.resolve;
    t->gather = reply->timings.gather;
    t->merge = reply->timings.merge;
    t->rank = reply->timings.rank;
    t->diversify = reply->timings.diversify;
    t->total = reply->timings.total;
    m->versions = v;
    m->timings = t;
    return true;
}

const ProtobufCMessage *wire_recommend_response_message(const struct wire_recommend_response *reply,
                                                        struct wf_arena *arena)
{
    Weft__V1__RecommendResponse *m = wire_new(arena, &weft__v1__recommend_response__descriptor);
    bool whole = m && build_summary(reply, arena, m) && build_hits(reply, arena, m) &&
                 build_coverage(&reply->coverage, arena, m) &&
                 build_degraded(reply->degraded, arena, m);
    return whole ? &m->base : NULL;
}

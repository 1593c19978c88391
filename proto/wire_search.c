/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_search.c - weft.internal.v1.Search, both ways. The columns of a reply are in wire_columns.c.
 */
#include "proto/wire.h"

#include <string.h>

#include "proto/wire_check.h"
#include "proto/wire_parts.h"
#include "weft/internal/v1/shard.pb-c.h"

typedef Weft__Internal__V1__SearchRequest request_msg;
typedef Weft__Internal__V1__SearchResponse response_msg;
typedef Weft__Internal__V1__Probe probe_msg;
typedef Weft__Internal__V1__Lookup lookup_msg;

/* ---- request, reading ---- */

static enum wf_code read_effort(const probe_msg *m, const struct wire_place *at,
                                struct wire_effort *out)
{
    switch (m->effort_case) {
    case WEFT__INTERNAL__V1__PROBE__EFFORT_NPROBE:
        *out = (struct wire_effort){.kind = WIRE_EFFORT_NPROBE, .value = m->nprobe};
        return wire_check_range(at, "nprobe", m->nprobe, 1, WIRE_EFFORT_MAX);
    case WEFT__INTERNAL__V1__PROBE__EFFORT_EF_SEARCH:
        *out = (struct wire_effort){.kind = WIRE_EFFORT_EF, .value = m->ef_search};
        return wire_check_range(at, "ef_search", m->ef_search, 1, WIRE_EFFORT_MAX);
    case WEFT__INTERNAL__V1__PROBE__EFFORT_EXACT:
        *out = (struct wire_effort){.kind = WIRE_EFFORT_EXACT};
        return m->exact ? WF_OK : wire_bad(at, "OUT_OF_RANGE", "exact", "false, true is due");
    case WEFT__INTERNAL__V1__PROBE__EFFORT_TARGET_RECALL:
        *out = (struct wire_effort){.kind = WIRE_EFFORT_RECALL, .recall = m->target_recall};
        if (!(m->target_recall > 0 && m->target_recall <= 1)) {
            return wire_bad(at, "OUT_OF_RANGE", "target_recall", "%g, over 0 to 1 is allowed",
                            (double)m->target_recall);
        }
        return WF_OK;
    case WEFT__INTERNAL__V1__PROBE__EFFORT__NOT_SET:
    case _WEFT__INTERNAL__V1__PROBE__EFFORT__CASE_IS_INT_SIZE:
        break;
    }
    *out = (struct wire_effort){.kind = WIRE_EFFORT_DEFAULT};
    return WF_OK;
}

static enum wf_code read_negatives(const probe_msg *m, const struct wire_place *at,
                                   struct wire_probe *out)
{
    const size_t n = m->n_negatives / m->n_vector;
    if (m->n_negatives % m->n_vector != 0) {
        return wire_bad(at, "DIMENSION", "negatives", "%zu numbers, the vector has %zu",
                        m->n_negatives, m->n_vector);
    }
    WIRE_TRY(wire_check_count(at, "negatives", n, 0, WIRE_NEGATIVES_MAX));
    WIRE_TRY(wire_check_finite(at, "negatives", m->negatives, m->n_negatives));
    out->negatives = n ? m->negatives : NULL;
    out->n_negatives = (uint32_t)n;
    out->negative_weight = m->negative_weight;
    return wire_check_weight(at, "negative_weight", m->negative_weight);
}

static enum wf_code read_probe(const probe_msg *m, const struct wire_place *at,
                               struct wire_probe *out)
{
    WIRE_TRY(wire_check_text(at, "space", m->space, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(at, "content_id", m->content_id, WIRE_ID_MAX));
    WIRE_TRY(wire_check_vector(at, "vector", m->vector, m->n_vector));
    WIRE_TRY(wire_check_range(at, "k", m->k, 1, WIRE_SHARD_K_MAX));
    *out = (struct wire_probe){
        .space = wire_str(m->space),
        .content_id = wire_str(m->content_id),
        .vector = m->vector,
        .dim = (uint32_t)m->n_vector,
        .k = m->k,
    };
    WIRE_TRY(read_effort(m, at, &out->effort));
    return read_negatives(m, at, out);
}

static enum wf_code read_probes(const request_msg *m, const struct wire_place *at,
                                struct wf_arena *arena, struct wire_search_request *rq)
{
    WIRE_TRY(wire_check_count(at, "probes", m->n_probes, 0, WIRE_PROBES_MAX));
    struct wire_probe *probes = wf_array(arena, struct wire_probe, m->n_probes);
    if (!probes) {
        return wire_full(at->err, arena);
    }
    for (size_t i = 0; i < m->n_probes; i++) {
        struct wire_place in = wire_place_in(at, "probes", i);
        WIRE_TRY(read_probe(m->probes[i], &in, &probes[i]));
    }
    rq->probes = probes;
    rq->n_probes = (uint32_t)m->n_probes;
    return WF_OK;
}

static enum wf_code read_lookup(const lookup_msg *m, const struct wire_place *at,
                                struct wire_lookup *out)
{
    if (m->n_skus && m->n_rows) {
        return wire_bad(at, "CONFLICT", "rows", "%zu rows and %zu skus, one of the two is due",
                        m->n_rows, m->n_skus);
    }
    if (!m->n_rows) {
        WIRE_TRY(wire_check_count(at, "skus", m->n_skus, 1, WIRE_LOOKUP_MAX));
        WIRE_TRY(wire_check_ids(at, "skus", m->skus, m->n_skus));
    }
    WIRE_TRY(wire_check_count(at, "rows", m->n_rows, 0, WIRE_LOOKUP_MAX));
    *out = (struct wire_lookup){
        .skus = m->n_skus ? (const char *const *)m->skus : NULL,
        .n_skus = (uint32_t)m->n_skus,
        .rows = m->n_rows ? m->rows : NULL,
        .n_rows = (uint32_t)m->n_rows,
    };
    return WF_OK;
}

static enum wf_code read_lookups(const request_msg *m, const struct wire_place *at,
                                 struct wf_arena *arena, struct wire_search_request *rq)
{
    WIRE_TRY(wire_check_count(at, "lookups", m->n_lookups, 0, WIRE_PROBES_MAX));
    struct wire_lookup *lookups = wf_array(arena, struct wire_lookup, m->n_lookups);
    if (!lookups) {
        return wire_full(at->err, arena);
    }
    for (size_t i = 0; i < m->n_lookups; i++) {
        struct wire_place in = wire_place_in(at, "lookups", i);
        WIRE_TRY(read_lookup(m->lookups[i], &in, &lookups[i]));
    }
    rq->lookups = lookups;
    rq->n_lookups = (uint32_t)m->n_lookups;
    return WF_OK;
}

static enum wf_code read_encoding(const request_msg *m, const struct wire_place *at,
                                  struct wire_search_request *rq)
{
    int encoding = (int)m->vector_encoding;
    if (encoding < 0 || encoding > WIRE_INT8) {
        return wire_bad(at, "UNKNOWN_VALUE", "vector_encoding", "%d, known are 1 to %d", encoding,
                        WIRE_INT8);
    }
    if (m->want_vectors && !encoding) {
        return wire_bad(at, "MISSING", "vector_encoding", "unspecified, vectors are wanted");
    }
    rq->want_vectors = m->want_vectors;
    rq->encoding = (enum wire_encoding)encoding;
    return WF_OK;
}

static enum wf_code read_exclude(const request_msg *m, const struct wire_place *at,
                                 struct wire_search_request *rq)
{
    WIRE_TRY(wire_check_count(at, "exclude", m->n_exclude, 0, WIRE_EXCLUDE_MAX));
    for (size_t i = 1; i < m->n_exclude; i++) {
        if (m->exclude[i] <= m->exclude[i - 1]) {
            return wire_bad_element(
                at, "CONFLICT", "exclude", i, "%llu comes after %llu, rising and unique is due",
                (unsigned long long)m->exclude[i], (unsigned long long)m->exclude[i - 1]);
        }
    }
    rq->exclude = m->n_exclude ? m->exclude : NULL;
    rq->n_exclude = (uint32_t)m->n_exclude;
    return WF_OK;
}

static enum wf_code read_group(const request_msg *m, const struct wire_place *at,
                               struct wire_search_request *rq)
{
    WIRE_TRY(wire_check_text(at, "group_by", m->group_by, WIRE_ID_MAX));
    rq->group_by = wire_str(m->group_by);
    rq->group_max = m->group_max;
    return *rq->group_by ? wire_check_range(at, "group_max", m->group_max, 1, WIRE_GROUP_MAX)
                         : wire_check_range(at, "group_max", m->group_max, 0, 0);
}

static enum wf_code read_wants(const request_msg *m, const struct wire_place *at,
                               struct wire_search_request *rq)
{
    WIRE_TRY(wire_check_count(at, "features", m->n_features, 0, WIRE_FEATURES_MAX));
    WIRE_TRY(wire_check_count(at, "attributes", m->n_attributes, 0, WIRE_ATTRIBUTES_MAX));
    WIRE_TRY(wire_check_ids(at, "attributes", m->attributes, m->n_attributes));
    WIRE_TRY(wire_check_text(at, "filter", m->filter, WIRE_FILTER_MAX));
    WIRE_TRY(wire_check_text(at, "vector_space", m->vector_space, WIRE_ID_MAX));
    rq->features = m->features;
    rq->n_features = (uint32_t)m->n_features;
    rq->attributes = (const char *const *)m->attributes;
    rq->n_attributes = (uint32_t)m->n_attributes;
    rq->filter = wire_str(m->filter);
    rq->vector_space = wire_str(m->vector_space);
    return read_encoding(m, at, rq);
}

enum wf_code wire_search_request_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                      struct wire_search_request *out, struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__search_request__descriptor);
    const request_msg *m = (const request_msg *)msg;
    struct wire_place at = {.err = err};
    struct wire_search_request rq = {0};
    WIRE_TRY(wire_check_id(&at, "generation", m->generation, WIRE_ID_MAX));
    WIRE_TRY(wire_check_text(&at, "request_id", m->request_id, WIRE_ID_MAX));
    if (!m->n_probes && !m->n_lookups) {
        return wire_bad(&at, "MISSING", "probes", "0 probes and 0 lookups, at least 1 is needed");
    }
    WIRE_TRY(read_probes(m, &at, arena, &rq));
    WIRE_TRY(read_lookups(m, &at, arena, &rq));
    WIRE_TRY(read_wants(m, &at, &rq));
    WIRE_TRY(read_exclude(m, &at, &rq));
    WIRE_TRY(read_group(m, &at, &rq));
    rq.generation = m->generation;
    rq.request_id = wire_str(m->request_id);
    *out = rq;
    return WF_OK;
}

/* ---- request, building ---- */

static probe_msg *build_probe(const struct wire_probe *p, struct wf_arena *arena)
{
    probe_msg *m = wire_new(arena, &weft__internal__v1__probe__descriptor);
    if (!m) {
        return NULL;
    }
    m->space = wire_borrow(p->space);
    m->content_id = wire_borrow(p->content_id);
    m->vector = (float *)p->vector;
    m->n_vector = p->dim;
    m->k = p->k;
    m->negatives = (float *)p->negatives;
    m->n_negatives = (size_t)p->n_negatives * p->dim;
    m->negative_weight = p->negative_weight;
    switch (p->effort.kind) {
    case WIRE_EFFORT_DEFAULT:
        break;
    case WIRE_EFFORT_NPROBE:
        m->effort_case = WEFT__INTERNAL__V1__PROBE__EFFORT_NPROBE;
        m->nprobe = p->effort.value;
        break;
    case WIRE_EFFORT_EF:
        m->effort_case = WEFT__INTERNAL__V1__PROBE__EFFORT_EF_SEARCH;
        m->ef_search = p->effort.value;
        break;
    case WIRE_EFFORT_EXACT:
        m->effort_case = WEFT__INTERNAL__V1__PROBE__EFFORT_EXACT;
        m->exact = true;
        break;
    case WIRE_EFFORT_RECALL:
        m->effort_case = WEFT__INTERNAL__V1__PROBE__EFFORT_TARGET_RECALL;
        m->target_recall = p->effort.recall;
        break;
    }
    return m;
}

static lookup_msg *build_lookup(const struct wire_lookup *l, struct wf_arena *arena)
{
    lookup_msg *m = wire_new(arena, &weft__internal__v1__lookup__descriptor);
    if (m) {
        m->skus = wire_borrow_list(l->skus);
        m->n_skus = l->n_skus;
        m->rows = (uint32_t *)l->rows;
        m->n_rows = l->n_rows;
    }
    return m;
}

static bool build_questions(const struct wire_search_request *rq, struct wf_arena *arena,
                            request_msg *m)
{
    m->probes = wf_array(arena, probe_msg *, rq->n_probes);
    m->lookups = wf_array(arena, lookup_msg *, rq->n_lookups);
    if (!m->probes || !m->lookups) {
        return false;
    }
    m->n_probes = rq->n_probes;
    m->n_lookups = rq->n_lookups;
    for (uint32_t i = 0; i < rq->n_probes; i++) {
        m->probes[i] = build_probe(&rq->probes[i], arena);
        if (!m->probes[i]) {
            return false;
        }
    }
    for (uint32_t i = 0; i < rq->n_lookups; i++) {
        m->lookups[i] = build_lookup(&rq->lookups[i], arena);
        if (!m->lookups[i]) {
            return false;
        }
    }
    return true;
}

const ProtobufCMessage *wire_search_request_message(const struct wire_search_request *rq,
                                                    struct wf_arena *arena)
{
    request_msg *m = wire_new(arena, &weft__internal__v1__search_request__descriptor);
    if (!m || !build_questions(rq, arena, m)) {
        return NULL;
    }
    m->generation = wire_borrow(rq->generation);
    m->request_id = wire_borrow(rq->request_id);
    m->features = (uint32_t *)rq->features;
    m->n_features = rq->n_features;
    m->attributes = wire_borrow_list(rq->attributes);
    m->n_attributes = rq->n_attributes;
    m->filter = wire_borrow(rq->filter);
    m->want_vectors = rq->want_vectors;
    m->vector_space = wire_borrow(rq->vector_space);
    m->vector_encoding = (Weft__Internal__V1__VectorEncoding)rq->encoding;
    m->exclude = (uint64_t *)rq->exclude;
    m->n_exclude = rq->n_exclude;
    m->group_by = wire_borrow(rq->group_by);
    m->group_max = rq->group_max;
    return &m->base;
}

/* ---- response ---- */

/* What source i of the answer to `asked` must be like. */
static struct wire_columns_rule rule_of(const struct wire_search_request *asked, uint32_t i,
                                        uint32_t dim)
{
    struct wire_columns_rule rule = {
        .probe = i < asked->n_probes,
        .n_features = asked->n_features,
        .encoding = asked->want_vectors ? asked->encoding : (enum wire_encoding)0,
        .dim = asked->want_vectors ? dim : 0,
        .attributes = asked->attributes,
        .n_attributes = asked->n_attributes,
    };
    if (rule.probe) {
        rule.n_max = asked->probes[i].k;
        return rule;
    }
    const struct wire_lookup *l = &asked->lookups[i - asked->n_probes];
    rule.n_max = l->skus ? l->n_skus : l->n_rows;
    rule.skus = l->skus;
    return rule;
}

/* The dimension of delivered vectors, as far as the request tells it. */
static enum wf_code check_dim(uint32_t dim, const struct wire_search_request *asked,
                              struct wf_error *err)
{
    if (dim > WIRE_DIM_MAX || (dim && !asked->want_vectors)) {
        return wire_garbage(err, "vectors of dimension %u, %s, at most %d are allowed", dim,
                            asked->want_vectors ? "asked for" : "not asked for", WIRE_DIM_MAX);
    }
    for (uint32_t i = 0; dim && i < asked->n_probes; i++) {
        const struct wire_probe *p = &asked->probes[i];
        if (strcmp(p->space, asked->vector_space) == 0 && p->dim != dim) {
            return wire_garbage(err, "vectors of dimension %u, the space has %u", dim, p->dim);
        }
    }
    return WF_OK;
}

static enum wf_code check_header(const response_msg *m, const struct wire_search_request *asked,
                                 struct wf_error *err)
{
    if (strcmp(wire_str(m->generation), asked->generation) != 0) {
        return wire_garbage(err, "generation \"%.64s\" answers, \"%s\" was asked",
                            wire_str(m->generation), asked->generation);
    }
    size_t want = (size_t)asked->n_probes + asked->n_lookups;
    if (m->n_sources != want) {
        return wire_garbage(err, "%zu sources, %zu are due", m->n_sources, want);
    }
    if (m->matched > m->documents) {
        return wire_garbage(err, "%llu of %llu documents match the filter",
                            (unsigned long long)m->matched, (unsigned long long)m->documents);
    }
    return check_dim(m->vector_dim, asked, err);
}

enum wf_code wire_search_response_read(const ProtobufCMessage *msg,
                                       const struct wire_search_request *asked,
                                       struct wf_arena *arena, struct wire_search_response *out,
                                       struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__search_response__descriptor);
    const response_msg *m = (const response_msg *)msg;
    WIRE_TRY(check_header(m, asked, err));
    struct wire_columns *sources = wf_array(arena, struct wire_columns, m->n_sources);
    if (!sources) {
        return wire_full(err, arena);
    }
    for (uint32_t i = 0; i < m->n_sources; i++) {
        struct wire_columns_rule rule = rule_of(asked, i, m->vector_dim);
        enum wf_code code = wire_columns_read(&m->sources[i]->base, &rule, arena, &sources[i], err);
        if (code != WF_OK) {
            wf_prefix(err, "source %u: ", i);
            return code;
        }
    }
    *out = (struct wire_search_response){
        .generation = m->generation,
        .documents = m->documents,
        .matched = m->matched,
        .micros = m->micros,
        .sources = sources,
        .n_sources = (uint32_t)m->n_sources,
        .vector_dim = m->vector_dim,
    };
    return WF_OK;
}

const ProtobufCMessage *wire_search_response_message(const struct wire_search_response *reply,
                                                     const struct wire_search_request *asked,
                                                     struct wf_arena *arena)
{
    response_msg *m = wire_new(arena, &weft__internal__v1__search_response__descriptor);
    Weft__Internal__V1__Columns **sources =
        wf_array(arena, Weft__Internal__V1__Columns *, reply->n_sources);
    if (!m || !sources) {
        return NULL;
    }
    wf_assert(reply->n_sources == asked->n_probes + asked->n_lookups);
    m->generation = wire_borrow(reply->generation);
    m->documents = reply->documents;
    m->matched = reply->matched;
    m->micros = reply->micros;
    m->vector_dim = reply->vector_dim;
    m->sources = sources;
    m->n_sources = reply->n_sources;
    for (uint32_t i = 0; i < reply->n_sources; i++) {
        struct wire_columns_rule rule = rule_of(asked, i, reply->vector_dim);
        sources[i] =
            (Weft__Internal__V1__Columns *)wire_columns_message(&reply->sources[i], &rule, arena);
        if (!sources[i]) {
            return NULL;
        }
    }
    return &m->base;
}

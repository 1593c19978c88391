/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_search.c - one request against one shard: check what needs the generation, search each
 * probe, look up each list, and build the columns. Everything lives in the request's arena; a
 * request changes nothing.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/epoch.h"
#include "shard/mapped.h"

/* Squared length above which sums of products may leave float32. */
static const float norm_limit = 1e36F;

static enum wf_code check_generation(const struct shard *s, const char *asked, struct wf_error *err)
{
    if (strcmp(asked, s->generation) == 0) {
        return WF_OK;
    }
    struct wf_error local;
    err = err == NULL ? &local : err;
    wf_fail(err, WF_PRECONDITION, "generation %.64s was asked for, shard %u holds %s", asked,
            s->number, s->generation);
    return wf_reason(err, "WRONG_GENERATION");
}

/* "" is the first space. */
static enum wf_code find_space(const struct shard *s, const char *name, const char *field,
                               const struct shard_space **out, struct wf_error *err)
{
    const int at = name[0] == '\0' ? 0 : wf_schema_space(&s->schema, name);
    if (at < 0 || s->schema.n_spaces == 0) {
        return wf_invalid(err, "UNKNOWN_SPACE", field, "\"%.64s\" is not a space of generation %s",
                          name, s->generation);
    }
    *out = &s->spaces[at];
    return WF_OK;
}

/* ---- probes ---- */

/* Says whose field it is; built for failures only, because every probe of every query is checked.
 */
static void of_probe(uint32_t i, struct wf_error *err)
{
    if (err->field[0] != '\0') {
        char field[sizeof err->field];
        snprintf(field, sizeof field, "probes[%u].%.32s", i, err->field);
        memcpy(err->field, field, sizeof field);
    }
}

static enum wf_code check_vector(const struct shard_space *sp, const struct wire_probe *p,
                                 struct wf_error *err)
{
    if (p->dim != sp->schema->dim) {
        return wf_invalid(err, "DIMENSION", "vector", "%u values, space \"%s\" has %u", p->dim,
                          sp->schema->name, sp->schema->dim);
    }
    if (!(wf_dot(p->vector, p->vector, p->dim) <= norm_limit)) {
        return wf_invalid(err, "OUT_OF_RANGE", "vector", "squared length is not at most %g",
                          (double)norm_limit);
    }
    return WF_OK;
}

static enum wf_code check_probe(const struct shard *s, const struct wire_probe *p,
                                const struct shard_space **out, struct wf_error *err)
{
    enum wf_code code = find_space(s, p->space, "space", out, err);
    if (code != WF_OK) {
        return code;
    }
    const struct shard_space *sp = *out;
    if (p->content_id[0] != '\0' && strcmp(p->content_id, sp->schema->content_id) != 0) {
        wf_fail(err, WF_PRECONDITION, "probe of content id \"%.48s\", space \"%s\" has \"%s\"",
                p->content_id, sp->schema->name, sp->schema->content_id);
        return wf_reason(err, "WRONG_SPACE");
    }
    code = check_vector(sp, p, err);
    if (code == WF_OK && p->n_negatives > 0 && sp->schema->metric == WF_METRIC_L2) {
        code = wf_invalid(err, "UNSUPPORTED", "negatives",
                          "%u with weight %g, but space \"%s\" is compared by L2", p->n_negatives,
                          (double)p->negative_weight, sp->schema->name);
    }
    if (code == WF_OK && (p->k == 0 || p->k > WIRE_SHARD_K_MAX)) {
        code =
            wf_invalid(err, "OUT_OF_RANGE", "k", "%u, 1 to %d is allowed", p->k, WIRE_SHARD_K_MAX);
    }
    return code == WF_OK ? shard_space_effort_check(sp, &p->effort, "effort", err) : code;
}

static enum wf_code put_hits(const struct shard_want *w, const struct shard_hits *hits,
                             struct wf_arena *a, struct wire_columns *out, struct wf_error *err)
{
    float *scores = wf_array(a, float, hits->n);
    uint32_t *rows = wf_array(a, uint32_t, hits->n);
    if (scores == NULL || rows == NULL) {
        return shard_no_room(a, err);
    }
    for (uint32_t i = 0; i < hits->n; i++) {
        scores[i] = hits->hits[i].score;
        rows[i] = hits->hits[i].row;
    }
    *out = (struct wire_columns){.scores = scores,
                                 .scanned = hits->scanned,
                                 .parts_planned = hits->planned,
                                 .parts_done = hits->done};
    return shard_columns(w, rows, hits->n, a, out, err);
}

/* ---- rules ---- */

static uint64_t group_of(const void *ctx, uint32_t row)
{
    const struct shard_attr *attr = ctx;
    if (attr->codes != NULL) {
        return attr->codes[row] == WF_NO_CODE ? UINT64_MAX : attr->codes[row];
    }
    if (attr->flags != NULL) {
        return attr->flags[row] > 1 ? UINT64_MAX : attr->flags[row];
    }
    const float number = attr->numbers[row] + 0.0F; /* -0 and 0 are one group */
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return isnan(number) ? UINT64_MAX : bits;
}

/* What holds for all probes of a request. */
static enum wf_code rules_of(const struct shard *s, const struct wire_search_request *rq,
                             struct shard_rules *out, struct wf_error *err)
{
    *out = (struct shard_rules){.ids = &s->ids, .exclude = rq->exclude, .n_exclude = rq->n_exclude};
    if (rq->group_max == 0) {
        return WF_OK;
    }
    const int at = wf_schema_attr(&s->schema, rq->group_by);
    if (at < 0) {
        return wf_invalid(err, "UNKNOWN_ATTRIBUTE", "group_by",
                          "\"%.64s\" is not an attribute of generation %s", rq->group_by,
                          s->generation);
    }
    if (s->schema.attrs[at].type == WF_ATTR_TEXT) {
        return wf_invalid(err, "UNSUPPORTED", "group_by",
                          "\"%.64s\" is text; keyword, number or flag is due", rq->group_by);
    }
    out->group = group_of;
    out->group_ctx = &s->attrs[at];
    out->group_max = rq->group_max;
    return WF_OK;
}

/* ---- probes of one request ---- */

struct searching {
    const struct shard *s;
    const struct wire_search_request *rq;
    const struct shard_space **spaces; /* of each probe */
    struct shard_query *queries;       /* one per probe */
    struct shard_want want;
    struct shard_rules rules;         /* without negatives */
    const struct shard_allowed *rows; /* of lookups; NULL: all */
    struct wf_arena *arena;
};

static enum wf_code make_query(struct searching *se, uint32_t i, int64_t deadline,
                               struct wf_error *err)
{
    const struct wire_probe *p = &se->rq->probes[i];
    struct shard_query *q = &se->queries[i];
    *q = (struct shard_query){.vector = p->vector,
                              .k = p->k,
                              .effort = p->effort,
                              .deadline = deadline,
                              .order = se->s->order};
    if (p->n_negatives > 0 || se->rules.n_exclude > 0 || se->rules.group_max > 0) {
        struct shard_rules *r = wf_array(se->arena, struct shard_rules, 1);
        if (r == NULL) {
            return shard_no_room(se->arena, err);
        }
        *r = se->rules;
        r->negatives = p->negatives;
        r->n_negatives = p->n_negatives;
        r->negative_weight = p->negative_weight;
        q->rules = r;
    }
    if (se->rq->filter[0] == '\0') {
        return WF_OK;
    }
    const unsigned space = (unsigned)(se->spaces[i] - se->s->spaces);
    return shard_filters_get(se->s->filters, se->rq->filter, space, &q->allowed, NULL, err);
}

/* Searches all probes of the space of probe i, which is the first of it; fills their columns. */
static enum wf_code run_space(struct searching *se, uint32_t i, struct wire_columns *out,
                              struct wf_error *err)
{
    struct shard_query queries[WIRE_PROBES_MAX];
    struct shard_hits hits[WIRE_PROBES_MAX];
    uint32_t at[WIRE_PROBES_MAX] = {i}, n = 1;
    queries[0] = se->queries[i];
    for (uint32_t j = i + 1; j < se->rq->n_probes; j++) {
        if (se->spaces[j] == se->spaces[i]) {
            queries[n] = se->queries[j];
            at[n++] = j;
        }
    }
    enum wf_code code = shard_space_search_many(se->spaces[i], queries, n, se->arena, hits, err);
    for (uint32_t j = 0; j < n && code == WF_OK; j++) {
        code = put_hits(&se->want, &hits[j], se->arena, &out[at[j]], err);
    }
    return code;
}

static enum wf_code run_probes(struct searching *se, int64_t deadline, struct wire_columns *out,
                               struct wf_error *err)
{
    const uint32_t n = se->rq->n_probes;
    enum wf_code code = WF_OK;
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        code = make_query(se, i, deadline, err);
    }
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        bool first = true;
        for (uint32_t j = 0; j < i; j++) {
            first = first && se->spaces[j] != se->spaces[i];
        }
        if (first) {
            code = run_space(se, i, out, err);
        }
    }
    return code;
}

/* ---- lookups ---- */

/* Whether a lookup's row passes filter and exclusions. */
static bool passes(const struct searching *se, uint32_t row)
{
    return (se->rows == NULL || wf_bit(se->rows->bits, row)) &&
           (se->rules.n_exclude == 0 || !shard_rules_exclude(&se->rules, row));
}

/* `se` NULL: nothing is left out. */
static enum wf_code run_lookup(const struct shard_want *w, const struct wire_lookup *l,
                               const struct searching *se, struct wf_arena *a,
                               struct wire_columns *out, struct wf_error *err)
{
    const uint32_t n = l->n_skus > 0 ? l->n_skus : l->n_rows;
    uint32_t *rows = wf_array(a, uint32_t, n);
    uint32_t *asked = wf_array(a, uint32_t, n);
    if (rows == NULL || asked == NULL) {
        return shard_no_room(a, err);
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row =
            l->n_skus > 0 ? wf_idmap_find(&w->s->ids, l->skus[i], strlen(l->skus[i])) : l->rows[i];
        if (row < w->s->rows && (se == NULL || passes(se, row))) { /* WF_NO_ROW is not */
            rows[found] = row;
            asked[found++] = i;
        }
    }
    *out = (struct wire_columns){.asked = asked, .parts_planned = 1, .parts_done = 1};
    return shard_columns(w, rows, found, a, out, err);
}

/* ---- requests ---- */

static enum wf_code want_of(const struct shard *s, const struct wire_search_request *rq,
                            struct wf_arena *a, struct shard_want *out, struct wf_error *err)
{
    *out = (struct shard_want){.s = s, .encoding = rq->encoding};
    enum wf_code code = shard_want_features(out, rq->features, rq->n_features, a, err);
    if (code == WF_OK) {
        code = shard_want_attrs(out, rq->attributes, rq->n_attributes, a, err);
    }
    if (code == WF_OK && rq->want_vectors) {
        code = find_space(s, rq->vector_space, "vector_space", &out->vectors, err);
    }
    return code;
}

static enum wf_code check_probes(const struct shard *s, const struct wire_search_request *rq,
                                 struct wf_arena *a, const struct shard_space ***out,
                                 struct wf_error *err)
{
    const struct shard_space **spaces = wf_array(a, const struct shard_space *, rq->n_probes);
    if (spaces == NULL) {
        (void)!shard_no_room(a, err);
        return WF_EXHAUSTED;
    }
    for (uint32_t i = 0; i < rq->n_probes; i++) {
        struct wf_error local;
        struct wf_error *e = err == NULL ? &local : err;
        enum wf_code code = check_probe(s, &rq->probes[i], &spaces[i], e);
        if (code != WF_OK) {
            of_probe(i, e);
            return code;
        }
    }
    *out = spaces;
    return WF_OK;
}

/* Everything that a request needs of the generation, checked. */
static enum wf_code prepare(struct searching *se, struct wf_error *err)
{
    const struct wire_search_request *rq = se->rq;
    enum wf_code code = check_generation(se->s, rq->generation, err);
    if (code == WF_OK) {
        code = want_of(se->s, rq, se->arena, &se->want, err);
    }
    if (code == WF_OK) {
        code = rules_of(se->s, rq, &se->rules, err);
    }
    if (code == WF_OK) {
        code = check_probes(se->s, rq, se->arena, &se->spaces, err);
    }
    if (code == WF_OK && rq->filter[0] != '\0') {
        code = shard_filters_rows(se->s->filters, rq->filter, &se->rows, err);
    }
    if (code != WF_OK) {
        return code;
    }
    se->queries = wf_array(se->arena, struct shard_query, rq->n_probes);
    return se->queries == NULL ? shard_no_room(se->arena, err) : WF_OK;
}

static enum wf_code search(struct searching *se, int64_t deadline, struct wire_search_response *out,
                           struct wf_error *err)
{
    const struct wire_search_request *rq = se->rq;
    enum wf_code code = prepare(se, err);
    if (code != WF_OK) {
        return code;
    }
    struct wire_search_response reply = {
        .generation = se->s->generation,
        .documents = se->s->rows,
        .matched = se->rows == NULL ? se->s->rows : se->rows->matched,
        .n_sources = rq->n_probes + rq->n_lookups,
        .vector_dim = se->want.vectors == NULL ? 0 : se->want.vectors->schema->dim,
    };
    reply.sources = wf_array(se->arena, struct wire_columns, reply.n_sources);
    if (reply.sources == NULL) {
        return shard_no_room(se->arena, err);
    }
    code = run_probes(se, deadline, reply.sources, err);
    for (uint32_t i = 0; i < rq->n_lookups && code == WF_OK; i++) {
        code = run_lookup(&se->want, &rq->lookups[i], se, se->arena,
                          &reply.sources[rq->n_probes + i], err);
    }
    if (code == WF_OK) {
        *out = reply;
    }
    return code;
}

enum wf_code shard_search(const struct shard *s, const struct wire_search_request *rq,
                          int64_t deadline, struct wf_arena *arena,
                          struct wire_search_response *out, struct wf_error *err)
{
    struct searching se = {.s = s, .rq = rq, .arena = arena};
    if (rq->filter[0] == '\0') {
        return search(&se, deadline, out, err);
    }
    wf_epoch_enter(); /* the filter's bitmaps live until it is left */
    enum wf_code code = search(&se, deadline, out, err);
    wf_epoch_leave();
    return code;
}

enum wf_code shard_fetch(const struct shard *s, const struct wire_fetch_request *rq,
                         struct wf_arena *arena, struct wire_fetch_response *out,
                         struct wf_error *err)
{
    struct shard_want w = {.s = s, .encoding = WIRE_FLOAT32};
    enum wf_code code = check_generation(s, rq->generation, err);
    if (code == WF_OK && rq->space[0] != '\0') {
        code = find_space(s, rq->space, "space", &w.vectors, err);
    }
    if (code == WF_OK) {
        code = shard_want_attrs(&w, rq->attributes, rq->n_attributes, arena, err);
    }
    if (code != WF_OK) {
        return code;
    }
    struct wire_fetch_response reply = {
        .generation = s->generation,
        .vector_dim = w.vectors == NULL ? 0 : w.vectors->schema->dim,
    };
    const struct wire_lookup lookup = {.skus = rq->skus, .n_skus = rq->n_skus};
    code = run_lookup(&w, &lookup, NULL, arena, &reply.items, err);
    if (code == WF_OK) {
        *out = reply;
    }
    return code;
}

enum wf_code shard_describe(const struct shard *s, struct wf_arena *arena,
                            struct wire_generation_stats *out, struct wf_error *err)
{
    struct wire_space_stats *spaces = wf_array(arena, struct wire_space_stats, s->schema.n_spaces);
    if (spaces == NULL) {
        return shard_no_room(arena, err);
    }
    for (unsigned i = 0; i < s->schema.n_spaces; i++) {
        const struct shard_space *sp = &s->spaces[i];
        spaces[i] = (struct wire_space_stats){
            .name = sp->schema->name, .index = sp->index, .effort = sp->effort, .vectors = sp->n};
    }
    *out = (struct wire_generation_stats){.name = s->generation,
                                          .documents = s->rows,
                                          .bytes = s->bytes,
                                          .spaces = spaces,
                                          .n_spaces = s->schema.n_spaces};
    return WF_OK;
}

const char *shard_generation(const struct shard *s)
{
    return s->generation;
}

uint32_t shard_rows(const struct shard *s)
{
    return s->rows;
}

uint32_t shard_count(const struct shard *s)
{
    return s->n_shards;
}

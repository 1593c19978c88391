/* SPDX-License-Identifier: Apache-2.0
 *
 * answer.c - see answer.h. Only the hits that are returned are turned into strings; until here
 * candidates are rows of columns.
 */
#include "coordinator/answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "coordinator/candidates.h"
#include "coordinator/items.h"

/* A share of a user's purchases from which on a category, brand or colour is a favourite. */
static const float FAVOURITE = 0.1F;

static enum wf_code arena_full(struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the answer needs more memory than its limit");
}

bool coord_has_name(const char *const *names, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

enum wf_code coord_unknown_attribute(const struct wf_schema *schema, const char *field,
                                     const char *name, struct wf_error *err)
{
    const char *names[WF_ATTRS_MAX];
    for (unsigned j = 0; j < schema->n_attrs; j++) {
        names[j] = schema->attrs[j].name;
    }
    const char *near = wf_nearest(name, names, schema->n_attrs);
    return wf_invalid(err, "UNKNOWN_ATTRIBUTE", field,
                      "attribute \"%.64s\" is not in the schema%s%s%s", name,
                      near ? ", the nearest is \"" : "", near ? near : "", near ? "\"" : "");
}

enum wf_code coord_check_attributes(const struct wf_schema *schema,
                                    const struct wire_recommend_request *rq, struct wf_error *err)
{
    for (uint32_t i = 0; i < rq->n_attributes; i++) {
        const char *name = rq->attributes[i];
        if (strcmp(name, "*") != 0 && wf_schema_attr(schema, name) < 0) {
            char field[32];
            snprintf(field, sizeof field, "attributes[%u]", i);
            return coord_unknown_attribute(schema, field, name, err);
        }
    }
    return WF_OK;
}

/* ---- attributes ---- */

/* Value of one row; false when it is missing. */
static bool read_value(const struct wire_column *a, uint32_t row, struct wire_attribute *out)
{
    *out = (struct wire_attribute){.name = a->name, .text = ""};
    switch (a->kind) {
    case WIRE_COLUMN_KEYWORD:
        out->kind = WIRE_TEXT;
        out->text = a->codes[row] == UINT32_MAX ? "" : a->dictionary[a->codes[row]];
        return a->codes[row] != UINT32_MAX;
    case WIRE_COLUMN_NUMBER:
        out->kind = WIRE_NUMBER;
        out->number = a->numbers[row];
        return !isnan(a->numbers[row]);
    case WIRE_COLUMN_FLAG:
        out->kind = WIRE_FLAG;
        out->flag = a->flags[row] == 1;
        return a->flags[row] < 2;
    case WIRE_COLUMN_TEXT:
        out->kind = WIRE_TEXT;
        return a->text_sizes[row] > 0;
    }
    return false;
}

/* The role that an attribute plays, "" for none. */
static const char *role_of(const struct wf_schema *schema, const char *name)
{
    for (unsigned i = 0; i < WF_N_ROLES; i++) {
        if (strcmp(schema->roles[i], name) == 0) {
            return wf_role_names[i];
        }
    }
    return "";
}

static enum wf_code take_attributes(struct coord_query *q, const struct coord_candidate *c,
                                    struct wire_hit *hit)
{
    const struct wire_recommend_request *rq = &q->rq;
    const struct wire_columns *columns = coord_candidate_columns(q, c);
    hit->attributes = wf_array(q->arena, struct wire_attribute, columns->n_attributes);
    if (!hit->attributes) {
        return WF_EXHAUSTED;
    }
    const bool all = coord_has_name(rq->attributes, rq->n_attributes, "*");
    for (uint32_t i = 0; i < columns->n_attributes; i++) {
        const struct wire_column *a = &columns->attributes[i];
        struct wire_attribute value;
        if (!all && !coord_has_name(rq->attributes, rq->n_attributes, a->name)) {
            continue;
        }
        if (!read_value(a, c->row, &value)) {
            continue;
        }
        if (a->kind == WIRE_COLUMN_TEXT) {
            uint32_t size;
            const char *text = coord_column_text(columns, a->name, c->row, &size);
            value.text = wf_arena_strndup(q->arena, text, size);
            if (!value.text) {
                return WF_EXHAUSTED;
            }
        }
        value.role = role_of(&q->coord->global->manifest->schema, a->name);
        hit->attributes[hit->n_attributes++] = value;
    }
    return WF_OK;
}

/* ---- why ---- */

static bool is_favourite(const struct coord_query *q, unsigned role, const char *value,
                         uint32_t size)
{
    const struct coord_global *g = q->coord->global;
    const struct rank_user *user = q->subject.user;
    const struct wf_idmap *const maps[COORD_N_SHARED] = {&g->categories, &g->brands, &g->colours};
    const struct rank_share *const shares[COORD_N_SHARED] = {user->categories, user->brands,
                                                             user->colours};
    uint32_t code = wf_idmap_find(maps[role], value, size);
    for (unsigned i = 0; code != WF_NO_ROW && i < RANK_SHARES; i++) {
        if (shares[role][i].code == code) {
            return shares[role][i].share >= FAVOURITE;
        }
    }
    return false;
}

/* The item that the hit is nearest to: its probe's, or of a session the one nearest by vector. */
static const struct coord_item *nearest_item(const struct coord_query *q,
                                             const struct coord_candidate *c)
{
    const struct coord_subject *s = &q->subject;
    if (s->source == WIRE_SOURCE_ITEM) {
        return s->probes[c->source].item;
    }
    float v[WF_DIM_MAX];
    if (s->source != WIRE_SOURCE_SESSION || !coord_candidate_vector(q, c, v)) {
        return NULL;
    }
    const struct coord_item *best = NULL;
    float best_score = -INFINITY;
    for (uint32_t i = 0; i < s->n_items; i++) {
        float score = s->items[i].found ? wf_dot(s->items[i].vector, v, s->space->dim) : -INFINITY;
        if (score > best_score) {
            best_score = score;
            best = &s->items[i];
        }
    }
    return best;
}

static enum wf_code take_why(struct coord_query *q, const struct coord_candidate *c,
                             struct wire_hit *hit)
{
    const struct coord_subject *s = &q->subject;
    const struct wf_schema *schema = &q->coord->global->manifest->schema;
    const struct wire_columns *columns = coord_candidate_columns(q, c);
    const struct coord_item *item = s->popularity ? NULL : nearest_item(q, c);
    const char **shared = wf_array(q->arena, const char *, COORD_N_SHARED);
    if (!shared) {
        return WF_EXHAUSTED;
    }
    hit->has_why = true;
    hit->source = s->source;
    hit->similarity = s->popularity ? 0 : c->retrieval;
    hit->item = item ? item->sku : "";
    hit->segment = s->popularity ? s->popularity->segment : "";
    hit->shared = shared;
    for (unsigned i = 0; i < COORD_N_SHARED; i++) {
        const char *name = schema->roles[coord_shared_role(i)];
        uint32_t size;
        const char *value = coord_column_text(columns, name, c->row, &size);
        bool same = size && item && item->roles[i] && strlen(item->roles[i]) == size &&
                    memcmp(item->roles[i], value, size) == 0;
        bool liked = size && !item && s->source == WIRE_SOURCE_PROFILE && s->user &&
                     is_favourite(q, i, value, size);
        if ((same || liked) && !coord_has_name(shared, hit->n_shared, name)) {
            shared[hit->n_shared++] = name;
        }
    }
    return WF_OK;
}

/* ---- the response ---- */

enum wf_code coord_answer_hits(struct coord_query *q, struct wf_error *err)
{
    const uint32_t n = q->n_candidates < q->rq.k ? q->n_candidates : q->rq.k;
    struct wire_hit *hits = wf_array(q->arena, struct wire_hit, n);
    if (!hits) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct coord_candidate *c = &q->candidates[i];
        struct wire_hit *hit = &hits[i];
        hit->sku = wf_arena_strndup(q->arena, c->sku, c->sku_size);
        hit->item = hit->segment = "";
        hit->retrieval_score = c->retrieval;
        hit->has_rank_score = q->ranked;
        hit->rank_score = q->ranked ? c->rank_score : 0;
        hit->score = q->ranked ? c->rank_score : c->retrieval;
        hit->rank = i + 1;
        bool full = !hit->sku;
        if (q->rq.n_attributes) {
            full |= take_attributes(q, c, hit) != WF_OK;
        }
        if (q->rq.explain) {
            full |= take_why(q, c, hit) != WF_OK;
        }
        if (full) {
            return arena_full(err);
        }
    }
    q->response.hits = hits;
    q->response.n_hits = n;
    return WF_OK;
}

void coord_answer_frame(struct coord_query *q)
{
    const struct coord_global *g = q->coord->global;
    struct wire_recommend_response *r = &q->response;
    r->request_id = q->rq.request_id;
    r->degraded = q->degraded | q->subject.degraded;
    r->generation = g->manifest->name;
    r->model = g->model;
    r->rules = "none";
    r->space = q->subject.space ? q->subject.space->name : "";
    r->fallback = q->subject.fallback ? "popularity" : "";
    r->surface = q->surface ? q->surface->name : q->rq.surface;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.c - vectors, users and popularity: all that needs no shard. One function per kind of
 * subject, in a table.
 */
#include "coordinator/resolve.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/items.h"

static enum wf_code arena_full(struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the request needs more memory than its limit");
}

/* Makes an error with reason and field one of another code. */
static enum wf_code as(struct wf_error *err, enum wf_code code)
{
    if (err) {
        err->code = code;
    }
    return code;
}

static const struct wf_schema *schema_of(const struct coord_query *q)
{
    return &q->coord->global->manifest->schema;
}

/* ---- popularity ---- */

/* The list of the context's segment; the first one is over all. */
static enum wf_code take_popularity(struct coord_query *q, struct wf_error *err)
{
    const struct coord_global *g = q->coord->global;
    struct coord_subject *s = &q->subject;
    if (!g->n_popularity) {
        wf_fail(err, WF_PRECONDITION, "generation %s has no popularity lists", g->manifest->name);
        return wf_reason(err, "NO_POPULARITY");
    }
    s->source = WIRE_SOURCE_POPULARITY;
    s->space = NULL;
    s->n_probes = 0;
    s->popularity = &g->popularity[0];
    if (!q->rq.segment[0]) {
        return WF_OK;
    }
    for (unsigned i = 1; i < g->n_popularity; i++) {
        if (strcmp(g->popularity[i].segment, q->rq.segment) == 0) {
            s->popularity = &g->popularity[i];
            return WF_OK;
        }
    }
    s->degraded |= 1U << WIRE_UNKNOWN_SUBJECT;
    return WF_OK;
}

/* Popularity in place of what the surface would rather have had. */
static enum wf_code fall_back(struct coord_query *q, const char *field, struct wf_error *err)
{
    if (!q->surface->fallback) {
        wf_invalid(err, "UNKNOWN_SUBJECT", field,
                   "nothing to go on for surface %s, and it has no fallback", q->surface->name);
        return as(err, WF_NOT_FOUND);
    }
    q->subject.fallback = true;
    q->subject.degraded |= 1U << WIRE_FALLBACK;
    return take_popularity(q, err);
}

/* ---- vectors ---- */

static enum wf_code resolve_vector(struct coord_query *q, struct wf_error *err)
{
    const struct wf_schema *schema = schema_of(q);
    const struct wire_recommend_request *rq = &q->rq;
    int at = rq->space[0] ? wf_schema_space(schema, rq->space) : schema->n_spaces ? 0 : -1;
    if (at < 0) {
        return wf_invalid(err, "UNKNOWN_SPACE", "subject.vector.space",
                          "space \"%s\", generation %s has %u, first: %s", rq->space,
                          q->coord->global->manifest->name, schema->n_spaces,
                          schema->n_spaces ? schema->spaces[0].name : "none");
    }
    const struct wf_space *space = &schema->spaces[at];
    if (rq->content_id[0] && strcmp(rq->content_id, space->content_id) != 0) {
        wf_invalid(err, "WRONG_SPACE", "subject.vector.content_id",
                   "the vector was made by \"%s\", space %s by \"%s\"", rq->content_id, space->name,
                   space->content_id);
        return as(err, WF_PRECONDITION);
    }
    if (rq->dim != space->dim) {
        return wf_invalid(err, "DIMENSION", "subject.vector.values",
                          "dimension %u, space %s has %u", rq->dim, space->name, space->dim);
    }
    float *v = wf_arena_alloc64(q->arena, space->dim * sizeof *v);
    if (!v) {
        return arena_full(err);
    }
    memcpy(v, rq->vector, space->dim * sizeof *v);
    enum wf_code code = coord_make_query(space, v, "subject.vector.values", err);
    if (code == WF_OK) {
        q->subject.source = WIRE_SOURCE_VECTOR;
        q->subject.space = space;
        q->subject.probes[0].vector = v;
        q->subject.n_probes = 1;
    }
    return code;
}

/* ---- users ---- */

/* Puts the user's aggregates and profile vector into the subject; false when it is unknown. */
static enum wf_code load_user(struct coord_query *q, const char *id, bool *known,
                              struct wf_error *err)
{
    const struct coord_global *g = q->coord->global;
    const struct wf_schema *schema = schema_of(q);
    struct coord_subject *s = &q->subject;
    uint32_t row = wf_idmap_find(&g->users, id, strlen(id));
    *known = row != WF_NO_ROW;
    if (!*known) {
        return WF_OK;
    }
    s->user = &g->aggregates[row];
    for (unsigned i = 0; i < schema->n_spaces; i++) {
        const struct wf_space *space = &schema->spaces[i];
        if (!g->user_vectors[i]) {
            continue;
        }
        float *v = wf_arena_alloc64(q->arena, space->dim * sizeof *v);
        if (!v) {
            return arena_full(err);
        }
        wf_half_to_float(g->user_vectors[i] + (size_t)row * space->dim, v, space->dim);
        if (wf_first_not_finite(v, space->dim) < 0 && wf_normalise(v, space->dim)) {
            s->profile = v;
            s->profile_space = space;
            break;
        }
    }
    return WF_OK;
}

static enum wf_code resolve_user(struct coord_query *q, struct wf_error *err)
{
    struct coord_subject *s = &q->subject;
    bool known = false;
    enum wf_code code = load_user(q, q->rq.id, &known, err);
    if (code != WF_OK) {
        return code;
    }
    if (!s->profile) {
        s->degraded |= 1U << WIRE_UNKNOWN_SUBJECT;
        return fall_back(q, "subject.user.id", err);
    }
    s->source = WIRE_SOURCE_PROFILE;
    s->space = s->profile_space;
    s->probes[0].vector = s->profile;
    s->n_probes = 1;
    return WF_OK;
}

/* ---- items and sessions ---- */

static enum wf_code resolve_items(struct coord_query *q, struct wf_error *err)
{
    const struct wf_schema *schema = schema_of(q);
    struct coord_subject *s = &q->subject;
    const uint32_t n = q->rq.n_skus;
    uint32_t *session = wf_array(q->arena, uint32_t, n);
    if (!session) {
        return arena_full(err);
    }
    s->items = coord_items_of(q, q->rq.skus, n, &s->n_items, session);
    if (!s->items) {
        return arena_full(err);
    }
    if (!schema->n_spaces) {
        return fall_back(q, "subject", err); /* which leaves these items out */
    }
    s->space = &schema->spaces[0];
    s->source = WIRE_SOURCE_ITEM;
    if (q->rq.subject == WIRE_SUBJECT_SESSION) {
        s->source = WIRE_SOURCE_SESSION;
        s->session = session;
        s->n_session = n;
    }
    return WF_OK;
}

static enum wf_code resolve_text(struct coord_query *q, struct wf_error *err)
{
    wf_invalid(err, "NO_TEXT_ENCODER", "subject.text",
               "generation %s has no text encoder: ask by vector, user or items",
               q->coord->global->manifest->name);
    return as(err, WF_PRECONDITION);
}

static enum wf_code resolve_none(struct coord_query *q, struct wf_error *err)
{
    return fall_back(q, "subject", err);
}

/* A popularity surface is for everybody or for a user; other subjects contradict it. */
static enum wf_code resolve_trending(struct coord_query *q, struct wf_error *err)
{
    if (q->rq.subject != WIRE_SUBJECT_NONE && q->rq.subject != WIRE_SUBJECT_USER) {
        return wf_invalid(err, "CONFLICT", "subject",
                          "surface %s takes no vector, items, session or text: it lists what is "
                          "popular in a segment",
                          q->surface->name);
    }
    return take_popularity(q, err);
}

enum wf_code coord_resolve(struct coord_query *q, struct wf_error *err)
{
    static enum wf_code (*const by_kind[])(struct coord_query *, struct wf_error *) = {
        [WIRE_SUBJECT_NONE] = resolve_none,     [WIRE_SUBJECT_VECTOR] = resolve_vector,
        [WIRE_SUBJECT_USER] = resolve_user,     [WIRE_SUBJECT_ITEMS] = resolve_items,
        [WIRE_SUBJECT_SESSION] = resolve_items, [WIRE_SUBJECT_TEXT] = resolve_text,
    };
    if (q->surface->source == COORD_SOURCE_POPULARITY) {
        return resolve_trending(q, err);
    }
    enum wf_code code = by_kind[q->rq.subject](q, err);
    if (code == WF_OK && q->rq.subject != WIRE_SUBJECT_USER && q->rq.context_user[0]) {
        bool known;
        code = load_user(q, q->rq.context_user, &known, err);
    }
    return code;
}

/* ---- behind the Fetch ---- */

static void probe_items(struct coord_subject *s)
{
    for (uint32_t i = 0; i < s->n_items && s->n_probes < WIRE_PROBES_MAX; i++) {
        if (s->items[i].found) {
            s->probes[s->n_probes++] =
                (struct coord_probe){.vector = s->items[i].vector, .item = &s->items[i]};
        }
    }
}

/* What a step back in the session weighs. */
static const float DECAY = 0.8F;

/* One vector: the normalised sum of DECAY^age times the item vectors, oldest first. */
static enum wf_code probe_session(struct coord_query *q, struct wf_error *err)
{
    struct coord_subject *s = &q->subject;
    const uint32_t dim = s->space->dim;
    float *sum = wf_arena_alloc64(q->arena, dim * sizeof *sum);
    if (!sum) {
        return arena_full(err);
    }
    memset(sum, 0, dim * sizeof *sum);
    float weight = 1;
    for (uint32_t i = s->n_session; i-- > 0;) {
        const struct coord_item *item = &s->items[s->session[i]];
        for (uint32_t d = 0; item->found && d < dim; d++) {
            float part = weight * item->vector[d];
            sum[d] += part;
        }
        weight *= DECAY;
    }
    if (wf_normalise(sum, dim)) {
        s->probes[s->n_probes++].vector = sum;
    }
    return WF_OK;
}

static const char *items_field(const struct coord_query *q)
{
    return q->rq.subject == WIRE_SUBJECT_SESSION ? "subject.session.skus" : "subject.items.skus";
}

enum wf_code coord_resolve_items(struct coord_query *q, struct wf_error *err)
{
    struct coord_subject *s = &q->subject;
    uint32_t known = 0, found = 0, silent = 0;
    for (uint32_t i = 0; i < s->n_items; i++) {
        enum wf_code code = coord_items_take(q, &s->items[i], err);
        if (code != WF_OK) {
            return code;
        }
        known += s->items[i].known;
        found += s->items[i].found;
        silent += !s->items[i].answered;
    }
    if (!known && !silent) {
        char field[48];
        snprintf(field, sizeof field, "%s[0]", items_field(q));
        wf_invalid(err, "UNKNOWN_ITEM", field, "SKU \"%s\" is not in generation %s%s",
                   s->items[0].sku, q->coord->global->manifest->name,
                   s->n_items > 1 ? ", nor are the others" : "");
        return as(err, WF_NOT_FOUND);
    }
    if (found + silent < s->n_items) {
        s->degraded |= 1U << WIRE_UNKNOWN_ITEM;
    }
    s->degraded |= silent ? coord_gather_degraded(q->fetch) : 0;
    if (s->source == WIRE_SOURCE_SESSION) {
        enum wf_code code = probe_session(q, err);
        if (code != WF_OK) {
            return code;
        }
    } else {
        probe_items(s);
    }
    return s->n_probes ? WF_OK : fall_back(q, items_field(q), err);
}

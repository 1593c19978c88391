/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.c - vectors, users and popularity: all that needs no shard. One function per kind of
 * subject, in a table.
 */
#include "coordinator/resolve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

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

/* As queries of the space must be: normalised for cosine; its product with itself must be finite.
 */
static enum wf_code make_query(const struct wf_space *space, float *v, const char *field,
                               struct wf_error *err)
{
    float norm = wf_dot(v, v, space->dim);
    if (!isfinite(norm)) {
        return wf_invalid(err, "OUT_OF_RANGE", field, "the vector's squared norm is not finite");
    }
    if (space->metric == WF_METRIC_COSINE && !wf_normalise(v, space->dim)) {
        return wf_invalid(err, "ZERO_VECTOR", field,
                          "the vector's norm is 0, space %s is compared by cosine", space->name);
    }
    return WF_OK;
}

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
    enum wf_code code = make_query(space, v, "subject.vector.values", err);
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

static uint32_t item_of(const struct coord_subject *s, const char *sku)
{
    uint32_t i = 0;
    while (i < s->n_items && strcmp(s->items[i].sku, sku) != 0) {
        i++;
    }
    return i;
}

static enum wf_code resolve_items(struct coord_query *q, struct wf_error *err)
{
    const struct wf_schema *schema = schema_of(q);
    struct coord_subject *s = &q->subject;
    const uint32_t n = q->rq.n_skus;
    uint32_t *session = wf_array(q->arena, uint32_t, n);
    s->items = wf_array(q->arena, struct coord_item, n);
    if (!session || !s->items) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *sku = q->rq.skus[i];
        uint32_t at = item_of(s, sku);
        if (at == s->n_items) {
            s->items[s->n_items++] = (struct coord_item){
                .sku = sku,
                .shard = wf_shard_of(sku, strlen(sku), q->coord->transport->n_shards),
            };
        }
        session[i] = at;
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

enum wf_role coord_shared_role(unsigned i)
{
    static const enum wf_role roles[COORD_N_SHARED] = {WF_ROLE_CATEGORY, WF_ROLE_BRAND,
                                                       WF_ROLE_COLOUR};
    return roles[i];
}

const char *coord_column_text(const struct wire_columns *c, const char *name, uint32_t row,
                              uint32_t *size)
{
    *size = 0;
    for (uint32_t i = 0; name[0] && i < c->n_attributes; i++) {
        const struct wire_column *a = &c->attributes[i];
        if (strcmp(a->name, name) != 0) {
            continue;
        }
        if (a->kind == WIRE_COLUMN_KEYWORD && a->codes[row] != UINT32_MAX) {
            const char *text = a->dictionary[a->codes[row]];
            *size = (uint32_t)strlen(text);
            return text;
        }
        if (a->kind == WIRE_COLUMN_TEXT) {
            size_t at = 0;
            for (uint32_t r = 0; r < row; r++) {
                at += a->text_sizes[r];
            }
            *size = a->text_sizes[row];
            return a->text + at;
        }
        return "";
    }
    return "";
}

static enum wf_code take_row(struct coord_query *q, struct coord_item *item,
                             const struct wire_columns *rows, uint32_t row, struct wf_error *err)
{
    const struct wf_schema *schema = schema_of(q);
    const uint32_t dim = q->subject.space->dim;
    float *v = wf_arena_alloc64(q->arena, dim * sizeof *v);
    if (!v) {
        return arena_full(err);
    }
    memcpy(v, rows->vectors + (size_t)row * dim * sizeof *v, dim * sizeof *v);
    struct wf_error unusable;
    bool zero = wf_dot(v, v, dim) == 0;
    if (zero || wf_first_not_finite(v, dim) >= 0 ||
        make_query(q->subject.space, v, "", &unusable) != WF_OK) {
        return WF_OK;
    }
    item->vector = v;
    item->found = true;
    for (unsigned i = 0; i < COORD_N_SHARED; i++) {
        uint32_t size;
        const char *text = coord_column_text(rows, schema->roles[coord_shared_role(i)], row, &size);
        item->roles[i] = size ? wf_arena_strndup(q->arena, text, size) : NULL;
    }
    return WF_OK;
}

static enum wf_code take_item(struct coord_query *q, struct coord_item *item, struct wf_error *err)
{
    const struct coord_slot *slot = &q->fetch->slots[item->shard];
    item->answered = coord_slot_answered(slot);
    if (!item->answered) {
        return WF_OK;
    }
    const struct wire_columns *rows = &slot->fetch.items;
    for (uint32_t r = 0; r < rows->n; r++) {
        if (rows->asked[r] == item->at) {
            item->known = true;
            return rows->vectors ? take_row(q, item, rows, r, err) : WF_OK;
        }
    }
    return WF_OK;
}

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
        enum wf_code code = take_item(q, &s->items[i], err);
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

static enum wf_code ask_for(struct coord_query *q, struct coord_item *item,
                            const struct wire_fetch_request *like)
{
    struct coord_slot *slot = &q->fetch->slots[item->shard];
    struct wire_fetch_request *rq = (struct wire_fetch_request *)slot->fetch_asked;
    if (!rq) {
        rq = wf_array(q->arena, struct wire_fetch_request, 1);
        const char **skus = wf_array(q->arena, const char *, q->subject.n_items);
        if (!rq || !skus) {
            return WF_EXHAUSTED;
        }
        *rq = *like;
        rq->skus = skus;
        slot->fetch_asked = rq;
        slot->dim = q->subject.space->dim;
    }
    item->at = rq->n_skus;
    ((const char **)rq->skus)[rq->n_skus++] = item->sku;
    return WF_OK;
}

enum wf_code coord_resolve_fetch(struct coord_query *q, struct wf_error *err)
{
    const struct coord *c = q->coord;
    const struct wf_schema *schema = schema_of(q);
    const char **roles = wf_array(q->arena, const char *, COORD_N_SHARED);
    q->fetch = coord_gather_open(q->arena, c->transport, WIRE_FETCH, c->reply_limit);
    if (!q->fetch || !roles) {
        return arena_full(err);
    }
    struct wire_fetch_request like = {
        .generation = c->global->manifest->name,
        .space = q->subject.space->name,
        .attributes = roles,
    };
    for (unsigned i = 0; q->rq.explain && i < COORD_N_SHARED; i++) {
        const char *name = schema->roles[coord_shared_role(i)];
        if (name[0]) {
            roles[like.n_attributes++] = name;
        }
    }
    for (uint32_t i = 0; i < q->subject.n_items; i++) {
        if (ask_for(q, &q->subject.items[i], &like) != WF_OK) {
            return arena_full(err);
        }
    }
    for (uint32_t i = 0; i < q->fetch->n; i++) {
        struct coord_slot *slot = &q->fetch->slots[i];
        if (!slot->fetch_asked) {
            continue;
        }
        slot->message = wire_fetch_request_message(slot->fetch_asked, q->arena);
        if (!slot->message) {
            return arena_full(err);
        }
    }
    return WF_OK;
}

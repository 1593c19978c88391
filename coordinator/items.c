/* SPDX-License-Identifier: Apache-2.0
 *
 * items.c - see items.h.
 */
#include "coordinator/items.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

static enum wf_code arena_full(struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the request needs more memory than its limit");
}

static const struct wf_schema *schema_of(const struct coord_query *q)
{
    return &q->coord->global->manifest->schema;
}

struct coord_item *coord_items_of(struct coord_query *q, const char *const *skus, uint32_t n,
                                  uint32_t *n_items, uint32_t *at)
{
    struct coord_item *items = wf_array(q->arena, struct coord_item, n);
    uint32_t count = 0;
    for (uint32_t i = 0; items && i < n; i++) {
        uint32_t place = 0;
        while (place < count && strcmp(items[place].sku, skus[i]) != 0) {
            place++;
        }
        if (place == count) {
            items[count++] = (struct coord_item){
                .sku = skus[i],
                .shard = wf_shard_of(skus[i], strlen(skus[i]), q->coord->transport->n_shards),
            };
        }
        if (at) {
            at[i] = place;
        }
    }
    *n_items = count;
    return items;
}

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

enum wf_code coord_make_query(const struct wf_space *space, float *v, const char *field,
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

static enum wf_code ask_for(struct coord_query *q, struct coord_item *item,
                            const struct wire_fetch_request *like)
{
    struct coord_slot *slot = &q->fetch->slots[item->shard];
    struct wire_fetch_request *rq = (struct wire_fetch_request *)slot->fetch_asked;
    if (!rq) {
        rq = wf_array(q->arena, struct wire_fetch_request, 1);
        const char **skus =
            wf_array(q->arena, const char *, q->subject.n_items + q->subject.n_disliked);
        if (!rq || !skus) {
            return WF_EXHAUSTED;
        }
        *rq = *like;
        rq->skus = skus;
        slot->fetch_asked = rq;
        slot->dim = q->subject.space->dim;
    }
    for (item->at = 0; item->at < rq->n_skus; item->at++) {
        if (strcmp(rq->skus[item->at], item->sku) == 0) {
            return WF_OK; /* liked and disliked */
        }
    }
    ((const char **)rq->skus)[rq->n_skus++] = item->sku;
    return WF_OK;
}

enum wf_code coord_items_fetch(struct coord_query *q, struct wf_error *err)
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
    struct coord_subject *s = &q->subject;
    for (uint32_t i = 0; i < s->n_items + s->n_disliked; i++) {
        struct coord_item *item = i < s->n_items ? &s->items[i] : &s->disliked[i - s->n_items];
        if (ask_for(q, item, &like) != WF_OK) {
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
        coord_make_query(q->subject.space, v, "", &unusable) != WF_OK) {
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

enum wf_code coord_items_take(struct coord_query *q, struct coord_item *item, struct wf_error *err)
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_fetch.c - weft.internal.v1.Fetch, both ways: vectors and attributes by SKU.
 */
#include "proto/wire.h"

#include <string.h>

#include "proto/wire_check.h"
#include "proto/wire_parts.h"
#include "weft/internal/v1/shard.pb-c.h"

typedef Weft__Internal__V1__FetchRequest request_msg;
typedef Weft__Internal__V1__FetchResponse response_msg;

enum wf_code wire_fetch_request_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                     struct wire_fetch_request *out, struct wf_error *err)
{
    (void)arena; /* everything is borrowed from the message */
    wf_assert(msg->descriptor == &weft__internal__v1__fetch_request__descriptor);
    const request_msg *m = (const request_msg *)msg;
    struct wire_place at = {.err = err};
    WIRE_TRY(wire_check_id(&at, "generation", m->generation, WIRE_ID_MAX));
    WIRE_TRY(wire_check_count(&at, "skus", m->n_skus, 1, WIRE_LOOKUP_MAX));
    WIRE_TRY(wire_check_ids(&at, "skus", m->skus, m->n_skus));
    WIRE_TRY(wire_check_text(&at, "space", m->space, WIRE_ID_MAX));
    WIRE_TRY(wire_check_count(&at, "attributes", m->n_attributes, 0, WIRE_ATTRIBUTES_MAX));
    WIRE_TRY(wire_check_ids(&at, "attributes", m->attributes, m->n_attributes));
    *out = (struct wire_fetch_request){
        .generation = m->generation,
        .skus = (const char *const *)m->skus,
        .n_skus = (uint32_t)m->n_skus,
        .space = wire_str(m->space),
        .attributes = (const char *const *)m->attributes,
        .n_attributes = (uint32_t)m->n_attributes,
    };
    return WF_OK;
}

const ProtobufCMessage *wire_fetch_request_message(const struct wire_fetch_request *rq,
                                                   struct wf_arena *arena)
{
    request_msg *m = wire_new(arena, &weft__internal__v1__fetch_request__descriptor);
    if (!m) {
        return NULL;
    }
    m->generation = wire_borrow(rq->generation);
    m->skus = wire_borrow_list(rq->skus);
    m->n_skus = rq->n_skus;
    m->space = wire_borrow(rq->space);
    m->attributes = wire_borrow_list(rq->attributes);
    m->n_attributes = rq->n_attributes;
    return &m->base;
}

enum wf_code wire_fetch_response_read(const ProtobufCMessage *msg,
                                      const struct wire_fetch_request *asked,
                                      struct wf_arena *arena, struct wire_fetch_response *out,
                                      struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__fetch_response__descriptor);
    const response_msg *m = (const response_msg *)msg;
    bool vectors = *wire_str(asked->space);
    if (strcmp(wire_str(m->generation), asked->generation) != 0) {
        return wire_garbage(err, "generation \"%.64s\" answers, \"%s\" was asked",
                            wire_str(m->generation), asked->generation);
    }
    if (m->vector_dim > WIRE_DIM_MAX || (m->vector_dim && !vectors) || !m->items) {
        return wire_garbage(err, "vectors of dimension %u, at most %d are allowed, %s",
                            m->vector_dim, vectors ? WIRE_DIM_MAX : 0,
                            m->items ? "with items" : "without items");
    }
    const struct wire_columns_rule rule = {
        .n_max = asked->n_skus,
        .skus = asked->skus,
        .encoding = vectors ? WIRE_FLOAT32 : (enum wire_encoding)0,
        .dim = m->vector_dim,
        .attributes = asked->attributes,
        .n_attributes = asked->n_attributes,
    };
    struct wire_columns items;
    WIRE_TRY(wire_columns_read(&m->items->base, &rule, arena, &items, err));
    *out = (struct wire_fetch_response){m->generation, m->vector_dim, items};
    return WF_OK;
}

const ProtobufCMessage *wire_fetch_response_message(const struct wire_fetch_response *reply,
                                                    struct wf_arena *arena)
{
    response_msg *m = wire_new(arena, &weft__internal__v1__fetch_response__descriptor);
    const struct wire_columns_rule rule = {.encoding = WIRE_FLOAT32, .dim = reply->vector_dim};
    ProtobufCMessage *items = wire_columns_message(&reply->items, &rule, arena);
    if (!m || !items) {
        return NULL;
    }
    m->generation = wire_borrow(reply->generation);
    m->vector_dim = reply->vector_dim;
    m->items = (Weft__Internal__V1__Columns *)items;
    return &m->base;
}

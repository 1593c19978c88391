/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_batch.c - weft.v1.RecommendBatch: up to 64 requests, each with its own status.
 *
 * A request that is bad fails alone, so reading a batch checks only how many there are; the service
 * reads them one by one.
 */
#include "proto/wire.h"

#include "proto/wire_check.h"
#include "proto/wire_parts.h"
#include "weft/v1/recommend.pb-c.h"

enum wf_code wire_batch_request_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                     const ProtobufCMessage *const **out, uint32_t *n,
                                     struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__v1__recommend_batch_request__descriptor);
    const Weft__V1__RecommendBatchRequest *m = (const Weft__V1__RecommendBatchRequest *)msg;
    struct wire_place at = {.err = err};
    WIRE_TRY(wire_check_count(&at, "requests", m->n_requests, 1, WIRE_BATCH_MAX));
    const ProtobufCMessage **requests = wf_array(arena, const ProtobufCMessage *, m->n_requests);
    if (!requests) {
        return wire_full(err, arena);
    }
    for (size_t i = 0; i < m->n_requests; i++) {
        requests[i] = &m->requests[i]->base;
    }
    *out = requests;
    *n = (uint32_t)m->n_requests;
    return WF_OK;
}

const ProtobufCMessage *wire_batch_request_message(const struct wire_recommend_request *requests,
                                                   uint32_t n, struct wf_arena *arena)
{
    Weft__V1__RecommendBatchRequest *m =
        wire_new(arena, &weft__v1__recommend_batch_request__descriptor);
    Weft__V1__RecommendRequest **list = wf_array(arena, Weft__V1__RecommendRequest *, n);
    if (!m || !list) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        list[i] = (Weft__V1__RecommendRequest *)wire_recommend_request_message(&requests[i], arena);
        if (!list[i]) {
            return NULL;
        }
    }
    m->requests = list;
    m->n_requests = n;
    return &m->base;
}

static Weft__V1__ItemStatus *build_status(const struct wf_error *err, struct wf_arena *arena)
{
    Weft__V1__ItemStatus *m = wire_new(arena, &weft__v1__item_status__descriptor);
    if (m) {
        m->code = (uint32_t)err->code;
        m->message = wire_borrow(err->text);
        m->reason = wire_borrow(err->reason);
        m->field = wire_borrow(err->field);
    }
    return m;
}

static Weft__V1__BatchItem *build_item(const struct wire_batch_item *item, struct wf_arena *arena)
{
    Weft__V1__BatchItem *m = wire_new(arena, &weft__v1__batch_item__descriptor);
    if (!m) {
        return NULL;
    }
    if (item->status.code != WF_OK) {
        m->result_case = WEFT__V1__BATCH_ITEM__RESULT_STATUS;
        m->status = build_status(&item->status, arena);
        return m->status ? m : NULL;
    }
    m->result_case = WEFT__V1__BATCH_ITEM__RESULT_RESPONSE;
    m->response =
        (Weft__V1__RecommendResponse *)wire_recommend_response_message(&item->response, arena);
    return m->response ? m : NULL;
}

const ProtobufCMessage *wire_batch_response_message(const struct wire_batch_item *items, uint32_t n,
                                                    struct wf_arena *arena)
{
    Weft__V1__RecommendBatchResponse *m =
        wire_new(arena, &weft__v1__recommend_batch_response__descriptor);
    Weft__V1__BatchItem **list = wf_array(arena, Weft__V1__BatchItem *, n);
    if (!m || !list) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        list[i] = build_item(&items[i], arena);
        if (!list[i]) {
            return NULL;
        }
    }
    m->items = list;
    m->n_items = n;
    return &m->base;
}

static enum wf_code read_status(const Weft__V1__ItemStatus *m, const struct wire_place *at,
                                struct wf_error *out)
{
    WIRE_TRY(wire_check_range(at, "status.code", m->code, 1, WF_UNAUTHENTICATED));
    WIRE_TRY(wire_check_text(at, "status.message", m->message, SIZE_MAX));
    WIRE_TRY(wire_check_text(at, "status.reason", m->reason, sizeof out->reason - 1));
    WIRE_TRY(wire_check_text(at, "status.field", m->field, sizeof out->field - 1));
    wf_invalid(out, wire_str(m->reason), wire_str(m->field), "%s", wire_str(m->message));
    out->code = (enum wf_code)m->code;
    return WF_OK;
}

static enum wf_code read_item(const Weft__V1__BatchItem *m, const struct wire_place *at,
                              struct wf_arena *arena, struct wire_batch_item *out)
{
    switch (m->result_case) {
    case WEFT__V1__BATCH_ITEM__RESULT_RESPONSE:
        return wire_read_response(&m->response->base, at->path, arena, &out->response, at->err);
    case WEFT__V1__BATCH_ITEM__RESULT_STATUS:
        return read_status(m->status, at, &out->status);
    case WEFT__V1__BATCH_ITEM__RESULT__NOT_SET:
    case _WEFT__V1__BATCH_ITEM__RESULT__CASE_IS_INT_SIZE:
        break;
    }
    return wire_bad(at, "MISSING", "result", "neither response nor status is set");
}

enum wf_code wire_batch_response_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                      struct wire_batch_item **out, uint32_t *n,
                                      struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__v1__recommend_batch_response__descriptor);
    const Weft__V1__RecommendBatchResponse *m = (const Weft__V1__RecommendBatchResponse *)msg;
    struct wire_place at = {.err = err};
    enum wf_code code = wire_check_count(&at, "items", m->n_items, 1, WIRE_BATCH_MAX);
    struct wire_batch_item *items =
        code == WF_OK ? wf_array(arena, struct wire_batch_item, m->n_items) : NULL;
    if (code == WF_OK && !items) {
        return wire_full(err, arena);
    }
    for (size_t i = 0; code == WF_OK && i < m->n_items; i++) {
        struct wire_place in = wire_place_in(&at, "items", i);
        code = read_item(m->items[i], &in, arena, &items[i]);
    }
    if (code != WF_OK) {
        return wire_as_garbage(code, err);
    }
    *out = items;
    *n = (uint32_t)m->n_items;
    return WF_OK;
}

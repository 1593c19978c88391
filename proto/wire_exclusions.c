/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_exclusions.c - weft.v1.SkuHashes wherever it stands, and UploadExclusions, both ways.
 *
 * The hashes come in any order and may repeat: whoever uses them sorts them once (the coordinator,
 * which also splits them by shard).
 */
#include "proto/wire.h"

#include "proto/wire_check.h"
#include "proto/wire_parts.h"
#include "weft/v1/recommend.pb-c.h"

typedef Weft__V1__SkuHashes hashes_msg;

enum wf_code wire_read_hashes(const ProtobufCMessage *msg, const struct wire_place *at,
                              struct wire_exclusions *out)
{
    const hashes_msg *m = (const hashes_msg *)msg;
    WIRE_TRY(wire_check_count(at, "hashes.values", m ? m->n_values : 0, 1, WIRE_EXCLUDE_MAX));
    *out = (struct wire_exclusions){.hashes = m->values, .n = (uint32_t)m->n_values};
    return WF_OK;
}

ProtobufCMessage *wire_hashes_message(const uint64_t *hashes, uint32_t n, struct wf_arena *arena)
{
    hashes_msg *m = wire_new(arena, &weft__v1__sku_hashes__descriptor);
    if (!m) {
        return NULL;
    }
    m->values = (uint64_t *)hashes;
    m->n_values = n;
    return &m->base;
}

enum wf_code wire_exclusions_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                  struct wire_exclusions *out, struct wf_error *err)
{
    (void)arena; /* everything is borrowed from the message */
    wf_assert(msg->descriptor == &weft__v1__upload_exclusions_request__descriptor);
    const Weft__V1__UploadExclusionsRequest *m = (const Weft__V1__UploadExclusionsRequest *)msg;
    const struct wire_place at = {.err = err};
    return wire_read_hashes(m->hashes ? &m->hashes->base : NULL, &at, out);
}

const ProtobufCMessage *wire_exclusions_message(const struct wire_exclusions *e,
                                                struct wf_arena *arena)
{
    Weft__V1__UploadExclusionsRequest *m =
        wire_new(arena, &weft__v1__upload_exclusions_request__descriptor);
    if (!m) {
        return NULL;
    }
    m->hashes = (hashes_msg *)wire_hashes_message(e->hashes, e->n, arena);
    return m->hashes ? &m->base : NULL;
}

static enum wf_code read_reply(const Weft__V1__UploadExclusionsResponse *m,
                               const struct wire_place *at, struct wire_exclusions_reply *out)
{
    WIRE_TRY(wire_check_id(at, "handle", m->handle, WIRE_ID_MAX));
    WIRE_TRY(wire_check_range(at, "count", m->count, 1, WIRE_EXCLUDE_MAX));
    *out = (struct wire_exclusions_reply){.handle = m->handle, .n = m->count};
    return WF_OK;
}

enum wf_code wire_exclusions_reply_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                        struct wire_exclusions_reply *out, struct wf_error *err)
{
    (void)arena;
    wf_assert(msg->descriptor == &weft__v1__upload_exclusions_response__descriptor);
    const struct wire_place at = {.err = err};
    return wire_as_garbage(read_reply((const Weft__V1__UploadExclusionsResponse *)msg, &at, out),
                           err);
}

const ProtobufCMessage *wire_exclusions_reply_message(const struct wire_exclusions_reply *r,
                                                      struct wf_arena *arena)
{
    Weft__V1__UploadExclusionsResponse *m =
        wire_new(arena, &weft__v1__upload_exclusions_response__descriptor);
    if (!m) {
        return NULL;
    }
    m->handle = wire_borrow(r->handle);
    m->count = r->n;
    return &m->base;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_coordinator.c - weft.internal.v1.Draw and Describe, both ways.
 */
#include "proto/wire_coordinator.h"

#include "proto/wire_check.h"
#include "weft/internal/v1/coordinator.pb-c.h"

typedef Weft__Internal__V1__DrawRequest draw_msg;
typedef Weft__Internal__V1__DrawResponse drawn_msg;
typedef Weft__Internal__V1__DescribeResponse described_msg;
typedef Weft__Internal__V1__ProcessCpu process_msg;

/* ---- Draw ---- */

static enum wf_code check_kind(const struct wire_place *at, const draw_msg *m)
{
    switch (m->kind) {
    case WEFT__INTERNAL__V1__DRAW_KIND__DRAW_KIND_USERS:
    case WEFT__INTERNAL__V1__DRAW_KIND__DRAW_KIND_ITEMS:
        return WF_OK;
    case WEFT__INTERNAL__V1__DRAW_KIND__DRAW_KIND_UNSPECIFIED:
        return wire_bad(at, "MISSING", "kind", "unspecified, users or items are due");
    case _WEFT__INTERNAL__V1__DRAW_KIND_IS_INT_SIZE:
        break;
    }
    return wire_bad(at, "UNKNOWN_VALUE", "kind", "%d, known are 1 and 2", (int)m->kind);
}

enum wf_code wire_draw_request_read(const ProtobufCMessage *msg, struct wire_draw_request *out,
                                    struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__draw_request__descriptor);
    const draw_msg *m = (const draw_msg *)msg;
    struct wire_place at = {.err = err};
    WIRE_TRY(check_kind(&at, m));
    WIRE_TRY(wire_check_range(&at, "count", m->count, 1, WIRE_DRAW_MAX));
    *out =
        (struct wire_draw_request){(enum wire_draw_kind)(int)m->kind, m->seed, m->first, m->count};
    return WF_OK;
}

const ProtobufCMessage *wire_draw_request_message(const struct wire_draw_request *rq,
                                                  struct wf_arena *arena)
{
    draw_msg *m = wire_new(arena, &weft__internal__v1__draw_request__descriptor);
    if (!m) {
        return NULL;
    }
    m->kind = (Weft__Internal__V1__DrawKind)(int)rq->kind;
    m->seed = rq->seed;
    m->first = rq->first;
    m->count = rq->count;
    return &m->base;
}

static enum wf_code read_drawn(const drawn_msg *m, const struct wire_draw_request *asked,
                               struct wf_error *err)
{
    struct wire_place at = {.err = err};
    const uint64_t left = m->total > asked->first ? m->total - asked->first : 0;
    WIRE_TRY(wire_check_id(&at, "generation", m->generation, WIRE_ID_MAX));
    WIRE_TRY(wire_check_count(&at, "ids", m->n_ids, 0, left < asked->count ? left : asked->count));
    return wire_check_ids(&at, "ids", m->ids, m->n_ids);
}

enum wf_code wire_draw_response_read(const ProtobufCMessage *msg,
                                     const struct wire_draw_request *asked,
                                     struct wire_draw_response *out, struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__draw_response__descriptor);
    const drawn_msg *m = (const drawn_msg *)msg;
    enum wf_code code = read_drawn(m, asked, err);
    if (code != WF_OK) {
        return wire_as_garbage(code, err);
    }
    *out = (struct wire_draw_response){m->generation, m->total, (const char *const *)m->ids,
                                       (uint32_t)m->n_ids};
    return WF_OK;
}

const ProtobufCMessage *wire_draw_response_message(const struct wire_draw_response *reply,
                                                   struct wf_arena *arena)
{
    drawn_msg *m = wire_new(arena, &weft__internal__v1__draw_response__descriptor);
    if (!m) {
        return NULL;
    }
    m->generation = wire_borrow(reply->generation);
    m->total = reply->total;
    m->ids = wire_borrow_list(reply->ids);
    m->n_ids = reply->n_ids;
    return &m->base;
}

/* ---- Describe ---- */

const ProtobufCMessage *wire_describe_request_message(struct wf_arena *arena)
{
    return wire_new(arena, &weft__internal__v1__describe_request__descriptor);
}

static bool rises(const struct wire_process_cpu *a, const process_msg *b)
{
    return b->shard > a->shard || (b->shard == a->shard && b->replica > a->replica);
}

static enum wf_code read_described(const described_msg *m, struct wf_arena *arena,
                                   struct wire_describe_response *out, struct wf_error *err)
{
    struct wire_place at = {.err = err};
    WIRE_TRY(wire_check_id(&at, "generation", m->generation, WIRE_ID_MAX));
    WIRE_TRY(wire_check_count(&at, "processes", m->n_processes, 0, WIRE_REPEATED_MAX));
    struct wire_process_cpu *list = wf_array(arena, struct wire_process_cpu, m->n_processes);
    if (!list) {
        return wire_full(err, arena);
    }
    for (size_t i = 0; i < m->n_processes; i++) {
        const process_msg *p = m->processes[i];
        if (i > 0 && !rises(&list[i - 1], p)) {
            return wire_bad_element(&at, "CONFLICT", "processes", i,
                                    "shard %u replica %u comes after shard %u replica %u", p->shard,
                                    p->replica, list[i - 1].shard, list[i - 1].replica);
        }
        list[i] = (struct wire_process_cpu){p->shard, p->replica, p->cpu_us, p->age_us};
    }
    *out = (struct wire_describe_response){m->generation, m->documents, m->users,
                                           m->cpu_us,     list,         (uint32_t)m->n_processes};
    return WF_OK;
}

enum wf_code wire_describe_response_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                         struct wire_describe_response *out, struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__describe_response__descriptor);
    struct wire_describe_response reply;
    enum wf_code code = read_described((const described_msg *)msg, arena, &reply, err);
    if (code != WF_OK) {
        return wire_as_garbage(code, err);
    }
    *out = reply;
    return WF_OK;
}

static process_msg *build_process(const struct wire_process_cpu *p, struct wf_arena *arena)
{
    process_msg *m = wire_new(arena, &weft__internal__v1__process_cpu__descriptor);
    if (m) {
        m->shard = p->shard;
        m->replica = p->replica;
        m->cpu_us = p->cpu_us;
        m->age_us = p->age_us;
    }
    return m;
}

const ProtobufCMessage *wire_describe_response_message(const struct wire_describe_response *reply,
                                                       struct wf_arena *arena)
{
    described_msg *m = wire_new(arena, &weft__internal__v1__describe_response__descriptor);
    process_msg **list = wf_array(arena, process_msg *, reply->n_processes);
    if (!m || !list) {
        return NULL;
    }
    m->generation = wire_borrow(reply->generation);
    m->documents = reply->documents;
    m->users = reply->users;
    m->cpu_us = reply->cpu_us;
    m->processes = list;
    m->n_processes = reply->n_processes;
    for (uint32_t i = 0; i < reply->n_processes; i++) {
        list[i] = build_process(&reply->processes[i], arena);
        if (!list[i]) {
            return NULL;
        }
    }
    return &m->base;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_status.c - struct wf_error as google.rpc.Status in the trailer grpc-status-details-bin, and
 * back.
 *
 * The packed status stays under RPC_MAX_DETAILS: a client takes 8 KiB of metadata by default, and a
 * status that it cannot receive turns into another error. What does not fit is left out, the
 * caller's extra detail first.
 */
#include "rpc/rpc_internal.h"

#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define TYPE_PREFIX "type.googleapis.com/"
#define DOMAIN      "weft"

/* Length of the valid UTF-8 character at s (1..4), 0 when it is none. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80) {
        return 1;
    }
    const size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Overlong forms, surrogates, and what is beyond U+10FFFF. */
    const bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                     (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : n;
}

void rpc_clean_text(const char *s, char *to, size_t size)
{
    size_t at = 0;
    while (*s) {
        const unsigned char *u = (const unsigned char *)s;
        const size_t n = utf8_length(u);
        const size_t step = n ? n : 1;
        if (at + step >= size) {
            break;
        }
        if (n == 0 || *u < 0x20 || *u == 0x7f) {
            to[at] = '?';
        } else {
            memcpy(to + at, s, n);
        }
        at += step;
        s += step;
    }
    to[at] = '\0';
}

/* Fills *any with the packed message, in the arena; false when the arena is full. */
static bool make_any(const ProtobufCMessage *msg, struct wf_arena *arena,
                     Google__Protobuf__Any *any)
{
    const size_t size = rpc_packed_size(msg);
    google__protobuf__any__init(any);
    any->type_url = wf_arena_printf(arena, TYPE_PREFIX "%s", msg->descriptor->name);
    any->value.data = wf_arena_alloc(arena, size);
    if (!any->type_url || !any->value.data) {
        return false;
    }
    any->value.len = protobuf_c_message_pack(msg, any->value.data);
    return true;
}

struct details {
    struct wf_arena arena;
    Google__Protobuf__Any any[4];
    Google__Protobuf__Any *list[4];
    size_t n;
};

static void add(struct details *d, const ProtobufCMessage *msg)
{
    if (make_any(msg, &d->arena, &d->any[d->n])) {
        d->list[d->n] = &d->any[d->n];
        d->n++;
    }
}

static void add_reason(struct details *d, char *reason)
{
    char domain[] = DOMAIN;
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = reason;
    info.domain = domain;
    add(d, &info.base);
}

static void add_field(struct details *d, char *field, char *text)
{
    Google__Rpc__BadRequest__FieldViolation violation =
        GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    violation.field = field;
    violation.description = text;
    Google__Rpc__BadRequest__FieldViolation *violations[] = {&violation};
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    bad.field_violations = violations;
    bad.n_field_violations = 1;
    add(d, &bad.base);
}

static void add_retry(struct details *d, uint32_t ms)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = ms / 1000;
    delay.nanos = (int32_t)(ms % 1000) * 1000000;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    retry.retry_delay = &delay;
    add(d, &retry.base);
}

bool rpc_status_pack(const struct wf_error *err, const ProtobufCMessage *extra, grpc_slice *out)
{
    if (!err->reason[0] && !err->field[0] && !err->retry_ms && !extra) {
        return false;
    }
    char text[sizeof err->text], reason[sizeof err->reason], field[sizeof err->field];
    rpc_clean_text(err->text, text, sizeof text);
    rpc_clean_text(err->reason, reason, sizeof reason);
    rpc_clean_text(err->field, field, sizeof field);

    struct details d = {.n = 0};
    wf_arena_init(&d.arena, 4 * RPC_MAX_DETAILS);
    if (reason[0]) {
        add_reason(&d, reason);
    }
    if (field[0]) {
        add_field(&d, field, text);
    }
    if (err->retry_ms) {
        add_retry(&d, err->retry_ms);
    }
    const size_t n_own = d.n;
    if (extra && rpc_packed_size(extra) <= RPC_MAX_DETAILS) {
        add(&d, extra);
    }
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = (int32_t)err->code;
    status.message = text;
    status.details = d.list;
    status.n_details = d.n;
    size_t size = rpc_packed_size(&status.base);
    if (size > RPC_MAX_DETAILS) {
        status.n_details = n_own;
        size = rpc_packed_size(&status.base);
    }
    *out = rpc_pack(&status.base, size);
    wf_arena_fini(&d.arena);
    return true;
}

/* Decodes one detail when it is of that type; NULL when it is not, or is damaged. */
static const ProtobufCMessage *decode_any(const Google__Protobuf__Any *any,
                                          const ProtobufCMessageDescriptor *want,
                                          struct wf_arena *arena)
{
    const char *slash = strrchr(any->type_url, '/');
    ProtobufCMessage *msg = NULL;
    if (!slash || strcmp(slash + 1, want->name) != 0 ||
        rpc_decode(any->value.data, any->value.len, want, arena, &msg, NULL) != WF_OK) {
        return NULL;
    }
    return msg;
}

static const Google__Rpc__Status *decode_status(const unsigned char *data, size_t size,
                                                struct wf_arena *arena)
{
    ProtobufCMessage *msg = NULL;
    if (size == 0 ||
        rpc_decode(data, size, &google__rpc__status__descriptor, arena, &msg, NULL) != WF_OK) {
        return NULL;
    }
    return (const Google__Rpc__Status *)(const void *)msg;
}

static void read_retry(const Google__Rpc__RetryInfo *retry, struct wf_error *err)
{
    if (!retry->retry_delay || retry->retry_delay->seconds < 0 || retry->retry_delay->nanos < 0 ||
        retry->retry_delay->nanos >= 1000000000) {
        return;
    }
    const int64_t day = INT64_C(86400);
    const int64_t s = retry->retry_delay->seconds < day ? retry->retry_delay->seconds : day;
    err->retry_ms = (uint32_t)(s * 1000 + retry->retry_delay->nanos / 1000000);
}

static void read_detail(const Google__Protobuf__Any *any, struct wf_arena *arena,
                        struct wf_error *err)
{
    const void *msg = decode_any(any, &google__rpc__error_info__descriptor, arena);
    if (msg) {
        rpc_clean_text(((const Google__Rpc__ErrorInfo *)msg)->reason, err->reason,
                       sizeof err->reason);
        return;
    }
    msg = decode_any(any, &google__rpc__bad_request__descriptor, arena);
    if (msg) {
        const Google__Rpc__BadRequest *bad = msg;
        if (bad->n_field_violations > 0) {
            rpc_clean_text(bad->field_violations[0]->field, err->field, sizeof err->field);
        }
        return;
    }
    msg = decode_any(any, &google__rpc__retry_info__descriptor, arena);
    if (msg) {
        read_retry(msg, err);
    }
}

void rpc_status_read(const unsigned char *data, size_t size, struct wf_arena *arena,
                     struct wf_error *err)
{
    const Google__Rpc__Status *status = decode_status(data, size, arena);
    for (size_t i = 0; status && i < status->n_details; i++) {
        read_detail(status->details[i], arena, err);
    }
}

const ProtobufCMessage *rpc_status_find(const unsigned char *data, size_t size,
                                        const ProtobufCMessageDescriptor *want,
                                        struct wf_arena *arena)
{
    const Google__Rpc__Status *status = decode_status(data, size, arena);
    for (size_t i = 0; status && i < status->n_details; i++) {
        const ProtobufCMessage *msg = decode_any(status->details[i], want, arena);
        if (msg) {
            return msg;
        }
    }
    return NULL;
}

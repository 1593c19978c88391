/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_reflection.c - grpc.reflection.v1 and v1alpha (their messages are the same on the wire).
 *
 * A stream is one request kept open that receives, answers, receives, ... strictly one after the
 * other, so it needs no lock of its own. The list of open streams exists for the drain: a client
 * that leaves its stream idle must not hold the server until the grace time.
 */
#include "rpc/rpc_internal.h"

#include <string.h>

#include "grpc/reflection/v1/reflection.pb-c.h"

/* What one answer may take; the largest is every file of the descriptor sets as bytes, borrowed. */
#define MAX_ANSWER ((size_t)1 << 20)
#define RETRY_MS   1000

typedef Grpc__Reflection__V1__ServerReflectionRequest request_msg;
typedef Grpc__Reflection__V1__ServerReflectionResponse reply_msg;
#define REQUEST(x)  GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##x
#define RESPONSE(x) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##x

extern const unsigned char rpc_own_descriptors[];
extern const size_t rpc_own_descriptors_size;

const ProtobufCMessageDescriptor *const rpc_reflection_request =
    &grpc__reflection__v1__server_reflection_request__descriptor;

static const struct rpc_method own_services[] = {
    {.path = "/grpc.health.v1.Health/"},
    {.path = "/grpc.reflection.v1.ServerReflection/"},
    {.path = "/grpc.reflection.v1alpha.ServerReflection/"},
};
#define N_OWN (sizeof own_services / sizeof own_services[0])

struct chat {
    struct rpc_op sent, received;
    struct rpc_reflection *reflection;
    struct rpc_request *rq;
    struct chat *next, *prev;
    grpc_byte_buffer *in;
};
struct rpc_reflection {
    struct rpc_descriptors *descriptors;
    char **names;
    size_t n_names;
    pthread_mutex_t mu;
    /* guarded by mu: */
    struct chat *chats;
    unsigned n_chats;
    bool closed;
};

char **rpc_service_names(const struct rpc_method *methods, size_t n_methods, size_t *n)
{
    char **names = wf_xarray(char *, n_methods + 1);
    *n = 0;
    for (size_t i = 0; i < n_methods; i++) {
        const char *begin = methods[i].path + (methods[i].path[0] == '/');
        const char *slash = strchr(begin, '/');
        char *name = wf_xstrndup(begin, slash ? (size_t)(slash - begin) : strlen(begin));
        bool known = false;
        for (size_t k = 0; k < *n && !known; k++) {
            known = strcmp(names[k], name) == 0;
        }
        if (known) {
            wf_xfree(name);
        } else {
            names[(*n)++] = name;
        }
    }
    return names;
}

void rpc_service_names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_xfree(names[i]);
    }
    wf_xfree(names);
}

enum wf_code rpc_reflection_create(const struct rpc_server_config *config,
                                   const struct rpc_method *methods, size_t n_methods,
                                   struct rpc_reflection **out, struct wf_error *err)
{
    const struct rpc_bytes sets[] = {
        {config->descriptors, config->descriptors_size},
        {rpc_own_descriptors, rpc_own_descriptors_size},
    };
    struct rpc_descriptors *descriptors = NULL;
    const enum wf_code code = rpc_descriptors_create(sets, 2, &descriptors, err);
    if (code != WF_OK) {
        return code;
    }
    struct rpc_method *all = wf_xarray(struct rpc_method, n_methods + N_OWN);
    if (n_methods) {
        memcpy(all, methods, n_methods * sizeof *all);
    }
    memcpy(all + n_methods, own_services, sizeof own_services);
    struct rpc_reflection *r = wf_xcalloc(1, sizeof *r);
    r->descriptors = descriptors;
    r->names = rpc_service_names(all, n_methods + N_OWN, &r->n_names);
    pthread_mutex_init(&r->mu, NULL);
    wf_xfree(all);
    *out = r;
    return WF_OK;
}

void rpc_reflection_destroy(struct rpc_reflection *r)
{
    if (r) {
        wf_assert(!r->chats);
        rpc_descriptors_destroy(r->descriptors);
        rpc_service_names_free(r->names, r->n_names);
        pthread_mutex_destroy(&r->mu);
        wf_xfree(r);
    }
}

static bool answer_error(reply_msg *reply, struct wf_arena *arena, enum wf_code code,
                         const char *text)
{
    Grpc__Reflection__V1__ErrorResponse *e = wf_arena_alloc(arena, sizeof *e);
    char *clean = wf_arena_alloc(arena, strlen(text) + 1);
    if (!e || !clean) {
        return false;
    }
    grpc__reflection__v1__error_response__init(e);
    rpc_clean_text(text, clean, strlen(text) + 1);
    e->error_code = (int32_t)code;
    e->error_message = clean;
    reply->message_response_case = RESPONSE(ERROR_RESPONSE);
    reply->error_response = e;
    return true;
}

static bool answer_file(const struct rpc_reflection *r, reply_msg *reply, struct wf_arena *arena,
                        ptrdiff_t file)
{
    if (file < 0) {
        return answer_error(reply, arena, WF_NOT_FOUND, "not found");
    }
    const size_t most = rpc_descriptors_count(r->descriptors);
    struct rpc_bytes *closure = wf_array(arena, struct rpc_bytes, most);
    Grpc__Reflection__V1__FileDescriptorResponse *f = wf_arena_alloc(arena, sizeof *f);
    ProtobufCBinaryData *list = wf_array(arena, ProtobufCBinaryData, most);
    if (!closure || !f || !list) {
        return false;
    }
    grpc__reflection__v1__file_descriptor_response__init(f);
    f->n_file_descriptor_proto = rpc_descriptors_closure(r->descriptors, (size_t)file, closure);
    f->file_descriptor_proto = list;
    for (size_t i = 0; i < f->n_file_descriptor_proto; i++) {
        list[i].len = closure[i].size;
        list[i].data = (uint8_t *)closure[i].data; /* packing only reads it */
    }
    reply->message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
    reply->file_descriptor_response = f;
    return true;
}

static bool answer_services(const struct rpc_reflection *r, reply_msg *reply,
                            struct wf_arena *arena)
{
    Grpc__Reflection__V1__ListServiceResponse *list = wf_arena_alloc(arena, sizeof *list);
    Grpc__Reflection__V1__ServiceResponse *each =
        wf_array(arena, Grpc__Reflection__V1__ServiceResponse, r->n_names);
    Grpc__Reflection__V1__ServiceResponse **all =
        wf_array(arena, Grpc__Reflection__V1__ServiceResponse *, r->n_names);
    if (!list || !each || !all) {
        return false;
    }
    grpc__reflection__v1__list_service_response__init(list);
    for (size_t i = 0; i < r->n_names; i++) {
        grpc__reflection__v1__service_response__init(&each[i]);
        each[i].name = r->names[i];
        all[i] = &each[i];
    }
    list->service = all;
    list->n_service = r->n_names;
    reply->message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
    reply->list_services_response = list;
    return true;
}

static bool answer(const struct rpc_reflection *r, const request_msg *request, reply_msg *reply,
                   struct wf_arena *arena)
{
    const struct rpc_descriptors *d = r->descriptors;
    switch (request->message_request_case) {
    case REQUEST(LIST_SERVICES):
        return answer_services(r, reply, arena);
    case REQUEST(FILE_BY_FILENAME):
        return answer_file(r, reply, arena, rpc_descriptors_file(d, request->file_by_filename));
    case REQUEST(FILE_CONTAINING_SYMBOL):
        return answer_file(r, reply, arena,
                           rpc_descriptors_symbol(d, request->file_containing_symbol));
    case REQUEST(FILE_CONTAINING_EXTENSION):
    case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
        return answer_error(reply, arena, WF_NOT_FOUND, "proto3 has no extensions");
    case REQUEST(_NOT_SET):
    case _GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST__CASE_IS_INT_SIZE:
        break;
    }
    return answer_error(reply, arena, WF_INVALID, "message_request is not set");
}

ProtobufCMessage *rpc_reflection_answer(const struct rpc_reflection *r, const ProtobufCMessage *msg,
                                        struct wf_arena *arena)
{
    request_msg *request = (request_msg *)msg;
    reply_msg *reply = wf_arena_alloc(arena, sizeof *reply);
    if (!reply) {
        return NULL;
    }
    grpc__reflection__v1__server_reflection_response__init(reply);
    reply->valid_host = request->host;
    reply->original_request = request;
    return answer(r, request, reply, arena) ? &reply->base : NULL;
}

/* Takes the stream off the list and ends it: with OK when err is NULL. */
static void finish(struct chat *c, const struct wf_error *err)
{
    struct rpc_reflection *r = c->reflection;
    struct rpc_request *rq = c->rq;
    pthread_mutex_lock(&r->mu);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        r->chats = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    r->n_chats--;
    pthread_mutex_unlock(&r->mu);
    wf_xfree(c);
    if (err) {
        rpc_fail(rq, err, NULL);
    } else {
        rpc_request_finish(rq);
    }
}

static void on_sent(struct rpc_op *op, bool ok)
{
    struct chat *c = RPC_OWNER(op, struct chat, sent);
    struct rpc_request *rq = c->rq;
    if (ok) {
        rpc_request_receive(rq, &c->in, &c->received);
    } else {
        finish(c, NULL);
    }
    rpc_request_drop(rq);
}

static void on_received(struct rpc_op *op, bool ok)
{
    struct chat *c = RPC_OWNER(op, struct chat, received);
    struct rpc_request *rq = c->rq;
    grpc_byte_buffer *in = c->in;
    c->in = NULL;
    if (!ok || !in) {
        finish(c, NULL); /* the client has said all, or left */
        rpc_request_drop(rq);
        return;
    }
    struct wf_arena arena;
    struct wf_error err;
    wf_arena_init(&arena, MAX_ANSWER);
    ProtobufCMessage *msg = NULL;
    if (rpc_unpack(in, rpc_reflection_request, &arena, &msg, &err) != WF_OK) {
        finish(c, &err);
    } else if (!(msg = rpc_reflection_answer(c->reflection, msg, &arena))) {
        wf_fail(&err, WF_EXHAUSTED, "the answer needs more than %zu bytes of memory", MAX_ANSWER);
        finish(c, &err);
    } else {
        rpc_request_send(rq, msg, &c->sent);
    }
    wf_arena_fini(&arena);
    rpc_request_drop(rq);
}

/* Puts a new stream on the list; NULL when there are too many. */
static struct chat *add_chat(struct rpc_reflection *r, struct rpc_request *rq)
{
    struct chat *c = NULL;
    pthread_mutex_lock(&r->mu);
    if (r->n_chats < RPC_MAX_STREAMS && !r->closed) {
        c = wf_xcalloc(1, sizeof *c);
        c->reflection = r;
        c->rq = rq;
        c->sent.step = on_sent;
        c->received.step = on_received;
        c->next = r->chats;
        if (c->next) {
            c->next->prev = c;
        }
        r->chats = c;
        r->n_chats++;
    }
    pthread_mutex_unlock(&r->mu);
    return c;
}

void rpc_reflection_chat(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    (void)msg; /* a stream: the first message is received like all others */
    struct chat *c = add_chat(ctx, rq);
    if (c) {
        rpc_request_receive(rq, &c->in, &c->received);
        return;
    }
    struct wf_error err;
    wf_fail(&err, WF_EXHAUSTED,
            "reflection streams: the limit of %u is reached, or the server drains",
            RPC_MAX_STREAMS);
    wf_reason(&err, "TOO_MANY_STREAMS");
    err.retry_ms = RETRY_MS;
    rpc_fail(rq, &err, NULL);
}

void rpc_reflection_close(struct rpc_reflection *r)
{
    pthread_mutex_lock(&r->mu);
    r->closed = true;
    for (struct chat *c = r->chats; c; c = c->next) {
        (void)grpc_call_cancel_with_status(c->rq->call, GRPC_STATUS_UNAVAILABLE,
                                           "the server drains", NULL);
    }
    pthread_mutex_unlock(&r->mu);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_internal.h - what the files of rpc/ share; nobody else includes it.
 *
 * The tag of every batch is a `struct rpc_op` inside the object that owns what the batch touches; a
 * loop thread takes the event and calls op->step(op, ok). libgrpc is not instrumented, so
 * ThreadSanitizer cannot see that the completion queue orders threads: rpc_tag() and the pump mark
 * the hand-off.
 */
#ifndef RPC_INTERNAL_H
#define RPC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/slice_buffer.h>

#include "rpc/rpc.h"

#if defined(__SANITIZE_THREAD__)
#define RPC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RPC_TSAN 1
#endif
#endif
#ifdef RPC_TSAN
#include <sanitizer/tsan_interface.h>
#define RPC_RELEASE(p) __tsan_release(p)
#define RPC_ACQUIRE(p) __tsan_acquire(p)
#else
#define RPC_RELEASE(p) ((void)(p))
#define RPC_ACQUIRE(p) ((void)(p))
#endif

#define RPC_OWNER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Streams (Watch, reflection) that one server holds open at once, each kind. */
#define RPC_MAX_STREAMS 1024u
/* Headers that one call may send. */
#define RPC_MAX_HEADERS 16u
/* Packed google.rpc.Status that still fits the 8 KiB that clients take of metadata by default. */
#define RPC_MAX_DETAILS ((size_t)4096)

struct rpc_op {
    void (*step)(struct rpc_op *op, bool ok);
};
static inline void *rpc_tag(struct rpc_op *op)
{
    RPC_RELEASE(op);
    return op;
}

/* ---- rpc_loop.c, rpc_timer.c ---- */
struct rpc_timers;
struct rpc_loop {
    grpc_completion_queue *queue;
    struct rpc_loop_config config;
    pthread_t *threads;
    struct rpc_timers *timers;
};
/* Starts a batch whose step is op->step. Once this is called, `op` and its owner are the loop's. */
void rpc_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct rpc_op *op);
/* An integer argument of a server or channel; what is larger than an int becomes the largest. */
grpc_arg rpc_arg(const char *key, size_t value);
gpr_timespec rpc_to_timespec(int64_t deadline);
int64_t rpc_from_timespec(gpr_timespec t);

struct rpc_timers *rpc_timers_start(const struct rpc_loop_config *config);
void rpc_timers_at(struct rpc_timers *t, int64_t when, rpc_timer_fn *fn, void *ctx);
/* Runs what is left at once, and joins. */
void rpc_timers_stop(struct rpc_timers *t);

/* ---- rpc_message.c ---- */
size_t rpc_packed_size(const ProtobufCMessage *msg);
/* Packs into one slice, `size` as told by rpc_packed_size(). Owned by the caller. */
grpc_slice rpc_pack(const ProtobufCMessage *msg, size_t size);
/* A byte buffer of that one slice, which it takes; end with grpc_slice_buffer_destroy(). */
void rpc_buffer_init(grpc_byte_buffer *b, grpc_slice slice);
void rpc_buffer_fini(grpc_byte_buffer *b);
/* Decodes into the arena and destroys the buffer, whatever the outcome. `buffer` may be NULL. */
WF_MUST_CHECK enum wf_code rpc_unpack(grpc_byte_buffer *buffer,
                                      const ProtobufCMessageDescriptor *type,
                                      struct wf_arena *arena, ProtobufCMessage **out,
                                      struct wf_error *err);
/* The same, after `check` (NULL: none) has seen the bytes. */
WF_MUST_CHECK enum wf_code rpc_unpack_checked(grpc_byte_buffer *buffer,
                                              const ProtobufCMessageDescriptor *type,
                                              rpc_check_fn *check, struct wf_arena *arena,
                                              ProtobufCMessage **out, struct wf_error *err);
/* Decodes plain bytes. */
WF_MUST_CHECK enum wf_code rpc_decode(const unsigned char *data, size_t size,
                                      const ProtobufCMessageDescriptor *type,
                                      struct wf_arena *arena, ProtobufCMessage **out,
                                      struct wf_error *err);

/* ---- rpc_status.c ---- */
/* Packs *err as google.rpc.Status; false when there is nothing beyond code and text. */
bool rpc_status_pack(const struct wf_error *err, const ProtobufCMessage *extra, grpc_slice *out);
/* Adds to *err what the packed google.rpc.Status says; what is damaged is passed over. */
void rpc_status_read(const unsigned char *data, size_t size, struct wf_arena *arena,
                     struct wf_error *err);
/* The detail of that type, decoded into the arena; NULL when none. */
const ProtobufCMessage *rpc_status_find(const unsigned char *data, size_t size,
                                        const ProtobufCMessageDescriptor *want,
                                        struct wf_arena *arena);
/* Copies s into `to`, with '?' for what is not valid UTF-8 or is a control character. */
void rpc_clean_text(const char *s, char *to, size_t size);

/* ---- rpc_tls.c ---- */
WF_MUST_CHECK enum wf_code rpc_server_credentials(const struct rpc_tls *tls,
                                                  grpc_server_credentials **out,
                                                  struct wf_error *err);
WF_MUST_CHECK enum wf_code rpc_peer_credentials(const struct rpc_tls *tls,
                                                grpc_channel_credentials **out,
                                                struct wf_error *err);
/* "plaintext:..." or "tls:...", in the arena; never NULL. */
const char *rpc_call_identity(grpc_call *call, struct wf_arena *arena);

/* ---- rpc_server.c, rpc_request.c ---- */
enum rpc_kind {
    RPC_USER,     /* counts against max_requests */
    RPC_INTERNAL, /* health Check: answered also under overload */
    RPC_STREAM,   /* Watch: the handler keeps the request and sends many messages */
    RPC_CHAT,     /* reflection: as RPC_STREAM, and the handler receives too; msg is NULL */
};
struct rpc_endpoint {
    const char *path;
    const ProtobufCMessageDescriptor *request;
    rpc_handler_fn *handle;
    rpc_check_fn *check; /* NULL: none */
    void *ctx;
    enum rpc_kind kind;
    void *registered;                                /* what gRPC calls it */
    void (*gone)(struct rpc_request *rq, void *ctx); /* the call is over; NULL: nothing to do */
};
struct rpc_health;
struct rpc_reflection;
struct rpc_server {
    struct rpc_loop *loop;
    grpc_server *core;
    struct rpc_endpoint *endpoints;
    size_t n_endpoints;
    size_t max_message, max_arena;
    unsigned max_requests;
    int port;
    struct rpc_health *health;
    struct rpc_reflection *reflection; /* NULL: off */
    struct rpc_op shutdown;
    atomic_uint live;    /* calls of RPC_USER being served */
    atomic_uint objects; /* requests armed or served, the shutdown tag, and 1 until close */
    pthread_mutex_t mu;
    pthread_cond_t drained;
    bool is_drained; /* guarded by mu: `objects` has reached 0 */
};
struct rpc_request {
    struct rpc_op accept, close, end;
    struct rpc_server *server;
    const struct rpc_endpoint *endpoint; /* NULL: the accept for unknown methods */
    grpc_call *call;
    atomic_uint refs; /* one per batch under way and one of the handler */
    atomic_bool gone;
    bool begun;    /* initial metadata was sent */
    bool counted;  /* in server->live */
    int cancelled; /* written by gRPC */
    grpc_metadata_array headers;
    grpc_byte_buffer *payload;
    gpr_timespec core_deadline;
    grpc_call_details details; /* of an unknown method */
    int64_t arrival;
    struct wf_arena arena;   /* the decoded request */
    struct wf_arena strings; /* headers and identity asked for */
    const char *identity;    /* NULL until asked for */
    void *user;              /* of a stream's handler */
};
/* Drops one object; the last one lets rpc_server_close() go on. */
void rpc_server_drop(struct rpc_server *server);

/* The end of the accept step: starts listening for the end of the call. */
void rpc_request_begin(struct rpc_request *rq);
void rpc_request_drop(struct rpc_request *rq);
/* For streams: one send or receive under way at a time; `op` is owned by the handler. */
void rpc_request_send(struct rpc_request *rq, const ProtobufCMessage *msg, struct rpc_op *op);
void rpc_request_receive(struct rpc_request *rq, grpc_byte_buffer **into, struct rpc_op *op);
/* Ends a stream with OK. */
void rpc_request_finish(struct rpc_request *rq);

/* ---- rpc_health.c ---- */
/* Health of "" and of every service that the methods name, all NOT_SERVING. */
struct rpc_health *rpc_health_create(const struct rpc_method *methods, size_t n_methods);
void rpc_health_destroy(struct rpc_health *h);
void rpc_health_set(struct rpc_health *h, bool serving);
/* Tells the watchers and ends their streams. */
void rpc_health_close(struct rpc_health *h);
void rpc_health_check(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx);
void rpc_health_watch(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx);
void rpc_health_gone(struct rpc_request *rq, void *ctx);
extern const ProtobufCMessageDescriptor *const rpc_health_request;

/* ---- rpc_descriptors.c ---- */
/* Files and symbols of descriptor sets. Immutable after creation: thread-safe. */
struct rpc_descriptors;
struct rpc_bytes {
    const unsigned char *data;
    size_t size;
};
WF_MUST_CHECK enum wf_code rpc_descriptors_create(const struct rpc_bytes *sets, size_t n_sets,
                                                  struct rpc_descriptors **out,
                                                  struct wf_error *err);
void rpc_descriptors_destroy(struct rpc_descriptors *d);
size_t rpc_descriptors_count(const struct rpc_descriptors *d);
/* Index of a file by its name or by a symbol that it declares; -1 when there is none. */
ptrdiff_t rpc_descriptors_file(const struct rpc_descriptors *d, const char *name);
ptrdiff_t rpc_descriptors_symbol(const struct rpc_descriptors *d, const char *symbol);
/* The file and all that it imports, the file first, each once; `out` has room for every file. */
size_t rpc_descriptors_closure(const struct rpc_descriptors *d, size_t file, struct rpc_bytes *out);

/* ---- rpc_reflection.c ---- */
WF_MUST_CHECK enum wf_code rpc_reflection_create(const struct rpc_server_config *config,
                                                 const struct rpc_method *methods, size_t n_methods,
                                                 struct rpc_reflection **out, struct wf_error *err);
void rpc_reflection_destroy(struct rpc_reflection *r);
void rpc_reflection_close(struct rpc_reflection *r); /* cancels the open streams */
void rpc_reflection_chat(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx);
/* One request answered, in the arena; NULL when it is full. */
ProtobufCMessage *rpc_reflection_answer(const struct rpc_reflection *r, const ProtobufCMessage *msg,
                                        struct wf_arena *arena);
extern const ProtobufCMessageDescriptor *const rpc_reflection_request;

/* Distinct "package.Service" of the method paths, in order of appearance; *n of them. Owned. */
char **rpc_service_names(const struct rpc_method *methods, size_t n_methods, size_t *n);
void rpc_service_names_free(char **names, size_t n);

/* ---- rpc_peer.c, rpc_call.c ---- */
#define RPC_MAX_PATHS 64u
struct rpc_path {
    char *path;
    void *handle;
};
struct rpc_watch;
struct rpc_peer {
    struct rpc_loop *loop;
    grpc_channel *channel;
    size_t max_message, max_arena;
    /* Methods registered with the channel, so that a call builds no path. Grows only: a reader
     * takes n_paths first and then looks at no more than so many. */
    struct rpc_path paths[RPC_MAX_PATHS];
    atomic_uint n_paths;
    pthread_mutex_t mu;
    pthread_cond_t idle;
    /* guarded by mu: */
    bool closing;
    struct rpc_call *calls;    /* under way */
    struct rpc_watch *watches; /* open */
};
/* The call object of gRPC for a path of this peer. */
grpc_call *rpc_peer_start(struct rpc_peer *peer, const char *path, int64_t deadline);

struct rpc_call {
    struct rpc_op done_op;
    atomic_uint refs;      /* the handle's and gRPC's */
    atomic_bool cancelled; /* by us, not by the server */
    struct rpc_peer *peer;
    struct rpc_call *next, *prev; /* guarded by peer->mu */
    grpc_call *call;
    const ProtobufCMessageDescriptor *reply;
    rpc_done_fn *done;
    void *ctx;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *payload;
    grpc_status_code status;
    grpc_slice text;
    struct rpc_bytes details; /* packed google.rpc.Status in `trailing` */
    struct wf_arena *into;    /* where the reply is decoded */
    struct wf_arena own;
    struct wf_error err;
};
/* Fills *err from what RECV_STATUS_ON_CLIENT said. */
void rpc_client_error(grpc_status_code status, grpc_slice text, struct wf_error *err);

/* ---- rpc_watch.c ---- */
/* Ends every watch of a closing peer; called with peer->mu held. */
void rpc_watch_cancel_all(struct rpc_peer *peer);

#endif

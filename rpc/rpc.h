/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc.h - RPC: all that the rest of the code knows of gRPC.
 *
 *   rpc_loop     the I/O threads; one per process
 *   rpc_server   a listening port and its table of methods; serves health and reflection by itself
 *   rpc_request  one call being served; ends in exactly one rpc_reply() or rpc_fail()
 *   rpc_peer     a connection to one remote server
 *   rpc_call     one call being made; ends in exactly one rpc_done_fn
 *
 * Threads: handlers and done-functions run on a loop thread and must not block. rpc_reply(),
 * rpc_fail(), rpc_cancelled(), rpc_call_cancel() may be called from any thread. Two completions of
 * one query may run on two loop threads at once. Time: every time here is a deadline: absolute,
 * CLOCK_MONOTONIC, nanoseconds (base/clock.h).
 */
#ifndef RPC_H
#define RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/error.h"

struct rpc_loop;
struct rpc_server;
struct rpc_request;
struct rpc_peer;
struct rpc_call;

/* Runs on every loop thread when it starts and ends (epoch registration, BLAS threads); may be
 * NULL. */
struct rpc_loop_config {
    unsigned threads; /* >= 1 */
    void (*thread_begin)(void);
    void (*thread_end)(void);
};
WF_MUST_CHECK enum wf_code rpc_loop_start(const struct rpc_loop_config *config,
                                          struct rpc_loop **out, struct wf_error *err);
void rpc_loop_stop(struct rpc_loop *loop); /* every server and peer must have been closed */

/* Runs `fn` once on a loop thread at `when` (or soon when it has passed). Always runs, also at
 * stop. */
typedef void rpc_timer_fn(void *ctx);
void rpc_loop_at(struct rpc_loop *loop, int64_t when, rpc_timer_fn *fn, void *ctx);

/* One header of a call; both strings borrowed. Keys are lower case. */
struct rpc_header {
    const char *key, *value;
};

/* ---- serving ---- */

/* `msg` and everything below it live in rpc_arena(rq): borrowed until the reply or failure. */
typedef void rpc_handler_fn(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx);
/*
 * Sees a request's bytes before they are decoded, on a loop thread: for what a decoder cannot
 * report (a NUL inside a string, two members of one oneof). A failure ends the call with *err.
 */
typedef enum wf_code rpc_check_fn(const unsigned char *data, size_t size,
                                  const ProtobufCMessageDescriptor *request, struct wf_error *err);
struct rpc_method {
    const char *path; /* "/package.Service/Method" */
    const ProtobufCMessageDescriptor *request;
    rpc_handler_fn *handle;
    rpc_check_fn *check; /* NULL: none */
};

/* PEM files; all NULL: plaintext. With `ca` clients must show a certificate that it signed. */
struct rpc_tls {
    const char *cert, *key, *ca;
};

struct rpc_server_config {
    const char *listen;    /* "host:port" or "unix:/path"; port 0 picks a free one */
    size_t max_message;    /* bytes on the wire, both ways */
    size_t max_arena;      /* bytes one decoded request may occupy, its scratch included */
    unsigned max_requests; /* in flight; one more is refused with WF_EXHAUSTED and a retry hint */
    struct rpc_tls tls;
    /* Serialised google.protobuf.FileDescriptorSet for reflection, borrowed; NULL: reflection off.
     */
    const unsigned char *descriptors;
    size_t descriptors_size;
};
/*
 * `methods` and `ctx` are borrowed until close. A port in use is WF_UNAVAILABLE with the address.
 * Health starts as NOT_SERVING for "" and for each service named in `methods`.
 */
WF_MUST_CHECK enum wf_code rpc_server_open(struct rpc_loop *loop,
                                           const struct rpc_server_config *config,
                                           const struct rpc_method *methods, size_t n_methods,
                                           void *ctx, struct rpc_server **out,
                                           struct wf_error *err);
int rpc_server_port(const struct rpc_server *server);
/* grpc.health.v1 state of every service of this server; watchers are told. */
void rpc_server_serving(struct rpc_server *server, bool serving);
/*
 * NOT_SERVING first, then: stops accepting, lets calls finish until `grace_until`, cancels the
 * rest, returns when none is left. Blocks: not from a loop thread. NULL is fine.
 */
void rpc_server_close(struct rpc_server *server, int64_t grace_until);
unsigned rpc_server_live(const struct rpc_server *server); /* calls being served now */

struct wf_arena *rpc_arena(struct rpc_request *rq);
int64_t rpc_deadline(const struct rpc_request *rq); /* INT64_MAX when the client set none */
int64_t rpc_arrival(const struct rpc_request *rq);  /* when the loop took the call */
bool rpc_cancelled(const struct rpc_request *rq);   /* the client left, or the server closes */
/* Value of a request header, NULL when absent; borrowed until the request ends. Both this and
 * rpc_identity() copy at first use: only from the thread that owns the request. */
const char *rpc_header(struct rpc_request *rq, const char *key);
/* "plaintext:<peer address>", "tls:<subject alternative name or common name>", or, over TLS from a
 * client without a certificate, "tls-anonymous:<peer address>"; borrowed until the request ends. */
const char *rpc_identity(struct rpc_request *rq);
/* Both end the request: `rq` and its arena are gone on return. `msg` may live in the arena. */
void rpc_reply(struct rpc_request *rq, const ProtobufCMessage *msg);
/*
 * Status, message and google.rpc.Status details (ErrorInfo with domain "weft", BadRequest,
 * RetryInfo) from *err. `extra`, when not NULL, is one more detail, packed with type URL
 * "type.googleapis.com/<its full name>".
 */
void rpc_fail(struct rpc_request *rq, const struct wf_error *err, const ProtobufCMessage *extra);

/* ---- calling ---- */

struct rpc_peer_config {
    const char *target; /* "host:port" or "unix:/path" */
    size_t max_message; /* bytes on the wire, both ways */
    size_t max_arena;   /* bytes one decoded reply may occupy */
    int keepalive_ms;   /* 0: off */
    struct rpc_tls tls;
};
WF_MUST_CHECK enum wf_code rpc_peer_open(struct rpc_loop *loop,
                                         const struct rpc_peer_config *config,
                                         struct rpc_peer **out, struct wf_error *err);
/* Cancels, waits for done-functions, frees. Blocks: not from a loop thread. NULL is fine. */
void rpc_peer_close(struct rpc_peer *peer);

/*
 * One of `reply` and `err` is NULL. *err carries what google.rpc.Status details said (reason,
 * field, hint). An own arena holds the reply: borrowed until the function returns.
 */
typedef void rpc_done_fn(const ProtobufCMessage *reply, const struct wf_error *err, void *ctx);
/*
 * Packs `msg` before returning. Cannot fail: every outcome, a missed deadline included, reaches
 * `done` exactly once, on a loop thread, maybe before this returns. Releasing the handle does not
 * cancel.
 */
struct rpc_call_config {
    const char *path; /* "/package.Service/Method" */
    const ProtobufCMessageDescriptor *reply;
    int64_t deadline;
    const struct rpc_header *headers; /* n of them, copied */
    unsigned n_headers;
    /* The reply is decoded here instead of an arena of the call's own; must outlive `done`. NULL:
     * own arena. */
    struct wf_arena *arena;
};
struct rpc_call *rpc_peer_call(struct rpc_peer *peer, const struct rpc_call_config *config,
                               const ProtobufCMessage *msg, rpc_done_fn *done, void *ctx);
void rpc_call_cancel(struct rpc_call *call);  /* idempotent; `done` still runs */
void rpc_call_release(struct rpc_call *call); /* NULL is fine */

/* The detail of type `want` that a failed call carried, in its arena; NULL when none. Only inside
 * `done`. */
const ProtobufCMessage *rpc_error_detail(const struct wf_error *err,
                                         const ProtobufCMessageDescriptor *want);

/*
 * Blocking convenience for tools: makes the call and waits. The reply lives in `arena`, which
 * config->arena must name. Not from a loop thread.
 */
WF_MUST_CHECK enum wf_code rpc_call_wait(struct rpc_peer *peer,
                                         const struct rpc_call_config *config,
                                         const ProtobufCMessage *msg,
                                         const ProtobufCMessage **reply, struct wf_error *err);

/*
 * A client's view of grpc.health.v1 Watch: `changed` runs on a loop thread on every change, first
 * with the state at connection; a broken stream is not serving and is reopened with backoff. Closed
 * with the peer.
 */
typedef void rpc_health_fn(bool serving, void *ctx);
void rpc_peer_watch(struct rpc_peer *peer, const char *service, rpc_health_fn *changed, void *ctx);

#endif

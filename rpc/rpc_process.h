/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_process.h - one server process: flags, configuration, loop, server, operators' pages, signals
 * and drain. What weft-shard and weft-coordinator have in common; each adds a table of options, of
 * metrics and of methods, and a few functions.
 *
 * Life: flags and configuration; log; metrics; loop; app->open; server and pages; serving; the
 * ready line; then main waits for SIGTERM or SIGINT; not serving, drain, app->close. Flags:
 * --config FILE, --set KEY=VALUE, --check-config, --print-config, --print-docs config|metrics,
 * --ready-fd N, --help. Exit codes: 0 ok, 1 failed at run time, 2 usage, 4 config, 5 data.
 * Threads: hooks run on the main thread, pages on the http thread, handlers on loop threads.
 */
#ifndef RPC_PROCESS_H
#define RPC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/http.h"
#include "base/metrics.h"
#include "rpc/rpc.h"

struct rpc_process;

/* The options that every server has, embedded in the app's own configuration as a member. */
struct rpc_process_conf {
    char *listen, *http, *tls_cert, *tls_key, *tls_ca;
    uint64_t max_message, max_arena;
    int64_t max_requests, threads, drain_ms;
    int level, simd;
};
/* Rows of the option table for the member `m` of `type`. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a member and a type cannot stand in parentheses. */
#define RPC_PROCESS_OPTIONS(type, m, port, http_port)                                              \
    {"rpc.listen",                                                                                 \
     WF_STR,                                                                                       \
     WF_OPT(type, m.listen),                                                                       \
     "127.0.0.1:" port,                                                                            \
     NULL,                                                                                         \
     NULL,                                                                                         \
     "Address to serve gRPC on: host:port (port 0 picks a free one) or unix:/path.",               \
     NULL,                                                                                         \
     false},                                                                                       \
        {"rpc.max_message",                                                                        \
         WF_BYTES,                                                                                 \
         WF_OPT(type, m.max_message),                                                              \
         "16MiB",                                                                                  \
         "64KiB",                                                                                  \
         "256MiB",                                                                                 \
         "Largest request or reply on the wire.",                                                  \
         NULL,                                                                                     \
         false},                                                                                   \
        {"rpc.max_arena",                                                                          \
         WF_BYTES,                                                                                 \
         WF_OPT(type, m.max_arena),                                                                \
         "64MiB",                                                                                  \
         "1MiB",                                                                                   \
         "1GiB",                                                                                   \
         "Memory that one request may use, its reply included.",                                   \
         NULL,                                                                                     \
         false},                                                                                   \
        {"rpc.max_requests",                                                                       \
         WF_INT,                                                                                   \
         WF_OPT(type, m.max_requests),                                                             \
         "256",                                                                                    \
         "1",                                                                                      \
         "65536",                                                                                  \
         "Requests in flight; one more is refused with RESOURCE_EXHAUSTED and a retry hint.",      \
         NULL,                                                                                     \
         false},                                                                                   \
        {"rpc.threads",                                                                            \
         WF_INT,                                                                                   \
         WF_OPT(type, m.threads),                                                                  \
         "0",                                                                                      \
         "0",                                                                                      \
         "256",                                                                                    \
         "Loop threads; 0 is one more than the usable cores.",                                     \
         NULL,                                                                                     \
         false},                                                                                   \
        {"rpc.drain",                                                                              \
         WF_MILLIS,                                                                                \
         WF_OPT(type, m.drain_ms),                                                                 \
         "5s",                                                                                     \
         "0",                                                                                      \
         "10m",                                                                                    \
         "How long calls may finish after SIGTERM before they are cancelled.",                     \
         NULL,                                                                                     \
         false},                                                                                   \
        {"rpc.tls_cert",                                                                           \
         WF_STR,                                                                                   \
         WF_OPT(type, m.tls_cert),                                                                 \
         "",                                                                                       \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "PEM file of the server's certificate chain; empty: plaintext.",                          \
         NULL,                                                                                     \
         false},                                                                                   \
        {"rpc.tls_key",                                                                            \
         WF_STR,                                                                                   \
         WF_OPT(type, m.tls_key),                                                                  \
         "",                                                                                       \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "PEM file of the certificate's private key.",                                             \
         NULL,                                                                                     \
         false},                                                                                   \
        {"rpc.tls_ca",                                                                             \
         WF_STR,                                                                                   \
         WF_OPT(type, m.tls_ca),                                                                   \
         "",                                                                                       \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "PEM file of the authority that clients must be signed by; empty: any client.",           \
         NULL,                                                                                     \
         false},                                                                                   \
        {"http.listen",                                                                            \
         WF_STR,                                                                                   \
         WF_OPT(type, m.http),                                                                     \
         "127.0.0.1:" http_port,                                                                   \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "Address of the operators' pages: /metrics /healthz /readyz /configz /statusz.",          \
         NULL,                                                                                     \
         false},                                                                                   \
        {"log.level",                                                                              \
         WF_CHOICE,                                                                                \
         WF_OPT(type, m.level),                                                                    \
         "info",                                                                                   \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "Least important lines that are written.",                                                \
         "debug|info|warn|error",                                                                  \
         false},                                                                                   \
    {                                                                                              \
        "search.simd", WF_CHOICE, WF_OPT(type, m.simd), "auto", NULL, NULL,                        \
            "Instruction set of the scoring kernels. Answers do not depend on it.",                \
            "auto|c|avx2|avx512", false                                                            \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/* Name of a counter that the process fills by itself when the app's table has it. */
#define RPC_PROCESS_DROPPED "weft_log_dropped_total"

/* What one executable adds. All pointers are static or outlive rpc_process_main. */
struct rpc_process_app {
    const char *name;  /* "weft-shard" */
    const char *about; /* first lines of --help: examples */
    const struct wf_option *options;
    unsigned n_options;
    size_t conf_size, process_conf; /* of the struct; offset of its rpc_process_conf */
    const struct wf_metric *metrics;
    unsigned n_metrics;
    const struct rpc_method *methods;
    size_t n_methods;
    const unsigned char *(*descriptors)(size_t *size); /* for reflection */
    void (*thread_begin)(void), (*thread_end)(void);   /* of every loop thread; may be NULL */
    /* --check-config beyond the option table: files that the configuration names. May be NULL. */
    enum wf_code (*check)(const void *conf, struct wf_error *err);
    /*
     * Builds the state that handlers get as ctx. The loop runs, nothing is served yet.
     * WF_DATA_LOSS, WF_NOT_FOUND and WF_INVALID mean damaged or missing data: exit code 5, or 4
     * with reason CONFIG.
     */
    enum wf_code (*open)(struct rpc_process *p, const void *conf, void **state,
                         struct wf_error *err);
    /* More members of the ready line, such as ,"shard":0; returns them in text[256]. May be NULL.
     */
    void (*ready)(const void *state, char text[256]);
    char *(*status)(const void *state); /* JSON for /statusz, freed with wf_xfree; may be NULL */
    void (*scrape)(void *state);        /* sets gauges, before every /metrics; may be NULL */
    void (*drain)(void *state);         /* serving has ended, calls still run; may be NULL */
    void (*close)(void *state);         /* no call runs any more */
};

/* The whole life of the process; returns its exit code. */
int rpc_process_main(const struct rpc_process_app *app, int argc, char **argv);

/* For app->open and later. */
struct rpc_loop *rpc_process_loop(struct rpc_process *p);
struct wf_metrics *rpc_process_metrics(struct rpc_process *p);
/* Before the server is up: whether it starts as serving (default true). Later: health and /readyz
 * change at once. Thread-safe. */
void rpc_process_serving(struct rpc_process *p, bool serving);

#endif

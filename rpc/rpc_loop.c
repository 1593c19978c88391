/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_loop.c - the I/O threads: one completion queue (docs/decisions/0002), polled by
 * config->threads threads; gRPC's start and end; its log; and the only conversions between our
 * deadlines and its times.
 *
 * gRPC does I/O only inside grpc_completion_queue_next(), so a step that computes for long stalls
 * every connection that this thread would poll.
 */
#include "rpc/rpc_internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <grpc/support/log.h>
#include <grpc/support/time.h>

#include "base/clock.h"
#include "base/log.h"

void rpc_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct rpc_op *op)
{
    void *tag = rpc_tag(op);
    const grpc_call_error e = grpc_call_start_batch(call, ops, n, tag, NULL);
    /* What callers may get wrong (headers) is checked before; what is left is our own mistake. */
    wf_assert(e == GRPC_CALL_OK);
}

grpc_arg rpc_arg(const char *key, size_t value)
{
    /* gRPC copies the key and never writes to it. */
    return (grpc_arg){.type = GRPC_ARG_INTEGER,
                      .key = (char *)key,
                      .value.integer = value < INT32_MAX ? (int)value : INT32_MAX};
}

gpr_timespec rpc_to_timespec(int64_t deadline)
{
    if (deadline == INT64_MAX) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    const int64_t t = deadline > 0 ? deadline : 0;
    return (gpr_timespec){.tv_sec = t / WF_SECOND,
                          .tv_nsec = (int32_t)(t % WF_SECOND),
                          .clock_type = GPR_CLOCK_MONOTONIC};
}

int64_t rpc_from_timespec(gpr_timespec t)
{
    const gpr_timespec m = gpr_convert_clock_type(t, GPR_CLOCK_MONOTONIC);
    if (m.tv_sec >= INT64_MAX / WF_SECOND) {
        return INT64_MAX;
    }
    return m.tv_sec < 0 ? 0 : m.tv_sec * WF_SECOND + m.tv_nsec;
}

static void on_log(gpr_log_func_args *args)
{
    static const enum wf_level levels[] = {WF_DEBUG, WF_INFO, WF_WARN};
    /* What gRPC calls an error (a port in use, a handshake that failed) is for us to judge. */
    const size_t i = (size_t)args->severity;
    wf_log(i < sizeof levels / sizeof levels[0] ? levels[i] : WF_WARN, "grpc",
           WF_S("message", args->message), WF_S("file", args->file), WF_I("line", args->line));
}

/*
 * gRPC's locks are those of Abseil, which Debian builds with its deadlock detector: every lock and
 * unlock walks a graph, a tenth of the CPU of a call. There is a switch, but it is C++ and has no
 * name in C; where this build of it is not loaded nothing happens.
 */
static void stop_deadlock_detector(void)
{
    static const char name[] =
        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE";
    void *symbol = dlsym(RTLD_DEFAULT, name);
    if (symbol) {
        void (*set_mode)(int); /* ISO C has no cast from an object to a function */
        memcpy(&set_mode, &symbol, sizeof set_mode);
        set_mode(0); /* OnDeadlockCycle::kIgnore */
    }
}

static void *pump(void *arg)
{
    struct rpc_loop *loop = arg;
    if (loop->config.thread_begin) {
        loop->config.thread_begin();
    }
    for (;;) {
        const grpc_event event =
            grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            break;
        }
        struct rpc_op *op = event.tag;
        RPC_ACQUIRE(op);
        op->step(op, event.success != 0);
    }
    if (loop->config.thread_end) {
        loop->config.thread_end();
    }
    return NULL;
}

/* Ends the first n threads, then everything else. */
static void stop(struct rpc_loop *loop, unsigned n)
{
    if (loop->timers) {
        rpc_timers_stop(loop->timers);
    }
    grpc_completion_queue_shutdown(loop->queue);
    for (unsigned i = 0; i < n; i++) {
        pthread_join(loop->threads[i], NULL);
    }
    if (n == 0) {
        (void)grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    }
    grpc_completion_queue_destroy(loop->queue);
    grpc_shutdown_blocking();
    wf_xfree(loop->threads);
    wf_xfree(loop);
}

enum wf_code rpc_loop_start(const struct rpc_loop_config *config, struct rpc_loop **out,
                            struct wf_error *err)
{
    if (config->threads == 0) {
        return wf_fail(err, WF_INVALID, "loop threads=0, at least 1 is needed");
    }
    stop_deadlock_detector();
    gpr_set_log_function(on_log);
    grpc_init();
    struct rpc_loop *loop = wf_xcalloc(1, sizeof *loop);
    loop->config = *config;
    loop->threads = wf_xarray(pthread_t, config->threads);
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    loop->timers = rpc_timers_start(config);
    unsigned n = 0;
    while (loop->timers && n < config->threads &&
           pthread_create(&loop->threads[n], NULL, pump, loop) == 0) {
        char name[16];
        snprintf(name, sizeof name, "loop-%u", n);
        pthread_setname_np(loop->threads[n], name);
        n++;
    }
    if (n < config->threads) {
        stop(loop, n);
        return wf_fail(err, WF_EXHAUSTED, "started %u of %u loop threads", n, config->threads);
    }
    *out = loop;
    return WF_OK;
}

void rpc_loop_stop(struct rpc_loop *loop)
{
    if (loop) {
        stop(loop, loop->config.threads);
    }
}

void rpc_loop_at(struct rpc_loop *loop, int64_t when, rpc_timer_fn *fn, void *ctx)
{
    rpc_timers_at(loop->timers, when, fn, ctx);
}

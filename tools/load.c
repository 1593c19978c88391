/* SPDX-License-Identifier: Apache-2.0
 *
 * load.c - the sender sleeps until each request's time; answers are counted on the client's loop
 * thread, under one mutex that the sender takes only to wait for the end.
 */
#include "tools/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

struct run {
    const struct tool_load *load;
    struct tool_load_result *result;
    struct wf_arena arena; /* answers are read here, one at a time */
    pthread_mutex_t mu;
    pthread_cond_t all_home;
    uint64_t pending; /* guarded by mu, as the result is */
};
struct call {
    struct run *run;
    int64_t due;
};

static void count_answer(struct run *run, const ProtobufCMessage *reply, int64_t latency)
{
    struct tool_load_result *r = run->result;
    struct wire_recommend_response answer;
    struct wf_error err;
    wf_arena_reset(&run->arena);
    if (wire_recommend_response_read(reply, &run->arena, &answer, &err) != WF_OK) {
        r->errors++;
        snprintf(r->first_error, sizeof r->first_error, "%.190s", err.text);
        return;
    }
    r->ok++;
    wf_histogram_add(r->latency, latency);
    r->coverage_min =
        answer.coverage.ratio < r->coverage_min ? answer.coverage.ratio : r->coverage_min;
    r->scanned += answer.coverage.scanned;
    for (uint32_t i = 0; i < answer.coverage.n_shards; i++) {
        r->search_us += answer.coverage.shards[i].micros;
    }
}

static void count_failure(struct tool_load_result *r, const struct wf_error *err)
{
    if (err->code == WF_EXHAUSTED) {
        r->refused++;
    } else if (err->code == WF_TIMEOUT) {
        r->late++;
    } else {
        r->errors++;
        if (r->first_error[0] == '\0') {
            r->first_code = err->code;
            snprintf(r->first_error, sizeof r->first_error, "%s: %.150s", wf_code_name(err->code),
                     err->text);
        }
    }
}

static void on_done(const ProtobufCMessage *reply, const struct wf_error *err, void *ctx)
{
    struct call *call = ctx;
    struct run *run = call->run;
    const int64_t latency = wf_now() - call->due;
    pthread_mutex_lock(&run->mu);
    if (err != NULL) {
        count_failure(run->result, err);
    } else if (latency > (int64_t)run->load->timeout_ms * WF_MILLISECOND) {
        run->result->late++;
    } else {
        count_answer(run, reply, latency);
    }
    if (--run->pending == 0) {
        pthread_cond_signal(&run->all_home);
    }
    pthread_mutex_unlock(&run->mu);
    wf_xfree(call);
}

static void send_one(struct run *run, struct tool_client *client,
                     const struct tool_subjects *subjects, uint64_t i, int64_t due,
                     struct wf_arena *scratch)
{
    const struct tool_load *load = run->load;
    const struct wire_method_info *method = wire_method(WIRE_RECOMMEND);
    const char *id = subjects->ids[(load->first + i) % subjects->n];
    const char *const skus[] = {id};
    struct wire_recommend_request rq = {.request_id = "",
                                        .surface = load->surface,
                                        .space = "",
                                        .content_id = "",
                                        .id = id,
                                        .k = load->k,
                                        .rank_limit = load->rank_limit,
                                        .filter = load->filter,
                                        .exclude_handle = load->exclude_handle,
                                        .target_recall = load->target_recall,
                                        .segment = "",
                                        .context_user = ""};
    rq.subject = load->by_item ? WIRE_SUBJECT_ITEMS : WIRE_SUBJECT_USER;
    rq.skus = load->by_item ? skus : NULL;
    rq.n_skus = load->by_item;
    wf_arena_reset(scratch);
    const ProtobufCMessage *msg = wire_recommend_request_message(&rq, scratch);
    wf_assert(msg != NULL); /* a fixed small request */
    struct call *call = wf_xmalloc(sizeof *call);
    *call = (struct call){run, due};
    const struct rpc_call_config config = {.path = method->path,
                                           .reply = method->response,
                                           .deadline =
                                               wf_deadline_ms(due, (int64_t)load->timeout_ms)};
    rpc_call_release(rpc_peer_call(client->peer, &config, msg, on_done, call));
}

void tool_load_run(struct tool_client *client, const struct tool_subjects *subjects,
                   const struct tool_load *load, struct tool_load_result *out)
{
    *out = (struct tool_load_result){.latency = wf_histogram_create(), .coverage_min = 1};
    struct run run = {.load = load, .result = out, .pending = 1};
    struct wf_arena scratch;
    const uint64_t n = (uint64_t)(load->rate * load->seconds + 0.5);
    pthread_mutex_init(&run.mu, NULL);
    pthread_cond_init(&run.all_home, NULL);
    wf_arena_init(&run.arena, TOOL_CLIENT_ARENA_MAX);
    wf_arena_init(&scratch, 1 << 20);
    const int64_t start = wf_now() + WF_MILLISECOND;
    for (uint64_t i = 0; i < n; i++) {
        const int64_t due = start + (int64_t)((double)i * 1e9 / load->rate);
        tool_sleep_until(due);
        pthread_mutex_lock(&run.mu);
        run.pending++;
        pthread_mutex_unlock(&run.mu);
        send_one(&run, client, subjects, i, due, &scratch);
    }
    pthread_mutex_lock(&run.mu);
    run.pending--;
    while (run.pending > 0) {
        pthread_cond_wait(&run.all_home, &run.mu);
    }
    pthread_mutex_unlock(&run.mu);
    out->sent = n;
    out->coverage_min = out->ok == 0 ? 0 : out->coverage_min;
    const double took = (double)(wf_now() - start) / 1e9;
    out->seconds = took > load->seconds ? took : load->seconds;
    wf_arena_fini(&scratch);
    wf_arena_fini(&run.arena);
    pthread_cond_destroy(&run.all_home);
    pthread_mutex_destroy(&run.mu);
}

void tool_sleep_until(int64_t when)
{
    const struct timespec at = {.tv_sec = when / WF_SECOND, .tv_nsec = when % WF_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

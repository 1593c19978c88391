/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_service.c - see shard_service.h: decode, check, search, answer, count; the executable's
 * tables; and what plugs the service into a process.
 */
#include "shard/shard_service.h"

#include <stdio.h>
#include <sys/random.h>

#include <cblas.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "proto/wire.h"
#include "shard/faiss_params.h"
#include "shard/space.h"

/* ---- tables ---- */

const struct wf_option shard_options[SHARD_N_OPTIONS] = {
    RPC_PROCESS_OPTIONS(struct shard_conf, process, "7100", "7180"),
    {"search.select", WF_CHOICE, WF_OPT(struct shard_conf, select), "auto", NULL, NULL,
     "Who picks candidates from IVF lists: FAISS or the scoring kernel; auto takes the faster one. "
     "Answers do not depend on it.",
     "auto|faiss|kernel", false},
    {"shard.generation", WF_STR, WF_OPT(struct shard_conf, generation), "", NULL, NULL,
     "Directory of the generation to serve.", NULL, false},
    {"shard.index", WF_INT, WF_OPT(struct shard_conf, index), "0", "0", "65535",
     "Number of this shard in the generation, from 0.", NULL, false},
    {"shard.replica", WF_INT, WF_OPT(struct shard_conf, replica), "0", "0", "65535",
     "Number of this replica of the shard; for people, nothing depends on it.", NULL, false},
};

enum {
    M_DROPPED,
    M_REQUESTS,
    M_FAILURES,
    M_SECONDS,
    M_SCANNED,
    M_ROWS,
    M_PARTIAL,
    M_DOCUMENTS,
    M_BYTES,
    M_INFO,
};
enum { SEARCH, FETCH, STATS };
static const char *const methods[] = {"search", "fetch", "stats", NULL};
static const char *const codes[] = {"INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
                                    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
                                    "INTERNAL",           NULL};
const struct wf_metric shard_metrics[SHARD_N_METRICS] = {
    [M_DROPPED] = {RPC_PROCESS_DROPPED, WF_COUNTER, "Log lines dropped because the log was full.",
                   NULL, NULL},
    [M_REQUESTS] = {"weft_shard_requests_total", WF_COUNTER, "Requests received.", "method",
                    methods},
    [M_FAILURES] = {"weft_shard_failures_total", WF_COUNTER,
                    "Requests that ended in an error, by gRPC status.", "code", codes},
    [M_SECONDS] = {"weft_shard_request_seconds", WF_HISTOGRAM,
                   "Time from the arrival of a request to its answer.", "method", methods},
    [M_SCANNED] = {"weft_shard_scanned_rows_total", WF_COUNTER,
                   "Rows compared with a query vector, centroids not counted.", NULL, NULL},
    [M_ROWS] = {"weft_shard_returned_rows_total", WF_COUNTER,
                "Candidates and looked-up items returned.", NULL, NULL},
    [M_PARTIAL] = {"weft_shard_partial_probes_total", WF_COUNTER,
                   "Probes cut short by their deadline.", NULL, NULL},
    [M_DOCUMENTS] = {"weft_shard_documents", WF_GAUGE, "Live documents of the generation served.",
                     NULL, NULL},
    [M_BYTES] = {"weft_shard_generation_bytes", WF_GAUGE, "Bytes mapped for the generation served.",
                 NULL, NULL},
    [M_INFO] = {"weft_shard_number", WF_GAUGE, "Number of this shard.", NULL, NULL},
};

struct shard_service {
    struct shard *shard; /* owned where the process opened it */
    uint32_t number, replica;
    uint64_t incarnation;
    struct wf_metrics *metrics;
};

/* ---- ending a request ---- */

static unsigned code_label(enum wf_code code)
{
    switch ((int)code) {
    case WF_INVALID:
        return 0;
    case WF_TIMEOUT:
        return 1;
    case WF_EXHAUSTED:
        return 2;
    case WF_PRECONDITION:
        return 3;
    default:
        return 4;
    }
}

static void refuse(struct shard_service *s, struct rpc_request *rq, const struct wf_error *err)
{
    wf_count(s->metrics, M_FAILURES, code_label(err->code), 1);
    wf_log(WF_DEBUG, "refused", WF_S("code", wf_code_name(err->code)), WF_S("reason", err->reason),
           WF_S("field", err->field), WF_S("text", err->text));
    rpc_fail(rq, err, NULL);
}

static void answer(struct shard_service *s, struct rpc_request *rq, unsigned method,
                   const ProtobufCMessage *reply)
{
    if (reply == NULL) {
        struct wf_error err;
        wf_fail(&err, WF_EXHAUSTED, "reply needs more than the request's memory");
        wf_reason(&err, "MEMORY");
        refuse(s, rq, &err);
        return;
    }
    wf_observe_ns(s->metrics, M_SECONDS, method, wf_now() - rpc_arrival(rq));
    rpc_reply(rq, reply);
}

/* ---- Search ---- */

/* A search must end early enough for its reply to arrive: a tenth of the time left, at most 2 ms,
 * is kept back. */
static int64_t search_deadline(int64_t deadline)
{
    if (deadline == INT64_MAX) {
        return deadline;
    }
    const int64_t left = deadline - wf_now();
    const int64_t spare = left / 10 < 2 * WF_MILLISECOND ? left / 10 : 2 * WF_MILLISECOND;
    return deadline - (spare > 0 ? spare : 0);
}

static void count_search(struct shard_service *s, const struct wire_search_request *rq,
                         const struct wire_search_response *reply, const struct wf_arena *arena)
{
    uint64_t rows = 0, scanned = 0, partial = 0;
    for (uint32_t i = 0; i < reply->n_sources; i++) {
        rows += reply->sources[i].n;
        scanned += reply->sources[i].scanned;
        partial += reply->sources[i].parts_done < reply->sources[i].parts_planned;
    }
    wf_count(s->metrics, M_ROWS, 0, rows);
    wf_count(s->metrics, M_SCANNED, 0, scanned);
    if (partial > 0) {
        wf_count(s->metrics, M_PARTIAL, 0, partial);
    }
    if (wf_log_level() == WF_DEBUG) {
        wf_log(WF_DEBUG, "search", WF_S("request_id", rq->request_id), WF_I("probes", rq->n_probes),
               WF_I("lookups", rq->n_lookups), WF_I("rows", rows), WF_I("scanned", scanned),
               WF_I("partial", partial), WF_I("micros", reply->micros),
               WF_I("arena_bytes", arena->used));
    }
}

static void on_search(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct shard_service *s = ctx;
    struct wf_arena *arena = rpc_arena(rq);
    struct wire_search_request asked;
    struct wire_search_response reply;
    struct wf_error err;
    wf_count(s->metrics, M_REQUESTS, SEARCH, 1);
    enum wf_code code = wire_search_request_read(msg, arena, &asked, &err);
    if (code == WF_OK) {
        code =
            shard_search(s->shard, &asked, search_deadline(rpc_deadline(rq)), arena, &reply, &err);
    }
    if (code != WF_OK) {
        refuse(s, rq, &err);
        return;
    }
    reply.micros = (uint64_t)((wf_now() - rpc_arrival(rq)) / WF_MICROSECOND);
    count_search(s, &asked, &reply, arena);
    answer(s, rq, SEARCH, wire_search_response_message(&reply, &asked, arena));
}

/* ---- Fetch and Stats ---- */

static void on_fetch(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    struct shard_service *s = ctx;
    struct wf_arena *arena = rpc_arena(rq);
    struct wire_fetch_request asked;
    struct wire_fetch_response reply;
    struct wf_error err;
    wf_count(s->metrics, M_REQUESTS, FETCH, 1);
    enum wf_code code = wire_fetch_request_read(msg, arena, &asked, &err);
    if (code == WF_OK) {
        code = shard_fetch(s->shard, &asked, arena, &reply, &err);
    }
    if (code != WF_OK) {
        refuse(s, rq, &err);
        return;
    }
    wf_count(s->metrics, M_ROWS, 0, reply.items.n);
    answer(s, rq, FETCH, wire_fetch_response_message(&reply, arena));
}

static void on_stats(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    (void)msg; /* has no fields */
    struct shard_service *s = ctx;
    struct wire_generation_stats generation;
    struct wf_error err;
    wf_count(s->metrics, M_REQUESTS, STATS, 1);
    if (shard_describe(s->shard, rpc_arena(rq), &generation, &err) != WF_OK) {
        refuse(s, rq, &err);
        return;
    }
    const struct wire_stats stats = {.shard = s->number,
                                     .n_shards = shard_count(s->shard),
                                     .incarnation = s->incarnation,
                                     .cpu_us = (uint64_t)(wf_now_cpu() / WF_MICROSECOND),
                                     .generations = &generation,
                                     .n_generations = 1};
    answer(s, rq, STATS, wire_stats_message(&stats, rpc_arena(rq)));
}

/* ---- life ---- */

struct shard_service *shard_service_create(const struct shard_service_config *config)
{
    struct shard_service *s = wf_xcalloc(1, sizeof *s);
    s->shard = config->shard;
    s->number = config->number;
    s->replica = config->replica;
    s->metrics = config->metrics;
    if (getrandom(&s->incarnation, sizeof s->incarnation, 0) != sizeof s->incarnation) {
        s->incarnation = (uint64_t)wf_now();
    }
    return s;
}

void shard_service_destroy(struct shard_service *s)
{
    wf_xfree(s);
}

void shard_service_methods(struct rpc_method out[SHARD_N_METHODS])
{
    static const struct {
        enum wire_method method;
        rpc_handler_fn *handle;
    } table[SHARD_N_METHODS] = {
        {WIRE_SEARCH, on_search}, {WIRE_FETCH, on_fetch}, {WIRE_STATS, on_stats}};
    for (size_t i = 0; i < SHARD_N_METHODS; i++) {
        const struct wire_method_info *info = wire_method(table[i].method);
        out[i] = (struct rpc_method){.path = info->path,
                                     .request = info->request,
                                     .handle = table[i].handle,
                                     .check = wire_scan};
    }
}

void shard_thread_begin(void)
{
    shard_faiss_threads(1);
}

static void set_gauges(const struct shard_service *s)
{
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 16);
    struct wire_generation_stats stats;
    if (shard_describe(s->shard, &arena, &stats, NULL) == WF_OK) {
        wf_gauge(s->metrics, M_DOCUMENTS, 0, (double)stats.documents);
        wf_gauge(s->metrics, M_BYTES, 0, (double)stats.bytes);
    }
    wf_gauge(s->metrics, M_INFO, 0, (double)s->number);
    wf_arena_fini(&arena);
}

enum wf_code shard_process_check(const void *conf, struct wf_error *err)
{
    const struct shard_conf *c = conf;
    if (c->generation[0] == '\0') {
        wf_fail(err, WF_INVALID, "shard.generation is not set");
        return wf_reason(err, "CONFIG");
    }
    return WF_OK;
}

enum wf_code shard_process_open(struct rpc_process *p, const void *conf, void **state,
                                struct wf_error *err)
{
    const struct shard_conf *c = conf;
    enum wf_code code = shard_process_check(conf, err);
    if (code != WF_OK) {
        return code;
    }
    openblas_set_num_threads(1);
    shard_select_set((enum shard_select)c->select);
    const int64_t begin = wf_now();
    struct shard_service_config config = {.number = (uint32_t)c->index,
                                          .replica = (uint32_t)c->replica,
                                          .metrics = rpc_process_metrics(p)};
    code = shard_open(c->generation, config.number, NULL, &config.shard, err);
    if (code != WF_OK) {
        return wf_prefix(err, "%s: ", c->generation);
    }
    struct shard_service *s = shard_service_create(&config);
    set_gauges(s);
    wf_log(WF_INFO, "opened", WF_S("generation", shard_generation(s->shard)),
           WF_I("shard", s->number), WF_I("rows", shard_rows(s->shard)),
           WF_D("seconds", (double)(wf_now() - begin) / (double)WF_SECOND),
           WF_S("blas", openblas_get_corename()));
    *state = s;
    return WF_OK;
}

void shard_process_ready(const void *state, char text[256])
{
    const struct shard_service *s = state;
    snprintf(text, 256, ",\"shard\":%u,\"replica\":%u", s->number, s->replica);
}

char *shard_process_status(const void *state)
{
    const struct shard_service *s = state;
    return wf_xprintf("{\"shard\":%u,\"n_shards\":%u,\"replica\":%u,\"incarnation\":\"%016llx\","
                      "\"generation\":\"%s\",\"documents\":%u}",
                      s->number, shard_count(s->shard), s->replica,
                      (unsigned long long)s->incarnation, shard_generation(s->shard),
                      shard_rows(s->shard));
}

void shard_process_close(void *state)
{
    struct shard_service *s = state;
    shard_close(s->shard);
    shard_service_destroy(s);
}

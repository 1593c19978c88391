/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_service.c - see shard_service.h: decode, check, search, answer, count; the executable's
 * tables; and what plugs the service into a process.
 */
#include "shard/shard_service.h"

#include <math.h>
#include <stdio.h>
#include <sys/random.h>

#include <cblas.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/epoch.h"
#include "base/log.h"
#include "proto/wire.h"
#include "shard/audit.h"
#include "shard/faiss_params.h"
#include "shard/shard_scrub.h"
#include "shard/space.h"

/* ---- tables ---- */

const struct wf_option shard_options[SHARD_N_OPTIONS] = {
    RPC_PROCESS_OPTIONS(struct shard_conf, process, "7100", "7180"),
    {"search.select", WF_CHOICE, WF_OPT(struct shard_conf, select), "auto", NULL, NULL,
     "Who picks candidates from IVF lists: FAISS or the scoring kernel; auto takes the faster one. "
     "Answers do not depend on it.",
     "auto|faiss|kernel", false},
    {"search.audit_share", WF_REAL, WF_OPT(struct shard_conf, audit_share), "0.001", "0", "1",
     "Share of the answered probes that are searched again exactly, in idle time and at most a "
     "twentieth of one core, to tell the recall of what is served. 0: none.",
     NULL, false},
    {"shard.generation", WF_STR, WF_OPT(struct shard_conf, generation), "", NULL, NULL,
     "Directory of the generation to serve.", NULL, false},
    {"shard.index", WF_INT, WF_OPT(struct shard_conf, index), "0", "0", "65535",
     "Number of this shard in the generation, from 0.", NULL, false},
    {"shard.replica", WF_INT, WF_OPT(struct shard_conf, replica), "0", "0", "65535",
     "Number of this replica of the shard; for people, nothing depends on it.", NULL, false},
    {"shard.seal", WF_STR, WF_OPT(struct shard_conf, seal), "", NULL, NULL,
     "File that remembers what was verified, in a directory where only this server writes: a shard "
     "that has not changed since is opened without reading it. Empty: every start verifies.",
     NULL, false},
    {"shard.scrub_interval", WF_MILLIS, WF_OPT(struct shard_conf, scrub_ms), "24h", "0", "8760h",
     "Time between two verifications of the shard while it serves; after a sealed start the first "
     "follows within ten seconds. 0: that one alone.",
     NULL, false},
    {"shard.memory_limit", WF_BYTES, WF_OPT(struct shard_conf, memory_limit), "0", "0", "4096GiB",
     "Bytes that codes, index, columns, ids, bitmaps and delta may add up to; a generation that "
     "would pass it is refused. 0: the control group's limit, if it has one.",
     NULL, false},
    {"shard.filter_cache", WF_BYTES, WF_OPT(struct shard_conf, filter_cache), "64MiB", "1MiB",
     "64GiB", "Bytes of filter bitmaps that are kept for the next query with the same filter.",
     NULL, false},
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
    M_SCRUBS,
    M_MEMORY,
    M_RECALL,
    M_RECALL_LOW,
    M_RECALL_HIGH,
    M_AUDITED,
    M_AUDIT_DROPPED,
};
enum { SEARCH, FETCH, STATS };
#define AUDIT_LOAD 0.05             /* of one core */
#define SCRUB_SOON (10 * WF_SECOND) /* a cluster that starts has better to do */
static const char *const methods[] = {"search", "fetch", "stats", NULL};
static const char *const codes[] = {"INVALID_ARGUMENT",
                                    "DEADLINE_EXCEEDED",
                                    "RESOURCE_EXHAUSTED",
                                    "FAILED_PRECONDITION",
                                    "DATA_LOSS",
                                    "INTERNAL",
                                    NULL};
static const char *const scrub_results[] = {"ok", "damaged", NULL};
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
    [M_SCRUBS] = {"weft_shard_scrubs_total", WF_COUNTER,
                  "Verifications of the whole shard while it served.", "result", scrub_results},
    [M_MEMORY] = {"weft_shard_memory_bytes", WF_GAUGE, "Bytes mapped or allocated for the shard.",
                  "component", shard_component_names},
    [M_RECALL] =
        {"weft_shard_audit_recall", WF_GAUGE,
         "Share of the exact answer that was given: of the best 10 and 100, and of all hits "
         "of probes for another number; mean of the last 1,000 audited probes, NaN before "
         "the first.",
         "k", shard_audit_depths},
    [M_RECALL_LOW] = {"weft_shard_audit_recall_low", WF_GAUGE,
                      "Lower 95 % bound of weft_shard_audit_recall.", "k", shard_audit_depths},
    [M_RECALL_HIGH] = {"weft_shard_audit_recall_high", WF_GAUGE,
                       "Upper 95 % bound of weft_shard_audit_recall.", "k", shard_audit_depths},
    [M_AUDITED] = {"weft_shard_audited_probes_total", WF_COUNTER,
                   "Probes that were searched again exactly.", NULL, NULL},
    [M_AUDIT_DROPPED] = {"weft_shard_audit_dropped_total", WF_COUNTER,
                         "Sampled probes that were not: the queue was full, or a second too short.",
                         NULL, NULL},
};

struct shard_service {
    struct shard *shard; /* owned where the process opened it */
    uint32_t number, replica;
    uint64_t incarnation;
    struct wf_metrics *metrics;
    struct rpc_process *process;     /* NULL outside of one */
    struct shard_scrubber *scrubber; /* NULL: none */
    struct shard_audit *audit;       /* NULL: none */
    atomic_bool damaged;             /* a scrub has found it so; nothing is answered any more */
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
    case WF_DATA_LOSS:
        return 4;
    default:
        return 5;
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

/* What was found damaged answers nothing. */
static enum wf_code check_whole(struct shard_service *s, struct wf_error *err)
{
    if (!atomic_load(&s->damaged)) {
        return WF_OK;
    }
    return wf_fail(err, WF_DATA_LOSS, "shard %u of generation %s was found damaged", s->number,
                   shard_generation(s->shard));
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
    enum wf_code code = check_whole(s, &err);
    if (code == WF_OK) {
        code = wire_search_request_read(msg, arena, &asked, &err);
    }
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
    shard_audit_offer(s->audit, &asked, &reply);
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
    enum wf_code code = check_whole(s, &err);
    if (code == WF_OK) {
        code = wire_fetch_request_read(msg, arena, &asked, &err);
    }
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

void shard_service_damaged(struct shard_service *s)
{
    atomic_store(&s->damaged, true);
}

enum wf_code shard_service_audit(struct shard_service *s, double share, double load,
                                 struct wf_error *err)
{
    const struct shard_audit_config config = {.shard = s->shard,
                                              .share = share,
                                              .load = load,
                                              .metrics = s->metrics,
                                              .audited = M_AUDITED,
                                              .dropped = M_AUDIT_DROPPED};
    return shard_audit_create(&config, &s->audit, err);
}

void shard_service_destroy(struct shard_service *s)
{
    shard_audit_destroy(s->audit);
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
    wf_epoch_thread_begin();
}

void shard_thread_end(void)
{
    wf_epoch_thread_end();
}

void shard_process_scrape(void *state)
{
    const struct shard_service *s = state;
    uint64_t bytes[SHARD_COMPONENTS];
    shard_memory(s->shard, bytes);
    for (unsigned i = 0; i < SHARD_COMPONENTS; i++) {
        wf_gauge(s->metrics, M_MEMORY, i, (double)bytes[i]);
    }
    struct shard_recall recall[SHARD_AUDIT_DEPTHS] = {0};
    if (s->audit != NULL) {
        shard_audit_read(s->audit, recall);
    }
    for (unsigned i = 0; i < SHARD_AUDIT_DEPTHS; i++) {
        const bool any = recall[i].probes > 0;
        wf_gauge(s->metrics, M_RECALL, i, any ? recall[i].recall : (double)NAN);
        wf_gauge(s->metrics, M_RECALL_LOW, i, any ? recall[i].low : (double)NAN);
        wf_gauge(s->metrics, M_RECALL_HIGH, i, any ? recall[i].high : (double)NAN);
    }
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

static void on_scrub(void *ctx, enum wf_code code, const struct wf_error *err, int64_t ns)
{
    struct shard_service *s = ctx;
    const double seconds = (double)ns / (double)WF_SECOND;
    wf_count(s->metrics, M_SCRUBS, code != WF_OK, 1);
    if (code == WF_OK) {
        wf_log(WF_INFO, "scrubbed", WF_I("shard", s->number), WF_D("seconds", seconds));
        return;
    }
    wf_log(WF_ERROR, "damaged", WF_I("shard", s->number), WF_D("seconds", seconds),
           WF_S("text", err->text));
    shard_service_damaged(s);
    rpc_process_serving(s->process, false);
}

static enum wf_code start_scrub(struct shard_service *s, int64_t interval_ms, struct wf_error *err)
{
    const int64_t interval = interval_ms == 0 ? INT64_MAX : interval_ms * WF_MILLISECOND;
    const bool soon = shard_sealed(s->shard) && interval > SCRUB_SOON;
    const struct shard_scrub_config config = {.shard = s->shard,
                                              .first = soon ? SCRUB_SOON : interval,
                                              .interval = interval,
                                              .done = on_scrub,
                                              .ctx = s};
    return shard_scrub_start(&config, &s->scrubber, err);
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
    const struct shard_open_options options = {.seal = c->seal[0] == '\0' ? NULL : c->seal,
                                               .memory_limit = c->memory_limit,
                                               .filter_cache = (size_t)c->filter_cache};
    code = shard_open(c->generation, config.number, &options, &config.shard, err);
    if (code != WF_OK) {
        return wf_prefix(err, "%s: ", c->generation);
    }
    struct shard_service *s = shard_service_create(&config);
    s->process = p;
    code = start_scrub(s, c->scrub_ms, err);
    if (code == WF_OK && c->audit_share > 0) {
        code = shard_service_audit(s, c->audit_share, AUDIT_LOAD, err);
    }
    if (code != WF_OK) {
        shard_process_close(s);
        return code;
    }
    set_gauges(s);
    wf_log(WF_INFO, "opened", WF_S("generation", shard_generation(s->shard)),
           WF_I("shard", s->number), WF_I("rows", shard_rows(s->shard)),
           WF_B("sealed", shard_sealed(s->shard)),
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

/* "audit" of the status: {} when nothing is audited. */
static void audit_status(const struct shard_service *s, char *text, size_t size)
{
    struct shard_recall recall[SHARD_AUDIT_DEPTHS];
    size_t at = 0;
    text[0] = '\0';
    if (s->audit == NULL) {
        return;
    }
    shard_audit_read(s->audit, recall);
    at = (size_t)snprintf(text, size, "\"generation\":\"%s\",\"k\":{", shard_generation(s->shard));
    for (unsigned i = 0; i < SHARD_AUDIT_DEPTHS && at < size; i++) {
        at += (size_t)snprintf(text + at, size - at,
                               "%s\"%s\":{\"probes\":%u,\"recall\":%.4f,\"low\":%.4f,"
                               "\"high\":%.4f}",
                               i == 0 ? "" : ",", shard_audit_depths[i], recall[i].probes,
                               recall[i].recall, recall[i].low, recall[i].high);
    }
    if (at < size) {
        snprintf(text + at, size - at, "}");
    }
}

char *shard_process_status(const void *state)
{
    const struct shard_service *s = state;
    uint64_t bytes[SHARD_COMPONENTS];
    char memory[320] = "";
    size_t at = 0;
    shard_memory(s->shard, bytes);
    for (unsigned i = 0; i < SHARD_COMPONENTS && at < sizeof memory; i++) {
        at += (size_t)snprintf(memory + at, sizeof memory - at, "\"%s\":%llu,",
                               shard_component_names[i], (unsigned long long)bytes[i]);
    }
    char audit[512];
    audit_status(s, audit, sizeof audit);
    return wf_xprintf("{\"shard\":%u,\"n_shards\":%u,\"replica\":%u,\"incarnation\":\"%016llx\","
                      "\"generation\":\"%s\",\"documents\":%u,\"sealed\":%s,\"damaged\":%s,"
                      "\"memory\":{%s\"limit\":%llu},\"audit\":{%s}}",
                      s->number, shard_count(s->shard), s->replica,
                      (unsigned long long)s->incarnation, shard_generation(s->shard),
                      shard_rows(s->shard), shard_sealed(s->shard) ? "true" : "false",
                      atomic_load(&s->damaged) ? "true" : "false", memory,
                      (unsigned long long)shard_limit(s->shard), audit);
}

void shard_process_close(void *state)
{
    struct shard_service *s = state;
    struct shard *shard = s->shard;
    shard_scrub_stop(s->scrubber);
    shard_service_destroy(s);
    shard_close(shard);
}

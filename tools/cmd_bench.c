/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_bench.c - weft bench: open-loop load at a rate, with latencies, coverage and the CPU of every
 * process. The coordinator says whom to ask about and what its processes have used; its figures of
 * the shards are up to a second old, so each reading waits until all are newer than the moment that
 * it is for.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "tools/commands.h"
#include "tools/load.h"
#include "tools/text.h"

#define CALL_TIMEOUT (5 * WF_SECOND)
#define PATIENCE     (4 * WF_SECOND) /* with figures that stay old */
#define POLL         (50 * WF_MILLISECOND)

struct args {
    const char *target, *surface, *by, *filter, *exclude_handle;
    double rate, seconds, warmup, target_recall;
    uint64_t k, rank_limit, seed, timeout_ms;
};
#define ARG(member) offsetof(struct args, member)
static const struct tool_option options[] = {
    {"target", TOOL_STR, ARG(target), "HOST:PORT", "The coordinator.", NULL, 0, 0, true},
    {"rate", TOOL_REAL, ARG(rate), "R", "Requests per second.", "100", 0.1, 1e6, false},
    {"seconds", TOOL_REAL, ARG(seconds), "S", "How long.", "10", 0.1, 86400, false},
    {"warmup", TOOL_REAL, ARG(warmup), "S", "Load that is not counted, first.", "1", 0, 3600,
     false},
    {"surface", TOOL_STR, ARG(surface), "NAME", "Surface to ask.", "for_you", 0, 0, false},
    {"by", TOOL_STR, ARG(by), "user|item",
     "What is drawn; similar surfaces draw items by themselves.", "", 0, 0, false},
    {"k", TOOL_UINT, ARG(k), "N", "Hits wanted.", "20", 1, 1000, false},
    {"rank-limit", TOOL_UINT, ARG(rank_limit), "N",
     "Candidates ranked at most; 0: the surface's own.", "0", 0, 2000, false},
    {"filter", TOOL_STR, ARG(filter), "EXPR", "Filter expression of every request.", "", 0, 0,
     false},
    {"target-recall", TOOL_REAL, ARG(target_recall), "R", "Recall wanted of the retrieval.", NULL,
     0, 1, false},
    {"exclude-handle", TOOL_STR, ARG(exclude_handle), "H",
     "Leaves out the SKUs of this set, see weft exclude.", "", 0, 0, false},
    {"timeout-ms", TOOL_UINT, ARG(timeout_ms), "MS", "Deadline of a request.", "1000", 1, 60000,
     false},
    {"seed", TOOL_UINT, ARG(seed), "N", "Order of the draws.", "1", 0, 0, false},
};

/* What the coordinator's processes had used at one moment. */
struct figures {
    struct wire_describe_response at;
    uint32_t n_old; /* shard processes whose figure is older than the moment */
    struct wf_arena arena;
};

static enum wf_code take_figures(struct tool_client *client, struct figures *f,
                                 struct wf_error *err)
{
    const int64_t moment = wf_now();
    wf_arena_init(&f->arena, TOOL_CLIENT_ARENA_MAX);
    for (;;) {
        wf_arena_reset(&f->arena);
        const int64_t sent = wf_now();
        const enum wf_code code =
            tool_client_describe(client, sent + CALL_TIMEOUT, &f->arena, &f->at, err);
        f->n_old = 0;
        for (uint32_t i = 0; code == WF_OK && i < f->at.n_processes; i++) {
            f->n_old += f->at.processes[i].age_us > (uint64_t)((sent - moment) / WF_MICROSECOND);
        }
        if ((code == WF_OK && f->n_old == 0) || sent - moment > PATIENCE) {
            return code;
        }
        tool_sleep_until(sent + POLL);
    }
}

/* Two moments; the CPU between them is told in microseconds. */
struct usage {
    const struct figures *before, *after;
};

/* A counter that fell is that of a process that was started again. */
static double grown(uint64_t before, uint64_t after)
{
    return (double)(after >= before ? after - before : after);
}

/* Of the i-th process of `after`; 0 for one that `before` does not know. */
static double shard_us(const struct usage *u, uint32_t i)
{
    const struct wire_process_cpu *p = &u->after->at.processes[i];
    for (uint32_t j = 0; j < u->before->at.n_processes; j++) {
        const struct wire_process_cpu *old = &u->before->at.processes[j];
        if (old->shard == p->shard && old->replica == p->replica) {
            return grown(old->cpu_us, p->cpu_us);
        }
    }
    return 0;
}

static double shards_us(const struct usage *u)
{
    double sum = 0;
    for (uint32_t i = 0; i < u->after->at.n_processes; i++) {
        sum += shard_us(u, i);
    }
    return sum;
}

static double coordinator_us(const struct usage *u)
{
    return grown(u->before->at.cpu_us, u->after->at.cpu_us);
}

static double quantile_us(const struct tool_load_result *r, double q)
{
    return (double)wf_histogram_quantile(r->latency, q) / 1e3;
}

static void print_json(const struct args *a, const struct tool_load_result *r,
                       const struct usage *u)
{
    const double answered = r->ok == 0 ? 1 : (double)r->ok;
    printf("{\"offered_qps\":%.2f,\"achieved_qps\":%.2f,\"sent\":%llu,\"refused\":%llu,\"late\":%"
           "llu,\"errors\":%llu,",
           a->rate, (double)r->ok / r->seconds, (unsigned long long)r->sent,
           (unsigned long long)r->refused, (unsigned long long)r->late,
           (unsigned long long)r->errors);
    printf("\"latency_us\":{\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%.0f},",
           quantile_us(r, 0.5), quantile_us(r, 0.9), quantile_us(r, 0.99), quantile_us(r, 0.999),
           (double)wf_histogram_max(r->latency) / 1e3);
    printf("\"cpu_us_per_query\":{\"coordinator\":%.1f,\"shards\":%.1f},\"processes\":[",
           coordinator_us(u) / answered, shards_us(u) / answered);
    for (uint32_t i = 0; i < u->after->at.n_processes; i++) {
        const struct wire_process_cpu *p = &u->after->at.processes[i];
        printf("%s{\"shard\":%u,\"replica\":%u,\"cpu_us_per_query\":%.1f}", i == 0 ? "" : ",",
               p->shard, p->replica, shard_us(u, i) / answered);
    }
    printf("],");
    printf("\"search_us_per_query\":%.1f,\"scanned_per_query\":%.0f,\"coverage_min\":%.6g}\n",
           (double)r->search_us / answered, (double)r->scanned / answered, r->coverage_min);
}

static void print_text(const struct args *a, const struct tool_load_result *r,
                       const struct usage *u)
{
    const double answered = r->ok == 0 ? 1 : (double)r->ok;
    printf("offered   %.1f queries/s for %.1f s, answered in time %.1f/s\n", a->rate, a->seconds,
           (double)r->ok / r->seconds);
    printf("outcomes  %llu ok, %llu refused, %llu late, %llu errors\n", (unsigned long long)r->ok,
           (unsigned long long)r->refused, (unsigned long long)r->late,
           (unsigned long long)r->errors);
    printf("latency   p50 %.0f us, p90 %.0f, p99 %.0f, p99.9 %.0f, max %.0f (from the time it was "
           "due)\n",
           quantile_us(r, 0.5), quantile_us(r, 0.9), quantile_us(r, 0.99), quantile_us(r, 0.999),
           (double)wf_histogram_max(r->latency) / 1e3);
    printf("coverage  at least %.4f, %.0f rows compared per query\n", r->coverage_min,
           (double)r->scanned / answered);
    printf("cpu       coordinator %.1f us per query, shards %.1f\n", coordinator_us(u) / answered,
           shards_us(u) / answered);
    for (uint32_t i = 0; i < u->after->at.n_processes; i++) {
        const struct wire_process_cpu *p = &u->after->at.processes[i];
        printf("cpu       shard %u replica %u %.1f us per query\n", p->shard, p->replica,
               shard_us(u, i) / answered);
    }
}

static enum wf_code load_of(const struct args *a, struct tool_load *load, struct wf_error *err)
{
    const bool similar = strncmp(a->surface, "similar", 7) == 0;
    if (a->by[0] != '\0' && strcmp(a->by, "user") != 0 && strcmp(a->by, "item") != 0) {
        return tool_usage(err, "--by is \"%s\", wanted user or item", a->by);
    }
    *load = (struct tool_load){.rate = a->rate,
                               .seconds = a->seconds,
                               .timeout_ms = a->timeout_ms,
                               .surface = a->surface,
                               .filter = a->filter,
                               .exclude_handle = a->exclude_handle,
                               .target_recall = (float)a->target_recall,
                               .k = (uint32_t)a->k,
                               .rank_limit = (uint32_t)a->rank_limit,
                               .by_item = a->by[0] == '\0' ? similar : a->by[0] == 'i'};
    return WF_OK;
}

/* All that is reported of one run. */
struct measured {
    struct figures before, after;
    struct tool_load_result result;
};

static void release(struct measured *m)
{
    wf_histogram_destroy(m->result.latency);
    wf_arena_fini(&m->before.arena);
    wf_arena_fini(&m->after.arena);
}

/* On failure too `out` is to be released. */
static enum wf_code measure(struct tool_client *client, const struct tool_subjects *subjects,
                            struct tool_load load, double warmup, struct measured *out,
                            struct wf_error *err)
{
    if (warmup > 0) {
        const double seconds = load.seconds;
        load.seconds = warmup;
        tool_load_run(client, subjects, &load, &out->result);
        wf_histogram_destroy(out->result.latency);
        out->result.latency = NULL;
        load.first = out->result.sent;
        load.seconds = seconds;
    }
    const enum wf_code code = take_figures(client, &out->before, err);
    if (code != WF_OK) {
        return code;
    }
    tool_load_run(client, subjects, &load, &out->result);
    return take_figures(client, &out->after, err);
}

static enum wf_code report(const struct tool_call *call, const struct measured *m,
                           struct wf_error *err)
{
    const struct tool_load_result *r = &m->result;
    const struct usage u = {&m->before, &m->after};
    (call->json ? print_json : print_text)(call->args, r, &u);
    if (m->after.n_old > 0) {
        fprintf(stderr, "%u of %u shard processes did not tell their CPU time after the load\n",
                m->after.n_old, m->after.at.n_processes);
    }
    if (r->ok == 0) {
        const enum wf_code code = r->first_code == WF_OK ? WF_TIMEOUT : r->first_code;
        return wf_fail(err, code, "no request was answered in time: %s", r->first_error);
    }
    if (r->errors > 0) {
        fprintf(stderr, "first error: %s\n", r->first_error);
    }
    return WF_OK;
}

static enum wf_code bench(const struct tool_call *call, struct tool_client *client,
                          const struct tool_load *load, struct wf_error *err)
{
    const struct args *a = call->args;
    const enum wire_draw_kind kind = load->by_item ? WIRE_DRAW_ITEMS : WIRE_DRAW_USERS;
    const uint64_t want = (uint64_t)(a->rate * (a->seconds + a->warmup)) + 1;
    struct measured m = {0};
    struct tool_subjects subjects;
    enum wf_code code = tool_subjects_open(client, kind, a->seed, want, &subjects, err);
    if (code != WF_OK) {
        return code;
    }
    if (subjects.n == 0) {
        code = wf_fail(err, WF_INVALID, "the generation has no %s",
                       load->by_item ? "items" : "users; --by item draws items");
    } else {
        code = measure(client, &subjects, *load, a->warmup, &m, err);
    }
    if (code == WF_OK) {
        code = report(call, &m, err);
    }
    release(&m);
    tool_subjects_close(&subjects);
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    struct tool_load load = {0};
    struct tool_client client;
    enum wf_code code = load_of(a, &load, err);
    if (code == WF_OK) {
        code = tool_client_open(a->target, 1, &client, err);
    }
    if (code != WF_OK) {
        return code;
    }
    code = bench(call, &client, &load, err);
    tool_client_close(&client);
    return code;
}

const struct tool_command tool_bench = {
    .name = "bench",
    .what = "open-loop load on a coordinator",
    .examples = "weft bench --target 127.0.0.1:7000 --rate 300 --seconds 30\n"
                "weft bench --target 127.0.0.1:7000 --surface similar --rate 100 --k 20 --json\n"
                "weft bench --target 127.0.0.1:7000 --filter 'price < 40' --target-recall 0.98\n",
    .notes =
        "The coordinator draws users and items by --seed without repeats. Latency counts from\n"
        "the time at which a request should have been sent. CPU is that of this coordinator\n"
        "and of its shards, background work included.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

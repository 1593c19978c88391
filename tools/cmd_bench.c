/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_bench.c - weft bench: open-loop load at a rate, with latencies, coverage and the CPU of every
 * process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"
#include "tools/commands.h"
#include "tools/load.h"
#include "tools/text.h"

enum { PROCESSES_MAX = 512 };

struct args {
    const char *target, *cluster, *generation, *surface, *by;
    double rate, seconds, warmup;
    uint64_t k, rank_limit, seed, timeout_ms;
};
#define ARG(member) offsetof(struct args, member)
static const struct tool_option options[] = {
    {"target", TOOL_STR, ARG(target), "HOST:PORT", "The coordinator.", NULL, 0, 0, false},
    {"cluster", TOOL_STR, ARG(cluster), "FILE",
     "The line that weft up printed: gives the target and the processes whose CPU is measured.",
     NULL, 0, 0, false},
    {"generation", TOOL_STR, ARG(generation), "GEN", "Whose users and items are drawn.", NULL, 0, 0,
     true},
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
    {"timeout-ms", TOOL_UINT, ARG(timeout_ms), "MS", "Deadline of a request.", "1000", 1, 60000,
     false},
    {"seed", TOOL_UINT, ARG(seed), "N", "Order of the draws.", "1", 0, 0, false},
};

/* The processes of a cluster and the CPU that each had used. */
struct processes {
    struct {
        int pid;
        bool coordinator;
        char name[48];
        double before, after; /* CPU seconds */
    } of[PROCESSES_MAX];
    unsigned n;
    char target[96];
};

static void add_process(struct processes *p, const json_t *entry, bool coordinator)
{
    const json_t *pid = json_object_get(entry, "pid");
    if (p->n == PROCESSES_MAX || !json_is_integer(pid)) {
        return;
    }
    p->of[p->n].pid = (int)json_integer_value(pid);
    p->of[p->n].coordinator = coordinator;
    if (coordinator) {
        snprintf(p->of[p->n].name, sizeof p->of[0].name, "coordinator");
    } else {
        snprintf(p->of[p->n].name, sizeof p->of[0].name, "shard %d replica %d",
                 (int)json_integer_value(json_object_get(entry, "shard")),
                 (int)json_integer_value(json_object_get(entry, "replica")));
    }
    p->n++;
}

static enum wf_code read_cluster(const char *path, struct processes *p, struct wf_error *err)
{
    char *text;
    size_t size, i;
    json_t *entry;
    enum wf_code code = wf_read_file(path, 1 << 20, &text, &size, err);
    if (code != WF_OK) {
        return code;
    }
    json_t *root = json_loadb(text, size, JSON_DISABLE_EOF_CHECK, NULL);
    wf_xfree(text);
    const char *target = json_string_value(json_object_get(root, "coordinator"));
    if (target == NULL) {
        code = wf_fail(err, WF_INVALID, "%s: not the line that weft up prints", path);
    } else {
        snprintf(p->target, sizeof p->target, "%s", target);
        json_array_foreach(json_object_get(root, "coordinators"), i, entry)
        {
            add_process(p, entry, true);
        }
        json_array_foreach(json_object_get(root, "shards"), i, entry)
        {
            add_process(p, entry, false);
        }
    }
    json_decref(root);
    return code;
}

/* utime + stime of /proc/PID/stat (proc(5), fields 14 and 15), seconds; 0 when the process is gone.
 */
static double cpu_of(int pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    const size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; at != NULL && field < 14; field++) {
        at = strchr(at + 1, ' ');
    }
    char *end;
    if (at != NULL) {
        user = strtoul(at, &end, 10);
        system = strtoul(end, NULL, 10);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void note_cpu(struct processes *p, bool after)
{
    for (unsigned i = 0; i < p->n; i++) {
        *(after ? &p->of[i].after : &p->of[i].before) = cpu_of(p->of[i].pid);
    }
}

static double cpu_us(const struct processes *p, bool coordinator, uint64_t queries)
{
    double sum = 0;
    for (unsigned i = 0; i < p->n; i++) {
        sum += p->of[i].coordinator == coordinator ? p->of[i].after - p->of[i].before : 0;
    }
    return queries == 0 ? 0 : sum * 1e6 / (double)queries;
}

static double quantile_us(const struct tool_load_result *r, double q)
{
    return (double)wf_histogram_quantile(r->latency, q) / 1e3;
}

static void print_json(const struct args *a, const struct tool_load_result *r,
                       const struct processes *p)
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
    if (p->n > 0) {
        printf("\"cpu_us_per_query\":{\"coordinator\":%.1f,\"shards\":%.1f},\"processes\":[",
               cpu_us(p, true, r->ok), cpu_us(p, false, r->ok));
        for (unsigned i = 0; i < p->n; i++) {
            printf("%s{\"name\":\"%s\",\"cpu_us_per_query\":%.1f}", i == 0 ? "" : ",",
                   p->of[i].name, (p->of[i].after - p->of[i].before) * 1e6 / answered);
        }
        printf("],");
    }
    printf("\"search_us_per_query\":%.1f,\"scanned_per_query\":%.0f,\"coverage_min\":%.6g}\n",
           (double)r->search_us / answered, (double)r->scanned / answered, r->coverage_min);
}

static void print_text(const struct args *a, const struct tool_load_result *r,
                       const struct processes *p)
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
    for (unsigned i = 0; i < p->n; i++) {
        printf("cpu       %-20s %.1f us per query\n", p->of[i].name,
               (p->of[i].after - p->of[i].before) * 1e6 / answered);
    }
}

static enum wf_code load_of(const struct args *a, const struct tool_subjects *subjects,
                            struct tool_load *load, struct wf_error *err)
{
    const bool similar = strncmp(a->surface, "similar", 7) == 0;
    if (a->by[0] != '\0' && strcmp(a->by, "user") != 0 && strcmp(a->by, "item") != 0) {
        return tool_usage(err, "--by is \"%s\", wanted user or item", a->by);
    }
    *load = (struct tool_load){.rate = a->rate,
                               .seconds = a->seconds,
                               .timeout_ms = a->timeout_ms,
                               .surface = a->surface,
                               .k = (uint32_t)a->k,
                               .rank_limit = (uint32_t)a->rank_limit,
                               .by_item = a->by[0] == '\0' ? similar : a->by[0] == 'i'};
    if ((load->by_item ? subjects->items.n : subjects->users.n) == 0) {
        return wf_fail(err, WF_INVALID, "%s: the generation has no %s", a->generation,
                       load->by_item ? "items" : "users; --by item draws items");
    }
    return WF_OK;
}

static void measure(struct tool_client *client, const struct tool_subjects *subjects,
                    struct tool_load *load, double warmup, struct processes *p,
                    struct tool_load_result *result)
{
    if (warmup > 0) {
        const double seconds = load->seconds;
        load->seconds = warmup;
        tool_load_run(client, subjects, load, result);
        wf_histogram_destroy(result->latency);
        load->first = result->sent;
        load->seconds = seconds;
    }
    note_cpu(p, false);
    tool_load_run(client, subjects, load, result);
    note_cpu(p, true);
}

static enum wf_code bench(const struct tool_call *call, struct processes *p,
                          const struct tool_subjects *subjects, struct wf_error *err)
{
    const struct args *a = call->args;
    struct tool_load load;
    struct tool_load_result result;
    struct tool_client client;
    enum wf_code code = load_of(a, subjects, &load, err);
    if (code == WF_OK) {
        code = tool_client_open(a->target != NULL ? a->target : p->target, 1, &client, err);
    }
    if (code != WF_OK) {
        return code;
    }
    measure(&client, subjects, &load, a->warmup, p, &result);
    tool_client_close(&client);
    (call->json ? print_json : print_text)(a, &result, p);
    if (result.ok == 0) {
        code = wf_fail(err, WF_UNAVAILABLE, "no request was answered: %s", result.first_error);
    } else if (result.errors > 0) {
        fprintf(stderr, "first error: %s\n", result.first_error);
    }
    wf_histogram_destroy(result.latency);
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    struct processes p = {0};
    struct tool_subjects subjects;
    if (a->target == NULL && a->cluster == NULL) {
        return tool_usage(err, "--target HOST:PORT or --cluster FILE is missing");
    }
    enum wf_code code = a->cluster == NULL ? WF_OK : read_cluster(a->cluster, &p, err);
    if (code == WF_OK) {
        code = tool_subjects_open(a->generation, a->seed, &subjects, err);
    }
    if (code != WF_OK) {
        return code;
    }
    code = bench(call, &p, &subjects, err);
    tool_subjects_close(&subjects);
    return code;
}

const struct tool_command tool_bench = {
    .name = "bench",
    .what = "open-loop load on a coordinator",
    .examples =
        "weft up gen > up.json &\n"
        "weft bench --cluster up.json --generation gen --rate 300 --seconds 30\n"
        "weft bench --target 127.0.0.1:7000 --generation gen --surface similar --rate 100 --json\n",
    .notes = "Users and items of the generation are drawn by --seed without repeats. Latency "
             "counts from the time at\n"
             "which a request should have been sent.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_service_test.c - ShardService over a real server and the weft-shard executable over a real
 * generation: answers are those of the shard itself, errors carry status, reason and field, calls
 * from many threads agree, and a signal ends the process with 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "ranking/features.h"
#include "shard/shard_service.h"
#include "tests/support/shard_fixture.h"
#include "tools/children.h"

enum { ROWS = 900, DIM = 20, SHARDS = 2, CALLERS = 4, CALLS = 60 };
static const uint64_t seed = 5;
#define PATIENCE (30 * WF_SECOND)

struct fixture {
    struct catalog *c;
    struct wf_manifest *manifest;
    char generation[300];
};
static struct fixture fx;

static int setup(void **state)
{
    (void)state;
    const struct catalog_shape shape = {
        .n = ROWS, .dim = DIM, .metric = WF_METRIC_COSINE, .clusters = 10, .seed = seed};
    fx.c = catalog_make(&shape);
    fx.manifest = catalog_generation(fx.c, "IVF8,SQfp16", SHARDS);
    snprintf(fx.generation, sizeof fx.generation, "%s/gen", fx.c->dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    catalog_free(fx.c);
    wf_manifest_close(fx.manifest);
    return 0;
}

/* ---- asking ---- */

static struct rpc_peer *connect_to(struct rpc_loop *loop, const char *address)
{
    const struct rpc_peer_config config = {
        .target = address, .max_message = 16 << 20, .max_arena = 64 << 20};
    struct rpc_peer *peer;
    struct wf_error err;
    assert_int_equal(rpc_peer_open(loop, &config, &peer, &err), WF_OK);
    return peer;
}

static enum wf_code ask(struct rpc_peer *peer, enum wire_method method, const ProtobufCMessage *msg,
                        struct wf_arena *a, const ProtobufCMessage **reply, struct wf_error *err)
{
    const struct wire_method_info *info = wire_method(method);
    const struct rpc_call_config config = {
        .path = info->path, .reply = info->response, .deadline = wf_now() + PATIENCE, .arena = a};
    return rpc_call_wait(peer, &config, msg, reply, err);
}

static enum wf_code search(struct rpc_peer *peer, const struct wire_search_request *rq,
                           struct wf_arena *a, struct wire_search_response *out,
                           struct wf_error *err)
{
    const ProtobufCMessage *reply;
    enum wf_code code = ask(peer, WIRE_SEARCH, wire_search_request_message(rq, a), a, &reply, err);
    return code == WF_OK ? wire_search_response_read(reply, rq, a, out, err) : code;
}

static void must_search(struct rpc_peer *peer, const struct wire_search_request *rq,
                        struct wf_arena *a, struct wire_search_response *out)
{
    struct wf_error err = {0};
    if (search(peer, rq, a, out, &err) != WF_OK) {
        fail_msg("%s", err.text);
        abort();
    }
}

/* Probe i of the table below: another vector each time. */
struct query {
    float vector[DIM];
    struct wire_probe probe;
    struct wire_search_request rq;
};
static const uint32_t features[] = {RANK_PRICE, RANK_POPULARITY};
static const char *const everything[] = {"*"};

static void make_query(struct query *q, uint32_t i, const char *generation)
{
    const uint32_t row = i % 17 == 5 ? 0 : i;
    memcpy(q->vector, fx.c->vectors[0] + (size_t)row * DIM, sizeof q->vector);
    assert_true(wf_normalise(q->vector, DIM));
    q->probe = (struct wire_probe){.space = "first",
                                   .content_id = "first-v1",
                                   .vector = q->vector,
                                   .dim = DIM,
                                   .k = 1 + i % 60};
    q->rq = (struct wire_search_request){.generation = generation,
                                         .request_id = "test",
                                         .filter = "",
                                         .vector_space = "",
                                         .probes = &q->probe,
                                         .n_probes = 1,
                                         .features = features,
                                         .n_features = 2,
                                         .attributes = everything,
                                         .n_attributes = 1,
                                         .want_vectors = true,
                                         .encoding = WIRE_FP16};
}

static void assert_equal_answers(const struct wire_search_response *a,
                                 const struct wire_search_response *b)
{
    const struct wire_columns *x = &a->sources[0], *y = &b->sources[0];
    assert_int_equal(a->documents, b->documents);
    assert_int_equal(x->n, y->n);
    assert_int_equal(x->scanned, y->scanned);
    assert_memory_equal(x->scores, y->scores, x->n * sizeof *x->scores);
    assert_memory_equal(x->sku_sizes, y->sku_sizes, x->n * sizeof *x->sku_sizes);
    assert_memory_equal(x->features, y->features, 2 * x->n * sizeof *x->features);
    assert_memory_equal(x->vectors, y->vectors, (size_t)x->n * DIM * 2);
    assert_int_equal(x->n_attributes, y->n_attributes);
}

/* ---- the service in this process ---- */

struct served {
    struct shard *shard;
    struct wf_metrics *metrics;
    struct shard_service *service;
    struct rpc_loop *loop;
    struct rpc_server *server;
    struct rpc_method methods[SHARD_N_METHODS];
    char address[64];
};

static void serve_audited(struct served *s, double share)
{
    struct wf_error err;
    assert_int_equal(shard_open(fx.generation, 0, NULL, &s->shard, &err), WF_OK);
    s->metrics = wf_metrics_create(shard_metrics, SHARD_N_METRICS);
    const struct shard_service_config config = {
        .shard = s->shard, .number = 0, .replica = 3, .metrics = s->metrics};
    s->service = shard_service_create(&config);
    if (share > 0) {
        assert_int_equal(shard_service_audit(s->service, share, 1, &err), WF_OK);
    }
    shard_service_methods(s->methods);
    const struct rpc_loop_config loop = {
        .threads = 3, .thread_begin = shard_thread_begin, .thread_end = shard_thread_end};
    assert_int_equal(rpc_loop_start(&loop, &s->loop, &err), WF_OK);
    const struct rpc_server_config server = {.listen = "127.0.0.1:0",
                                             .max_message = 16 << 20,
                                             .max_arena = 64 << 20,
                                             .max_requests = 64};
    assert_int_equal(rpc_server_open(s->loop, &server, s->methods, SHARD_N_METHODS, s->service,
                                     &s->server, &err),
                     WF_OK);
    rpc_server_serving(s->server, true);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%d", rpc_server_port(s->server));
}

static void serve(struct served *s)
{
    serve_audited(s, 0);
}

static void unserve(struct served *s)
{
    rpc_server_close(s->server, wf_now() + PATIENCE);
    rpc_loop_stop(s->loop);
    shard_service_destroy(s->service);
    wf_metrics_destroy(s->metrics);
    shard_close(s->shard);
}

struct caller {
    pthread_t thread;
    struct served *s;
    struct rpc_peer *peer;
    uint32_t number;
};

static void *call_many(void *ctx)
{
    struct caller *c = ctx;
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    for (uint32_t i = 0; i < CALLS; i++) {
        struct query q;
        struct wire_search_response got, want;
        struct wf_error err;
        wf_arena_reset(&a);
        make_query(&q, c->number * CALLS + i, fx.manifest->name);
        must_search(c->peer, &q.rq, &a, &got);
        assert_int_equal(shard_search(c->s->shard, &q.rq, INT64_MAX, &a, &want, &err), WF_OK);
        assert_equal_answers(&got, &want);
    }
    wf_arena_fini(&a);
    return NULL;
}

static void callers_get_what_the_shard_says(void **state)
{
    (void)state;
    struct served s;
    struct caller callers[CALLERS];
    serve(&s);
    struct rpc_peer *peer = connect_to(s.loop, s.address);
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.s = &s, .peer = peer, .number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]), 0);
    }
    for (uint32_t i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
    }
    size_t size;
    char *text = wf_metrics_text(s.metrics, &size);
    char want[96];
    snprintf(want, sizeof want, "weft_shard_requests_total{method=\"search\"} %d\n",
             CALLERS * CALLS);
    assert_non_null(strstr(text, want));
    wf_xfree(text);
    rpc_peer_close(peer);
    unserve(&s);
}

static void fetch_and_stats_answer(void **state)
{
    (void)state;
    struct served s;
    struct wf_arena a;
    struct wf_error err;
    const ProtobufCMessage *reply;
    serve(&s);
    wf_arena_init(&a, 64 << 20);
    struct rpc_peer *peer = connect_to(s.loop, s.address);
    const struct wire_fetch_request rq = {.generation = fx.manifest->name,
                                          .skus = (const char *const *)fx.c->table.skus,
                                          .n_skus = ROWS,
                                          .space = "second",
                                          .attributes = everything,
                                          .n_attributes = 1};
    struct wire_fetch_response got;
    assert_int_equal(ask(peer, WIRE_FETCH, wire_fetch_request_message(&rq, &a), &a, &reply, &err),
                     WF_OK);
    assert_int_equal(wire_fetch_response_read(reply, &rq, &a, &got, &err), WF_OK);
    assert_int_equal(got.items.n, fx.manifest->shard_rows[0]);
    struct wire_stats stats;
    assert_int_equal(ask(peer, WIRE_STATS, wire_stats_request_message(&a), &a, &reply, &err),
                     WF_OK);
    assert_int_equal(wire_stats_read(reply, &a, &stats, &err), WF_OK);
    assert_int_equal(stats.n_shards, SHARDS);
    assert_string_equal(stats.generations[0].name, fx.manifest->name);
    assert_int_equal(stats.generations[0].documents, fx.manifest->shard_rows[0]);
    assert_string_equal(stats.generations[0].spaces[0].index, "IVF8,SQfp16");
    rpc_peer_close(peer);
    wf_arena_fini(&a);
    unserve(&s);
}

static void errors_travel_with_reason_and_field(void **state)
{
    (void)state;
    struct served s;
    struct wf_arena a;
    serve(&s);
    wf_arena_init(&a, 64 << 20);
    struct rpc_peer *peer = connect_to(s.loop, s.address);
    for (int what = 0; what < 4; what++) {
        static const struct {
            enum wf_code code;
            const char *reason, *field;
        } want[] = {{WF_PRECONDITION, "WRONG_GENERATION", ""},
                    {WF_PRECONDITION, "WRONG_SPACE", ""},
                    {WF_INVALID, "UNKNOWN_ATTRIBUTE", "filter"},
                    {WF_INVALID, "UNSUPPORTED", "probes[0].effort"}};
        struct query q;
        struct wire_search_response got;
        struct wf_error err = {0};
        make_query(&q, 1, what == 0 ? "0123456789abcdef" : fx.manifest->name);
        q.probe.content_id = what == 1 ? "first-v2" : "";
        q.rq.filter = what == 2 ? "pric < 3" : "";
        q.probe.effort = what == 3 ? (struct wire_effort){.kind = WIRE_EFFORT_EF, .value = 7}
                                   : (struct wire_effort){0};
        wf_arena_reset(&a);
        assert_int_equal(search(peer, &q.rq, &a, &got, &err), want[what].code);
        assert_string_equal(err.reason, want[what].reason);
        assert_string_equal(err.field, want[what].field);
    }
    rpc_peer_close(peer);
    wf_arena_fini(&a);
    unserve(&s);
}

/* Search and fetch; Stats still answers. */
static void what_was_found_damaged_answers_nothing(void **state)
{
    (void)state;
    struct served s;
    struct wf_arena a;
    struct query q;
    struct wire_search_response got;
    struct wf_error err = {0};
    const ProtobufCMessage *reply;
    serve(&s);
    wf_arena_init(&a, 64 << 20);
    struct rpc_peer *peer = connect_to(s.loop, s.address);
    make_query(&q, 1, fx.manifest->name);
    assert_int_equal(search(peer, &q.rq, &a, &got, &err), WF_OK);
    shard_service_damaged(s.service);
    assert_int_equal(search(peer, &q.rq, &a, &got, &err), WF_DATA_LOSS);
    const struct wire_fetch_request rq = {
        .generation = fx.manifest->name, .skus = everything, .n_skus = 1, .space = ""};
    assert_int_equal(ask(peer, WIRE_FETCH, wire_fetch_request_message(&rq, &a), &a, &reply, &err),
                     WF_DATA_LOSS);
    assert_int_equal(ask(peer, WIRE_STATS, wire_stats_request_message(&a), &a, &reply, &err),
                     WF_OK);
    size_t size;
    char *text = wf_metrics_text(s.metrics, &size);
    assert_non_null(strstr(text, "weft_shard_failures_total{code=\"DATA_LOSS\"} 2\n"));
    wf_xfree(text);
    rpc_peer_close(peer);
    wf_arena_fini(&a);
    unserve(&s);
}

/* Value of one line of the metrics page. */
static double gauge_of(const struct served *s, const char *name)
{
    size_t size;
    shard_process_scrape(s->service);
    char *text = wf_metrics_text(s->metrics, &size);
    const char *at = strstr(text, name);
    assert_non_null(at);
    const double value = strtod(at + strlen(name), NULL);
    wf_xfree(text);
    return value;
}

/* Asks until this many probes were audited. */
static void be_audited(struct served *s, struct rpc_peer *peer, uint32_t k,
                       struct wire_effort effort, double probes)
{
    static const char audited[] = "\nweft_shard_audited_probes_total ";
    const int64_t until = wf_now() + PATIENCE;
    const double before = gauge_of(s, audited);
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    for (uint32_t i = 0; gauge_of(s, audited) < before + probes && wf_now() < until; i++) {
        struct query q;
        struct wire_search_response got;
        wf_arena_reset(&a);
        make_query(&q, i % ROWS, fx.manifest->name);
        q.probe.k = k;
        q.probe.effort = effort;
        must_search(peer, &q.rq, &a, &got);
    }
    wf_arena_fini(&a);
}

static void audits_tell_what_is_missed(void **state)
{
    (void)state;
    struct served s;
    serve_audited(&s, 1);
    struct rpc_peer *peer = connect_to(s.loop, s.address);
    assert_true(isnan(gauge_of(&s, "weft_shard_audit_recall{k=\"100\"} ")));
    const struct wire_effort one = {.kind = WIRE_EFFORT_NPROBE, .value = 1};
    const struct wire_effort exact = {.kind = WIRE_EFFORT_EXACT};
    be_audited(&s, peer, 100, one, 60);
    be_audited(&s, peer, 9, exact, 60);
    assert_true(gauge_of(&s, "weft_shard_audit_recall{k=\"100\"} ") < 0.95);
    assert_true(gauge_of(&s, "weft_shard_audit_recall_high{k=\"100\"} ") < 1);
    assert_true(gauge_of(&s, "weft_shard_audit_recall{k=\"other\"} ") == 1);
    assert_true(gauge_of(&s, "weft_shard_audit_recall_low{k=\"other\"} ") > 0.9);
    char *status = shard_process_status(s.service);
    char want[96];
    snprintf(want, sizeof want,
             "\"audit\":{\"generation\":\"%s\",\"k\":{\"10\":{\"probes\":", fx.manifest->name);
    assert_non_null(strstr(status, want));
    wf_xfree(status);
    rpc_peer_close(peer);
    unserve(&s);
}

/* ---- the executable ---- */

static const char *program(void)
{
    static char path[400];
    const char *bin = getenv("WEFT_BIN");
    snprintf(path, sizeof path, "%s/weft-shard", bin == NULL ? "build/bin" : bin);
    return path;
}

static void start(struct tool_child *child, const char *generation, const char *index)
{
    static char sets[2][400];
    snprintf(sets[0], sizeof sets[0], "shard.generation=%s", generation);
    snprintf(sets[1], sizeof sets[1], "shard.index=%s", index);
    const char *argv[16] = {program(),
                            "--set",
                            sets[0],
                            "--set",
                            sets[1],
                            "--set",
                            "rpc.listen=127.0.0.1:0",
                            "--set",
                            "http.listen=127.0.0.1:0",
                            "--set",
                            "log.level=error"};
    struct wf_error err;
    *child = (struct tool_child){.name = "shard", .ready = -1};
    assert_int_equal(tool_child_start(child, argv, &err), WF_OK);
}

/* GET of one page; the whole reply, NUL-terminated. */
static void get_page(const char *address, const char *page, char *out, size_t size)
{
    const char *colon = strrchr(address, ':');
    assert_non_null(colon);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    char request[128];
    const int n = snprintf(request, sizeof request,
                           "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", page);
    assert_int_equal(write(fd, request, (size_t)n), n);
    size_t got = 0;
    ssize_t more;
    while (got + 1 < size && (more = read(fd, out + got, size - 1 - got)) > 0) {
        got += (size_t)more;
    }
    out[got] = '\0';
    close(fd);
}

static void check_pages(const char *http)
{
    static const struct {
        const char *page, *status, *holds;
    } pages[] = {{"/healthz", " 200 ", "ok"},
                 {"/readyz", " 200 ", "serving"},
                 {"/metrics", " 200 ", "weft_shard_requests_total{method=\"search\"} 1\n"},
                 {"/configz", " 200 ", "shard.index = "},
                 {"/statusz", " 200 ", "\"serving\":true"},
                 {"/nothing", " 404 ", ""}};
    static char reply[1 << 16];
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        get_page(http, pages[i].page, reply, sizeof reply);
        assert_non_null(strstr(reply, pages[i].status));
        assert_non_null(strstr(reply, pages[i].holds));
    }
}

/* Exit code of a run with one more flag and its value. */
static int run_program(const char *flag, const char *value)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL ||
            freopen("/dev/null", "w", stderr) == NULL) {
            _exit(99);
        }
        execl(program(), program(), flag, value, (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void flags_and_configuration_have_exit_codes(void **state)
{
    (void)state;
    char file[400];
    snprintf(file, sizeof file, "%s/shard.conf", fx.c->dir);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs("shard = { generatoin = \"x\"; };\n", f);
    assert_int_equal(fclose(f), 0);
    const struct {
        const char *flag, *value;
        int code;
    } runs[] = {{"--check-config", NULL, 4},
                {"--print-config", NULL, 0},
                {"--help", NULL, 0},
                {"--print-docs", "config", 0},
                {"--print-docs", "metrics", 0},
                {"--print-docs", "poems", 2},
                {"--ready-fd", "-1", 2},
                {"--config", NULL, 2},
                {"--confg", NULL, 2},
                {"--config", file, 4},
                {"--config", "/nonexistent", 4},
                {"--set", "shard.index=many", 4},
                {"--set", "shard.index=0", 4}}; /* no generation */
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const int code = run_program(runs[i].flag, runs[i].value);
        if (code != runs[i].code) {
            fail_msg("%s %s: exit code %d", runs[i].flag,
                     runs[i].value == NULL ? "" : runs[i].value, code);
        }
    }
}

static void the_executable_serves_until_it_is_told(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        struct tool_child child;
        struct wf_error err;
        start(&child, fx.generation, i == 0 ? "0" : "1");
        assert_int_equal(tool_child_ready(&child, wf_now() + PATIENCE, &err), WF_OK);
        struct rpc_loop *loop;
        const struct rpc_loop_config config = {.threads = 1};
        assert_int_equal(rpc_loop_start(&config, &loop, &err), WF_OK);
        struct rpc_peer *peer = connect_to(loop, child.address);
        struct wf_arena a;
        wf_arena_init(&a, 64 << 20);
        struct query q;
        struct wire_search_response got;
        make_query(&q, 40, fx.manifest->name);
        must_search(peer, &q.rq, &a, &got);
        assert_int_equal(got.sources[0].n, q.probe.k);
        assert_int_equal(got.documents, fx.manifest->shard_rows[i]);
        check_pages(child.http);
        rpc_peer_close(peer);
        rpc_loop_stop(loop);
        wf_arena_fini(&a);
        int status;
        assert_int_equal(kill(child.pid, signals[i]), 0);
        assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void damaged_or_missing_data_end_with_five(void **state)
{
    (void)state;
    char path[400];
    snprintf(path, sizeof path, "%s/shard-001/shard.weft", fx.generation);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, 200, SEEK_SET);
    const int byte = fgetc(f);
    fseek(f, 200, SEEK_SET);
    fputc(byte ^ 4, f);
    fclose(f);
    static const char *const indexes[] = {"1", "7", "0"};
    const char *generations[] = {fx.generation, fx.generation, "/nonexistent"};
    for (int i = 0; i < 3; i++) {
        struct tool_child child;
        struct wf_error err;
        start(&child, generations[i], indexes[i]);
        assert_int_equal(tool_child_ready(&child, wf_now() + PATIENCE, &err), WF_DATA_LOSS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_configuration_have_exit_codes),
        cmocka_unit_test(the_executable_serves_until_it_is_told), /* before gRPC threads exist */
        cmocka_unit_test(damaged_or_missing_data_end_with_five),
        cmocka_unit_test(callers_get_what_the_shard_says),
        cmocka_unit_test(fetch_and_stats_answer),
        cmocka_unit_test(audits_tell_what_is_missed),
        cmocka_unit_test(errors_travel_with_reason_and_field),
        cmocka_unit_test(what_was_found_damaged_answers_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

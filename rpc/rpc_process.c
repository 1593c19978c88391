/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_process.c - see rpc_process.h. The signals are blocked before the first thread starts, so
 * that sigwait in main is the only place where they arrive. Start-up errors go to stderr as one
 * line, since nobody serves yet; from then on everything is logged.
 */
#include "rpc/rpc_process.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/vector.h"

enum { KEPT_BLOCK = 4 << 20, KEPT_HEAP = 32 << 20 }; /* bytes; the heap's is per thread */
enum { EXIT_USAGE = 2, EXIT_CONFIG = 4, EXIT_DATA = 5, SETS_MAX = 256 };

struct rpc_process {
    const struct rpc_process_app *app;
    void *conf; /* app->conf_size bytes */
    struct rpc_process_conf *common;
    struct wf_config *config;
    struct wf_metrics *metrics;
    struct rpc_loop *loop;
    struct rpc_server *server;
    struct wf_http *http;
    void *state;
    int64_t started;
    atomic_bool serving; /* wanted */
    /* Held over calls of the server by pages and hooks, so that it cannot close under them. */
    pthread_mutex_t mu;
    bool up; /* guarded by mu: the server is there */
};

struct flags {
    const char *file;
    const char *sets[SETS_MAX];
    unsigned n_sets;
    bool check, print, help;
    const char *docs;
    int ready_fd; /* -1: none */
};

struct rpc_loop *rpc_process_loop(struct rpc_process *p)
{
    return p->loop;
}

struct wf_metrics *rpc_process_metrics(struct rpc_process *p)
{
    return p->metrics;
}

void rpc_process_serving(struct rpc_process *p, bool serving)
{
    pthread_mutex_lock(&p->mu);
    atomic_store(&p->serving, serving);
    if (p->up) {
        rpc_server_serving(p->server, serving);
    }
    pthread_mutex_unlock(&p->mu);
}

/* ---- flags ---- */

static int usage(const struct rpc_process_app *app, const char *flag, const char *what)
{
    static const char *const names[] = {"--config",       "--set",        "--check-config",
                                        "--print-config", "--print-docs", "--ready-fd",
                                        "--help"};
    const char *near = wf_nearest(flag, names, sizeof names / sizeof names[0]);
    fprintf(stderr, "%s: %s %s%s%s%s\n", app->name, what, flag,
            near == NULL ? "" : " (nearest: ", near == NULL ? "" : near, near == NULL ? "" : ")");
    return EXIT_USAGE;
}

static bool parse_fd(const char *text, int *out)
{
    char *end;
    const long fd = strtol(text, &end, 10);
    *out = (int)fd;
    return *text != '\0' && *end == '\0' && fd >= 0 && fd <= 1 << 20;
}

/* Takes the flag's value; false when it does not fit. */
static bool take_value(struct flags *f, const char *flag, const char *value)
{
    if (strcmp(flag, "--config") == 0) {
        f->file = value;
        return true;
    }
    if (strcmp(flag, "--set") == 0 && f->n_sets < SETS_MAX) {
        f->sets[f->n_sets++] = value;
        return true;
    }
    if (strcmp(flag, "--print-docs") == 0) {
        f->docs = value;
        return strcmp(value, "config") == 0 || strcmp(value, "metrics") == 0;
    }
    return strcmp(flag, "--ready-fd") == 0 && parse_fd(value, &f->ready_fd);
}

static bool take_switch(struct flags *f, const char *flag)
{
    f->check |= strcmp(flag, "--check-config") == 0;
    f->print |= strcmp(flag, "--print-config") == 0;
    f->help |= strcmp(flag, "--help") == 0;
    return strcmp(flag, "--check-config") == 0 || strcmp(flag, "--print-config") == 0 ||
           strcmp(flag, "--help") == 0;
}

static bool takes_value(const char *flag)
{
    return strcmp(flag, "--config") == 0 || strcmp(flag, "--set") == 0 ||
           strcmp(flag, "--print-docs") == 0 || strcmp(flag, "--ready-fd") == 0;
}

static int parse_flags(const struct rpc_process_app *app, int argc, char **argv, struct flags *out)
{
    *out = (struct flags){.ready_fd = -1};
    for (int i = 1; i < argc; i++) {
        if (take_switch(out, argv[i])) {
            continue;
        }
        if (!takes_value(argv[i])) {
            return usage(app, argv[i], "unknown flag");
        }
        if (i + 1 == argc) {
            return usage(app, argv[i], "no value for");
        }
        if (!take_value(out, argv[i], argv[i + 1])) {
            return usage(app, argv[i], "wrong value for");
        }
        i++;
    }
    return 0;
}

static void print_help(const struct rpc_process_app *app)
{
    printf("%s\n"
           "  --config FILE        configuration (libconfig)\n"
           "  --set KEY=VALUE      one option; wins over environment and file\n"
           "  --check-config       validate and exit\n"
           "  --print-config       print every option with its origin and exit\n"
           "  --print-docs WHAT    print the manual's chapter: config or metrics\n"
           "  --ready-fd N         write one JSON line to this descriptor when serving\n",
           app->about);
}

static int print_docs(const struct rpc_process_app *app, const char *what)
{
    char *text = strcmp(what, "config") == 0 ? wf_config_markdown(app->options, app->n_options)
                                             : wf_metrics_markdown(app->metrics, app->n_metrics);
    fputs(text, stdout);
    wf_xfree(text);
    return 0;
}

/* ---- pages ---- */

static void text_reply(struct wf_http_reply *reply, unsigned status, const char *type, char *body)
{
    *reply =
        (struct wf_http_reply){.status = status, .type = type, .body = body, .size = strlen(body)};
}

/* The log counts for itself; the difference goes into the app's counter. One http thread. */
static void count_dropped(struct rpc_process *p)
{
    for (unsigned i = 0; i < p->app->n_metrics; i++) {
        if (strcmp(p->app->metrics[i].name, RPC_PROCESS_DROPPED) == 0) {
            wf_count(p->metrics, i, 0, wf_log_dropped() - wf_count_read(p->metrics, i, 0));
        }
    }
}

static void metrics_page(void *ctx, struct wf_http_reply *reply)
{
    struct rpc_process *p = ctx;
    count_dropped(p);
    if (p->app->scrape != NULL) {
        p->app->scrape(p->state);
    }
    size_t size;
    char *body = wf_metrics_text(p->metrics, &size);
    *reply = (struct wf_http_reply){
        .status = 200, .type = "text/plain; version=0.0.4", .body = body, .size = size};
}

static void health_page(void *ctx, struct wf_http_reply *reply)
{
    (void)ctx;
    text_reply(reply, 200, "text/plain; charset=utf-8", wf_xstrdup("ok\n"));
}

/* Whether the server is there, and how many calls it serves. */
static bool live_calls(struct rpc_process *p, unsigned *calls)
{
    pthread_mutex_lock(&p->mu);
    const bool up = p->up;
    if (up && calls != NULL) {
        *calls = rpc_server_live(p->server);
    }
    pthread_mutex_unlock(&p->mu);
    return up;
}

static void ready_page(void *ctx, struct wf_http_reply *reply)
{
    struct rpc_process *p = ctx;
    const bool serving = atomic_load(&p->serving) && live_calls(p, NULL);
    text_reply(reply, serving ? 200 : 503, "text/plain; charset=utf-8",
               wf_xstrdup(serving ? "serving\n" : "not serving\n"));
}

static void config_page(void *ctx, struct wf_http_reply *reply)
{
    struct rpc_process *p = ctx;
    text_reply(reply, 200, "text/plain; charset=utf-8", wf_config_text(p->config));
}

static void status_page(void *ctx, struct wf_http_reply *reply)
{
    struct rpc_process *p = ctx;
    char *more = p->app->status == NULL ? wf_xstrdup("{}") : p->app->status(p->state);
    unsigned calls = 0;
    const bool up = live_calls(p, &calls);
    char *body =
        wf_xprintf("{\"program\":\"%s\",\"pid\":%d,\"uptime_seconds\":%.3f,"
                   "\"serving\":%s,\"calls\":%u,\"state\":%s}\n",
                   p->app->name, (int)getpid(), (double)(wf_now() - p->started) / (double)WF_SECOND,
                   up && atomic_load(&p->serving) ? "true" : "false", calls, more);
    wf_xfree(more);
    text_reply(reply, 200, "application/json", body);
}

static const struct wf_http_page pages[] = {
    {"/metrics", metrics_page}, {"/healthz", health_page}, {"/readyz", ready_page},
    {"/configz", config_page},  {"/statusz", status_page},
};

/* ---- starting ---- */

static const char *given(const char *s)
{
    return s[0] == '\0' ? NULL : s;
}

static enum wf_code open_loop(struct rpc_process *p, struct wf_error *err)
{
    const struct rpc_loop_config config = {
        .threads = p->common->threads > 0 ? (unsigned)p->common->threads : wf_cores() + 1,
        .thread_begin = p->app->thread_begin,
        .thread_end = p->app->thread_end,
    };
    return rpc_loop_start(&config, &p->loop, err);
}

static enum wf_code open_server(struct rpc_process *p, struct wf_error *err)
{
    const struct rpc_process_conf *c = p->common;
    struct rpc_server_config config = {
        .listen = c->listen,
        .max_message = c->max_message,
        .max_arena = c->max_arena,
        .max_requests = (unsigned)c->max_requests,
        .tls = {.cert = given(c->tls_cert), .key = given(c->tls_key), .ca = given(c->tls_ca)},
    };
    if (p->app->descriptors != NULL) {
        config.descriptors = p->app->descriptors(&config.descriptors_size);
    }
    return rpc_server_open(p->loop, &config, p->app->methods, p->app->n_methods, p->state,
                           &p->server, err);
}

static enum wf_code start(struct rpc_process *p, struct wf_error *err)
{
    enum wf_code code = open_loop(p, err);
    if (code == WF_OK) {
        code = p->app->open(p, p->conf, &p->state, err);
    }
    if (code == WF_OK) {
        code = open_server(p, err);
    }
    if (code == WF_OK) {
        code =
            wf_http_open(p->common->http, pages, sizeof pages / sizeof pages[0], p, &p->http, err);
    }
    if (code == WF_OK) {
        pthread_mutex_lock(&p->mu);
        p->up = true;
        rpc_server_serving(p->server, atomic_load(&p->serving));
        pthread_mutex_unlock(&p->mu);
    }
    return code;
}

/* "host:port" with the port that was really taken. */
static void real_address(const char *listen, int port, char out[300])
{
    const char *colon = strrchr(listen, ':');
    const int host = colon == NULL ? 0 : (int)(colon - listen);
    if (strncmp(listen, "unix:", 5) == 0) {
        snprintf(out, 300, "%.250s", listen);
    } else {
        snprintf(out, 300, "%.*s:%d", host > 250 ? 250 : host, listen, port);
    }
}

static void say_ready(struct rpc_process *p, int fd)
{
    char address[300], http[300], more[256] = "";
    real_address(p->common->listen, rpc_server_port(p->server), address);
    real_address(p->common->http, wf_http_port(p->http), http);
    if (p->app->ready != NULL) {
        p->app->ready(p->state, more);
    }
    wf_log(WF_INFO, "ready", WF_S("address", address), WF_S("http", http),
           WF_S("simd", wf_isa_name(wf_vector_isa())));
    if (fd < 0) {
        return;
    }
    char *line = wf_xprintf("{\"address\":\"%s\",\"http\":\"%s\"%s}\n", address, http, more);
    const size_t size = strlen(line);
    if (write(fd, line, size) != (ssize_t)size) {
        wf_log(WF_WARN, "ready_fd_failed", WF_I("fd", fd));
    }
    wf_xfree(line);
    close(fd);
}

static void stop(struct rpc_process *p)
{
    if (p->server != NULL) {
        rpc_process_serving(p, false);
        if (p->app->drain != NULL) {
            p->app->drain(p->state);
        }
    }
    pthread_mutex_lock(&p->mu);
    p->up = false;
    pthread_mutex_unlock(&p->mu);
    rpc_server_close(p->server, wf_deadline_ms(wf_now(), p->common->drain_ms));
    wf_http_close(p->http); /* /readyz says no while calls drain */
    if (p->state != NULL) {
        p->app->close(p->state);
    }
    if (p->loop != NULL) {
        rpc_loop_stop(p->loop);
    }
}

static int exit_code_of(const struct wf_error *err)
{
    if (strcmp(err->reason, "CONFIG") == 0) {
        return EXIT_CONFIG;
    }
    const bool data =
        err->code == WF_DATA_LOSS || err->code == WF_NOT_FOUND || err->code == WF_INVALID;
    return data ? EXIT_DATA : EXIT_FAILURE;
}

/*
 * The arenas of one query are freed together: with its defaults the heap gives their pages back to
 * the system at the end of every query and takes them again, zeroed, at the start of the next.
 */
static void keep_pages(void)
{
    mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK);
    mallopt(M_TRIM_THRESHOLD, KEPT_HEAP);
}

static int serve(struct rpc_process *p, const struct flags *f)
{
    keep_pages();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    wf_vector_isa_set((enum wf_isa)p->common->simd);
    wf_log_start(p->app->name, (enum wf_level)p->common->level);
    p->metrics = wf_metrics_create(p->app->metrics, p->app->n_metrics);
    struct wf_error err = {0};
    const enum wf_code code = start(p, &err);
    if (code == WF_OK) {
        int which = 0;
        say_ready(p, f->ready_fd);
        sigwait(&set, &which);
        wf_log(WF_INFO, "draining", WF_I("signal", which),
               WF_I("calls", rpc_server_live(p->server)));
    } else {
        fprintf(stderr, "%s: %s\n", p->app->name, err.text);
    }
    stop(p);
    wf_metrics_destroy(p->metrics);
    wf_log_stop();
    return code == WF_OK ? 0 : exit_code_of(&err);
}

int rpc_process_main(const struct rpc_process_app *app, int argc, char **argv)
{
    struct flags f;
    const int wrong = parse_flags(app, argc, argv, &f);
    if (wrong != 0) {
        return wrong;
    }
    if (f.help || f.docs != NULL) {
        return f.help ? (print_help(app), 0) : print_docs(app, f.docs);
    }
    struct rpc_process p = {.app = app,
                            .conf = wf_xcalloc(1, app->conf_size),
                            .started = wf_now(),
                            .serving = true,
                            .mu = PTHREAD_MUTEX_INITIALIZER};
    p.common = (struct rpc_process_conf *)(void *)((char *)p.conf + app->process_conf);
    struct wf_error err = {0};
    enum wf_code read = wf_config_load(app->options, app->n_options, f.file, f.sets, f.n_sets,
                                       p.conf, &p.config, &err);
    if (read == WF_OK && f.check && app->check != NULL) {
        read = app->check(p.conf, &err);
    }
    int code = 0;
    if (read != WF_OK) {
        fprintf(stderr, "%s: %s\n", app->name, err.text);
        code = EXIT_CONFIG;
    } else if (f.print) {
        wf_config_print(p.config, stdout);
    } else if (!f.check) {
        code = serve(&p, &f);
    }
    wf_config_destroy(p.config);
    wf_xfree(p.conf);
    return code;
}

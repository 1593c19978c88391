/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_up.c - weft up: a whole cluster on loopback from one generation directory, in the foreground.
 *
 * Shards start first and pick their ports; the topology file made of them is what the coordinators
 * read. A process that ends is reported and left as it is: what the cluster then answers is what it
 * would answer in production.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/generation.h"
#include "base/pool.h"
#include "tools/children.h"
#include "tools/commands.h"
#include "tools/text.h"

enum { READY_SECONDS = 120, ARGS_MAX = 24, SETTING_MAX = 4200 };

struct args {
    const char *state;
    uint64_t replicas, coordinators, port, ready_fd;
    struct tool_list shard_set, coordinator_set;
};
#define ARG(member) offsetof(struct args, member)
static const struct tool_option options[] = {
    {"replicas", TOOL_UINT, ARG(replicas), "R", "Processes per shard.", "1", 1, 16, false},
    {"coordinators", TOOL_UINT, ARG(coordinators), "C", "Coordinator processes.", "1", 1, 16,
     false},
    {"port", TOOL_UINT, ARG(port), "P", "Port of the first coordinator; 0 picks a free one.", "0",
     0, 65535, false},
    {"state", TOOL_STR, ARG(state), "DIR",
     "Where the cluster keeps its files (default: GEN.state).", NULL, 0, 0, false},
    {"ready-fd", TOOL_UINT, ARG(ready_fd), "FD", "Where the JSON line goes when it serves.", "1", 1,
     1023, false},
    {"shard-set", TOOL_LIST, ARG(shard_set), "KEY=VALUE", "An option for every shard.", NULL, 0, 0,
     false},
    {"coordinator-set", TOOL_LIST, ARG(coordinator_set), "KEY=VALUE",
     "An option for every coordinator.", NULL, 0, 0, false},
};

struct cluster {
    const struct args *args;
    const char *generation;
    char bin[3072];
    char *state, *topology;
    struct tool_child *children; /* coordinators, then shards replica by replica */
    unsigned n_coordinators, n_shards, n_replicas, n;
};

static struct tool_child *shard_of(struct cluster *c, unsigned shard, unsigned replica)
{
    return &c->children[c->n_coordinators + shard * c->n_replicas + replica];
}

/* argv under construction: `--set key=value` pairs, owned by the arena. */
struct command_line {
    const char *argv[2 * TOOL_LIST_MAX + ARGS_MAX];
    unsigned n;
    struct wf_arena arena;
};

static void add_setting(struct command_line *line, const char *setting)
{
    line->argv[line->n++] = "--set";
    line->argv[line->n++] = setting;
}

/* The processes share the cores; a loop thread more than needed costs wakes (decision 0002). */
static unsigned threads_each(const struct cluster *c)
{
    const unsigned cores = wf_cores();
    return cores > c->n ? cores / c->n : 1;
}

/* What the user set; settings behind it cannot be changed. */
static void add_settings(struct command_line *line, const struct tool_list *more)
{
    for (unsigned i = 0; i < more->n; i++) {
        add_setting(line, more->values[i]);
    }
}

static void begin_line(struct command_line *line, const struct cluster *c, const char *program)
{
    *line = (struct command_line){0};
    wf_arena_init(&line->arena, 1 << 20);
    line->argv[line->n++] = wf_arena_printf(&line->arena, "%s/%s", c->bin, program);
    add_setting(line, "http.listen=127.0.0.1:0");
    add_setting(line, wf_arena_printf(&line->arena, "rpc.threads=%u", threads_each(c)));
}

static enum wf_code start_shard(struct cluster *c, unsigned shard, unsigned replica,
                                struct wf_error *err)
{
    struct tool_child *child = shard_of(c, shard, replica);
    struct command_line line;
    begin_line(&line, c, "weft-shard");
    add_setting(&line,
                wf_arena_printf(&line.arena, "shard.seal=%s/shard-%03u.seal", c->state, shard));
    add_settings(&line, &c->args->shard_set);
    add_setting(&line, "rpc.listen=127.0.0.1:0");
    add_setting(&line, wf_arena_printf(&line.arena, "shard.generation=%s", c->generation));
    add_setting(&line, wf_arena_printf(&line.arena, "shard.index=%u", shard));
    add_setting(&line, wf_arena_printf(&line.arena, "shard.replica=%u", replica));
    snprintf(child->name, sizeof child->name, "shard %u replica %u", shard, replica);
    const enum wf_code code = tool_child_start(child, line.argv, err);
    wf_arena_fini(&line.arena);
    return code;
}

static enum wf_code start_coordinator(struct cluster *c, unsigned i, struct wf_error *err)
{
    struct tool_child *child = &c->children[i];
    struct command_line line;
    begin_line(&line, c, "weft-coordinator");
    add_settings(&line, &c->args->coordinator_set);
    const unsigned port = i == 0 ? (unsigned)c->args->port : 0;
    add_setting(&line, wf_arena_printf(&line.arena, "rpc.listen=127.0.0.1:%u", port));
    add_setting(&line, wf_arena_printf(&line.arena, "coordinator.generation=%s", c->generation));
    add_setting(&line, wf_arena_printf(&line.arena, "coordinator.topology=%s", c->topology));
    snprintf(child->name, sizeof child->name, "coordinator %u", i);
    const enum wf_code code = tool_child_start(child, line.argv, err);
    wf_arena_fini(&line.arena);
    return code;
}

static enum wf_code await(struct tool_child *children, unsigned n, struct wf_error *err)
{
    const int64_t deadline = wf_now() + READY_SECONDS * WF_SECOND;
    enum wf_code code = WF_OK;
    for (unsigned i = 0; i < n && code == WF_OK; i++) {
        code = tool_child_ready(&children[i], deadline, err);
    }
    return code;
}

static enum wf_code write_topology(struct cluster *c, struct wf_error *err)
{
    struct wf_writer *w;
    const enum wf_code code = wf_writer_open(c->topology, &w, err);
    if (code != WF_OK) {
        return code;
    }
    wf_writer_printf(w, "# Written by weft up: the replicas of each shard.\nshards = (\n");
    for (unsigned s = 0; s < c->n_shards; s++) {
        wf_writer_printf(w, "  { replicas = (");
        for (unsigned r = 0; r < c->n_replicas; r++) {
            wf_writer_printf(w, "%s\"%s\"", r == 0 ? "" : ", ", shard_of(c, s, r)->address);
        }
        wf_writer_printf(w, "); }%s\n", s + 1 < c->n_shards ? "," : "");
    }
    wf_writer_printf(w, ");\n");
    return wf_writer_commit(w, err);
}

static enum wf_code start_all(struct cluster *c, struct wf_error *err)
{
    enum wf_code code = wf_mkdirs(c->state, err);
    for (unsigned i = 0; i < c->n_shards * c->n_replicas && code == WF_OK; i++) {
        code = start_shard(c, i / c->n_replicas, i % c->n_replicas, err);
    }
    if (code == WF_OK) {
        code = await(c->children + c->n_coordinators, c->n_shards * c->n_replicas, err);
    }
    if (code == WF_OK) {
        code = write_topology(c, err);
    }
    for (unsigned i = 0; i < c->n_coordinators && code == WF_OK; i++) {
        code = start_coordinator(c, i, err);
    }
    return code == WF_OK ? await(c->children, c->n_coordinators, err) : code;
}

/* The contract's JSON line. */
static enum wf_code announce(struct cluster *c, struct wf_error *err)
{
    struct tool_text line = {0};
    tool_text_printf(&line, "{\"coordinator\":\"%s\",\"http\":\"%s\",\"shards\":[",
                     c->children[0].address, c->children[0].http);
    for (unsigned i = 0; i < c->n_shards * c->n_replicas; i++) {
        const struct tool_child *child = &c->children[c->n_coordinators + i];
        tool_text_printf(
            &line, "%s{\"shard\":%u,\"replica\":%u,\"address\":\"%s\",\"http\":\"%s\",\"pid\":%d}",
            i == 0 ? "" : ",", i / c->n_replicas, i % c->n_replicas, child->address, child->http,
            (int)child->pid);
    }
    tool_text_printf(&line, "],\"coordinator_pid\":%d,\"coordinators\":[", (int)c->children[0].pid);
    for (unsigned i = 0; i < c->n_coordinators; i++) {
        tool_text_printf(&line, "%s{\"address\":\"%s\",\"http\":\"%s\",\"pid\":%d}",
                         i == 0 ? "" : ",", c->children[i].address, c->children[i].http,
                         (int)c->children[i].pid);
    }
    tool_text_str(&line, "]}\n");
    const ssize_t written = write((int)c->args->ready_fd, line.data, line.size);
    const bool whole = written == (ssize_t)line.size;
    tool_text_fini(&line);
    return whole ? WF_OK
                 : wf_fail(err, WF_INTERNAL, "descriptor %d: %s", (int)c->args->ready_fd,
                           written < 0 ? strerror(errno) : "a part was written");
}

/* Waits for SIGTERM or SIGINT, or until every process has ended. */
static enum wf_code serve(struct cluster *c, const sigset_t *signals, struct wf_error *err)
{
    for (;;) {
        const int signal = sigwaitinfo(signals, NULL);
        if (signal == SIGTERM || signal == SIGINT) {
            return WF_OK;
        }
        if (signal == SIGCHLD && tool_children_reap(c->children, c->n) == 0) {
            return wf_fail(err, WF_INTERNAL, "every process of the cluster has ended");
        }
    }
}

static enum wf_code open_cluster(const struct tool_call *call, struct cluster *c,
                                 struct wf_error *err)
{
    const struct args *a = call->args;
    struct wf_manifest *manifest;
    enum wf_code code = wf_manifest_open(call->operands[0], &manifest, err);
    if (code == WF_OK) {
        c->n_shards = manifest->n_shards;
        wf_manifest_close(manifest);
        code = tool_own_directory(c->bin, sizeof c->bin, err);
    }
    if (code != WF_OK) {
        return code;
    }
    size_t size = strlen(call->operands[0]);
    while (size > 1 && call->operands[0][size - 1] == '/') {
        size--;
    }
    c->args = a;
    c->generation = call->operands[0];
    c->n_coordinators = (unsigned)a->coordinators;
    c->n_replicas = (unsigned)a->replicas;
    c->n = c->n_coordinators + c->n_shards * c->n_replicas;
    c->children = wf_xcalloc(c->n, sizeof c->children[0]);
    c->state = a->state != NULL ? wf_xstrdup(a->state)
                                : wf_xprintf("%.*s.state", (int)size, c->generation);
    c->topology = wf_xprintf("%s/topology.conf", c->state);
    return WF_OK;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    struct cluster c = {0};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    enum wf_code code = open_cluster(call, &c, err);
    if (code == WF_OK) {
        code = start_all(&c, err);
    }
    if (code == WF_OK) {
        code = announce(&c, err);
    }
    if (code == WF_OK) {
        code = serve(&c, &signals, err);
    }
    /* Coordinators drain first, so that their last queries still find the shards. */
    bool clean = tool_children_stop(c.children, c.n_coordinators);
    clean &= tool_children_stop(c.children + c.n_coordinators, c.n - c.n_coordinators);
    if (code == WF_OK && !clean) {
        code = wf_fail(err, WF_INTERNAL, "a process did not end cleanly");
    }
    wf_xfree(c.topology);
    wf_xfree(c.state);
    wf_xfree(c.children);
    return code;
}

const struct tool_command tool_up = {
    .name = "up",
    .what = "run a whole cluster on loopback from a generation, in the foreground",
    .examples = "weft up gen\n"
                "weft up gen --replicas 2 --coordinators 2 --port 7000\n"
                "weft up gen --shard-set search.simd=avx2\n",
    .notes =
        "Prints one JSON line when it serves: the coordinators' and shards' addresses and "
        "processes.\n"
        "SIGTERM or SIGINT drains and ends with exit code 0; a second one kills what still runs.\n",
    .operands = "GEN",
    .min_operands = 1,
    .max_operands = 1,
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .own_signals = true,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * children.h - server processes started by a tool: each says in one JSON line on a pipe when it
 * serves. A child gets SIGTERM when its parent dies. Call from a process with one thread; nothing
 * here may run after gRPC was started.
 */
#ifndef TOOL_CHILDREN_H
#define TOOL_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct tool_child {
    char name[48]; /* "shard 1 replica 0" */
    pid_t pid;     /* 0: not running */
    int ready;     /* read end of its pipe, -1 once it has spoken */
    char address[96], http[96];
};
/*
 * Starts `program` (argv[0]) with `--ready-fd N` appended; argv has room for three more and ends in
 * NULL. The child starts with default signals.
 */
WF_MUST_CHECK enum wf_code tool_child_start(struct tool_child *c, const char **argv,
                                            struct wf_error *err);
/* Waits for the line; a child that ends first gives its own exit code's error (5: WF_DATA_LOSS, 4:
 * CONFIG). */
WF_MUST_CHECK enum wf_code tool_child_ready(struct tool_child *c, int64_t deadline,
                                            struct wf_error *err);
/*
 * SIGTERM to those that run, then waits for all; false when one did not end with 0. After 30
 * seconds, or at a second SIGTERM or SIGINT, those that still run are killed. SIGCHLD, SIGTERM and
 * SIGINT are blocked by the caller.
 */
bool tool_children_stop(struct tool_child *children, unsigned n);
/* Reaps what has ended; prints a line for each to stderr. Returns how many still run. */
unsigned tool_children_reap(struct tool_child *children, unsigned n);
/* Directory of the running program's own executable. */
WF_MUST_CHECK enum wf_code tool_own_directory(char *out, unsigned size, struct wf_error *err);

#endif

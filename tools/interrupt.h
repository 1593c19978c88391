/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.h - a signal that ends a tool takes along what the tool has not finished.
 *
 * The command runs in a thread of its own while the main thread waits for SIGINT, SIGTERM and
 * SIGHUP; at the first it removes the paths that are guarded and lets the signal end the process,
 * so that whoever waits sees how it ended. It has to be the main thread: libraries start threads
 * when they are loaded, with no signal blocked, and the kernel gives a signal to the main thread
 * before all others. A signal that is ignored from the start (nohup) stays ignored.
 */
#ifndef TOOL_INTERRUPT_H
#define TOOL_INTERRUPT_H

#include "base/error.h"
#include "tools/cli.h"

/* run(call, err) under watch. From the main thread. */
WF_MUST_CHECK enum wf_code tool_interrupt_run(tool_run_fn *run, const struct tool_call *call,
                                              struct wf_error *err);
/* From now on `path`, a file or a directory tree that may not exist yet, is removed. Copied. Any
 * thread. */
void tool_interrupt_guard(const char *path);
/* Forgets a path: it was finished, or is removed already. Unknown and NULL are fine. */
void tool_interrupt_release(const char *path);

#endif

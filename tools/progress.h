/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.h - how far long work has come, on stderr: one line that renews itself on a TTY (share,
 * rate, time left), a whole line every few seconds elsewhere, nothing for work that is short. One
 * thread reports. Phases say what each part of a run cost.
 */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct tool_progress {
    const char *what, *unit;       /* "items", "rows"; borrowed */
    uint64_t total;                /* 0 = not known */
    int64_t started, shown, every; /* monotonic ns */
    bool tty, spoke;
};

void tool_progress_init(struct tool_progress *p, const char *what, const char *unit,
                        uint64_t total);
/* Cheap enough for once per few microseconds of work. */
void tool_progress_at(struct tool_progress *p, uint64_t done);
/* Closes the line with count, time and rate when anything was shown. */
void tool_progress_end(struct tool_progress *p, uint64_t done);

/* What the phases of one run cost: a line on stderr as each ends, when `on`. */
struct tool_phases {
    bool on;
    const char *what;  /* of now, borrowed; NULL before the first */
    int64_t wall, cpu; /* when it began */
};
/* Ends the phase of now and begins another; NULL: none. The same one again goes on. */
void tool_phases_at(struct tool_phases *p, const char *what);

#endif

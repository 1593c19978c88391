/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.c - formatting of progress lines.
 */
#include "tools/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

static const int64_t every_on_tty = WF_SECOND / 5;
static const int64_t every_elsewhere = 3 * WF_SECOND;

static void duration(double seconds, char text[24])
{
    if (seconds >= 3600) {
        snprintf(text, 24, "%.0fh%02.0fm", seconds / 3600,
                 (seconds - 3600 * (int)(seconds / 3600)) / 60);
    } else if (seconds >= 60) {
        snprintf(text, 24, "%dm%02ds", (int)(seconds / 60), (int)seconds % 60);
    } else {
        snprintf(text, 24, "%.1fs", seconds);
    }
}

static void quantity(double value, char text[24])
{
    if (value >= 1e6) {
        snprintf(text, 24, "%.2fM", value / 1e6);
    } else if (value >= 1e4) {
        snprintf(text, 24, "%.1fk", value / 1e3);
    } else {
        snprintf(text, 24, "%.0f", value);
    }
}

static void show(struct tool_progress *p, uint64_t done, int64_t now)
{
    const double seconds = (double)(now - p->started) / (double)WF_SECOND;
    const double rate = seconds > 0 ? (double)done / seconds : 0;
    char count[24], speed[24], left[24] = "";
    quantity((double)done, count);
    quantity(rate, speed);
    fprintf(stderr, "%s%s: %s %s", p->tty ? "\r\033[K" : "", p->what, count, p->unit);
    if (p->total) {
        const uint64_t rest = p->total > done ? p->total - done : 0;
        duration(rate > 0 ? (double)rest / rate : 0, left);
        fprintf(stderr, " (%.0f%%), %s/s, %s left", 100.0 * (double)done / (double)p->total, speed,
                left);
    } else {
        fprintf(stderr, ", %s/s", speed);
    }
    fputs(p->tty ? "" : "\n", stderr);
    fflush(stderr);
    p->shown = now;
    p->spoke = true;
}

void tool_progress_init(struct tool_progress *p, const char *what, const char *unit, uint64_t total)
{
    const bool tty = isatty(STDERR_FILENO) == 1;
    const int64_t now = wf_now();
    *p = (struct tool_progress){.what = what,
                                .unit = unit,
                                .total = total,
                                .started = now,
                                .shown = now,
                                .every = tty ? every_on_tty : every_elsewhere,
                                .tty = tty};
}

void tool_progress_at(struct tool_progress *p, uint64_t done)
{
    const int64_t now = wf_now();
    if (now - p->shown >= p->every) {
        show(p, done, now);
    }
}

void tool_progress_end(struct tool_progress *p, uint64_t done)
{
    if (!p->spoke) {
        return;
    }
    const double seconds = (double)(wf_now() - p->started) / (double)WF_SECOND;
    char count[24], speed[24], took[24];
    quantity((double)done, count);
    quantity(seconds > 0 ? (double)done / seconds : 0, speed);
    duration(seconds, took);
    fprintf(stderr, "%s%s: %s %s in %s, %s/s\n", p->tty ? "\r\033[K" : "", p->what, count, p->unit,
            took, speed);
}

void tool_phases_at(struct tool_phases *p, const char *what)
{
    if (!p->on || (what != NULL && p->what != NULL && strcmp(what, p->what) == 0)) {
        return;
    }
    const int64_t wall = wf_now(), cpu = wf_now_cpu();
    struct rusage use = {0};
    getrusage(RUSAGE_SELF, &use);
    if (p->what != NULL) {
        fprintf(stderr, "phase %s: %.1f s, %.1f s of processor, %.2f GiB at most so far\n", p->what,
                (double)(wall - p->wall) / (double)WF_SECOND,
                (double)(cpu - p->cpu) / (double)WF_SECOND, (double)use.ru_maxrss * 0x1p-20);
    }
    p->what = what;
    p->wall = wall;
    p->cpu = cpu;
}

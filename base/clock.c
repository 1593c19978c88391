/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c - the clocks of clock.h over clock_gettime. No state.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define LAST_WALL_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static int64_t read_clock(clockid_t id)
{
    struct timespec t = {0};
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * WF_SECOND + t.tv_nsec;
}

int64_t wf_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t wf_now_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME) / WF_MILLISECOND;
}

int64_t wf_now_cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t wf_now_thread_cpu(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t wf_deadline_ms(int64_t now, int64_t ms)
{
    int64_t ns = 0;
    int64_t deadline = 0;
    if (__builtin_mul_overflow(ms, WF_MILLISECOND, &ns)) {
        ns = ms < 0 ? INT64_MIN : INT64_MAX;
    }
    if (__builtin_add_overflow(now, ns, &deadline)) {
        deadline = ns < 0 ? INT64_MIN : INT64_MAX;
    }
    return deadline;
}

void wf_format_wall(int64_t wall_ms, char text[25])
{
    wall_ms = wall_ms < 0 ? 0 : wall_ms > LAST_WALL_MS ? LAST_WALL_MS : wall_ms;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm t = {0};
    gmtime_r(&seconds, &t);
    size_t at = strftime(text, 25, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(text + at, 25 - at, ".%03uZ", (unsigned)(wall_ms % 1000));
}

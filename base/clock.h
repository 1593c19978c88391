/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h - time. A `deadline` is always int64 CLOCK_MONOTONIC nanoseconds; INT64_MAX is "none".
 * Thread-safe.
 */
#ifndef WF_CLOCK_H
#define WF_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define WF_MICROSECOND INT64_C(1000)
#define WF_MILLISECOND INT64_C(1000000)
#define WF_SECOND      INT64_C(1000000000)

int64_t wf_now(void);         /* monotonic ns */
int64_t wf_now_wall_ms(void); /* milliseconds since 1970, may jump */
int64_t wf_now_cpu(void);     /* CPU ns of this process, all threads */
int64_t wf_now_thread_cpu(void);
/* now + ms, saturating at INT64_MAX. */
int64_t wf_deadline_ms(int64_t now, int64_t ms);
/* "2026-01-31T12:34:56.789Z" and a NUL into text[25]. */
void wf_format_wall(int64_t wall_ms, char text[25]);

#endif

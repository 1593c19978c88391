/* SPDX-License-Identifier: Apache-2.0
 *
 * log_line.h - one event as one line of bytes; for base/ only. Pure: no state, no I/O.
 */
#ifndef WF_LOG_LINE_H
#define WF_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define WF_LOG_LINE 8192 /* bytes of a line at most, newline included */

struct wf_log_event {
    int64_t wall_ms;
    enum wf_level level;
    const char *component, *event;
    const struct wf_field *fields;
    unsigned n_fields;
    int32_t left_out; /* lines of this call site that the rate limit dropped before */
};

/*
 * Formats `e` as a JSON object (json) or as text for people, with a newline, and gives its size.
 * Always valid UTF-8 without control characters: those are escaped, a byte that is not UTF-8 reads
 * \xNN. A string value is cut after 1000 bytes; fields that do not fit are left out and
 * "truncated" says so. NULL strings read "".
 */
size_t wf_log_format(const struct wf_log_event *e, bool json, char line[WF_LOG_LINE]);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * rejects.c - counting and naming bad rows.
 */
#include "tools/rejects.h"

#include <stdio.h>

enum wf_code tool_reject(struct tool_rejects *r, const char *file, uint64_t line,
                         struct wf_error *err)
{
    fprintf(stderr, "%s:%llu: %s\n", file, (unsigned long long)line, err->text);
    if (++r->n > r->max) {
        return wf_fail(err, WF_INVALID, "%s: %llu bad rows, --max-errors is %llu", file,
                       (unsigned long long)r->n, (unsigned long long)r->max);
    }
    return WF_OK;
}

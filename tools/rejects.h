/* SPDX-License-Identifier: Apache-2.0
 *
 * rejects.h - bad rows of an import: each is named by file and line on stderr and counted, and the
 * import goes on until there are too many. One thread.
 */
#ifndef TOOL_REJECTS_H
#define TOOL_REJECTS_H

#include <stdint.h>

#include "base/error.h"

struct tool_rejects {
    uint64_t n, max;
};
/* Prints "FILE:LINE: text of *err"; WF_INVALID, with *err saying so, when there are more than max.
 */
WF_MUST_CHECK enum wf_code tool_reject(struct tool_rejects *r, const char *file, uint64_t line,
                                       struct wf_error *err);

#endif

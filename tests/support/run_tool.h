/* SPDX-License-Identifier: Apache-2.0
 *
 * run_tool.h - a command of the multi-tool called in this process.
 */
#ifndef RUN_TOOL_H
#define RUN_TOOL_H

#include "tools/cli.h"

/* `words` come after the program's name and end with NULL, at most 31. Gives the exit code. */
int run_tool(const struct tool_command *const *commands, unsigned n, const char *const *words);

#endif

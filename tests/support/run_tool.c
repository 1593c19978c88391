/* SPDX-License-Identifier: Apache-2.0
 *
 * run_tool.c - argv out of constant words.
 */
#include "tests/support/run_tool.h"

#include "base/arena.h"

int run_tool(const struct tool_command *const *commands, unsigned n, const char *const *words)
{
    char *argv[32] = {wf_xstrdup("weft")};
    int argc = 1;
    for (; words[argc - 1]; argc++) {
        wf_assert(argc < 32);
        argv[argc] = wf_xstrdup(words[argc - 1]);
    }
    const int exit = tool_main("weft", "", commands, n, argc, argv);
    for (int i = 0; i < argc; i++) {
        wf_xfree(argv[i]);
    }
    return exit;
}

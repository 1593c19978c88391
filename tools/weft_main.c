/* SPDX-License-Identifier: Apache-2.0
 *
 * weft_main.c - the multi-tool: one line per command.
 *
 * To add a command: write tools/cmd_<name>.c with one `const struct tool_command`, declare it in
 * tools/commands.h, add its line here and its file to tools/CMakeLists.txt.
 */
#include "tools/cli.h"
#include "tools/commands.h"

static const struct tool_command *const commands[] = {
    &tool_synth,          //
    &tool_import_styles,  //
    &tool_import_vectors, //
    &tool_embed_tokens,   //
    &tool_up,             //
    &tool_query,          //
    &tool_rank,           //
    &tool_bench,          //
    &tool_features,       //
};

int main(int argc, char **argv)
{
    return tool_main("weft",
                     "weft synth --items 20000 --dim 64 --users 2000 --events 50000 --out shop\n"
                     "weft synth --events-for catalog --users 5000 --events 100000\n",
                     commands, sizeof commands / sizeof *commands, argc, argv);
}

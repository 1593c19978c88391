/* SPDX-License-Identifier: Apache-2.0
 *
 * weft_main.c - the multi-tool: one line per command.
 *
 * To add a command: write tools/cmd_<name>.c with one `const struct tool_command`, declare it in
 * tools/commands.h, add its line here and its file to tools/CMakeLists.txt.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shard/blas.h"
#include "tools/cli.h"
#include "tools/commands.h"

/* clang-format off */
static const struct tool_command *const commands[] = {
    &tool_synth,
    &tool_import_styles,
    &tool_import_vectors,
    &tool_embed_tokens,
    &tool_build,
    &tool_verify,
    &tool_up,
    &tool_query,
    &tool_exclude,
    &tool_rank,
    &tool_train_ranker,
    &tool_bench,
    &tool_features,
};
/* clang-format on */

/* OpenBLAS reads its environment before main: what builds starts once more, with kernels that fit.
 * The name says that it has; on failure it goes on as it is, slowly. */
static void fit_blas(int argc, char **argv)
{
    static char again[] = "weft-again";
    const char *core = shard_blas_core();
    if (core == NULL || argc < 2 || strcmp(argv[1], "build") != 0 || strcmp(argv[0], again) == 0 ||
        setenv("OPENBLAS_CORETYPE", core, 0) != 0) {
        return;
    }
    char *name = argv[0];
    argv[0] = again;
    (void)execv("/proc/self/exe", argv);
    argv[0] = name;
}

int main(int argc, char **argv)
{
    fit_blas(argc, argv);
    return tool_main("weft",
                     "weft synth --items 20000 --dim 64 --users 2000 --events 50000 --out shop\n"
                     "weft build --input shop --shards 3 --out gen\n"
                     "weft up gen\n"
                     "weft query --target 127.0.0.1:7000 --user u42 --explain\n",
                     commands, sizeof commands / sizeof *commands, argc, argv);
}

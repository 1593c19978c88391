/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_main.c - weft-microbench NAME [--json]: one stage beside its peer or floor.
 */
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/epoch.h"
#include "tools/cli.h"
#include "tools/microbench.h"

static const struct {
    const char *name, *what;
    microbench_stage_fn *run;
} stages[] = {
    {"forest", "scoring with trees, beside the XGBoost library", microbench_forest},
    {"mmr", "diversifying 512 to 50, beside the recomputing method", microbench_mmr},
    {"search", "a shard's search, beside bare FAISS on the same vectors", microbench_search},
    {"scan", "the scanning kernels, beside the memory limit and FAISS SQ8", microbench_scan},
    {"filter", "filtered searches, beside the unfiltered one", microbench_filter},
    {"open", "opening a sealed shard and a first answer, beside FAISS", microbench_open},
    {"merge", "merging shard lists, beside qsort", microbench_merge},
    {"codec", "packing and unpacking candidates as columns, beside sub-messages", microbench_codec},
    {"rpc", "an empty unary call", microbench_rpc},
};
enum { N_STAGES = sizeof stages / sizeof stages[0] };

static int usage(FILE *to, int code)
{
    fputs("weft-microbench forest\nweft-microbench merge --json\n\nstages:\n", to);
    for (size_t i = 0; i < N_STAGES; i++) {
        fprintf(to, "  %-8s %s\n", stages[i].name, stages[i].what);
    }
    return code;
}

int main(int argc, char **argv)
{
    wf_epoch_thread_begin(); /* filtered searches read under it */
    const bool json = argc == 3 && strcmp(argv[2], "--json") == 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return usage(stdout, TOOL_EXIT_OK);
    }
    if (argc > 2 && !json) {
        fprintf(stderr, "weft-microbench: unknown argument \"%s\", --json is the only flag\n",
                strcmp(argv[2], "--json") == 0 ? argv[3] : argv[2]);
    }
    if (argc < 2 || (argc > 2 && !json)) {
        return usage(stderr, TOOL_EXIT_USAGE);
    }
    const char *names[N_STAGES];
    for (size_t i = 0; i < N_STAGES; i++) {
        struct wf_error err;
        names[i] = stages[i].name;
        if (strcmp(argv[1], names[i]) != 0) {
            continue;
        }
        if (stages[i].run(json, &err) != WF_OK) {
            fprintf(stderr, "%s: %s\n", names[i], err.text);
            return TOOL_EXIT_RUN;
        }
        return TOOL_EXIT_OK;
    }
    const char *near = wf_nearest(argv[1], names, N_STAGES);
    fprintf(stderr, "unknown stage \"%s\"%s%s\n", argv[1], near == NULL ? "" : ", nearest is ",
            near == NULL ? "" : near);
    return usage(stderr, TOOL_EXIT_USAGE);
}

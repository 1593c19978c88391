/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench.h - one stage beside its peer or floor in the same run: interleaved pairs, CPU time,
 * medians.
 *
 * Each stage is one file tools/microbench_<name>.c with one function; the table is in
 * microbench_main.c.
 */
#ifndef TOOL_MICROBENCH_H
#define TOOL_MICROBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { MICROBENCH_PAIRS = 7, MICROBENCH_CONFIG_MAX = 8 };

/* Runs the stage once over all its units. */
typedef void microbench_fn(void *ctx);
struct microbench_config {
    const char *key; /* NULL ends */
    uint64_t value;
};
struct microbench_case {
    const char *name, *label;   /* "forest", "500 rows" */
    const char *unit;           /* "candidate" */
    uint64_t units;             /* of one run */
    microbench_fn *ours, *peer; /* peer NULL: none */
    const char *peer_name;      /* NULL with peer NULL */
    const char *kernel;         /* "c", "avx2", "avx512" */
    bool quantised;
    bool process; /* CPU of the whole process instead of this thread's */
    void *ctx;
    struct microbench_config config[MICROBENCH_CONFIG_MAX];
};
/* Measures at least five pairs A B B A and prints one line: JSON by contract, or text. */
void microbench_run(const struct microbench_case *c, bool json);

/* The stages. Each prints its cases; fails only when it cannot be set up. */
typedef enum wf_code microbench_stage_fn(bool json, struct wf_error *err);
microbench_stage_fn microbench_forest, microbench_mmr, microbench_merge, microbench_codec,
    microbench_rpc, microbench_scan, microbench_search, microbench_filter, microbench_open;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * golden.h - golden rows: what the training library itself says about some rows of a model, kept
 * beside the model so that every build and every opening of a generation can compare its own
 * evaluator with it, bit for bit.
 *
 * The file of model M is "M.golden", little-endian, without padding:
 *   bytes    "WEFTGOLD"
 *   u32      version, 1
 *   u32      rows, features, outputs (each at least 1)
 *   float32  rows x features, row-major, NaN = missing, in the order of the model's features
 *   float32  rows x outputs: margins, before the objective's transform; finite
 * and nothing behind. Not thread-safe on one struct.
 */
#ifndef TOOL_GOLDEN_H
#define TOOL_GOLDEN_H

#include <stdint.h>

#include "base/error.h"

enum {
    TOOL_GOLDEN_ROWS_MAX = 65536,
    TOOL_GOLDEN_FEATURES_MAX = 65536,
    TOOL_GOLDEN_OUTPUTS_MAX = 4096
};

struct tool_golden {
    uint32_t n_rows, n_features, n_outputs;
    float *rows;    /* n_rows x n_features */
    float *margins; /* n_rows x n_outputs */
};
/* "MODEL.golden"; owned by the caller (wf_xfree). */
char *tool_golden_path(const char *model);
/* Atomic. */
WF_MUST_CHECK enum wf_code tool_golden_write(const char *path, const struct tool_golden *g,
                                             struct wf_error *err);
/*
 * Fills *out, which is owned by the caller then. WF_NOT_FOUND when there is no such file,
 * WF_DATA_LOSS when it is not whole or not of this format.
 */
WF_MUST_CHECK enum wf_code tool_golden_read(const char *path, struct tool_golden *out,
                                            struct wf_error *err);
void tool_golden_fini(struct tool_golden *g);

#endif

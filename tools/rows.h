/* SPDX-License-Identifier: Apache-2.0
 *
 * rows.h - feature rows from TSV, CSV or LibSVM files (plain, gzip or zstd) for a model's features.
 *
 * The first line decides: a cell "3:0.5" means LibSVM (an optional label first, indices from 0),
 * otherwise a tab, a comma or white space separates. A first line with a cell that is neither a
 * number nor missing is a header: its columns are bound by name, unknown ones are left out,
 * features without a column are missing. Without a header the columns are the model's features in
 * order. Empty, NA, N/A, nan and null are missing (NaN). One thread at a time.
 */
#ifndef TOOL_ROWS_H
#define TOOL_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"

struct tool_rows {
    struct wf_reader *reader;
    const char *path;         /* borrowed */
    const char *const *names; /* the model's; borrowed */
    uint32_t n_features;
    enum { TOOL_ROWS_UNKNOWN, TOOL_ROWS_TABLE, TOOL_ROWS_LIBSVM } shape;
    char separator;    /* '\t', ',' or ' ' */
    uint32_t *columns; /* feature of each column, UINT32_MAX = left out */
    uint32_t n_columns, unbound,
        left_out; /* features without a column; columns without a feature */
};
WF_MUST_CHECK enum wf_code tool_rows_open(const char *path, const char *const *names,
                                          uint32_t n_features, struct tool_rows *out,
                                          struct wf_error *err);
void tool_rows_close(struct tool_rows *r);
/* Fills row[n_features]; *more = false at the end. WF_INVALID is "path:line: ...". */
WF_MUST_CHECK enum wf_code tool_rows_next(struct tool_rows *r, float *row, bool *more,
                                          struct wf_error *err);

#endif

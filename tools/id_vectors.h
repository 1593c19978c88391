/* SPDX-License-Identifier: Apache-2.0
 *
 * id_vectors.h - a file of vectors beside a file of ids, line i for row i, read in step. Rows that
 * cannot be taken (not finite, of zero norm where the metric is cosine, an id that is no SKU) are
 * rejected by name. Memory is one row. Not thread-safe.
 */
#ifndef TOOL_ID_VECTORS_H
#define TOOL_ID_VECTORS_H

#include "base/generation.h"
#include "tools/intern.h"
#include "tools/progress.h"
#include "tools/rejects.h"
#include "tools/vector_file.h"

/* The options that every import of vectors has: a member `m` of the command's `args`. */
#define TOOL_METRIC_OPTION(args, m)                                                                \
    {                                                                                              \
        .name = "metric", .type = TOOL_STR, .offset = offsetof(args, m), .value = "M",             \
        .def = "cosine", .what = "ip, cosine or l2."                                               \
    }
#define TOOL_MAX_ERRORS_OPTION(args, m)                                                            \
    {                                                                                              \
        .name = "max-errors", .type = TOOL_UINT, .offset = offsetof(args, m), .value = "N",        \
        .def = "100", .what = "Bad rows are named and left out; more than N end it."               \
    }

struct tool_id_vectors {
    const char *path, *ids_path; /* borrowed; ids_path NULL: ids are the row numbers from 0 */
    struct tool_vector_file file;
    struct wf_reader *ids;
    struct tool_rejects *rejects;
    enum wf_metric_space metric;
    uint64_t rows; /* read so far, good or bad */
    char number[24];
    struct tool_progress progress;
};
/*
 * The caller has set path, ids_path, metric and rejects, all else is zero. `dim` as
 * tool_vector_file_open. Close is due after a failure too.
 */
WF_MUST_CHECK enum wf_code tool_id_vectors_open(struct tool_id_vectors *v, uint32_t dim,
                                                struct wf_error *err);
void tool_id_vectors_close(struct tool_id_vectors *v);
/*
 * The next good row: its id (borrowed until the next call) and vector; *id = NULL at the end, which
 * must come for both files at once. WF_INVALID when there are too many bad rows.
 */
WF_MUST_CHECK enum wf_code tool_id_vectors_next(struct tool_id_vectors *v, const char **id,
                                                float *row, struct wf_error *err);
/* Rejects the row last returned, for a reason in *err that only the caller knows. */
WF_MUST_CHECK enum wf_code tool_id_vectors_reject(struct tool_id_vectors *v, struct wf_error *err);
/*
 * All the rest, each row to the place of its SKU: *rows are skus->n x dim floats, owned by the
 * caller (wf_xfree), NaN where no vector came; *without counts these. SKUs that are not there or
 * came before are rejected.
 */
WF_MUST_CHECK enum wf_code tool_id_vectors_place(struct tool_id_vectors *v,
                                                 const struct tool_intern *skus, float **rows,
                                                 uint64_t *without, struct wf_error *err);
/* A SKU: 1 to 64 bytes of UTF-8 without NUL. */
WF_MUST_CHECK enum wf_code tool_check_sku(const char *sku, size_t size, struct wf_error *err);

#endif

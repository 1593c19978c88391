/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_file.h - vectors row after row from the formats people have: .npy, .fvecs, .bvecs and
 * lines of numbers (.tsv .csv .txt: tabs, spaces or commas between; .json: an array a line), each
 * plain, gzip or zstd. The name decides the format ("x.fvecs.gz"), the content the compression.
 * Memory is one row, except for compressed .npy. Not thread-safe.
 */
#ifndef TOOL_VECTOR_FILE_H
#define TOOL_VECTOR_FILE_H

#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/npy.h"

struct tool_vector_file;
/* One format: fills row (file->dim floats); *more = false at the end. */
typedef enum wf_code tool_vector_next_fn(struct tool_vector_file *file, float *row, bool *more,
                                         struct wf_error *err);

struct tool_vector_file {
    uint32_t dim;   /* 1 to WF_DIM_MAX */
    uint64_t row;   /* of the row last returned, from 1; the line in a text file */
    uint64_t bytes; /* consumed of the file on disk; for progress */
    uint64_t total; /* size of the file on disk */
    struct wf_reader *reader;
    struct tool_npy npy;
    tool_vector_next_fn *next;
    uint32_t asked_dim;
    float *first; /* tsv: the row that told the dimension */
};
/*
 * `dim` 0 = as the file says; else what it must be, or for .tsv the number of leading columns to
 * take. Errors name the path.
 */
WF_MUST_CHECK enum wf_code tool_vector_file_open(const char *path, uint32_t dim,
                                                 struct tool_vector_file *out,
                                                 struct wf_error *err);
void tool_vector_file_close(struct tool_vector_file *file);
/*
 * The next row; *more = false at the end. WF_INVALID is about this row alone (wrong dimension,
 * not a number, not finite) and the next call goes on behind it; everything else is final.
 */
WF_MUST_CHECK enum wf_code tool_vector_file_next(struct tool_vector_file *file, float *row,
                                                 bool *more, struct wf_error *err);

/* The formats' own openers; file->reader is open. */
WF_MUST_CHECK enum wf_code tool_fvecs_open(struct tool_vector_file *file, struct wf_error *err);
WF_MUST_CHECK enum wf_code tool_bvecs_open(struct tool_vector_file *file, struct wf_error *err);

#endif

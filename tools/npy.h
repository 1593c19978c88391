/* SPDX-License-Identifier: Apache-2.0
 *
 * npy.h - matrices in NumPy's .npy files, versions 1 to 3
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): two dimensions, C
 * order, little-endian f2, f4 or f8. What is written is version 1, f4.
 *
 * A plain f4 file is mapped and read where it lies; f2, f8, gzip and zstd files become float32 in
 * memory. Values are not looked at: NaN and infinities are the caller's business. A header is
 * believed only as far as the bytes behind it go. Read-only use is thread-safe.
 */
#ifndef TOOL_NPY_H
#define TOOL_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"

struct tool_npy {
    size_t rows;
    uint32_t dim;      /* 1 to WF_DIM_MAX */
    const float *data; /* rows x dim, row-major */
    struct wf_map map; /* private */
    void *owned;       /* private */
};
WF_MUST_CHECK enum wf_code tool_npy_open(const char *path, struct tool_npy *out,
                                         struct wf_error *err);
/* As open, over bytes in memory, which are borrowed until close. */
WF_MUST_CHECK enum wf_code tool_npy_view(const void *bytes, size_t size, struct tool_npy *out,
                                         struct wf_error *err);
void tool_npy_close(struct tool_npy *npy);

enum { TOOL_NPY_HEADER = 128 }; /* bytes before the first row of what is written */

/*
 * Writing, row after row without knowing their number: the file appears under `path` with commit,
 * whole and synced; before, and after abort, what was there stays.
 */
struct tool_npy_writer;
WF_MUST_CHECK enum wf_code tool_npy_create(const char *path, uint32_t dim,
                                           struct tool_npy_writer **out, struct wf_error *err);
/* Errors stick and are reported by commit. */
void tool_npy_put(struct tool_npy_writer *w, const float *rows, size_t n);
WF_MUST_CHECK enum wf_code tool_npy_commit(struct tool_npy_writer *w, struct wf_error *err);
void tool_npy_abort(struct tool_npy_writer *w); /* NULL is fine */

#endif

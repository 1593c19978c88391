/* SPDX-License-Identifier: Apache-2.0
 *
 * fvecs.c - .fvecs and .bvecs of the TEXMEX corpora (http://corpus-texmex.irisa.fr): each row is an
 * int32 dimension and that many float32 or bytes, little-endian. Every row repeats the dimension;
 * the first one sets it, one that differs but is believable is skipped by its own length.
 */
#include <string.h>

#include "base/generation.h"
#include "tools/vector_file.h"

/* The dimension in front of a row; *more = false at a clean end. */
static enum wf_code read_dim(struct tool_vector_file *file, uint32_t *dim, bool *more,
                             struct wf_error *err)
{
    unsigned char b[4];
    size_t got = 0;
    enum wf_code code = wf_reader_read(file->reader, b, sizeof b, &got, err);
    if (code != WF_OK) {
        return code;
    }
    *more = got > 0;
    if (got == 0) {
        return WF_OK;
    }
    if (got < sizeof b) {
        return wf_fail(err, WF_DATA_LOSS, "cut after %zu of 4 bytes of the dimension", got);
    }
    *dim = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    if (*dim < 1 || *dim > WF_DIM_MAX) {
        return wf_fail(err, WF_DATA_LOSS, "dimension %u is outside 1 to %d", *dim, WF_DIM_MAX);
    }
    return WF_OK;
}

static enum wf_code read_values(struct tool_vector_file *file, uint32_t dim, size_t size,
                                unsigned char *into, struct wf_error *err)
{
    size_t got = 0;
    enum wf_code code = wf_reader_read(file->reader, into, dim * size, &got, err);
    if (code == WF_OK && got < dim * size) {
        return wf_fail(err, WF_DATA_LOSS, "cut after %zu of %zu bytes", got, dim * size);
    }
    return code;
}

static enum wf_code next_row(struct tool_vector_file *file, size_t size, float *row, bool *more,
                             struct wf_error *err)
{
    unsigned char bytes[WF_DIM_MAX * sizeof(float)];
    uint32_t dim = file->dim;
    if (file->row > 0) { /* the first dimension was read when the file was opened */
        enum wf_code code = read_dim(file, &dim, more, err);
        if (code != WF_OK || !*more) {
            return code;
        }
    }
    file->row++;
    enum wf_code code = read_values(file, dim, size, bytes, err);
    if (code != WF_OK) {
        return code;
    }
    *more = true;
    if (dim != file->dim) {
        return wf_fail(err, WF_INVALID, "dimension %u, the first row has %u", dim, file->dim);
    }
    if (size == sizeof(float)) {
        memcpy(row, bytes, dim * sizeof(float));
    } else {
        for (uint32_t j = 0; j < dim; j++) {
            row[j] = (float)bytes[j];
        }
    }
    return WF_OK;
}

static enum wf_code next_fvecs(struct tool_vector_file *file, float *row, bool *more,
                               struct wf_error *err)
{
    return next_row(file, sizeof(float), row, more, err);
}

static enum wf_code next_bvecs(struct tool_vector_file *file, float *row, bool *more,
                               struct wf_error *err)
{
    return next_row(file, 1, row, more, err);
}

static enum wf_code open_vecs(struct tool_vector_file *file, tool_vector_next_fn *next,
                              struct wf_error *err)
{
    bool more = false;
    file->next = next;
    enum wf_code code = read_dim(file, &file->dim, &more, err);
    if (code == WF_OK && !more) {
        return wf_fail(err, WF_INVALID, "holds no vectors");
    }
    return code;
}

enum wf_code tool_fvecs_open(struct tool_vector_file *file, struct wf_error *err)
{
    return open_vecs(file, next_fvecs, err);
}

enum wf_code tool_bvecs_open(struct tool_vector_file *file, struct wf_error *err)
{
    return open_vecs(file, next_bvecs, err);
}

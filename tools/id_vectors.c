/* SPDX-License-Identifier: Apache-2.0
 *
 * id_vectors.c - two files in step.
 */
#include "tools/id_vectors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/vector.h"

enum { ID_LINE_MAX = 4096 };

enum wf_code tool_check_sku(const char *sku, size_t size, struct wf_error *err)
{
    if (size < 1 || size > WF_SKU_MAX) {
        return wf_fail(err, WF_INVALID, "SKU of %zu bytes, allowed are 1 to %d", size, WF_SKU_MAX);
    }
    if (!wf_utf8_valid(sku, size)) {
        return wf_fail(err, WF_INVALID, "SKU is not UTF-8");
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)sku[i] < 0x20 ||
            sku[i] == 0x7f) { /* interactions.tsv could not hold it */
            return wf_fail(err, WF_INVALID, "SKU has the control character 0x%02x at byte %zu",
                           (unsigned)(unsigned char)sku[i], i);
        }
    }
    return WF_OK;
}

enum wf_code tool_id_vectors_open(struct tool_id_vectors *v, uint32_t dim, struct wf_error *err)
{
    enum wf_code code = tool_vector_file_open(v->path, dim, &v->file, err);
    if (code == WF_OK && v->ids_path) {
        code = wf_reader_open(v->ids_path, &v->ids, err);
    }
    tool_progress_init(&v->progress, "reading vectors", "bytes", v->file.total);
    return code;
}

void tool_id_vectors_close(struct tool_id_vectors *v)
{
    tool_progress_end(&v->progress, v->file.bytes);
    tool_vector_file_close(&v->file);
    wf_reader_close(v->ids);
    v->ids = NULL;
}

/* The id of the row that is being read; *id = NULL when the ids are at their end. */
static enum wf_code next_id(struct tool_id_vectors *v, const char **id, struct wf_error *err)
{
    if (!v->ids) {
        snprintf(v->number, sizeof v->number, "%llu", (unsigned long long)(v->rows));
        *id = v->number;
        return WF_OK;
    }
    char *line = NULL;
    size_t size = 0;
    enum wf_code code = wf_reader_line(v->ids, ID_LINE_MAX, &line, &size, err);
    if (code == WF_OK && line) {
        code = tool_check_sku(line, size, err);
    }
    if (code == WF_OK) {
        *id = line;
    }
    return code;
}

static enum wf_code check_norm(const struct tool_id_vectors *v, const float *row,
                               struct wf_error *err)
{
    if (v->metric != WF_METRIC_COSINE) {
        return WF_OK;
    }
    const float norm = sqrtf(wf_dot(row, row, v->file.dim));
    if (!(norm > 0) || !isfinite(norm)) {
        return wf_fail(err, WF_INVALID, "norm is %g, cosine wants one above 0", (double)norm);
    }
    return WF_OK;
}

/* Which of the two ended first, in words. */
static enum wf_code uneven(const struct tool_id_vectors *v, bool vectors_ended,
                           struct wf_error *err)
{
    return wf_fail(err, WF_INVALID, "%s ends after %llu rows, %s goes on",
                   vectors_ended ? v->path : v->ids_path, (unsigned long long)v->rows,
                   vectors_ended ? v->ids_path : v->path);
}

/* One row of both files; rejected rows give *id = NULL and *more = true. */
static enum wf_code next_pair(struct tool_id_vectors *v, const char **id, float *row, bool *more,
                              struct wf_error *err)
{
    struct wf_error id_err = {0};
    *more = true;
    enum wf_code row_code = tool_vector_file_next(&v->file, row, more, err);
    if (row_code != WF_OK && row_code != WF_INVALID) {
        return wf_prefix(err, "%s:%llu: ", v->path, (unsigned long long)v->file.row);
    }
    const bool ended = row_code == WF_OK && !*more;
    if (ended && !v->ids) {
        return WF_OK;
    }
    enum wf_code id_code = next_id(v, id, &id_err);
    if (id_code != WF_OK && id_code != WF_INVALID) {
        return wf_fail(err, id_code, "%s: %s", v->ids_path, id_err.text);
    }
    const bool ids_ended = id_code == WF_OK && !*id;
    if (ended != ids_ended) {
        return uneven(v, ended, err);
    }
    if (ended) {
        return WF_OK;
    }
    v->rows++;
    *more = true;
    if (id_code != WF_OK) {
        *id = NULL;
        *err = id_err;
        return tool_reject(v->rejects, v->ids_path, wf_reader_line_number(v->ids), err);
    }
    if (row_code != WF_OK || check_norm(v, row, err) != WF_OK) {
        *id = NULL;
        return tool_reject(v->rejects, v->path, v->file.row, err);
    }
    return WF_OK;
}

enum wf_code tool_id_vectors_next(struct tool_id_vectors *v, const char **id, float *row,
                                  struct wf_error *err)
{
    bool more = true;
    const char *found = NULL;
    while (more && !found) {
        enum wf_code code = next_pair(v, &found, row, &more, err);
        if (code != WF_OK) {
            return code;
        }
    }
    *id = more ? found : NULL;
    if (v->rows % 1024 == 0) {
        tool_progress_at(&v->progress, v->file.bytes);
    }
    return WF_OK;
}

enum wf_code tool_id_vectors_reject(struct tool_id_vectors *v, struct wf_error *err)
{
    return v->ids ? tool_reject(v->rejects, v->ids_path, wf_reader_line_number(v->ids), err)
                  : tool_reject(v->rejects, v->path, v->file.row, err);
}

static enum wf_code place_rows(struct tool_id_vectors *v, const struct tool_intern *skus,
                               float *rows, float *row, struct wf_error *err)
{
    const size_t dim = v->file.dim;
    const char *id = NULL;
    enum wf_code code = tool_id_vectors_next(v, &id, row, err);
    while (code == WF_OK && id) {
        const uint32_t at = tool_intern_find(skus, id, strlen(id));
        float *to = at == TOOL_NO_ID ? NULL : rows + at * dim;
        if (to && isnan(to[0])) {
            memcpy(to, row, dim * sizeof(float));
        } else {
            wf_fail(err, WF_INVALID, to ? "SKU '%s' came before" : "SKU '%s' is no item", id);
            code = tool_id_vectors_reject(v, err);
        }
        if (code == WF_OK) {
            code = tool_id_vectors_next(v, &id, row, err);
        }
    }
    return code;
}

enum wf_code tool_id_vectors_place(struct tool_id_vectors *v, const struct tool_intern *skus,
                                   float **rows, uint64_t *without, struct wf_error *err)
{
    const size_t dim = v->file.dim, n = skus->n * dim;
    float *placed = wf_xmalloc64(n * sizeof(float) + 1);
    float *row = wf_xarray(float, dim);
    for (size_t i = 0; i < n; i++) {
        placed[i] = NAN;
    }
    enum wf_code code = place_rows(v, skus, placed, row, err);
    wf_xfree(row);
    if (code != WF_OK) {
        wf_xfree(placed);
        return code;
    }
    *without = 0;
    for (size_t i = 0; i < n; i += dim) {
        *without += isnan(placed[i]) ? 1 : 0;
    }
    *rows = placed;
    return WF_OK;
}

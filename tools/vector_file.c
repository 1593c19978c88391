/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_file.c - telling the formats apart, .npy and .tsv rows, and the checks that hold for all.
 */
#include "tools/vector_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/generation.h"
#include "base/vector.h"

enum { LINE_MAX_BYTES = 1 << 20 };

/* ---- .npy ---- */

static enum wf_code next_npy(struct tool_vector_file *file, float *row, bool *more,
                             struct wf_error *err)
{
    (void)err;
    *more = file->row < file->npy.rows;
    if (*more) {
        memcpy(row, file->npy.data + file->row++ * file->dim, file->dim * sizeof(float));
        file->bytes = file->row * file->dim * sizeof(float);
    }
    return WF_OK;
}

static enum wf_code open_npy(const char *path, struct tool_vector_file *file, struct wf_error *err)
{
    enum wf_code code = tool_npy_open(path, &file->npy, err);
    if (code == WF_OK) {
        file->dim = file->npy.dim;
        file->total = (uint64_t)file->npy.rows * file->dim * sizeof(float);
        file->next = next_npy;
    }
    return code;
}

/* ---- .tsv ---- */

static bool is_separator(char c)
{
    return c == '\t' || c == ' ' || c == ',' || c == '[' ||
           c == ']'; /* a JSON array is a line too */
}

/* Parses up to `want` numbers (0 = all) of a line; *n = how many there are. */
static enum wf_code parse_line(const char *line, uint32_t want, float *row, uint32_t *n,
                               struct wf_error *err)
{
    uint32_t count = 0;
    while (is_separator(*line)) {
        line++;
    }
    while (*line && (want == 0 || count < want)) {
        char *end = NULL;
        const float value = strtof(line, &end);
        if (end == line || (*end && !is_separator(*end))) {
            return wf_fail(err, WF_INVALID, "column %u is not a number: '%.20s'", count + 1, line);
        }
        if (count == WF_DIM_MAX) {
            return wf_fail(err, WF_INVALID, "more than %d columns", WF_DIM_MAX);
        }
        row[count++] = value;
        for (line = end; is_separator(*line); line++) {
        }
    }
    *n = count;
    return WF_OK;
}

static enum wf_code next_line(struct tool_vector_file *file, char **line, struct wf_error *err)
{
    size_t size = 0;
    enum wf_code code = wf_reader_line(file->reader, LINE_MAX_BYTES, line, &size, err);
    file->row = wf_reader_line_number(file->reader);
    if (code == WF_OK && *line && strlen(*line) != size) {
        return wf_fail(err, WF_INVALID, "line holds a NUL byte");
    }
    return code;
}

static enum wf_code next_tsv(struct tool_vector_file *file, float *row, bool *more,
                             struct wf_error *err)
{
    char *line = NULL;
    uint32_t n = 0;
    *more = true;
    if (file->first) {
        memcpy(row, file->first, file->dim * sizeof(float));
        wf_xfree(file->first);
        file->first = NULL;
        return WF_OK;
    }
    enum wf_code code = next_line(file, &line, err);
    if (code != WF_OK || !line) {
        *more = false;
        return code;
    }
    float values[WF_DIM_MAX];
    code = parse_line(line, file->asked_dim, values, &n, err);
    if (code == WF_OK && n != file->dim) {
        return wf_fail(err, WF_INVALID, "%u columns, wanted are %u", n, file->dim);
    }
    if (code == WF_OK) {
        memcpy(row, values, file->dim * sizeof(float));
    }
    return code;
}

static enum wf_code open_tsv(struct tool_vector_file *file, struct wf_error *err)
{
    char *line = NULL;
    file->next = next_tsv;
    file->first = wf_xarray(float, WF_DIM_MAX);
    enum wf_code code = next_line(file, &line, err);
    if (code == WF_OK && line) {
        code = parse_line(line, file->asked_dim, file->first, &file->dim, err);
    }
    if (code == WF_OK && file->dim == 0) {
        return wf_fail(err, WF_INVALID, "the first line holds no numbers");
    }
    return code;
}

/* ---- all ---- */

/* Whether `path` ends in `suffix`, after taking off .gz or .zst. */
static bool has_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path);
    static const char *const packed[] = {".gz", ".zst"};
    for (size_t i = 0; i < 2; i++) {
        const size_t n = strlen(packed[i]);
        if (size > n && memcmp(path + size - n, packed[i], n) == 0) {
            size -= n;
            break;
        }
    }
    const size_t n = strlen(suffix);
    return size > n && memcmp(path + size - n, suffix, n) == 0;
}

static enum wf_code open_format(const char *path, struct tool_vector_file *file,
                                struct wf_error *err)
{
    typedef enum wf_code open_fn(struct tool_vector_file *, struct wf_error *);
    static const struct {
        const char *suffix;
        open_fn *open;
    } formats[] = {
        {".fvecs", tool_fvecs_open}, {".bvecs", tool_bvecs_open}, {".tsv", open_tsv},
        {".csv", open_tsv},          {".txt", open_tsv},          {".json", open_tsv},
    };
    if (has_suffix(path, ".npy")) {
        return open_npy(path, file, err); /* names the path itself */
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!has_suffix(path, formats[i].suffix)) {
            continue;
        }
        enum wf_code code = wf_reader_open(path, &file->reader, err);
        if (code != WF_OK) {
            return code;
        }
        file->total = wf_reader_total(file->reader);
        code = formats[i].open(file, err);
        return code == WF_OK ? WF_OK : wf_prefix(err, "%s: ", path);
    }
    return wf_fail(err, WF_INVALID,
                   "%s: unknown kind of vectors, known are .npy .fvecs .bvecs and, for lines of "
                   "numbers, .tsv .csv .txt .json, each also .gz or .zst",
                   path);
}

enum wf_code tool_vector_file_open(const char *path, uint32_t dim, struct tool_vector_file *out,
                                   struct wf_error *err)
{
    struct tool_vector_file file = {.asked_dim = dim};
    enum wf_code code = open_format(path, &file, err);
    if (code == WF_OK && dim && dim != file.dim) {
        code = wf_fail(err, WF_INVALID, "%s: dimension %u, asked for %u", path, file.dim, dim);
    }
    if (code != WF_OK) {
        tool_vector_file_close(&file);
        return code;
    }
    *out = file;
    return WF_OK;
}

void tool_vector_file_close(struct tool_vector_file *file)
{
    wf_reader_close(file->reader);
    tool_npy_close(&file->npy);
    wf_xfree(file->first);
    *file = (struct tool_vector_file){0};
}

enum wf_code tool_vector_file_next(struct tool_vector_file *file, float *row, bool *more,
                                   struct wf_error *err)
{
    enum wf_code code = file->next(file, row, more, err);
    if (file->reader) {
        file->bytes = wf_reader_bytes(file->reader);
    }
    if (code != WF_OK || !*more) {
        return code;
    }
    const ptrdiff_t bad = wf_first_not_finite(row, file->dim);
    if (bad >= 0) {
        return wf_fail(err, WF_INVALID, "element %td is not finite: %g", bad, (double)row[bad]);
    }
    return WF_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * rows.c - reads feature rows; the shape of a file is decided by its first line and then held to.
 */
#include "tools/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"

enum { LINE_MAX_BYTES = 4 << 20, COLUMNS_MAX = 1 << 16 };

/* A cell as a number; missing gives NaN. false when it is neither. */
static bool cell_value(const char *cell, size_t size, float *out)
{
    static const char *const missing[] = {"", "NA", "N/A", "nan", "null"};
    char text[64], *end;
    while (size > 0 && (*cell == ' ' || *cell == '"')) {
        cell++;
        size--;
    }
    while (size > 0 && strchr(" \"\r", cell[size - 1]) != NULL) {
        size--;
    }
    if (size >= sizeof text) {
        return false;
    }
    memcpy(text, cell, size);
    text[size] = '\0';
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        if (strcasecmp(text, missing[i]) == 0) {
            *out = NAN;
            return true;
        }
    }
    *out = strtof(text, &end);
    return *end == '\0' && isfinite(*out);
}

/* The next cell of *at, NULL at the end of the line. Runs of blanks are one separator. */
static const char *next_cell(const char **at, char separator, size_t *size)
{
    if (*at == NULL) {
        return NULL;
    }
    const char *cell = *at;
    if (separator == ' ') {
        cell += strspn(cell, " \t");
        *size = strcspn(cell, " \t");
        *at = cell + *size;
        return *size == 0 ? NULL : cell;
    }
    const char *end = strchr(cell, separator);
    *size = end == NULL ? strlen(cell) : (size_t)(end - cell);
    *at = end == NULL ? NULL : end + 1;
    return cell;
}

static enum wf_code bad(const struct tool_rows *r, struct wf_error *err, const char *what,
                        const char *cell, size_t n)
{
    return wf_fail(err, WF_INVALID, "%s:%llu: %s \"%.*s\"", r->path,
                   (unsigned long long)wf_reader_line_number(r->reader), what, n < 40 ? (int)n : 40,
                   cell);
}

/* Whether the line looks like LibSVM: some cell is "digits:...". */
static bool is_libsvm(const char *line)
{
    size_t size;
    const char *at = line, *cell;
    for (int i = 0; i < 2 && (cell = next_cell(&at, ' ', &size)) != NULL; i++) {
        const size_t digits = strspn(cell, "0123456789");
        if (digits > 0 && digits < size && cell[digits] == ':') {
            return true;
        }
    }
    return false;
}

static uint32_t feature_named(const struct tool_rows *r, const char *cell, size_t size)
{
    if (size >= 2 && cell[0] == '"' && cell[size - 1] == '"') {
        cell++;
        size -= 2;
    }
    for (uint32_t j = 0; j < r->n_features; j++) {
        if (strlen(r->names[j]) == size && memcmp(r->names[j], cell, size) == 0) {
            return j;
        }
    }
    return UINT32_MAX;
}

static bool is_header(const struct tool_rows *r, const char *line)
{
    size_t size;
    float value;
    const char *at = line, *cell;
    while ((cell = next_cell(&at, r->separator, &size)) != NULL) {
        if (!cell_value(cell, size, &value)) {
            return true;
        }
    }
    return false;
}

static enum wf_code bind_header(struct tool_rows *r, const char *line, struct wf_error *err)
{
    size_t size;
    const char *at = line, *cell;
    uint8_t *bound = wf_xcalloc((size_t)r->n_features + 1, 1);
    enum wf_code code = WF_OK;
    while ((cell = next_cell(&at, r->separator, &size)) != NULL && code == WF_OK) {
        if (r->n_columns == COLUMNS_MAX) {
            code = bad(r, err, "more than 65536 columns, at", cell, size);
            break;
        }
        const uint32_t feature = feature_named(r, cell, size);
        if (feature != UINT32_MAX && bound[feature]) {
            code = bad(r, err, "two columns are named", cell, size);
        } else if (feature != UINT32_MAX) {
            bound[feature] = 1;
            r->unbound--;
        } else {
            r->left_out++;
        }
        r->columns[r->n_columns++] = feature;
    }
    wf_xfree(bound);
    if (code == WF_OK && r->unbound == r->n_features) {
        return wf_fail(err, WF_INVALID,
                       "%s:1: no column has a name of the model's %u features (\"%s\", ...)",
                       r->path, r->n_features, r->names[0]);
    }
    return code;
}

static char separator_of(const char *line)
{
    if (strchr(line, '\t') != NULL) {
        return '\t';
    }
    return strchr(line, ',') != NULL ? ',' : ' ';
}

/* Decides the shape; *header says that the line was one. */
static enum wf_code decide(struct tool_rows *r, const char *line, bool *header,
                           struct wf_error *err)
{
    *header = false;
    r->shape = is_libsvm(line) ? TOOL_ROWS_LIBSVM : TOOL_ROWS_TABLE;
    if (r->shape == TOOL_ROWS_LIBSVM) {
        return WF_OK;
    }
    r->separator = separator_of(line);
    r->columns = wf_xarray(uint32_t, COLUMNS_MAX);
    r->unbound = r->n_features;
    *header = is_header(r, line);
    if (*header) {
        return bind_header(r, line, err);
    }
    r->unbound = 0;
    for (r->n_columns = 0; r->n_columns < r->n_features && r->n_columns < COLUMNS_MAX;
         r->n_columns++) {
        r->columns[r->n_columns] = r->n_columns;
    }
    return WF_OK;
}

static enum wf_code table_row(const struct tool_rows *r, const char *line, float *row,
                              struct wf_error *err)
{
    size_t size;
    const char *at = line, *cell;
    uint32_t n = 0;
    for (; (cell = next_cell(&at, r->separator, &size)) != NULL; n++) {
        float value;
        const uint32_t feature = n < r->n_columns ? r->columns[n] : UINT32_MAX;
        if (n < r->n_columns && feature == UINT32_MAX) {
            continue; /* a column that the model does not know may hold anything */
        }
        if (!cell_value(cell, size, &value)) {
            return bad(r, err, "wanted a number or a missing value, found", cell, size);
        }
        if (feature != UINT32_MAX) {
            row[feature] = value;
        }
    }
    if (n != r->n_columns) {
        return wf_fail(err, WF_INVALID, "%s:%llu: %u columns, wanted %u", r->path,
                       (unsigned long long)wf_reader_line_number(r->reader), n, r->n_columns);
    }
    return WF_OK;
}

static enum wf_code libsvm_row(const struct tool_rows *r, const char *line, float *row,
                               struct wf_error *err)
{
    size_t size;
    const char *at = line, *cell;
    for (bool first = true; (cell = next_cell(&at, ' ', &size)) != NULL && *cell != '#';
         first = false) {
        const char *colon = memchr(cell, ':', size);
        float value;
        if (colon == NULL && first && cell_value(cell, size, &value)) {
            continue; /* the label */
        }
        if (size > 4 && memcmp(cell, "qid:", 4) == 0) {
            continue;
        }
        char *end;
        const unsigned long feature = colon == NULL ? 0 : strtoul(cell, &end, 10);
        if (colon == NULL || end != colon || *cell == '-' ||
            !cell_value(colon + 1, size - (size_t)(colon + 1 - cell), &value)) {
            return bad(r, err, "wanted index:value, found", cell, size);
        }
        if (feature >= r->n_features) {
            return wf_fail(err, WF_INVALID, "%s:%llu: index %lu, the model has features 0 to %u",
                           r->path, (unsigned long long)wf_reader_line_number(r->reader), feature,
                           r->n_features - 1);
        }
        row[feature] = value;
    }
    return WF_OK;
}

enum wf_code tool_rows_open(const char *path, const char *const *names, uint32_t n_features,
                            struct tool_rows *out, struct wf_error *err)
{
    *out = (struct tool_rows){.path = path, .names = names, .n_features = n_features};
    return wf_reader_open(path, &out->reader, err);
}

void tool_rows_close(struct tool_rows *r)
{
    if (r->reader != NULL) {
        wf_reader_close(r->reader);
    }
    wf_xfree(r->columns);
    *r = (struct tool_rows){0};
}

enum wf_code tool_rows_next(struct tool_rows *r, float *row, bool *more, struct wf_error *err)
{
    for (;;) {
        char *line;
        size_t size;
        enum wf_code code = wf_reader_line(r->reader, LINE_MAX_BYTES, &line, &size, err);
        if (code != WF_OK) {
            return wf_prefix(err, "%s: ", r->path);
        }
        *more = line != NULL;
        if (line == NULL) {
            return WF_OK;
        }
        const bool blank = size == 0 && (r->shape != TOOL_ROWS_TABLE || r->n_columns != 1);
        if (blank) {
            continue;
        }
        bool header = false;
        if (r->shape == TOOL_ROWS_UNKNOWN) {
            code = decide(r, line, &header, err);
        }
        if (code != WF_OK) {
            return code;
        }
        if (header) {
            continue;
        }
        for (uint32_t j = 0; j < r->n_features; j++) {
            row[j] = NAN;
        }
        return r->shape == TOOL_ROWS_LIBSVM ? libsvm_row(r, line, row, err)
                                            : table_row(r, line, row, err);
    }
}

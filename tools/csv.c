/* SPDX-License-Identifier: Apache-2.0
 *
 * csv.c - splitting in place: a record is gathered in one buffer, fields are unquoted where they
 * lie, and the separators become their terminators.
 */
#include "tools/csv.h"

#include <string.h>

#include "base/arena.h"

enum wf_code tool_csv_open(const char *path, struct tool_csv *out, struct wf_error *err)
{
    *out = (struct tool_csv){0};
    return wf_reader_open(path, &out->reader, err);
}

void tool_csv_close(struct tool_csv *csv)
{
    wf_reader_close(csv->reader);
    tool_text_fini(&csv->record);
    wf_xfree(csv->fields);
    *csv = (struct tool_csv){0};
}

/* Where a scan of the record stands: it sees every byte once, however many lines a field has. */
struct quotes {
    bool quoted, at_start, closing; /* closing: the last byte was a quote inside a quoted field */
};

/* Whether the record goes on in the next line, that is, ends inside a quoted field. */
static bool scan_quotes(struct quotes *q, const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (q->closing) { /* a second quote is a literal one; anything else is outside */
            q->closing = false;
            q->quoted = s[i] == '"';
            q->at_start = s[i] == ',';
        } else if (q->quoted) {
            q->closing = s[i] == '"';
        } else {
            q->quoted = s[i] == '"' && q->at_start;
            q->at_start = s[i] == ',';
        }
    }
    return q->quoted && !q->closing;
}

/* Moves the field at `from` to `to` without its quotes; returns what is behind it. */
static char *take_field(char *from, const char *end, char **to)
{
    char *into = *to;
    if (from < end && *from == '"') {
        for (from++; from < end; from++) {
            if (*from == '"' && from + 1 < end && from[1] == '"') {
                from++;
            } else if (*from == '"') {
                from++;
                break;
            }
            *into++ = *from;
        }
    }
    while (from < end && *from != ',') {
        *into++ = *from++;
    }
    *to = into;
    return from;
}

static enum wf_code split(struct tool_csv *csv, struct wf_error *err)
{
    char *at = csv->record.data;
    const char *end = at + csv->record.size;
    csv->n = 0;
    for (;;) {
        if (csv->n == TOOL_CSV_FIELDS_MAX) {
            return wf_fail(err, WF_INVALID, "record has more than %d fields", TOOL_CSV_FIELDS_MAX);
        }
        wf_xgrow(&csv->fields, &csv->cap, csv->n + 1, sizeof *csv->fields);
        csv->fields[csv->n++] = at;
        char *to = at;
        char *behind = take_field(at, end, &to);
        const bool last = behind == end;
        *to = '\0';
        if (last) {
            return WF_OK;
        }
        at = behind + 1;
    }
}

static enum wf_code read_line(struct tool_csv *csv, char **line, size_t *size, struct wf_error *err)
{
    enum wf_code code = wf_reader_line(csv->reader, TOOL_CSV_RECORD_MAX, line, size, err);
    if (code == WF_OK && *line && memchr(*line, '\0', *size)) {
        return wf_fail(err, WF_INVALID, "line holds a NUL byte");
    }
    return code;
}

/* Appends lines until no quote is open. */
static enum wf_code gather(struct tool_csv *csv, struct wf_error *err)
{
    struct quotes quotes = {.at_start = true};
    bool open = scan_quotes(&quotes, csv->record.data, csv->record.size);
    while (open) {
        char *line = NULL;
        size_t size = 0;
        enum wf_code code = read_line(csv, &line, &size, err);
        if (code != WF_OK) {
            return code;
        }
        if (!line) {
            return wf_fail(err, WF_INVALID, "quoted field does not end");
        }
        if (csv->record.size + size + 1 > TOOL_CSV_RECORD_MAX) {
            return wf_fail(err, WF_INVALID, "record is longer than %d bytes", TOOL_CSV_RECORD_MAX);
        }
        tool_text_char(&csv->record, '\n');
        tool_text_put(&csv->record, line, size);

        scan_quotes(&quotes, "\n", 1);
        open = scan_quotes(&quotes, line, size);
    }
    return WF_OK;
}

enum wf_code tool_csv_next(struct tool_csv *csv, bool *more, struct wf_error *err)
{
    char *line = NULL;
    size_t size = 0;
    csv->n = 0;
    do {
        enum wf_code code = read_line(csv, &line, &size, err);
        csv->line = wf_reader_line_number(csv->reader);
        if (code != WF_OK) {
            return code;
        }
        if (!line) {
            *more = false;
            return WF_OK;
        }
        if (csv->line == 1 && size >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
            line += 3;
            size -= 3;
        }
    } while (size == 0);
    tool_text_clear(&csv->record);
    tool_text_put(&csv->record, line, size);
    enum wf_code code = gather(csv, err);
    if (code == WF_OK) {
        code = split(csv, err);
    }
    if (code == WF_OK) {
        *more = true;
    }
    return code;
}

int tool_csv_column(const struct tool_csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->n; i++) {
        if (strcmp(csv->fields[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

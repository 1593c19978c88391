/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset_events.c - reading interactions.tsv.
 */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "tools/cli.h"
#include "tools/dataset.h"

enum { EVENT_LINE_MAX = 1024, N_COLUMNS = 5 };

const char tool_events_header[] = "user\tsku\tevent\tunix_time\tvalue\n";
const char tool_event_purchase[] = "purchase";

char *tool_events_path(const char *dir)
{
    return tool_dataset_file(dir, "interactions.tsv");
}

/* Splits at tabs, in place; returns how many columns there are. */
static unsigned split_tabs(char *line, char **columns)
{
    unsigned n = 0;
    for (char *at = line; at; n++) {
        char *tab = strchr(at, '\t');
        if (n < N_COLUMNS) {
            columns[n] = at;
        }
        if (tab) {
            *tab++ = '\0';
        }
        at = tab;
    }
    return n;
}

static enum wf_code check_id(const char *what, const char *s, struct wf_error *err)
{
    const size_t size = strlen(s);
    if (size < 1 || size > WF_SKU_MAX || !wf_utf8_valid(s, size)) {
        return wf_fail(err, WF_INVALID, "%s of %zu bytes, wanted are 1 to %d of UTF-8", what, size,
                       WF_SKU_MAX);
    }
    return WF_OK;
}

static enum wf_code parse_event(char *line, struct tool_event *out, struct wf_error *err)
{
    char *c[N_COLUMNS] = {NULL};
    uint64_t time = 0;
    double value = (double)NAN;
    const unsigned n = split_tabs(line, c);
    if (n != N_COLUMNS) {
        return wf_fail(err, WF_INVALID, "%u columns, wanted are %d", n, N_COLUMNS);
    }
    static const char *const names[] = {"user", "sku", "event"};
    for (unsigned i = 0; i < 3; i++) {
        if (check_id(names[i], c[i], err) != WF_OK) {
            return WF_INVALID;
        }
    }
    if (!tool_parse_uint(c[3], &time) || time > INT64_MAX / 1000) {
        return wf_fail(err, WF_INVALID, "unix_time '%.30s' is not a count of seconds", c[3]);
    }
    if (*c[4] && !tool_parse_real(c[4], &value)) {
        return wf_fail(err, WF_INVALID, "value '%.30s' is not a number", c[4]);
    }
    *out = (struct tool_event){
        .user = c[0], .sku = c[1], .kind = c[2], .unix_time = (int64_t)time, .value = value};
    return WF_OK;
}

static enum wf_code read_line(struct tool_events *ev, char **line, struct wf_error *err)
{
    size_t size = 0;
    enum wf_code code = wf_reader_line(ev->reader, EVENT_LINE_MAX, line, &size, err);
    if (code == WF_OK && *line && strlen(*line) != size) {
        return wf_fail(err, WF_INVALID, "line holds a NUL byte");
    }
    return code;
}

static enum wf_code place(const struct tool_events *ev, struct wf_error *err)
{
    return wf_prefix(err, "%s:%llu: ", ev->path,
                     (unsigned long long)wf_reader_line_number(ev->reader));
}

enum wf_code tool_events_open(const char *dir, struct tool_events **out, struct wf_error *err)
{
    char *line = NULL;
    char *path = tool_events_path(dir);
    if (!path) {
        *out = NULL;
        return WF_OK;
    }
    struct tool_events *ev = wf_xarray(struct tool_events, 1);
    ev->path = path;
    enum wf_code code = wf_reader_open(path, &ev->reader, err);
    if (code == WF_OK) {
        const size_t size = strlen(tool_events_header) - 1;
        code = read_line(ev, &line, err);
        if (code == WF_OK &&
            (!line || strlen(line) != size || memcmp(line, tool_events_header, size) != 0)) {
            code = wf_fail(err, WF_INVALID,
                           "header is not 'user sku event unix_time value' with "
                           "tabs between");
        }
        code = code == WF_OK ? WF_OK : place(ev, err);
    }
    if (code != WF_OK) {
        tool_events_close(ev);
        return code;
    }
    *out = ev;
    return WF_OK;
}

enum wf_code tool_events_next(struct tool_events *ev, struct tool_event *out, bool *more,
                              struct wf_error *err)
{
    char *line = NULL;
    enum wf_code code = read_line(ev, &line, err);
    if (code == WF_OK && !line) {
        *more = false;
        return WF_OK;
    }
    if (code == WF_OK) {
        code = parse_event(line, out, err);
    }
    if (code != WF_OK) {
        return place(ev, err);
    }
    *more = true;
    return WF_OK;
}

void tool_events_close(struct tool_events *ev)
{
    if (!ev) {
        return;
    }
    wf_reader_close(ev->reader);
    wf_xfree(ev->path);
    wf_xfree(ev);
}

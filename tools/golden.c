/* SPDX-License-Identifier: Apache-2.0
 *
 * golden.c - writes and reads golden rows. The head is believed only when the file is exactly as
 * long as it says.
 */
#include "tools/golden.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

enum { VERSION = 1, FILE_MAX_BYTES = 64 << 20 };

struct head {
    char magic[8];
    uint32_t version, n_rows, n_features, n_outputs;
};
static const char magic[8] = {'W', 'E', 'F', 'T', 'G', 'O', 'L', 'D'};

char *tool_golden_path(const char *model)
{
    return wf_xprintf("%s.golden", model);
}

enum wf_code tool_golden_write(const char *path, const struct tool_golden *g, struct wf_error *err)
{
    struct head head = {.version = VERSION,
                        .n_rows = g->n_rows,
                        .n_features = g->n_features,
                        .n_outputs = g->n_outputs};
    memcpy(head.magic, magic, sizeof magic);
    struct wf_writer *w;
    const enum wf_code code = wf_writer_open(path, &w, err);
    if (code != WF_OK) {
        return code;
    }
    wf_writer_put(w, &head, sizeof head);
    wf_writer_put(w, g->rows, sizeof(float) * g->n_rows * g->n_features);
    wf_writer_put(w, g->margins, sizeof(float) * g->n_rows * g->n_outputs);
    return wf_writer_commit(w, err);
}

static enum wf_code check_count(const char *what, uint32_t n, uint32_t max, struct wf_error *err)
{
    if (n < 1 || n > max) {
        return wf_fail(err, WF_DATA_LOSS, "%s: %u, must be 1 to %u", what, n, max);
    }
    return WF_OK;
}

static enum wf_code check_head(const struct head *h, size_t size, struct wf_error *err)
{
    if (memcmp(h->magic, magic, sizeof magic) != 0) {
        return wf_fail(err, WF_DATA_LOSS, "does not begin with WEFTGOLD");
    }
    if (h->version != VERSION) {
        return wf_fail(err, WF_DATA_LOSS, "version %u, this build reads %d", h->version, VERSION);
    }
    enum wf_code code = check_count("rows", h->n_rows, TOOL_GOLDEN_ROWS_MAX, err);
    if (code == WF_OK) {
        code = check_count("features", h->n_features, TOOL_GOLDEN_FEATURES_MAX, err);
    }
    if (code == WF_OK) {
        code = check_count("outputs", h->n_outputs, TOOL_GOLDEN_OUTPUTS_MAX, err);
    }
    const uint64_t width = (uint64_t)h->n_features + h->n_outputs;
    const uint64_t want = sizeof *h + sizeof(float) * width * h->n_rows;
    if (code == WF_OK && want != size) {
        return wf_fail(err, WF_DATA_LOSS, "%zu bytes, its head says %llu", size,
                       (unsigned long long)want);
    }
    return code;
}

static enum wf_code decode(const char *bytes, size_t size, struct tool_golden *out,
                           struct wf_error *err)
{
    struct head h;
    if (size < sizeof h) {
        return wf_fail(err, WF_DATA_LOSS, "%zu bytes, the head alone has %zu", size, sizeof h);
    }
    memcpy(&h, bytes, sizeof h);
    const enum wf_code code = check_head(&h, size, err);
    if (code != WF_OK) {
        return code;
    }
    const size_t n_values = (size_t)h.n_rows * h.n_features;
    const size_t n_margins = (size_t)h.n_rows * h.n_outputs;
    struct tool_golden g = {.n_rows = h.n_rows,
                            .n_features = h.n_features,
                            .n_outputs = h.n_outputs,
                            .rows = wf_xarray(float, n_values),
                            .margins = wf_xarray(float, n_margins)};
    memcpy(g.rows, bytes + sizeof h, n_values * sizeof(float));
    memcpy(g.margins, bytes + sizeof h + n_values * sizeof(float), n_margins * sizeof(float));
    for (size_t i = 0; i < n_margins; i++) {
        if (!isfinite(g.margins[i])) {
            tool_golden_fini(&g);
            return wf_fail(err, WF_DATA_LOSS, "margin %zu is not finite", i);
        }
    }
    *out = g;
    return WF_OK;
}

enum wf_code tool_golden_read(const char *path, struct tool_golden *out, struct wf_error *err)
{
    char *bytes;
    size_t size;
    enum wf_code code = wf_read_file(path, FILE_MAX_BYTES, &bytes, &size, err);
    if (code != WF_OK) {
        return code;
    }
    code = decode(bytes, size, out, err);
    wf_xfree(bytes);
    return code == WF_OK ? WF_OK : wf_prefix(err, "%s: ", path);
}

void tool_golden_fini(struct tool_golden *g)
{
    wf_xfree(g->rows);
    wf_xfree(g->margins);
    *g = (struct tool_golden){0};
}

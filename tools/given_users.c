/* SPDX-License-Identifier: Apache-2.0
 *
 * given_users.c - reads and checks what a dataset says of its users.
 */
#include "tools/given_users.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/vector.h"
#include "tools/dataset.h"

enum { USER_MAX = 64, LINE_LIMIT = 4096 };
/* Vectors of users are stored in 16 bits: what is above becomes infinite. */
#define HALF_MAX 65504.0F

static enum wf_code add_id(struct tool_given_users *g, const char *id, size_t size,
                           struct wf_error *err)
{
    bool added = false;
    if (size < 1 || size > USER_MAX) {
        return wf_fail(err, WF_INVALID, "user id of %zu bytes, allowed are 1 to %d", size,
                       USER_MAX);
    }
    if (!wf_utf8_valid(id, size)) {
        return wf_fail(err, WF_INVALID, "user id is not UTF-8");
    }
    if (g->ids.n >= UINT32_MAX - 2) {
        return wf_fail(err, WF_INVALID, "more than %u users", UINT32_MAX - 2);
    }
    const uint32_t row = tool_intern_add(&g->ids, id, size, &added);
    return added
               ? WF_OK
               : wf_fail(err, WF_INVALID, "user '%s' came on line %" PRIu32 " before", id, row + 1);
}

static enum wf_code read_ids(struct tool_given_users *g, const char *path, struct wf_error *err)
{
    struct wf_reader *r = NULL;
    enum wf_code code = wf_reader_open(path, &r, err);
    if (code != WF_OK) {
        return code;
    }
    for (;;) {
        char *line = NULL;
        size_t size = 0;
        code = wf_reader_line(r, LINE_LIMIT, &line, &size, err);
        if (code == WF_OK && line) {
            code = add_id(g, line, size, err);
        }
        if (code != WF_OK || !line) {
            break;
        }
    }
    if (code != WF_OK) {
        (void)wf_prefix(err, "%s:%" PRIu64 ": ", path, wf_reader_line_number(r));
    }
    wf_reader_close(r);
    return code;
}

/* Every row is finite and fits 16 bits, or is marked as missing. */
static enum wf_code check_rows(const struct tool_given_users *g, const struct tool_npy *npy,
                               struct wf_error *err)
{
    for (size_t i = 0; i < npy->rows; i++) {
        const float *row = npy->data + i * npy->dim;
        for (uint32_t d = 0; d < npy->dim && !isnan(row[0]); d++) {
            if (!(fabsf(row[d]) <= HALF_MAX)) {
                return wf_fail(err, WF_INVALID, "row %zu (user %s): element %u is %g, at most %g",
                               i, g->ids.names[i], d, (double)row[d], (double)HALF_MAX);
            }
        }
    }
    return WF_OK;
}

static enum wf_code open_space(struct tool_given_users *g, const struct wf_space *space,
                               const char *path, struct tool_npy *npy, struct wf_error *err)
{
    enum wf_code code = tool_npy_open(path, npy, err);
    if (code != WF_OK) {
        return code; /* it names the file */
    }
    if (npy->dim != space->dim) {
        code = wf_fail(err, WF_INVALID, "dimension %u, the schema says %u", npy->dim, space->dim);
    } else if (npy->rows != g->ids.n) {
        code = wf_fail(err, WF_INVALID, "%zu rows for %" PRIu32 " ids", npy->rows, g->ids.n);
    } else {
        code = check_rows(g, npy, err);
    }
    return code == WF_OK ? WF_OK : wf_prefix(err, "%s: ", path);
}

static enum wf_code open_spaces(struct tool_given_users *g, const char *dir,
                                const struct wf_schema *schema, struct wf_error *err)
{
    unsigned found = 0;
    enum wf_code code = WF_OK;
    for (unsigned s = 0; s < schema->n_spaces && code == WF_OK; s++) {
        char *path = wf_xprintf("%s/users/%s.npy", dir, schema->spaces[s].name);
        if (wf_exists(path)) {
            code = open_space(g, &schema->spaces[s], path, &g->spaces[s], err);
            found++;
        }
        wf_xfree(path);
    }
    if (code == WF_OK && found == 0) {
        return wf_fail(err, WF_INVALID,
                       "%s/users has ids of %" PRIu32 " users and the vectors of none of %u spaces",
                       dir, g->ids.n, schema->n_spaces);
    }
    return code;
}

enum wf_code tool_given_users_open(const char *dir, const struct wf_schema *schema,
                                   struct tool_given_users *out, struct wf_error *err)
{
    struct tool_given_users g = {0};
    char *users = wf_xprintf("%s/users", dir);
    char *ids = tool_dataset_file(users, "ids.txt");
    enum wf_code code = WF_OK;
    tool_intern_init(&g.ids);
    if (ids) {
        code = read_ids(&g, ids, err);
    } else if (wf_exists(users)) {
        code = wf_fail(err, WF_INVALID, "%s/ids.txt is missing", users);
    }
    if (code == WF_OK && ids) {
        code = open_spaces(&g, dir, schema, err);
    }
    wf_xfree(ids);
    wf_xfree(users);
    if (code != WF_OK) {
        tool_given_users_close(&g);
        return code;
    }
    *out = g;
    return WF_OK;
}

void tool_given_users_close(struct tool_given_users *g)
{
    for (unsigned s = 0; s < WF_SPACES_MAX; s++) {
        tool_npy_close(&g->spaces[s]);
    }
    tool_intern_fini(&g->ids);
}

bool tool_given_users_vector(const struct tool_given_users *g, const struct wf_schema *schema,
                             uint32_t row, unsigned space, float *out)
{
    const struct tool_npy *npy = &g->spaces[space];
    const uint32_t dim = schema->spaces[space].dim;
    if (npy->data == NULL || isnan(npy->data[(size_t)row * dim])) {
        return false;
    }
    memcpy(out, npy->data + (size_t)row * dim, dim * sizeof out[0]);
    /* Where a direction is all that counts, a vector without one counts as none. */
    return schema->spaces[space].metric != WF_METRIC_COSINE || wf_normalise(out, dim);
}

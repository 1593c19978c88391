/* SPDX-License-Identifier: Apache-2.0
 *
 * sku_hashes.c - see sku_hashes.h.
 */
#include "tools/sku_hashes.h"

#include <string.h>

#include "base/file.h"
#include "base/hash.h"

static enum wf_code add(const char *sku, size_t size, struct wf_arena *arena,
                        struct tool_hashes *out, struct wf_error *err)
{
    if (size == 0 || size > WIRE_ID_MAX) {
        return wf_fail(err, WF_INVALID, "a SKU of %zu bytes, 1 to %d are allowed", size,
                       WIRE_ID_MAX);
    }
    if (out->values == NULL) {
        out->values = wf_array(arena, uint64_t, WIRE_EXCLUDE_MAX);
        wf_assert(out->values != NULL); /* far below a tool's limit */
    }
    if (out->n == WIRE_EXCLUDE_MAX) {
        return wf_fail(err, WF_INVALID, "more than %d SKUs to exclude", WIRE_EXCLUDE_MAX);
    }
    out->values[out->n++] = wf_hash64(sku, size);
    return WF_OK;
}

enum wf_code tool_hashes_read(const char *path, struct wf_arena *arena, struct tool_hashes *out,
                              struct wf_error *err)
{
    struct wf_reader *r = NULL;
    enum wf_code code = wf_reader_open(path, &r, err);
    if (code != WF_OK) {
        return code;
    }
    char *line = NULL;
    size_t size = 0;
    do {
        code = wf_reader_line(r, 4096, &line, &size, err);
        if (code == WF_OK && line != NULL && size > 0) {
            code = add(line, size, arena, out, err);
        }
    } while (code == WF_OK && line != NULL);
    if (code != WF_OK) {
        code = wf_prefix(err, "%s line %llu: ", path, (unsigned long long)wf_reader_line_number(r));
    }
    wf_reader_close(r);
    return code;
}

enum wf_code tool_hashes_add(const char *const *skus, uint32_t n, struct wf_arena *arena,
                             struct tool_hashes *out, struct wf_error *err)
{
    enum wf_code code = WF_OK;
    for (uint32_t i = 0; code == WF_OK && i < n; i++) {
        code = add(skus[i], strlen(skus[i]), arena, out, err);
    }
    return code;
}

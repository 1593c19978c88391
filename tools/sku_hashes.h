/* SPDX-License-Identifier: Apache-2.0
 *
 * sku_hashes.h - SKUs as the hashes that exclusions are sent by.
 */
#ifndef TOOL_SKU_HASHES_H
#define TOOL_SKU_HASHES_H

#include "base/arena.h"
#include "base/error.h"
#include "proto/wire.h"

/* Hashes in an arena, at most WIRE_EXCLUDE_MAX of them. */
struct tool_hashes {
    uint64_t *values;
    uint32_t n;
};
/* Adds those of a file with one SKU a line (plain, gzip or zstd); empty lines pass. Errors name
 * file and line. */
WF_MUST_CHECK enum wf_code tool_hashes_read(const char *path, struct wf_arena *arena,
                                            struct tool_hashes *out, struct wf_error *err);
/* Adds those of a list. */
WF_MUST_CHECK enum wf_code tool_hashes_add(const char *const *skus, uint32_t n,
                                           struct wf_arena *arena, struct tool_hashes *out,
                                           struct wf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * idmap.h - string id <-> dense row, mapped from a container; for SKUs of a shard and for users.
 *
 * Sections under a prefix ("ids"): "<prefix>/offsets" u32[n + 1], "<prefix>/bytes",
 * "<prefix>/hashes" u64[n] sorted XXH3-64, "<prefix>/rows" u32[n] the row of each hash. Ids are 1
 * to 64 bytes of UTF-8, unique. Opening checks every bound once, so lookups need not. Read-only;
 * thread-safe.
 */
#ifndef WF_IDMAP_H
#define WF_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/container.h"
#include "base/error.h"

#define WF_NO_ROW UINT32_MAX

struct wf_idmap {
    uint32_t n;
    const uint32_t *offsets;
    const char *bytes;
    const uint64_t *hashes;
    const uint32_t *rows;
};
/* Opening is mapping, which reads sizes alone, and checking, which reads every id. */
WF_MUST_CHECK enum wf_code wf_idmap_map(const struct wf_container *c, const char *prefix,
                                        uint32_t n, struct wf_idmap *out, struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_idmap_check(const struct wf_idmap *m, const char *prefix,
                                          struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_idmap_open(const struct wf_container *c, const char *prefix,
                                         uint32_t n, struct wf_idmap *out, struct wf_error *err);
/* Row of an id, WF_NO_ROW when unknown. */
uint32_t wf_idmap_find(const struct wf_idmap *m, const char *id, size_t size);
/* Bytes of a row's id, not NUL-terminated. row < n. */
const char *wf_idmap_get(const struct wf_idmap *m, uint32_t row, size_t *size);
/* Writes the four sections for ids[0..n) (NUL-terminated), row i = ids[i]. WF_INVALID names a
 * duplicate. */
WF_MUST_CHECK enum wf_code wf_idmap_write(struct wf_container_writer *w, const char *prefix,
                                          const char *const *ids, uint32_t n, struct wf_error *err);

#endif

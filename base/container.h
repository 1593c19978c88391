/* SPDX-License-Identifier: Apache-2.0
 *
 * container.h - one checksummed file of named sections, made to be mapped.
 *
 * Layout (little-endian): 64-byte head {magic "WEFTCONT", u32 version = 1, u32 n_sections, u64
 * toc_offset, u64 toc_size, XXH3-128 of the toc, zero pad}; sections, each on a 64-byte boundary;
 * toc: n_sections entries of {char name[64] NUL-padded, u64 offset, u64 size, XXH3-128 of the
 * bytes}. The head is written last, the file appears atomically. Opening checks head, toc, bounds
 * and names; wf_container_verify reads and checks every byte, and no section may be handed to a
 * parser of native code before that. Read-only use is thread-safe.
 */
#ifndef WF_CONTAINER_H
#define WF_CONTAINER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

struct wf_section {
    char name[64];             /* "space/text/codes" */
    const unsigned char *data; /* 64-byte aligned, borrowed from the container */
    size_t size;
    struct wf_hash128 hash;
};

struct wf_container;
WF_MUST_CHECK enum wf_code wf_container_open(const char *path, struct wf_container **out,
                                             struct wf_error *err);
/* As open, over bytes in memory (fuzzing, tests); `data` is borrowed until close. */
WF_MUST_CHECK enum wf_code wf_container_view(const void *data, size_t size,
                                             struct wf_container **out, struct wf_error *err);
void wf_container_close(struct wf_container *c); /* NULL is fine */
/* WF_DATA_LOSS naming the section whose bytes do not match. */
WF_MUST_CHECK enum wf_code wf_container_verify(const struct wf_container *c, struct wf_error *err);
/* As verify; *whole is the XXH3-128 of the whole file, made in the same pass. Soon after *stop (may
 * be NULL) is true it gives up with WF_CANCELLED. */
WF_MUST_CHECK enum wf_code wf_container_verify_hash(const struct wf_container *c,
                                                    const atomic_bool *stop,
                                                    struct wf_hash128 *whole, struct wf_error *err);
const struct wf_stamp *wf_container_stamp(const struct wf_container *c); /* of the file opened */
size_t wf_container_size(const struct wf_container *c);                  /* of the file, in bytes */
unsigned wf_container_count(const struct wf_container *c);
const struct wf_section *wf_container_at(const struct wf_container *c, unsigned i);
/* NULL when there is none of that name. */
const struct wf_section *wf_container_find(const struct wf_container *c, const char *name);
/* The named section, which must hold exactly n elements of `size` bytes; WF_DATA_LOSS otherwise. */
WF_MUST_CHECK enum wf_code wf_container_get(const struct wf_container *c, const char *name,
                                            size_t n, size_t size, const void **out,
                                            struct wf_error *err);

struct wf_container_writer;
WF_MUST_CHECK enum wf_code wf_container_create(const char *path, struct wf_container_writer **out,
                                               struct wf_error *err);
/* Starts a section (ends the one before). Errors stick and are reported by commit. */
void wf_container_begin(struct wf_container_writer *w, const char *name);
void wf_container_put(struct wf_container_writer *w, const void *data, size_t size);
/* begin + put. */
void wf_container_add(struct wf_container_writer *w, const char *name, const void *data,
                      size_t size);
WF_MUST_CHECK enum wf_code wf_container_commit(struct wf_container_writer *w, struct wf_error *err);
void wf_container_abort(struct wf_container_writer *w);

#endif

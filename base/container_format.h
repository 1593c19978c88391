/* SPDX-License-Identifier: Apache-2.0
 *
 * container_format.h - the bytes of a container, shared by its reader and its writer. Private to
 * base/container*.c. Little-endian; the structs have no padding and are copied as they are.
 */
#ifndef WF_CONTAINER_FORMAT_H
#define WF_CONTAINER_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "containers are mapped as they are: this needs a little-endian machine"
#endif

#define WF_CONTAINER_MAGIC   "WEFTCONT"
#define WF_CONTAINER_VERSION 1u
#define WF_CONTAINER_ALIGN   64u

struct wf_container_head {
    char magic[8];
    uint32_t version, n_sections;
    uint64_t toc_offset, toc_size;
    struct wf_hash128 toc_hash;
    unsigned char pad[16];
};
struct wf_container_entry {
    char name[64];
    uint64_t offset, size;
    struct wf_hash128 hash;
};
_Static_assert(sizeof(struct wf_container_head) == 64, "the head is 64 bytes");
_Static_assert(sizeof(struct wf_container_entry) == 96, "an entry is 96 bytes");

/* 1 to 63 of [A-Za-z0-9_./-], the rest NUL. */
bool wf_section_name_valid(const char name[64]);

#endif

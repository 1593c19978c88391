/* SPDX-License-Identifier: Apache-2.0
 *
 * container_fuzz.c - any bytes as a container: once as they are, once with the hash of the table
 * made right, so that the bounds behind it are reached. What opens is walked, found and verified.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/container.h"
#include "base/container_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_open(const unsigned char *data, size_t size)
{
    struct wf_container *c = NULL;
    struct wf_error err;
    if (wf_container_view(data, size, &c, &err) != WF_OK) {
        return;
    }
    unsigned char sum = 0;
    for (unsigned i = 0; i < wf_container_count(c); i++) {
        const struct wf_section *s = wf_container_at(c, i);
        const void *bytes = NULL;
        wf_assert(wf_container_find(c, s->name) == s);
        wf_assert(wf_container_get(c, s->name, s->size, 1, &bytes, &err) == WF_OK);
        for (size_t k = 0; k < s->size; k++) {
            sum ^= s->data[k];
        }
    }
    volatile unsigned char kept = sum; /* the reads above must happen */
    (void)kept;
    if (wf_container_verify(c, &err) != WF_OK) {
        wf_assert(err.code == WF_DATA_LOSS);
    }
    wf_container_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = wf_xmalloc64(size + 1);
    memcpy(copy, data, size);
    try_open(copy, size);
    struct wf_container_head head;
    if (size >= sizeof head) {
        memcpy(&head, copy, sizeof head);
        head.toc_offset = head.toc_offset < size ? head.toc_offset : size;
        head.toc_size = size - head.toc_offset;
        head.n_sections = (uint32_t)(head.toc_size / sizeof(struct wf_container_entry));
        head.toc_hash = wf_hash128(copy + head.toc_offset, (size_t)head.toc_size);
        memcpy(copy, &head, sizeof head);
        try_open(copy, size);
    }
    wf_xfree(copy);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * intern.c - open addressing with linear probing at a load of at most one half. A slot keeps 32
 * bits of the hash, so that almost every wrong candidate is refused without touching its string.
 */
#include "tools/intern.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"

enum { FIRST_SLOTS = 1024 };

void tool_intern_init(struct tool_intern *in)
{
    *in = (struct tool_intern){.n_slots = FIRST_SLOTS, .slots = wf_xarray(uint64_t, FIRST_SLOTS)};
    wf_arena_init(&in->arena, SIZE_MAX);
}

void tool_intern_fini(struct tool_intern *in)
{
    wf_arena_fini(&in->arena);
    wf_xfree(in->names);
    wf_xfree(in->slots);
    *in = (struct tool_intern){0};
}

/* The slot that holds s, or the empty one where it belongs. */
static size_t find_slot(const struct tool_intern *in, const char *s, size_t size, uint64_t hash)
{
    size_t at = (size_t)hash & (in->n_slots - 1);
    for (; in->slots[at]; at = (at + 1) & (in->n_slots - 1)) {
        if (in->slots[at] >> 32 != hash >> 32) {
            continue;
        }
        const char *name = in->names[(uint32_t)in->slots[at] - 1];
        if (strncmp(name, s, size) == 0 && name[size] == '\0') {
            break;
        }
    }
    return at;
}

static void grow(struct tool_intern *in)
{
    const size_t n_slots = in->n_slots * 2;
    uint64_t *slots = wf_xarray(uint64_t, n_slots);
    for (uint32_t id = 0; id < in->n; id++) {
        const uint64_t hash = wf_hash64(in->names[id], strlen(in->names[id]));
        size_t at = (size_t)hash & (n_slots - 1);
        while (slots[at]) {
            at = (at + 1) & (n_slots - 1);
        }
        slots[at] = (hash >> 32) << 32 | (id + 1);
    }
    wf_xfree(in->slots);
    in->slots = slots;
    in->n_slots = n_slots;
}

uint32_t tool_intern_find(const struct tool_intern *in, const char *s, size_t size)
{
    const uint64_t slot = in->slots[find_slot(in, s, size, wf_hash64(s, size))];
    return slot ? (uint32_t)slot - 1 : TOOL_NO_ID;
}

uint32_t tool_intern_add(struct tool_intern *in, const char *s, size_t size, bool *added)
{
    const uint64_t hash = wf_hash64(s, size);
    size_t at = find_slot(in, s, size, hash);
    if (added) {
        *added = in->slots[at] == 0;
    }
    if (in->slots[at]) {
        return (uint32_t)in->slots[at] - 1;
    }
    wf_assert(in->n < UINT32_MAX - 1);
    if ((size_t)in->n * 2 + 2 > in->n_slots) {
        grow(in);
        at = find_slot(in, s, size, hash);
    }
    wf_xgrow(&in->names, &in->cap, (size_t)in->n + 1, sizeof *in->names);
    in->names[in->n] = wf_arena_strndup(&in->arena, s, size);
    wf_assert(in->names[in->n]);
    in->slots[at] = (hash >> 32) << 32 | (in->n + 1);
    return in->n++;
}

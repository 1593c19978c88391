/* SPDX-License-Identifier: Apache-2.0
 *
 * intern.h - strings to dense numbers, in order of first appearance: SKUs to rows, values to codes,
 * users, tokens. The strings live in one arena and stay where they are. Not thread-safe; lookups
 * alone are, while nobody adds.
 */
#ifndef TOOL_INTERN_H
#define TOOL_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define TOOL_NO_ID UINT32_MAX

struct tool_intern {
    struct wf_arena arena;
    char **names; /* n of them, owned by the arena */
    uint32_t n;
    size_t cap;
    uint64_t *slots; /* high half of the hash and id + 1; 0 = empty */
    size_t n_slots;
};
void tool_intern_init(struct tool_intern *in);
void tool_intern_fini(struct tool_intern *in);
/* The id of s, new (*added = true) or known. */
uint32_t tool_intern_add(struct tool_intern *in, const char *s, size_t size, bool *added);
/* TOOL_NO_ID when unknown. */
uint32_t tool_intern_find(const struct tool_intern *in, const char *s, size_t size);

#endif

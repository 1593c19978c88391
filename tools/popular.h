/* SPDX-License-Identifier: Apache-2.0
 *
 * popular.h - popularity lists of a catalog: over all items, and for each value of the segment
 * role.
 */
#ifndef TOOL_POPULAR_H
#define TOOL_POPULAR_H

#include "coordinator/global.h"
#include "tools/catalog.h"

enum { TOOL_POPULAR_MAX = 1000 };

struct tool_popular {
    struct coord_global_list *lists; /* first: over all, segment "" */
    uint32_t n;
};
/*
 * Each list has the items with most purchases first, then the most recently launched, then SKU
 * bytes; at most 1000. Strings are borrowed from the dataset.
 */
void tool_popular_make(const struct tool_catalog *c, struct tool_popular *out);
void tool_popular_fini(struct tool_popular *p);

#endif

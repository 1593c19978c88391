/* SPDX-License-Identifier: Apache-2.0
 *
 * popular.c - one sort of the whole catalog, then every list takes its items from the front.
 */
#include "tools/popular.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* What an item is ordered by. */
struct entry {
    uint64_t events;
    float launch_day; /* -inf when unknown */
    const char *sku;
    uint32_t row;
};

static int by_popularity(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->events != y->events) {
        return x->events > y->events ? -1 : 1;
    }
    if (x->launch_day != y->launch_day) {
        return x->launch_day > y->launch_day ? -1 : 1;
    }
    return strcmp(x->sku, y->sku);
}

static struct entry *sorted_items(const struct tool_catalog *c)
{
    const struct wf_table *items = &c->ds->items;
    struct entry *entries = wf_xcalloc(items->n + 1, sizeof entries[0]);
    for (size_t i = 0; i < items->n; i++) {
        const float day = c->items[i].launch_day;
        entries[i] = (struct entry){c->items[i].events, isnan(day) ? -INFINITY : day,
                                    items->skus[i], (uint32_t)i};
    }
    qsort(entries, items->n, sizeof entries[0], by_popularity);
    return entries;
}

/* Room for a list; arrays are freed by tool_popular_fini. */
struct filling {
    const char **skus;
    uint32_t *counts;
    uint32_t n;
};

static void add(struct filling *f, const struct entry *e)
{
    if (f->n == TOOL_POPULAR_MAX) {
        return;
    }
    f->skus[f->n] = e->sku;
    f->counts[f->n++] = e->events > UINT32_MAX ? UINT32_MAX : (uint32_t)e->events;
}

void tool_popular_make(const struct tool_catalog *c, struct tool_popular *out)
{
    const int attr = wf_schema_role(&c->ds->schema, WF_ROLE_SEGMENT);
    const struct wf_column *segments = attr < 0 ? NULL : &c->ds->items.columns[attr];
    out->n = 1 + (segments == NULL ? 0 : segments->n_dictionary);
    out->lists = wf_xcalloc(out->n, sizeof out->lists[0]);
    struct filling *fillings = wf_xcalloc(out->n, sizeof fillings[0]);
    struct entry *entries = sorted_items(c);
    for (uint32_t i = 0; i < out->n; i++) {
        fillings[i].skus = wf_xcalloc(TOOL_POPULAR_MAX, sizeof fillings[i].skus[0]);
        fillings[i].counts = wf_xarray(uint32_t, TOOL_POPULAR_MAX);
    }
    for (size_t i = 0; i < c->ds->items.n; i++) {
        const uint32_t code = segments == NULL ? WF_NO_CODE : segments->codes[entries[i].row];
        add(&fillings[0], &entries[i]);
        if (code != WF_NO_CODE) {
            add(&fillings[1 + code], &entries[i]);
        }
    }
    for (uint32_t i = 0; i < out->n; i++) {
        out->lists[i] =
            (struct coord_global_list){.segment = i == 0 ? "" : segments->dictionary[i - 1],
                                       .skus = fillings[i].skus,
                                       .counts = fillings[i].counts,
                                       .n = fillings[i].n};
    }
    wf_xfree(entries);
    wf_xfree(fillings);
}

void tool_popular_fini(struct tool_popular *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        wf_xfree((void *)p->lists[i].skus);
        wf_xfree((void *)p->lists[i].counts);
    }
    wf_xfree(p->lists);
    *p = (struct tool_popular){0};
}

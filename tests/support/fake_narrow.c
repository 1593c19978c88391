/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_narrow.c - see fake_narrow.h. Attributes are those of fake_shop.c: category, brand and
 * colour ("w0" to "w4"), price, in_stock (missing for every third category), title (the SKU).
 */
#include "tests/support/fake_narrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/vector.h"
#include "ranking/merge.h"

enum { CATEGORY, BRAND, COLOUR, PRICE, IN_STOCK, TITLE };

static bool leaf_matches(const struct wf_filter_node *n, const struct fake_item *item)
{
    const uint32_t words[] = {item->category, item->brand, item->colour};
    char text[16];
    snprintf(text, sizeof text, "w%u", n->attr <= COLOUR ? words[n->attr] : 0);
    const char *value = n->attr == TITLE ? item->sku : text;
    for (uint32_t i = 0; i < n->n; i++) {
        if (n->op == WF_FILTER_VALUES && strcmp(n->values[i], value) == 0) {
            return true;
        }
        if (n->op == WF_FILTER_RANGES && item->price >= n->ranges[i].low &&
            item->price <= n->ranges[i].high) {
            return true;
        }
    }
    return n->op == WF_FILTER_FLAGS && item->category % 3 < 2 &&
           (n->flags >> item->category % 3 & 1U);
}

/* Children are walked with a stack of our own: the tree is at most so deep. */
static bool node_matches(const struct wf_filter_node *root, const struct fake_item *item)
{
    struct {
        const struct wf_filter_node *node;
        uint32_t next;
    } open[WF_FILTER_DEPTH_MAX + 2] = {{root, 0}};
    int depth = 0;
    bool value = false;
    while (depth >= 0) {
        const struct wf_filter_node *n = open[depth].node;
        const bool inner =
            n->op == WF_FILTER_AND || n->op == WF_FILTER_OR || n->op == WF_FILTER_NOT;
        const bool first = open[depth].next == 0;
        const bool decided = !first && (n->op == WF_FILTER_AND  ? !value
                                        : n->op == WF_FILTER_OR ? value
                                                                : true);
        const uint32_t n_children = n->op == WF_FILTER_NOT ? 1 : n->n;
        if (inner && !decided && open[depth].next < n_children) {
            open[depth + 1].node = n->children[open[depth].next++];
            open[++depth].next = 0;
            continue;
        }
        if (!inner) {
            value = n->op == WF_FILTER_ALL || (n->op != WF_FILTER_NONE && leaf_matches(n, item));
        }
        value = n->op == WF_FILTER_NOT ? !value : value;
        depth--;
    }
    return value;
}

bool fake_matches(const struct wf_filter *filter, const struct fake_item *item)
{
    return !filter || node_matches(filter->root, item);
}

bool fake_admits(const struct fake_narrow *w, const struct fake_item *item)
{
    const uint64_t hash = wf_hash64(item->sku, strlen(item->sku));
    for (uint32_t i = 0; i < w->n_exclude; i++) {
        if (w->exclude[i] == hash) {
            return false;
        }
    }
    return fake_matches(w->filter, item);
}

static float score_of(const struct fake_shop *s, const float *q, const struct fake_item *item)
{
    return s->metric == WF_METRIC_L2 ? wf_l2(q, item->vector, FAKE_DIM)
                                     : wf_dot(q, item->vector, FAKE_DIM);
}

static int by_score(const void *a, const void *b)
{
    const struct fake_scored *x = a, *y = b;
    return rank_compare(x->score, x->item->sku, strlen(x->item->sku), y->score, y->item->sku,
                        strlen(y->item->sku));
}

/* Groups are few small numbers; -1: alone in it. */
static int group_of(const char *name, const struct fake_item *item)
{
    return strcmp(name, "category") == 0   ? (int)item->category
           : strcmp(name, "brand") == 0    ? (int)item->brand
           : strcmp(name, "colour") == 0   ? (int)item->colour
           : strcmp(name, "price") == 0    ? (int)item->price
           : strcmp(name, "in_stock") != 0 ? -1
           : item->category % 3 < 2        ? (int)(item->category % 3)
                                           : -1;
}

static uint32_t limit_groups(const struct fake_narrow *w, struct fake_scored *rows, uint32_t n)
{
    uint32_t counts[128] = {0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        const int group = group_of(w->group_by, rows[i].item);
        if (group < 0 || counts[group]++ < w->group_max) {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

uint32_t fake_search(const struct fake_shop *s, uint32_t mask, const float *query,
                     const struct fake_narrow *w, struct fake_scored *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct fake_item *item = &s->items[i];
        if (!(mask >> item->shard & 1U) || !fake_admits(w, item)) {
            continue;
        }
        float worst = 0;
        for (uint32_t j = 0; j < w->n_negatives; j++) {
            const float score = score_of(s, w->negatives + (size_t)j * FAKE_DIM, item);
            worst = score > worst ? score : worst;
        }
        const float part = w->weight * worst;
        out[n++] = (struct fake_scored){item, score_of(s, query, item) - part};
    }
    qsort(out, n, sizeof *out, by_score);
    return w->group_by && w->group_by[0] ? limit_groups(w, out, n) : n;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.c - a binary heap of list heads; a SKU that was picked is recognised by an open-addressing
 * set of picks. With a few dozen lists and a few hundred picks everything stays in L1. Memory: the
 * caller's arena.
 */
#include "ranking/merge.h"

#include <string.h>

#include "base/hash.h"

/* The heads of the lists, best on top, and the set of SKUs already picked. */
struct merge {
    const struct rank_list *lists;
    uint32_t *heap; /* list numbers */
    uint32_t *next; /* per list: its next row */
    uint32_t n_heap;
    uint32_t *slots;  /* pick index + 1; 0 = empty */
    uint64_t *hashes; /* of each pick */
    uint32_t mask;
};

int rank_compare(float score_a, const char *a, size_t size_a, float score_b, const char *b,
                 size_t size_b)
{
    if (score_a != score_b) {
        return score_a > score_b ? -1 : 1;
    }
    const int order = memcmp(a, b, size_a < size_b ? size_a : size_b);
    if (order != 0) {
        return order;
    }
    return (size_a > size_b) - (size_a < size_b);
}

/* Whether list x's head comes before list y's; equal heads go by list number. */
static bool before(const struct merge *m, uint32_t x, uint32_t y)
{
    const struct rank_list *a = &m->lists[x], *b = &m->lists[y];
    const uint32_t i = m->next[x], j = m->next[y];
    const int order = rank_compare(a->scores[i], a->skus[i], a->sku_sizes[i], b->scores[j],
                                   b->skus[j], b->sku_sizes[j]);
    return order < 0 || (order == 0 && x < y);
}

static void sift_down(struct merge *m, uint32_t at)
{
    for (;;) {
        uint32_t best = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < m->n_heap; child++) {
            if (before(m, m->heap[child], m->heap[best])) {
                best = child;
            }
        }
        if (best == at) {
            return;
        }
        const uint32_t list = m->heap[at];
        m->heap[at] = m->heap[best];
        m->heap[best] = list;
        at = best;
    }
}

static bool merge_init(struct merge *m, const struct rank_list *lists, uint32_t n_lists, uint32_t k,
                       struct wf_arena *scratch)
{
    uint32_t slots = 16;
    while (slots < 2 * k) {
        slots *= 2;
    }
    *m = (struct merge){.lists = lists, .mask = slots - 1};
    m->heap = wf_array(scratch, uint32_t, n_lists);
    m->next = wf_array(scratch, uint32_t, n_lists);
    m->slots = wf_array(scratch, uint32_t, slots);
    m->hashes = wf_array(scratch, uint64_t, k);
    if (m->heap == NULL || m->next == NULL || m->slots == NULL || m->hashes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n_lists; i++) {
        if (lists[i].n > 0) {
            m->heap[m->n_heap++] = i;
        }
    }
    for (uint32_t i = m->n_heap / 2; i-- > 0;) {
        sift_down(m, i);
    }
    return true;
}

/* Takes the best head off its list. */
static struct rank_pick pop(struct merge *m)
{
    const uint32_t list = m->heap[0];
    const struct rank_pick pick = {.list = list, .row = m->next[list]++};
    if (m->next[list] == m->lists[list].n) {
        m->heap[0] = m->heap[--m->n_heap];
    }
    sift_down(m, 0);
    return pick;
}

/* Enters the SKU of `pick` as pick number n; false when an earlier pick has it. */
static bool enter(struct merge *m, const struct rank_pick *picks, struct rank_pick pick, uint32_t n)
{
    const char *sku = m->lists[pick.list].skus[pick.row];
    const uint32_t size = m->lists[pick.list].sku_sizes[pick.row];
    const uint64_t hash = wf_hash64(sku, size);
    uint32_t at = (uint32_t)hash & m->mask;
    for (; m->slots[at] != 0; at = (at + 1) & m->mask) {
        const uint32_t other = m->slots[at] - 1;
        if (m->hashes[other] != hash) {
            continue;
        }
        const struct rank_list *list = &m->lists[picks[other].list];
        if (list->sku_sizes[picks[other].row] == size &&
            memcmp(list->skus[picks[other].row], sku, size) == 0) {
            return false;
        }
    }
    m->slots[at] = n + 1;
    m->hashes[n] = hash;
    return true;
}

uint32_t rank_merge(const struct rank_list *lists, uint32_t n_lists, uint32_t k,
                    struct wf_arena *scratch, struct rank_pick *out)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n_lists; i++) {
        total += lists[i].n;
    }
    if (total < k) {
        k = (uint32_t)total;
    }
    struct merge m;
    if (!merge_init(&m, lists, n_lists, k, scratch)) {
        return UINT32_MAX;
    }
    uint32_t n = 0;
    while (n < k && m.n_heap > 0) {
        const struct rank_pick pick = pop(&m);
        if (enter(&m, out, pick, n)) {
            out[n++] = pick;
        }
    }
    return n;
}

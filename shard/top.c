/* SPDX-License-Identifier: Apache-2.0
 *
 * top.c - see top.h. A plain binary heap: of n random rows about k ln(n / k) are ever pushed.
 */
#include "shard/top.h"

/* Puts `hit` at place i or below, in a heap of n whose other places are in order. */
static void sink(struct shard_hit *heap, uint32_t n, uint32_t i, struct shard_hit hit)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && shard_hit_before(&heap[child], &heap[child + 1])) {
            child++;
        }
        if (!shard_hit_before(&hit, &heap[child])) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = hit;
}

void shard_top_push(struct shard_top *t, struct shard_hit hit)
{
    if (!shard_top_wants(t, hit.score)) {
        return;
    }
    if (t->n == t->k) {
        if (shard_hit_before(&hit, &t->heap[0])) {
            sink(t->heap, t->n, 0, hit);
        }
        return;
    }
    uint32_t i = t->n++;
    while (i > 0 && shard_hit_before(&t->heap[(i - 1) / 2], &hit)) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = hit;
}

void shard_top_sort(struct shard_top *t)
{
    for (uint32_t n = t->n; n > 1; n--) {
        const struct shard_hit worst = t->heap[0];
        sink(t->heap, n - 1, 0, t->heap[n - 1]);
        t->heap[n - 1] = worst;
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * top.c - see top.h. Cutting costs the buffer's length once per k rows taken; a heap would pay its
 * depth for each of them.
 */
#include "shard/top.h"

#include <float.h>
#include <string.h>

bool shard_top_init(struct shard_top *t, uint32_t k, const struct shard_rules *rules,
                    struct wf_arena *arena)
{
    *t = (struct shard_top){.k = k, .floor = -FLT_MAX};
    t->hits = wf_arena_alloc(arena, 2 * (size_t)k * sizeof *t->hits);
    if (rules == NULL || rules->group_max == 0) {
        return t->hits != NULL;
    }
    t->rules = rules;
    for (t->n_groups = 4; t->n_groups < 4 * k; t->n_groups *= 2) {
    }
    t->groups = wf_array(arena, struct shard_group_slot, t->n_groups);
    return t->hits != NULL && t->groups != NULL;
}

static void swap(struct shard_hit *a, struct shard_hit *b)
{
    const struct shard_hit x = *a;
    *a = *b;
    *b = x;
}

/* The middle one of three, put first: the pivot. */
static void choose_pivot(struct shard_hit *h, uint32_t n)
{
    struct shard_hit *a = &h[0], *b = &h[n / 2], *c = &h[n - 1];
    if (shard_hit_before(b, a)) {
        swap(a, b);
    }
    if (shard_hit_before(c, b)) {
        swap(b, c);
    }
    if (shard_hit_before(b, a)) {
        swap(a, b);
    }
    swap(a, b);
}

/* Puts what comes before the pivot in front of it and the rest behind; returns its place. */
static uint32_t split(struct shard_hit *h, uint32_t n)
{
    choose_pivot(h, n);
    uint32_t at = 0;
    for (uint32_t i = 1; i < n; i++) {
        if (shard_hit_before(&h[i], &h[0])) {
            swap(&h[++at], &h[i]);
        }
    }
    swap(&h[0], &h[at]);
    return at;
}

/* The k best of n in front, in any order; no two hits are equal, so splitting always ends. */
static void select_best(struct shard_hit *h, uint32_t n, uint32_t k)
{
    while (n > 1 && k > 0 && k < n) {
        const uint32_t at = split(h, n);
        if (at >= k) {
            n = at;
        } else {
            h += at + 1;
            n -= at + 1;
            k -= at + 1;
        }
    }
}

static void sort(struct shard_hit *h, uint32_t n)
{
    while (n > 12) {
        const uint32_t at = split(h, n);
        const bool front_is_short = at < n - at;
        sort(front_is_short ? h : h + at + 1, front_is_short ? at : n - at - 1);
        h += front_is_short ? at + 1 : 0;
        n = front_is_short ? n - at - 1 : at;
    }
    for (uint32_t i = 1; i < n; i++) {
        const struct shard_hit x = h[i];
        uint32_t j = i;
        for (; j > 0 && shard_hit_before(&x, &h[j - 1]); j--) {
            h[j] = h[j - 1];
        }
        h[j] = x;
    }
}

/* Counts one more of the row's group; false when the group is full. The table is never half full.
 */
static bool admit(struct shard_top *t, uint32_t row)
{
    const uint64_t key = t->rules->group(t->rules->group_ctx, row);
    if (key == UINT64_MAX) {
        return true;
    }
    uint64_t at = key * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    for (;; at++) {
        struct shard_group_slot *slot = &t->groups[at & (t->n_groups - 1)];
        if (slot->n == 0) {
            slot->key = key;
        }
        if (slot->key == key) {
            return slot->n < t->rules->group_max && ++slot->n > 0;
        }
    }
}

/* Best first, at most group_max of a group, at most k. */
static void cut_groups(struct shard_top *t)
{
    sort(t->hits, t->n);
    memset(t->groups, 0, t->n_groups * sizeof *t->groups);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n && kept < t->k; i++) {
        if (admit(t, t->hits[i].row)) {
            t->hits[kept++] = t->hits[i];
        }
    }
    t->n = kept;
    if (kept == t->k) {
        t->floor = t->hits[kept - 1].score;
    }
}

static void cut(struct shard_top *t)
{
    if (t->groups != NULL) {
        cut_groups(t);
        return;
    }
    if (t->n <= t->k) {
        return;
    }
    select_best(t->hits, t->n, t->k);
    t->n = t->k;
    t->floor = t->hits[0].score;
    for (uint32_t i = 1; i < t->n; i++) {
        t->floor = t->hits[i].score < t->floor ? t->hits[i].score : t->floor;
    }
}

void shard_top_push(struct shard_top *t, struct shard_hit hit)
{
    if (!(hit.score >= t->floor && hit.score <= FLT_MAX)) {
        return;
    }
    t->hits[t->n++] = hit;
    if (t->n == 2 * t->k) {
        cut(t);
    }
}

void shard_top_sort(struct shard_top *t)
{
    cut(t);
    sort(t->hits, t->n);
}

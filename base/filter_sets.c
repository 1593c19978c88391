/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_sets.c - sets of places as the points at which membership changes. Every operation walks
 * its operands once; the result has at most as many points as they have together. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "base/filter_internal.h"

/* ---- places of numbers ---- */

int32_t wf_filter_place(float x)
{
    int32_t bits = 0;
    memcpy(&bits, &x, sizeof bits);
    return bits >= 0 ? bits : -(bits & INT32_MAX); /* both zeros have place 0 */
}

float wf_filter_number(int32_t place)
{
    uint32_t bits = place >= 0 ? (uint32_t)place : (uint32_t)-place | 0x80000000U;
    float x = 0;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- sets ---- */

static int by_low(const void *x, const void *y)
{
    const struct wf_filter_span *a = x, *b = y;
    return (a->low > b->low) - (a->low < b->low);
}

struct wf_filter_set wf_filter_set_of(struct wf_arena *a, struct wf_filter_span *spans, uint32_t n)
{
    int32_t *at = wf_filter_array(a, int32_t, 2 * (size_t)n);
    uint32_t used = 0;
    if (n > 1) {
        qsort(spans, n, sizeof *spans, by_low);
    }
    for (uint32_t i = 0; i < n; i++) {
        const int32_t after = spans[i].high + 1;
        if (used == 0 || spans[i].low > at[used - 1]) {
            at[used++] = spans[i].low;
            at[used++] = after;
        } else if (after > at[used - 1]) {
            at[used - 1] = after;
        }
    }
    return (struct wf_filter_set){at, used};
}

struct wf_filter_set wf_filter_set_not(struct wf_arena *a, struct wf_filter_set s)
{
    if (s.n > 0 && s.at[0] == WF_FILTER_MISSING) {
        return (struct wf_filter_set){s.at + 1, s.n - 1};
    }
    int32_t *at = wf_filter_array(a, int32_t, (size_t)s.n + 1);
    at[0] = WF_FILTER_MISSING;
    if (s.n > 0) {
        memcpy(at + 1, s.at, s.n * sizeof *at);
    }
    return (struct wf_filter_set){at, s.n + 1};
}

static struct wf_filter_set join_two(struct wf_arena *a, struct wf_filter_set x,
                                     struct wf_filter_set y, bool all)
{
    int32_t *at = wf_filter_array(a, int32_t, (size_t)x.n + y.n);
    uint32_t n = 0, i = 0, j = 0;
    bool in_x = false, in_y = false, in = false;
    while (i < x.n || j < y.n) {
        const int32_t here = j == y.n || (i < x.n && x.at[i] <= y.at[j]) ? x.at[i] : y.at[j];
        if (i < x.n && x.at[i] == here) {
            in_x = !in_x;
            i++;
        }
        if (j < y.n && y.at[j] == here) {
            in_y = !in_y;
            j++;
        }
        if (in != (all ? in_x && in_y : in_x || in_y)) {
            in = !in;
            at[n++] = here;
        }
    }
    return (struct wf_filter_set){at, n};
}

struct wf_filter_set wf_filter_set_join(struct wf_arena *a, const struct wf_filter_set *sets,
                                        size_t n, bool all)
{
    if (n == 1) {
        return sets[0];
    }
    const size_t half = n / 2;
    return join_two(a, wf_filter_set_join(a, sets, half, all),
                    wf_filter_set_join(a, sets + half, n - half, all), all);
}

int wf_filter_set_compare(struct wf_filter_set x, struct wf_filter_set y)
{
    for (uint32_t i = 0; i < x.n && i < y.n; i++) {
        if (x.at[i] != y.at[i]) {
            return x.at[i] < y.at[i] ? -1 : 1;
        }
    }
    return (x.n > y.n) - (x.n < y.n);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram.c - the stand-alone histogram of metrics.h, for tools. Owned by one thread at a time;
 * one allocation of about 9 KiB.
 */
#include "base/histogram.h"

#include "base/arena.h"
#include "base/metrics.h"

struct wf_histogram {
    uint64_t count;
    int64_t max;
    uint64_t buckets[WF_BUCKETS];
};

struct wf_histogram *wf_histogram_create(void)
{
    return wf_xcalloc(1, sizeof(struct wf_histogram));
}

void wf_histogram_destroy(struct wf_histogram *h)
{
    wf_xfree(h);
}

void wf_histogram_add(struct wf_histogram *h, int64_t ns)
{
    h->buckets[wf_bucket_of(ns)]++;
    h->count++;
    h->max = ns > h->max ? ns : h->max;
}

void wf_histogram_merge(struct wf_histogram *into, const struct wf_histogram *from)
{
    for (unsigned i = 0; i < WF_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->count += from->count;
    into->max = from->max > into->max ? from->max : into->max;
}

int64_t wf_histogram_quantile(const struct wf_histogram *h, double q)
{
    if (h->count == 0) {
        return 0;
    }
    if (!(q < 1)) {
        return h->max;
    }
    /* The rank-th smallest value, rank = ceil(q * count), at least 1. */
    double exact = q > 0 ? q * (double)h->count : 0;
    uint64_t rank = (uint64_t)exact;
    rank += (double)rank < exact || rank == 0;
    uint64_t seen = 0;
    unsigned i = 0;
    while (i < WF_BUCKETS - 1 && seen + h->buckets[i] < rank) {
        seen += h->buckets[i];
        i++;
    }
    if (i == WF_BUCKETS - 1) {
        return h->max; /* open above */
    }
    int64_t low = wf_bucket_low(i);
    int64_t middle = low + (wf_bucket_low(i + 1) - low) / 2;
    return middle < h->max ? middle : h->max;
}

int64_t wf_histogram_max(const struct wf_histogram *h)
{
    return h->max;
}

uint64_t wf_histogram_count(const struct wf_histogram *h)
{
    return h->count;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram.h - the log-linear buckets shared by metrics.c and histogram.c; for base/ only.
 *
 * Values are nanoseconds. Below 32 each has its own bucket, above that an octave has 32, so a
 * bucket is at most 1/32 of its values wide. Everything from 2^40 ns (about 1100 s) on is in the
 * last one.
 */
#ifndef WF_HISTOGRAM_H
#define WF_HISTOGRAM_H

#include <stdint.h>

#define WF_BUCKET_OCTAVES 40
#define WF_BUCKETS        ((WF_BUCKET_OCTAVES - 4) * 32)

static inline unsigned wf_bucket_of(int64_t ns)
{
    uint64_t v = ns < 0 ? 0 : (uint64_t)ns;
    if (v >> WF_BUCKET_OCTAVES) {
        v = (UINT64_C(1) << WF_BUCKET_OCTAVES) - 1;
    }
    if (v < 32) {
        return (unsigned)v;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(v);
    return (octave - 4) * 32 + ((unsigned)(v >> (octave - 5)) & 31);
}

/* Smallest value of bucket i; that of i + 1 is the first past its largest. */
static inline int64_t wf_bucket_low(unsigned i)
{
    if (i < 32) {
        return (int64_t)i;
    }
    unsigned octave = i / 32 + 4;
    return (int64_t)((UINT64_C(32) + i % 32) << (octave - 5));
}

#endif

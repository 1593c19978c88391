/* SPDX-License-Identifier: Apache-2.0
 *
 * filters.h - filter expressions over the columns of an open shard: bitmaps in row order, permuted
 * per space, cached by canonical text.
 *
 * Keywords and flags are answered from posting lists (CRoaring) where the generation has them,
 * numbers by zones of SHARD_ZONE_ROWS rows and a scan of the zones that may hold a match, texts by
 * comparing. A distinct text is parsed once, an equivalent one shares the bitmap. The cache is
 * bounded in bytes (least recently used leave); what does not fit is made for the one request.
 *
 * Threads: any. A result is valid until the caller's epoch (base/epoch.h) ends: shard_search enters
 * one around a request. Readers take no lock that a maker holds while it evaluates.
 */
#ifndef SHARD_FILTERS_H
#define SHARD_FILTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { SHARD_ZONE_ROWS = 4096 };
/* Filters are regional from this intra-class correlation on (Donner 1986: the share of the variance
 * of "is allowed" that lies between lists): 0 at random, 1 where lists are allowed as a whole. */
#define SHARD_REGIONAL 0.3

/* The rows of one space that a filter lets through. */
struct shard_allowed {
    const uint64_t *bits;  /* over the space's rows (its own order) */
    uint32_t matched;      /* set bits */
    const uint32_t *lists; /* IVF: set bits of each list, spec.n of them; else NULL */
    bool regional;         /* IVF: set bits keep to some of the lists, as a category does */
};

struct shard;
struct shard_space;
struct shard_filters;
/* Whether allowed rows, counted by list, are regional. */
bool shard_filter_regional(const struct shard_space *s, const struct shard_allowed *a);
/* `shard` is borrowed and outlives it; at most `bytes` of bitmaps are kept. */
struct shard_filters *shard_filters_create(const struct shard *shard, size_t bytes);
void shard_filters_destroy(struct shard_filters *f); /* NULL is fine */

/*
 * `space` is an index into the schema's spaces. Errors as wf_filter_parse. *cold (may be NULL) says
 * whether the bitmap was made by this call.
 */
WF_MUST_CHECK enum wf_code shard_filters_get(struct shard_filters *f, const char *text,
                                             unsigned space, const struct shard_allowed **out,
                                             bool *cold, struct wf_error *err);
/* As above over the shard's rows, for lookups. */
WF_MUST_CHECK enum wf_code shard_filters_rows(struct shard_filters *f, const char *text,
                                              const struct shard_allowed **out,
                                              struct wf_error *err);
/* Bytes of cached bitmaps now. */
size_t shard_filters_bytes(const struct shard_filters *f);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * spec.h - an index spec ("IVF512,SQfp16") as a struct. Pure; thread-safe.
 */
#ifndef SHARD_SPEC_H
#define SHARD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vector.h"

enum shard_kind { SHARD_FLAT = 1, SHARD_IVF = 2, SHARD_HNSW = 3 };
struct shard_spec {
    enum shard_kind kind;
    enum wf_codec codec;
    uint32_t n; /* IVF: lists, 0 = by the number of rows; HNSW: links per row */
    bool pq;    /* IVF: a compressed first pass (pq.h) before the codes are scored */
    uint32_t m; /* pq: sub-quantisers, 0 = by the dimension */
};
enum { SHARD_LISTS_MAX = 1 << 20, SHARD_LINKS_MIN = 4, SHARD_LINKS_MAX = 128 };
enum { SHARD_SPEC_TEXT = 48 };

/* "" is IVF with SQfp16 and lists by the number of rows. WF_INVALID says what would be right. */
WF_MUST_CHECK enum wf_code shard_spec_parse(const char *text, struct shard_spec *out,
                                            struct wf_error *err);
/* Settles m for a space of this dimension; WF_INVALID says what would be right. */
WF_MUST_CHECK enum wf_code shard_spec_fit(struct shard_spec *spec, const char *space, uint32_t dim,
                                          struct wf_error *err);
/* The canonical text, less than SHARD_SPEC_TEXT bytes. */
void shard_spec_text(const struct shard_spec *spec, char text[SHARD_SPEC_TEXT]);
/* The power of two nearest 4 sqrt(rows), twice that from 8.4 M rows on; at least 1 and at most the
 * rows. */
uint32_t shard_spec_lists(size_t rows);

#endif

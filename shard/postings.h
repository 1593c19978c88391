/* SPDX-License-Identifier: Apache-2.0
 *
 * postings.h - what a generation keeps beside its columns so that filters need not read them: for
 * keywords and flags the rows of each value, for numbers the least and the greatest of each zone of
 * rows.
 *
 * A posting list is a bitmap in CRoaring's portable form
 * (https://github.com/RoaringBitmap/RoaringFormatSpec), written by CRoaring. It is read in place,
 * into plain words, by a reader of our own: the library's makes a copy on the heap, believes the
 * counts and the order that it finds, and prints what it dislikes.
 *
 * Both are optional: without them filters read the column. Writing is for the build; reading is
 * pure and thread-safe, and no bytes, however damaged, lead it outside of what it was given.
 */
#ifndef SHARD_POSTINGS_H
#define SHARD_POSTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/container.h"
#include "base/error.h"

/* Sections attr/<attr>/postings and attr/<attr>/posting_offsets; list i belongs to value i. */
struct shard_postings {
    const unsigned char *bytes;
    size_t size;
    const uint64_t *offsets; /* n + 1; not checked: shard_postings_list holds them to `size` */
    uint32_t n;              /* 0: not made */
};
struct shard_posting {
    const unsigned char *bytes;
    size_t size;
};
/* SHARD_ZONE_ROWS rows of a number; min > max when all are missing. */
struct shard_zone {
    float min, max;
    uint32_t missing;
};
struct shard;

/* Whether a keyword of so many values gets posting lists. */
bool shard_postings_wanted(uint32_t n_values, uint32_t rows);
/* Sections of attribute `name`; codes below n_values or WF_NO_CODE. */
void shard_postings_write(struct wf_container_writer *w, const char *name, const uint32_t *codes,
                          uint32_t rows, uint32_t n_values);
void shard_zones_write(struct wf_container_writer *w, const char *name, const float *numbers,
                       uint32_t rows);

/* Both take time by the number of sections alone. A section that is not there gives n = 0, or
 * NULL. */
WF_MUST_CHECK enum wf_code shard_postings_open(const struct wf_container *c, const char *name,
                                               uint32_t n_values, struct shard_postings *out,
                                               struct wf_error *err);
WF_MUST_CHECK enum wf_code shard_zones_open(const struct wf_container *c, const char *name,
                                            uint32_t rows, const struct shard_zone **out,
                                            struct wf_error *err);
uint32_t shard_zones(uint32_t rows); /* how many zones */
/* Reads everything: each list is exactly the rows with its value, each zone what its rows say. The
 * columns have been checked before. */
WF_MUST_CHECK enum wf_code shard_postings_check(const struct shard *s, struct wf_error *err);

/* i < n. An empty one, which reads as damaged, when the offsets lead outside. */
struct shard_posting shard_postings_list(const struct shard_postings *p, uint32_t i);
/* How many rows the list says that it has; at most rows, 0 for a damaged one. */
uint32_t shard_posting_count(struct shard_posting p, uint32_t rows);
/* bits |= the list. False when it is damaged or names a row at or past `rows`; bits then hold some
 * part of it. Bits of the last word past `rows` may be set. */
bool shard_posting_or(struct shard_posting p, uint32_t rows, uint64_t *bits);

#endif

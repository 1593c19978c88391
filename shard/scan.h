/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.h - one query over rows of one space: score, leave out what the filter and the rules leave
 * out, keep the k best. Shared by the space_*.c files. Scratch is in the query's arena; one thread.
 */
#ifndef SHARD_SCAN_H
#define SHARD_SCAN_H

#include "base/arena.h"
#include "base/estimate.h"
#include "shard/space.h"
#include "shard/top.h"

enum {
    SHARD_BLOCK_ROWS = 512,  /* rows scored per call of the kernel: they stay in the cache */
    SHARD_CHUNK_ROWS = 8192, /* rows compared between two looks at the clock */
};

struct shard_scan {
    const struct shard_space *s;
    const struct shard_query *q;
    struct shard_top top;
    bool estimating;
    struct wf_estimate estimate;
    float *scores; /* SHARD_BLOCK_ROWS each */
    uint32_t *picked;
    uint32_t *rows; /* allowed ones that wait to be compared: room for two blocks */
    uint32_t waiting;
    uint64_t compared;
};

/* WF_EXHAUSTED when the arena is full. s->n > 0. */
WF_MUST_CHECK enum wf_code shard_scan_begin(struct shard_scan *sc, const struct shard_space *s,
                                            const struct shard_query *q, struct wf_arena *a,
                                            struct wf_error *err);
/* Compares the allowed rows of begin .. end - 1. */
void shard_scan_range(struct shard_scan *sc, uint32_t begin, uint32_t end);
/* Compares these rows, which are allowed. */
void shard_scan_rows(struct shard_scan *sc, const uint32_t *rows, uint32_t n);
/* Takes a row whose score the scoring kernel gave. */
void shard_scan_offer(struct shard_scan *sc, uint32_t row, float score);
/* Hits so far, at most k, under the rules. */
uint32_t shard_scan_count(struct shard_scan *sc);
/* Hits best first, and rows compared. */
void shard_scan_end(struct shard_scan *sc, struct shard_hits *out);

/* The searches by kind; each decides nothing about the others. */
WF_MUST_CHECK enum wf_code shard_search_all(const struct shard_space *s,
                                            const struct shard_query *q, struct wf_arena *a,
                                            struct shard_hits *out, struct wf_error *err);
WF_MUST_CHECK enum wf_code shard_search_lists(const struct shard_space *s,
                                              const struct shard_query *queries, uint32_t n,
                                              struct wf_arena *a, struct shard_hits *out,
                                              struct wf_error *err);
WF_MUST_CHECK enum wf_code shard_search_no_room(const struct wf_arena *a, struct wf_error *err);

/* Share of the space's rows that the query's filter lets through, and how many these are. */
static inline uint32_t shard_query_matched(const struct shard_space *s, const struct shard_query *q)
{
    return q->allowed == NULL ? s->n : q->allowed->matched;
}

#endif

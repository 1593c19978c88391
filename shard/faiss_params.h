/* SPDX-License-Identifier: Apache-2.0
 *
 * faiss_params.h - what the C interface of FAISS 1.7.3 lacks: IVF search over lists that the caller
 * chose and over codes that stay where they are mapped, and HNSW with its own effort per query.
 *
 * No file of FAISS is ever read: the lists are the space's code array, the graph two plain arrays
 * whose every number is checked. Exceptions are caught and become WF_INTERNAL. Objects are
 * immutable after opening: searching is thread-safe. Codes, lists and graph are borrowed.
 */
#ifndef SHARD_FAISS_PARAMS_H
#define SHARD_FAISS_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vector.h"

struct shard_faiss;
void shard_faiss_close(struct shard_faiss *ix); /* NULL is fine */
/* OpenMP threads that FAISS may use from this thread; returns what it was. Servers use 1. */
int shard_faiss_threads(int n);

/* ---- IVF ---- */

/* lists: n_lists + 1 rising offsets into the rows of `codes`. */
WF_MUST_CHECK enum wf_code shard_faiss_ivf_open(const struct wf_codes *codes, const uint32_t *lists,
                                                uint32_t n_lists, struct shard_faiss **out,
                                                struct wf_error *err);
/* The best k rows that FAISS saw, as its heap: in no order, unused places have id -1. */
struct shard_faiss_heap {
    float *distances; /* k, FAISS's own sign */
    int64_t *ids;     /* k: list << 32 | place in the list */
    uint32_t k;       /* >= 1 */
};
void shard_faiss_heap_init(const struct shard_faiss *ix, struct shard_faiss_heap *heap);
/* The lowest score in a full heap, of our sign: higher is closer. */
float shard_faiss_heap_worst(const struct shard_faiss *ix, const struct shard_faiss_heap *heap);
/* Goes on filling the heap from the given lists. `query` has the padded dimension, zeros behind. */
WF_MUST_CHECK enum wf_code shard_faiss_ivf_scan(const struct shard_faiss *ix, const float *query,
                                                const int64_t *lists, uint32_t n_lists,
                                                struct shard_faiss_heap *heap,
                                                struct wf_error *err);

/* ---- HNSW; distances come from the scoring kernel ---- */

struct shard_graph {
    uint32_t n, links;       /* rows, links per row and level (twice as many on level 0) */
    int32_t entry, top;      /* entry row and its level */
    const int32_t *levels;   /* n: levels of each row, >= 1 */
    const int32_t *adjacent; /* links of row 0 on all its levels, of row 1, ...; -1 = unused */
    size_t n_adjacent;
};
/* Builds the graph on one thread, so that the result repeats. `vectors`: the decoded codes, n x
 * dim. */
WF_MUST_CHECK enum wf_code shard_faiss_graph_build(const struct wf_codes *codes,
                                                   const float *vectors, uint32_t n, uint32_t links,
                                                   struct shard_faiss **out, struct wf_error *err);
/* Borrowed from ix. */
void shard_faiss_graph_get(const struct shard_faiss *ix, struct shard_graph *out);
/* Every number of a graph within its bounds: WF_DATA_LOSS. */
WF_MUST_CHECK enum wf_code shard_faiss_graph_check(const struct shard_graph *graph,
                                                   struct wf_error *err);
/* Borrows the arrays, unread; the first search copies them. Only a checked graph may be searched.
 */
WF_MUST_CHECK enum wf_code shard_faiss_graph_open(const struct wf_codes *codes,
                                                  const struct shard_graph *graph,
                                                  struct shard_faiss **out, struct wf_error *err);
/* One search. Rows that `allowed` lacks are walked through and never found. */
struct shard_walk {
    const float *query; /* dim floats */
    uint32_t ef;
    const uint64_t *allowed; /* bits over the rows (base/bits.h); NULL: all */
    int64_t deadline;        /* looked at every few hundred distances */
    float *scores;           /* ef, filled: of the best rows met, in no order */
    int64_t *ids;            /* ef, filled: -1 past the last */
    uint64_t compared;       /* filled: distances */
    bool stopped;            /* filled: by the deadline, with what was found so far */
};
WF_MUST_CHECK enum wf_code shard_faiss_graph_search(const struct shard_faiss *ix,
                                                    struct shard_walk *walk, struct wf_error *err);

#endif

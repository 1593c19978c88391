/* SPDX-License-Identifier: Apache-2.0
 *
 * space.h - one embedding space of one shard, as it is searched: mapped from a container by the
 * server, or in memory while the build measures it.
 *
 * FAISS selects, the scoring kernel of base/vector.h scores: what leaves a search was scored by it,
 * so the answer does not depend on the instruction set, nor on how FAISS was built. Rows here are
 * the space's own rows, in list order; `to_row` leads to rows of the shard. Immutable after opening
 * and safe from any thread.
 */
#ifndef SHARD_SPACE_H
#define SHARD_SPACE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/generation.h"
#include "base/idmap.h"
#include "base/vector.h"
#include "proto/wire.h"
#include "shard/faiss_params.h"
#include "shard/spec.h"

struct shard_space {
    const struct wf_space *schema; /* borrowed */
    struct shard_spec spec;        /* n: lists, or links */
    char index[32];                /* the spec as text */
    uint32_t n;                    /* vectors */
    struct wf_codes codes;         /* n rows in list order */
    struct wf_codes centroids;     /* IVF: spec.n rows */
    const uint32_t *lists;         /* IVF: first row of each list, spec.n + 1 */
    const uint32_t *to_row;        /* shard row of each row; NULL: the same */
    const uint32_t *of_row;        /* row of each shard row or WF_NO_ROW; NULL: the same, below n */
    uint32_t effort;               /* nprobe or ef that the build measured; 0 for Flat */
    uint32_t row_cap;              /* IVF, default effort: rows compared at most; 0 = no cap */
    double max_norm;               /* no stored vector is longer */
    double decode_norm;            /* SQ8: length of |min| + 255 step, 0 elsewhere */
    struct shard_faiss *faiss;     /* owned; NULL for Flat and for no vectors */
};

/* A row that a search found. Order: score falling, then `order`, the place of its SKU among the
 * shard's sorted SKUs, rising. */
struct shard_hit {
    float score;
    uint32_t order;
    uint32_t row; /* of the shard */
};
struct shard_hits {
    struct shard_hit *hits; /* arena */
    uint32_t n;
    uint64_t scanned;       /* rows compared, centroids not counted */
    uint32_t planned, done; /* parts: lists for IVF, else 1 */
};
struct shard_query {
    const float *vector; /* dim floats, finite */
    uint32_t k;
    struct wire_effort effort;
    int64_t deadline;      /* the search stops between parts when it has passed */
    const uint32_t *order; /* place of each shard row's SKU among the sorted SKUs */
};

/*
 * Who picks candidates from IVF lists: FAISS, whose rows are then scored again, or the scoring
 * kernel alone, whichever is faster with the instruction set in use. The answer is the same.
 * Start-up and tests only.
 */
enum shard_select { SHARD_SELECT_AUTO = 0, SHARD_SELECT_FAISS = 1, SHARD_SELECT_KERNEL = 2 };
void shard_select_set(enum shard_select select);

/* WF_EXHAUSTED when the arena is full; WF_INTERNAL when FAISS fails. */
WF_MUST_CHECK enum wf_code shard_space_search(const struct shard_space *s,
                                              const struct shard_query *q, struct wf_arena *arena,
                                              struct shard_hits *out, struct wf_error *err);
/* Whether an effort fits the index; WF_INVALID, reason UNSUPPORTED and `field` when it does not. */
WF_MUST_CHECK enum wf_code shard_space_effort_check(const struct shard_space *s,
                                                    const struct wire_effort *effort,
                                                    const char *field, struct wf_error *err);
/*
 * The most that the scoring kernel can give a row to which FAISS gave at most `score` (of our sign:
 * higher is closer), for a query of length `norm`. Derived in docs/internals/search.md.
 */
double shard_space_bound(const struct shard_space *s, double norm, double score);
/* Makes the FAISS side of an IVF index over codes and lists that are in place. */
WF_MUST_CHECK enum wf_code shard_space_attach(struct shard_space *s, struct wf_error *err);
/* Row of the space for a shard row, WF_NO_ROW when it has no vector. */
uint32_t shard_space_row(const struct shard_space *s, uint32_t row);

#endif

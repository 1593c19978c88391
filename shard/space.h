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

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/generation.h"
#include "base/idmap.h"
#include "base/vector.h"
#include "proto/wire.h"
#include "shard/coarse.h"
#include "shard/effort.h"
#include "shard/faiss_params.h"
#include "shard/filters.h"
#include "shard/pq.h"
#include "shard/spec.h"

struct shard_space {
    const struct wf_space *schema; /* borrowed */
    struct shard_spec spec;        /* n: lists, or links */
    char index[SHARD_SPEC_TEXT];   /* the spec as text */
    uint32_t n;                    /* vectors */
    struct wf_codes codes;         /* n rows in list order */
    struct wf_codes centroids;     /* IVF: spec.n rows */
    const uint32_t *lists;         /* IVF: first row of each list, spec.n + 1 */
    const uint32_t *to_row;        /* shard row of each row; NULL: the same */
    const uint32_t *of_row;        /* row of each shard row or WF_NO_ROW; NULL: the same, below n */
    const float *norms;            /* L2 with SQ8 or pq: squared length of each row, else NULL */
    struct shard_pq pq;            /* m = 0: no compressed first pass */
    struct shard_calibration calibration; /* under filters that know nothing of the vectors */
    struct shard_calibration regional;    /* IVF: under regional filters */
    uint32_t effort;    /* reach or ef for the default target, unfiltered, k = 10; 0 for Flat */
    uint32_t row_cap;   /* IVF, default effort, no filter: rows compared at most; 0 = no cap */
    double max_norm;    /* no stored vector is longer */
    double decode_norm; /* SQ8: length of |min| + 255 step, 0 elsewhere */
    struct shard_coarse *coarse; /* owned; NULL where there are few lists */
    struct shard_faiss *faiss;   /* owned; NULL for Flat and for no vectors */
};

/* A row that a search found. Order: score falling, then `order`, the place of its SKU among the
 * shard's sorted SKUs, rising. */
struct shard_hit {
    float score;
    uint32_t order;
    uint32_t row; /* of the shard */
};
/* How a query was answered. */
enum shard_plan {
    SHARD_PLAN_EXACT, /* every allowed row compared */
    SHARD_PLAN_LISTS, /* the allowed rows of the nearest lists */
    SHARD_PLAN_GRAPH, /* HNSW */
    SHARD_PLANS
};
struct shard_hits {
    struct shard_hit *hits; /* arena */
    uint32_t n;
    uint64_t scanned;       /* rows compared, centroids not counted */
    uint32_t planned, done; /* parts: lists for IVF, else 1 */
    enum shard_plan plan;
};
/*
 * What keeps a near row from being a hit, or lowers it; a member that is 0 or NULL does nothing.
 * The hits are exactly the best of the rows compared under these rules.
 */
struct shard_rules {
    const struct wf_idmap *ids; /* for exclude */
    const uint64_t *exclude;    /* XXH3-64 of SKUs, rising: rows with such a SKU are no hits */
    uint32_t n_exclude;
    /* At most group_max hits of equal group; UINT64_MAX is a group of its own for every row. */
    uint64_t (*group)(const void *ctx, uint32_t row);
    const void *group_ctx;
    uint32_t group_max; /* 0: no groups */
    /* score = own score - weight x max(0, best score with a negative); not for L2. */
    const float *negatives; /* n_negatives x dim */
    uint32_t n_negatives;
    float negative_weight; /* >= 0 */
};
/* Whether the SKU of a shard's row is excluded. */
bool shard_rules_exclude(const struct shard_rules *r, uint32_t row);
struct shard_query {
    const float *vector; /* dim floats, finite */
    uint32_t k;
    struct wire_effort effort;
    int64_t deadline;                    /* the search stops between parts when it has passed */
    const uint32_t *order;               /* place of each shard row's SKU among the sorted SKUs */
    const struct shard_allowed *allowed; /* NULL: every row */
    const struct shard_rules *rules;     /* NULL: none */
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
/* Several queries of one space, whose lists are passed over once for all that want them; each
 * answer is that of shard_space_search. n <= WIRE_PROBES_MAX. */
WF_MUST_CHECK enum wf_code shard_space_search_many(const struct shard_space *s,
                                                   const struct shard_query *queries, uint32_t n,
                                                   struct wf_arena *arena, struct shard_hits *out,
                                                   struct wf_error *err);
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
/* Frees what the space owns. */
void shard_space_detach(struct shard_space *s);
/* Whether the space has `norms`. */
bool shard_space_needs_norms(const struct shard_space *s);
/* Row of the space for a shard row, WF_NO_ROW when it has no vector. */
uint32_t shard_space_row(const struct shard_space *s, uint32_t row);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * query.h - one query: its request, what it resolves to, its gathers, its answer. Shared by the
 * stages (resolve, candidates, answer, pipeline); a query is owned by one thread at a time and all
 * its memory dies with its arena, replies excepted (their slots').
 */
#ifndef COORD_QUERY_H
#define COORD_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/metrics.h"
#include "coordinator/exclusions.h"
#include "coordinator/gather.h"
#include "coordinator/global.h"
#include "coordinator/surfaces.h"
#include "proto/wire.h"

/* What all queries share. Immutable but for counters; outlives them. */
struct coord {
    const struct coord_global *global;
    const struct coord_surfaces *surfaces;
    const struct coord_transport *transport;
    struct coord_store *store;  /* of exclusions; NULL: every handle is unknown */
    struct wf_metrics *metrics; /* of coord_metrics_table */
    int64_t reserve;            /* ns kept for what follows the gather, at most */
    size_t reply_limit;         /* bytes one decoded shard reply may occupy */
};

/* The attributes that reasons speak of, by role. */
enum { COORD_N_SHARED = 3 };

/* One item that the subject names. */
struct coord_item {
    const char *sku;
    uint32_t shard, at;                /* `at`: index in its shard's Fetch */
    bool known;                        /* to its shard */
    bool found;                        /* known, with a vector in the space */
    bool answered;                     /* its shard did answer */
    float *vector;                     /* stored, as the space wants queries (cosine: normalised) */
    const char *roles[COORD_N_SHARED]; /* values of category, brand, colour; NULL = none */
};
struct coord_probe {
    const float *vector;
    const struct coord_item *item; /* NULL when it is not an item's */
};
/* What the subject came to. */
struct coord_subject {
    enum wire_source source;
    const struct wf_space *space; /* NULL: none is searched */
    struct coord_probe probes[WIRE_PROBES_MAX];
    uint32_t n_probes;
    struct coord_item *items; /* distinct, in order of first appearance */
    uint32_t n_items;
    const uint32_t *session; /* of a session: the item at each step, oldest first */
    uint32_t n_session;
    struct coord_item *disliked; /* distinct */
    uint32_t n_disliked;
    float *negatives; /* n x dim of the space: what the shards must weigh the probes against */
    uint32_t n_negatives;
    bool weighed;                 /* negatives count: scores are no plain similarities */
    const struct rank_user *user; /* whose features the ranker uses; NULL = nobody's */
    const float *profile;         /* that user's vector, NULL = none */
    const struct wf_space *profile_space;
    const struct coord_popularity *popularity; /* when source is WIRE_SOURCE_POPULARITY */
    bool fallback;
    uint32_t degraded; /* bits */
};

/* A merged candidate: which row of which source of which slot. */
struct coord_candidate {
    uint32_t slot, source, row;
    const char *sku;
    uint32_t sku_size;
    float retrieval, rank_score; /* rank_score: when ranked */
};

struct coord_query;
typedef void coord_query_fn(struct coord_query *q, void *ctx);
struct coord_query {
    /* Set by the caller. */
    const struct coord *coord;
    struct wire_recommend_request rq; /* borrows from the message */
    struct wf_arena *arena;
    int64_t arrival, deadline;
    coord_query_fn *done;
    bool (*left)(void *ctx); /* whether the caller has gone: then work stops; NULL: never */
    void *ctx;               /* of both */
    /* The outcome: err.code WF_OK means `response`; else `details` says that it holds, without
     * hits, what the failure is about. */
    struct wf_error err;
    bool details;
    struct wire_recommend_response response;
    /* Inside. */
    const struct coord_surface *surface;
    struct coord_subject subject;
    const struct coord_kept *kept; /* the set that the request names; counted */
    struct coord_exclusions exclude;
    struct coord_gather *fetch, *search;
    uint32_t **positions; /* popularity: per shard, place in the list of each SKU asked for */
    struct coord_candidate *candidates;
    uint32_t n_candidates, want;
    bool ranked, want_vectors;
    uint32_t degraded;
    int64_t mark; /* when the stage under way began */
};

/* Runs the query; `done` is called exactly once, maybe before this returns. */
void coord_query_start(struct coord_query *q);
/* Lets go of the exclusions and frees the shards' replies, which the response borrows from. The
 * arena is the caller's. */
void coord_query_fini(struct coord_query *q);

#endif

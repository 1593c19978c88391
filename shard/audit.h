/* SPDX-License-Identifier: Apache-2.0
 *
 * audit.h - how good the answers of a serving shard are: a sampled share of its probes is searched
 * again exactly, later and in idle time, and what the answers missed is counted.
 *
 * A sampled request is copied into a bounded queue; what finds it full is dropped and counted. The
 * statistics slide: the last SHARD_AUDIT_WINDOW probes of each depth.
 */
#ifndef SHARD_AUDIT_H
#define SHARD_AUDIT_H

#include <stdint.h>

#include "base/error.h"
#include "base/metrics.h"
#include "shard/shard.h"

/* Depths that are told apart: the best 10 and 100 of probes for at least as many, and all hits of
 * probes for another number. */
enum { SHARD_AUDIT_10, SHARD_AUDIT_100, SHARD_AUDIT_OTHER, SHARD_AUDIT_DEPTHS };
extern const char *const shard_audit_depths[SHARD_AUDIT_DEPTHS + 1]; /* "10", "100", "other" */
enum { SHARD_AUDIT_WINDOW = 1000 };

/* ---- statistics ---- */

/* One probe that was searched again. */
struct shard_audited {
    uint32_t due, found; /* hits of the exact answer; hits of the given one that reach its last */
    float target;        /* recall that was asked for; 0: none */
};
struct shard_recall {
    uint32_t probes;
    double recall, low, high; /* mean over probes; bounds of 95 %. 0, 0 and 1 without probes */
};
/*
 * Wilson's score interval of a proportion (Wilson 1927) with the effective sample size of clustered
 * observations (Kish 1965; Korn and Graubard 1998): the hits of one probe are missed together, so
 * that n probes of k hits tell less than n k independent hits, and at least as much as n of them.
 */
struct shard_recall shard_recall_of(const struct shard_audited *probes, uint32_t n);
/* Hits of `given` that reach the last of `exact`; both fall. Ties count: equal vectors are the rule
 * in real catalogs. */
uint32_t shard_recall_found(const float *given, uint32_t n_given, const float *exact,
                            uint32_t n_exact);

/* ---- the auditor ---- */

struct shard_audit;
struct shard_audit_config {
    const struct shard *shard;  /* borrowed until destroy */
    double share;               /* of answered probes, 0..1 */
    double load;                /* most of one core's time that auditing takes, over 0, at most 1 */
    struct wf_metrics *metrics; /* borrowed; counters of probes: */
    unsigned audited, dropped;
};
WF_MUST_CHECK enum wf_code shard_audit_create(const struct shard_audit_config *config,
                                              struct shard_audit **out, struct wf_error *err);
/* Stops at once, or when the search on its way has ended (a second at most). NULL is fine. */
void shard_audit_destroy(struct shard_audit *a);
/* After a request was answered, from any thread; never waits. NULL: nothing is audited. */
void shard_audit_offer(struct shard_audit *a, const struct wire_search_request *asked,
                       const struct wire_search_response *given);
void shard_audit_read(struct shard_audit *a, struct shard_recall out[SHARD_AUDIT_DEPTHS]);

#endif

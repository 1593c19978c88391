/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_metrics.c - see coord_metrics.h.
 */
#include "coordinator/coord_metrics.h"

#include "base/clock.h"

static const char *const outcomes[] = {"ok",
                                       "cancelled",
                                       "unknown",
                                       "invalid",
                                       "timeout",
                                       "not_found",
                                       "exists",
                                       "denied",
                                       "exhausted",
                                       "precondition",
                                       "aborted",
                                       "out_of_range",
                                       "unimplemented",
                                       "internal",
                                       "unavailable",
                                       "data_loss",
                                       "unauthenticated",
                                       NULL};
static const char *const stages[] = {"queue", "resolve",   "gather", "merge",
                                     "rank",  "diversify", NULL};
static const char *const reasons[] = {"shard_timeout",   "shard_down",      "shard_failed",
                                      "shard_partial",   "unknown_subject", "unknown_item",
                                      "no_ranker",       "no_mmr",          "deadline",
                                      "feature_missing", "fallback",        NULL};
static const char *const states[] = {"ok",     "partial",       "timeout", "down",
                                     "failed", "no_generation", NULL};

const struct wf_metric coord_metrics_table[COORD_N_METRICS] = {
    [COORD_M_REQUESTS] = {"weft_coordinator_requests_total", WF_COUNTER,
                          "Lists asked for, batch elements included, by outcome.", "outcome",
                          outcomes},
    [COORD_M_BATCHES] = {"weft_coordinator_batches_total", WF_COUNTER, "Batch calls.", NULL, NULL},
    [COORD_M_REQUEST_SECONDS] = {"weft_coordinator_request_seconds", WF_HISTOGRAM,
                                 "Time from arrival to the answer of one list.", NULL, NULL},
    [COORD_M_STAGE_SECONDS] = {"weft_coordinator_stage_seconds", WF_HISTOGRAM,
                               "Time of each stage of a query.", "stage", stages},
    [COORD_M_DEGRADED] = {"weft_coordinator_degraded_total", WF_COUNTER,
                          "Answers that fell short of the plan, by reason; one answer may have "
                          "several.",
                          "reason", reasons},
    [COORD_M_FALLBACKS] = {"weft_coordinator_fallbacks_total", WF_COUNTER,
                           "Answers that the popularity list gave for want of anything better.",
                           NULL, NULL},
    [COORD_M_SHARD_REPLIES] = {"weft_coordinator_shard_replies_total", WF_COUNTER,
                               "How shards answered searches, after the second attempt.", "state",
                               states},
    [COORD_M_GARBAGE] = {"weft_coordinator_garbage_replies_total", WF_COUNTER,
                         "Shard replies that were not an answer to the question and were "
                         "discarded.",
                         NULL, NULL},
    [COORD_M_RETRIES] = {"weft_coordinator_retries_total", WF_COUNTER,
                         "Shard calls that went to a second replica.", NULL, NULL},
    [COORD_M_HITS] = {"weft_coordinator_hits_total", WF_COUNTER, "Hits returned.", NULL, NULL},
    [COORD_M_SHARDS] = {"weft_coordinator_shards", WF_GAUGE, "Shards of the topology.", NULL, NULL},
    [COORD_M_SHARDS_READY] = {"weft_coordinator_shards_ready", WF_GAUGE,
                              "Shards with a replica that is well and holds the generation.", NULL,
                              NULL},
    [COORD_M_DOCUMENTS] = {"weft_coordinator_documents", WF_GAUGE,
                           "Live documents as the shards last counted them.", NULL, NULL},
    [COORD_M_UPLOADS] = {"weft_coordinator_exclusion_uploads_total", WF_COUNTER,
                         "Sets of exclusions uploaded, those that were here already included.",
                         NULL, NULL},
    [COORD_M_EVICTIONS] = {"weft_coordinator_exclusion_evictions_total", WF_COUNTER,
                           "Sets of exclusions that were let go because limits.exclusions was "
                           "reached.",
                           NULL, NULL},
    [COORD_M_SETS] = {"weft_coordinator_exclusion_sets", WF_GAUGE, "Sets of exclusions kept.", NULL,
                      NULL},
    [COORD_M_SET_BYTES] = {"weft_coordinator_exclusion_bytes", WF_GAUGE,
                           "Memory of the sets of exclusions kept.", NULL, NULL},
};

static void count_stages(const struct coord_query *q)
{
    const struct wire_timings *t = &q->response.timings;
    const uint64_t micros[] = {t->queue, t->resolve, t->gather, t->merge, t->rank, t->diversify};
    for (unsigned i = 0; i < sizeof micros / sizeof micros[0]; i++) {
        wf_observe_ns(q->coord->metrics, COORD_M_STAGE_SECONDS, i,
                      (int64_t)micros[i] * WF_MICROSECOND);
    }
}

static void count_shards(const struct coord_query *q)
{
    struct wf_metrics *m = q->coord->metrics;
    const struct coord_gather *const gathers[] = {q->fetch, q->search};
    for (unsigned g = 0; g < 2; g++) {
        for (uint32_t i = 0; gathers[g] && i < gathers[g]->n; i++) {
            const struct coord_slot *s = &gathers[g]->slots[i];
            if (s->message && gathers[g] == q->search) {
                wf_count(m, COORD_M_SHARD_REPLIES, (unsigned)s->state - 1U, 1);
            }
            if (s->garbage) {
                wf_count(m, COORD_M_GARBAGE, 0, s->garbage);
            }
            if (s->attempts > 1) {
                wf_count(m, COORD_M_RETRIES, 0, s->attempts - 1);
            }
        }
    }
}

void coord_metrics_count(const struct coord_query *q, int64_t now)
{
    struct wf_metrics *m = q->coord->metrics;
    wf_count(m, COORD_M_REQUESTS, (unsigned)q->err.code, 1);
    wf_observe_ns(m, COORD_M_REQUEST_SECONDS, 0, now - q->arrival);
    count_shards(q);
    if (q->err.code != WF_OK) {
        return;
    }
    count_stages(q);
    wf_count(m, COORD_M_HITS, 0, q->response.n_hits);
    for (unsigned i = 1; i < WIRE_N_DEGRADED; i++) {
        if (q->response.degraded & 1U << i) {
            wf_count(m, COORD_M_DEGRADED, i - 1, 1);
        }
    }
    if (q->subject.fallback) {
        wf_count(m, COORD_M_FALLBACKS, 0, 1);
    }
}

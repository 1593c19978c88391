/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_service.h - weft.internal.v1.ShardService over one shard, and the tables of weft-shard.
 *
 * Handlers run to the end on the loop thread that took the call: a search takes 50 to 200 us. The
 * shard is immutable, so they share nothing but counters.
 */
#ifndef SHARD_SERVICE_H
#define SHARD_SERVICE_H

#include <stdint.h>

#include "base/config.h"
#include "base/metrics.h"
#include "rpc/rpc.h"
#include "rpc/rpc_process.h"
#include "shard/shard.h"

enum { SHARD_N_METHODS = 3, SHARD_N_OPTIONS = 21, SHARD_N_METRICS = 17 };

struct shard_conf {
    struct rpc_process_conf process;
    char *generation;
    int64_t index, replica;
    int select; /* enum shard_select */
    double audit_share;
    char *seal;
    int64_t scrub_ms;
    uint64_t memory_limit, filter_cache;
};
extern const struct wf_option shard_options[SHARD_N_OPTIONS];
extern const struct wf_metric shard_metrics[SHARD_N_METRICS];

/* What the handlers get as ctx. */
struct shard_service;
struct shard_service_config {
    struct shard *shard; /* borrowed: outlives the service */
    uint32_t number, replica;
    struct wf_metrics *metrics; /* of shard_metrics; borrowed */
};
struct shard_service *shard_service_create(const struct shard_service_config *config);
/* Audits a share (over 0, at most 1) of the probes from now on, in at most `load` of one core;
 * once, before anything is served. */
WF_MUST_CHECK enum wf_code shard_service_audit(struct shard_service *s, double share, double load,
                                               struct wf_error *err);
/* From now on every search and fetch is DATA_LOSS. Thread-safe. */
void shard_service_damaged(struct shard_service *s);
void shard_service_destroy(struct shard_service *s);
void shard_service_methods(struct rpc_method out[SHARD_N_METHODS]);

/* For rpc_process_app. One FAISS and one BLAS thread per loop thread, which may enter epochs. */
void shard_thread_begin(void);
void shard_thread_end(void);
WF_MUST_CHECK enum wf_code shard_process_check(const void *conf, struct wf_error *err);
WF_MUST_CHECK enum wf_code shard_process_open(struct rpc_process *p, const void *conf, void **state,
                                              struct wf_error *err);
void shard_process_ready(const void *state, char text[256]);
char *shard_process_status(const void *state);
void shard_process_scrape(void *state);
void shard_process_close(void *state);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_query.h - one query of the coordinator over a fake transport, from request to outcome.
 */
#ifndef FAKE_QUERY_H
#define FAKE_QUERY_H

#include "coordinator/query.h"
#include "tests/support/fake_transport.h"

struct fake_query {
    struct coord coord;
    struct coord_query q;
    struct wf_arena arena;
    int64_t finished; /* virtual time at which `done` ran */
    unsigned times;   /* how often it ran */
};
/* A request with its defaults, as wire would have read it. */
struct wire_recommend_request fake_request(void);
/* Starts it with `budget` ns from now and `limit` bytes of arena; the transport is yet to run. */
void fake_query_begin(struct fake_query *f, struct fake_transport *t, struct wf_metrics *metrics,
                      const struct wire_recommend_request *rq, int64_t budget, size_t limit);
/* Runs it to the end, with memory enough. */
void fake_query_run(struct fake_query *f, struct fake_transport *t, struct wf_metrics *metrics,
                    const struct wire_recommend_request *rq, int64_t budget);
void fake_query_fini(struct fake_query *f);

#endif

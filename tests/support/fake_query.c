/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_query.c - see fake_query.h.
 */
#include "tests/support/fake_query.h"

#include <string.h>

#include "base/clock.h"

static void on_done(struct coord_query *q, void *ctx)
{
    struct fake_query *f = ctx;
    f->finished = q->coord->transport->now(q->coord->transport->ctx);
    f->times++;
}

struct wire_recommend_request fake_request(void)
{
    return (struct wire_recommend_request){
        .request_id = "test",
        .surface = "",
        .space = "",
        .content_id = "",
        .id = "",
        .k = WIRE_K_DEFAULT,
        .filter = "",
        .segment = "",
        .context_user = "",
        .exclude_handle = "",
        .group_by = "",
    };
}

void fake_query_begin(struct fake_query *f, struct fake_transport *t, struct wf_metrics *metrics,
                      const struct wire_recommend_request *rq, int64_t budget, size_t limit)
{
    memset(f, 0, sizeof *f);
    f->coord = (struct coord){
        .store = t->store,
        .global = &t->shop->global,
        .surfaces = &t->shop->surfaces,
        .transport = &t->transport,
        .metrics = metrics,
        .reserve = 20 * WF_MILLISECOND,
        .reply_limit = 16 << 20,
    };
    wf_arena_init(&f->arena, limit);
    f->q.coord = &f->coord;
    f->q.rq = *rq;
    f->q.arena = &f->arena;
    f->q.arrival = t->now;
    f->q.deadline = t->now + budget;
    f->q.done = on_done;
    f->q.ctx = f;
    coord_query_start(&f->q);
}

void fake_query_run(struct fake_query *f, struct fake_transport *t, struct wf_metrics *metrics,
                    const struct wire_recommend_request *rq, int64_t budget)
{
    fake_query_begin(f, t, metrics, rq, budget, 64 << 20);
    fake_transport_run(t);
}

void fake_query_fini(struct fake_query *f)
{
    coord_query_fini(&f->q);
    wf_arena_fini(&f->arena);
}

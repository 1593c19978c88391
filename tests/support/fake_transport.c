/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_transport.c - see fake_transport.h.
 */
#include "tests/support/fake_transport.h"

#include <string.h>

#include "base/clock.h"
#include "tests/support/wire_text.h"

static int64_t now_of(void *ctx)
{
    struct fake_transport *t = ctx;
    return t->now;
}

static uint32_t pick(void *ctx, uint32_t shard, uint32_t except)
{
    const struct fake_transport *t = ctx;
    for (uint32_t i = 0; i < t->n_replicas; i++) {
        if (i != except && !t->replicas[shard][i].down) {
            return i;
        }
    }
    return COORD_NO_REPLICA;
}

static void note(void *ctx, uint32_t shard, uint32_t replica, enum wf_code code)
{
    struct fake_transport *t = ctx;
    t->replicas[shard][replica].noted = code;
}

static uint64_t documents(void *ctx, uint32_t shard)
{
    const struct fake_transport *t = ctx;
    return t->shop->shard_rows[shard];
}

static void deliver(struct fake_transport *t, const struct fake_event *e)
{
    const struct fake_replica *r = &t->replicas[e->shard][e->replica];
    const ProtobufCMessage *reply = NULL;
    struct wf_error err = {0};
    if (e->at >= e->call.deadline) {
        wf_fail(&err, WF_TIMEOUT, "deadline exceeded");
    } else if (r->mode == FAKE_ERROR) {
        wf_fail(&err, r->code, "scripted");
    } else if (r->mode == FAKE_GARBAGE && e->call.method == WIRE_SEARCH) {
        reply = fake_garbage(r->which, e->call.arena);
    } else {
        reply = fake_shard_answer(t->shop, e->shard, e->call.method, e->message,
                                  r->mode == FAKE_CUT_SHORT, e->call.arena, &err);
    }
    e->call.done(reply, reply ? NULL : &err, e->call.ctx);
}

static void call(void *ctx, uint32_t shard, uint32_t replica, const struct coord_call *c)
{
    struct fake_transport *t = ctx;
    struct fake_replica *r = &t->replicas[shard][replica];
    r->calls++;
    int64_t at = r->mode == FAKE_SILENT ? INT64_MAX : t->now + r->delay;
    struct fake_event e = {
        .at = at < c->deadline ? at : c->deadline,
        .shard = shard,
        .replica = replica,
        .call = *c,
        .message = wire_resend(&t->arena, c->message),
    };
    if (r->delay < 0 && r->mode != FAKE_SILENT) {
        e.at = t->now;
        deliver(t, &e);
        return;
    }
    wf_assert(t->n_events < sizeof t->events / sizeof t->events[0]);
    t->events[t->n_events++] = e;
}

void fake_transport_init(struct fake_transport *t, const struct fake_shop *shop,
                         uint32_t n_replicas, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->shop = shop;
    t->n_replicas = n_replicas;
    t->now = WF_SECOND;
    t->random = wf_random_of(seed, 2);
    wf_arena_init(&t->arena, SIZE_MAX);
    t->transport = (struct coord_transport){
        .ctx = t,
        .n_shards = shop->n_shards,
        .now = now_of,
        .pick = pick,
        .call = call,
        .note = note,
        .documents = documents,
    };
}

void fake_transport_fini(struct fake_transport *t)
{
    wf_arena_fini(&t->arena);
}

void fake_transport_run(struct fake_transport *t)
{
    while (t->n_events) {
        uint32_t first = (uint32_t)wf_random_below(&t->random, t->n_events);
        for (uint32_t i = 0; i < t->n_events; i++) {
            first = t->events[i].at < t->events[first].at ? i : first;
        }
        struct fake_event e = t->events[first];
        t->events[first] = t->events[--t->n_events];
        t->now = e.at > t->now ? e.at : t->now;
        deliver(t, &e);
    }
}

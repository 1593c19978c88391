/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_transport.h - the coordinator's transport over a fake shop, in virtual time: replies are
 * events, delivered in the order of their time, equal times in an order drawn from the seed. One
 * thread.
 */
#ifndef FAKE_TRANSPORT_H
#define FAKE_TRANSPORT_H

#include "coordinator/transport.h"
#include "tests/support/fake_shop.h"

enum { FAKE_SHARDS_MAX = 8, FAKE_REPLICAS_MAX = 3 };
enum fake_mode {
    FAKE_OK,
    FAKE_CUT_SHORT,
    FAKE_ERROR,   /* fails with `code` */
    FAKE_GARBAGE, /* searches answered with garbage number `which` */
    FAKE_SILENT,  /* never: the call runs into its deadline */
};
struct fake_replica {
    enum fake_mode mode;
    enum wf_code code;
    uint32_t which;
    int64_t delay; /* ns; < 0: the reply comes before the call returns */
    bool down;     /* never picked */
    uint32_t calls;
    enum wf_code noted;
};
struct fake_event {
    int64_t at;
    uint32_t shard, replica;
    struct coord_call call;
    const ProtobufCMessage *message; /* packed again: the caller's is gone */
};
struct fake_transport {
    struct coord_transport transport;
    const struct fake_shop *shop;
    struct coord_store *store; /* of exclusions, NULL until a test brings one */
    uint32_t n_replicas;
    struct fake_replica replicas[FAKE_SHARDS_MAX][FAKE_REPLICAS_MAX];
    struct fake_event events[FAKE_SHARDS_MAX * 64];
    uint32_t n_events;
    int64_t now;
    struct wf_random random;
    struct wf_arena arena;
};
void fake_transport_init(struct fake_transport *t, const struct fake_shop *shop,
                         uint32_t n_replicas, uint64_t seed);
void fake_transport_fini(struct fake_transport *t);
/* Delivers until nothing is under way. */
void fake_transport_run(struct fake_transport *t);

#endif

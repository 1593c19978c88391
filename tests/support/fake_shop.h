/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_shop.h - a small shop drawn from a seed, and shards of it that answer by brute force or,
 * when told so, with something that is not an answer.
 *
 * Used behind a made-up transport (unit tests) and behind real servers (component tests). Vectors
 * are small whole numbers, so equal scores are common and sums are exact. Immutable after creation:
 * answers may be made on several threads.
 */
#ifndef FAKE_SHOP_H
#define FAKE_SHOP_H

#include "coordinator/global.h"
#include "coordinator/query.h"
#include "proto/wire.h"

#define FAKE_GENERATION "feedbeef00000000"
enum {
    FAKE_DIM = 8,
    FAKE_CATEGORIES = 5,
    FAKE_CPU_US = 1000 /* of shard 0; shard i: i + 1 times */
};

struct fake_item {
    char sku[16];
    uint32_t shard, category, brand, colour;
    float vector[FAKE_DIM];
    float price;
};
struct fake_shop {
    struct fake_item *items;
    uint32_t n, n_shards;
    uint64_t *shard_rows;
    enum wf_metric_space metric;
    struct coord_global global; /* as a coordinator would have opened it; no users */
    struct wf_manifest manifest;
    struct coord_surfaces surfaces;
};
/* `model`: XGBoost JSON or NULL. */
struct fake_shop *fake_shop_create(uint64_t seed, uint32_t n_items, uint32_t n_shards,
                                   enum wf_metric_space metric, const char *model);
void fake_shop_destroy(struct fake_shop *s);
/* A ranker that prefers what is cheap: margin = -1, 0 or 1 by price. */
extern const char fake_model[];

/* Replies to a search that are none, each wrong in one way; for requests of one probe that ask for
 * SKUs and scores alone. */
uint32_t fake_n_garbage(void);
const char *fake_garbage_name(uint32_t i);
const ProtobufCMessage *fake_garbage(uint32_t i, struct wf_arena *arena);

/*
 * The answer of one shard to a decoded request, in the arena. `cut_short`: half of the parts done
 * and every second row left out. NULL with *err for a request that a shard refuses.
 */
const ProtobufCMessage *fake_shard_answer(const struct fake_shop *s, uint32_t shard,
                                          enum wire_method method, const ProtobufCMessage *msg,
                                          bool cut_short, struct wf_arena *arena,
                                          struct wf_error *err);
/* The best k of the shards in `mask` (bit per shard) for a query, by brute force; SKUs out. */
uint32_t fake_brute_force(const struct fake_shop *s, uint32_t mask, const float *query, uint32_t k,
                          const struct fake_item **out, float *scores);

#endif

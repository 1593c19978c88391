/* SPDX-License-Identifier: Apache-2.0
 *
 * exclusions.h - sets of SKU hashes that a list must not hold: sorted, made unique, dealt to the
 * shards; and the store of those that were uploaded once to be named by handle.
 *
 * A set is immutable. One of a request lives in the request's arena; a kept one is counted: the
 * store holds a reference while the set is in it, each query that uses it another one. The store
 * has a limit in bytes and lets go of the set that was used longest ago. It is thread-safe; its
 * lock is held for a few pointer moves, copying and freeing are done outside.
 */
#ifndef COORD_EXCLUSIONS_H
#define COORD_EXCLUSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    COORD_HANDLE_SIZE = 33,   /* 32 hex digits and a NUL */
    COORD_KEPT_MAX = 1 << 16, /* sets in a store, however small */
};

struct coord_exclusions {
    uint32_t n;              /* 0: nothing is excluded, and the rest is not set */
    const uint64_t *hashes;  /* n, shard by shard, rising and unique */
    const uint32_t *offsets; /* n_shards + 1: where each shard's begin */
};

/* Sorts into the arena and drops what comes twice. NULL when the arena is full. */
const uint64_t *coord_exclusions_sort(const uint64_t *hashes, uint32_t n, struct wf_arena *arena,
                                      uint32_t *n_unique);
/* Deals n sorted hashes to the shards, in the arena. WF_EXHAUSTED when that is full. */
WF_MUST_CHECK enum wf_code coord_exclusions_deal(const uint64_t *sorted, uint32_t n,
                                                 uint32_t n_shards, struct wf_arena *arena,
                                                 struct coord_exclusions *out);
/* Those of one shard; *n of them. */
const uint64_t *coord_exclusions_of(const struct coord_exclusions *e, uint32_t shard, uint32_t *n);
/* Whether the set holds a hash of that shard. */
bool coord_exclusions_has(const struct coord_exclusions *e, uint32_t shard, uint64_t hash);

/* The name of a set: XXH3-128 over its sorted hashes, in hex. */
void coord_exclusions_handle(const uint64_t *sorted, uint32_t n, char handle[COORD_HANDLE_SIZE]);

struct coord_store;
struct coord_kept; /* a set in a store */
struct coord_store *coord_store_create(uint64_t limit, uint32_t n_shards);
void coord_store_destroy(struct coord_store *s); /* NULL is fine; no query may hold a set */
/*
 * Keeps a copy under its handle; a set that is there already becomes the one used last. Gives how
 * many others had to go.
 */
uint32_t coord_store_put(struct coord_store *s, const char *handle,
                         const struct coord_exclusions *e);
/* A reference to the set of that handle, NULL when it is not here; a NULL store has none. */
const struct coord_kept *coord_store_find(struct coord_store *s, const char *handle);
const struct coord_exclusions *coord_kept_set(const struct coord_kept *k);
void coord_kept_unref(const struct coord_kept *k); /* NULL is fine */
void coord_store_count(struct coord_store *s, uint32_t *sets, uint64_t *bytes);

#endif

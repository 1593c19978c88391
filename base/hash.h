/* SPDX-License-Identifier: Apache-2.0
 *
 * hash.h - XXH3 (https://github.com/Cyan4973/xxHash, XXH3_64bits and XXH3_128bits, seed 0) and the
 * jump consistent hash (Lamping and Veach 2014, arXiv:1406.2294). Pure; thread-safe.
 */
#ifndef WF_HASH_H
#define WF_HASH_H

#include <stddef.h>
#include <stdint.h>

struct wf_hash128 {
    uint64_t lo, hi;
};

uint64_t wf_hash64(const void *data, size_t size);
struct wf_hash128 wf_hash128(const void *data, size_t size);
/* 32 lower-case hex digits, high half first, and a NUL. */
void wf_hash128_hex(struct wf_hash128 h, char text[33]);
/* The shard of a SKU: jump(xxh3(sku), n_shards). n_shards >= 1. */
uint32_t wf_shard_of(const char *sku, size_t size, uint32_t n_shards);
/* The same of a SKU whose xxh3 is known. */
uint32_t wf_shard_of_hash(uint64_t hash, uint32_t n_shards);

/* Streaming XXH3-128. */
struct wf_hasher;
struct wf_hasher *wf_hasher_create(void);
void wf_hasher_add(struct wf_hasher *h, const void *data, size_t size);
struct wf_hash128 wf_hasher_end(struct wf_hasher *h); /* also resets */
void wf_hasher_destroy(struct wf_hasher *h);

/* Seeded pseudo-random numbers for synthesis and sampling: SplitMix64 (Steele, Lea, Flood 2014). */
struct wf_random {
    uint64_t state;
};
/* A stream of its own for every (seed, stream): the same for any order or thread. */
struct wf_random wf_random_of(uint64_t seed, uint64_t stream);
uint64_t wf_random_next(struct wf_random *r);
uint64_t wf_random_below(struct wf_random *r, uint64_t n); /* unbiased; n >= 1 */
double wf_random_unit(struct wf_random *r);                /* [0, 1), 53 bits */
double wf_random_normal(struct wf_random *r); /* sum-of-uniforms free: Marsaglia polar */

#endif

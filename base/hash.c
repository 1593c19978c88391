/* SPDX-License-Identifier: Apache-2.0
 *
 * hash.c - see hash.h. XXH3 is the library's; the jump hash and SplitMix64 are a few lines each and
 * are pinned by known answers in the test: a change of either would move every SKU to another shard
 * or every synthetic shop to another catalog.
 */
#include "base/hash.h"

#include <math.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h> /* the same functions for the processor at hand; the same hashes */
#endif

#include "base/arena.h"
#include "base/error.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

__extension__ typedef unsigned __int128 wide;

struct wf_hasher {
    XXH3_state_t *state;
};

uint64_t wf_hash64(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

static struct wf_hash128 from_library(XXH128_hash_t h)
{
    return (struct wf_hash128){.lo = h.low64, .hi = h.high64};
}

struct wf_hash128 wf_hash128(const void *data, size_t size)
{
    return from_library(XXH3_128bits(data, size));
}

void wf_hash128_hex(struct wf_hash128 h, char text[33])
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < 16; i++) {
        text[i] = digits[h.hi >> (60 - 4 * i) & 15];
        text[16 + i] = digits[h.lo >> (60 - 4 * i) & 15];
    }
    text[32] = '\0';
}

uint32_t wf_shard_of_hash(uint64_t hash, uint32_t n_shards)
{
    wf_assert(n_shards >= 1);
    uint64_t key = hash;
    uint64_t bucket = 0;
    for (uint64_t next = 0; next < n_shards;) {
        bucket = next;
        key = key * UINT64_C(2862933555777941757) + 1;
        next = (uint64_t)((double)(bucket + 1) *
                          ((double)(UINT64_C(1) << 31) / (double)((key >> 33) + 1)));
    }
    return (uint32_t)bucket;
}

uint32_t wf_shard_of(const char *sku, size_t size, uint32_t n_shards)
{
    return wf_shard_of_hash(wf_hash64(sku, size), n_shards);
}

struct wf_hasher *wf_hasher_create(void)
{
    struct wf_hasher *h = wf_xmalloc(sizeof *h);
    h->state = XXH3_createState();
    wf_assert(h->state != NULL);
    XXH3_128bits_reset(h->state);
    return h;
}

void wf_hasher_add(struct wf_hasher *h, const void *data, size_t size)
{
    XXH3_128bits_update(h->state, data, size);
}

struct wf_hash128 wf_hasher_end(struct wf_hasher *h)
{
    struct wf_hash128 result = from_library(XXH3_128bits_digest(h->state));
    XXH3_128bits_reset(h->state);
    return result;
}

void wf_hasher_destroy(struct wf_hasher *h)
{
    if (h != NULL) {
        XXH3_freeState(h->state);
        wf_xfree(h);
    }
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Both words go through the finaliser, so that neighbouring streams start far apart. */
struct wf_random wf_random_of(uint64_t seed, uint64_t stream)
{
    return (struct wf_random){.state = mix(mix(seed + GOLDEN) + GOLDEN * (2 * stream + 1))};
}

uint64_t wf_random_next(struct wf_random *r)
{
    r->state += GOLDEN;
    return mix(r->state);
}

/* Lemire's multiplication with rejection (arXiv:1805.10941). */
uint64_t wf_random_below(struct wf_random *r, uint64_t n)
{
    wf_assert(n >= 1);
    wide product = (wide)wf_random_next(r) * n;
    if ((uint64_t)product < n) {
        const uint64_t threshold = (0 - n) % n;
        while ((uint64_t)product < threshold) {
            product = (wide)wf_random_next(r) * n;
        }
    }
    return (uint64_t)(product >> 64);
}

double wf_random_unit(struct wf_random *r)
{
    return (double)(wf_random_next(r) >> 11) * 0x1p-53;
}

/* The second value of each pair is dropped: the state stays one word, a stream stays a function of
 * (seed, stream, draws). */
double wf_random_normal(struct wf_random *r)
{
    for (;;) {
        const double u = 2 * wf_random_unit(r) - 1;
        const double v = 2 * wf_random_unit(r) - 1;
        const double s = u * u + v * v;
        if (s > 0 && s < 1) {
            return u * sqrt(-2 * log(s) / s);
        }
    }
}

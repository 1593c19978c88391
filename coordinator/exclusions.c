/* SPDX-License-Identifier: Apache-2.0
 *
 * exclusions.c - see exclusions.h. A hundred thousand hashes are sorted by bytes from the lowest
 * up: eight linear passes and no comparison. The store is a table of chains and a list by last use.
 */
#include "coordinator/exclusions.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"

struct coord_kept {
    struct coord_exclusions set;
    atomic_uint refs;
    uint64_t bytes;
    struct coord_kept *newer, *older; /* by last use; guarded by the store's mu */
    struct coord_kept *next;          /* in its chain, or to be let go; guarded by the store's mu */
    char handle[COORD_HANDLE_SIZE];
};
struct coord_store {
    uint64_t limit;
    uint32_t n_shards;
    pthread_mutex_t mu;
    /* guarded by mu: */
    struct coord_kept *chains[COORD_KEPT_MAX];
    struct coord_kept *newest, *oldest;
    uint32_t n;
    uint64_t bytes;
};

/* ---- sets ---- */

/* Sorts n hashes; the eighth pass leaves them in `a`. */
static void sort(uint64_t *a, uint64_t *b, uint32_t n)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        uint32_t starts[257] = {0};
        for (uint32_t i = 0; i < n; i++) {
            starts[1 + (a[i] >> shift & 255U)]++;
        }
        for (unsigned v = 0; v < 256; v++) {
            starts[v + 1] += starts[v];
        }
        for (uint32_t i = 0; i < n; i++) {
            b[starts[a[i] >> shift & 255U]++] = a[i];
        }
        uint64_t *swap = a;
        a = b;
        b = swap;
    }
}

const uint64_t *coord_exclusions_sort(const uint64_t *hashes, uint32_t n, struct wf_arena *arena,
                                      uint32_t *n_unique)
{
    uint64_t *sorted = wf_array(arena, uint64_t, n);
    uint64_t *scratch = wf_array(arena, uint64_t, n);
    if (!sorted || !scratch) {
        return NULL;
    }
    if (n) {
        memcpy(sorted, hashes, n * sizeof *sorted);
    }
    sort(sorted, scratch, n);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!kept || sorted[i] != sorted[kept - 1]) {
            sorted[kept++] = sorted[i];
        }
    }
    *n_unique = kept;
    return sorted;
}

enum wf_code coord_exclusions_deal(const uint64_t *sorted, uint32_t n, uint32_t n_shards,
                                   struct wf_arena *arena, struct coord_exclusions *out)
{
    uint64_t *hashes = wf_array(arena, uint64_t, n);
    uint32_t *shards = wf_array(arena, uint32_t, n);
    uint32_t *offsets = wf_array(arena, uint32_t, (size_t)n_shards + 1);
    uint32_t *at = wf_array(arena, uint32_t, n_shards);
    if (!hashes || !shards || !offsets || !at) {
        return WF_EXHAUSTED;
    }
    for (uint32_t i = 0; i < n; i++) {
        shards[i] = wf_shard_of_hash(sorted[i], n_shards);
        offsets[shards[i] + 1]++;
    }
    for (uint32_t s = 0; s < n_shards; s++) {
        offsets[s + 1] += offsets[s];
        at[s] = offsets[s];
    }
    for (uint32_t i = 0; i < n; i++) {
        hashes[at[shards[i]]++] = sorted[i];
    }
    *out = (struct coord_exclusions){.n = n, .hashes = hashes, .offsets = offsets};
    return WF_OK;
}

const uint64_t *coord_exclusions_of(const struct coord_exclusions *e, uint32_t shard, uint32_t *n)
{
    *n = e->n ? e->offsets[shard + 1] - e->offsets[shard] : 0;
    return *n ? e->hashes + e->offsets[shard] : NULL;
}

bool coord_exclusions_has(const struct coord_exclusions *e, uint32_t shard, uint64_t hash)
{
    uint32_t n;
    const uint64_t *list = coord_exclusions_of(e, shard, &n);
    uint32_t low = 0;
    while (low < n) {
        const uint32_t middle = low + (n - low) / 2;
        if (list[middle] == hash) {
            return true;
        }
        if (list[middle] < hash) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return false;
}

void coord_exclusions_handle(const uint64_t *sorted, uint32_t n, char handle[COORD_HANDLE_SIZE])
{
    wf_hash128_hex(wf_hash128(sorted, n * sizeof *sorted), handle);
}

/* ---- the store ---- */

struct coord_store *coord_store_create(uint64_t limit, uint32_t n_shards)
{
    struct coord_store *s = wf_xarray(struct coord_store, 1);
    s->limit = limit;
    s->n_shards = n_shards;
    pthread_mutex_init(&s->mu, NULL);
    return s;
}

void coord_store_destroy(struct coord_store *s)
{
    if (!s) {
        return;
    }
    for (struct coord_kept *k = s->newest; k;) {
        struct coord_kept *older = k->older;
        coord_kept_unref(k);
        k = older;
    }
    pthread_mutex_destroy(&s->mu);
    wf_xfree(s);
}

static struct coord_kept *copy_set(const struct coord_store *s, const char *handle,
                                   const struct coord_exclusions *e)
{
    const size_t n_offsets = (size_t)s->n_shards + 1;
    struct coord_kept *k = wf_xarray(struct coord_kept, 1);
    uint64_t *hashes = wf_xarray(uint64_t, e->n);
    uint32_t *offsets = wf_xarray(uint32_t, n_offsets);
    memcpy(hashes, e->hashes, e->n * sizeof *hashes);
    memcpy(offsets, e->offsets, n_offsets * sizeof *offsets);
    k->set = (struct coord_exclusions){.n = e->n, .hashes = hashes, .offsets = offsets};
    k->bytes = sizeof *k + e->n * sizeof *hashes + n_offsets * sizeof *offsets;
    memcpy(k->handle, handle, sizeof k->handle);
    atomic_init(&k->refs, 1);
    return k;
}

static struct coord_kept **chain_of(struct coord_store *s, const char *handle)
{
    return &s->chains[wf_hash64(handle, strlen(handle)) % COORD_KEPT_MAX];
}

/* Takes k out of the order of use. */
static void unlink_use(struct coord_store *s, struct coord_kept *k)
{
    *(k->newer ? &k->newer->older : &s->newest) = k->older;
    *(k->older ? &k->older->newer : &s->oldest) = k->newer;
}

static void link_newest(struct coord_store *s, struct coord_kept *k)
{
    k->newer = NULL;
    k->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = k;
    s->newest = k;
}

/* The set of a handle, now the one used last; with the lock held. */
static struct coord_kept *touch(struct coord_store *s, struct coord_kept *const *chain,
                                const char *handle)
{
    struct coord_kept *k = *chain;
    while (k && strcmp(k->handle, handle) != 0) {
        k = k->next;
    }
    if (k) {
        unlink_use(s, k);
        link_newest(s, k);
    }
    return k;
}

/* The oldest leaves the store, with the lock held. */
static struct coord_kept *take_oldest(struct coord_store *s)
{
    struct coord_kept *k = s->oldest;
    struct coord_kept **at = chain_of(s, k->handle);
    while (*at != k) {
        at = &(*at)->next;
    }
    *at = k->next;
    unlink_use(s, k);
    s->n--;
    s->bytes -= k->bytes;
    return k;
}

uint32_t coord_store_put(struct coord_store *s, const char *handle,
                         const struct coord_exclusions *e)
{
    struct coord_kept *k = copy_set(s, handle, e);
    struct coord_kept **chain = chain_of(s, handle);
    struct coord_kept *gone = NULL;
    uint32_t n_gone = 0;
    pthread_mutex_lock(&s->mu);
    const bool is_new = !touch(s, chain, handle);
    if (is_new) {
        k->next = *chain;
        *chain = k;
        link_newest(s, k);
        s->n++;
        s->bytes += k->bytes;
    }
    while (s->oldest != s->newest && (s->bytes > s->limit || s->n > COORD_KEPT_MAX)) {
        struct coord_kept *oldest = take_oldest(s);
        oldest->next = gone;
        gone = oldest;
        n_gone++;
    }
    pthread_mutex_unlock(&s->mu);
    if (!is_new) {
        coord_kept_unref(k);
    }
    while (gone) {
        struct coord_kept *next = gone->next;
        coord_kept_unref(gone);
        gone = next;
    }
    return n_gone;
}

const struct coord_kept *coord_store_find(struct coord_store *s, const char *handle)
{
    if (!s) {
        return NULL;
    }
    struct coord_kept **chain = chain_of(s, handle);
    pthread_mutex_lock(&s->mu);
    struct coord_kept *k = touch(s, chain, handle);
    if (k) {
        atomic_fetch_add(&k->refs, 1);
    }
    pthread_mutex_unlock(&s->mu);
    return k;
}

const struct coord_exclusions *coord_kept_set(const struct coord_kept *k)
{
    return &k->set;
}

void coord_kept_unref(const struct coord_kept *k)
{
    struct coord_kept *own = (struct coord_kept *)k; /* counting is no change of the set */
    if (own && atomic_fetch_sub(&own->refs, 1) == 1) {
        wf_xfree((void *)own->set.hashes);
        wf_xfree((void *)own->set.offsets);
        wf_xfree(own);
    }
}

void coord_store_count(struct coord_store *s, uint32_t *sets, uint64_t *bytes)
{
    pthread_mutex_lock(&s->mu);
    *sets = s->n;
    *bytes = s->bytes;
    pthread_mutex_unlock(&s->mu);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * filters.c - see filters.h: the cache of what filter_eval.c makes, and the bitmaps of each space.
 *
 * A made filter is the rows of one canonical expression, with a view for each space that was asked
 * for. Keys lead to it by text: its canonical one, which is what equivalent texts have in common,
 * and the last few texts that were parsed to it. Keys hang in hash chains that readers walk without
 * a lock. Everything is immutable once it can be reached, but for links, views that are added, and
 * the mark of use.
 *
 * Writers (a miss, never a hit) hold `mu` to link and unlink, and nothing else: evaluation, and the
 * permutation of a view, happen before. Two threads that miss the same text both evaluate; one's
 * work is kept. What is unlinked is released after the epochs that may still see it (base/epoch.h),
 * and so is what never fitted into the limit: it lives as long as the request that made it.
 *
 * Which one leaves is decided by a clock: a hand goes round, takes away the mark of use, and stops
 * at the first that has none.
 */
#include "shard/filters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/epoch.h"
#include "base/filter.h"
#include "base/hash.h"
#include "shard/filter_eval.h"
#include "shard/mapped.h"

enum {
    KEYS_MAX = 8, /* texts of one made filter: the canonical one and the last others */
    BUCKETS_MIN = 64,
    BUCKETS_MAX = 65536,
    MADE_LEAST = 1024, /* bytes: about the least that one takes, for sizing the table */
    SPARSE = 8,        /* of fewer matches than one row in so many, each row is placed by itself */
};

struct made;
struct key {
    struct wf_deferred deferred; /* must be first */
    _Atomic(struct key *) next;
    struct made *made;
    uint64_t hash;
    size_t size; /* bytes of all this */
    char text[];
};
struct view {
    struct wf_deferred deferred; /* must be first */
    struct shard_allowed allowed;
    size_t size;
    uint64_t bits[]; /* and the counts of the lists; none where the rows' bits serve */
};
struct made {
    struct wf_deferred deferred; /* must be first */
    uint64_t *bits;              /* of the shard's rows */
    uint32_t matched;
    unsigned n_views;
    atomic_bool used;
    /* guarded by the cache's mu: */
    bool live; /* can be found */
    size_t size;
    struct key *keys[KEYS_MAX]; /* the first is the canonical one */
    unsigned n_keys, oldest;    /* oldest: the next to give way */
    struct made *before, *after;
    /* of each space, and of the shard's rows; NULL: not made. Written under mu */
    _Atomic(struct view *) views[];
};
struct shard_filters {
    const struct shard *shard;
    size_t limit, n_buckets; /* a power of two */
    _Atomic(struct key *) *buckets;
    atomic_size_t bytes;  /* written under mu */
    atomic_bool deferred; /* something was left to wf_epoch_defer */
    pthread_mutex_t mu;
    /* guarded by mu: */
    struct made *hand; /* in a ring; NULL: empty */
    uint32_t n_made;
};
/* What a writer has unlinked, to be released once it holds the lock no more. */
struct unlinked {
    struct made *made; /* a chain by `after` */
    struct key *key;
};

/* ---- release ---- */

static void release_block(struct wf_deferred *d)
{
    wf_xfree(d);
}

static void made_free(struct made *m)
{
    for (unsigned i = 0; i < m->n_keys; i++) {
        wf_xfree(m->keys[i]);
    }
    for (unsigned i = 0; i < m->n_views; i++) {
        wf_xfree(atomic_load(&m->views[i]));
    }
    wf_xfree(m->bits);
    wf_xfree(m);
}

static void release_made(struct wf_deferred *d)
{
    made_free((struct made *)(void *)d);
}

static void defer(struct shard_filters *f, struct wf_deferred *d,
                  void (*release)(struct wf_deferred *d))
{
    atomic_store(&f->deferred, true);
    wf_epoch_defer(d, release);
}

static void release_unlinked(struct shard_filters *f, struct unlinked *u)
{
    while (u->made != NULL) {
        struct made *m = u->made;
        u->made = m->after;
        defer(f, &m->deferred, release_made);
    }
    if (u->key != NULL) {
        defer(f, &u->key->deferred, release_block);
    }
}

/* ---- keys ---- */

static struct made *find(struct shard_filters *f, const char *text, uint64_t hash)
{
    struct key *k = atomic_load(&f->buckets[hash & (f->n_buckets - 1)]);
    while (k != NULL && (k->hash != hash || strcmp(k->text, text) != 0)) {
        k = atomic_load(&k->next);
    }
    if (k == NULL) {
        return NULL;
    }
    if (!atomic_load(&k->made->used)) {
        atomic_store(&k->made->used, true);
    }
    return k->made;
}

static struct key *key_create(struct made *m, const char *text, size_t length, uint64_t hash)
{
    struct key *k = wf_xmalloc(sizeof *k + length + 1);
    atomic_init(&k->next, NULL);
    k->made = m;
    k->hash = hash;
    k->size = sizeof *k + length + 1;
    memcpy(k->text, text, length + 1);
    return k;
}

static void link_key(struct shard_filters *f, struct key *k)
{
    _Atomic(struct key *) *head = &f->buckets[k->hash & (f->n_buckets - 1)];
    atomic_store(&k->next, atomic_load(head));
    atomic_store(head, k);
}

/* Readers that stand on it walk on from it. */
static void unlink_key(struct shard_filters *f, struct key *k)
{
    _Atomic(struct key *) *at = &f->buckets[k->hash & (f->n_buckets - 1)];
    while (atomic_load(at) != k) {
        at = &atomic_load(at)->next;
    }
    atomic_store(at, atomic_load(&k->next));
}

/* ---- the ring; all under mu ---- */

static void link_made(struct shard_filters *f, struct made *m)
{
    if (f->hand == NULL) {
        m->before = m->after = f->hand = m;
    } else { /* behind the hand, which comes to it last */
        m->after = f->hand;
        m->before = f->hand->before;
        m->before->after = m;
        m->after->before = m;
    }
    m->live = true;
    f->n_made++;
    atomic_fetch_add(&f->bytes, m->size);
}

static void unlink_made(struct shard_filters *f, struct made *m, struct unlinked *u)
{
    for (unsigned i = 0; i < m->n_keys; i++) {
        unlink_key(f, m->keys[i]);
    }
    f->hand = m->after == m ? NULL : f->hand == m ? m->after : f->hand;
    m->before->after = m->after;
    m->after->before = m->before;
    m->live = false;
    f->n_made--;
    atomic_fetch_sub(&f->bytes, m->size);
    m->after = u->made;
    u->made = m;
}

/* Makes room for `size` more bytes without touching `keep` (may be NULL); false when that cannot
 * be. Readers may mark as fast as the hand unmarks: after two rounds marks do not count. */
static bool make_room(struct shard_filters *f, size_t size, const struct made *keep,
                      struct unlinked *u)
{
    const size_t kept = keep == NULL ? 0 : keep->size;
    if (size > f->limit || kept > f->limit - size) {
        return false;
    }
    const uint64_t patience = 2 * (uint64_t)f->n_made;
    for (uint64_t i = 0; atomic_load(&f->bytes) > f->limit - size; i++) {
        struct made *m = f->hand;
        f->hand = m->after;
        const bool spared = atomic_exchange(&m->used, false) && i < patience;
        if (m != keep && !spared) {
            unlink_made(f, m, u);
        }
    }
    return true;
}

/* ---- making ---- */

/* The rows of `space` among the shard's rows of `m`. */
static void place(const struct shard_space *sp, uint32_t rows, const struct made *m, uint64_t *bits)
{
    const size_t words = wf_bits_words(sp->n);
    if (sp->to_row == NULL) {
        memcpy(bits, m->bits, words * sizeof *bits);
        if (sp->n % 64 != 0) {
            bits[words - 1] &= ((uint64_t)1 << sp->n % 64) - 1;
        }
        return;
    }
    memset(bits, 0, words * sizeof *bits);
    if (m->matched >= sp->n / SPARSE) {
        for (uint32_t i = 0; i < sp->n; i++) {
            bits[i / 64] |= (uint64_t)wf_bit(m->bits, sp->to_row[i]) << i % 64;
        }
        return;
    }
    for (size_t i = 0; i < wf_bits_words(rows); i++) {
        for (uint64_t left = m->bits[i]; left != 0; left &= left - 1) {
            const uint32_t row = sp->of_row[i * 64 + (size_t)__builtin_ctzll(left)];
            if (row != WF_NO_ROW) {
                wf_bit_set(bits, row);
            }
        }
    }
}

/* Whether the allowed rows keep to some of the lists: the variance between lists, less what chance
 * alone makes of it, against that of all rows. */
bool shard_filter_regional(const struct shard_space *sp, const struct shard_allowed *a)
{
    const double n = sp->n, p = a->matched / n;
    double between = 0;
    uint32_t lists = 0;
    for (uint32_t i = 0; i < sp->spec.n; i++) {
        const double rows = sp->lists[i + 1] - sp->lists[i], off = a->lists[i] - rows * p;
        between += rows > 0 ? off * off / rows : 0;
        lists += rows > 0;
    }
    const double all = n * p * (1 - p);
    return all > 0 && between / all - lists / n >= SHARD_REGIONAL;
}

static struct view *view_create(const struct shard *s, const struct made *m, unsigned slot)
{
    const struct shard_space *sp = slot < s->schema.n_spaces ? &s->spaces[slot] : NULL;
    const bool same = sp == NULL || (sp->to_row == NULL && sp->n == s->rows);
    const size_t words = same ? 0 : wf_bits_words(sp->n);
    const size_t lists = sp == NULL || sp->lists == NULL ? 0 : sp->spec.n;
    const size_t size = sizeof(struct view) + words * sizeof(uint64_t) + lists * sizeof(uint32_t);
    struct view *v = wf_xmalloc(size);
    v->size = size;
    v->allowed = (struct shard_allowed){.bits = m->bits, .matched = m->matched};
    if (!same) {
        place(sp, s->rows, m, v->bits);
        v->allowed.bits = v->bits;
        v->allowed.matched = wf_bits_count(v->bits, 0, sp->n);
    }
    if (lists > 0) {
        uint32_t *counts = (uint32_t *)(void *)(v->bits + words);
        for (size_t i = 0; i < lists; i++) {
            counts[i] = wf_bits_count(v->allowed.bits, sp->lists[i], sp->lists[i + 1]);
        }
        v->allowed.lists = counts;
        v->allowed.regional = shard_filter_regional(sp, &v->allowed);
    }
    return v;
}

static struct made *made_create(const struct shard *s, const struct wf_filter *filter,
                                uint64_t hash)
{
    const unsigned n_views = s->schema.n_spaces + 1;
    struct made *m = wf_xcalloc(1, sizeof *m + n_views * sizeof m->views[0]);
    const size_t words = wf_bits_words(s->rows) + (s->rows == 0);
    m->n_views = n_views;
    m->bits = wf_xmalloc64(words * sizeof *m->bits);
    m->matched = shard_filter_eval(s, filter->root, m->bits);
    m->keys[m->n_keys++] = key_create(m, filter->text, strlen(filter->text), hash);
    m->size = sizeof *m + n_views * sizeof m->views[0] + words * sizeof *m->bits + m->keys[0]->size;
    return m;
}

/* Publishes `m`, or finds that somebody else was first; returns the one to use. Takes m. */
static struct made *keep_made(struct shard_filters *f, struct made *m)
{
    struct unlinked gone = {0};
    pthread_mutex_lock(&f->mu);
    struct made *first = find(f, m->keys[0]->text, m->keys[0]->hash);
    if (first == NULL && make_room(f, m->size, NULL, &gone)) {
        link_made(f, m);
        link_key(f, m->keys[0]);
    }
    const bool kept = m->live;
    pthread_mutex_unlock(&f->mu);
    release_unlinked(f, &gone);
    if (first != NULL) {
        made_free(m);
        return first;
    }
    if (!kept) {
        defer(f, &m->deferred, release_made);
    }
    return m;
}

/* Lets `text` lead to `m`, in place of the oldest text but the canonical one when it has many. */
static void keep_key(struct shard_filters *f, struct made *m, const char *text, size_t length,
                     uint64_t hash)
{
    struct key *k = key_create(m, text, length, hash);
    struct unlinked gone = {0};
    pthread_mutex_lock(&f->mu);
    const bool kept = m->live && find(f, text, hash) == NULL && make_room(f, k->size, m, &gone);
    if (kept) {
        const unsigned at = m->n_keys < KEYS_MAX ? m->n_keys++ : 1 + m->oldest++ % (KEYS_MAX - 1);
        gone.key = m->keys[at];
        m->keys[at] = k;
        if (gone.key != NULL) {
            unlink_key(f, gone.key);
            m->size -= gone.key->size;
            atomic_fetch_sub(&f->bytes, gone.key->size);
        }
        m->size += k->size;
        atomic_fetch_add(&f->bytes, k->size);
        link_key(f, k);
    }
    pthread_mutex_unlock(&f->mu);
    release_unlinked(f, &gone);
    if (!kept) {
        wf_xfree(k);
    }
}

/* Publishes `v`, or finds that somebody else was first; returns the one to use. Takes v. */
static struct view *keep_view(struct shard_filters *f, struct made *m, unsigned slot,
                              struct view *v)
{
    struct unlinked gone = {0};
    pthread_mutex_lock(&f->mu);
    struct view *first = atomic_load(&m->views[slot]);
    const bool kept = first == NULL && m->live && make_room(f, v->size, m, &gone);
    if (kept) {
        m->size += v->size;
        atomic_fetch_add(&f->bytes, v->size);
        atomic_store(&m->views[slot], v);
    }
    pthread_mutex_unlock(&f->mu);
    release_unlinked(f, &gone);
    if (first != NULL) {
        wf_xfree(v);
        return first;
    }
    if (!kept) {
        defer(f, &v->deferred, release_block);
    }
    return v;
}

/* ---- asking ---- */

/* A text that no key has. */
static enum wf_code learn(struct shard_filters *f, const char *text, uint64_t hash,
                          struct made **out, bool *cold, struct wf_error *err)
{
    struct wf_filter *filter;
    enum wf_code code = wf_filter_parse(text, &f->shard->schema, &filter, err);
    if (code != WF_OK) {
        return code;
    }
    const uint64_t canonical = wf_hash64(filter->text, strlen(filter->text));
    struct made *m = find(f, filter->text, canonical);
    if (m == NULL) {
        m = keep_made(f, made_create(f->shard, filter, canonical));
        *cold = true;
    }
    if (strcmp(text, filter->text) != 0) {
        keep_key(f, m, text, strlen(text), hash);
    }
    wf_filter_close(filter);
    *out = m;
    return WF_OK;
}

static enum wf_code ask(struct shard_filters *f, const char *text, unsigned slot,
                        const struct shard_allowed **out, bool *cold, struct wf_error *err)
{
    const uint64_t hash = wf_hash64(text, strlen(text));
    struct made *m = find(f, text, hash);
    *cold = false;
    if (m == NULL) {
        enum wf_code code = learn(f, text, hash, &m, cold, err);
        if (code != WF_OK) {
            return code;
        }
    }
    struct view *v = atomic_load(&m->views[slot]);
    if (v == NULL) {
        v = keep_view(f, m, slot, view_create(f->shard, m, slot));
        *cold = true;
    }
    *out = &v->allowed;
    return WF_OK;
}

enum wf_code shard_filters_get(struct shard_filters *f, const char *text, unsigned space,
                               const struct shard_allowed **out, bool *cold, struct wf_error *err)
{
    bool was_cold;
    enum wf_code code = ask(f, text, space, out, &was_cold, err);
    if (code == WF_OK && cold != NULL) {
        *cold = was_cold;
    }
    return code;
}

enum wf_code shard_filters_rows(struct shard_filters *f, const char *text,
                                const struct shard_allowed **out, struct wf_error *err)
{
    bool was_cold;
    return ask(f, text, f->shard->schema.n_spaces, out, &was_cold, err);
}

size_t shard_filters_bytes(const struct shard_filters *f)
{
    return atomic_load(&f->bytes);
}

/* ---- life ---- */

struct shard_filters *shard_filters_create(const struct shard *shard, size_t bytes)
{
    struct shard_filters *f = wf_xcalloc(1, sizeof *f);
    f->shard = shard;
    f->limit = bytes;
    const size_t most = bytes / (shard->rows / 8 + (size_t)MADE_LEAST);
    f->n_buckets = BUCKETS_MIN;
    while (f->n_buckets < most && f->n_buckets < BUCKETS_MAX) {
        f->n_buckets *= 2;
    }
    f->buckets = wf_xcalloc(f->n_buckets, sizeof *f->buckets);
    pthread_mutex_init(&f->mu, NULL);
    return f;
}

void shard_filters_destroy(struct shard_filters *f)
{
    if (f == NULL) {
        return;
    }
    struct unlinked all = {0};
    while (f->hand != NULL) {
        unlink_made(f, f->hand, &all);
    }
    while (all.made != NULL) {
        struct made *m = all.made;
        all.made = m->after;
        made_free(m);
    }
    if (atomic_load(&f->deferred)) {
        wf_epoch_settle();
    }
    pthread_mutex_destroy(&f->mu);
    wf_xfree(f->buckets);
    wf_xfree(f);
}

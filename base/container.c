/* SPDX-License-Identifier: Apache-2.0
 *
 * container.c - opening and checking of containers; container_writer.c makes them.
 *
 * Nothing in the file is believed: head and table of contents are checked by hash and then by
 * bounds (a hostile file may carry right hashes), sections must follow each other in rising order,
 * and the bytes between them must be zero, so that every byte of the file is covered by a check.
 * The container owns the mapping and its table; sections are borrowed from it.
 */
#include "base/container.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/container_format.h"
#include "base/file.h"

enum { VERIFY_STEP = 256 << 10 }; /* stays in the cache between the two hashes */

struct wf_container {
    struct wf_map map; /* size 0 when the bytes are someone else's */
    const unsigned char *data;
    size_t size;
    char *path; /* for messages */
    struct wf_section *sections;
    struct wf_section **by_name;
    unsigned n;
};

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

bool wf_section_name_valid(const char name[64])
{
    const size_t n = strnlen(name, 64);
    if (n == 0 || n == 64 || !all_zero((const unsigned char *)name + n, 64 - n)) {
        return false;
    }
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
    return strspn(name, allowed) == n;
}

static enum wf_code check_head(const struct wf_container *c, struct wf_container_head *head,
                               struct wf_error *err)
{
    if (c->size < sizeof *head) {
        return wf_fail(err, WF_DATA_LOSS, "%zu bytes, a container has at least %zu", c->size,
                       sizeof *head);
    }
    memcpy(head, c->data, sizeof *head);
    if (memcmp(head->magic, WF_CONTAINER_MAGIC, sizeof head->magic) != 0) {
        return wf_fail(err, WF_DATA_LOSS, "not a container: the magic number differs");
    }
    if (head->version != WF_CONTAINER_VERSION) {
        return wf_fail(err, WF_DATA_LOSS, "container version %u, this program reads %u",
                       head->version, WF_CONTAINER_VERSION);
    }
    if (head->toc_offset < sizeof *head || head->toc_offset % WF_CONTAINER_ALIGN != 0 ||
        head->toc_offset > c->size || head->toc_size != c->size - head->toc_offset ||
        head->toc_size != head->n_sections * sizeof(struct wf_container_entry)) {
        return wf_fail(err, WF_DATA_LOSS,
                       "table of %u sections at %llu of %llu bytes does not end a file of %zu",
                       head->n_sections, (unsigned long long)head->toc_offset,
                       (unsigned long long)head->toc_size, c->size);
    }
    const struct wf_hash128 hash = wf_hash128(c->data + head->toc_offset, (size_t)head->toc_size);
    if (memcmp(&hash, &head->toc_hash, sizeof hash) != 0 ||
        !all_zero(head->pad, sizeof head->pad)) {
        return wf_fail(err, WF_DATA_LOSS, "head or table of contents is damaged");
    }
    return WF_OK;
}

static enum wf_code check_entry(struct wf_container *c, const struct wf_container_entry *e,
                                uint64_t *at, uint64_t toc_offset, struct wf_error *err)
{
    if (!wf_section_name_valid(e->name)) {
        return wf_fail(err, WF_DATA_LOSS, "section %u has no valid name", c->n);
    }
    if (e->offset % WF_CONTAINER_ALIGN != 0 || e->offset < *at || e->offset > toc_offset ||
        e->size > toc_offset - e->offset) {
        return wf_fail(err, WF_DATA_LOSS, "section %s: %llu bytes at %llu lie outside %llu..%llu",
                       e->name, (unsigned long long)e->size, (unsigned long long)e->offset,
                       (unsigned long long)*at, (unsigned long long)toc_offset);
    }
    struct wf_section *s = &c->sections[c->n];
    memcpy(s->name, e->name, sizeof s->name);
    s->data = c->data + e->offset;
    s->size = (size_t)e->size;
    s->hash = e->hash;
    c->by_name[c->n++] = s;
    *at = e->offset + e->size;
    return WF_OK;
}

static int compare_names(const void *a, const void *b)
{
    const struct wf_section *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static enum wf_code load(struct wf_container *c, struct wf_error *err)
{
    struct wf_container_head head = {0};
    enum wf_code code = check_head(c, &head, err);
    if (code != WF_OK) {
        return code;
    }
    c->sections = wf_xarray(struct wf_section, head.n_sections);
    c->by_name = wf_xarray(struct wf_section *, head.n_sections);
    uint64_t at = sizeof head;
    for (uint32_t i = 0; i < head.n_sections && code == WF_OK; i++) {
        struct wf_container_entry e;
        memcpy(&e, c->data + head.toc_offset + i * sizeof e, sizeof e);
        code = check_entry(c, &e, &at, head.toc_offset, err);
    }
    if (code != WF_OK) {
        return code;
    }
    qsort(c->by_name, c->n, sizeof(struct wf_section *), compare_names);
    for (unsigned i = 1; i < c->n; i++) {
        if (strcmp(c->by_name[i - 1]->name, c->by_name[i]->name) == 0) {
            return wf_fail(err, WF_DATA_LOSS, "two sections named %s", c->by_name[i]->name);
        }
    }
    return WF_OK;
}

/* Takes `map` when it succeeds. */
static enum wf_code make(const char *path, struct wf_map map, const void *data, size_t size,
                         struct wf_container **out, struct wf_error *err)
{
    struct wf_container *c = wf_xcalloc(1, sizeof *c);
    c->data = data;
    c->size = size;
    c->path = wf_xstrdup(path);
    const enum wf_code code = load(c, err);
    if (code != WF_OK) {
        wf_prefix(err, "%s: ", path);
        wf_container_close(c);
        return code;
    }
    c->map = map;
    *out = c;
    return WF_OK;
}

enum wf_code wf_container_open(const char *path, struct wf_container **out, struct wf_error *err)
{
    struct wf_map map;
    enum wf_code code = wf_map_open(path, &map, err);
    if (code != WF_OK) {
        return code;
    }
    code = make(path, map, map.data, map.size, out, err);
    if (code != WF_OK) {
        wf_map_close(&map);
    }
    return code;
}

enum wf_code wf_container_view(const void *data, size_t size, struct wf_container **out,
                               struct wf_error *err)
{
    return make("memory", (struct wf_map){0}, data, size, out, err);
}

void wf_container_close(struct wf_container *c)
{
    if (c == NULL) {
        return;
    }
    wf_map_close(&c->map);
    wf_xfree(c->by_name);
    wf_xfree(c->sections);
    wf_xfree(c->path);
    wf_xfree(c);
}

struct verifier {
    struct wf_hasher *whole, *own;
    const atomic_bool *stop; /* NULL: never */
};

static bool stopped(const struct verifier *v)
{
    return v->stop != NULL && atomic_load(v->stop);
}

/* Hashes [data, data + size) alone and into the whole file's hasher, each byte from memory once. */
static struct wf_hash128 hash_both(const struct verifier *v, const unsigned char *data, size_t size)
{
    for (size_t at = 0; at < size && !stopped(v);) {
        const size_t n = size - at < VERIFY_STEP ? size - at : VERIFY_STEP;
        wf_hasher_add(v->own, data + at, n);
        wf_hasher_add(v->whole, data + at, n);
        at += n;
    }
    return wf_hasher_end(v->own);
}

static enum wf_code check_sections(const struct wf_container *c, const struct verifier *v,
                                   struct wf_error *err)
{
    const unsigned char *at = c->data + sizeof(struct wf_container_head);
    wf_hasher_add(v->whole, c->data, sizeof(struct wf_container_head));
    for (unsigned i = 0; i < c->n; i++) {
        const struct wf_section *s = &c->sections[i];
        const size_t gap = (size_t)(s->data - at);
        wf_hasher_add(v->whole, at, gap);
        if (!all_zero(at, gap)) {
            return wf_fail(err, WF_DATA_LOSS, "%s: bytes before section %s are not zero", c->path,
                           s->name);
        }
        const struct wf_hash128 hash = hash_both(v, s->data, s->size);
        if (stopped(v)) {
            return wf_fail(err, WF_CANCELLED, "%s: stopped at section %s", c->path, s->name);
        }
        if (memcmp(&hash, &s->hash, sizeof hash) != 0) {
            char want[33], got[33];
            wf_hash128_hex(s->hash, want);
            wf_hash128_hex(hash, got);
            return wf_fail(err, WF_DATA_LOSS, "%s: section %s has hash %s, recorded is %s", c->path,
                           s->name, got, want);
        }
        at = s->data + s->size;
    }
    const size_t rest = c->size - (size_t)(at - c->data);
    const size_t toc = c->n * sizeof(struct wf_container_entry);
    wf_hasher_add(v->whole, at, rest);
    if (!all_zero(at, rest - toc)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: bytes before the table of contents are not zero",
                       c->path);
    }
    return WF_OK;
}

enum wf_code wf_container_verify_hash(const struct wf_container *c, const atomic_bool *stop,
                                      struct wf_hash128 *whole, struct wf_error *err)
{
    const struct verifier v = {
        .whole = wf_hasher_create(), .own = wf_hasher_create(), .stop = stop};
    const enum wf_code code = check_sections(c, &v, err);
    if (code == WF_OK) {
        *whole = wf_hasher_end(v.whole);
    }
    wf_hasher_destroy(v.whole);
    wf_hasher_destroy(v.own);
    return code;
}

const struct wf_stamp *wf_container_stamp(const struct wf_container *c)
{
    return &c->map.stamp;
}

enum wf_code wf_container_verify(const struct wf_container *c, struct wf_error *err)
{
    struct wf_hash128 whole;
    return wf_container_verify_hash(c, NULL, &whole, err);
}

size_t wf_container_size(const struct wf_container *c)
{
    return c->size;
}

unsigned wf_container_count(const struct wf_container *c)
{
    return c->n;
}

const struct wf_section *wf_container_at(const struct wf_container *c, unsigned i)
{
    wf_assert(i < c->n);
    return &c->sections[i];
}

static int compare_key(const void *name, const void *section)
{
    const struct wf_section *const *s = section;
    return strcmp(name, (*s)->name);
}

const struct wf_section *wf_container_find(const struct wf_container *c, const char *name)
{
    if (c->n == 0) {
        return NULL;
    }
    struct wf_section **s =
        bsearch(name, c->by_name, c->n, sizeof(struct wf_section *), compare_key);
    return s == NULL ? NULL : *s;
}

enum wf_code wf_container_get(const struct wf_container *c, const char *name, size_t n, size_t size,
                              const void **out, struct wf_error *err)
{
    const struct wf_section *s = wf_container_find(c, name);
    if (s == NULL) {
        return wf_fail(err, WF_DATA_LOSS, "%s: no section %s", c->path, name);
    }
    size_t want;
    if (__builtin_mul_overflow(n, size, &want) || s->size != want) {
        return wf_fail(err, WF_DATA_LOSS, "%s: section %s has %zu bytes, want %zu of %zu", c->path,
                       name, s->size, n, size);
    }
    *out = s->data;
    return WF_OK;
}

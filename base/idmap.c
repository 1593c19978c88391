/* SPDX-License-Identifier: Apache-2.0
 *
 * idmap.c - see idmap.h. The hashes are uniform, so a lookup guesses the place by proportion and
 * then walks: two or three cache lines instead of a binary search's twenty. A wrong guess costs
 * time, never correctness.
 */
#include "base/idmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/generation.h"
#include "base/hash.h"

enum { GUESSES = 8 };

/* Where an id map lies. */
struct place {
    const struct wf_container *container;
    const char *prefix;
};

static enum wf_code get(const struct place *at, const char *what, size_t n, size_t size,
                        const void **out, struct wf_error *err)
{
    char name[64];
    if ((size_t)snprintf(name, sizeof name, "%s/%s", at->prefix, what) >= sizeof name) {
        wf_fail(err, WF_INVALID, "section prefix \"%.80s\" is too long", at->prefix);
        return WF_INVALID;
    }
    return wf_container_get(at->container, name, n, size, out, err);
}

static enum wf_code check_ids(const struct wf_idmap *m, size_t bytes, const char *prefix,
                              struct wf_error *err)
{
    if (m->offsets[0] != 0 || m->offsets[m->n] != bytes) {
        return wf_fail(err, WF_DATA_LOSS, "%s/offsets: span %u to %u, %zu bytes are there", prefix,
                       m->offsets[0], m->offsets[m->n], bytes);
    }
    for (uint32_t i = 0; i < m->n; i++) {
        const uint32_t begin = m->offsets[i], end = m->offsets[i + 1];
        if (end <= begin || end - begin > WF_SKU_MAX || end > bytes ||
            !wf_utf8_valid(m->bytes + begin, end - begin)) {
            return wf_fail(err, WF_DATA_LOSS, "%s: id of row %u is not 1 to %d bytes of UTF-8",
                           prefix, i, WF_SKU_MAX);
        }
    }
    return WF_OK;
}

static enum wf_code check_hashes(const struct wf_idmap *m, const char *prefix, struct wf_error *err)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->rows[i] >= m->n) {
            return wf_fail(err, WF_DATA_LOSS, "%s/rows[%u]: row %u, there are %u", prefix, i,
                           m->rows[i], m->n);
        }
        if (i > 0 && m->hashes[i] < m->hashes[i - 1]) {
            return wf_fail(err, WF_DATA_LOSS, "%s/hashes[%u] is below the one before", prefix, i);
        }
    }
    return WF_OK;
}

enum wf_code wf_idmap_map(const struct wf_container *c, const char *prefix, uint32_t n,
                          struct wf_idmap *out, struct wf_error *err)
{
    const struct place at = {.container = c, .prefix = prefix};
    const void *offsets, *bytes, *hashes, *rows;
    enum wf_code code = get(&at, "offsets", (size_t)n + 1, sizeof(uint32_t), &offsets, err);
    if (code == WF_OK) {
        code = get(&at, "bytes", ((const uint32_t *)offsets)[n], 1, &bytes, err);
    }
    if (code == WF_OK) {
        code = get(&at, "hashes", n, sizeof(uint64_t), &hashes, err);
    }
    if (code == WF_OK) {
        code = get(&at, "rows", n, sizeof(uint32_t), &rows, err);
    }
    if (code != WF_OK) {
        return code;
    }
    *out = (struct wf_idmap){
        .n = n, .offsets = offsets, .bytes = bytes, .hashes = hashes, .rows = rows};
    return WF_OK;
}

enum wf_code wf_idmap_check(const struct wf_idmap *m, const char *prefix, struct wf_error *err)
{
    const enum wf_code code = check_ids(m, m->offsets[m->n], prefix, err);
    return code == WF_OK ? check_hashes(m, prefix, err) : code;
}

enum wf_code wf_idmap_open(const struct wf_container *c, const char *prefix, uint32_t n,
                           struct wf_idmap *out, struct wf_error *err)
{
    struct wf_idmap m;
    enum wf_code code = wf_idmap_map(c, prefix, n, &m, err);
    if (code == WF_OK) {
        code = wf_idmap_check(&m, prefix, err);
    }
    if (code == WF_OK) {
        *out = m;
    }
    return code;
}

/* First place whose hash is at least h. */
static uint32_t lower_bound(const uint64_t *hashes, uint32_t n, uint64_t h)
{
    uint32_t low = 0, high = n; /* hashes[low - 1] < h <= hashes[high] */
    for (int i = 0; i < GUESSES && high - low > 8; i++) {
        const uint64_t first = hashes[low], last = hashes[high - 1];
        if (h <= first || h > last) {
            return h <= first ? low : high;
        }
        const double share = (double)(h - first) / (double)(last - first);
        const uint32_t at = low + (uint32_t)(share * (double)(high - low - 1));
        if (hashes[at] < h) {
            low = at + 1;
        } else {
            high = at;
        }
        /* The guess is near; move the far end close to it. */
        const uint32_t step = 8;
        if (high - low > 2 * step && hashes[low + step] >= h) {
            high = low + step;
        } else if (high - low > 2 * step && hashes[high - step] < h) {
            low = high - step + 1;
        }
    }
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (hashes[mid] < h) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

uint32_t wf_idmap_find(const struct wf_idmap *m, const char *id, size_t size)
{
    const uint64_t h = wf_hash64(id, size);
    for (uint32_t i = lower_bound(m->hashes, m->n, h); i < m->n && m->hashes[i] == h; i++) {
        size_t have;
        const char *bytes = wf_idmap_get(m, m->rows[i], &have);
        if (have == size && memcmp(bytes, id, size) == 0) {
            return m->rows[i];
        }
    }
    return WF_NO_ROW;
}

const char *wf_idmap_get(const struct wf_idmap *m, uint32_t row, size_t *size)
{
    *size = m->offsets[row + 1] - m->offsets[row];
    return m->bytes + m->offsets[row];
}

struct hashed {
    uint64_t hash;
    uint32_t row;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Equal ids have equal hashes, so only neighbours of one hash need comparing. */
static enum wf_code check_unique(const struct hashed *h, const char *const *ids, uint32_t n,
                                 struct wf_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = i + 1; j < n && h[j].hash == h[i].hash; j++) {
            if (strcmp(ids[h[i].row], ids[h[j].row]) == 0) {
                return wf_fail(err, WF_INVALID, "id \"%.64s\" is there twice: rows %u and %u",
                               ids[h[i].row], h[i].row, h[j].row);
            }
        }
    }
    return WF_OK;
}

static enum wf_code check_all(const char *const *ids, uint32_t n, struct wf_error *err)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        const size_t size = strlen(ids[i]);
        if (size == 0 || size > WF_SKU_MAX || !wf_utf8_valid(ids[i], size)) {
            return wf_fail(err, WF_INVALID, "id of row %u has %zu bytes, 1 to %d of UTF-8 are due",
                           i, size, WF_SKU_MAX);
        }
        total += size;
    }
    return total <= UINT32_MAX ? WF_OK
                               : wf_fail(err, WF_EXHAUSTED, "ids take %llu bytes, limit is %u",
                                         (unsigned long long)total, UINT32_MAX);
}

static void begin(struct wf_container_writer *w, const char *prefix, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s/%s", prefix, what);
    wf_container_begin(w, name);
}

static void write_ids(struct wf_container_writer *w, const char *prefix, const char *const *ids,
                      uint32_t n)
{
    begin(w, prefix, "offsets");
    uint32_t at = 0;
    wf_container_put(w, &at, sizeof at);
    for (uint32_t i = 0; i < n; i++) {
        at += (uint32_t)strlen(ids[i]);
        wf_container_put(w, &at, sizeof at);
    }
    begin(w, prefix, "bytes");
    for (uint32_t i = 0; i < n; i++) {
        wf_container_put(w, ids[i], strlen(ids[i]));
    }
}

static void write_hashes(struct wf_container_writer *w, const char *prefix, const struct hashed *h,
                         uint32_t n)
{
    begin(w, prefix, "hashes");
    for (uint32_t i = 0; i < n; i++) {
        wf_container_put(w, &h[i].hash, sizeof h[i].hash);
    }
    begin(w, prefix, "rows");
    for (uint32_t i = 0; i < n; i++) {
        wf_container_put(w, &h[i].row, sizeof h[i].row);
    }
}

enum wf_code wf_idmap_write(struct wf_container_writer *w, const char *prefix,
                            const char *const *ids, uint32_t n, struct wf_error *err)
{
    enum wf_code code = check_all(ids, n, err);
    if (code != WF_OK) {
        return code;
    }
    struct hashed *h = wf_xarray(struct hashed, n == 0 ? 1 : n);
    for (uint32_t i = 0; i < n; i++) {
        h[i] = (struct hashed){.hash = wf_hash64(ids[i], strlen(ids[i])), .row = i};
    }
    qsort(h, n, sizeof *h, by_hash);
    code = check_unique(h, ids, n, err);
    if (code == WF_OK) {
        write_ids(w, prefix, ids, n);
        write_hashes(w, prefix, h, n);
    }
    wf_xfree(h);
    return code;
}

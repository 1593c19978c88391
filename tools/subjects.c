/* SPDX-License-Identifier: Apache-2.0
 *
 * subjects.c - drawing users and items of a generation.
 */
#include "tools/subjects.h"

#include <string.h>

#include "base/arena.h"
#include "base/hash.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void order(struct tool_ids *ids, uint64_t seed, uint64_t stream)
{
    struct wf_random r = wf_random_of(seed, stream);
    if (ids->n == 0) {
        return;
    }
    ids->first = wf_random_below(&r, ids->n);
    do {
        ids->step = 1 + wf_random_below(&r, ids->n);
    } while (gcd(ids->step, ids->n) != 1);
}

static enum wf_code open_users(struct tool_subjects *s, const char *gen, struct wf_error *err)
{
    char *path = wf_xprintf("%s/global/global.weft", gen);
    enum wf_code code = wf_container_open(path, &s->containers[0], err);
    wf_xfree(path);
    if (code != WF_OK) {
        return code;
    }
    const struct wf_section *offsets = wf_container_find(s->containers[0], "users/offsets");
    const size_t n = offsets == NULL ? 0 : offsets->size / sizeof(uint32_t);
    if (n < 2 || n > UINT32_MAX) {
        return WF_OK; /* no users */
    }
    s->users.maps = wf_xcalloc(1, sizeof s->users.maps[0]);
    s->users.n_maps = 1;
    s->users.n = n - 1;
    return wf_idmap_open(s->containers[0], "users", (uint32_t)(n - 1), &s->users.maps[0], err);
}

static enum wf_code open_items(struct tool_subjects *s, const char *gen, struct wf_error *err)
{
    const uint32_t n = s->manifest->n_shards;
    s->items.maps = wf_xcalloc(n, sizeof s->items.maps[0]);
    s->items.n_maps = n;
    enum wf_code code = WF_OK;
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        char *path = wf_xprintf("%s/shard-%03u/shard.weft", gen, i);
        code = wf_container_open(path, &s->containers[1 + i], err);
        wf_xfree(path);
        if (code == WF_OK) {
            code = wf_idmap_open(s->containers[1 + i], "ids", (uint32_t)s->manifest->shard_rows[i],
                                 &s->items.maps[i], err);
        }
        s->items.n += s->items.maps[i].n;
    }
    return code;
}

enum wf_code tool_subjects_open(const char *gen, uint64_t seed, struct tool_subjects *out,
                                struct wf_error *err)
{
    struct tool_subjects s = {0};
    enum wf_code code = wf_manifest_open(gen, &s.manifest, err);
    if (code != WF_OK) {
        return code;
    }
    s.containers = wf_xcalloc((size_t)s.manifest->n_shards + 1, sizeof s.containers[0]);
    code = open_users(&s, gen, err);
    if (code == WF_OK) {
        code = open_items(&s, gen, err);
    }
    if (code != WF_OK) {
        tool_subjects_close(&s);
        return code;
    }
    order(&s.users, seed, 1);
    order(&s.items, seed, 2);
    *out = s;
    return WF_OK;
}

void tool_subjects_close(struct tool_subjects *s)
{
    for (uint32_t i = 0; s->containers != NULL && i <= s->manifest->n_shards; i++) {
        wf_container_close(s->containers[i]);
    }
    wf_xfree(s->containers);
    wf_xfree(s->users.maps);
    wf_xfree(s->items.maps);
    wf_manifest_close(s->manifest);
    *s = (struct tool_subjects){0};
}

void tool_subject(const struct tool_ids *ids, uint64_t i, char text[WF_SKU_MAX + 1])
{
    uint64_t at = ((i % ids->n) * ids->step + ids->first) % ids->n;
    uint32_t map = 0;
    while (at >= ids->maps[map].n) {
        at -= ids->maps[map++].n;
    }
    size_t size;
    const char *id = wf_idmap_get(&ids->maps[map], (uint32_t)at, &size);
    memcpy(text, id, size);
    text[size] = '\0';
}

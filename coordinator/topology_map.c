/* SPDX-License-Identifier: Apache-2.0
 *
 * topology_map.c - the topology file. Reads and checks; opens nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/config.h"
#include "coordinator/topology.h"

/* "host:port" or "unix:/path". */
static bool is_address(const char *s)
{
    if (strncmp(s, "unix:", 5) == 0) {
        return s[5] != '\0';
    }
    const char *colon = strrchr(s, ':');
    if (!colon || colon == s || strlen(s) > 255 || !colon[1] || strlen(colon + 1) > 5) {
        return false;
    }
    return strspn(colon + 1, "0123456789") == strlen(colon + 1);
}

static enum wf_code read_shard(const struct wf_tree *tree, const char *file, unsigned shard,
                               struct coord_map_shard *out, struct wf_error *err)
{
    static const char *const keys[] = {"replicas", NULL};
    char path[64];
    snprintf(path, sizeof path, "shards.[%u]", shard);
    enum wf_code code = wf_tree_only(tree, path, keys, err);
    if (code != WF_OK) {
        return code;
    }
    snprintf(path, sizeof path, "shards.[%u].replicas", shard);
    unsigned n = wf_tree_count(tree, path);
    if (n < 1 || n > COORD_REPLICAS_MAX) {
        return wf_invalid(err, "CONFIG", path, "%s: shard %u has %u replicas, 1 to %d are possible",
                          file, shard, n, COORD_REPLICAS_MAX);
    }
    out->addresses = wf_xarray(char *, n);
    for (unsigned i = 0; i < n; i++) {
        const char *address = NULL;
        snprintf(path, sizeof path, "shards.[%u].replicas.[%u]", shard, i);
        code = wf_tree_str(tree, path, &address, err);
        if (code != WF_OK) {
            return code;
        }
        if (!is_address(address)) {
            return wf_invalid(err, "CONFIG", path, "%s: %s is \"%.80s\", wanted \"host:port\"",
                              file, path, address);
        }
        out->addresses[out->n++] = wf_xstrdup(address);
    }
    return WF_OK;
}

static enum wf_code read_map(const struct wf_tree *tree, const char *file, struct coord_map *map,
                             struct wf_error *err)
{
    static const char *const keys[] = {"shards", NULL};
    enum wf_code code = wf_tree_only(tree, "", keys, err);
    if (code != WF_OK) {
        return code;
    }
    unsigned n = wf_tree_count(tree, "shards");
    if (n < 1 || n > COORD_SHARDS_MAX) {
        return wf_invalid(err, "CONFIG", "shards", "%s: %u shards, 1 to %d are possible", file, n,
                          COORD_SHARDS_MAX);
    }
    map->shards = wf_xarray(struct coord_map_shard, n);
    map->n = n;
    for (unsigned i = 0; i < n; i++) {
        code = read_shard(tree, file, i, &map->shards[i], err);
        if (code != WF_OK) {
            return code;
        }
    }
    return WF_OK;
}

enum wf_code coord_map_read(const char *file, struct coord_map *out, struct wf_error *err)
{
    struct wf_tree *tree = NULL;
    enum wf_code code = wf_tree_open(file, &tree, err);
    if (code != WF_OK) {
        return code;
    }
    struct coord_map map = {0};
    code = read_map(tree, file, &map, err);
    wf_tree_close(tree);
    if (code != WF_OK) {
        coord_map_fini(&map);
        return code;
    }
    *out = map;
    return WF_OK;
}

void coord_map_fini(struct coord_map *m)
{
    for (uint32_t i = 0; i < m->n; i++) {
        for (uint32_t j = 0; j < m->shards[i].n; j++) {
            wf_xfree(m->shards[i].addresses[j]);
        }
        wf_xfree(m->shards[i].addresses);
    }
    wf_xfree(m->shards);
    *m = (struct coord_map){0};
}

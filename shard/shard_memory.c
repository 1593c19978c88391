/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_memory.c - what a shard takes, by component: its sections by their names, what is copied
 * out of them, and the bitmaps that it keeps. Known from the table of contents alone, so that a
 * generation that does not fit is refused before a page of it is touched.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cgroup.h"
#include "shard/coarse.h"
#include "shard/mapped.h"

enum { FILTER_CACHE = 64 << 20 };

const char *const shard_component_names[SHARD_COMPONENTS + 1] = {
    [SHARD_BYTES_CODES] = "codes",     [SHARD_BYTES_INDEX] = "index",
    [SHARD_BYTES_COLUMNS] = "columns", [SHARD_BYTES_IDS] = "ids",
    [SHARD_BYTES_BITMAPS] = "bitmaps", [SHARD_BYTES_DELTA] = "delta",
};

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static bool ends(const char *name, const char *with)
{
    const size_t n = strlen(name), m = strlen(with);
    return n >= m && strcmp(name + n - m, with) == 0;
}

static enum shard_component component_of(const char *name)
{
    if (begins(name, "ids/")) {
        return SHARD_BYTES_IDS;
    }
    if (begins(name, "space/")) {
        return ends(name, "/codes") ? SHARD_BYTES_CODES : SHARD_BYTES_INDEX;
    }
    return begins(name, "attr/") || begins(name, "feature/") ? SHARD_BYTES_COLUMNS
                                                             : SHARD_BYTES_INDEX;
}

void shard_memory_of(const struct wf_container *c, uint64_t bytes[SHARD_COMPONENTS])
{
    memset(bytes, 0, SHARD_COMPONENTS * sizeof *bytes);
    for (unsigned i = 0; i < wf_container_count(c); i++) {
        const struct wf_section *s = wf_container_at(c, i);
        bytes[component_of(s->name)] += s->size;
        /* A graph is copied by its first search, with a word of place for each row. */
        bytes[SHARD_BYTES_INDEX] += ends(s->name, "/levels") ? 3 * (uint64_t)s->size : 0;
        bytes[SHARD_BYTES_INDEX] += ends(s->name, "/links") ? s->size : 0;
    }
}

uint64_t shard_memory_limit(const struct shard_open_options *o)
{
    return o->memory_limit > 0 ? o->memory_limit : wf_cgroup_memory("");
}

size_t shard_filter_cache(const struct shard_open_options *o)
{
    return o->filter_cache > 0 ? o->filter_cache : FILTER_CACHE;
}

enum wf_code shard_memory_check(const struct wf_container *c, const struct shard_open_options *o,
                                struct wf_error *err)
{
    uint64_t bytes[SHARD_COMPONENTS], sum = 0;
    shard_memory_of(c, bytes);
    bytes[SHARD_BYTES_BITMAPS] = shard_filter_cache(o);
    char text[160] = "";
    size_t at = 0;
    for (int i = 0; i < SHARD_COMPONENTS; i++) {
        sum += bytes[i];
        if (at < sizeof text) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %" PRIu64,
                                   i == 0 ? "" : " + ", shard_component_names[i], bytes[i]);
        }
    }
    const uint64_t limit = shard_memory_limit(o);
    if (limit > 0 && sum > limit) {
        wf_fail(err, WF_EXHAUSTED, "%s = %" PRIu64 " bytes, limit is %" PRIu64, text, sum, limit);
        return wf_reason(err, "MEMORY");
    }
    return WF_OK;
}

void shard_memory(const struct shard *s, uint64_t bytes[SHARD_COMPONENTS])
{
    memcpy(bytes, s->memory, sizeof s->memory);
    for (unsigned i = 0; i < s->schema.n_spaces; i++) {
        bytes[SHARD_BYTES_INDEX] += shard_coarse_bytes(s->spaces[i].coarse);
    }
    bytes[SHARD_BYTES_BITMAPS] = shard_filters_bytes(s->filters);
    bytes[SHARD_BYTES_BITMAPS] = shard_filters_bytes(s->filters);
}

uint64_t shard_limit(const struct shard *s)
{
    return s->memory_limit;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_seal.c - from a directory to a shard that may be searched: verified now, or sealed when it
 * was.
 *
 * Verifying reads every byte (checksums) and every number (shard_check.c). With a seal that names
 * this very file neither is done: the sections are mapped and the first search reads the first
 * pages. A scrub does later what the opening left out. Nothing of a file is mapped in before the
 * memory that it will take is known to be there.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "shard/mapped.h"

/* Every byte, and what the bytes say. */
static enum wf_code verify(const struct shard *s, const atomic_bool *stop, struct wf_error *err)
{
    const enum wf_code code = s->seal.path[0] == '\0'
                                  ? wf_container_verify(s->container, err)
                                  : wf_generation_verify(s->container, &s->seal, stop, err);
    return code == WF_OK ? shard_check(s, stop, err) : code;
}

static void write_seal(const struct shard *s)
{
    struct wf_error err;
    if (s->seal_file == NULL) {
        return;
    }
    const enum wf_code code = wf_seal_write(s->seal_file, &s->seal, &err);
    if (code != WF_OK) {
        wf_log(code == WF_PRECONDITION ? WF_INFO : WF_WARN, "not_sealed",
               WF_S("seal", s->seal_file), WF_S("text", err.text));
    }
}

static void remove_seal(const struct shard *s)
{
    if (s->seal_file != NULL) {
        wf_seal_remove(s->seal_file);
    }
}

/* A container becomes a shard; the container is taken. */
static enum wf_code make(struct wf_container *c, const struct wf_manifest *m, bool sealed,
                         const struct wf_seal *seal, struct shard **out, struct wf_error *err)
{
    enum wf_code code = sealed ? WF_OK : wf_generation_verify(c, seal, NULL, err);
    if (code != WF_OK) {
        wf_container_close(c);
        return code; /* names the file */
    }
    struct shard *s;
    code = sealed ? shard_map(c, &m->schema, m->name, &s, err)
                  : shard_view(c, &m->schema, m->name, &s, err);
    if (code != WF_OK) {
        return wf_prefix(err, "%s: ", seal->path);
    }
    s->seal = *seal;
    s->sealed = sealed;
    *out = s;
    return WF_OK;
}

static enum wf_code open_file(const char *dir, uint32_t number, const struct wf_manifest *m,
                              const struct shard_open_options *o, struct shard **out,
                              struct wf_error *err)
{
    if (number >= m->n_shards) {
        wf_fail(err, WF_INVALID, "shard %u was asked for, generation %s has %u", number, m->name,
                m->n_shards);
        return WF_INVALID;
    }
    char path[WF_NAME_MAX];
    snprintf(path, sizeof path, "shard-%03u/shard.weft", number);
    struct wf_container *container;
    struct wf_seal seal;
    enum wf_code code = wf_generation_map(dir, m, path, &container, &seal, err);
    if (code != WF_OK) {
        return code;
    }
    code = shard_memory_check(container, o, err);
    if (code != WF_OK) {
        wf_container_close(container);
        return wf_prefix(err, "%s: ", path);
    }
    const bool sealed = o->seal != NULL && wf_seal_holds(o->seal, &seal);
    return make(container, m, sealed, &seal, out, err);
}

/* Whether the container is the one that the manifest means. */
static enum wf_code compare(const struct shard *s, uint32_t number, const struct wf_manifest *m,
                            struct wf_error *err)
{
    if (s->number == number && s->n_shards == m->n_shards && s->rows == m->shard_rows[number]) {
        return WF_OK;
    }
    return wf_fail(err, WF_DATA_LOSS,
                   "container says shard %u of %u with %u rows, manifest %u of %u with %llu",
                   s->number, s->n_shards, s->rows, number, m->n_shards,
                   (unsigned long long)m->shard_rows[number]);
}

static enum wf_code open_shard(const char *dir, uint32_t number, const struct shard_open_options *o,
                               struct shard **out, struct wf_error *err)
{
    struct wf_manifest *m;
    enum wf_code code = wf_manifest_open(dir, &m, err);
    if (code != WF_OK) {
        return code;
    }
    struct shard *s = NULL;
    code = open_file(dir, number, m, o, &s, err);
    if (code == WF_OK) {
        code = compare(s, number, m, err);
    }
    wf_manifest_close(m);
    if (code != WF_OK) {
        shard_close(s);
        return code;
    }
    *out = s;
    return WF_OK;
}

enum wf_code shard_open(const char *dir, uint32_t number, const struct shard_open_options *options,
                        struct shard **out, struct wf_error *err)
{
    static const struct shard_open_options defaults = {0};
    const struct shard_open_options *o = options == NULL ? &defaults : options;
    const enum wf_code code = open_shard(dir, number, o, out, err);
    if (code != WF_OK) {
        if (o->seal != NULL && code == WF_DATA_LOSS) {
            wf_seal_remove(o->seal);
        }
        return code;
    }
    struct shard *s = *out;
    s->memory_limit = shard_memory_limit(o);
    shard_filters_destroy(s->filters);
    s->filters = shard_filters_create(s, shard_filter_cache(o));
    if (o->seal != NULL) {
        s->seal_file = wf_xstrdup(o->seal);
        if (!s->sealed) {
            write_seal(s);
        }
    }
    return WF_OK;
}

bool shard_sealed(const struct shard *s)
{
    return s->sealed;
}

enum wf_code shard_scrub(const struct shard *s, const atomic_bool *stop, struct wf_error *err)
{
    const enum wf_code code = verify(s, stop, err);
    if (code == WF_DATA_LOSS) {
        remove_seal(s);
    }
    return code;
}

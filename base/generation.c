/* SPDX-License-Identifier: Apache-2.0
 *
 * generation.c - opens the containers of a generation and believes only the manifest: size, hash of
 * the whole file and hash of every section, each byte read once. What comes out may be handed to
 * parsers of native code. Thread-safe.
 */
#include "base/generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

static const struct wf_manifest_file *find_file(const struct wf_manifest *m, const char *path)
{
    for (unsigned i = 0; i < m->n_files; i++) {
        if (strcmp(m->files[i].path, path) == 0) {
            return &m->files[i];
        }
    }
    return NULL;
}

enum wf_code wf_generation_map(const char *dir, const struct wf_manifest *m, const char *path,
                               struct wf_container **out, struct wf_seal *seal,
                               struct wf_error *err)
{
    const struct wf_manifest_file *f = find_file(m, path);
    if (f == NULL) {
        return wf_fail(err, WF_NOT_FOUND, "generation %s has no file \"%s\"", m->name, path);
    }
    char *full = wf_xprintf("%s/%s", dir, f->path);
    struct wf_container *c = NULL;
    const enum wf_code code = wf_container_open(full, &c, err);
    wf_xfree(full);
    if (code != WF_OK) {
        return code;
    }
    if (wf_container_size(c) != f->size) {
        wf_fail(err, WF_DATA_LOSS, "%s: %zu bytes, the manifest says %" PRIu64, f->path,
                wf_container_size(c), f->size);
        wf_container_close(c);
        return WF_DATA_LOSS;
    }
    *seal = (struct wf_seal){.hash = f->hash, .stamp = *wf_container_stamp(c)};
    snprintf(seal->path, sizeof seal->path, "%s", f->path);
    snprintf(seal->generation, sizeof seal->generation, "%s", m->content_hash);
    *out = c;
    return WF_OK;
}

enum wf_code wf_generation_verify(const struct wf_container *c, const struct wf_seal *seal,
                                  const atomic_bool *stop, struct wf_error *err)
{
    struct wf_hash128 hash;
    const enum wf_code code = wf_container_verify_hash(c, stop, &hash, err);
    if (code != WF_OK) {
        return code;
    }
    if (memcmp(&hash, &seal->hash, sizeof hash) != 0) {
        char got[33], want[33];
        wf_hash128_hex(hash, got);
        wf_hash128_hex(seal->hash, want);
        return wf_fail(err, WF_DATA_LOSS, "%s: hash is %s, the manifest says %s", seal->path, got,
                       want);
    }
    return WF_OK;
}

enum wf_code wf_generation_file(const char *dir, const struct wf_manifest *m, const char *path,
                                struct wf_container **out, struct wf_error *err)
{
    struct wf_container *c;
    struct wf_seal seal;
    enum wf_code code = wf_generation_map(dir, m, path, &c, &seal, err);
    if (code != WF_OK) {
        return code;
    }
    code = wf_generation_verify(c, &seal, NULL, err);
    if (code != WF_OK) {
        wf_container_close(c);
        return code;
    }
    *out = c;
    return WF_OK;
}

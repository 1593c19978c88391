/* SPDX-License-Identifier: Apache-2.0
 *
 * generation.c - opens the containers of a generation and believes only the manifest: size, hash of
 * the whole file and hash of every section, each byte read once. What comes out may be handed to
 * parsers of native code. Thread-safe.
 */
#include "base/generation.h"

#include <inttypes.h>
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

static enum wf_code check(const struct wf_container *c, const struct wf_manifest_file *f,
                          struct wf_error *err)
{
    if (wf_container_size(c) != f->size) {
        return wf_fail(err, WF_DATA_LOSS, "%s: %zu bytes, the manifest says %" PRIu64, f->path,
                       wf_container_size(c), f->size);
    }
    struct wf_hash128 hash;
    const enum wf_code code = wf_container_verify_hash(c, &hash, err);
    if (code != WF_OK) {
        return code;
    }
    if (memcmp(&hash, &f->hash, sizeof hash) != 0) {
        char got[33], want[33];
        wf_hash128_hex(hash, got);
        wf_hash128_hex(f->hash, want);
        return wf_fail(err, WF_DATA_LOSS, "%s: hash is %s, the manifest says %s", f->path, got,
                       want);
    }
    return WF_OK;
}

enum wf_code wf_generation_file(const char *dir, const struct wf_manifest *m, const char *path,
                                struct wf_container **out, struct wf_error *err)
{
    const struct wf_manifest_file *f = find_file(m, path);
    if (f == NULL) {
        return wf_fail(err, WF_NOT_FOUND, "generation %s has no file \"%s\"", m->name, path);
    }
    char *full = wf_xprintf("%s/%s", dir, f->path);
    struct wf_container *c = NULL;
    enum wf_code code = wf_container_open(full, &c, err);
    wf_xfree(full);
    if (code != WF_OK) {
        return code;
    }
    code = check(c, f, err);
    if (code != WF_OK) {
        wf_container_close(c);
        return code;
    }
    *out = c;
    return WF_OK;
}

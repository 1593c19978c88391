/* SPDX-License-Identifier: Apache-2.0
 *
 * container_writer.c - makes the files that container.c reads, in one pass: sections are hashed
 * while they stream out, the table of contents follows them, the head is written last over the 64
 * zero bytes that keep its place. Misuse (a bad or repeated name, a put before a begin) sticks like
 * an I/O error and is reported by commit. One writer belongs to one thread.
 */
#include "base/container.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/container_format.h"
#include "base/file.h"

struct wf_container_writer {
    char *path;
    struct wf_writer *file;
    struct wf_hasher *hasher;
    struct wf_container_entry *toc;
    size_t n, cap;
    bool open; /* the last entry of toc is still growing */
    struct wf_error err;
};

enum wf_code wf_container_create(const char *path, struct wf_container_writer **out,
                                 struct wf_error *err)
{
    struct wf_writer *file;
    const enum wf_code code = wf_writer_open(path, &file, err);
    if (code != WF_OK) {
        return code;
    }
    struct wf_container_writer *w = wf_xcalloc(1, sizeof *w);
    w->path = wf_xstrdup(path);
    w->file = file;
    w->hasher = wf_hasher_create();
    const struct wf_container_head blank = {0};
    wf_writer_put(file, &blank, sizeof blank);
    *out = w;
    return WF_OK;
}

/* Ends the open section and moves to the next boundary. */
static void end_section(struct wf_container_writer *w)
{
    static const unsigned char zeros[WF_CONTAINER_ALIGN];
    const uint64_t at = wf_writer_size(w->file);
    if (w->open) {
        struct wf_container_entry *e = &w->toc[w->n - 1];
        e->size = at - e->offset;
        e->hash = wf_hasher_end(w->hasher);
        w->open = false;
    }
    wf_writer_put(w->file, zeros, (size_t)(-at % WF_CONTAINER_ALIGN));
}

static bool is_taken(const struct wf_container_writer *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->toc[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void wf_container_begin(struct wf_container_writer *w, const char *name)
{
    end_section(w);
    struct wf_container_entry e = {.offset = wf_writer_size(w->file)};
    const size_t size = strlen(name);
    memcpy(e.name, name, size < sizeof e.name ? size : sizeof e.name);
    if (w->err.code == WF_OK && !wf_section_name_valid(e.name)) {
        wf_fail(&w->err, WF_INVALID, "%s: \"%.80s\" is not a section name", w->path, name);
    } else if (w->err.code == WF_OK && is_taken(w, name)) {
        wf_fail(&w->err, WF_INVALID, "%s: two sections named %s", w->path, name);
    }
    if (w->err.code == WF_OK) {
        wf_xgrow(&w->toc, &w->cap, w->n + 1, sizeof *w->toc);
        w->toc[w->n++] = e;
        w->open = true;
    }
}

void wf_container_put(struct wf_container_writer *w, const void *data, size_t size)
{
    if (w->err.code == WF_OK && !w->open) {
        wf_fail(&w->err, WF_INVALID, "%s: bytes outside a section", w->path);
    }
    if (w->err.code == WF_OK && size > 0) {
        wf_hasher_add(w->hasher, data, size);
        wf_writer_put(w->file, data, size);
    }
}

void wf_container_add(struct wf_container_writer *w, const char *name, const void *data,
                      size_t size)
{
    wf_container_begin(w, name);
    wf_container_put(w, data, size);
}

static void write_toc_and_head(struct wf_container_writer *w)
{
    end_section(w);
    const size_t size = w->n * sizeof *w->toc;
    struct wf_container_head head = {
        .version = WF_CONTAINER_VERSION,
        .n_sections = (uint32_t)w->n,
        .toc_offset = wf_writer_size(w->file),
        .toc_size = size,
        .toc_hash = wf_hash128(w->toc, size),
    };
    memcpy(head.magic, WF_CONTAINER_MAGIC, sizeof head.magic);
    wf_writer_put(w->file, w->toc, size);
    wf_writer_patch(w->file, 0, &head, sizeof head);
}

static void release(struct wf_container_writer *w)
{
    wf_hasher_destroy(w->hasher);
    wf_xfree(w->toc);
    wf_xfree(w->path);
    wf_xfree(w);
}

enum wf_code wf_container_commit(struct wf_container_writer *w, struct wf_error *err)
{
    if (w->err.code != WF_OK) {
        const enum wf_code code = w->err.code;
        if (err != NULL) {
            *err = w->err;
        }
        wf_container_abort(w);
        return code;
    }
    write_toc_and_head(w);
    const enum wf_code code = wf_writer_commit(w->file, err);
    release(w);
    return code;
}

void wf_container_abort(struct wf_container_writer *w)
{
    if (w != NULL) {
        wf_writer_abort(w->file);
        release(w);
    }
}

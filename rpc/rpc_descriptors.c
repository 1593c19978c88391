/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_descriptors.c - files and symbols of serialised descriptor sets, for reflection.
 *
 * Each file is kept as the bytes that a client is sent; only its names are decoded (see
 * proto/weft_rpc/descriptor_index.proto). Symbols are services, their methods, messages and enums,
 * sorted for binary search. The sets come from our own build, so their nesting is trusted.
 */
#include "rpc/rpc_internal.h"

#include <stdlib.h>
#include <string.h>

#include "weft_rpc/descriptor_index.pb-c.h"

#define MAX_MEMORY ((size_t)64 << 20)

struct file {
    const WeftRpc__File *names;
    struct rpc_bytes bytes;
};
struct symbol {
    const char *name;
    size_t file;
};
struct rpc_descriptors {
    struct wf_arena arena; /* everything decoded, and the symbols' names */
    struct file *files;
    size_t n_files, files_cap;
    struct symbol *symbols;
    size_t n_symbols, symbols_cap;
};

static const char *join(struct rpc_descriptors *d, const char *scope, const char *name)
{
    const char *full = wf_arena_printf(&d->arena, "%s%s%s", scope, scope[0] ? "." : "", name);
    return full ? full : "";
}

static const char *add_symbol(struct rpc_descriptors *d, const char *scope, const char *name)
{
    const char *full = join(d, scope, name);
    wf_xgrow(&d->symbols, &d->symbols_cap, d->n_symbols + 1, sizeof *d->symbols);
    d->symbols[d->n_symbols++] = (struct symbol){.name = full, .file = d->n_files};
    return full;
}

static void add_named(struct rpc_descriptors *d, const char *scope, WeftRpc__Named **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)add_symbol(d, scope, list[i]->name);
    }
}

static void add_types(struct rpc_descriptors *d, const char *scope, WeftRpc__Type **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *full = add_symbol(d, scope, list[i]->name);
        add_named(d, full, list[i]->enum_type, list[i]->n_enum_type);
        add_types(d, full, list[i]->nested_type, list[i]->n_nested_type);
    }
}

static void add_file(struct rpc_descriptors *d, const WeftRpc__File *f, struct rpc_bytes bytes)
{
    if (rpc_descriptors_file(d, f->name) >= 0) {
        return; /* the same file in two sets */
    }
    add_types(d, f->package, f->message_type, f->n_message_type);
    add_named(d, f->package, f->enum_type, f->n_enum_type);
    for (size_t i = 0; i < f->n_service; i++) {
        const char *full = add_symbol(d, f->package, f->service[i]->name);
        add_named(d, full, f->service[i]->method, f->service[i]->n_method);
    }
    wf_xgrow(&d->files, &d->files_cap, d->n_files + 1, sizeof *d->files);
    d->files[d->n_files++] = (struct file){.names = f, .bytes = bytes};
}

static enum wf_code add_set(struct rpc_descriptors *d, struct rpc_bytes set, struct wf_error *err)
{
    ProtobufCMessage *msg = NULL;
    enum wf_code code =
        rpc_decode(set.data, set.size, &weft_rpc__file_set__descriptor, &d->arena, &msg, err);
    const WeftRpc__FileSet *files = (const WeftRpc__FileSet *)(const void *)msg;
    for (size_t i = 0; code == WF_OK && i < files->n_file; i++) {
        const struct rpc_bytes bytes = {files->file[i].data, files->file[i].len};
        code =
            rpc_decode(bytes.data, bytes.size, &weft_rpc__file__descriptor, &d->arena, &msg, err);
        if (code == WF_OK) {
            add_file(d, (const WeftRpc__File *)(const void *)msg, bytes);
        }
    }
    return code == WF_OK ? code : wf_prefix(err, "descriptor set: ");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

enum wf_code rpc_descriptors_create(const struct rpc_bytes *sets, size_t n_sets,
                                    struct rpc_descriptors **out, struct wf_error *err)
{
    struct rpc_descriptors *d = wf_xcalloc(1, sizeof *d);
    wf_arena_init(&d->arena, MAX_MEMORY);
    for (size_t i = 0; i < n_sets; i++) {
        const enum wf_code code = add_set(d, sets[i], err);
        if (code != WF_OK) {
            rpc_descriptors_destroy(d);
            return code;
        }
    }
    if (d->n_symbols > 0) {
        qsort(d->symbols, d->n_symbols, sizeof *d->symbols, by_name);
    }
    *out = d;
    return WF_OK;
}

void rpc_descriptors_destroy(struct rpc_descriptors *d)
{
    if (d) {
        wf_arena_fini(&d->arena);
        wf_xfree(d->files);
        wf_xfree(d->symbols);
        wf_xfree(d);
    }
}

size_t rpc_descriptors_count(const struct rpc_descriptors *d)
{
    return d->n_files;
}

ptrdiff_t rpc_descriptors_file(const struct rpc_descriptors *d, const char *name)
{
    for (size_t i = 0; i < d->n_files; i++) {
        if (strcmp(d->files[i].names->name, name) == 0) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

ptrdiff_t rpc_descriptors_symbol(const struct rpc_descriptors *d, const char *symbol)
{
    const struct symbol want = {.name = symbol};
    const struct symbol *found =
        d->n_symbols ? bsearch(&want, d->symbols, d->n_symbols, sizeof want, by_name) : NULL;
    return found ? (ptrdiff_t)found->file : -1;
}

size_t rpc_descriptors_closure(const struct rpc_descriptors *d, size_t file, struct rpc_bytes *out)
{
    size_t n = 0;
    out[n++] = d->files[file].bytes;
    /* `out` is the queue of a breadth-first walk; the bytes' address says which file it is. */
    for (size_t at = 0; at < n; at++) {
        size_t i = 0;
        while (d->files[i].bytes.data != out[at].data) {
            i++;
        }
        const WeftRpc__File *names = d->files[i].names;
        for (size_t k = 0; k < names->n_dependency; k++) {
            const ptrdiff_t next = rpc_descriptors_file(d, names->dependency[k]);
            bool seen = next < 0;
            for (size_t j = 0; j < n && !seen; j++) {
                seen = out[j].data == d->files[next].bytes.data;
            }
            if (!seen) {
                out[n++] = d->files[next].bytes;
            }
        }
    }
    return n;
}

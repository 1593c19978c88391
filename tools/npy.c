/* SPDX-License-Identifier: Apache-2.0
 *
 * npy.c - reading and writing .npy.
 *
 * The header is a Python literal. Only the one shape that NumPy writes is understood: a dict of
 * exactly descr, fortran_order and shape, in any order and spacing; everything else is refused by
 * name. The writer leaves room for the longest shape, so the row count can be filled in at the end.
 */
#include "tools/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/generation.h"
#include "base/vector.h"
#include "tools/interrupt.h"

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
enum { HEADER_MAX = 65536, PREFIX = 10, READ_STEP = 1 << 20 };

struct header {
    char type[4]; /* "f4" */
    bool fortran;
    uint64_t rows, dim;
    unsigned n_dims;
    size_t size; /* bytes before the data */
    bool has_type, has_order, has_shape;
};

/* ---- the header's little language ---- */

struct cursor {
    const char *at, *end;
};

static void skip_spaces(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) {
        c->at++;
    }
}

static bool take(struct cursor *c, char wanted)
{
    skip_spaces(c);
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static bool take_word(struct cursor *c, const char *word)
{
    const size_t size = strlen(word);
    skip_spaces(c);
    if ((size_t)(c->end - c->at) >= size && memcmp(c->at, word, size) == 0) {
        c->at += size;
        return true;
    }
    return false;
}

/* A quoted string of fewer than `cap` bytes. */
static bool take_string(struct cursor *c, char *into, size_t cap)
{
    skip_spaces(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) {
        return false;
    }
    const char quote = *c->at++;
    size_t n = 0;
    while (c->at < c->end && *c->at != quote && n + 1 < cap) {
        into[n++] = *c->at++;
    }
    into[n] = '\0';
    return take(c, quote);
}

static bool take_count(struct cursor *c, uint64_t *out)
{
    uint64_t value = 0;
    skip_spaces(c);
    const char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (value > (UINT64_MAX >> 8) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*c->at++ - '0');
    }
    *out = value;
    return c->at > from;
}

static bool take_shape(struct cursor *c, struct header *h)
{
    if (!take(c, '(')) {
        return false;
    }
    while (!take(c, ')')) {
        uint64_t value = 0;
        if (!take_count(c, &value)) {
            return false;
        }
        if (h->n_dims == 0) {
            h->rows = value;
        } else {
            h->dim = value;
        }
        h->n_dims++;
        if (!take(c, ',')) {
            return take(c, ')');
        }
    }
    return true;
}

static bool take_entry(struct cursor *c, struct header *h)
{
    char key[32], type[8];
    if (!take_string(c, key, sizeof key) || !take(c, ':')) {
        return false;
    }
    if (strcmp(key, "descr") == 0 && !h->has_type) {
        h->has_type = take_string(c, type, sizeof type) && strlen(type) == 3 && type[0] == '<';
        memcpy(h->type, type + 1, h->has_type ? 3 : 0);
        return h->has_type;
    }
    if (strcmp(key, "fortran_order") == 0 && !h->has_order) {
        h->fortran = take_word(c, "True");
        h->has_order = h->fortran || take_word(c, "False");
        return h->has_order;
    }
    h->has_shape = strcmp(key, "shape") == 0 && !h->has_shape && take_shape(c, h);
    return h->has_shape;
}

static bool take_dict(struct cursor *c, struct header *h)
{
    if (!take(c, '{')) {
        return false;
    }
    while (!take(c, '}')) {
        if (!take_entry(c, h)) {
            return false;
        }
        if (!take(c, ',')) {
            return take(c, '}');
        }
    }
    return true;
}

static size_t element_size(const struct header *h)
{
    static const char *const types[] = {"f2", "f4", "f8"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(h->type, types[i]) == 0) {
            return (size_t)2 << i;
        }
    }
    return 0;
}

static enum wf_code check_header(struct header *h, struct wf_error *err)
{
    if (h->n_dims == 1) { /* one vector: a matrix of one row */
        h->dim = h->rows;
        h->rows = 1;
        h->n_dims = 2;
    }
    if (h->n_dims != 2) {
        return wf_fail(err, WF_INVALID, "npy holds %u dimensions, a matrix has 2", h->n_dims);
    }
    if (element_size(h) == 0) {
        return wf_fail(err, WF_INVALID, "npy type '<%s', known are <f2 <f4 <f8", h->type);
    }
    if (h->fortran) {
        return wf_fail(err, WF_INVALID, "npy is in Fortran order, wanted is C order");
    }
    if (h->dim < 1 || h->dim > WF_DIM_MAX) {
        return wf_fail(err, WF_INVALID, "npy dimension %llu is outside 1 to %d",
                       (unsigned long long)h->dim, WF_DIM_MAX);
    }
    if (h->rows >= UINT32_MAX) {
        return wf_fail(err, WF_INVALID, "npy holds %llu rows, the limit is %u",
                       (unsigned long long)h->rows, UINT32_MAX - 1);
    }
    return WF_OK;
}

/* `bytes` holds the whole header, or all there is. */
static enum wf_code parse_header(const unsigned char *bytes, size_t size, struct header *h,
                                 struct wf_error *err)
{
    if (size < PREFIX || memcmp(bytes, magic, sizeof magic) != 0) {
        return wf_fail(err, WF_INVALID, "not an npy file");
    }
    const unsigned version = bytes[6];
    if (version < 1 || version > 3) {
        return wf_fail(err, WF_INVALID, "npy version %u, known are 1 to 3", version);
    }
    const size_t prefix = version == 1 ? PREFIX : PREFIX + 2;
    size_t text = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1 && size >= prefix) {
        text |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (text > HEADER_MAX || size < prefix || size - prefix < text) {
        return wf_fail(err, WF_DATA_LOSS, "npy header of %zu bytes, %zu are there", text,
                       size - (size < prefix ? size : prefix));
    }
    struct cursor c = {.at = (const char *)bytes + prefix,
                       .end = (const char *)bytes + prefix + text};
    *h = (struct header){.size = prefix + text};
    bool parsed = take_dict(&c, h) && h->has_type && h->has_order && h->has_shape;
    skip_spaces(&c);
    if (!parsed || c.at != c.end) {
        return wf_fail(err, WF_INVALID,
                       "npy header is not {'descr': '<f4', 'fortran_order': False,"
                       " 'shape': (rows, dim)}");
    }
    return check_header(h, err);
}

/* ---- reading ---- */

static void convert(const unsigned char *from, const struct header *h, size_t n, float *to)
{
    if (element_size(h) == 2) {
        for (size_t i = 0; i < n; i++) {
            uint16_t half;
            memcpy(&half, from + 2 * i, 2);
            wf_half_to_float(&half, &to[i], 1);
        }
    } else if (element_size(h) == 4) {
        memcpy(to, from, n * 4);
    } else {
        for (size_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, from + 8 * i, 8);
            to[i] = (float)value;
        }
    }
}

enum wf_code tool_npy_view(const void *bytes, size_t size, struct tool_npy *out,
                           struct wf_error *err)
{
    struct header h;
    enum wf_code code = parse_header(bytes, size, &h, err);
    if (code != WF_OK) {
        return code;
    }
    const size_t n = (size_t)(h.rows * h.dim);
    const unsigned char *data = (const unsigned char *)bytes + h.size;
    if (size - h.size != n * element_size(&h)) {
        return wf_fail(err, WF_DATA_LOSS, "npy of %llu x %llu %s holds %zu bytes, wanted are %zu",
                       (unsigned long long)h.rows, (unsigned long long)h.dim, h.type, size - h.size,
                       n * element_size(&h));
    }
    struct tool_npy npy = {.rows = (size_t)h.rows, .dim = (uint32_t)h.dim};
    if (element_size(&h) == 4 && (uintptr_t)data % sizeof(float) == 0) {
        npy.data = (const float *)(const void *)data;
    } else {
        float *owned = wf_xmalloc64(n ? n * sizeof(float) : 1);
        convert(data, &h, n, owned);
        npy.data = npy.owned = owned;
    }
    *out = npy;
    return WF_OK;
}

/* The whole of a compressed file; memory follows what really comes out of it. */
static enum wf_code inflate_file(const char *path, unsigned char **out, size_t *size,
                                 struct wf_error *err)
{
    struct wf_reader *r = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0, cap = 0, got = READ_STEP;
    enum wf_code code = wf_reader_open(path, &r, err);
    while (code == WF_OK && got == READ_STEP) {
        wf_xgrow(&bytes, &cap, n + READ_STEP, 1);
        code = wf_reader_read(r, bytes + n, READ_STEP, &got, err);
        n += code == WF_OK ? got : 0;
    }
    wf_reader_close(r);
    if (code != WF_OK) {
        wf_xfree(bytes);
        return code;
    }
    *out = bytes;
    *size = n;
    return WF_OK;
}

enum wf_code tool_npy_open(const char *path, struct tool_npy *out, struct wf_error *err)
{
    struct wf_map map = {0};
    struct tool_npy npy = {0};
    enum wf_code code = wf_map_open(path, &map, err);
    if (code != WF_OK) {
        return code;
    }
    if (map.size >= sizeof magic && memcmp(map.data, magic, sizeof magic) == 0) {
        code = tool_npy_view(map.data, map.size, &npy, err);
        npy.map = map;
    } else {
        unsigned char *bytes = NULL;
        size_t size = 0;
        wf_map_close(&map);
        code = inflate_file(path, &bytes, &size, err);
        if (code != WF_OK) {
            return code;
        }
        code = tool_npy_view(bytes, size, &npy, err);
        if (code == WF_OK && !npy.owned) {
            npy.owned = bytes;
        } else {
            wf_xfree(bytes);
        }
    }
    if (code != WF_OK) {
        wf_map_close(&map);
        return wf_prefix(err, "%s: ", path);
    }
    *out = npy;
    return WF_OK;
}

void tool_npy_close(struct tool_npy *npy)
{
    wf_map_close(&npy->map);
    wf_xfree(npy->owned);
    *npy = (struct tool_npy){0};
}

/* ---- writing ---- */

struct tool_npy_writer {
    char *path, *temp;
    FILE *file;
    uint32_t dim;
    uint64_t rows;
    int failed; /* errno of the first failure */
};

/* Version 1, padded with spaces to TOOL_NPY_HEADER bytes, so data are 64-byte aligned. */
static void write_header(struct tool_npy_writer *w)
{
    char text[TOOL_NPY_HEADER + 1];
    memset(text, ' ', sizeof text);
    memcpy(text, magic, sizeof magic);
    text[6] = 1;
    text[7] = 0;
    text[8] = (char)(TOOL_NPY_HEADER - PREFIX);
    text[9] = 0;
    int size = snprintf(text + PREFIX, sizeof text - PREFIX,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %u), }",
                        (unsigned long long)w->rows, w->dim);
    wf_assert(size > 0 && size < TOOL_NPY_HEADER - PREFIX - 1);
    text[PREFIX + size] = ' ';
    text[TOOL_NPY_HEADER - 1] = '\n';
    if (fwrite(text, 1, TOOL_NPY_HEADER, w->file) != TOOL_NPY_HEADER && !w->failed) {
        w->failed = errno;
    }
}

enum wf_code tool_npy_create(const char *path, uint32_t dim, struct tool_npy_writer **out,
                             struct wf_error *err)
{
    wf_assert(dim >= 1 && dim <= WF_DIM_MAX);
    struct tool_npy_writer *w = wf_xarray(struct tool_npy_writer, 1);
    w->path = wf_xstrdup(path);
    w->temp = wf_xprintf("%s.tmp-%ld", path, (long)getpid());
    w->dim = dim;
    tool_interrupt_guard(w->temp);
    w->file = fopen(w->temp, "wbe");
    if (!w->file) {
        wf_fail(err, WF_UNKNOWN, "%s: %s", w->temp, strerror(errno));
        tool_npy_abort(w);
        return WF_UNKNOWN;
    }
    write_header(w);
    *out = w;
    return WF_OK;
}

void tool_npy_put(struct tool_npy_writer *w, const float *rows, size_t n)
{
    if (fwrite(rows, sizeof(float) * w->dim, n, w->file) != n && !w->failed) {
        w->failed = errno ? errno : EIO;
    }
    w->rows += n;
}

enum wf_code tool_npy_commit(struct tool_npy_writer *w, struct wf_error *err)
{
    if (!w->failed && fseek(w->file, 0, SEEK_SET) == 0) {
        write_header(w);
    }
    if (!w->failed && (fflush(w->file) != 0 || fsync(fileno(w->file)) != 0)) {
        w->failed = errno;
    }
    if (!w->failed && rename(w->temp, w->path) != 0) {
        w->failed = errno;
    }
    enum wf_code code = WF_OK;
    if (w->failed) {
        code = wf_fail(err, WF_UNKNOWN, "%s: %s", w->path, strerror(w->failed));
    }
    tool_npy_abort(w);
    return code;
}

void tool_npy_abort(struct tool_npy_writer *w)
{
    if (!w) {
        return;
    }
    if (w->file) {
        fclose(w->file);
    }
    unlink(w->temp); /* gone already after a commit */
    tool_interrupt_release(w->temp);
    wf_xfree(w->path);
    wf_xfree(w->temp);
    wf_xfree(w);
}

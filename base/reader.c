/* SPDX-License-Identifier: Apache-2.0
 *
 * reader.c - streaming input for file.h: plain, gzip (several members too) and zstd (several frames
 * too), told apart by the first bytes.
 *
 * Two buffers: `in` holds bytes of the file, `text` holds decoded bytes that wf_reader_line has not
 * given out. Memory is bounded by them, the caller's line limit and the decoder's window (zstd
 * frames that ask for more than 128 MiB are refused by the library). A damaged stream stays
 * damaged: every later call says so again. One reader belongs to one thread.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/arena.h"

enum { IN_SIZE = 128 << 10, TEXT_STEP = 64 << 10, GZIP_WINDOW = 15 + 16 };

enum format { PLAIN, GZIP, ZSTD };

struct wf_reader {
    char *path;
    int fd;
    enum format format;
    bool end_of_file; /* read() gave 0 */
    bool mid_stream;  /* inside a gzip member or a zstd frame */
    uint64_t consumed, total;
    unsigned char *in;
    size_t in_at, in_end;
    z_stream gzip;
    ZSTD_DStream *zstd;
    char *text;
    size_t text_at, text_end, text_cap;
    uint64_t line;
    struct wf_error err; /* of the stream; sticks */
};

/* ---- bytes of the file ---- */

/* Makes sure that `in` holds a byte unless the file has ended. */
static void refill(struct wf_reader *r)
{
    while (r->in_at == r->in_end && !r->end_of_file && r->err.code == WF_OK) {
        const ssize_t n = read(r->fd, r->in, IN_SIZE);
        if (n > 0) {
            r->in_at = 0;
            r->in_end = (size_t)n;
        } else if (n == 0) {
            r->end_of_file = true;
        } else if (errno != EINTR) {
            wf_fail_errno(&r->err, errno, "read", r->path);
        }
    }
}

static void consume(struct wf_reader *r, size_t n)
{
    r->in_at += n;
    r->consumed += n;
}

static void damaged(struct wf_reader *r, const char *format, const char *why)
{
    wf_fail(&r->err, WF_DATA_LOSS, "%s: %s stream damaged near byte %llu: %s", r->path, format,
            (unsigned long long)r->consumed, why);
}

/* ---- one decoding step each: gives bytes decoded, 0 with in_at moved or at the end ---- */

static size_t step_plain(struct wf_reader *r, void *into, size_t size)
{
    const size_t have = r->in_end - r->in_at;
    const size_t n = have < size ? have : size;
    memcpy(into, r->in + r->in_at, n);
    consume(r, n);
    return n;
}

static size_t step_gzip(struct wf_reader *r, void *into, size_t size)
{
    const size_t have = r->in_end - r->in_at;
    size = size > UINT32_MAX ? UINT32_MAX : size;
    r->gzip.next_in = r->in + r->in_at;
    r->gzip.avail_in = (uInt)have;
    r->gzip.next_out = into;
    r->gzip.avail_out = (uInt)size;
    const int status = inflate(&r->gzip, Z_NO_FLUSH);
    consume(r, have - r->gzip.avail_in);
    r->mid_stream = true;
    if (status == Z_STREAM_END) {
        r->mid_stream = false;
        inflateReset(&r->gzip);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
        damaged(r, "gzip", r->gzip.msg != NULL ? r->gzip.msg : "cannot inflate");
    }
    return size - r->gzip.avail_out;
}

static size_t step_zstd(struct wf_reader *r, void *into, size_t size)
{
    ZSTD_inBuffer in = {r->in + r->in_at, r->in_end - r->in_at, 0};
    ZSTD_outBuffer to = {into, size, 0};
    const size_t left = ZSTD_decompressStream(r->zstd, &to, &in);
    consume(r, in.pos);
    r->mid_stream = left != 0;
    if (ZSTD_isError(left)) {
        damaged(r, "zstd", ZSTD_getErrorName(left));
        return 0;
    }
    return to.pos;
}

static size_t step(struct wf_reader *r, void *into, size_t size)
{
    switch (r->format) {
    case PLAIN:
        return step_plain(r, into, size);
    case GZIP:
        return step_gzip(r, into, size);
    case ZSTD:
        return step_zstd(r, into, size);
    }
    return 0;
}

/*
 * Decodes at least one byte into [into, into + size) and says how many; 0 at the end or when the
 * stream is damaged. The decoders may hold output back with no input left, so they are asked once
 * more at the end of the file before a stream counts as cut.
 */
static size_t decode(struct wf_reader *r, void *into, size_t size)
{
    while (r->err.code == WF_OK) {
        refill(r);
        const bool ended = r->in_at == r->in_end;
        if (r->err.code != WF_OK || (ended && !r->mid_stream)) {
            return 0;
        }
        const size_t n = step(r, into, size);
        if (n > 0 && r->err.code == WF_OK) {
            return n;
        }
        if (ended && r->mid_stream && r->err.code == WF_OK) {
            damaged(r, r->format == GZIP ? "gzip" : "zstd", "cut short");
        }
    }
    return 0;
}

/* ---- public ---- */

static enum format format_of(const unsigned char *p, size_t n)
{
    static const unsigned char zstd[4] = {0x28, 0xb5, 0x2f, 0xfd};
    if (n >= 4 && memcmp(p, zstd, 4) == 0) {
        return ZSTD;
    }
    return n >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8 ? GZIP : PLAIN;
}

enum wf_code wf_reader_open(const char *path, struct wf_reader **out, struct wf_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return wf_fail_errno(err, errno, "open", path);
    }
    struct wf_reader *r = wf_xcalloc(1, sizeof *r);
    r->path = wf_xstrdup(path);
    r->fd = fd;
    r->in = wf_xmalloc(IN_SIZE);
    wf_xgrow(&r->text, &r->text_cap, TEXT_STEP + 1, 1);
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        r->total = (uint64_t)st.st_size;
    }
    refill(r);
    if (r->err.code != WF_OK) {
        if (err != NULL) {
            *err = r->err;
        }
        const enum wf_code code = r->err.code;
        wf_reader_close(r);
        return code;
    }
    r->format = format_of(r->in, r->in_end);
    if (r->format == GZIP) {
        wf_assert(inflateInit2(&r->gzip, GZIP_WINDOW) == Z_OK);
    } else if (r->format == ZSTD) {
        r->zstd = ZSTD_createDStream();
        wf_assert(r->zstd != NULL);
    }
    *out = r;
    return WF_OK;
}

void wf_reader_close(struct wf_reader *r)
{
    if (r == NULL) {
        return;
    }
    if (r->format == GZIP) {
        inflateEnd(&r->gzip);
    }
    ZSTD_freeDStream(r->zstd);
    close(r->fd);
    wf_xfree(r->in);
    wf_xfree(r->text);
    wf_xfree(r->path);
    wf_xfree(r);
}

static enum wf_code stuck(const struct wf_reader *r, struct wf_error *err)
{
    if (err != NULL) {
        *err = r->err;
    }
    return r->err.code;
}

enum wf_code wf_reader_read(struct wf_reader *r, void *into, size_t size, size_t *got,
                            struct wf_error *err)
{
    char *to = into;
    const size_t kept = r->text_end - r->text_at;
    size_t have = kept < size ? kept : size;
    if (have > 0) {
        memcpy(to, r->text + r->text_at, have);
        r->text_at += have;
    }
    for (size_t n = 1; n > 0 && have < size;) {
        n = decode(r, to + have, size - have);
        have += n;
    }
    if (have < size && r->err.code != WF_OK) {
        return stuck(r, err);
    }
    *got = have;
    return WF_OK;
}

/* Moves what is kept to the front and decodes behind it; false at the end. */
static bool more_text(struct wf_reader *r)
{
    const size_t kept = r->text_end - r->text_at;
    if (r->text_at > 0 && kept > 0) {
        memmove(r->text, r->text + r->text_at, kept);
    }
    r->text_at = 0;
    r->text_end = kept;
    wf_xgrow(&r->text, &r->text_cap, kept + TEXT_STEP + 1, 1);
    const size_t n = decode(r, r->text + kept, r->text_cap - kept - 1);
    r->text_end += n;
    return n > 0;
}

/* Size of the next line with its end; reads on until it is there, the input ends, or it is longer
 * than `most`. */
static size_t find_line(struct wf_reader *r, size_t most)
{
    size_t seen = 0;
    for (;;) {
        const size_t have = r->text_end - r->text_at;
        const char *from = r->text + r->text_at;
        const char *end = have > seen ? memchr(from + seen, '\n', have - seen) : NULL;
        if (end != NULL) {
            return (size_t)(end - from) + 1;
        }
        seen = have;
        if (have > most || !more_text(r)) {
            return r->text_end - r->text_at;
        }
    }
}

/* Drops what is left of a line that is too long, a piece at a time. */
static void skip_line(struct wf_reader *r)
{
    for (;;) {
        const size_t have = r->text_end - r->text_at;
        const char *end = have > 0 ? memchr(r->text + r->text_at, '\n', have) : NULL;
        if (end != NULL) {
            r->text_at += (size_t)(end - (r->text + r->text_at)) + 1;
            return;
        }
        r->text_at = r->text_end;
        if (!more_text(r)) {
            return;
        }
    }
}

enum wf_code wf_reader_line(struct wf_reader *r, size_t limit, char **line, size_t *size,
                            struct wf_error *err)
{
    const size_t most = limit < SIZE_MAX - 2 ? limit + 2 : limit; /* room for \r\n */
    size_t n = find_line(r, most);
    char *text = r->text + r->text_at;
    const bool ended = n > 0 && text[n - 1] == '\n';
    if (!ended && r->err.code != WF_OK) {
        return stuck(r, err);
    }
    if (n == 0) {
        *line = NULL;
        *size = 0;
        return WF_OK;
    }
    r->line++;
    size_t length = n - ended;
    length -= ended && length > 0 && text[length - 1] == '\r';
    if (length > limit) {
        if (ended) {
            r->text_at += n;
        } else {
            skip_line(r);
        }
        return wf_fail(err, WF_INVALID, "%s:%llu: line is longer than %zu bytes", r->path,
                       (unsigned long long)r->line, limit);
    }
    r->text_at += n;
    text[length] = '\0';
    *line = text;
    *size = length;
    return WF_OK;
}

uint64_t wf_reader_line_number(const struct wf_reader *r)
{
    return r->line;
}

uint64_t wf_reader_bytes(const struct wf_reader *r)
{
    return r->consumed;
}

uint64_t wf_reader_total(const struct wf_reader *r)
{
    return r->total;
}

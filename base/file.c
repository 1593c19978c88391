/* SPDX-License-Identifier: Apache-2.0
 *
 * file.c - atomic writing, mapping, directories. See file.h; reading of compressed input is
 * reader.c.
 *
 * A writer fills a temporary file beside its target (same file system, so that rename is atomic),
 * and only commit makes it visible: flush, fsync, rename, fsync of the directory. The first error
 * sticks; the puts behind it do nothing. One writer belongs to one thread.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "base/arena.h"
#include "base/clock.h"

enum { WRITE_BUFFER = 256 << 10, ZSTD_LEVEL = 3, TEMP_TRIES = 1000, OPEN_DIRS = 32 };

struct wf_writer {
    char *path, *temp;
    int fd;
    uint64_t size; /* put so far, before compression */
    unsigned char *buffer;
    size_t fill;
    ZSTD_CCtx *zstd;     /* NULL: plain */
    struct wf_error err; /* the first one; code WF_OK while all is well */
};

enum wf_code wf_fail_errno(struct wf_error *err, int number, const char *what, const char *path)
{
    enum wf_code code = WF_INTERNAL;
    if (number == ENOENT || number == ENOTDIR) {
        code = WF_NOT_FOUND;
    } else if (number == EACCES || number == EPERM || number == EROFS) {
        code = WF_DENIED;
    } else if (number == EEXIST || number == ENOTEMPTY) {
        code = WF_EXISTS;
    } else if (number == ENOSPC || number == EDQUOT || number == EMFILE || number == ENFILE ||
               number == ENOMEM) {
        code = WF_EXHAUSTED;
    }
    char text[96];
    return wf_fail(err, code, "%s: cannot %s: %s", path, what,
                   strerror_r(number, text, sizeof text));
}

/* ---- writing ---- */

/* A name beside `path` that nobody has; what a killed process of the same number left is passed. */
static int open_temp(const char *path, char **temp)
{
    static atomic_uint counter;
    for (unsigned i = 0; i < TEMP_TRIES; i++) {
        char *name = wf_xprintf("%s.tmp.%ld.%u", path, (long)getpid(), counter++);
        const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *temp = name;
            return fd;
        }
        wf_xfree(name);
        if (errno != EEXIST) {
            return -1;
        }
    }
    return -1;
}

enum wf_code wf_writer_open(const char *path, struct wf_writer **out, struct wf_error *err)
{
    char *temp = NULL;
    const int fd = open_temp(path, &temp);
    if (fd < 0) {
        return wf_fail_errno(err, errno, "create", path);
    }
    struct wf_writer *w = wf_xcalloc(1, sizeof *w);
    w->path = wf_xstrdup(path);
    w->temp = temp;
    w->fd = fd;
    w->buffer = wf_xmalloc(WRITE_BUFFER);
    *out = w;
    return WF_OK;
}

static void write_all(struct wf_writer *w, const unsigned char *data, size_t size)
{
    while (size > 0 && w->err.code == WF_OK) {
        const ssize_t n = write(w->fd, data, size);
        if (n >= 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno != EINTR) {
            wf_fail_errno(&w->err, errno, "write", w->path);
        }
    }
}

static void flush(struct wf_writer *w)
{
    write_all(w, w->buffer, w->fill);
    w->fill = 0;
}

static void put_plain(struct wf_writer *w, const unsigned char *data, size_t size)
{
    if (size > WRITE_BUFFER - w->fill) {
        flush(w);
    }
    if (size >= WRITE_BUFFER) {
        write_all(w, data, size);
        return;
    }
    memcpy(w->buffer + w->fill, data, size);
    w->fill += size;
}

/* Compresses until the input is taken, or with ZSTD_e_end until the frame is complete. */
static void put_zstd(struct wf_writer *w, const void *data, size_t size, ZSTD_EndDirective mode)
{
    ZSTD_inBuffer in = {data, size, 0};
    size_t left = 1;
    while (w->err.code == WF_OK && (mode == ZSTD_e_end ? left > 0 : in.pos < in.size)) {
        ZSTD_outBuffer to = {w->buffer, WRITE_BUFFER, w->fill};
        left = ZSTD_compressStream2(w->zstd, &to, &in, mode);
        if (ZSTD_isError(left)) {
            wf_fail(&w->err, WF_INTERNAL, "%s: cannot compress: %s", w->path,
                    ZSTD_getErrorName(left));
        }
        w->fill = to.pos;
        if (w->fill == WRITE_BUFFER) {
            flush(w);
        }
    }
}

void wf_writer_put(struct wf_writer *w, const void *data, size_t size)
{
    if (w->err.code != WF_OK || size == 0) {
        return;
    }
    w->size += size;
    if (w->zstd != NULL) {
        put_zstd(w, data, size, ZSTD_e_continue);
    } else {
        put_plain(w, data, size);
    }
}

void wf_writer_printf(struct wf_writer *w, const char *fmt, ...)
{
    char text[512];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0) {
        wf_fail(&w->err, WF_INTERNAL, "%s: cannot format", w->path);
    } else if ((size_t)n < sizeof text) {
        wf_writer_put(w, text, (size_t)n);
    } else {
        char *large = wf_xmalloc((size_t)n + 1);
        vsnprintf(large, (size_t)n + 1, fmt, again);
        wf_writer_put(w, large, (size_t)n);
        wf_xfree(large);
    }
    va_end(again);
}

uint64_t wf_writer_size(const struct wf_writer *w)
{
    return w->size;
}

void wf_writer_patch(struct wf_writer *w, uint64_t offset, const void *data, size_t size)
{
    wf_assert(w->zstd == NULL && offset <= w->size && size <= w->size - offset);
    flush(w);
    const unsigned char *p = data;
    while (size > 0 && w->err.code == WF_OK) {
        const ssize_t n = pwrite(w->fd, p, size, (off_t)offset);
        if (n >= 0) {
            p += n;
            offset += (uint64_t)n;
            size -= (size_t)n;
        } else if (errno != EINTR) {
            wf_fail_errno(&w->err, errno, "write", w->path);
        }
    }
}

void wf_writer_compress(struct wf_writer *w)
{
    wf_assert(w->size == 0 && w->zstd == NULL);
    w->zstd = ZSTD_createCCtx();
    wf_assert(w->zstd != NULL);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
}

/* Frees all but the temporary file. */
static void release(struct wf_writer *w)
{
    if (w->fd >= 0) {
        close(w->fd);
    }
    ZSTD_freeCCtx(w->zstd);
    wf_xfree(w->buffer);
    wf_xfree(w->path);
    wf_xfree(w->temp);
    wf_xfree(w);
}

/* The directory that holds `path`; owned. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return wf_xstrdup(".");
    }
    return wf_xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static enum wf_code sync_parent(const char *path, struct wf_error *err)
{
    char *parent = parent_of(path);
    const enum wf_code code = wf_sync_dir(parent, err);
    wf_xfree(parent);
    return code;
}

static enum wf_code make_visible(struct wf_writer *w, struct wf_error *err)
{
    if (w->err.code != WF_OK) {
        if (err != NULL) {
            *err = w->err;
        }
        return w->err.code;
    }
    if (fsync(w->fd) != 0) {
        return wf_fail_errno(err, errno, "sync", w->path);
    }
    const int closed = close(w->fd);
    w->fd = -1;
    if (closed != 0) {
        return wf_fail_errno(err, errno, "close", w->path);
    }
    if (rename(w->temp, w->path) != 0) {
        return wf_fail_errno(err, errno, "rename into place", w->path);
    }
    return sync_parent(w->path, err);
}

enum wf_code wf_writer_commit(struct wf_writer *w, struct wf_error *err)
{
    if (w->zstd != NULL) {
        put_zstd(w, NULL, 0, ZSTD_e_end);
    }
    flush(w);
    const enum wf_code code = make_visible(w, err);
    if (code != WF_OK) {
        unlink(w->temp); /* gone already when only the directory's sync failed */
    }
    release(w);
    return code;
}

void wf_writer_abort(struct wf_writer *w)
{
    if (w != NULL) {
        unlink(w->temp);
        release(w);
    }
}

/* ---- mapping ---- */

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * WF_SECOND + t.tv_nsec;
}

static struct wf_stamp stamp_of(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (struct wf_stamp){.device = st->st_dev,
                             .inode = st->st_ino,
                             .size = (uint64_t)st->st_size,
                             .modified_ns = ns_of(st->st_mtim),
                             .changed_ns = ns_of(st->st_ctim),
                             .seen_ns = ns_of(now)};
}

static enum wf_code map_open_file(int fd, const char *path, struct wf_map *out,
                                  struct wf_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return wf_fail_errno(err, errno, "stat", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return wf_fail(err, WF_INVALID, "%s: not a regular file", path);
    }
    struct wf_map map = {.data = (const unsigned char *)"", .stamp = stamp_of(&st)};
    if (st.st_size > 0) {
        map.size = (size_t)st.st_size;
        void *p = mmap(NULL, map.size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            return wf_fail_errno(err, errno, "map", path);
        }
        map.data = p;
    }
    *out = map;
    return WF_OK;
}

enum wf_code wf_map_open(const char *path, struct wf_map *out, struct wf_error *err)
{
    /* Without O_NONBLOCK opening a pipe would wait for a writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return wf_fail_errno(err, errno, "open", path);
    }
    const enum wf_code code = map_open_file(fd, path, out, err);
    close(fd);
    return code;
}

void wf_map_close(struct wf_map *m)
{
    if (m->size > 0) {
        void *start; /* the same pointer without its const */
        memcpy(&start, &m->data, sizeof start);
        munmap(start, m->size);
    }
    *m = (struct wf_map){0};
}

static enum wf_code read_whole(int fd, const char *path, size_t limit, char **out, size_t *got,
                               struct wf_error *err)
{
    char *text = NULL;
    size_t size = 0, cap = 0;
    for (;;) {
        wf_xgrow(&text, &cap, size + 4096, 1);
        const ssize_t n = read(fd, text + size, cap - size - 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            wf_xfree(text);
            return wf_fail_errno(err, errno, "read", path);
        }
        size += (size_t)n;
        if (size > limit) {
            wf_xfree(text);
            return wf_fail(err, WF_INVALID, "%s: larger than the limit of %zu bytes", path, limit);
        }
        if (n == 0) {
            text[size] = '\0';
            *out = text;
            *got = size;
            return WF_OK;
        }
    }
}

enum wf_code wf_read_file(const char *path, size_t limit, char **out, size_t *size,
                          struct wf_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return wf_fail_errno(err, errno, "open", path);
    }
    const enum wf_code code = read_whole(fd, path, limit, out, size, err);
    close(fd);
    return code;
}

/* ---- directories ---- */

static enum wf_code make_one(const char *path, struct wf_error *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0) {
        return sync_parent(path, err);
    }
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return WF_OK;
    }
    return wf_fail_errno(err, errno, "make directory", path);
}

enum wf_code wf_mkdirs(const char *path, struct wf_error *err)
{
    char *prefix = wf_xstrdup(path);
    enum wf_code code = WF_OK;
    for (char *p = prefix + (*prefix == '/'); code == WF_OK && *p != '\0'; p++) {
        if (*p == '/' && p[-1] != '/') {
            *p = '\0';
            code = make_one(prefix, err);
            *p = '/';
        }
    }
    if (code == WF_OK) {
        code = make_one(prefix, err);
    }
    wf_xfree(prefix);
    return code;
}

enum wf_code wf_sync_dir(const char *path, struct wf_error *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return wf_fail_errno(err, errno, "open directory", path);
    }
    const int failed = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return failed == 0 ? WF_OK : wf_fail_errno(err, failed, "sync directory", path);
}

enum wf_code wf_publish_dir(const char *from, const char *to, struct wf_error *err)
{
    const enum wf_code code = wf_sync_dir(from, err);
    if (code != WF_OK) {
        return code;
    }
    if (rename(from, to) == 0) { /* over an empty directory this works, over a full one never */
        return sync_parent(to, err);
    }
    if (errno == ENOTDIR && wf_exists(to)) {
        return wf_fail(err, WF_EXISTS, "%s: exists and is not a directory", to);
    }
    return wf_fail_errno(err, errno, "publish directory", to);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path) == 0 || errno == ENOENT ? 0 : errno;
}

enum wf_code wf_remove_tree(const char *path, struct wf_error *err)
{
    /* Without FTW_CHDIR it keeps no state of the process. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    int failed = nftw(path, remove_one, OPEN_DIRS, FTW_DEPTH | FTW_PHYS);
    failed = failed < 0 ? errno : failed;
    return failed == 0 || failed == ENOENT ? WF_OK : wf_fail_errno(err, failed, "remove", path);
}

bool wf_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* ---- text ---- */

/* Bytes of the sequence that starts with c, 0 when none does; the least and the most that the
 * second byte may be shut out overlong forms, surrogates and what lies above U+10FFFF. */
static size_t sequence_of(unsigned char c, unsigned char *least, unsigned char *most)
{
    *least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* Whether eight bytes are ASCII without NUL: no top bit, and none that taking 1 away would give
 * one.
 */
static bool plain_word(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    return ((word | (word - ones)) & tops) == 0;
}

bool wf_utf8_valid(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        if (end - p >= 8 && plain_word(p)) {
            p += 8;
            continue;
        }
        unsigned char least, most;
        const size_t size = sequence_of(*p, &least, &most);
        if (*p == 0 || size == 0 || size > (size_t)(end - p)) {
            return false;
        }
        for (size_t i = 1; i < size; i++) {
            if (p[i] < (i == 1 ? least : 0x80) || p[i] > (i == 1 ? most : 0xbf)) {
                return false;
            }
        }
        p += size;
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * file.h - files: atomic writing (temp, fsync, rename, fsync of the directory), mapping, and line
 * or block reading of plain, gzip and zstd input (told apart by content, not by name) with bounded
 * memory.
 */
#ifndef WF_FILE_H
#define WF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* ---- atomic writing: nothing is visible under `path` before commit; abort or a crash leaves the
 * old file ---- */
struct wf_writer;
WF_MUST_CHECK enum wf_code wf_writer_open(const char *path, struct wf_writer **out,
                                          struct wf_error *err);
/* Errors stick and are reported by commit. */
void wf_writer_put(struct wf_writer *w, const void *data, size_t size);
void wf_writer_printf(struct wf_writer *w, const char *fmt, ...) WF_PRINTF(2, 3);
uint64_t wf_writer_size(const struct wf_writer *w); /* bytes put so far */
/* Overwrites bytes put before: a head that is written last. Not with wf_writer_compress. */
void wf_writer_patch(struct wf_writer *w, uint64_t offset, const void *data, size_t size);
/* From now on what is put goes out zstd-compressed (level 3). Call before the first put. */
void wf_writer_compress(struct wf_writer *w);
/* Both end the writer. */
WF_MUST_CHECK enum wf_code wf_writer_commit(struct wf_writer *w, struct wf_error *err);
void wf_writer_abort(struct wf_writer *w); /* NULL is fine */

/* ---- mapping ---- */
/* What tells a file from another and from itself before a change. Times are wall-clock ns. */
struct wf_stamp {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
    int64_t seen_ns; /* when it was looked at */
};
struct wf_map {
    const unsigned char *data;
    size_t size;
    struct wf_stamp stamp; /* of the open descriptor */
};
/* Read-only; an empty file maps to size 0. Refuses what is not a regular file. */
WF_MUST_CHECK enum wf_code wf_map_open(const char *path, struct wf_map *out, struct wf_error *err);
void wf_map_close(struct wf_map *m);
/* The whole file, at most `limit` bytes, NUL-terminated beyond *size; owned by the caller. */
WF_MUST_CHECK enum wf_code wf_read_file(const char *path, size_t limit, char **out, size_t *size,
                                        struct wf_error *err);

/* ---- reading plain, gzip or zstd ---- */
struct wf_reader;
WF_MUST_CHECK enum wf_code wf_reader_open(const char *path, struct wf_reader **out,
                                          struct wf_error *err);
void wf_reader_close(struct wf_reader *r);
/* Up to `size` bytes; *got < size only at the end. WF_DATA_LOSS when the compressed stream is
 * damaged or cut. */
WF_MUST_CHECK enum wf_code wf_reader_read(struct wf_reader *r, void *into, size_t size, size_t *got,
                                          struct wf_error *err);
/*
 * The next line without its end (\n or \r\n), NUL-terminated, borrowed until the next call; *line =
 * NULL at the end. A line over `limit` bytes is WF_INVALID and is skipped: the next call goes on
 * behind it.
 */
WF_MUST_CHECK enum wf_code wf_reader_line(struct wf_reader *r, size_t limit, char **line,
                                          size_t *size, struct wf_error *err);
uint64_t wf_reader_line_number(const struct wf_reader *r); /* of the line last returned, from 1 */
uint64_t wf_reader_bytes(const struct wf_reader *r);       /* of the file on disk consumed so far */
uint64_t wf_reader_total(const struct wf_reader *r);       /* size of the file on disk */

/* ---- directories ---- */
WF_MUST_CHECK enum wf_code wf_mkdirs(const char *path, struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_sync_dir(const char *path, struct wf_error *err);
/* temp directory -> final name, durable; replaces nothing: WF_EXISTS when `to` is there and not
 * empty. */
WF_MUST_CHECK enum wf_code wf_publish_dir(const char *from, const char *to, struct wf_error *err);
/* Removes a directory tree; does not follow links. Missing is fine. */
WF_MUST_CHECK enum wf_code wf_remove_tree(const char *path, struct wf_error *err);
bool wf_exists(const char *path);

/* "path: cannot open: No such file or directory", with the code that fits the errno `number`. */
enum wf_code wf_fail_errno(struct wf_error *err, int number, const char *what, const char *path);

/* True when `s` of n bytes is valid UTF-8 (RFC 3629) without NUL. */
bool wf_utf8_valid(const char *s, size_t n);

#endif

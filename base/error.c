/* SPDX-License-Identifier: Apache-2.0
 *
 * error.c - filling, naming and prefixing struct wf_error.
 *
 * Every text is formatted into a local buffer first, so an error's own text may be an argument, and
 * a text that is cut is cut between UTF-8 characters: it ends in protobuf strings and JSON. No
 * allocation, no shared state.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Drops an incomplete UTF-8 character from the end of a text that was cut. */
static void trim_cut(char *text)
{
    size_t size = strlen(text);
    size_t tail = 0; /* continuation bytes at the end */
    while (tail < 3 && tail < size && ((unsigned char)text[size - 1 - tail] & 0xC0) == 0x80) {
        tail++;
    }
    if (tail == size) {
        return;
    }
    unsigned char lead = (unsigned char)text[size - 1 - tail];
    size_t want = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (want > tail) {
        text[size - 1 - tail] = '\0';
    }
}

static void copy_cut(char *to, size_t cap, const char *from)
{
    size_t size = strlen(from);
    bool cut = size >= cap;
    size = cut ? cap - 1 : size;
    memmove(to, from, size);
    to[size] = '\0';
    if (cut) {
        trim_cut(to);
    }
}

WF_PRINTF(3, 0) static void format_cut(char *to, size_t cap, const char *fmt, va_list args)
{
    int size = vsnprintf(to, cap, fmt, args);
    if (size < 0) {
        copy_cut(to, cap, fmt);
    } else if ((size_t)size >= cap) {
        trim_cut(to);
    }
}

WF_PRINTF(3, 0)
static void fill(struct wf_error *err, enum wf_code code, const char *fmt, va_list args)
{
    char text[sizeof err->text];
    format_cut(text, sizeof text, fmt, args);
    err->code = code;
    err->retry_ms = 0;
    err->reason[0] = '\0';
    err->field[0] = '\0';
    copy_cut(err->text, sizeof err->text, text);
}

enum wf_code wf_fail(struct wf_error *err, enum wf_code code, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        fill(err, code, fmt, args);
        va_end(args);
    }
    return code;
}

enum wf_code wf_invalid(struct wf_error *err, const char *reason, const char *field,
                        const char *fmt, ...)
{
    if (err) {
        char kept[sizeof err->field]; /* `field` may be the error's own */
        copy_cut(kept, sizeof kept, field ? field : "");
        va_list args;
        va_start(args, fmt);
        fill(err, WF_INVALID, fmt, args);
        va_end(args);
        copy_cut(err->reason, sizeof err->reason, reason ? reason : "");
        copy_cut(err->field, sizeof err->field, kept);
    }
    return WF_INVALID;
}

enum wf_code wf_reason(struct wf_error *err, const char *reason)
{
    if (!err) {
        return WF_INTERNAL;
    }
    copy_cut(err->reason, sizeof err->reason, reason ? reason : "");
    return err->code;
}

enum wf_code wf_prefix(struct wf_error *err, const char *fmt, ...)
{
    if (!err) {
        return WF_INTERNAL;
    }
    char text[sizeof err->text * 2];
    va_list args;
    va_start(args, fmt);
    format_cut(text, sizeof err->text, fmt, args);
    va_end(args);
    size_t size = strlen(text);
    copy_cut(text + size, sizeof text - size, err->text);
    copy_cut(err->text, sizeof err->text, text);
    return err->code;
}

const char *wf_code_name(enum wf_code code)
{
    static const char *const names[] = {
        [WF_OK] = "OK",
        [WF_CANCELLED] = "CANCELLED",
        [WF_UNKNOWN] = "UNKNOWN",
        [WF_INVALID] = "INVALID_ARGUMENT",
        [WF_TIMEOUT] = "DEADLINE_EXCEEDED",
        [WF_NOT_FOUND] = "NOT_FOUND",
        [WF_EXISTS] = "ALREADY_EXISTS",
        [WF_DENIED] = "PERMISSION_DENIED",
        [WF_EXHAUSTED] = "RESOURCE_EXHAUSTED",
        [WF_PRECONDITION] = "FAILED_PRECONDITION",
        [WF_ABORTED] = "ABORTED",
        [WF_OUT_OF_RANGE] = "OUT_OF_RANGE",
        [WF_UNIMPLEMENTED] = "UNIMPLEMENTED",
        [WF_INTERNAL] = "INTERNAL",
        [WF_UNAVAILABLE] = "UNAVAILABLE",
        [WF_DATA_LOSS] = "DATA_LOSS",
        [WF_UNAUTHENTICATED] = "UNAUTHENTICATED",
    };
    unsigned i = (unsigned)code;
    return i < sizeof names / sizeof names[0] ? names[i] : names[WF_UNKNOWN];
}

void wf_assert_fail(const char *expr, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expr);
    fflush(stderr);
    abort();
}

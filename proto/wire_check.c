/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_check.c - the checks shared by all messages, and the few lines that build one.
 *
 * Paths are put together only where a check fails: the good path formats nothing.
 */
#include "proto/wire_check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/vector.h"

struct wire_place wire_place(struct wf_error *err, const char *path)
{
    struct wire_place at = {.err = err};
    snprintf(at.path, sizeof at.path, "%s", path);
    return at;
}

struct wire_place wire_place_in(const struct wire_place *at, const char *name, size_t i)
{
    struct wire_place in = {.err = at->err};
    int size = snprintf(in.path, sizeof in.path, "%.30s%.16s[%zu].", at->path, name, i);
    (void)size; /* cut at worst: names are ours and short */
    return in;
}

WF_PRINTF(4, 0)
static enum wf_code bad_field(struct wf_error *err, const char *reason, const char *field,
                              const char *fmt, va_list args)
{
    char text[sizeof err->text];
    if (vsnprintf(text, sizeof text, fmt, args) < 0) {
        text[0] = '\0';
    }
    return wf_invalid(err, reason, field, "%s%s%s", field, *field ? ": " : "", text);
}

enum wf_code wire_bad(const struct wire_place *at, const char *reason, const char *name,
                      const char *fmt, ...)
{
    char field[sizeof at->err->field];
    snprintf(field, sizeof field, "%s%s", at->path, name);
    va_list args;
    va_start(args, fmt);
    enum wf_code code = bad_field(at->err, reason, field, fmt, args);
    va_end(args);
    return code;
}

enum wf_code wire_bad_element(const struct wire_place *at, const char *reason, const char *name,
                              size_t i, const char *fmt, ...)
{
    char field[sizeof at->err->field];
    snprintf(field, sizeof field, "%s%s[%zu]", at->path, name, i);
    va_list args;
    va_start(args, fmt);
    enum wf_code code = bad_field(at->err, reason, field, fmt, args);
    va_end(args);
    return code;
}

enum wf_code wire_full(struct wf_error *err, const struct wf_arena *arena)
{
    return wf_fail(err, WF_EXHAUSTED, "message needs more than the %zu bytes it may occupy",
                   arena->limit);
}

enum wf_code wire_garbage(struct wf_error *err, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    enum wf_code code = wf_fail(err, WF_INTERNAL, "%s", text);
    wf_reason(err, "GARBAGE");
    return code;
}

enum wf_code wire_as_garbage(enum wf_code code, struct wf_error *err)
{
    if (code != WF_INVALID) {
        return code;
    }
    return wire_garbage(err, "%s", err ? err->text : "");
}

/* Bytes of the character at s, 0 when it is none. */
static size_t utf8_char(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char lead_min, lead_max, second_min, second_max;
        size_t size;
    } forms[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (s[0] < forms[i].lead_min || s[0] > forms[i].lead_max) {
            continue;
        }
        if (left < forms[i].size || s[1] < forms[i].second_min || s[1] > forms[i].second_max) {
            return 0;
        }
        for (size_t j = 2; j < forms[i].size; j++) {
            if ((s[j] & 0xC0) != 0x80) {
                return 0;
            }
        }
        return forms[i].size;
    }
    return 0;
}

bool wire_utf8(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;
    while (i < size) {
        uint64_t word = 0;
        if (size - i >= sizeof word) {
            memcpy(&word, s + i, sizeof word);
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof word;
                continue;
            }
        }
        if (s[i] < 0x80) {
            i++;
            continue;
        }
        size_t step = utf8_char(s + i, size - i);
        if (!step) {
            return false;
        }
        i += step;
    }
    return true;
}

/* What is wrong with a text: a reason, NULL when nothing is. */
static const char *text_fault(const char *s, size_t size, size_t max)
{
    return size > max ? "TOO_LONG" : wire_utf8(s, size) ? NULL : "NOT_UTF8";
}

enum wf_code wire_check_text(const struct wire_place *at, const char *name, const char *s,
                             size_t max)
{
    size_t size = s ? strlen(s) : 0;
    const char *fault = size ? text_fault(s, size, max) : NULL;
    if (fault && size > max) {
        return wire_bad(at, fault, name, "%zu bytes, at most %zu are allowed", size, max);
    }
    return fault ? wire_bad(at, fault, name, "%zu bytes that are not UTF-8", size) : WF_OK;
}

enum wf_code wire_check_id(const struct wire_place *at, const char *name, const char *s, size_t max)
{
    if (!s || !*s) {
        return wire_bad(at, "MISSING", name, "empty, 1 to %zu bytes are needed", max);
    }
    return wire_check_text(at, name, s, max);
}

enum wf_code wire_check_count(const struct wire_place *at, const char *name, size_t n, size_t min,
                              size_t max)
{
    if (n < min) {
        return wire_bad(at, "MISSING", name, "%zu elements, at least %zu are needed", n, min);
    }
    if (n > max) {
        return wire_bad(at, "TOO_MANY", name, "%zu elements, at most %zu are allowed", n, max);
    }
    return WF_OK;
}

enum wf_code wire_check_ids(const struct wire_place *at, const char *name, char *const *ids,
                            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(wire_str(ids[i]));
        if (!size) {
            return wire_bad_element(at, "MISSING", name, i, "empty, 1 to %d bytes are needed",
                                    WIRE_ID_MAX);
        }
        const char *fault = text_fault(ids[i], size, WIRE_ID_MAX);
        if (fault) {
            return wire_bad_element(at, fault, name, i,
                                    "%zu bytes, at most %d of UTF-8 are allowed", size,
                                    WIRE_ID_MAX);
        }
    }
    return WF_OK;
}

enum wf_code wire_check_range(const struct wire_place *at, const char *name, uint32_t value,
                              uint32_t min, uint32_t max)
{
    if (value < min || value > max) {
        return wire_bad(at, "OUT_OF_RANGE", name, "%u, allowed are %u to %u", value, min, max);
    }
    return WF_OK;
}

enum wf_code wire_check_share(const struct wire_place *at, const char *name, double value)
{
    if (!isfinite(value)) {
        return wire_bad(at, "NOT_FINITE", name, "%g, allowed are 0 to 1", value);
    }
    if (value < 0 || value > 1) {
        return wire_bad(at, "OUT_OF_RANGE", name, "%g, allowed are 0 to 1", value);
    }
    return WF_OK;
}

enum wf_code wire_check_weight(const struct wire_place *at, const char *name, float value)
{
    if (!isfinite(value)) {
        return wire_bad(at, "NOT_FINITE", name, "%g, allowed are 0 to %d", (double)value,
                        WIRE_WEIGHT_MAX);
    }
    if (value < 0 || value > WIRE_WEIGHT_MAX) {
        return wire_bad(at, "OUT_OF_RANGE", name, "%g, allowed are 0 to %d", (double)value,
                        WIRE_WEIGHT_MAX);
    }
    return WF_OK;
}

enum wf_code wire_check_finite(const struct wire_place *at, const char *name, const float *values,
                               size_t n)
{
    ptrdiff_t i = n ? wf_first_not_finite(values, n) : -1;
    if (i < 0) {
        return WF_OK;
    }
    return wire_bad_element(at, "NOT_FINITE", name, (size_t)i, "%g, a finite number is needed",
                            (double)values[i]);
}

enum wf_code wire_check_vector(const struct wire_place *at, const char *name, const float *values,
                               size_t n)
{
    WIRE_TRY(wire_check_count(at, name, n, 1, WIRE_DIM_MAX));
    return wire_check_finite(at, name, values, n);
}

const char *wire_str(const char *s)
{
    return s ? s : "";
}

char *wire_borrow(const char *s)
{
    return (char *)wire_str(s);
}

char **wire_borrow_list(const char *const *list)
{
    return (char **)list;
}

void *wire_new(struct wf_arena *arena, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *msg = wf_arena_alloc(arena, d->sizeof_message);
    if (msg) {
        protobuf_c_message_init(d, msg);
    }
    return msg;
}

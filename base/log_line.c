/* SPDX-License-Identifier: Apache-2.0
 *
 * log_line.c - the escaping and layout of log lines. Writes into the caller's buffer, allocates
 * nothing.
 */
#include "base/log_line.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define VALUE_MOST 1000
#define TAIL       80 /* kept for left_out, truncated, brace and newline */

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_marks[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

struct line {
    char *at, *end;
    bool full;
};

static void put(struct line *l, const char *s, size_t size)
{
    if (l->full || size > (size_t)(l->end - l->at)) {
        l->full = true;
        return;
    }
    memcpy(l->at, s, size);
    l->at += size;
}

static void puts_raw(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

WF_PRINTF(2, 3) static void print(struct line *l, const char *fmt, ...)
{
    char text[64];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put(l, text, size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

/* Size of the UTF-8 character at s (n bytes left), 0 when it is none (overlong, surrogate, cut). */
static size_t utf8_size(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t size = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || size > n) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool bad = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
               (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F);
    return bad ? 0 : size;
}

static void put_ascii(struct line *l, unsigned char c)
{
    switch (c) {
    case '"':
        puts_raw(l, "\\\"");
        break;
    case '\\':
        puts_raw(l, "\\\\");
        break;
    case '\n':
        puts_raw(l, "\\n");
        break;
    case '\t':
        puts_raw(l, "\\t");
        break;
    case '\r':
        puts_raw(l, "\\r");
        break;
    default:
        if (c < 0x20 || c == 0x7F) {
            print(l, "\\u%04x", c);
        } else {
            put(l, (const char *)&c, 1);
        }
    }
}

/* A quoted JSON string of s. */
static void put_string(struct line *l, const char *s)
{
    s = s ? s : "";
    size_t size = strnlen(s, VALUE_MOST + 4);
    size_t most = size > VALUE_MOST ? VALUE_MOST : size;
    put(l, "\"", 1);
    for (size_t i = 0; i < most;) {
        const unsigned char *c = (const unsigned char *)s + i;
        size_t n = utf8_size(c, size - i);
        if (n > 1) {
            put(l, s + i, n);
        } else if (n == 1) {
            put_ascii(l, *c);
        } else {
            print(l, "\\\\x%02x", *c);
        }
        i += n ? n : 1;
    }
    puts_raw(l, size > most ? "...\"" : "\"");
}

static bool is_plain(const char *s)
{
    size_t n = 0;
    while (s && s[n] > 0x20 && s[n] < 0x7F && s[n] != '"' && s[n] != '\\' && s[n] != '=') {
        n++;
    }
    return n > 0 && n <= VALUE_MOST && s[n] == '\0';
}

/* Text lines quote only what needs it. */
static void put_word(struct line *l, const char *s, bool json)
{
    if (!json && is_plain(s)) {
        puts_raw(l, s);
    } else {
        put_string(l, s);
    }
}

static void put_value(struct line *l, const struct wf_field *f, bool json)
{
    switch (f->kind) {
    case WF_FIELD_STR:
        put_word(l, f->v.s, json);
        break;
    case WF_FIELD_INT:
        print(l, "%lld", (long long)f->v.i);
        break;
    case WF_FIELD_REAL: /* JSON has no numbers for these three */
        print(l, json && !isfinite(f->v.d) ? "\"%g\"" : "%.9g", f->v.d);
        break;
    case WF_FIELD_BOOL:
        puts_raw(l, f->v.b ? "true" : "false");
        break;
    }
}

static void put_head(struct line *l, const struct wf_log_event *e, bool json)
{
    char wall[25];
    wf_format_wall(e->wall_ms, wall);
    unsigned level = (unsigned)e->level <= WF_ERROR ? (unsigned)e->level : WF_ERROR;
    if (json) {
        puts_raw(l, "{\"ts\":\"");
        puts_raw(l, wall);
        puts_raw(l, "\",\"level\":\"");
        puts_raw(l, level_names[level]);
        puts_raw(l, "\",\"component\":");
        put_string(l, e->component);
        puts_raw(l, ",\"event\":");
        put_string(l, e->event);
    } else {
        put(l, wall + 11, 12); /* the time of day */
        puts_raw(l, " ");
        puts_raw(l, level_marks[level]);
        puts_raw(l, " ");
        put_word(l, e->component, json);
        puts_raw(l, " ");
        put_word(l, e->event, json);
    }
}

static void put_field(struct line *l, const struct wf_field *f, bool json)
{
    char *before = l->at;
    puts_raw(l, json ? "," : " ");
    put_word(l, f->key, json);
    puts_raw(l, json ? ":" : "=");
    put_value(l, f, json);
    l->at = l->full ? before : l->at;
}

size_t wf_log_format(const struct wf_log_event *e, bool json, char line[WF_LOG_LINE])
{
    struct line l = {.at = line, .end = line + WF_LOG_LINE - TAIL};
    put_head(&l, e, json);
    for (unsigned i = 0; i < e->n_fields && !l.full; i++) {
        put_field(&l, &e->fields[i], json);
    }
    bool truncated = l.full;
    l.full = false;
    l.end = line + WF_LOG_LINE;
    if (e->left_out > 0) {
        print(&l, json ? ",\"left_out\":%d" : " left_out=%d", (int)e->left_out);
    }
    if (truncated) {
        puts_raw(&l, json ? ",\"truncated\":true" : " truncated=true");
    }
    puts_raw(&l, json ? "}\n" : "\n");
    return (size_t)(l.at - line);
}

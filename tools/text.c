/* SPDX-License-Identifier: Apache-2.0
 *
 * text.c - the growing buffer.
 */
#include "tools/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void tool_text_fini(struct tool_text *t)
{
    wf_xfree(t->data);
    *t = (struct tool_text){0};
}

void tool_text_clear(struct tool_text *t)
{
    t->size = 0;
}

void tool_text_put(struct tool_text *t, const char *data, size_t size)
{
    wf_xgrow(&t->data, &t->cap, t->size + size + 1, 1);
    memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = '\0';
}

void tool_text_str(struct tool_text *t, const char *s)
{
    tool_text_put(t, s, strlen(s));
}

void tool_text_char(struct tool_text *t, char c)
{
    tool_text_put(t, &c, 1);
}

void tool_text_printf(struct tool_text *t, const char *fmt, ...)
{
    char small[128];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    wf_assert(size >= 0);
    if ((size_t)size < sizeof small) {
        tool_text_put(t, small, (size_t)size);
    } else {
        wf_xgrow(&t->data, &t->cap, t->size + (size_t)size + 1, 1);
        vsnprintf(t->data + t->size, (size_t)size + 1, fmt, again);
        t->size += (size_t)size;
    }
    va_end(again);
}

void tool_text_json(struct tool_text *t, const char *s)
{
    tool_text_char(t, '"');
    while (*s) {
        size_t plain = 0;
        while ((unsigned char)s[plain] >= 0x20 && s[plain] != '"' && s[plain] != '\\') {
            plain++;
        }
        tool_text_put(t, s, plain);
        s += plain;
        if (*s == '"' || *s == '\\') {
            tool_text_char(t, '\\');
            tool_text_char(t, *s++);
        } else if (*s) {
            tool_text_printf(t, "\\u%04x", (unsigned)(unsigned char)*s++);
        }
    }
    tool_text_char(t, '"');
}

void tool_text_float(struct tool_text *t, float x)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (digits == 9 || strtof(text, NULL) == x) {
            break;
        }
    }
    tool_text_str(t, text);
}

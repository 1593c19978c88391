/* SPDX-License-Identifier: Apache-2.0
 *
 * text.h - a growing byte buffer for output that is assembled before it is written: JSON lines,
 * tables, titles. What goes in comes from our own code or from bounded input lines, so it grows by
 * the die-on-OOM heap. One thread at a time.
 */
#ifndef TOOL_TEXT_H
#define TOOL_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct tool_text {
    char *data; /* NUL-terminated when size > 0; owned */
    size_t size, cap;
};
void tool_text_fini(struct tool_text *t);
void tool_text_clear(struct tool_text *t); /* keeps the memory */
void tool_text_put(struct tool_text *t, const char *data, size_t size);
void tool_text_str(struct tool_text *t, const char *s);
void tool_text_char(struct tool_text *t, char c);
void tool_text_printf(struct tool_text *t, const char *fmt, ...) WF_PRINTF(2, 3);
/* A JSON string with its quotes; s is valid UTF-8. */
void tool_text_json(struct tool_text *t, const char *s);
/* The shortest of %.6g to %.9g that reads back as the same float. */
void tool_text_float(struct tool_text *t, float x);

#endif

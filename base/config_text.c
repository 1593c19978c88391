/* SPDX-License-Identifier: Apache-2.0
 *
 * config_text.c - effective values and option tables as text, for --print-config, /configz and the
 * generated page. Only reads.
 */
#include <string.h>

#include "base/arena.h"
#include "base/config_internal.h"

/* In quotes, with what a terminal or a line-based reader could trip over escaped. */
static void print_quoted(FILE *to, const char *s)
{
    fputc('"', to);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7F) {
            fprintf(to, "\\x%02x", c);
        } else {
            fprintf(to, c == '"' || c == '\\' ? "\\%c" : "%c", c);
        }
    }
    fputc('"', to);
}

void wf_config_print(const struct wf_config *c, FILE *to)
{
    for (unsigned i = 0; i < c->n; i++) {
        const struct wf_option *o = &c->table[i];
        const struct wf_setting *s = &c->settings[i];
        fprintf(to, "%s = ", o->name);
        if (o->secret) {
            fputs("(hidden)", to);
        } else if (o->type == WF_STR) {
            print_quoted(to, s->text);
        } else {
            fputs(s->text, to);
        }
        fprintf(to, "  # %s\n", s->origin);
    }
}

char *wf_config_text(const struct wf_config *c)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    wf_assert(to);
    wf_config_print(c, to);
    wf_assert(fclose(to) == 0);
    return text;
}

static void print_choices(FILE *to, const char *choices)
{
    while (choices) {
        size_t n = strcspn(choices, "|");
        fprintf(to, "`%.*s`%s", (int)n, choices, choices[n] ? " " : "");
        choices = choices[n] ? choices + n + 1 : NULL;
    }
}

static void print_range(FILE *to, const struct wf_option *o)
{
    if (o->type == WF_CHOICE) {
        print_choices(to, o->choices);
    } else if (o->min && o->max) {
        fprintf(to, "`%s` to `%s`", o->min, o->max);
    } else if (o->min || o->max) {
        fprintf(to, "%s `%s`", o->min ? "from" : "to", o->min ? o->min : o->max);
    }
}

char *wf_config_markdown(const struct wf_option *table, unsigned n)
{
    static const char *const types[] = {
        [WF_STR] = "string",  [WF_INT] = "whole number", [WF_REAL] = "number",  [WF_BOOL] = "bool",
        [WF_BYTES] = "bytes", [WF_MILLIS] = "time",      [WF_CHOICE] = "choice"};
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    wf_assert(to);
    fputs("| key | type | default | range | meaning |\n|---|---|---|---|---|\n", to);
    for (unsigned i = 0; i < n; i++) {
        const struct wf_option *o = &table[i];
        fprintf(to, "| `%s` | %s | ", o->name, types[o->type]);
        fprintf(to, o->def && *o->def ? "`%s`" : "%s", o->def ? o->def : "");
        fputs(" | ", to);
        print_range(to, o);
        fprintf(to, " | %s |\n", o->what);
    }
    wf_assert(fclose(to) == 0);
    return text;
}

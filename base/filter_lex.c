/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_lex.c - text of a filter -> tokens, and the form of its errors.
 *
 * Columns count characters (UTF-8), from 1. Outside of quotes there is ASCII alone. Pure.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/filter_internal.h"

#define DIGITS        "0123456789"
#define LETTER        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define IN_NAME       LETTER DIGITS ".-"
#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static const struct word {
    const char *text;
    enum wf_filter_kind kind;
} words[] = {
    {"and", WF_TOKEN_AND},         {"or", WF_TOKEN_OR},     {"not", WF_TOKEN_NOT},
    {"in", WF_TOKEN_IN},           {"true", WF_TOKEN_TRUE}, {"false", WF_TOKEN_FALSE},
    {"between", WF_TOKEN_BETWEEN},
};
/* Longer ones before those that they begin with. */
static const struct mark {
    const char *text;
    enum wf_filter_kind kind;
    const char *instead; /* not NULL: another language's, and what to write here */
} marks[] = {
    {"==", WF_TOKEN_END, "="},   {"=", WF_TOKEN_EQ, NULL},    {"!=", WF_TOKEN_NE, NULL},
    {"<>", WF_TOKEN_END, "!="},  {"<=", WF_TOKEN_LE, NULL},   {"<", WF_TOKEN_LT, NULL},
    {">=", WF_TOKEN_GE, NULL},   {">", WF_TOKEN_GT, NULL},    {"(", WF_TOKEN_OPEN, NULL},
    {")", WF_TOKEN_CLOSE, NULL}, {",", WF_TOKEN_COMMA, NULL}, {"&&", WF_TOKEN_END, "and"},
    {"||", WF_TOKEN_END, "or"},  {"&", WF_TOKEN_END, "and"},  {"|", WF_TOKEN_END, "or"},
    {"!", WF_TOKEN_END, "not"},  {"[", WF_TOKEN_END, "("},    {"]", WF_TOKEN_END, ")"},
};

/* ---- errors ---- */

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t column(const char *text, const char *at)
{
    size_t n = 1;
    for (const char *p = text; p < at; p++) {
        n += starts_character(*p);
    }
    return n;
}

enum wf_code wf_filter_refuse(struct wf_error *err, const char *reason, const char *text,
                              const char *at, const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return wf_invalid(err, reason, "filter", "column %zu: %s", column(text, at), what);
}

struct wf_filter_shown wf_filter_show(const struct wf_filter_token *t)
{
    static const char *const what[] = {[WF_TOKEN_NAME] = "the name ",
                                       [WF_TOKEN_STRING] = "the string ",
                                       [WF_TOKEN_NUMBER] = "the number "};
    enum { SHOWN = 40 };
    struct wf_filter_shown shown;
    if (t->kind == WF_TOKEN_END) {
        snprintf(shown.text, sizeof shown.text, "the end");
        return shown;
    }
    size_t n = t->size;
    if (n > SHOWN) {
        for (n = SHOWN; n > 0 && !starts_character(t->at[n]); n--) {
        }
    }
    snprintf(shown.text, sizeof shown.text, "%s%.*s%s",
             t->kind <= WF_TOKEN_NUMBER ? what[t->kind] : "", (int)n, t->at,
             n < t->size ? "..." : "");
    for (char *p = shown.text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }
    return shown;
}

/* ---- tokens ---- */

static enum wf_filter_kind word_kind(const char *at, size_t size)
{
    for (size_t i = 0; i < LENGTH(words); i++) {
        if (strlen(words[i].text) == size && strncasecmp(words[i].text, at, size) == 0) {
            return words[i].kind;
        }
    }
    return WF_TOKEN_NAME;
}

bool wf_filter_needs_quotes(const char *name)
{
    size_t n = strlen(name);
    return strspn(name, LETTER) == 0 || strspn(name, IN_NAME) != n ||
           word_kind(name, n) != WF_TOKEN_NAME;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit on one side of the point; 0 when it is not.
 */
static size_t number_size(const char *at)
{
    const char *p = at + (*at == '+' || *at == '-');
    size_t whole = strspn(p, DIGITS), part = 0;
    p += whole;
    if (*p == '.') {
        part = strspn(p + 1, DIGITS);
        p += 1 + part;
    }
    if (whole + part == 0) {
        return 0;
    }
    if (*p == 'e' || *p == 'E') {
        const char *exponent = p + 1 + (p[1] == '+' || p[1] == '-');
        size_t digits = strspn(exponent, DIGITS);
        if (digits == 0) {
            return 0;
        }
        p = exponent + digits;
    }
    return strspn(p, IN_NAME) == 0 ? (size_t)(p - at) : 0;
}

static enum wf_code lex_number(const char *text, struct wf_filter_token *t, struct wf_error *err)
{
    t->kind = WF_TOKEN_NUMBER;
    t->size = number_size(t->at);
    if (t->size == 0) {
        t->size = 1 + strspn(t->at + 1, IN_NAME);
        t->kind = WF_TOKEN_AND; /* shown as it is */
        return wf_filter_refuse(err, "MALFORMED", text, t->at,
                                "%s is not a decimal number such as -12.5 or 1e3",
                                wf_filter_show(t).text);
    }
    return WF_OK;
}

/* A string or a name in quotes; names have no escapes. */
static enum wf_code lex_quoted(const char *text, struct wf_filter_token *t, struct wf_error *err)
{
    const char quote = *t->at;
    const char *p = t->at + 1;
    t->kind = quote == '`' ? WF_TOKEN_NAME : WF_TOKEN_STRING;
    while (*p && *p != quote) {
        if (*p == '\\' && t->kind == WF_TOKEN_STRING) {
            if (!p[1] || !strchr("\\\"'", p[1])) {
                return wf_filter_refuse(err, "MALFORMED", text, p,
                                        "a backslash stands before \\ \" or ' alone; write \\\\ "
                                        "for itself");
            }
            p++;
        }
        p++;
    }
    t->size = (size_t)(p - t->at) + 1;
    if (!*p) {
        return wf_filter_refuse(err, "MALFORMED", text, t->at,
                                "what begins here with %c has no closing %c", quote, quote);
    }
    if (!wf_utf8_valid(t->at, t->size)) {
        return wf_filter_refuse(err, "MALFORMED", text, t->at,
                                "what begins here with %c is not valid UTF-8", quote);
    }
    return WF_OK;
}

static enum wf_code lex_mark(const char *text, struct wf_filter_token *t, struct wf_error *err)
{
    for (size_t i = 0; i < LENGTH(marks); i++) {
        t->size = strlen(marks[i].text);
        if (strncmp(t->at, marks[i].text, t->size) == 0) {
            t->kind = marks[i].kind;
            return !marks[i].instead
                       ? WF_OK
                       : wf_filter_refuse(err, "MALFORMED", text, t->at, "found %s, write %s",
                                          marks[i].text, marks[i].instead);
        }
    }
    unsigned char c = (unsigned char)*t->at;
    char shown[16];
    snprintf(shown, sizeof shown, c > ' ' && c < 0x7f ? "%c" : "byte 0x%02x", c);
    return wf_filter_refuse(err, "MALFORMED", text, t->at,
                            "%s has no meaning here; strings stand in \" or ', other names in `",
                            shown);
}

enum wf_code wf_filter_lex(const char *text, const char **at, struct wf_filter_token *out,
                           struct wf_error *err)
{
    struct wf_filter_token t = {.at = *at + strspn(*at, " \t\r\n")};
    const char c = *t.at;
    enum wf_code code = WF_OK;
    if (c == '\0') {
        t.kind = WF_TOKEN_END;
    } else if (strchr("\"'`", c)) {
        code = lex_quoted(text, &t, err);
    } else if (strchr(DIGITS "+-.", c)) {
        code = lex_number(text, &t, err);
    } else if (strchr(LETTER, c)) {
        t.size = strspn(t.at, IN_NAME);
        t.kind = word_kind(t.at, t.size);
    } else {
        code = lex_mark(text, &t, err);
    }
    if (code == WF_OK) {
        *at = t.at + t.size;
        *out = t;
    }
    return code;
}

char *wf_filter_unquote(struct wf_arena *a, const struct wf_filter_token *t)
{
    char *text = wf_filter_array(a, char, t->size + 1);
    size_t n = 0;
    bool quoted = strchr("\"'`", *t->at) != NULL;
    for (size_t i = quoted; i < t->size - quoted; i++) {
        i += quoted && *t->at != '`' && t->at[i] == '\\';
        text[n++] = t->at[i];
    }
    return text;
}

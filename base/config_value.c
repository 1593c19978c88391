/* SPDX-License-Identifier: Apache-2.0
 *
 * config_value.c - typed values of options from text, with units and ranges. Pure.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_internal.h"

struct unit {
    const char *name;
    int64_t scale;
};
static const struct unit byte_units[] = {{"", 1},          {"B", 1},         {"KiB", 1 << 10},
                                         {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
static const struct unit time_units[] = {{"", 1},      {"ms", 1},      {"s", 1000},
                                         {"m", 60000}, {"h", 3600000}, {NULL, 0}};

const char *wf_value_kind(const struct wf_option *o)
{
    static const char *const kinds[] = {
        [WF_STR] = "a string",
        [WF_INT] = "a whole number",
        [WF_REAL] = "a number",
        [WF_BOOL] = "true or false",
        [WF_BYTES] = "a size such as 4096, 64KiB, 16MiB or 1GiB",
        [WF_MILLIS] = "a time such as 50, 50ms, 2s or 1m",
        [WF_CHOICE] = "one of the choices",
    };
    return kinds[o->type];
}

static bool parse_int(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *out = v;
    return end != text && *end == '\0' && errno == 0;
}

/* Digits and a unit; never negative. */
static bool parse_scaled(const char *text, const struct unit *units, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || errno != 0) {
        return false;
    }
    while (units->name && strcmp(units->name, end) != 0) {
        units++;
    }
    return units->name && !__builtin_mul_overflow((int64_t)v, units->scale, out);
}

static bool parse_real(const char *text, double *out)
{
    char *end = NULL;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

static bool parse_bool(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

static bool parse_choice(const char *text, const char *choices, int64_t *out)
{
    size_t size = strlen(text);
    for (*out = 0; choices; (*out)++) {
        size_t n = strcspn(choices, "|");
        if (n == size && memcmp(choices, text, n) == 0) {
            return true;
        }
        choices = choices[n] ? choices + n + 1 : NULL;
    }
    return false;
}

static bool parse(const struct wf_option *o, const char *text, union wf_value *out)
{
    *out = (union wf_value){0};
    int64_t bytes = 0;
    bool good = true;
    switch (o->type) {
    case WF_STR:
        return true;
    case WF_INT:
        return parse_int(text, &out->i);
    case WF_REAL:
        return parse_real(text, &out->d);
    case WF_BOOL:
        return parse_bool(text, &out->b);
    case WF_BYTES:
        good = parse_scaled(text, byte_units, &bytes);
        out->u = good ? (uint64_t)bytes : 0;
        return good;
    case WF_MILLIS:
        return parse_scaled(text, time_units, &out->i);
    case WF_CHOICE:
        return parse_choice(text, o->choices, &out->i);
    }
    return false;
}

static bool less(enum wf_option_type type, const union wf_value *a, const union wf_value *b)
{
    switch (type) {
    case WF_INT:
    case WF_MILLIS:
        return a->i < b->i;
    case WF_BYTES:
        return a->u < b->u;
    case WF_REAL:
        return a->d < b->d;
    case WF_STR:
    case WF_BOOL:
    case WF_CHOICE:
        return false;
    }
    return false;
}

/* A table whose own bounds cannot be read is our bug. */
static bool in_range(const struct wf_option *o, const union wf_value *v)
{
    union wf_value bound;
    if (o->min) {
        wf_assert(parse(o, o->min, &bound));
        if (less(o->type, v, &bound)) {
            return false;
        }
    }
    if (o->max) {
        wf_assert(parse(o, o->max, &bound));
        if (less(o->type, &bound, v)) {
            return false;
        }
    }
    return true;
}

enum wf_code wf_value_parse(const struct wf_option *o, const char *text, union wf_value *out,
                            struct wf_error *err)
{
    const char *shown = o->secret ? "(hidden)" : text;
    union wf_value v;
    if (!parse(o, text, &v)) {
        if (o->type == WF_CHOICE) {
            return wf_invalid(err, "CONFIG", o->name, "%s = \"%.60s\", must be one of %s", o->name,
                              shown, o->choices);
        }
        return wf_invalid(err, "CONFIG", o->name, "%s = \"%.60s\", must be %s", o->name, shown,
                          wf_value_kind(o));
    }
    if (!in_range(o, &v)) {
        return wf_invalid(err, "CONFIG", o->name, "%s = %.60s, must be %s%s%s%s", o->name, shown,
                          o->min ? "at least " : "", o->min ? o->min : "",
                          o->max ? (o->min ? " and at most " : "at most ") : "",
                          o->max ? o->max : "");
    }
    *out = v;
    return WF_OK;
}

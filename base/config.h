/* SPDX-License-Identifier: Apache-2.0
 *
 * config.h - one static option table per executable is the source of parser, defaults, range
 * checks, --help text, --print-config and docs/CONFIGURATION.md. The only includer of libconfig.
 *
 * Order: defaults, file (libconfig with @include), environment WEFT_SECTION__KEY, --set
 * section.key=value. An unknown key is an error with file, line and the nearest key. Not
 * thread-safe: used at start only.
 */
#ifndef WF_CONFIG_H
#define WF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* The C type of the field that each option type fills. */
enum wf_option_type {
    WF_STR,    /* char *      owned by the config, never NULL */
    WF_INT,    /* int64_t     */
    WF_REAL,   /* double      */
    WF_BOOL,   /* bool        "true" "false" */
    WF_BYTES,  /* uint64_t    "64KiB" "16MiB" "1GiB" or plain bytes */
    WF_MILLIS, /* int64_t     milliseconds: plain or "50ms" "2s" "1m" */
    WF_CHOICE, /* int         index into `choices` ("a|b|c") */
};
struct wf_option {
    const char *name; /* "section.key" */
    enum wf_option_type type;
    size_t offset; /* into the struct that is filled */
    const char *def;
    const char *min, *max; /* NULL: none */
    const char *what;      /* prose for the manual */
    const char *choices;   /* WF_CHOICE only */
    bool secret;           /* hidden by --print-config and /configz */
};
#define WF_OPT(type, field) offsetof(type, field)

struct wf_config; /* values with their origins; owns the strings */

/*
 * `file` may be NULL; `sets` are "section.key=value". Fills the struct at `into`. Errors are
 * WF_INVALID with reason CONFIG and, for a file, "path:line: ". On failure nothing needs freeing.
 */
WF_MUST_CHECK enum wf_code wf_config_load(const struct wf_option *table, unsigned n,
                                          const char *file, const char *const *sets,
                                          unsigned n_sets, void *into, struct wf_config **out,
                                          struct wf_error *err);
void wf_config_destroy(struct wf_config *c);
/* "section.key = value  # origin" lines, origin is default, file:line, environment or flag. */
void wf_config_print(const struct wf_config *c, FILE *to);
/* The same as text for /configz; owned by the caller. */
char *wf_config_text(const struct wf_config *c);
/* The chapter of docs/CONFIGURATION.md for one executable; owned by the caller. */
char *wf_config_markdown(const struct wf_option *table, unsigned n);
/* Nearest of `names` by edit distance, or NULL when nothing is near. For keys, flags and commands.
 */
const char *wf_nearest(const char *word, const char *const *names, size_t n);

/*
 * A libconfig file read as a tree, for schemas, topologies and surfaces: everything outside base/
 * sees only this. Paths are "spaces.[0].name". Getters give WF_NOT_FOUND for a missing path and
 * WF_INVALID with "path:line: " for a wrong type.
 */
struct wf_tree;
WF_MUST_CHECK enum wf_code wf_tree_open(const char *file, struct wf_tree **out,
                                        struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_tree_parse(const char *text, struct wf_tree **out,
                                         struct wf_error *err);
void wf_tree_close(struct wf_tree *t);
/* Elements below `path` ("" = root); 0 when missing. */
unsigned wf_tree_count(const struct wf_tree *t, const char *path);
/* Name of child i of a group, NULL in a list or out of range; borrowed. */
const char *wf_tree_key(const struct wf_tree *t, const char *path, unsigned i);
bool wf_tree_has(const struct wf_tree *t, const char *path);
/* True for ( ... ) alone, not for groups and scalars. */
bool wf_tree_is_list(const struct wf_tree *t, const char *path);
/* Puts "path:line: " of the setting in front of *err, the file alone when it is missing; returns
 * err->code. For checks of values made outside. */
enum wf_code wf_tree_place(const struct wf_tree *t, const char *path, struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_tree_str(const struct wf_tree *t, const char *path, const char **out,
                                       struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_tree_int(const struct wf_tree *t, const char *path, int64_t *out,
                                       struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_tree_real(const struct wf_tree *t, const char *path, double *out,
                                        struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_tree_bool(const struct wf_tree *t, const char *path, bool *out,
                                        struct wf_error *err);
/* Every key below the group `path` must be in `names` (NULL-terminated): else WF_INVALID, line and
 * nearest. */
WF_MUST_CHECK enum wf_code wf_tree_only(const struct wf_tree *t, const char *path,
                                        const char *const *names, struct wf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * config_internal.h - what the config_*.c files share; for them only. Not thread-safe, like
 * config.h.
 */
#ifndef WF_CONFIG_INTERNAL_H
#define WF_CONFIG_INTERNAL_H

#include <libconfig.h>

#include "base/config.h"

#define WF_TREE_DEPTH 32 /* nested groups, lists and arrays at most */

/* config_scan.c: refuses text that libconfig must not see. `name` is for messages. */
WF_MUST_CHECK enum wf_code wf_config_scan(const char *name, const char *text, size_t size,
                                          bool includes, struct wf_error *err);

/* config_tree.c */
config_setting_t *wf_tree_root(const struct wf_tree *t);
/* Puts "path:line: " of a setting in front; returns err->code. */
enum wf_code wf_tree_prefix(const struct wf_tree *t, const config_setting_t *s,
                            struct wf_error *err);
/* "file:line" of a setting; owned by the caller. */
char *wf_tree_origin(const struct wf_tree *t, const config_setting_t *s);
/* WF_INVALID: unknown key "x", nearest is "y"; reason CONFIG, field the key. */
enum wf_code wf_unknown_key(const char *key, const char *const *names, size_t n,
                            struct wf_error *err);

/* config_value.c: one option's value. */
union wf_value {
    int64_t i;  /* WF_INT, WF_MILLIS, WF_CHOICE */
    uint64_t u; /* WF_BYTES */
    double d;
    bool b;
};
/* Parses and checks the range; for WF_STR *out is left alone. Reason CONFIG, field o->name. */
WF_MUST_CHECK enum wf_code wf_value_parse(const struct wf_option *o, const char *text,
                                          union wf_value *out, struct wf_error *err);
/* What a value of the option's type looks like: "a time such as 50ms". */
const char *wf_value_kind(const struct wf_option *o);

/* config.c, for config_text.c */
struct wf_setting {
    char *text;   /* owned; what a WF_STR field points to */
    char *origin; /* owned: "default", "file:line", "environment" or "flag" */
};
struct wf_config {
    const struct wf_option *table;
    unsigned n;
    struct wf_setting *settings; /* [n] */
};

#endif

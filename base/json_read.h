/* SPDX-License-Identifier: Apache-2.0
 *
 * json_read.h - strict reading of a JSON object that describes data: every key known, every value
 * of its type and within its bounds, every string copied into a place of known size. Private to
 * base/. All failures are WF_DATA_LOSS and begin with `where`. Pure; thread-safe on different
 * trees.
 */
#ifndef WF_JSON_READ_H
#define WF_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct wf_json {
    json_t *value;     /* borrowed */
    const char *where; /* "manifest", "manifest: files[2]" */
};

/* The value must be an object whose keys are exactly `keys` (NULL-terminated). */
WF_MUST_CHECK enum wf_code wf_json_keys(struct wf_json j, const char *const *keys,
                                        struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_json_int(struct wf_json j, const char *key, int64_t min, int64_t max,
                                       int64_t *out, struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_json_bool(struct wf_json j, const char *key, bool *out,
                                        struct wf_error *err);
/* Copies into text[size]; a string with a NUL inside or without room is refused. */
WF_MUST_CHECK enum wf_code wf_json_text(struct wf_json j, const char *key, char *text, size_t size,
                                        struct wf_error *err);
/* An array of min to max elements. */
WF_MUST_CHECK enum wf_code wf_json_list(struct wf_json j, const char *key, size_t min, size_t max,
                                        json_t **out, struct wf_error *err);

#endif

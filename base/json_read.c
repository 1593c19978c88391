/* SPDX-License-Identifier: Apache-2.0
 *
 * json_read.c - see json_read.h.
 */
#include "base/json_read.h"

#include <string.h>

static bool is_in(const char *key, const char *const *keys)
{
    while (*keys != NULL && strcmp(*keys, key) != 0) {
        keys++;
    }
    return *keys != NULL;
}

enum wf_code wf_json_keys(struct wf_json j, const char *const *keys, struct wf_error *err)
{
    if (!json_is_object(j.value)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: not an object", j.where);
    }
    for (size_t i = 0; keys[i] != NULL; i++) {
        if (json_object_get(j.value, keys[i]) == NULL) {
            return wf_fail(err, WF_DATA_LOSS, "%s: no \"%s\"", j.where, keys[i]);
        }
    }
    void *at = json_object_iter(j.value);
    for (; at != NULL; at = json_object_iter_next(j.value, at)) {
        if (!is_in(json_object_iter_key(at), keys)) {
            return wf_fail(err, WF_DATA_LOSS, "%s: unknown key \"%.80s\"", j.where,
                           json_object_iter_key(at));
        }
    }
    return WF_OK;
}

enum wf_code wf_json_int(struct wf_json j, const char *key, int64_t min, int64_t max, int64_t *out,
                         struct wf_error *err)
{
    json_t *v = json_object_get(j.value, key);
    if (!json_is_integer(v)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" is not an integer", j.where, key);
    }
    const int64_t n = json_integer_value(v);
    if (n < min || n > max) {
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" is %lld, not within %lld..%lld", j.where, key,
                       (long long)n, (long long)min, (long long)max);
    }
    *out = n;
    return WF_OK;
}

enum wf_code wf_json_bool(struct wf_json j, const char *key, bool *out, struct wf_error *err)
{
    json_t *v = json_object_get(j.value, key);
    if (!json_is_boolean(v)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" is not true or false", j.where, key);
    }
    *out = json_is_true(v);
    return WF_OK;
}

enum wf_code wf_json_text(struct wf_json j, const char *key, char *text, size_t size,
                          struct wf_error *err)
{
    json_t *v = json_object_get(j.value, key);
    if (!json_is_string(v)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" is not a string", j.where, key);
    }
    const size_t n = json_string_length(v);
    if (n >= size || memchr(json_string_value(v), '\0', n) != NULL) {
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" has %zu bytes, at most %zu without NUL fit",
                       j.where, key, n, size - 1);
    }
    memset(text, 0, size);
    memcpy(text, json_string_value(v), n);
    return WF_OK;
}

enum wf_code wf_json_list(struct wf_json j, const char *key, size_t min, size_t max, json_t **out,
                          struct wf_error *err)
{
    json_t *v = json_object_get(j.value, key);
    if (!json_is_array(v)) {
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" is not an array", j.where, key);
    }
    const size_t n = json_array_size(v);
    if (n < min || n > max) {
        return wf_fail(err, WF_DATA_LOSS, "%s: \"%s\" has %zu elements, not within %zu..%zu",
                       j.where, key, n, min, max);
    }
    *out = v;
    return WF_OK;
}

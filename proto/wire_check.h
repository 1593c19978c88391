/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_check.h - the checks that every wire_*.c is made of; private to proto/.
 *
 * A check takes a place (where errors go, and the path of the message being read) and the name of a
 * field; it gives WF_OK or WF_INVALID with reason and the full path. All are pure; a place belongs
 * to one thread. Arena exhaustion is WF_EXHAUSTED by wire_full.
 */
#ifndef WIRE_CHECK_H
#define WIRE_CHECK_H

#include "proto/wire.h"

struct wire_place {
    struct wf_error *err;
    char path[64]; /* "" or "subject.vector." or "probes[3]." */
};
struct wire_place wire_place(struct wf_error *err, const char *path);
/* The place of element i of a repeated message field of `at`. */
struct wire_place wire_place_in(const struct wire_place *at, const char *name, size_t i);

/* WF_INVALID with reason, at path + name, or path + name[i]. */
enum wf_code wire_bad(const struct wire_place *at, const char *reason, const char *name,
                      const char *fmt, ...) WF_PRINTF(4, 5);
enum wf_code wire_bad_element(const struct wire_place *at, const char *reason, const char *name,
                              size_t i, const char *fmt, ...) WF_PRINTF(5, 6);
/* WF_EXHAUSTED: the arena that was to hold what is read is full. */
enum wf_code wire_full(struct wf_error *err, const struct wf_arena *arena);
/* WF_INTERNAL, reason GARBAGE: a reply that is no answer. */
enum wf_code wire_garbage(struct wf_error *err, const char *fmt, ...) WF_PRINTF(2, 3);
/* Turns what a field check said about a reply into GARBAGE: "field: text". Returns WF_INTERNAL;
 * WF_OK and WF_EXHAUSTED pass. */
enum wf_code wire_as_garbage(enum wf_code code, struct wf_error *err);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool wire_utf8(const char *s, size_t size);
/* UTF-8 of at most `max` bytes; NULL counts as empty. */
WF_MUST_CHECK enum wf_code wire_check_text(const struct wire_place *at, const char *name,
                                           const char *s, size_t max);
/* As text, and not empty (MISSING). */
WF_MUST_CHECK enum wf_code wire_check_id(const struct wire_place *at, const char *name,
                                         const char *s, size_t max);
/* min to max elements: MISSING below, TOO_MANY above. */
WF_MUST_CHECK enum wf_code wire_check_count(const struct wire_place *at, const char *name, size_t n,
                                            size_t min, size_t max);
/* Every element as wire_check_id with WIRE_ID_MAX. */
WF_MUST_CHECK enum wf_code wire_check_ids(const struct wire_place *at, const char *name,
                                          char *const *ids, size_t n);
WF_MUST_CHECK enum wf_code wire_check_range(const struct wire_place *at, const char *name,
                                            uint32_t value, uint32_t min, uint32_t max);
/* A finite number from 0 to 1. */
WF_MUST_CHECK enum wf_code wire_check_share(const struct wire_place *at, const char *name,
                                            double value);
/* A finite number from 0 to WIRE_WEIGHT_MAX. */
WF_MUST_CHECK enum wf_code wire_check_weight(const struct wire_place *at, const char *name,
                                             float value);
/* All finite; the first that is not is named. */
WF_MUST_CHECK enum wf_code wire_check_finite(const struct wire_place *at, const char *name,
                                             const float *values, size_t n);
/* 1 to WIRE_DIM_MAX finite numbers. */
WF_MUST_CHECK enum wf_code wire_check_vector(const struct wire_place *at, const char *name,
                                             const float *values, size_t n);

/* Stops the function at the first failure. */
#define WIRE_TRY(check)                                                                            \
    do {                                                                                           \
        enum wf_code code_ = (check);                                                              \
        if (code_ != WF_OK) {                                                                      \
            return code_;                                                                          \
        }                                                                                          \
    } while (0)

/* "" for NULL. */
const char *wire_str(const char *s);
/* Generated structs hold `char *` for strings that nobody writes to; NULL becomes "". */
char *wire_borrow(const char *s);
/* The same for a list of strings. */
char **wire_borrow_list(const char *const *list);
/* A message of `d` with its defaults in the arena; NULL when full. */
void *wire_new(struct wf_arena *arena, const ProtobufCMessageDescriptor *d);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_exercise.h - one message taken through everything that a server or a caller does with it:
 * scan, decode under an arena limit, read, build, pack, and all of it again. Used by the fuzz
 * targets, the mutation test and the golden messages. Thread-safe.
 */
#ifndef WIRE_EXERCISE_H
#define WIRE_EXERCISE_H

#include "proto/wire_coordinator.h"

enum wire_kind {
    WIRE_KIND_RECOMMEND_REQUEST,
    WIRE_KIND_RECOMMEND_RESPONSE,
    WIRE_KIND_BATCH_REQUEST,
    WIRE_KIND_BATCH_RESPONSE,
    WIRE_KIND_SEARCH_REQUEST,
    WIRE_KIND_SEARCH_RESPONSE,
    WIRE_KIND_FETCH_REQUEST,
    WIRE_KIND_FETCH_RESPONSE,
    WIRE_KIND_STATS_REQUEST,
    WIRE_KIND_STATS_RESPONSE,
    WIRE_KIND_DRAW_REQUEST,
    WIRE_KIND_DRAW_RESPONSE,
    WIRE_KIND_DESCRIBE_REQUEST,
    WIRE_KIND_DESCRIBE_RESPONSE,
    WIRE_KIND_EXCLUSIONS_REQUEST,
    WIRE_KIND_EXCLUSIONS_RESPONSE,
    WIRE_N_KINDS
};
const char *wire_kind_name(enum wire_kind kind); /* "recommend_request" */

/*
 * Aborts when a rule is broken: a failure has a code that its direction allows and a reason, what
 * was read can be built, and building is stable (the bytes built from what was read read as the
 * same bytes again). Search, fetch and draw replies are read against a fixed question, see the .c
 * file.
 * `same`, when not NULL, says whether the bytes built are the bytes given. Gives the code of
 * reading.
 */
enum wf_code wire_exercise(enum wire_kind kind, const unsigned char *data, size_t size, bool *same,
                           struct wf_error *err);

/* Good messages of every kind, as lines of wire_text.h; each builds to its own bytes. */
struct wire_sample {
    enum wire_kind kind;
    const char *text;
};
const struct wire_sample *wire_samples(size_t *n);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * surfaces.h - the named pipelines: where candidates come from, what ranks and diversifies them,
 * what answers when nothing else can.
 *
 * Five always exist: for_you and similar (ranker and MMR), for_you_raw and similar_raw (retrieval
 * and merge alone), trending (popularity). A file may change them and add others:
 *   surfaces = ( { name = "home"; source = "subject"; ranker = true; mmr = true; lambda = 0.7;
 *                  rank_limit = 500; fallback = "popularity"; }, ... );
 * Immutable after reading; thread-safe.
 */
#ifndef COORD_SURFACES_H
#define COORD_SURFACES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/wire.h"

enum { COORD_SURFACES_MAX = 64, COORD_SURFACE_NAME_MAX = 64 };

enum coord_source { COORD_SOURCE_SUBJECT, COORD_SOURCE_POPULARITY };
struct coord_surface {
    char name[COORD_SURFACE_NAME_MAX];
    enum coord_source source;
    bool ranker, mmr;
    float lambda;
    uint32_t rank_limit;
    bool fallback; /* popularity may answer when the subject gives nothing to go on */
};
struct coord_surfaces {
    struct coord_surface list[COORD_SURFACES_MAX];
    const char *names[COORD_SURFACES_MAX];
    uint32_t n;
};

/* `file` "" : the built-in ones alone. Errors are WF_INVALID with "path:line: ". */
WF_MUST_CHECK enum wf_code coord_surfaces_read(const char *file, struct coord_surfaces *out,
                                               struct wf_error *err);
/*
 * The surface asked for; "" means similar for items and sessions, for_you for all else. Unknown:
 * WF_INVALID, reason UNKNOWN_SURFACE, naming the nearest.
 */
WF_MUST_CHECK enum wf_code coord_surfaces_find(const struct coord_surfaces *s,
                                               const struct wire_recommend_request *rq,
                                               const struct coord_surface **out,
                                               struct wf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_parts.h - messages that are read or built inside other messages; private to proto/.
 */
#ifndef WIRE_PARTS_H
#define WIRE_PARTS_H

#include "proto/wire.h"
#include "proto/wire_check.h"

/* A RecommendResponse at `path` ("items[3]."); faults are still WF_INVALID with their field. */
WF_MUST_CHECK enum wf_code wire_read_response(const ProtobufCMessage *msg, const char *path,
                                              struct wf_arena *arena,
                                              struct wire_recommend_response *out,
                                              struct wf_error *err);

/* A weft.v1.SkuHashes, NULL where the field is absent: 1 to WIRE_EXCLUDE_MAX hashes, borrowed. `at`
 * is the message that holds it as `hashes`. */
WF_MUST_CHECK enum wf_code wire_read_hashes(const ProtobufCMessage *msg,
                                            const struct wire_place *at,
                                            struct wire_exclusions *out);
/* NULL when the arena is full. */
ProtobufCMessage *wire_hashes_message(const uint64_t *hashes, uint32_t n, struct wf_arena *arena);

/* What the columns of one source must be like. */
struct wire_columns_rule {
    uint32_t n_max;                /* rows at most */
    bool probe;                    /* ordered by score; else a lookup with `asked` */
    const char *const *skus;       /* lookups by SKU: what was asked for, else NULL */
    uint32_t n_features;           /* columns of the feature matrix */
    enum wire_encoding encoding;   /* 0: no vectors */
    uint32_t dim;                  /* of the vectors; over 0 when there are rows and vectors */
    const char *const *attributes; /* names asked for; "*" is all */
    uint32_t n_attributes;
};
/* Bytes of one element, 0 for an unknown encoding. */
size_t wire_encoding_size(enum wire_encoding encoding);
/* WF_INTERNAL, reason GARBAGE, or WF_EXHAUSTED. `msg` is a weft.internal.v1.Columns. */
WF_MUST_CHECK enum wf_code wire_columns_read(const ProtobufCMessage *msg,
                                             const struct wire_columns_rule *rule,
                                             struct wf_arena *arena, struct wire_columns *out,
                                             struct wf_error *err);
/* NULL when the arena is full. Only encoding, dim and n_features of the rule are used. */
ProtobufCMessage *wire_columns_message(const struct wire_columns *c,
                                       const struct wire_columns_rule *rule,
                                       struct wf_arena *arena);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h - message <-> domain struct, with all validation. Nothing else in the tree sees a
 * generated message.
 *
 * wire_x_read checks a decoded message (sizes, ranges, finite numbers, UTF-8, embedded NUL, enum
 * values, oneofs) and fills a domain struct that borrows from the message or lives in the arena. It
 * fails with WF_INVALID, a reason (table below) and the field path ("subject.vector.values[3]");
 * what needs a generation or a schema (dimension, attribute names, space) is checked by the
 * services with the same reasons. A bad reply is not the caller's fault: reading one fails with
 * WF_INTERNAL, reason GARBAGE. A full arena is WF_EXHAUSTED. wire_x_message builds the message in
 * the arena, borrowing arrays from the struct; NULL means that the arena is full. Pure;
 * thread-safe.
 *
 * Reasons: MALFORMED, MISSING, OUT_OF_RANGE, NOT_FINITE, NOT_UTF8, TOO_LONG, TOO_MANY,
 * UNKNOWN_VALUE, CONFLICT, DIMENSION, ZERO_VECTOR, UNKNOWN_SURFACE, UNKNOWN_ATTRIBUTE,
 * UNKNOWN_SPACE, UNSUPPORTED; GARBAGE for replies.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/error.h"

/* Caps, one table for both ends and for the tools' own checks. */
enum {
    WIRE_K_MAX = 1000,
    WIRE_K_DEFAULT = 10,
    WIRE_SHARD_K_MAX = 4096,
    WIRE_RANK_LIMIT_MAX = 2000,
    WIRE_ITEMS_MAX = 16,
    WIRE_SESSION_MAX = 50,
    WIRE_PROBES_MAX = 16,
    WIRE_LOOKUP_MAX = 4096,
    WIRE_FEATURES_MAX = 256,
    WIRE_ATTRIBUTES_MAX = 256,
    WIRE_BATCH_MAX = 64,
    WIRE_EFFORT_MAX = 65536,
    WIRE_TEXT_MAX = 1024,
    WIRE_FILTER_MAX = 16384,
    WIRE_ID_MAX = 64,
    WIRE_TIMEOUT_MAX_MS = 60000,
    WIRE_DIM_MAX = 4096,
    WIRE_EXCLUDE_MAX = 100000, /* SKU hashes */
    WIRE_GROUP_MAX = 100,      /* hits per group */
    WIRE_NEGATIVES_MAX = 16,
    WIRE_WEIGHT_MAX = 10,      /* of negatives */
    WIRE_REPEATED_MAX = 65536, /* strings or sub-messages in one field of one message */
};

/*
 * What the generated decoder cannot report, checked over the raw bytes of a message of type `d`
 * before anything is allocated: a NUL inside a string, a wrong wire type, a field cut short, two
 * members of one oneof, too many strings or sub-messages. WF_INVALID with reason (MALFORMED,
 * CONFLICT, TOO_MANY) and field. Unknown fields pass. For struct rpc_method's `check`.
 */
WF_MUST_CHECK enum wf_code wire_scan(const unsigned char *data, size_t size,
                                     const ProtobufCMessageDescriptor *d, struct wf_error *err);

enum wire_effort_kind {
    WIRE_EFFORT_DEFAULT,
    WIRE_EFFORT_NPROBE,
    WIRE_EFFORT_EF,
    WIRE_EFFORT_EXACT,
    WIRE_EFFORT_RECALL
};
struct wire_effort {
    enum wire_effort_kind kind;
    uint32_t value; /* nprobe, ef */
    float recall;   /* over 0, at most 1 */
};

/* ------------------------------------------------------------------ public: weft.v1 */

enum wire_subject_kind {
    WIRE_SUBJECT_NONE,
    WIRE_SUBJECT_VECTOR,
    WIRE_SUBJECT_USER,
    WIRE_SUBJECT_ITEMS,
    WIRE_SUBJECT_SESSION,
    WIRE_SUBJECT_TEXT
};

/* How disliked items count. SUBTRACT: probe = probe - weight x mean of the disliked vectors
 * (normalised again for cosine). BEST_MINUS_WORST: an item's score is its best probe's minus
 * weight x max(0, its best score with a disliked vector); not for L2. */
enum wire_negative_mode { WIRE_NEGATIVE_SUBTRACT = 1, WIRE_NEGATIVE_BEST_MINUS_WORST };

struct wire_recommend_request {
    const char *request_id; /* "" when none; strings are never NULL */
    const char *surface;
    enum wire_subject_kind subject;
    const char *space, *content_id; /* vector */
    const float *vector;
    uint32_t dim;
    const char *id;          /* user id, or the text */
    const char *const *skus; /* items, session */
    uint32_t n_skus;
    uint32_t k;          /* resolved: default applied */
    uint32_t timeout_ms; /* 0: none */
    const char *filter;
    bool exact;
    float target_recall; /* 0: none */
    struct wire_effort effort;
    uint32_t rank_limit; /* 0: the surface's own */
    const char *const *attributes;
    uint32_t n_attributes;
    bool explain;
    float min_coverage; /* 0: none */
    const char *segment, *context_user;
    uint64_t seed;
    const uint64_t *exclude; /* XXH3-64 of SKUs, as sent; NULL with n_exclude 0 */
    uint32_t n_exclude;
    const char *exclude_handle; /* "": none */
    const char *group_by;       /* "": none */
    uint32_t group_max;         /* 1 to WIRE_GROUP_MAX where group_by is set */
    enum wire_negative_mode negative_mode;
    float negative_weight;            /* resolved: 0.5 where absent */
    const char *const *negative_skus; /* at most WIRE_NEGATIVES_MAX together with the vectors */
    uint32_t n_negative_skus;
    const float *negative_vectors; /* n x negative_dim, of the subject's space */
    uint32_t n_negative_vectors, negative_dim;
};

enum wire_source {
    WIRE_SOURCE_VECTOR = 1,
    WIRE_SOURCE_PROFILE,
    WIRE_SOURCE_ITEM,
    WIRE_SOURCE_SESSION,
    WIRE_SOURCE_POPULARITY
};
/* Values equal weft.v1.ShardState and weft.v1.DegradedReason. */
enum wire_shard_state {
    WIRE_SHARD_OK = 1,
    WIRE_SHARD_PARTIAL,
    WIRE_SHARD_TIMEOUT,
    WIRE_SHARD_DOWN,
    WIRE_SHARD_FAILED,
    WIRE_SHARD_NO_GENERATION
};
enum wire_degraded {
    WIRE_SHARD_TIMEOUT_REASON = 1,
    WIRE_SHARD_DOWN_REASON,
    WIRE_SHARD_FAILED_REASON,
    WIRE_SHARD_PARTIAL_REASON,
    WIRE_UNKNOWN_SUBJECT,
    WIRE_UNKNOWN_ITEM,
    WIRE_NO_RANKER,
    WIRE_NO_MMR,
    WIRE_DEADLINE,
    WIRE_FEATURE_MISSING,
    WIRE_FALLBACK,
    WIRE_N_DEGRADED
};
const char *
wire_shard_state_name(enum wire_shard_state s); /* "ok" "partial" "timeout" "down" "failed" ... */
const char *wire_degraded_name(enum wire_degraded d); /* "SHARD_TIMEOUT" ... */
const char *wire_source_name(enum wire_source s);     /* "vector" "profile" ... */

enum wire_value_kind { WIRE_TEXT, WIRE_NUMBER, WIRE_FLAG };
struct wire_attribute {
    const char *name;
    const char *role; /* "title", ..., or NULL or "" = none */
    enum wire_value_kind kind;
    const char *text;
    float number;
    bool flag;
};
struct wire_contribution {
    const char *feature;
    float value;
};
struct wire_hit {
    const char *sku;
    float score, retrieval_score, rank_score;
    bool has_rank_score;
    uint32_t rank;
    struct wire_attribute *attributes;
    uint32_t n_attributes;
    struct wire_contribution *contributions;
    uint32_t n_contributions;
    bool has_why;
    enum wire_source source;
    float similarity;
    const char *item, *segment;
    const char *const *shared;
    uint32_t n_shared;
};
struct wire_shard_coverage {
    uint32_t shard, replica;
    enum wire_shard_state state;
    uint64_t documents, scanned, micros;
    bool hedged;
    const char *generation;
};
struct wire_coverage {
    uint64_t documents, searched, scanned;
    uint64_t matched; /* documents that the filter let through in the shards that answered */
    double ratio;
    struct wire_shard_coverage *shards;
    uint32_t n_shards;
};
struct wire_timings {
    uint64_t queue, resolve, gather, merge, rank, diversify, total; /* microseconds */
};
struct wire_recommend_response {
    const char *request_id;
    struct wire_hit *hits;
    uint32_t n_hits;
    struct wire_coverage coverage;
    uint32_t degraded; /* bit (1 << enum wire_degraded) each */
    const char *generation, *model, *rules, *space;
    struct wire_timings timings;
    const char *fallback, *surface;
};

WF_MUST_CHECK enum wf_code wire_recommend_request_read(const ProtobufCMessage *msg,
                                                       struct wf_arena *arena,
                                                       struct wire_recommend_request *out,
                                                       struct wf_error *err);
const ProtobufCMessage *wire_recommend_request_message(const struct wire_recommend_request *rq,
                                                       struct wf_arena *arena);
WF_MUST_CHECK enum wf_code wire_recommend_response_read(const ProtobufCMessage *msg,
                                                        struct wf_arena *arena,
                                                        struct wire_recommend_response *out,
                                                        struct wf_error *err);
const ProtobufCMessage *wire_recommend_response_message(const struct wire_recommend_response *reply,
                                                        struct wf_arena *arena);

/* A batch: element i failed when code[i] != WF_OK. */
struct wire_batch_item {
    struct wf_error status; /* code WF_OK: `response` holds */
    struct wire_recommend_response response;
};
/* Gives the elements' messages, to be read one by one with wire_recommend_request_read. */
WF_MUST_CHECK enum wf_code wire_batch_request_read(const ProtobufCMessage *msg,
                                                   struct wf_arena *arena,
                                                   const ProtobufCMessage *const **out, uint32_t *n,
                                                   struct wf_error *err);
const ProtobufCMessage *wire_batch_request_message(const struct wire_recommend_request *requests,
                                                   uint32_t n, struct wf_arena *arena);
const ProtobufCMessage *wire_batch_response_message(const struct wire_batch_item *items, uint32_t n,
                                                    struct wf_arena *arena);
WF_MUST_CHECK enum wf_code wire_batch_response_read(const ProtobufCMessage *msg,
                                                    struct wf_arena *arena,
                                                    struct wire_batch_item **out, uint32_t *n,
                                                    struct wf_error *err);

/* ------------------------------------------------------------------ internal: weft.internal.v1 */

enum wire_encoding { WIRE_FLOAT32 = 1, WIRE_FP16 = 2, WIRE_INT8 = 3 };

struct wire_probe {
    const char *space, *content_id;
    const float *vector;
    uint32_t dim, k;
    struct wire_effort effort;
    const float *negatives; /* n_negatives x dim: best minus worst */
    uint32_t n_negatives;
    float negative_weight;
};
struct wire_lookup { /* one of the two is set */
    const char *const *skus;
    uint32_t n_skus;
    const uint32_t *rows;
    uint32_t n_rows;
};
struct wire_search_request {
    const char *generation, *request_id;
    const struct wire_probe *probes;
    uint32_t n_probes;
    const struct wire_lookup *lookups;
    uint32_t n_lookups;
    const uint32_t *features;
    uint32_t n_features;
    const char *const *attributes;
    uint32_t n_attributes;
    const char *filter;
    bool want_vectors;
    const char *vector_space;
    enum wire_encoding encoding;
    const uint64_t *exclude; /* rising, unique: those of this shard */
    uint32_t n_exclude;
    const char *group_by; /* "": none */
    uint32_t group_max;
};

enum wire_column_kind {
    WIRE_COLUMN_KEYWORD = 1,
    WIRE_COLUMN_NUMBER,
    WIRE_COLUMN_FLAG,
    WIRE_COLUMN_TEXT
};
struct wire_column {
    const char *name;
    enum wire_column_kind kind;
    const char *const *dictionary; /* keyword */
    uint32_t n_dictionary;
    const uint32_t *codes; /* keyword: < n_dictionary, or UINT32_MAX */
    const float *numbers;
    const uint8_t *flags;
    const char *text; /* text: bytes of all rows, not NUL-terminated */
    const uint32_t *text_sizes;
};
/* n rows. After a read every array is checked: sizes, sums, code ranges, finite scores, order for
 * probes. */
struct wire_columns {
    uint32_t n;
    const char *sku_bytes;
    const uint32_t *sku_sizes;
    const float *scores;
    const float *features;        /* n x n_features, NULL when none were asked for */
    const unsigned char *vectors; /* n x dim elements of the encoding, NULL when none */
    const float *vector_scales;   /* INT8 */
    const struct wire_column *attributes;
    uint32_t n_attributes;
    const uint32_t *asked; /* lookups */
    uint64_t scanned;
    uint32_t parts_planned, parts_done;
};
struct wire_search_response {
    const char *generation;
    uint64_t documents, micros;
    uint64_t matched;             /* rows that the filter lets through; documents without one */
    struct wire_columns *sources; /* probes, then lookups */
    uint32_t n_sources;
    uint32_t vector_dim;
};

WF_MUST_CHECK enum wf_code wire_search_request_read(const ProtobufCMessage *msg,
                                                    struct wf_arena *arena,
                                                    struct wire_search_request *out,
                                                    struct wf_error *err);
const ProtobufCMessage *wire_search_request_message(const struct wire_search_request *rq,
                                                    struct wf_arena *arena);
/*
 * Checks the reply against the request that it answers: number of sources, at most k rows per
 * probe, sizes, order, generation name, features and vectors as asked. A reply that fails is
 * garbage: WF_INTERNAL, reason GARBAGE.
 */
WF_MUST_CHECK enum wf_code wire_search_response_read(const ProtobufCMessage *msg,
                                                     const struct wire_search_request *asked,
                                                     struct wf_arena *arena,
                                                     struct wire_search_response *out,
                                                     struct wf_error *err);
const ProtobufCMessage *wire_search_response_message(const struct wire_search_response *reply,
                                                     const struct wire_search_request *asked,
                                                     struct wf_arena *arena);

struct wire_fetch_request {
    const char *generation;
    const char *const *skus;
    uint32_t n_skus;
    const char *space; /* "": no vectors */
    const char *const *attributes;
    uint32_t n_attributes;
};
struct wire_fetch_response {
    const char *generation;
    uint32_t vector_dim;
    struct wire_columns items; /* vectors are float32; `asked` is set */
};
WF_MUST_CHECK enum wf_code wire_fetch_request_read(const ProtobufCMessage *msg,
                                                   struct wf_arena *arena,
                                                   struct wire_fetch_request *out,
                                                   struct wf_error *err);
const ProtobufCMessage *wire_fetch_request_message(const struct wire_fetch_request *rq,
                                                   struct wf_arena *arena);
WF_MUST_CHECK enum wf_code wire_fetch_response_read(const ProtobufCMessage *msg,
                                                    const struct wire_fetch_request *asked,
                                                    struct wf_arena *arena,
                                                    struct wire_fetch_response *out,
                                                    struct wf_error *err);
const ProtobufCMessage *wire_fetch_response_message(const struct wire_fetch_response *reply,
                                                    struct wf_arena *arena);

struct wire_space_stats {
    const char *name, *index;
    uint32_t effort;
    uint64_t vectors;
};
struct wire_generation_stats {
    const char *name;
    uint64_t documents, bytes;
    struct wire_space_stats *spaces;
    uint32_t n_spaces;
};
/* Ids that a list must not hold, uploaded once. */
struct wire_exclusions {
    const uint64_t *hashes;
    uint32_t n;
};
WF_MUST_CHECK enum wf_code wire_exclusions_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                                struct wire_exclusions *out, struct wf_error *err);
const ProtobufCMessage *wire_exclusions_message(const struct wire_exclusions *e,
                                                struct wf_arena *arena);
struct wire_exclusions_reply {
    const char *handle;
    uint32_t n;
};
WF_MUST_CHECK enum wf_code wire_exclusions_reply_read(const ProtobufCMessage *msg,
                                                      struct wf_arena *arena,
                                                      struct wire_exclusions_reply *out,
                                                      struct wf_error *err);
const ProtobufCMessage *wire_exclusions_reply_message(const struct wire_exclusions_reply *r,
                                                      struct wf_arena *arena);
struct wire_stats {
    uint32_t shard, n_shards;
    uint64_t incarnation, cpu_us; /* cpu_us: of the process since it started */
    struct wire_generation_stats *generations;
    uint32_t n_generations;
};
const ProtobufCMessage *wire_stats_request_message(struct wf_arena *arena);
const ProtobufCMessage *wire_stats_message(const struct wire_stats *stats, struct wf_arena *arena);
WF_MUST_CHECK enum wf_code wire_stats_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                                           struct wire_stats *out, struct wf_error *err);

/* ------------------------------------------------------------------ methods, for servers and
 * callers */

enum wire_method {
    WIRE_RECOMMEND,
    WIRE_RECOMMEND_BATCH,
    WIRE_SEARCH,
    WIRE_FETCH,
    WIRE_STATS,
    WIRE_DRAW,
    WIRE_DESCRIBE,
    WIRE_UPLOAD_EXCLUSIONS,
    WIRE_N_METHODS
};
struct wire_method_info {
    const char *path; /* "/weft.v1.RecommendService/Recommend" */
    const ProtobufCMessageDescriptor *request, *response;
};
const struct wire_method_info *wire_method(enum wire_method m);
/* Serialised FileDescriptorSet of what a coordinator serves and of all protos, for reflection. */
const unsigned char *wire_descriptors_public(size_t *size);
const unsigned char *wire_descriptors_all(size_t *size);

#endif

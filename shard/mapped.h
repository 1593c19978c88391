/* SPDX-License-Identifier: Apache-2.0
 *
 * mapped.h - an open shard from the inside; shared by the shard_*.c files only.
 */
#ifndef SHARD_MAPPED_H
#define SHARD_MAPPED_H

#include "base/container.h"
#include "base/generation.h"
#include "base/idmap.h"
#include "shard/feature_column.h"
#include "shard/postings.h"
#include "shard/shard.h"
#include "shard/space.h"

/* One attribute; which members are set follows the schema's type. */
struct shard_attr {
    const struct wf_attr *schema;
    const uint32_t *codes;   /* keyword: rows, < n_values or WF_NO_CODE */
    const uint32_t *offsets; /* keyword: n_values + 1, of NUL-terminated values; text: rows + 1 */
    const char *bytes;
    size_t n_bytes; /* keyword and text: of all values */
    uint32_t n_values;
    const float *numbers;
    const uint8_t *flags;
    struct shard_postings postings;
    const struct shard_zone *zones; /* number: of each SHARD_ZONE_ROWS rows; NULL: not made */
};
struct shard {
    struct wf_container *container; /* owned */
    struct wf_schema schema;
    char generation[WF_NAME_MAX];
    uint32_t number, n_shards, rows;
    uint64_t bytes; /* of the container's sections */
    uint64_t memory[SHARD_COMPONENTS];
    uint64_t memory_limit; /* 0: none */
    struct wf_seal seal;   /* what the file is; path "" for a view */
    char *seal_file;       /* owned; NULL: none */
    bool sealed;           /* opened without reading */
    struct wf_idmap ids;
    const uint32_t *order;    /* rows: place of each row's SKU among the sorted SKUs */
    struct shard_attr *attrs; /* schema.n_attrs */
    struct shard_feature *features;
    uint32_t n_features;
    struct shard_space *spaces;    /* schema.n_spaces */
    struct shard_filters *filters; /* owned */
};

/* "<group>/<name>/<part>" with part NULL for two levels; false when it is longer than a section's
 * name. */
bool shard_section_name(char out[64], const char *group, const char *name, const char *part);

/* Takes the container. What comes out may not be searched before shard_check. */
WF_MUST_CHECK enum wf_code shard_map(struct wf_container *container, const struct wf_schema *schema,
                                     const char *generation, struct shard **out,
                                     struct wf_error *err);
/* Sections by component. */
void shard_memory_of(const struct wf_container *c, uint64_t bytes[SHARD_COMPONENTS]);
uint64_t shard_memory_limit(const struct shard_open_options *o); /* 0: none */
size_t shard_filter_cache(const struct shard_open_options *o);
/* WF_EXHAUSTED when the components would pass the limit. */
WF_MUST_CHECK enum wf_code shard_memory_check(const struct wf_container *c,
                                              const struct shard_open_options *o,
                                              struct wf_error *err);
/* WF_DATA_LOSS: <group> "<name>": <what>. */
enum wf_code shard_lies(struct wf_error *err, const char *group, const char *name,
                        const char *what);
/*
 * Reads what the mapped sections hold: every offset, code, flag, row number, list, centroid and
 * link within its bounds, every text UTF-8. Takes time by the rows. An opening that trusts no seal
 * calls it before anything is searched. Between parts it looks at *stop (may be NULL):
 * WF_CANCELLED.
 */
WF_MUST_CHECK enum wf_code shard_check(const struct shard *s, const atomic_bool *stop,
                                       struct wf_error *err);

/* ---- shard_columns.c: rows of a shard as columns of a reply ---- */

/* What a request wants of every row, resolved. */
struct shard_want {
    const struct shard *s;
    const struct shard_feature **features;
    uint32_t n_features;
    const struct shard_attr **attrs;
    uint32_t n_attrs;
    const struct shard_space *vectors; /* NULL: none wanted */
    enum wire_encoding encoding;
};
/* "*" names every attribute. */
WF_MUST_CHECK enum wf_code shard_want_attrs(struct shard_want *w, const char *const *names,
                                            uint32_t n, struct wf_arena *a, struct wf_error *err);
WF_MUST_CHECK enum wf_code shard_want_features(struct shard_want *w, const uint32_t *ids,
                                               uint32_t n, struct wf_arena *a,
                                               struct wf_error *err);
/* Fills SKUs, features, vectors and attributes of `rows`, and zero scores where out->scores is
 * NULL. */
WF_MUST_CHECK enum wf_code shard_columns(const struct shard_want *w, const uint32_t *rows,
                                         uint32_t n, struct wf_arena *a, struct wire_columns *out,
                                         struct wf_error *err);
WF_MUST_CHECK enum wf_code shard_no_room(const struct wf_arena *a, struct wf_error *err);

#endif

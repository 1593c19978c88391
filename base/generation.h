/* SPDX-License-Identifier: Apache-2.0
 *
 * generation.h - one immutable, content-hashed directory: who is in it and whether it is whole.
 *
 *   GEN/manifest.json            written last; describes everything below
 *   GEN/global/global.weft       container: schema, ranker, popularity, users, calibration
 *   GEN/shard-000/shard.weft     container: per space index and codes; columns; id map
 *
 * manifest.json: {"format":1,"name","created_ms","as_of","n_shards","rows","shard_rows":[...],
 * "content_hash","schema":{...},
 * "files":[{"path","size","hash","sections":[{"name","size","hash"}]}]}. hash = XXH3-128 as 32 hex
 * digits. content_hash = XXH3-128 of "path size hash\n" of all files in path order, then of the
 * schema JSON text in canonical form (sorted keys, compact). `name` is the first 16 digits of it;
 * that is what calls carry. Section names inside are listed in docs/internals/generation.md.
 */
#ifndef WF_GENERATION_H
#define WF_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/container.h"
#include "base/error.h"
#include "base/seal.h"
#include "base/vector.h"

enum {
    WF_NAME_MAX = 64,
    WF_SKU_MAX = 64,
    WF_DIM_MAX = 4096,
    WF_SPACES_MAX = 16,
    WF_ATTRS_MAX = 256,
    WF_SHARDS_MAX = 4096
};

enum wf_attr_type {
    WF_ATTR_KEYWORD = 1, /* dictionary code, u32; WF_NO_CODE = missing */
    WF_ATTR_NUMBER = 2,  /* float32, NaN = missing */
    WF_ATTR_FLAG = 3,    /* u8: 0, 1, 2 = missing */
    WF_ATTR_TEXT = 4,    /* UTF-8, free */
};
#define WF_NO_CODE UINT32_MAX

struct wf_attr {
    char name[WF_NAME_MAX];
    enum wf_attr_type type;
};
struct wf_space {
    char name[WF_NAME_MAX];
    char content_id[WF_NAME_MAX]; /* what made the vectors: "glove100d-v1"; a query with another is
                                     refused */
    uint32_t dim;
    enum wf_metric_space metric;
};
/* Which attribute plays which part; "" = none. Features, reasons and segments are bound by role. */
enum wf_role {
    WF_ROLE_TITLE,
    WF_ROLE_CATEGORY,
    WF_ROLE_BRAND,
    WF_ROLE_COLOUR,
    WF_ROLE_PRICE,
    WF_ROLE_LAUNCH,  /* number: days since 1970 */
    WF_ROLE_SEGMENT, /* keyword: popularity lists are made for each value */
    WF_ROLE_STOCK,   /* flag */
    WF_N_ROLES
};
extern const char *const wf_role_names[WF_N_ROLES]; /* "title", "category", ... */

/* The schema of a dataset directory (schema.cfg) and of a generation (manifest.json "schema"). */
struct wf_schema {
    struct wf_attr attrs[WF_ATTRS_MAX];
    unsigned n_attrs;
    struct wf_space spaces[WF_SPACES_MAX];
    unsigned n_spaces;
    char roles[WF_N_ROLES][WF_NAME_MAX];
    bool simulated_events; /* interactions come from a simulation */
    char description[128];
};
/* Index into attrs or spaces, -1 when there is none of that name. */
int wf_schema_attr(const struct wf_schema *s, const char *name);
int wf_schema_space(const struct wf_schema *s, const char *name);
/* Index of the attribute that plays `role`, -1 when none. */
int wf_schema_role(const struct wf_schema *s, enum wf_role role);
/*
 * schema.cfg (libconfig):
 *   description = "..."; simulated_events = false;
 *   attributes = ( { name = "category"; type = "keyword"; }, ... );   keyword number flag text
 *   spaces = ( { name = "text"; dim = 100; metric = "cosine"; content_id = "..."; }, ... );   ip
 * cosine l2 roles = { title = "productDisplayName"; category = "articleType"; ... }; Everything is
 * checked: names ([A-Za-z_][A-Za-z0-9_.-]*, unique), types, bounds, roles that exist and have a
 * fitting type. Errors are WF_INVALID with "path:line: ".
 */
WF_MUST_CHECK enum wf_code wf_schema_read(const char *path, struct wf_schema *out,
                                          struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_schema_write(const char *path, const struct wf_schema *s,
                                           struct wf_error *err);
const char *wf_attr_type_name(enum wf_attr_type t);
bool wf_attr_type_parse(const char *name, enum wf_attr_type *out);
const char *wf_metric_name(enum wf_metric_space m); /* "ip" "cosine" "l2" */
bool wf_metric_parse(const char *name, enum wf_metric_space *out);

struct wf_manifest {
    char name[17]; /* what calls carry */
    char content_hash[33];
    int64_t created_ms;
    uint64_t as_of; /* stamp; 0 for a plain build */
    uint32_t n_shards;
    uint64_t rows;        /* over all shards */
    uint64_t *shard_rows; /* n_shards of them */
    struct wf_schema schema;
    struct wf_manifest_file *files;
    unsigned n_files;
};
struct wf_manifest_file {
    char path[WF_NAME_MAX]; /* "shard-000/shard.weft" */
    uint64_t size;
    struct wf_hash128 hash; /* of the whole file */
};

/* Reads and checks GEN/manifest.json alone, its own content hash included. */
WF_MUST_CHECK enum wf_code wf_manifest_open(const char *dir, struct wf_manifest **out,
                                            struct wf_error *err);
/* As open, from text (fuzzing). */
WF_MUST_CHECK enum wf_code wf_manifest_parse(const char *text, size_t size,
                                             struct wf_manifest **out, struct wf_error *err);
void wf_manifest_close(struct wf_manifest *m); /* NULL is fine */
/*
 * The last step of a build: hashes every file below `dir` (global/global.weft,
 * shard-NNN/shard.weft), computes the content hash and writes manifest.json atomically. Fills name
 * and content_hash of *m, and its files (released by wf_manifest_close when *m is from wf_xcalloc).
 */
WF_MUST_CHECK enum wf_code wf_manifest_write(const char *dir, struct wf_manifest *m,
                                             struct wf_error *err);
/* Maps one container of the generation, of which the size alone is compared with the manifest, and
 * says in *seal what it is and has to be. Nothing in it may be believed yet. */
WF_MUST_CHECK enum wf_code wf_generation_map(const char *dir, const struct wf_manifest *m,
                                             const char *path, struct wf_container **out,
                                             struct wf_seal *seal, struct wf_error *err);
/* Every byte against the manifest and the sections' hashes, in one pass; `stop` as in
 * wf_container_verify_hash. */
WF_MUST_CHECK enum wf_code wf_generation_verify(const struct wf_container *c,
                                                const struct wf_seal *seal, const atomic_bool *stop,
                                                struct wf_error *err);
/* Opens one container of the generation, checks it against the manifest (size, hash of the whole
 * file) and verifies every section's bytes, all in one pass. */
WF_MUST_CHECK enum wf_code wf_generation_file(const char *dir, const struct wf_manifest *m,
                                              const char *path, struct wf_container **out,
                                              struct wf_error *err);

#endif

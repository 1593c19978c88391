/* SPDX-License-Identifier: Apache-2.0
 *
 * shard.h - one partition of one generation, opened and asked.
 *
 * A shard is immutable: every function but open and close is safe from any thread. Opening verifies
 * checksums, maps the container and checks every offset, count and code in it, or trusts a seal
 * that says that this was done, so that searching checks nothing; content that lies is
 * WF_DATA_LOSS. Requests are answered into the request's arena; columns borrow dictionary strings
 * from the mapping, which must outlive the reply.
 */
#ifndef SHARD_SHARD_H
#define SHARD_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/container.h"
#include "base/error.h"
#include "base/generation.h"
#include "proto/wire.h"

struct shard;

struct shard_open_options {
    /* File that remembers what was verified (device, inode, size, times, hash); NULL: every opening
     * verifies every byte. With it a file that has not changed since is mapped at once. */
    const char *seal;
    uint64_t memory_limit; /* bytes that the components may add up to; 0: the cgroup's, or none */
    size_t filter_cache;   /* bytes of cached filter bitmaps; 0: 64 MiB */
};
/* Shard `number` of the generation at `dir`; `options` NULL: defaults. WF_DATA_LOSS when anything
 * in it is damaged, WF_EXHAUSTED with the sum when it would pass the memory limit. */
WF_MUST_CHECK enum wf_code shard_open(const char *dir, uint32_t number,
                                      const struct shard_open_options *options, struct shard **out,
                                      struct wf_error *err);
/* Whether opening trusted a seal. */
bool shard_sealed(const struct shard *s);
/* Verifies every byte and every invariant as an unsealed opening does; takes seconds, from any one
 * thread beside searches. WF_DATA_LOSS names what is damaged; the seal is then removed. Soon after
 * *stop (may be NULL) is true: WF_CANCELLED. */
WF_MUST_CHECK enum wf_code shard_scrub(const struct shard *s, const atomic_bool *stop,
                                       struct wf_error *err);

/* Bytes of each component, mapped or allocated. */
enum shard_component {
    SHARD_BYTES_CODES,   /* stored vectors */
    SHARD_BYTES_INDEX,   /* centroids, lists, graph, compressed codes, permutations */
    SHARD_BYTES_COLUMNS, /* attributes, postings, zones, features */
    SHARD_BYTES_IDS,
    SHARD_BYTES_BITMAPS, /* cached filters */
    SHARD_BYTES_DELTA,
    SHARD_COMPONENTS
};
extern const char *const shard_component_names[SHARD_COMPONENTS + 1]; /* "codes", ..., NULL */
void shard_memory(const struct shard *s, uint64_t bytes[SHARD_COMPONENTS]);
uint64_t shard_limit(const struct shard *s); /* what they had to stay below; 0: no limit */
/* Takes the container, which the caller has verified (also on failure); `schema` is copied. For
 * tests and tools. */
WF_MUST_CHECK enum wf_code shard_view(struct wf_container *container,
                                      const struct wf_schema *schema, const char *generation,
                                      struct shard **out, struct wf_error *err);
void shard_close(struct shard *s); /* NULL is fine */

/*
 * Probes and lookups. Errors: WF_PRECONDITION with reason WRONG_GENERATION or WRONG_SPACE;
 * WF_INVALID with reason UNKNOWN_SPACE, DIMENSION, UNKNOWN_VALUE (a feature), UNKNOWN_ATTRIBUTE,
 * UNSUPPORTED (an effort that the index does not take, groups of texts, negatives under L2),
 * OUT_OF_RANGE, those of wf_filter_parse; WF_EXHAUSTED when the arena is too small. When `deadline`
 * passes a probe stops between parts and says so. A request with a filter needs a thread that is
 * registered with base/epoch.h, as loop threads are.
 */
WF_MUST_CHECK enum wf_code shard_search(const struct shard *s, const struct wire_search_request *rq,
                                        int64_t deadline, struct wf_arena *arena,
                                        struct wire_search_response *out, struct wf_error *err);
/* Stored vectors and attributes by SKU; the same errors. */
WF_MUST_CHECK enum wf_code shard_fetch(const struct shard *s, const struct wire_fetch_request *rq,
                                       struct wf_arena *arena, struct wire_fetch_response *out,
                                       struct wf_error *err);
/* Arrays live in the arena; shard numbers and incarnation are the caller's. */
WF_MUST_CHECK enum wf_code shard_describe(const struct shard *s, struct wf_arena *arena,
                                          struct wire_generation_stats *out, struct wf_error *err);
const char *shard_generation(const struct shard *s);
uint32_t shard_rows(const struct shard *s);
uint32_t shard_count(const struct shard *s); /* shards of the generation */

#endif

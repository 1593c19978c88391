/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_open.c - from the call that opens a shard to its first answer, in a process that runs:
 * sealed by an earlier opening, and verified byte by byte; beside FAISS, which reads its index of
 * the same vectors into memory and answers. Files are in the page cache. What was opened is closed
 * after the measuring.
 */
#include <stdio.h>

#include <faiss/c_api/index_io_c.h>

#include "base/clock.h"
#include "base/file.h"
#include "shard/shard.h"
#include "tools/microbench.h"
#include "tools/microbench_faiss.h"

enum { PATH_SIZE = 320 };

struct bench {
    struct bench_shard *made;
    struct bench_faiss faiss;
    char generation[PATH_SIZE], seal[PATH_SIZE], index[PATH_SIZE];
    struct shard **shards; /* opened so far */
    FaissIndex **indexes;
    size_t n_shards, n_indexes, cap_shards, cap_indexes;
    uint64_t answers;
    float distances[BENCH_K];
    idx_t labels[BENCH_K];
};

static void open_and_ask(struct bench *b, const char *seal)
{
    const struct shard_open_options options = {.seal = seal};
    const struct wire_effort effort = {.kind = WIRE_EFFORT_NPROBE, .value = BENCH_NPROBE};
    struct shard *own = b->made->shard, *opened;
    struct wf_error err;
    wf_xgrow(&b->shards, &b->cap_shards, b->n_shards + 1, sizeof(struct shard *));
    wf_assert(shard_open(b->generation, 0, &options, &opened, &err) == WF_OK);
    wf_assert(shard_sealed(opened) == (seal != NULL));
    b->shards[b->n_shards++] = opened;
    b->made->shard = opened; /* for one question */
    wf_assert(bench_shard_search(b->made, b->answers++ % BENCH_QUERIES, "", effort, NULL) ==
              BENCH_K);
    b->made->shard = own;
}

static void sealed(void *ctx)
{
    struct bench *b = ctx;
    open_and_ask(b, b->seal);
}

static void verified(void *ctx)
{
    open_and_ask(ctx, NULL);
}

static void read_index(void *ctx)
{
    struct bench *b = ctx;
    const float *query = b->made->queries + b->answers++ % BENCH_QUERIES * BENCH_DIM;
    FaissIndex *index = NULL;
    wf_xgrow(&b->indexes, &b->cap_indexes, b->n_indexes + 1, sizeof(FaissIndex *));
    wf_assert(faiss_read_index_fname(b->index, 0, &index) == 0);
    b->indexes[b->n_indexes++] = index;
    wf_assert(faiss_Index_search(index, 1, query, BENCH_K, b->distances, b->labels) == 0);
}

static void close_all(struct bench *b)
{
    while (b->n_shards > 0) {
        shard_close(b->shards[--b->n_shards]);
    }
    while (b->n_indexes > 0) {
        faiss_Index_free(b->indexes[--b->n_indexes]);
    }
}

/* The container that was made becomes a generation of one shard. */
static enum wf_code make_generation(struct bench *b, struct wf_error *err)
{
    char from[PATH_SIZE], to[PATH_SIZE + 32];
    struct wf_container_writer *w;
    snprintf(from, sizeof from, "%s/shard.weft", b->made->dir);
    snprintf(to, sizeof to, "%s/shard-000", b->generation);
    enum wf_code code = wf_mkdirs(to, err);
    snprintf(to, sizeof to, "%s/shard-000/shard.weft", b->generation);
    if (code == WF_OK && rename(from, to) != 0) {
        code = wf_fail(err, WF_INTERNAL, "%s: cannot rename", from);
    }
    snprintf(to, sizeof to, "%s/global", b->generation);
    if (code == WF_OK) {
        code = wf_mkdirs(to, err);
    }
    snprintf(to, sizeof to, "%s/global/global.weft", b->generation);
    if (code == WF_OK) {
        code = wf_container_create(to, &w, err);
    }
    if (code == WF_OK) {
        code = wf_container_commit(w, err);
    }
    if (code != WF_OK) {
        return code;
    }
    struct wf_manifest *m = wf_xcalloc(1, sizeof *m);
    m->n_shards = 1;
    m->rows = BENCH_ROWS;
    m->shard_rows = wf_xarray(uint64_t, 1);
    m->shard_rows[0] = BENCH_ROWS;
    m->schema = b->made->schema;
    code = wf_manifest_write(b->generation, m, err);
    wf_manifest_close(m);
    return code;
}

/* An opening that verifies seals what has not changed for some time. */
static enum wf_code make_seal(struct bench *b, struct wf_error *err)
{
    const struct shard_open_options options = {.seal = b->seal};
    const int64_t patience = wf_now() + 30 * WF_SECOND;
    bool done = false;
    while (!done && wf_now() < patience) {
        struct shard *s;
        const enum wf_code code = shard_open(b->generation, 0, &options, &s, err);
        if (code != WF_OK) {
            return code;
        }
        done = shard_sealed(s);
        shard_close(s);
    }
    return done ? WF_OK : wf_fail(err, WF_INTERNAL, "%s: not sealed in 30 s", b->seal);
}

static enum wf_code prepare(struct bench *b, struct wf_error *err)
{
    enum wf_code code = bench_shard_make("IVF2048,SQfp16", &b->made, err);
    if (code != WF_OK) {
        return code;
    }
    snprintf(b->generation, sizeof b->generation, "%s/gen", b->made->dir);
    snprintf(b->seal, sizeof b->seal, "%s/seal", b->made->dir);
    snprintf(b->index, sizeof b->index, "%s/index.faiss", b->made->dir);
    code = bench_faiss_init(b->made, &b->faiss, err);
    if (code == WF_OK) {
        code = bench_faiss_ok(faiss_write_index_fname(b->faiss.index, b->index), err);
    }
    bench_faiss_fini(&b->faiss);
    if (code == WF_OK) {
        code = make_generation(b, err);
    }
    return code == WF_OK ? make_seal(b, err) : code;
}

enum wf_code microbench_open(bool json, struct wf_error *err)
{
    struct bench b = {0};
    const enum wf_code code = prepare(&b, err);
    if (code == WF_OK) {
        struct microbench_case c = {.name = "open",
                                    .label = "sealed, to the first answer",
                                    .unit = "opening",
                                    .units = 1,
                                    .ours = sealed,
                                    .peer = read_index,
                                    .peer_name = "faiss read_index",
                                    .process = true,
                                    .ctx = &b,
                                    .config = {BENCH_CONFIG}};
        microbench_run(&c, json);
        close_all(&b);
        c.label = "every byte verified, to the first answer";
        c.ours = verified;
        microbench_run(&c, json);
        close_all(&b);
    }
    wf_xfree(b.shards);
    wf_xfree(b.indexes);
    bench_shard_free(b.made);
    return code;
}

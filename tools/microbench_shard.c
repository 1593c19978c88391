/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_shard.c - see microbench_shard.h.
 */
#include "tools/microbench_shard.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"
#include "shard/build.h"

enum { CLUSTERS = 4000, SHELVES = 1000 };
static const double spread = 0.7; /* of rows around their centre, whose values have spread 1 */

/* The item features that exist, the first few twice. */
static const uint32_t feature_ids[BENCH_FEATURES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3};
enum { DISTINCT_FEATURES = 9 };

/* Rows around seeded centres, unit length; a stream of random numbers for each row. */
struct making {
    float *out;
    const float *centres;
    uint64_t stream;
};

static void make_rows(void *ctx, size_t begin, size_t end, unsigned thread)
{
    const struct making *m = ctx;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        struct wf_random r = wf_random_of(m->stream, i);
        const float *centre = m->centres + wf_random_below(&r, CLUSTERS) * BENCH_DIM;
        float *x = m->out + i * BENCH_DIM;
        for (size_t d = 0; d < BENCH_DIM; d++) {
            x[d] = (float)((double)centre[d] + spread * wf_random_normal(&r));
        }
        wf_assert(wf_normalise(x, BENCH_DIM));
    }
}

static float *make_vectors(size_t n, const float *centres, uint64_t stream)
{
    float *out = wf_xmalloc64(sizeof(float) * n * BENCH_DIM);
    const struct making m = {.out = out, .centres = centres, .stream = stream};
    wf_parallel(wf_cores(), n, 1024, make_rows, (void *)&m);
    return out;
}

static void make_attributes(struct bench_shard *b)
{
    static char shelves[SHELVES][8];
    b->schema.n_attrs = 2;
    b->schema.attrs[0] = (struct wf_attr){.name = "share", .type = WF_ATTR_NUMBER};
    b->schema.attrs[1] = (struct wf_attr){.name = "shelf", .type = WF_ATTR_KEYWORD};
    b->items.columns = wf_xcalloc(2, sizeof *b->items.columns);
    float *numbers = wf_xarray(float, BENCH_ROWS);
    uint32_t *codes = wf_xarray(uint32_t, BENCH_ROWS);
    struct wf_random r = wf_random_of(5, 0);
    for (size_t i = 0; i < BENCH_ROWS; i++) {
        numbers[i] = (float)wf_random_unit(&r);
        codes[i] = (uint32_t)wf_random_below(&r, SHELVES);
    }
    char **dictionary = wf_xarray(char *, SHELVES);
    for (int i = 0; i < SHELVES; i++) {
        snprintf(shelves[i], sizeof shelves[i], "%d", i);
        dictionary[i] = shelves[i];
    }
    b->items.columns[0].numbers = numbers;
    b->items.columns[1].codes = codes;
    b->items.columns[1].dictionary = dictionary;
    b->items.columns[1].n_dictionary = SHELVES;
}

static void make_items(struct bench_shard *b)
{
    float *centres = wf_xarray(float, (size_t)CLUSTERS *BENCH_DIM);
    struct wf_random r = wf_random_of(1, 0);
    for (size_t i = 0; i < (size_t)CLUSTERS * BENCH_DIM; i++) {
        centres[i] = (float)wf_random_normal(&r);
    }
    b->schema.n_spaces = 1;
    b->schema.spaces[0] = (struct wf_space){
        .name = "style", .content_id = "bench", .dim = BENCH_DIM, .metric = WF_METRIC_IP};
    b->items = (struct wf_table){
        .schema = &b->schema, .n = BENCH_ROWS, .skus = wf_xcalloc(BENCH_ROWS, sizeof(char *))};
    b->rows = wf_xarray(uint32_t, BENCH_ROWS);
    b->features = wf_xarray(float, (size_t)BENCH_ROWS *DISTINCT_FEATURES);
    for (uint32_t i = 0; i < BENCH_ROWS; i++) {
        b->items.skus[i] = wf_xprintf("%08u", i);
        b->rows[i] = i;
    }
    b->vectors = make_vectors(BENCH_ROWS, centres, 2);
    b->queries = make_vectors(BENCH_QUERIES, centres, 3);
    make_attributes(b);
    wf_xfree(centres);
}

static enum wf_code build(struct bench_shard *b, const char *index, struct wf_error *err)
{
    char path[sizeof b->dir + 16];
    float min[BENCH_DIM], step[BENCH_DIM];
    const float *const mins[] = {min}, *const steps[] = {step};
    const struct shard_build_space space = {b->vectors};
    snprintf(path, sizeof path, "%s/shard.weft", b->dir);
    shard_sq8_ranges(&b->schema.spaces[0], b->vectors, BENCH_ROWS, min, step);
    const struct shard_build build = {.schema = &b->schema,
                                      .items = &b->items,
                                      .spaces = &space,
                                      .features = b->features,
                                      .feature_ids = feature_ids,
                                      .n_features = DISTINCT_FEATURES,
                                      .n_shards = 1,
                                      .rows = b->rows,
                                      .n_rows = BENCH_ROWS,
                                      .index = index,
                                      .sq8_min = mins,
                                      .sq8_step = steps,
                                      .seed = 1};
    struct wf_container *container = NULL;
    enum wf_code code = shard_build(&build, path, err);
    if (code == WF_OK) {
        code = wf_container_open(path, &container, err);
    }
    return code == WF_OK ? shard_view(container, &b->schema, "bench", &b->shard, err) : code;
}

enum wf_code bench_shard_make(const char *index, struct bench_shard **out, struct wf_error *err)
{
    struct bench_shard *b = wf_xcalloc(1, sizeof *b);
    fprintf(stderr, "making %d x %d vectors and their %s\n", BENCH_ROWS, BENCH_DIM, index);
    snprintf(b->dir, sizeof b->dir, "/tmp/weft-microbench-%d", (int)getpid());
    wf_arena_init(&b->arena, 64 << 20);
    make_items(b);
    enum wf_code code = wf_mkdirs(b->dir, err);
    if (code == WF_OK) {
        code = build(b, index, err);
    }
    if (code != WF_OK) {
        bench_shard_free(b);
        return code;
    }
    *out = b;
    return WF_OK;
}

void bench_shard_free(struct bench_shard *b)
{
    struct wf_error ignored;
    if (b == NULL) {
        return;
    }
    shard_close(b->shard);
    (void)!wf_remove_tree(b->dir, &ignored);
    for (uint32_t i = 0; i < BENCH_ROWS; i++) {
        wf_xfree(b->items.skus[i]);
    }
    wf_xfree(b->items.skus);
    wf_xfree(b->items.columns[0].numbers);
    wf_xfree(b->items.columns[1].codes);
    wf_xfree(b->items.columns[1].dictionary);
    wf_xfree(b->items.columns);
    wf_xfree(b->rows);
    wf_xfree(b->features);
    wf_xfree(b->vectors);
    wf_xfree(b->queries);
    wf_arena_fini(&b->arena);
    wf_xfree(b);
}

uint32_t bench_shard_search(struct bench_shard *b, size_t query, const char *filter,
                            struct wire_effort effort, struct wire_search_response *reply)
{
    const struct wire_probe probe = {.space = "",
                                     .content_id = "",
                                     .vector = b->queries + query * BENCH_DIM,
                                     .dim = BENCH_DIM,
                                     .k = BENCH_K,
                                     .effort = effort};
    const struct wire_search_request rq = {.generation = shard_generation(b->shard),
                                           .request_id = "",
                                           .probes = &probe,
                                           .n_probes = 1,
                                           .features = feature_ids,
                                           .n_features = BENCH_FEATURES,
                                           .filter = filter,
                                           .want_vectors = true,
                                           .vector_space = "",
                                           .encoding = WIRE_FP16,
                                           .group_by = ""};
    struct wire_search_response local;
    struct wf_error err;
    reply = reply == NULL ? &local : reply;
    wf_arena_reset(&b->arena);
    wf_assert(shard_search(b->shard, &rq, INT64_MAX, &b->arena, reply, &err) == WF_OK);
    const ProtobufCMessage *message = wire_search_response_message(reply, &rq, &b->arena);
    wf_assert(message != NULL);
    uint8_t *bytes = wf_arena_alloc(&b->arena, protobuf_c_message_get_packed_size(message));
    wf_assert(bytes != NULL && protobuf_c_message_pack(message, bytes) > 0);
    return reply->sources[0].n;
}

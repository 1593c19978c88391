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
#include "tools/synth.h"

enum { SHELVES = 1000, SEED = 7 };

/* The item features that exist, the first few twice. */
static const uint32_t feature_ids[BENCH_FEATURES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3};
enum { DISTINCT_FEATURES = 9 };

/* Items of the synthetic shop: the first are the shard's, the ones behind them the queries. */
struct making {
    const struct tool_shop *shop;
    float *rows, *queries;
};

static void make_rows(void *ctx, size_t begin, size_t end, unsigned thread)
{
    const struct making *m = ctx;
    struct tool_text line = {0};
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float *x =
            i < BENCH_ROWS ? m->rows + i * BENCH_DIM : m->queries + (i - BENCH_ROWS) * BENCH_DIM;
        tool_text_clear(&line);
        tool_shop_item(m->shop, i, &line, x);
    }
    tool_text_fini(&line);
}

static void make_vectors(struct bench_shard *b)
{
    struct tool_shop *shop = tool_shop_create(BENCH_ROWS + BENCH_QUERIES, BENCH_DIM, SEED);
    struct making m = {.shop = shop};
    m.rows = b->vectors = wf_xmalloc64(sizeof(float) * BENCH_ROWS * BENCH_DIM);
    m.queries = b->queries = wf_xmalloc64(sizeof(float) * BENCH_QUERIES * BENCH_DIM);
    wf_parallel(wf_cores(), BENCH_ROWS + BENCH_QUERIES, 1024, make_rows, &m);
    tool_shop_destroy(shop);
}

static void make_attributes(struct bench_shard *b)
{
    static char shelves[SHELVES][12];
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
    make_vectors(b);
    make_attributes(b);
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_codec.c - 500 candidates packed, unpacked and checked as columns, beside the same
 * candidates as one sub-message each (the public answer has that shape).
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "proto/wire.h"
#include "tools/microbench.h"

enum { ROWS = 500, SKU = 8, FEATURES = 12 };

struct bench {
    struct wf_arena arena;
    struct wire_probe probe;
    struct wire_search_request asked;
    struct wire_search_response columns;
    struct wire_columns source;
    struct wire_recommend_response hits;
    char skus[ROWS * SKU], names[ROWS][SKU + 1];
    uint32_t sizes[ROWS];
    float scores[ROWS], features[ROWS * FEATURES], vector[8];
    uint32_t ids[FEATURES];
    struct wire_hit rows[ROWS];
};

static void *arena_alloc(void *data, size_t size)
{
    return wf_arena_alloc(data, size);
}

static void arena_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

/* Packs `msg` and unpacks it again into the arena. */
static const ProtobufCMessage *through_bytes(struct bench *b, const ProtobufCMessage *msg,
                                             const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCAllocator allocator = {arena_alloc, arena_free, &b->arena};
    wf_assert(msg != NULL);
    const size_t size = protobuf_c_message_get_packed_size(msg);
    uint8_t *bytes = wf_arena_alloc(&b->arena, size);
    protobuf_c_message_pack(msg, bytes);
    const ProtobufCMessage *back = protobuf_c_message_unpack(descriptor, &allocator, size, bytes);
    wf_assert(back != NULL);
    return back;
}

static void columns(void *ctx)
{
    struct bench *b = ctx;
    struct wire_search_response out;
    struct wf_error err;
    wf_arena_reset(&b->arena);
    const ProtobufCMessage *msg = wire_search_response_message(&b->columns, &b->asked, &b->arena);
    msg = through_bytes(b, msg, wire_method(WIRE_SEARCH)->response);
    wf_assert(wire_search_response_read(msg, &b->asked, &b->arena, &out, &err) == WF_OK);
}

static void sub_messages(void *ctx)
{
    struct bench *b = ctx;
    struct wire_recommend_response out;
    struct wf_error err;
    wf_arena_reset(&b->arena);
    const ProtobufCMessage *msg = wire_recommend_response_message(&b->hits, &b->arena);
    msg = through_bytes(b, msg, wire_method(WIRE_RECOMMEND)->response);
    wf_assert(wire_recommend_response_read(msg, &b->arena, &out, &err) == WF_OK);
}

static void fill(struct bench *b)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(b->names[i], sizeof b->names[i], "%08u", i);
        memcpy(b->skus + (size_t)i * SKU, b->names[i], SKU);
        b->sizes[i] = SKU;
        b->scores[i] = 1.0f - (float)i / ROWS;
        b->rows[i] = (struct wire_hit){.sku = b->names[i],
                                       .score = b->scores[i],
                                       .retrieval_score = b->scores[i],
                                       .rank = i + 1,
                                       .item = "",
                                       .segment = ""};
    }
    for (uint32_t j = 0; j < FEATURES; j++) {
        b->ids[j] = j + 1;
    }
    b->vector[0] = 1;
    b->probe = (struct wire_probe){
        .space = "", .content_id = "", .vector = b->vector, .dim = 8, .k = ROWS};
    b->asked = (struct wire_search_request){.generation = "0123456789abcdef",
                                            .request_id = "",
                                            .probes = &b->probe,
                                            .n_probes = 1,
                                            .features = b->ids,
                                            .n_features = FEATURES,
                                            .filter = "",
                                            .vector_space = ""};
    b->source = (struct wire_columns){.n = ROWS,
                                      .sku_bytes = b->skus,
                                      .sku_sizes = b->sizes,
                                      .scores = b->scores,
                                      .features = b->features,
                                      .scanned = 1000,
                                      .parts_planned = 8,
                                      .parts_done = 8};
    b->columns = (struct wire_search_response){.generation = "0123456789abcdef",
                                               .documents = 10000,
                                               .sources = &b->source,
                                               .n_sources = 1};
    b->hits = (struct wire_recommend_response){.request_id = "r",
                                               .hits = b->rows,
                                               .n_hits = ROWS,
                                               .coverage = {.ratio = 1},
                                               .generation = "0123456789abcdef",
                                               .model = "none",
                                               .rules = "",
                                               .space = "",
                                               .fallback = "",
                                               .surface = "for_you"};
}

enum wf_code microbench_codec(bool json, struct wf_error *err)
{
    (void)err;
    struct bench *b = wf_xcalloc(1, sizeof *b);
    fill(b);
    wf_arena_init(&b->arena, 16 << 20);
    const struct microbench_case c = {.name = "codec",
                                      .label = "500 candidates, 12 features",
                                      .unit = "query",
                                      .units = 1,
                                      .ours = columns,
                                      .peer = sub_messages,
                                      .peer_name = "sub-messages",
                                      .kernel = "c",
                                      .ctx = b,
                                      .config = {{"rows", ROWS}, {"features", FEATURES}}};
    microbench_run(&c, json);
    wf_arena_fini(&b->arena);
    wf_xfree(b);
    return WF_OK;
}

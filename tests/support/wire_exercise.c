/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_exercise.c - see the header. The fixed question that replies answer: generation "g1", one
 * probe for 3 of dimension 2, one lookup of the SKUs x and yy, features 1 and 2, every attribute,
 * int8 vectors. A fetch asks for x and yy with the vectors of "image". A draw asks for 3 users
 * from the 5th on.
 */
#include "tests/support/wire_exercise.h"

#include <string.h>

#include "tests/support/wire_text.h"

enum { ARENA_LIMIT = 4 << 20 };

/* Reads a message and builds it again from what was read. */
typedef enum wf_code again_fn(const ProtobufCMessage *msg, struct wf_arena *arena,
                              const ProtobufCMessage **built, struct wf_error *err);

static const float vector[] = {1, 0};
static const struct wire_probe probe = {
    .space = "", .content_id = "", .vector = vector, .dim = 2, .k = 3};
static const char *const skus[] = {"x", "yy"};
static const struct wire_lookup lookup = {.skus = skus, .n_skus = 2};
static const uint32_t features[] = {1, 2};
static const char *const every[] = {"*"};
static const struct wire_search_request search = {
    .generation = "g1",
    .probes = &probe,
    .n_probes = 1,
    .lookups = &lookup,
    .n_lookups = 1,
    .features = features,
    .n_features = 2,
    .attributes = every,
    .n_attributes = 1,
    .want_vectors = true,
    .vector_space = "",
    .encoding = WIRE_INT8,
};
static const struct wire_fetch_request fetch = {
    .generation = "g1",
    .skus = skus,
    .n_skus = 2,
    .space = "image",
    .attributes = every,
    .n_attributes = 1,
};

static const struct wire_draw_request draw = {.kind = WIRE_DRAW_USERS, .first = 5, .count = 3};

static enum wf_code recommend_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                      const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_recommend_request rq;
    enum wf_code code = wire_recommend_request_read(msg, arena, &rq, err);
    *built = code == WF_OK ? wire_recommend_request_message(&rq, arena) : NULL;
    return code;
}

static enum wf_code recommend_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                       const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_recommend_response reply;
    enum wf_code code = wire_recommend_response_read(msg, arena, &reply, err);
    *built = code == WF_OK ? wire_recommend_response_message(&reply, arena) : NULL;
    return code;
}

/* A batch is good when each of its requests is. */
static enum wf_code batch_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                  const ProtobufCMessage **built, struct wf_error *err)
{
    const ProtobufCMessage *const *list = NULL;
    uint32_t n = 0;
    enum wf_code code = wire_batch_request_read(msg, arena, &list, &n, err);
    struct wire_recommend_request requests[WIRE_BATCH_MAX];
    for (uint32_t i = 0; code == WF_OK && i < n; i++) {
        code = wire_recommend_request_read(list[i], arena, &requests[i], err);
    }
    *built = code == WF_OK ? wire_batch_request_message(requests, n, arena) : NULL;
    return code;
}

static enum wf_code batch_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                   const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_batch_item *items = NULL;
    uint32_t n = 0;
    enum wf_code code = wire_batch_response_read(msg, arena, &items, &n, err);
    *built = code == WF_OK ? wire_batch_response_message(items, n, arena) : NULL;
    return code;
}

static enum wf_code search_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                   const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_search_request rq;
    enum wf_code code = wire_search_request_read(msg, arena, &rq, err);
    *built = code == WF_OK ? wire_search_request_message(&rq, arena) : NULL;
    return code;
}

/* Touches every byte that a caller may reach after a read. */
static uint64_t walk(const struct wire_columns *c, uint32_t n_features, uint32_t dim)
{
    uint64_t sum = 0;
    const char *sku = c->sku_bytes;
    for (uint32_t i = 0; i < c->n; i++) {
        for (uint32_t j = 0; j < c->sku_sizes[i]; j++) {
            sum += (unsigned char)*sku++;
        }
        sum += c->scores[i] > 0;
        sum += c->asked ? c->asked[i] : 0;
        for (uint32_t j = 0; j < n_features; j++) {
            sum += c->features[(size_t)i * n_features + j] > 0;
        }
        for (uint32_t j = 0; c->vectors && j < dim; j++) {
            sum += c->vectors[(size_t)i * dim + j];
        }
    }
    for (uint32_t i = 0; i < c->n_attributes; i++) {
        const struct wire_column *a = &c->attributes[i];
        for (uint32_t j = 0; a->kind == WIRE_COLUMN_KEYWORD && j < c->n; j++) {
            sum += a->codes[j] == UINT32_MAX ? 0 : strlen(a->dictionary[a->codes[j]]);
        }
    }
    return sum;
}

static enum wf_code search_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                    const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_search_response reply;
    enum wf_code code = wire_search_response_read(msg, &search, arena, &reply, err);
    *built = code == WF_OK ? wire_search_response_message(&reply, &search, arena) : NULL;
    for (uint32_t i = 0; code == WF_OK && i < reply.n_sources; i++) {
        wf_assert(walk(&reply.sources[i], search.n_features, reply.vector_dim) < UINT64_MAX);
    }
    return code;
}

static enum wf_code fetch_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                  const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_fetch_request rq;
    enum wf_code code = wire_fetch_request_read(msg, arena, &rq, err);
    *built = code == WF_OK ? wire_fetch_request_message(&rq, arena) : NULL;
    return code;
}

static enum wf_code fetch_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                   const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_fetch_response reply;
    enum wf_code code = wire_fetch_response_read(msg, &fetch, arena, &reply, err);
    *built = code == WF_OK ? wire_fetch_response_message(&reply, arena) : NULL;
    wf_assert(code != WF_OK || walk(&reply.items, 0, reply.vector_dim) < UINT64_MAX);
    return code;
}

static enum wf_code stats_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                  const ProtobufCMessage **built, struct wf_error *err)
{
    (void)msg;
    (void)err;
    *built = wire_stats_request_message(arena);
    return WF_OK;
}

static enum wf_code stats_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                   const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_stats stats;
    enum wf_code code = wire_stats_read(msg, arena, &stats, err);
    *built = code == WF_OK ? wire_stats_message(&stats, arena) : NULL;
    return code;
}

static enum wf_code draw_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                 const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_draw_request rq;
    enum wf_code code = wire_draw_request_read(msg, &rq, err);
    *built = code == WF_OK ? wire_draw_request_message(&rq, arena) : NULL;
    return code;
}

static enum wf_code draw_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                  const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_draw_response reply;
    enum wf_code code = wire_draw_response_read(msg, &draw, &reply, err);
    *built = code == WF_OK ? wire_draw_response_message(&reply, arena) : NULL;
    return code;
}

static enum wf_code describe_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                     const ProtobufCMessage **built, struct wf_error *err)
{
    (void)msg;
    (void)err;
    *built = wire_describe_request_message(arena);
    return WF_OK;
}

static enum wf_code describe_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                      const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_describe_response reply;
    enum wf_code code = wire_describe_response_read(msg, arena, &reply, err);
    *built = code == WF_OK ? wire_describe_response_message(&reply, arena) : NULL;
    return code;
}

static enum wf_code exclusions_request(const ProtobufCMessage *msg, struct wf_arena *arena,
                                       const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_exclusions list;
    enum wf_code code = wire_exclusions_read(msg, arena, &list, err);
    *built = code == WF_OK ? wire_exclusions_message(&list, arena) : NULL;
    return code;
}

static enum wf_code exclusions_response(const ProtobufCMessage *msg, struct wf_arena *arena,
                                        const ProtobufCMessage **built, struct wf_error *err)
{
    struct wire_exclusions_reply reply;
    enum wf_code code = wire_exclusions_reply_read(msg, arena, &reply, err);
    *built = code == WF_OK ? wire_exclusions_reply_message(&reply, arena) : NULL;
    return code;
}

static const struct {
    const char *name;
    enum wire_method method;
    bool reply;
    again_fn *again;
} kinds[WIRE_N_KINDS] = {
    [WIRE_KIND_RECOMMEND_REQUEST] = {"recommend_request", WIRE_RECOMMEND, false, recommend_request},
    [WIRE_KIND_RECOMMEND_RESPONSE] = {"recommend_response", WIRE_RECOMMEND, true,
                                      recommend_response},
    [WIRE_KIND_BATCH_REQUEST] = {"batch_request", WIRE_RECOMMEND_BATCH, false, batch_request},
    [WIRE_KIND_BATCH_RESPONSE] = {"batch_response", WIRE_RECOMMEND_BATCH, true, batch_response},
    [WIRE_KIND_SEARCH_REQUEST] = {"search_request", WIRE_SEARCH, false, search_request},
    [WIRE_KIND_SEARCH_RESPONSE] = {"search_response", WIRE_SEARCH, true, search_response},
    [WIRE_KIND_FETCH_REQUEST] = {"fetch_request", WIRE_FETCH, false, fetch_request},
    [WIRE_KIND_FETCH_RESPONSE] = {"fetch_response", WIRE_FETCH, true, fetch_response},
    [WIRE_KIND_STATS_REQUEST] = {"stats_request", WIRE_STATS, false, stats_request},
    [WIRE_KIND_STATS_RESPONSE] = {"stats_response", WIRE_STATS, true, stats_response},
    [WIRE_KIND_DRAW_REQUEST] = {"draw_request", WIRE_DRAW, false, draw_request},
    [WIRE_KIND_DRAW_RESPONSE] = {"draw_response", WIRE_DRAW, true, draw_response},
    [WIRE_KIND_DESCRIBE_REQUEST] = {"describe_request", WIRE_DESCRIBE, false, describe_request},
    [WIRE_KIND_DESCRIBE_RESPONSE] = {"describe_response", WIRE_DESCRIBE, true, describe_response},
    [WIRE_KIND_EXCLUSIONS_REQUEST] = {"exclusions_request", WIRE_UPLOAD_EXCLUSIONS, false,
                                      exclusions_request},
    [WIRE_KIND_EXCLUSIONS_RESPONSE] = {"exclusions_response", WIRE_UPLOAD_EXCLUSIONS, true,
                                       exclusions_response},
};

const char *wire_kind_name(enum wire_kind kind)
{
    return kinds[kind].name;
}

static void check_failure(bool reply, const struct wf_error *err)
{
    if (err->code == WF_EXHAUSTED) {
        return;
    }
    wf_assert(err->code == (reply ? WF_INTERNAL : WF_INVALID));
    wf_assert(reply ? strcmp(err->reason, "GARBAGE") == 0 : *err->reason != '\0');
    wf_assert(*err->text);
}

/* Building from what was built gives the same bytes. */
static void check_stable(again_fn *again, const ProtobufCMessage *built, struct wf_arena *arena,
                         const unsigned char *bytes, size_t size)
{
    struct wf_error err;
    const ProtobufCMessage *twice = NULL;
    wf_assert(wire_scan(bytes, size, built->descriptor, NULL) == WF_OK);
    const ProtobufCMessage *msg = wire_decode(arena, built->descriptor, bytes, size);
    wf_assert(msg && again(msg, arena, &twice, &err) == WF_OK && twice);
    size_t size2 = 0;
    const unsigned char *bytes2 = wire_encode(arena, twice, &size2);
    wf_assert(size2 == size && memcmp(bytes, bytes2, size) == 0);
}

static enum wf_code run(enum wire_kind kind, struct wf_arena arenas[2], const unsigned char *data,
                        size_t size, bool *same, struct wf_error *err)
{
    const struct wire_method_info *method = wire_method(kinds[kind].method);
    const bool reply = kinds[kind].reply;
    const ProtobufCMessageDescriptor *d = reply ? method->response : method->request;
    enum wf_code code = reply ? WF_OK : wire_scan(data, size, d, err);
    if (code != WF_OK) {
        check_failure(reply, err);
        return code;
    }
    const ProtobufCMessage *msg = wire_decode(&arenas[0], d, data, size);
    if (!msg) {
        return wf_fail(err, WF_INVALID, "%zu bytes that do not decode", size);
    }
    const ProtobufCMessage *built = NULL;
    code = kinds[kind].again(msg, &arenas[0], &built, err);
    if (code != WF_OK) {
        check_failure(reply, err);
        return code;
    }
    if (!built) {
        return wf_fail(err, WF_EXHAUSTED, "arena of %d bytes is full", ARENA_LIMIT);
    }
    size_t built_size = 0;
    const unsigned char *bytes = wire_encode(&arenas[1], built, &built_size);
    check_stable(kinds[kind].again, built, &arenas[1], bytes, built_size);
    if (same) {
        *same = built_size == size && memcmp(bytes, data, size) == 0;
    }
    return WF_OK;
}

enum wf_code wire_exercise(enum wire_kind kind, const unsigned char *data, size_t size, bool *same,
                           struct wf_error *err)
{
    struct wf_arena arenas[2];
    wf_arena_init(&arenas[0], ARENA_LIMIT);
    wf_arena_init(&arenas[1], SIZE_MAX / 2); /* ours: not what is limited */
    enum wf_code code = run(kind, arenas, data, size, same, err);
    wf_arena_fini(&arenas[0]);
    wf_arena_fini(&arenas[1]);
    return code;
}

#define HIT1                                                                                       \
    "1:'1163' 2:1.5f 3:0.5f 4:1.5f 5:1 6:{1:'brand' 2:'Nike'} 6:{1:'price' 3:9.5f} "               \
    "6:{1:'new' 4:1} 7:{1:'bias' 2:0.5f} 8:{1:3 2:0.5f 3:'7' 4:'brand: Nike' 5:'Men'}"
#define REPLY                                                                                      \
    "1:'r1' 2:{" HIT1 "} 2:{1:'9' 2:0.25f 3:-2f 5:2} "                                             \
    "3:{1:100 2:90 3:0.9d 4:55 5:{1:1 2:2 3:4 4:10 5:20 6:30 7:1 8:'g1'}} 4:<1 11> "               \
    "5:{1:'g1' 2:'none' 3:'r' 4:'image'} 6:{1:1 2:2 3:3 4:4 5:5 6:6 7:21} 7:'popularity' "         \
    "8:'similar'"
#define PROBED                                                                                     \
    "1:'abc' 2:<1 2> 3:[2 1] 4:[1 2 3 nan] 5:'\\x01\\x02\\x03\\x04' 6:[1 0.5] "                    \
    "7:{1:'brand' 2:'Nike' 2:'Puma' 3:<1 4294967295>} 7:{1:'price' 4:[9.5 nan]} "                  \
    "7:{1:'new' 5:'\\x01\\x02'} 7:{1:'title' 6:'red' 7:<0 3>} 9:1000 10:16 11:15"

static const struct wire_sample samples[] = {
    {WIRE_KIND_RECOMMEND_REQUEST, "8:10"},
    {WIRE_KIND_RECOMMEND_REQUEST,
     "1:'r1' 2:'similar_raw' 3:{1:'image' 2:'c1' 3:[0.5 -1 2 0]} 8:20 9:100 10:'price < 10' "
     "13:{1:16} 14:200 15:'brand' 15:'*' 16:1 17:0.5f 18:{1:'Women' 2:'u2'} 19:7"},
    {WIRE_KIND_RECOMMEND_REQUEST, "4:{1:'u1'} 8:10 11:1 12:0.95f"},
    {WIRE_KIND_RECOMMEND_REQUEST, "5:{1:'1163' 1:'9' 1:'Gr\\xc3\\xb6\\xc3\\x9fe'} 8:1000"},
    {WIRE_KIND_RECOMMEND_REQUEST, "6:{1*50:'s'} 8:1 13:{2:64}"},
    {WIRE_KIND_RECOMMEND_REQUEST, "7:{1:'red shoes'} 8:10"},
    {WIRE_KIND_RECOMMEND_REQUEST,
     "4:{1:'u1'} 8:10 20:{1:{1:(9 1 18446744073709551615 1)}} 21:{1:'style_id' 2:2} "
     "22:{1:'a' 2:{1:[0.5 -1]} 2:{1:[2 0]} 3:2 4:0.75f}"},
    {WIRE_KIND_RECOMMEND_REQUEST, "5:{1:'a'} 8:10 20:{2:'00ff'} 22:{1:'b' 3:1 4:0f}"},
    {WIRE_KIND_RECOMMEND_RESPONSE, REPLY},
    {WIRE_KIND_RECOMMEND_RESPONSE, "3:{} 5:{} 6:{}"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "3:{1:9 4:3 6:5} 5:{} 6:{}"},
    {WIRE_KIND_BATCH_REQUEST, "1:{4:{1:'u1'} 8:10} 1:{5:{1:'a'} 8:5}"},
    {WIRE_KIND_BATCH_RESPONSE, "1:{1:{" REPLY "}} 1:{2:{1:3 2:'k: 0' 3:'OUT_OF_RANGE' 4:'k'}}"},
    {WIRE_KIND_SEARCH_REQUEST,
     "1:'g1' 2:'r1' 3:{1:'image' 2:'c1' 3:[1 2 3] 4:100 5:16} 3:{3:[1] 4:5 6:64} "
     "3:{3:[1] 4:4096 7:1} 4:{1:'a' 1:'b'} 4:{2:<1 2 300>} 5:<1 2 3> 6:'*' 7:'new' 8:1 "
     "9:'image' 10:3"},
    {WIRE_KIND_SEARCH_REQUEST, "1:'g1' 3:{3:[0.6 0.8] 4:10}"},
    {WIRE_KIND_SEARCH_REQUEST,
     "1:'g1' 3:{3:[1 0] 4:10 8:0.95f 9:[0 1 0.5 0.5] 10:1.5f} 7:'price < 3' 11:(1 2 "
     "18446744073709551615) 12:'style_id' 13:100"},
    {WIRE_KIND_SEARCH_RESPONSE,
     "1:'g1' 2:5000 3:{" PROBED "} 3:{1:'yy' 2:<2> 3:[0] 4:[1 1] 5:'\\x05\\x06' 6:[1] 8:<1>} "
     "4:2 5:77"},
    {WIRE_KIND_SEARCH_RESPONSE, "1:'g1' 3:{} 3:{} 4:2"},
    {WIRE_KIND_SEARCH_RESPONSE, "1:'g1' 2:5000 3:{} 3:{} 4:2 6:4999"},
    {WIRE_KIND_FETCH_REQUEST, "1:'g1' 2:'x' 2:'yy' 3:'image' 4:'brand' 4:'price'"},
    {WIRE_KIND_FETCH_RESPONSE,
     "1:'g1' 2:1 3:{1:'xyy' 2:<1 2> 3:[0 0] 5:'\\0\\0\\x80\\x3f\\0\\0\\0\\x40' "
     "7:{1:'price' 4:[1 2]} 8:<0 1>}"},
    {WIRE_KIND_STATS_REQUEST, ""},
    {WIRE_KIND_STATS_RESPONSE,
     "1:2 2:3 3:12345 4:{1:'g1' 2:100 3:{1:'image' 2:'IVF64,SQfp16' 3:8 4:99} 4:4096} "
     "4:{1:'g2'}"},
    {WIRE_KIND_STATS_RESPONSE, "1:1 2:2 3:9 4:{1:'g1' 2:7} 5:123456789"},
    {WIRE_KIND_DRAW_REQUEST, "1:1 2:7 3:5 4:3"},
    {WIRE_KIND_DRAW_REQUEST, "1:2 4:4096"},
    {WIRE_KIND_DRAW_RESPONSE, "1:'g1' 2:100 3:'u1' 3:'u22' 3:'Gr\\xc3\\xb6\\xc3\\x9fe'"},
    {WIRE_KIND_DRAW_RESPONSE, "1:'g1'"},
    {WIRE_KIND_DESCRIBE_REQUEST, ""},
    {WIRE_KIND_DESCRIBE_RESPONSE,
     "1:'g1' 2:5000 3:200 4:1234567 5:{3:10 4:20} 5:{2:1 3:11 4:900000} 5:{1:1 3:12}"},
    {WIRE_KIND_DESCRIBE_RESPONSE, "1:'g1'"},
    {WIRE_KIND_EXCLUSIONS_REQUEST, "1:{1:(7)}"},
    {WIRE_KIND_EXCLUSIONS_REQUEST, "1:{1:(3 2 1 0 18446744073709551615 3)}"},
    {WIRE_KIND_EXCLUSIONS_RESPONSE, "1:'0123456789abcdef0123456789abcdef' 2:100000"},
};

const struct wire_sample *wire_samples(size_t *n)
{
    *n = sizeof samples / sizeof samples[0];
    return samples;
}

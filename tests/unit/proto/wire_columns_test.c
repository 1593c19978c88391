/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_columns_test.c - a shard's reply comes back as it was sent, and a reply that is no answer to
 * the question is refused whatever is wrong with it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/wire_text.h"

/* The question that every reply here answers: one probe for 3 and one lookup of 2, two features,
 * vectors of dimension 2. */
static const float vector[] = {1, 0};
static const struct wire_probe probe = {
    .space = "", .content_id = "", .vector = vector, .dim = 2, .k = 3};
static const char *const skus[] = {"x", "yy"};
static const struct wire_lookup lookup = {.skus = skus, .n_skus = 2};
static const uint32_t features[] = {1, 2};
static const char *const attributes[] = {"brand", "price", "new", "title"};

static struct wire_search_request question(enum wire_encoding encoding)
{
    return (struct wire_search_request){
        .generation = "g",
        .probes = &probe,
        .n_probes = 1,
        .lookups = &lookup,
        .n_lookups = 1,
        .features = features,
        .n_features = 2,
        .attributes = attributes,
        .n_attributes = 4,
        .want_vectors = encoding != 0,
        .vector_space = "",
        .encoding = encoding,
    };
}

static enum wf_code read_text(const char *text, const struct wire_search_request *asked,
                              struct wire_search_response *reply, struct wf_error *err)
{
    const ProtobufCMessageDescriptor *d = wire_method(WIRE_SEARCH)->response;
    size_t size = 0;
    const unsigned char *data = wire_text(wire_arena, text, &size);
    const ProtobufCMessage *msg = wire_decode(wire_arena, d, data, size);
    assert_non_null(msg);
    return wire_search_response_read(msg, asked, wire_arena, reply, err);
}

/* Two rows of the probe and one of the lookup, vectors as `encoding` says. */
static struct wire_search_response answer(const struct wire_column *columns,
                                          const unsigned char *vectors, const float *scales)
{
    static const uint32_t sku_sizes[] = {1, 2};
    static const float scores[] = {0.5F, 0.5F};
    static const float matrix[] = {1, NAN, 3, -INFINITY};
    static const uint32_t one[] = {1};
    static struct wire_columns sources[2];
    sources[0] = (struct wire_columns){
        .n = 2,
        .sku_bytes = "abc",
        .sku_sizes = sku_sizes,
        .scores = scores,
        .features = matrix,
        .vectors = vectors,
        .vector_scales = scales,
        .attributes = columns,
        .n_attributes = 4,
        .scanned = 1000,
        .parts_planned = 16,
        .parts_done = 15,
    };
    sources[1] = (struct wire_columns){
        .n = 1,
        .sku_bytes = "yy",
        .sku_sizes = sku_sizes + 1,
        .features = matrix,
        .vectors = vectors,
        .vector_scales = scales,
        .asked = one,
    };
    return (struct wire_search_response){.generation = "g",
                                         .documents = 5000,
                                         .micros = 77,
                                         .sources = sources,
                                         .n_sources = 2,
                                         .vector_dim = vectors ? 2 : 0};
}

static void check_columns(const struct wire_column *columns, const struct wire_columns *got)
{
    assert_int_equal(4, got->n_attributes);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(columns[i].name, got->attributes[i].name);
        assert_int_equal(columns[i].kind, got->attributes[i].kind);
    }
    assert_int_equal(2, got->attributes[0].n_dictionary);
    assert_string_equal("Puma", got->attributes[0].dictionary[1]);
    assert_memory_equal(columns[0].codes, got->attributes[0].codes, 8);
    assert_memory_equal(columns[1].numbers, got->attributes[1].numbers, 8);
    assert_memory_equal(columns[2].flags, got->attributes[2].flags, 2);
    assert_memory_equal("redblack", got->attributes[3].text, 8);
    assert_memory_equal(columns[3].text_sizes, got->attributes[3].text_sizes, 8);
}

static void a_reply_comes_back_in_every_encoding(void **state)
{
    (void)state;
    const char *const dictionary[] = {"Nike", "Puma"};
    const uint32_t codes[] = {1, UINT32_MAX};
    const float numbers[] = {9.5F, NAN};
    const uint8_t flags[] = {2, 0};
    const uint32_t text_sizes[] = {3, 5};
    const struct wire_column columns[] = {
        {.name = "brand",
         .kind = WIRE_COLUMN_KEYWORD,
         .dictionary = dictionary,
         .n_dictionary = 2,
         .codes = codes},
        {.name = "price", .kind = WIRE_COLUMN_NUMBER, .numbers = numbers},
        {.name = "new", .kind = WIRE_COLUMN_FLAG, .flags = flags},
        {.name = "title", .kind = WIRE_COLUMN_TEXT, .text = "redblack", .text_sizes = text_sizes},
    };
    static const unsigned char vectors[16] = {1, 2,  3,  4,  5,  6,  7,  8,
                                              9, 10, 11, 12, 13, 14, 15, 16};
    const float scales[] = {0.5F, 0};
    static const size_t sizes[] = {0, 16, 8, 4};
    for (int encoding = 0; encoding <= WIRE_INT8; encoding++) {
        struct wf_error err = {0};
        const struct wire_search_request asked = question((enum wire_encoding)encoding);
        const struct wire_search_response sent =
            answer(columns, encoding ? vectors : NULL, encoding == WIRE_INT8 ? scales : NULL);
        struct wire_search_response got;
        const ProtobufCMessage *msg =
            wire_resend(wire_arena, wire_search_response_message(&sent, &asked, wire_arena));
        enum wf_code code = wire_search_response_read(msg, &asked, wire_arena, &got, &err);
        assert_string_equal("", err.text);
        assert_int_equal(WF_OK, code);
        assert_string_equal("g", got.generation);
        assert_int_equal(5000, got.documents);
        assert_int_equal(77, got.micros);
        assert_int_equal(2, got.n_sources);
        const struct wire_columns *c = &got.sources[0];
        assert_int_equal(2, c->n);
        assert_memory_equal("abc", c->sku_bytes, 3);
        assert_memory_equal(sent.sources[0].scores, c->scores, 8);
        assert_memory_equal(sent.sources[0].features, c->features, 16);
        assert_int_equal(1000, c->scanned);
        assert_int_equal(16, c->parts_planned);
        assert_int_equal(15, c->parts_done);
        assert_true(!c->vectors == !encoding);
        if (c->vectors) {
            assert_memory_equal(vectors, c->vectors, sizes[encoding]);
        }
        assert_true(!c->vector_scales == (encoding != WIRE_INT8));
        assert_null(c->asked);
        check_columns(columns, c);
        assert_int_equal(1, got.sources[1].n);
        assert_int_equal(1, got.sources[1].asked[0]);
        assert_true(got.sources[1].scores[0] == 0);
    }
}

#define SKUS                 "1:'abc' 2:<1 2> "
#define SCORES               "3:[2 1] "
#define FEATURES             "4:[1 2 3 nan] "
#define VECTORS              "5:'\\x01\\x02\\x03\\x04' 6:[1 1] "
#define PROBED               SKUS SCORES FEATURES VECTORS
#define FOUND                "1:'yy' 2:<2> 3:[0] 4:[1 1] 5:'\\x05\\x06' 6:[1] 8:<1>"
#define REPLY(probed, found) "1:'g' 2:9 3:{" probed "} 3:{" found "} 4:2"

static const struct {
    const char *text, *says;
} garbage[] = {
    {"1:'h' 3:{" PROBED "} 3:{" FOUND "} 4:2", "generation \"h\""},
    {"3:{" PROBED "} 3:{" FOUND "} 4:2", "generation \"\""},
    {"1:'g' 3:{" PROBED "} 4:2", "1 sources, 2 are due"},
    {"1:'g' 3*3:{} 4:2", "3 sources, 2 are due"},
    {"1:'g' 3:{" PROBED "} 3:{" FOUND "} 4:3", "dimension 3, the space has 2"},
    {"1:'g' 3:{" PROBED "} 3:{" FOUND "} 4:4000000000", "dimension 4000000000"},
    {"1:'g' 3:{" PROBED "} 3:{" FOUND "}", "source 0: 4 bytes of vectors, 0 are due"},
    /* more rows than asked for */
    {REPLY("1:'abcd' 2:<1 1 1 1> 3:[4 3 2 1]", FOUND), "source 0: 4 rows, at most 3"},
    {REPLY(PROBED, "1:'abc' 2:<1 1 1>"), "source 1: 3 rows, at most 2"},
    /* SKUs */
    {REPLY("1:'abc' 2:<1 3> " SCORES FEATURES VECTORS, FOUND), "SKU 1 has 3 bytes"},
    {REPLY("1:'abc' 2:<1 1> " SCORES FEATURES VECTORS, FOUND), "SKUs have 2 bytes, 3 came"},
    {REPLY("1:'abc' 2:<3 0> " SCORES FEATURES VECTORS, FOUND), "SKU 1 has 0 bytes"},
    {REPLY("1:'abc' 2:<1 4294967295> " SCORES FEATURES VECTORS, FOUND), "has 4294967295 bytes"},
    {REPLY("1:'a'*66 2:<65 1> " SCORES FEATURES VECTORS, FOUND), "SKU 0 has 65 bytes"},
    {REPLY("1:'a\\0c' 2:<1 2> " SCORES FEATURES VECTORS, FOUND), "without NUL"},
    {REPLY("1:'a\\xffc' 2:<1 2> " SCORES FEATURES VECTORS, FOUND), "not UTF-8"},
    {REPLY("1:'\\xc3\\xa9c' 2:<1 2> " SCORES FEATURES VECTORS, FOUND), "SKU 1 is not UTF-8"},
    /* scores and order */
    {REPLY(SKUS "3:[2] " FEATURES VECTORS, FOUND), "1 scores, 2 are due"},
    {REPLY(SKUS FEATURES VECTORS, FOUND), "0 scores, 2 are due"},
    {REPLY(SKUS "3:[2 nan] " FEATURES VECTORS, FOUND), "row 1 has score"},
    {REPLY(SKUS "3:[inf 2] " FEATURES VECTORS, FOUND), "row 0 has score inf"},
    {REPLY(SKUS "3:[1 2] " FEATURES VECTORS, FOUND), "row 1 has score 2 after 1"},
    {REPLY("1:'bca' 2:<2 1> 3:[1 1] " FEATURES VECTORS, FOUND), "no later SKU than row 0"},
    {REPLY("1:'aa' 2:<1 1> 3:[1 1] " FEATURES VECTORS, FOUND), "no later SKU than row 0"},
    {REPLY("1:'aba' 2:<2 1> 3:[1 1] " FEATURES VECTORS, FOUND), "no later SKU than row 0"},
    /* features and vectors */
    {REPLY(SKUS SCORES "4:[1 2 3] " VECTORS, FOUND), "3 features, 4 are due"},
    {REPLY(SKUS SCORES VECTORS, FOUND), "0 features, 4 are due"},
    {REPLY(SKUS SCORES FEATURES "5:'123' 6:[1 1]", FOUND), "3 bytes of vectors, 4 are due"},
    {REPLY(SKUS SCORES FEATURES "5:'1234' 6:[1]", FOUND), "1 vector scales, 2 are due"},
    {REPLY(SKUS SCORES FEATURES "5:'1234' 6:[1 nan]", FOUND), "row 1 has vector scale"},
    {REPLY(SKUS SCORES FEATURES "5:'1234' 6:[-1 1]", FOUND), "row 0 has vector scale -1"},
    {REPLY(SKUS SCORES FEATURES "5:'1234' 6:[inf 1]", FOUND), "row 0 has vector scale inf"},
    /* attributes */
    {REPLY(PROBED "7:{1:'price'}", FOUND), "attribute price: 0 shapes"},
    {REPLY(PROBED "7:{1:'price' 4:[1 2] 3:<0 0>}", FOUND), "attribute price: 2 shapes"},
    {REPLY(PROBED "7:{1:'price' 4:[1]}", FOUND), "1 numbers, 2 are due"},
    {REPLY(PROBED "7:{1:'brand' 2:'a' 3:<0 1>}", FOUND), "row 1 has code 1 of 1"},
    {REPLY(PROBED "7:{1:'brand' 2:'a' 3:<0>}", FOUND), "1 codes, 2 are due"},
    {REPLY(PROBED "7:{1:'brand' 2:'\\xff' 3:<0 0>}", FOUND), "dictionary word 0"},
    {REPLY(PROBED "7:{1:'new' 5:'\\0\\x03'}", FOUND), "row 1 has flag 3"},
    {REPLY(PROBED "7:{1:'new' 5:'\\x01'}", FOUND), "1 flags, 2 are due"},
    {REPLY(PROBED "7:{1:'title' 6:'abc' 7:<1 1>}", FOUND), "texts have 2 bytes, 3 came"},
    {REPLY(PROBED "7:{1:'title' 6:'abc' 7:<1 3>}", FOUND), "text 1 has 3 bytes"},
    {REPLY(PROBED "7:{1:'title' 6:'abc' 7:<3>}", FOUND), "1 texts, 2 are due"},
    {REPLY(PROBED "7:{1:'title' 6:'a\\0c' 7:<1 2>}", FOUND), "texts are not UTF-8 without NUL"},
    {REPLY(PROBED "7:{4:[1 2]}", FOUND), "attribute 0 has a name of 0 bytes"},
    {REPLY(PROBED "7:{1:'other' 4:[1 2]}", FOUND), "attribute other was not asked for"},
    {REPLY(PROBED "7*2:{1:'price' 4:[1 2]}", FOUND), "attribute price comes twice"},
    {REPLY(PROBED "7*257:{1:'price' 4:[1 2]}", FOUND), "257 attributes"},
    /* lookups, and parts */
    {REPLY(PROBED "8:<0 1>", FOUND), "2 asked, 0 are due"},
    {REPLY(PROBED, "1:'yy' 2:<2> 4:[1 1] 5:'12' 6:[1]"), "0 asked, 1 are due"},
    {REPLY(PROBED, "1:'yy' 2:<2> 4:[1 1] 5:'12' 6:[1] 8:<2>"), "answers element 2 of 2"},
    {REPLY(PROBED, "1:'yy' 2:<2> 4:[1 1] 5:'12' 6:[1] 8:<0>"), "row 0 is yy, asked was x"},
    {REPLY(PROBED, "1:'yyx' 2:<2 1> 4:[1 1 1 1] 5:'1234' 6:[1 1] 8:<1 0>"), "element 0 of 2"},
    {REPLY(PROBED, "1:'xx' 2:<1 1> 4:[1 1 1 1] 5:'1234' 6:[1 1] 8:<0 0>"), "element 0 of 2"},
    {REPLY(PROBED "10:3 11:4", FOUND), "4 parts done of 3"},
};

static void every_kind_of_garbage_is_refused(void **state)
{
    (void)state;
    const struct wire_search_request asked = question(WIRE_INT8);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        struct wf_error err;
        struct wire_search_response reply;
        enum wf_code code = read_text(garbage[i].text, &asked, &reply, &err);
        print_message("%s\n  %s\n", garbage[i].text, err.text);
        assert_int_equal(WF_INTERNAL, code);
        assert_int_equal(WF_INTERNAL, err.code);
        assert_string_equal("GARBAGE", err.reason);
        assert_non_null(strstr(err.text, garbage[i].says));
        wf_arena_reset(wire_arena);
    }
}

static void the_replies_the_garbage_was_made_of_are_good(void **state)
{
    (void)state;
    static const char *const good[] = {
        REPLY(PROBED, FOUND),
        REPLY("", ""),
        REPLY("7:{1:'brand'}", ""), /* a column of no rows */
        REPLY("1:'ab' 2:<1 1> 3:[1 1] " FEATURES VECTORS, FOUND),
        REPLY("1:'aab' 2:<1 2> 3:[0 -0] " FEATURES VECTORS, FOUND),
        REPLY(PROBED "7:{1:'title' 6:'ab' 7:<0 2>}", FOUND),
        REPLY(PROBED "7:{1:'title' 7:<0 0>}", FOUND),
    };
    const struct wire_search_request asked = question(WIRE_INT8);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct wf_error err = {0};
        struct wire_search_response reply;
        enum wf_code code = read_text(good[i], &asked, &reply, &err);
        assert_string_equal("", err.text);
        assert_int_equal(WF_OK, code);
    }
}

static void vectors_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum wire_encoding encoding;
        const char *vectors;
        bool good;
    } cases[] = {
        {WIRE_FLOAT32, "\\x00\\x00\\x80\\x7f\\0\\0\\0\\0", false}, /* inf */
        {WIRE_FLOAT32, "\\0\\0\\0\\0\\x01\\x00\\x80\\xff", false}, /* nan */
        {WIRE_FLOAT32, "\\xff\\xff\\x7f\\x7f\\0\\0\\0\\0", true},  /* the largest */
        {WIRE_FP16, "\\0\\0\\x00\\x7c", false},
        {WIRE_FP16, "\\x01\\xfc\\0\\0", false},
        {WIRE_FP16, "\\xff\\x7b\\0\\0", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "1:'g' 3:{1:'a' 2:<1> 3:[1] 4:[1 1] 5:'%s'} 3:{} 4:2",
                 cases[i].vectors);
        struct wf_error err = {0};
        struct wire_search_response reply;
        const struct wire_search_request asked = question(cases[i].encoding);
        assert_int_equal(cases[i].good ? WF_OK : WF_INTERNAL,
                         read_text(text, &asked, &reply, &err));
    }
}

/* Three rows of dimension 2 with `element` at place `at` and the largest finite number elsewhere.
 */
static enum wf_code read_with(enum wire_encoding encoding, uint32_t element, unsigned at)
{
    static const uint32_t sizes[] = {1, 1, 1};
    static const float scores[] = {3, 2, 1};
    static const float matrix[6];
    unsigned char vectors[24];
    const size_t size = encoding == WIRE_FP16 ? 2 : 4;
    const uint32_t largest = encoding == WIRE_FP16 ? 0x7BFF : 0x7F7FFFFF;
    for (unsigned i = 0; i < 6; i++) {
        memcpy(vectors + i * size, i == at ? &element : &largest, size);
    }
    struct wire_columns sources[2] = {{.n = 3,
                                       .sku_bytes = "abc",
                                       .sku_sizes = sizes,
                                       .scores = scores,
                                       .features = matrix,
                                       .vectors = vectors}};
    const struct wire_search_response sent = {
        .generation = "g", .sources = sources, .n_sources = 2, .vector_dim = 2};
    const struct wire_search_request asked = question(encoding);
    struct wire_search_response got;
    struct wf_error err;
    enum wf_code code = wire_search_response_read(
        wire_search_response_message(&sent, &asked, wire_arena), &asked, wire_arena, &got, &err);
    wf_arena_reset(wire_arena);
    return code;
}

static void every_half_and_many_floats_are_told_apart(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        bool finite = (h & 0x7C00) != 0x7C00;
        assert_int_equal(finite ? WF_OK : WF_INTERNAL, read_with(WIRE_FP16, h, h % 6));
        assert_int_equal(finite ? WF_OK : WF_INTERNAL, read_with(WIRE_FP16, h, (h / 6) % 6));
    }
    for (uint32_t top = 0; top < 0x10000; top += 3) {
        uint32_t bits = top << 16 | (top * 40503 & 0xFFFF);
        bool finite = (bits & 0x7F800000) != 0x7F800000;
        assert_int_equal(finite ? WF_OK : WF_INTERNAL, read_with(WIRE_FLOAT32, bits, top % 6));
    }
}

static void vectors_come_only_when_asked_for(void **state)
{
    (void)state;
    struct wf_error err;
    struct wire_search_response reply;
    const struct wire_search_request asked = question((enum wire_encoding)0);
    assert_int_equal(WF_INTERNAL, read_text(REPLY("", ""), &asked, &reply, &err));
    assert_int_equal(WF_INTERNAL, read_text("1:'g' 3:{1:'a' 2:<1> 3:[1] 4:[1 1] 5:'1'} 3:{}",
                                            &asked, &reply, &err));
    assert_int_equal(WF_OK,
                     read_text("1:'g' 3:{1:'a' 2:<1> 3:[1] 4:[1 1]} 3:{}", &asked, &reply, &err));
    assert_null(reply.sources[0].vectors);
}

static void a_full_arena_is_said_and_builds_nothing(void **state)
{
    (void)state;
    const struct wire_search_request asked = question(WIRE_INT8);
    struct wf_error err;
    struct wire_search_response reply;
    struct wf_arena small;
    wf_arena_init(&small, 64);
    size_t size = 0;
    const unsigned char *data = wire_text(wire_arena, REPLY(PROBED, FOUND), &size);
    const ProtobufCMessage *msg =
        wire_decode(wire_arena, wire_method(WIRE_SEARCH)->response, data, size);
    assert_int_equal(WF_EXHAUSTED, wire_search_response_read(msg, &asked, &small, &reply, &err));
    assert_int_equal(WF_OK, wire_search_response_read(msg, &asked, wire_arena, &reply, &err));
    assert_null(wire_search_response_message(&reply, &asked, &small));
    wf_arena_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_comes_back_in_every_encoding),
        cmocka_unit_test(every_kind_of_garbage_is_refused),
        cmocka_unit_test(the_replies_the_garbage_was_made_of_are_good),
        cmocka_unit_test(vectors_that_are_not_finite_are_refused),
        cmocka_unit_test(every_half_and_many_floats_are_told_apart),
        cmocka_unit_test(vectors_come_only_when_asked_for),
        cmocka_unit_test(a_full_arena_is_said_and_builds_nothing),
    };
    return cmocka_run_group_tests(tests, wire_arena_setup, wire_arena_teardown);
}

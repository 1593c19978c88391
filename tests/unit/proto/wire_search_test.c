/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_search_test.c - what a shard is asked: round trips, and each bad request with its reason and
 * field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/wire_text.h"

static enum wf_code read_text(const char *text, struct wire_search_request *rq,
                              struct wf_error *err)
{
    const ProtobufCMessageDescriptor *d = wire_method(WIRE_SEARCH)->request;
    size_t size = 0;
    const unsigned char *data = wire_text(wire_arena, text, &size);
    assert_int_equal(WF_OK, wire_scan(data, size, d, err));
    const ProtobufCMessage *msg = wire_decode(wire_arena, d, data, size);
    assert_non_null(msg);
    return wire_search_request_read(msg, wire_arena, rq, err);
}

static void a_request_comes_back_whole(void **state)
{
    (void)state;
    const float vector[] = {0.6F, 0.8F};
    const char *const skus[] = {"a", "b"};
    const uint32_t rows[] = {7, 0, UINT32_MAX};
    const uint32_t features[] = {1, 9};
    const char *const attributes[] = {"brand"};
    const struct wire_probe probes[] = {
        {.space = "image", .content_id = "c", .vector = vector, .dim = 2, .k = 1},
        {.vector = vector, .dim = 2, .k = 4096, .effort = {WIRE_EFFORT_NPROBE, 16}},
        {.vector = vector, .dim = 1, .k = 5, .effort = {WIRE_EFFORT_EF, 64}},
        {.vector = vector, .dim = 2, .k = 6, .effort = {WIRE_EFFORT_EXACT, 0}},
    };
    const struct wire_lookup lookups[] = {{.skus = skus, .n_skus = 2}, {.rows = rows, .n_rows = 3}};
    const struct wire_search_request rq = {
        .generation = "g1",
        .request_id = "r1",
        .probes = probes,
        .n_probes = 4,
        .lookups = lookups,
        .n_lookups = 2,
        .features = features,
        .n_features = 2,
        .attributes = attributes,
        .n_attributes = 1,
        .filter = "price < 10",
        .want_vectors = true,
        .vector_space = "image",
        .encoding = WIRE_FP16,
    };
    struct wf_error err;
    struct wire_search_request got;
    const ProtobufCMessage *msg =
        wire_resend(wire_arena, wire_search_request_message(&rq, wire_arena));
    assert_int_equal(WF_OK, wire_search_request_read(msg, wire_arena, &got, &err));
    assert_string_equal("g1", got.generation);
    assert_string_equal("r1", got.request_id);
    assert_int_equal(4, got.n_probes);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(probes[i].k, got.probes[i].k);
        assert_int_equal(probes[i].dim, got.probes[i].dim);
        assert_int_equal(probes[i].effort.kind, got.probes[i].effort.kind);
        assert_int_equal(probes[i].effort.value, got.probes[i].effort.value);
        assert_memory_equal(vector, got.probes[i].vector, probes[i].dim * sizeof(float));
    }
    assert_string_equal("image", got.probes[0].space);
    assert_string_equal("c", got.probes[0].content_id);
    assert_string_equal("", got.probes[1].space);
    assert_int_equal(2, got.n_lookups);
    assert_string_equal("b", got.lookups[0].skus[1]);
    assert_null(got.lookups[0].rows);
    assert_null(got.lookups[1].skus);
    assert_memory_equal(rows, got.lookups[1].rows, sizeof rows);
    assert_memory_equal(features, got.features, sizeof features);
    assert_string_equal("brand", got.attributes[0]);
    assert_string_equal("price < 10", got.filter);
    assert_true(got.want_vectors);
    assert_string_equal("image", got.vector_space);
    assert_int_equal(WIRE_FP16, got.encoding);
}

static void exclusions_groups_and_negatives_come_back(void **state)
{
    (void)state;
    const float vector[] = {0.6F, 0.8F};
    const float negatives[] = {1, 0, 0, 1, -1, 0};
    const uint64_t exclude[] = {0, 5, UINT64_MAX};
    const struct wire_probe probe = {.vector = vector,
                                     .dim = 2,
                                     .k = 7,
                                     .effort = {.kind = WIRE_EFFORT_RECALL, .recall = 0.98F},
                                     .negatives = negatives,
                                     .n_negatives = 3,
                                     .negative_weight = 0.25F};
    const struct wire_search_request rq = {.generation = "g1",
                                           .probes = &probe,
                                           .n_probes = 1,
                                           .exclude = exclude,
                                           .n_exclude = 3,
                                           .group_by = "style_id",
                                           .group_max = 2};
    struct wf_error err;
    struct wire_search_request got;
    const ProtobufCMessage *msg =
        wire_resend(wire_arena, wire_search_request_message(&rq, wire_arena));
    assert_int_equal(WF_OK, wire_search_request_read(msg, wire_arena, &got, &err));
    assert_int_equal(WIRE_EFFORT_RECALL, got.probes[0].effort.kind);
    assert_true(got.probes[0].effort.recall == 0.98F);
    assert_int_equal(3, got.probes[0].n_negatives);
    assert_memory_equal(negatives, got.probes[0].negatives, sizeof negatives);
    assert_true(got.probes[0].negative_weight == 0.25F);
    assert_int_equal(3, got.n_exclude);
    assert_memory_equal(exclude, got.exclude, sizeof exclude);
    assert_string_equal("style_id", got.group_by);
    assert_int_equal(2, got.group_max);
}

#define PROBE "3:{3:[1] 4:5}"

static const struct {
    const char *text, *reason, *field;
} bad[] = {
    {PROBE, "MISSING", "generation"},
    {"1:'g'*65 " PROBE, "TOO_LONG", "generation"},
    {"1:'\\xff' " PROBE, "NOT_UTF8", "generation"},
    {"1:'g' 2:'r'*65 " PROBE, "TOO_LONG", "request_id"},
    {"1:'g'", "MISSING", "probes"},
    {"1:'g' 3*17:{3:[1] 4:5}", "TOO_MANY", "probes"},
    {"1:'g' 3:{4:5}", "MISSING", "probes[0].vector"},
    {"1:'g' " PROBE " 3:{3:[0 0 0 0 0 0 0 inf] 4:5}", "NOT_FINITE", "probes[1].vector[7]"},
    {"1:'g' 3:{3:[0]*4097 4:5}", "TOO_MANY", "probes[0].vector"},
    {"1:'g' 3:{3:[1]}", "OUT_OF_RANGE", "probes[0].k"},
    {"1:'g' 3:{3:[1] 4:4097}", "OUT_OF_RANGE", "probes[0].k"},
    {"1:'g' 3:{1:'s'*65 3:[1] 4:5}", "TOO_LONG", "probes[0].space"},
    {"1:'g' 3:{2:'\\xff' 3:[1] 4:5}", "NOT_UTF8", "probes[0].content_id"},
    {"1:'g' 3:{3:[1] 4:5 5:0}", "OUT_OF_RANGE", "probes[0].nprobe"},
    {"1:'g' 3:{3:[1] 4:5 5:65537}", "OUT_OF_RANGE", "probes[0].nprobe"},
    {"1:'g' 3:{3:[1] 4:5 6:0}", "OUT_OF_RANGE", "probes[0].ef_search"},
    {"1:'g' 3:{3:[1] 4:5 7:0}", "OUT_OF_RANGE", "probes[0].exact"},
    {"1:'g' 3:{3:[1] 4:5 8:0f}", "OUT_OF_RANGE", "probes[0].target_recall"},
    {"1:'g' 3:{3:[1] 4:5 8:1.01f}", "OUT_OF_RANGE", "probes[0].target_recall"},
    {"1:'g' 3:{3:[1] 4:5 8:nanf}", "OUT_OF_RANGE", "probes[0].target_recall"},
    {"1:'g' 3:{3:[1 2] 4:5 9:[1 2 3]}", "DIMENSION", "probes[0].negatives"},
    {"1:'g' 3:{3:[1] 4:5 9:[1]*17}", "TOO_MANY", "probes[0].negatives"},
    {"1:'g' 3:{3:[1] 4:5 9:[1 inf]}", "NOT_FINITE", "probes[0].negatives[1]"},
    {"1:'g' 3:{3:[1] 4:5 10:-1f}", "OUT_OF_RANGE", "probes[0].negative_weight"},
    {"1:'g' 3:{3:[1] 4:5 10:10.5f}", "OUT_OF_RANGE", "probes[0].negative_weight"},
    {"1:'g' 3:{3:[1] 4:5 10:nanf}", "NOT_FINITE", "probes[0].negative_weight"},
    {"1:'g' " PROBE " 11:(1 1)", "CONFLICT", "exclude[1]"},
    {"1:'g' " PROBE " 11:(1 2 1)", "CONFLICT", "exclude[2]"},
    {"1:'g' " PROBE " 11:(1)*100001", "TOO_MANY", "exclude"},
    {"1:'g' " PROBE " 12:'a'*65 13:1", "TOO_LONG", "group_by"},
    {"1:'g' " PROBE " 12:'a'", "OUT_OF_RANGE", "group_max"},
    {"1:'g' " PROBE " 12:'a' 13:101", "OUT_OF_RANGE", "group_max"},
    {"1:'g' " PROBE " 13:1", "OUT_OF_RANGE", "group_max"},
    {"1:'g' 4*17:{2:<1>}", "TOO_MANY", "lookups"},
    {"1:'g' 4:{}", "MISSING", "lookups[0].skus"},
    {"1:'g' 4:{2:<1>} 4:{1:'a' 2:<1>}", "CONFLICT", "lookups[1].rows"},
    {"1:'g' 4:{1*4097:'a'}", "TOO_MANY", "lookups[0].skus"},
    {"1:'g' 4:{2:<1>*4097}", "TOO_MANY", "lookups[0].rows"},
    {"1:'g' 4:{1:'a' 1:''}", "MISSING", "lookups[0].skus[1]"},
    {"1:'g' 4:{1:'a'*65}", "TOO_LONG", "lookups[0].skus[0]"},
    {"1:'g' 4:{1:'a' 1:'b' 1:'\\xc1\\x81'}", "NOT_UTF8", "lookups[0].skus[2]"},
    {"1:'g' " PROBE " 5:<1>*257", "TOO_MANY", "features"},
    {"1:'g' " PROBE " 6*257:'a'", "TOO_MANY", "attributes"},
    {"1:'g' " PROBE " 6:''", "MISSING", "attributes[0]"},
    {"1:'g' " PROBE " 7:'f'*16385", "TOO_LONG", "filter"},
    {"1:'g' " PROBE " 8:1", "MISSING", "vector_encoding"},
    {"1:'g' " PROBE " 8:1 10:4", "UNKNOWN_VALUE", "vector_encoding"},
    {"1:'g' " PROBE " 10:-1", "UNKNOWN_VALUE", "vector_encoding"},
    {"1:'g' " PROBE " 9:'s'*65", "TOO_LONG", "vector_space"},
};

static void every_bad_request_names_its_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_error err;
        struct wire_search_request rq;
        print_message("%s\n", bad[i].text);
        assert_int_equal(WF_INVALID, read_text(bad[i].text, &rq, &err));
        assert_string_equal(bad[i].reason, err.reason);
        assert_string_equal(bad[i].field, err.field);
        wf_arena_reset(wire_arena);
    }
}

static void what_is_just_allowed_passes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "1:'g' " PROBE,
        "1:'g' 3*16:{3:[1] 4:4096} 4*16:{2:<0>}",
        "1:'g' 4:{2:<1>*4096}",
        "1:'g' 4:{1*4096:'a'}",
        "1:'g' 4:{2:1 2:2 2:3}", /* rows that are not packed */
        "1:'g' " PROBE " 8:1 10:3",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct wf_error err;
        struct wire_search_request rq;
        print_message("%s\n", good[i]);
        assert_int_equal(WF_OK, read_text(good[i], &rq, &err));
    }
}

static void a_full_arena_is_said(void **state)
{
    (void)state;
    struct wf_error err;
    struct wire_search_request rq;
    size_t size = 0;
    const unsigned char *data = wire_text(wire_arena, "1:'g' 3*16:{3:[1] 4:5}", &size);
    const ProtobufCMessage *msg =
        wire_decode(wire_arena, wire_method(WIRE_SEARCH)->request, data, size);
    struct wf_arena small;
    wf_arena_init(&small, 64);
    assert_int_equal(WF_EXHAUSTED, wire_search_request_read(msg, &small, &rq, &err));
    assert_null(wire_search_request_message(&(struct wire_search_request){0}, &small));
    wf_arena_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_back_whole),
        cmocka_unit_test(exclusions_groups_and_negatives_come_back),
        cmocka_unit_test(every_bad_request_names_its_fault),
        cmocka_unit_test(what_is_just_allowed_passes),
        cmocka_unit_test(a_full_arena_is_said),
    };
    return cmocka_run_group_tests(tests, wire_arena_setup, wire_arena_teardown);
}

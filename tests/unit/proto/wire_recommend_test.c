/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_recommend_test.c - requests come back as they were sent, and every bad one is refused with
 * its reason and field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/wire_text.h"

static enum wf_code read_text(const char *text, struct wire_recommend_request *rq,
                              struct wf_error *err)
{
    const ProtobufCMessageDescriptor *d = wire_method(WIRE_RECOMMEND)->request;
    size_t size = 0;
    const unsigned char *data = wire_text(wire_arena, text, &size);
    assert_int_equal(WF_OK, wire_scan(data, size, d, err));
    const ProtobufCMessage *msg = wire_decode(wire_arena, d, data, size);
    assert_non_null(msg);
    return wire_recommend_request_read(msg, wire_arena, rq, err);
}

static struct wire_recommend_request resend(const struct wire_recommend_request *rq)
{
    struct wf_error err;
    struct wire_recommend_request got;
    const ProtobufCMessage *msg =
        wire_resend(wire_arena, wire_recommend_request_message(rq, wire_arena));
    assert_non_null(msg);
    assert_int_equal(WF_OK, wire_recommend_request_read(msg, wire_arena, &got, &err));
    return got;
}

static void an_empty_request_has_the_defaults(void **state)
{
    (void)state;
    struct wf_error err;
    struct wire_recommend_request rq;
    assert_int_equal(WF_OK, read_text("", &rq, &err));
    assert_int_equal(WIRE_SUBJECT_NONE, rq.subject);
    assert_int_equal(WIRE_K_DEFAULT, rq.k);
    assert_int_equal(0, rq.timeout_ms);
    assert_int_equal(0, rq.rank_limit);
    assert_int_equal(WIRE_EFFORT_DEFAULT, rq.effort.kind);
    const char *const texts[] = {rq.request_id, rq.surface, rq.space,   rq.content_id,
                                 rq.id,         rq.filter,  rq.segment, rq.context_user};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_string_equal("", texts[i]);
    }
}

static void a_vector_request_comes_back_whole(void **state)
{
    (void)state;
    const float vector[] = {0.5F, -1, 3e38F, 0};
    const char *const attributes[] = {"brand", "*"};
    const struct wire_recommend_request rq = {
        .request_id = "r-1",
        .surface = "similar_raw",
        .subject = WIRE_SUBJECT_VECTOR,
        .space = "image",
        .content_id = "resnet-1",
        .vector = vector,
        .dim = 4,
        .k = 20,
        .timeout_ms = 60000,
        .filter = "price < 10",
        .effort = {WIRE_EFFORT_NPROBE, 65536},
        .rank_limit = 2000,
        .attributes = attributes,
        .n_attributes = 2,
        .explain = true,
        .min_coverage = 1,
        .segment = "Women",
        .context_user = "u7",
        .seed = UINT64_MAX,
    };
    struct wire_recommend_request got = resend(&rq);
    assert_string_equal("r-1", got.request_id);
    assert_string_equal("similar_raw", got.surface);
    assert_int_equal(WIRE_SUBJECT_VECTOR, got.subject);
    assert_string_equal("image", got.space);
    assert_string_equal("resnet-1", got.content_id);
    assert_int_equal(4, got.dim);
    assert_memory_equal(vector, got.vector, sizeof vector);
    assert_int_equal(20, got.k);
    assert_int_equal(60000, got.timeout_ms);
    assert_string_equal("price < 10", got.filter);
    assert_int_equal(WIRE_EFFORT_NPROBE, got.effort.kind);
    assert_int_equal(65536, got.effort.value);
    assert_int_equal(2000, got.rank_limit);
    assert_int_equal(2, got.n_attributes);
    assert_string_equal("*", got.attributes[1]);
    assert_true(got.explain && !got.exact);
    assert_true(got.min_coverage == 1 && got.target_recall == 0);
    assert_string_equal("Women", got.segment);
    assert_string_equal("u7", got.context_user);
    assert_true(got.seed == UINT64_MAX);
}

static void every_other_subject_comes_back(void **state)
{
    (void)state;
    const char *const skus[] = {"1163", "1163", "Größe"};
    struct wire_recommend_request rq = {.subject = WIRE_SUBJECT_USER, .id = "u1", .exact = true};
    struct wire_recommend_request got = resend(&rq);
    assert_int_equal(WIRE_SUBJECT_USER, got.subject);
    assert_string_equal("u1", got.id);
    assert_true(got.exact);

    rq = (struct wire_recommend_request){
        .subject = WIRE_SUBJECT_TEXT, .id = "red shoes", .target_recall = 0.9F};
    got = resend(&rq);
    assert_int_equal(WIRE_SUBJECT_TEXT, got.subject);
    assert_string_equal("red shoes", got.id);
    assert_true(got.target_recall == 0.9F);

    const enum wire_subject_kind lists[] = {WIRE_SUBJECT_ITEMS, WIRE_SUBJECT_SESSION};
    for (int i = 0; i < 2; i++) {
        rq = (struct wire_recommend_request){
            .subject = lists[i], .skus = skus, .n_skus = 3, .effort = {WIRE_EFFORT_EF, 64}};
        got = resend(&rq);
        assert_int_equal(lists[i], got.subject);
        assert_int_equal(3, got.n_skus);
        assert_string_equal("Größe", got.skus[2]);
        assert_int_equal(WIRE_EFFORT_EF, got.effort.kind);
    }
}

static void exclusions_groups_and_negatives_come_back(void **state)
{
    (void)state;
    const uint64_t hashes[] = {UINT64_MAX, 3, 0, 3};
    const char *const skus[] = {"a", "b"};
    const float vectors[] = {1, 2, -3, 4};
    struct wire_recommend_request rq = {
        .subject = WIRE_SUBJECT_USER,
        .id = "u1",
        .exclude = hashes,
        .n_exclude = 4,
        .group_by = "style_id",
        .group_max = 100,
        .negative_mode = WIRE_NEGATIVE_BEST_MINUS_WORST,
        .negative_weight = 10,
        .negative_skus = skus,
        .n_negative_skus = 2,
        .negative_vectors = vectors,
        .n_negative_vectors = 2,
        .negative_dim = 2,
    };
    struct wire_recommend_request got = resend(&rq);
    assert_int_equal(4, got.n_exclude);
    assert_memory_equal(hashes, got.exclude, sizeof hashes);
    assert_string_equal("", got.exclude_handle);
    assert_string_equal("style_id", got.group_by);
    assert_int_equal(100, got.group_max);
    assert_int_equal(WIRE_NEGATIVE_BEST_MINUS_WORST, got.negative_mode);
    assert_true(got.negative_weight == 10);
    assert_int_equal(2, got.n_negative_skus);
    assert_string_equal("b", got.negative_skus[1]);
    assert_int_equal(2, got.n_negative_vectors);
    assert_int_equal(2, got.negative_dim);
    assert_memory_equal(vectors, got.negative_vectors, sizeof vectors);

    rq = (struct wire_recommend_request){.exclude_handle = "h1"};
    got = resend(&rq);
    assert_string_equal("h1", got.exclude_handle);
    assert_int_equal(0, got.n_exclude);
    assert_string_equal("", got.group_by);
    assert_int_equal(0, got.n_negative_skus + got.n_negative_vectors);
}

static void what_is_left_out_of_groups_and_negatives_has_a_default(void **state)
{
    (void)state;
    struct wf_error err;
    struct wire_recommend_request rq;
    assert_int_equal(WF_OK, read_text("4:{1:'u'} 21:{1:'a'} 22:{1:'x'}", &rq, &err));
    assert_int_equal(1, rq.group_max);
    assert_int_equal(WIRE_NEGATIVE_SUBTRACT, rq.negative_mode);
    assert_true(rq.negative_weight == 0.5F);
    assert_int_equal(WF_OK, read_text("4:{1:'u'} 22:{1:'x' 4:0f}", &rq, &err));
    assert_true(rq.negative_weight == 0);
}

static const struct {
    const char *text, *reason, *field;
} bad[] = {
    {"20:{}", "MISSING", "exclude"},
    {"20:{2:''}", "MISSING", "exclude.handle"},
    {"20:{2:'h'*65}", "TOO_LONG", "exclude.handle"},
    {"20:{1:{}}", "MISSING", "exclude.hashes.values"},
    {"20:{1:{1:(7)*100001}}", "TOO_MANY", "exclude.hashes.values"},
    {"21:{}", "MISSING", "group_by.attribute"},
    {"21:{1:'a'*65}", "TOO_LONG", "group_by.attribute"},
    {"21:{1:'a' 2:0}", "OUT_OF_RANGE", "group_by.max"},
    {"21:{1:'a' 2:101}", "OUT_OF_RANGE", "group_by.max"},
    {"22:{1:'a'}", "CONFLICT", "negatives"},
    {"4:{1:'u'} 22:{}", "MISSING", "negatives.skus"},
    {"4:{1:'u'} 22:{1*17:'a'}", "TOO_MANY", "negatives.skus"},
    {"4:{1:'u'} 22:{1*16:'a' 2:{1:[1]}}", "TOO_MANY", "negatives.vectors"},
    {"4:{1:'u'} 22:{1:'a' 1:''}", "MISSING", "negatives.skus[1]"},
    {"4:{1:'u'} 22:{2:{}}", "MISSING", "negatives.vectors[0].values"},
    {"4:{1:'u'} 22:{2:{1:[1]} 2:{1:[0 nan]}}", "NOT_FINITE", "negatives.vectors[1].values[1]"},
    {"4:{1:'u'} 22:{2:{1:[1]} 2:{1:[0 1]}}", "DIMENSION", "negatives.vectors[1].values"},
    {"4:{1:'u'} 22:{2:{1:[1]*4097}}", "TOO_MANY", "negatives.vectors[0].values"},
    {"4:{1:'u'} 22:{1:'a' 3:3}", "UNKNOWN_VALUE", "negatives.mode"},
    {"4:{1:'u'} 22:{1:'a' 3:-1}", "UNKNOWN_VALUE", "negatives.mode"},
    {"4:{1:'u'} 22:{1:'a' 4:-0.1f}", "OUT_OF_RANGE", "negatives.weight"},
    {"4:{1:'u'} 22:{1:'a' 4:10.1f}", "OUT_OF_RANGE", "negatives.weight"},
    {"4:{1:'u'} 22:{1:'a' 4:nanf}", "NOT_FINITE", "negatives.weight"},
    {"8:0", "OUT_OF_RANGE", "k"},
    {"8:1001", "OUT_OF_RANGE", "k"},
    {"8:4294967295", "OUT_OF_RANGE", "k"},
    {"9:0", "OUT_OF_RANGE", "timeout_ms"},
    {"9:60001", "OUT_OF_RANGE", "timeout_ms"},
    {"8:20 14:19", "OUT_OF_RANGE", "rank_limit"},
    {"14:9", "OUT_OF_RANGE", "rank_limit"},
    {"14:2001", "OUT_OF_RANGE", "rank_limit"},
    {"12:0f", "OUT_OF_RANGE", "target_recall"},
    {"12:-0.5f", "OUT_OF_RANGE", "target_recall"},
    {"12:1.01f", "OUT_OF_RANGE", "target_recall"},
    {"12:nanf", "NOT_FINITE", "target_recall"},
    {"17:-0.1f", "OUT_OF_RANGE", "min_coverage"},
    {"17:1.5f", "OUT_OF_RANGE", "min_coverage"},
    {"17:inff", "NOT_FINITE", "min_coverage"},
    {"1:'x'*65", "TOO_LONG", "request_id"},
    {"1:'\\xff'", "NOT_UTF8", "request_id"},
    {"2:'x'*65", "TOO_LONG", "surface"},
    {"10:'x'*16385", "TOO_LONG", "filter"},
    {"10:'\\xc0\\x80'", "NOT_UTF8", "filter"},
    {"3:{}", "MISSING", "subject.vector.values"},
    {"3:{3:[1]*4097}", "TOO_MANY", "subject.vector.values"},
    {"3:{3:[0 1 2 nan]}", "NOT_FINITE", "subject.vector.values[3]"},
    {"3:{3:[-inf]}", "NOT_FINITE", "subject.vector.values[0]"},
    {"3:{1:'x'*65 3:[1]}", "TOO_LONG", "subject.vector.space"},
    {"3:{2:'\\x80' 3:[1]}", "NOT_UTF8", "subject.vector.content_id"},
    {"4:{}", "MISSING", "subject.user.id"},
    {"4:{1:'u'*65}", "TOO_LONG", "subject.user.id"},
    {"4:{1:'\\xed\\xa0\\x80'}", "NOT_UTF8", "subject.user.id"},
    {"5:{}", "MISSING", "subject.items.skus"},
    {"5:{1*17:'a'}", "TOO_MANY", "subject.items.skus"},
    {"5:{1:'a' 1:''}", "MISSING", "subject.items.skus[1]"},
    {"5:{1*3:'a' 1:'b'*65}", "TOO_LONG", "subject.items.skus[3]"},
    {"5:{1:'\\xfe'}", "NOT_UTF8", "subject.items.skus[0]"},
    {"6:{}", "MISSING", "subject.session.skus"},
    {"6:{1*51:'a'}", "TOO_MANY", "subject.session.skus"},
    {"6:{1*49:'a' 1:''}", "MISSING", "subject.session.skus[49]"},
    {"7:{}", "MISSING", "subject.text.text"},
    {"7:{1:'t'*1025}", "TOO_LONG", "subject.text.text"},
    {"13:{}", "MISSING", "effort"},
    {"13:{1:0}", "OUT_OF_RANGE", "effort.nprobe"},
    {"13:{1:65537}", "OUT_OF_RANGE", "effort.nprobe"},
    {"13:{2:0}", "OUT_OF_RANGE", "effort.ef_search"},
    {"11:1 13:{1:4}", "CONFLICT", "effort"},
    {"12:0.9f 13:{1:4}", "CONFLICT", "effort"},
    {"15*257:'a'", "TOO_MANY", "attributes"},
    {"15:'a' 15:''", "MISSING", "attributes[1]"},
    {"15:'a'*65", "TOO_LONG", "attributes[0]"},
    {"18:{1:'s'*1025}", "TOO_LONG", "context.segment"},
    {"18:{2:'\\xff'}", "NOT_UTF8", "context.user"},
};

static void every_bad_request_names_its_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_error err;
        struct wire_recommend_request rq;
        memset(&rq, 0x5A, sizeof rq);
        struct wire_recommend_request before = rq;
        print_message("%s\n", bad[i].text);
        assert_int_equal(WF_INVALID, read_text(bad[i].text, &rq, &err));
        assert_string_equal(bad[i].reason, err.reason);
        assert_string_equal(bad[i].field, err.field);
        assert_memory_equal(&before, &rq, sizeof rq);
        wf_arena_reset(wire_arena);
    }
}

static void both_values_are_stated(void **state)
{
    (void)state;
    struct wf_error err;
    struct wire_recommend_request rq;
    assert_int_equal(WF_INVALID, read_text("8:0", &rq, &err));
    assert_string_equal("k: 0, allowed are 1 to 1000", err.text);
    assert_int_equal(WF_INVALID, read_text("8:20 14:19", &rq, &err));
    assert_string_equal("rank_limit: 19, allowed are 20 to 2000", err.text);
}

static void what_is_just_allowed_passes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "8:1 14:1",
        "8:1000 14:1000",
        "9:1",
        "12:1f",
        "17:0f",
        "3:{3:[0 0 0]}",
        "3:{3:[1]*4096}",
        "5:{1*16:'a'}",
        "6:{1*50:'x'}",
        "7:{1:'t'*1024}",
        "15:'*'",
        "12:0.9f 11:1",
        "5:{1:'\\xf4\\x8f\\xbf\\xbf'}",
        "10:''",
        "77:'newer' 78:5",
        "13:{2:1}",
        "20:{1:{1:(7)*100000}}",
        "20:{2:'h'*64}",
        "21:{1:'a' 2:100}",
        "6:{1:'a'} 22:{1*15:'a' 2:{1:[0]} 3:2 4:10f}",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct wf_error err;
        struct wire_recommend_request rq;
        print_message("%s\n", good[i]);
        assert_int_equal(WF_OK, read_text(good[i], &rq, &err));
    }
}

static void a_full_arena_builds_nothing(void **state)
{
    (void)state;
    const float vector[] = {1};
    const struct wire_recommend_request rq = {.subject = WIRE_SUBJECT_VECTOR,
                                              .vector = vector,
                                              .dim = 1,
                                              .effort = {WIRE_EFFORT_EF, 1},
                                              .segment = "s"};
    size_t limit = 0;
    for (;; limit += 16) {
        struct wf_arena small;
        wf_arena_init(&small, limit);
        bool built = wire_recommend_request_message(&rq, &small);
        wf_arena_fini(&small);
        if (built) {
            break;
        }
    }
    assert_in_range(limit, 256, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_request_has_the_defaults),
        cmocka_unit_test(a_vector_request_comes_back_whole),
        cmocka_unit_test(every_other_subject_comes_back),
        cmocka_unit_test(exclusions_groups_and_negatives_come_back),
        cmocka_unit_test(what_is_left_out_of_groups_and_negatives_has_a_default),
        cmocka_unit_test(every_bad_request_names_its_fault),
        cmocka_unit_test(both_values_are_stated),
        cmocka_unit_test(what_is_just_allowed_passes),
        cmocka_unit_test(a_full_arena_builds_nothing),
    };
    return cmocka_run_group_tests(tests, wire_arena_setup, wire_arena_teardown);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_replies_test.c - recommend, batch, fetch and stats replies: what arrives is what was sent,
 * and each fault is GARBAGE that says what it was. Batch and fetch requests are here too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/wire_exercise.h"
#include "tests/support/wire_text.h"

static const ProtobufCMessage *decode(const ProtobufCMessageDescriptor *d, const char *text)
{
    size_t size = 0;
    const unsigned char *data = wire_text(wire_arena, text, &size);
    const ProtobufCMessage *msg = wire_decode(wire_arena, d, data, size);
    assert_non_null(msg);
    return msg;
}

static struct wire_recommend_response reply_of(struct wire_hit *hits, uint32_t n,
                                               struct wire_shard_coverage *shards)
{
    return (struct wire_recommend_response){
        .request_id = "r1",
        .hits = hits,
        .n_hits = n,
        .coverage = {.documents = 100,
                     .searched = 66,
                     .scanned = 1234,
                     .matched = 12,
                     .ratio = 0.66,
                     .shards = shards,
                     .n_shards = 1},
        .degraded = 1U << WIRE_SHARD_TIMEOUT_REASON | 1U << WIRE_NO_MMR | 1U << WIRE_FALLBACK,
        .generation = "g1",
        .model = "m1",
        .rules = "none",
        .space = "image",
        .timings = {1, 2, 3, 4, 5, 6, 21},
        .fallback = "popularity",
        .surface = "similar",
    };
}

static void a_recommendation_comes_back_whole(void **state)
{
    (void)state;
    struct wire_attribute attributes[] = {
        {.name = "brand", .kind = WIRE_TEXT, .text = "Nike"},
        {.name = "price", .kind = WIRE_NUMBER, .number = 9.5F},
        {.name = "new", .kind = WIRE_FLAG, .flag = true},
    };
    struct wire_contribution contributions[] = {{"price", -0.25F}, {"bias", 0.5F}};
    const char *const shared[] = {"brand", "category"};
    struct wire_hit hits[] = {
        {.sku = "1163",
         .score = 2,
         .retrieval_score = 0.5F,
         .rank_score = 0,
         .has_rank_score = true,
         .rank = 1,
         .attributes = attributes,
         .n_attributes = 3,
         .contributions = contributions,
         .n_contributions = 2,
         .has_why = true,
         .source = WIRE_SOURCE_ITEM,
         .similarity = 0.5F,
         .item = "9",
         .segment = "",
         .shared = shared,
         .n_shared = 2},
        {.sku = "7", .score = 1, .retrieval_score = 1, .rank = 2},
    };
    struct wire_shard_coverage shard = {1, 2, WIRE_SHARD_TIMEOUT, 34, 55, 66, true, "g1"};
    const struct wire_recommend_response sent = reply_of(hits, 2, &shard);
    struct wire_recommend_response got;
    struct wf_error err;
    const ProtobufCMessage *msg =
        wire_resend(wire_arena, wire_recommend_response_message(&sent, wire_arena));
    assert_int_equal(WF_OK, wire_recommend_response_read(msg, wire_arena, &got, &err));
    assert_string_equal("r1", got.request_id);
    assert_int_equal(2, got.n_hits);
    assert_string_equal("1163", got.hits[0].sku);
    assert_true(got.hits[0].has_rank_score && got.hits[0].rank_score == 0);
    assert_false(got.hits[1].has_rank_score);
    assert_int_equal(3, got.hits[0].n_attributes);
    assert_string_equal("Nike", got.hits[0].attributes[0].text);
    assert_true(got.hits[0].attributes[1].number == 9.5F);
    assert_int_equal(WIRE_FLAG, got.hits[0].attributes[2].kind);
    assert_true(got.hits[0].attributes[2].flag);
    assert_string_equal("bias", got.hits[0].contributions[1].feature);
    assert_true(got.hits[0].contributions[0].value == -0.25F);
    assert_true(got.hits[0].has_why && !got.hits[1].has_why);
    assert_int_equal(WIRE_SOURCE_ITEM, got.hits[0].source);
    assert_string_equal("9", got.hits[0].item);
    assert_string_equal("category", got.hits[0].shared[1]);
    assert_string_equal("", got.hits[1].segment);
    assert_int_equal(66, got.coverage.searched);
    assert_int_equal(12, got.coverage.matched);
    assert_true(got.coverage.ratio == 0.66);
    assert_int_equal(WIRE_SHARD_TIMEOUT, got.coverage.shards[0].state);
    assert_int_equal(66, got.coverage.shards[0].micros);
    assert_true(got.coverage.shards[0].hedged);
    assert_string_equal("g1", got.coverage.shards[0].generation);
    assert_int_equal(sent.degraded, got.degraded);
    assert_memory_equal(&sent.timings, &got.timings, sizeof got.timings);
    assert_string_equal("image", got.space);
    assert_string_equal("popularity", got.fallback);
    assert_string_equal("similar", got.surface);
}

static void a_batch_carries_answers_and_statuses(void **state)
{
    (void)state;
    struct wire_shard_coverage shard = {.state = WIRE_SHARD_OK};
    struct wire_batch_item items[3] = {0};
    items[0].response = reply_of(NULL, 0, &shard);
    (void)wf_invalid(&items[1].status, "OUT_OF_RANGE", "k", "k: 0, allowed are 1 to 1000");
    (void)wf_fail(&items[2].status, WF_NOT_FOUND, "no item");
    struct wire_batch_item *got = NULL;
    uint32_t n = 0;
    struct wf_error err;
    const ProtobufCMessage *msg =
        wire_resend(wire_arena, wire_batch_response_message(items, 3, wire_arena));
    assert_int_equal(WF_OK, wire_batch_response_read(msg, wire_arena, &got, &n, &err));
    assert_int_equal(3, n);
    assert_int_equal(WF_OK, got[0].status.code);
    assert_string_equal("similar", got[0].response.surface);
    assert_int_equal(WF_INVALID, got[1].status.code);
    assert_string_equal("OUT_OF_RANGE", got[1].status.reason);
    assert_string_equal("k", got[1].status.field);
    assert_string_equal("k: 0, allowed are 1 to 1000", got[1].status.text);
    assert_int_equal(WF_NOT_FOUND, got[2].status.code);
}

static void a_bad_request_fails_alone_in_its_batch(void **state)
{
    (void)state;
    const ProtobufCMessage *const *list = NULL;
    uint32_t n = 0;
    struct wf_error err;
    struct wire_recommend_request rq;
    const ProtobufCMessageDescriptor *d = wire_method(WIRE_RECOMMEND_BATCH)->request;
    assert_int_equal(WF_OK, wire_batch_request_read(decode(d, "1:{8:5} 1:{8:0} 1:{8:7}"),
                                                    wire_arena, &list, &n, &err));
    assert_int_equal(3, n);
    assert_int_equal(WF_OK, wire_recommend_request_read(list[0], wire_arena, &rq, &err));
    assert_int_equal(5, rq.k);
    assert_int_equal(WF_INVALID, wire_recommend_request_read(list[1], wire_arena, &rq, &err));
    assert_int_equal(WF_OK, wire_recommend_request_read(list[2], wire_arena, &rq, &err));
    assert_int_equal(7, rq.k);
    assert_int_equal(WF_INVALID,
                     wire_batch_request_read(decode(d, ""), wire_arena, &list, &n, &err));
    assert_string_equal("MISSING", err.reason);
    assert_int_equal(WF_INVALID,
                     wire_batch_request_read(decode(d, "1*65:{}"), wire_arena, &list, &n, &err));
    assert_string_equal("TOO_MANY", err.reason);
    assert_string_equal("requests", err.field);
}

static void bad_fetch_requests_name_their_fault(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason, *field;
    } bad[] = {
        {"2:'a'", "MISSING", "generation"},
        {"1:'g'", "MISSING", "skus"},
        {"1:'g' 2*4097:'a'", "TOO_MANY", "skus"},
        {"1:'g' 2:'a' 2:''", "MISSING", "skus[1]"},
        {"1:'g' 2:'a'*65", "TOO_LONG", "skus[0]"},
        {"1:'g' 2:'a' 3:'\\xff'", "NOT_UTF8", "space"},
        {"1:'g' 2:'a' 4*257:'b'", "TOO_MANY", "attributes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_error err;
        struct wire_fetch_request rq;
        const ProtobufCMessage *msg = decode(wire_method(WIRE_FETCH)->request, bad[i].text);
        assert_int_equal(WF_INVALID, wire_fetch_request_read(msg, wire_arena, &rq, &err));
        assert_string_equal(bad[i].reason, err.reason);
        assert_string_equal(bad[i].field, err.field);
    }
}

#define HIT "2:{1:'a' 2:1f 3:1f 5:1} "

static const struct {
    enum wire_kind kind;
    const char *text, *says;
} garbage[] = {
    {WIRE_KIND_RECOMMEND_RESPONSE, "2*1001:{}", "hits: 1001 elements, at most 1000"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 5:2}", "hits[0].rank: 2, allowed are 1 to 1"},
    {WIRE_KIND_RECOMMEND_RESPONSE, HIT HIT, "hits[1].rank: 1, allowed are 2 to 2"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{5:1}", "hits[0].sku: empty"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 2:nanf 5:1}", "hits[0].score"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 3:inff 5:1}", "hits[0].retrieval_score"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 4:nanf 5:1}", "hits[0].rank_score"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 5:1 6:{1:'n'}}", "attributes[0].value: none"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 5:1 6:{2:'n'}}", "attributes[0].name: empty"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 5:1 7:{}}", "contributions[0].feature: empty"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "2:{1:'a' 5:1 8:{4:'\\xff'}}", "why.shared"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "3:{3:1.5d}", "coverage.ratio: 1.5"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "3:{3:nand}", "coverage.ratio"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "3:{5:{}}", "coverage.shards[0].state: unspecified"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "4:<1 0>", "degraded[1]: unspecified"},
    {WIRE_KIND_RECOMMEND_RESPONSE, "5:{2:'m'*65}", "versions.model: 65 bytes"},
    {WIRE_KIND_BATCH_RESPONSE, "", "items: 0 elements"},
    {WIRE_KIND_BATCH_RESPONSE, "1*65:{}", "items: 65 elements"},
    {WIRE_KIND_BATCH_RESPONSE, "1:{}", "items[0].result: neither"},
    {WIRE_KIND_BATCH_RESPONSE, "1:{2:{}}", "items[0].status.code: 0"},
    {WIRE_KIND_BATCH_RESPONSE, "1:{2:{1:17}}", "items[0].status.code: 17"},
    {WIRE_KIND_BATCH_RESPONSE, "1:{1:{2:{5:1}}}", "items[0].hits[0].sku: empty"},
    {WIRE_KIND_FETCH_RESPONSE, "1:'g2' 3:{}", "generation \"g2\" answers, \"g1\" was asked"},
    {WIRE_KIND_FETCH_RESPONSE, "1:'g1'", "without items"},
    {WIRE_KIND_FETCH_RESPONSE, "1:'g1' 2:4097 3:{}", "dimension 4097"},
    {WIRE_KIND_FETCH_RESPONSE, "1:'g1' 2:1 3:{1:'z' 2:<1> 5:'1234' 8:<0>}", "is z, asked was x"},
    {WIRE_KIND_FETCH_RESPONSE, "1:'g1' 2:1 3:{1:'x' 2:<1> 5:'123' 8:<0>}", "3 bytes of vectors"},
    {WIRE_KIND_FETCH_RESPONSE, "1:'g1' 3:{1:'x' 2:<1> 8:<0>}", "dimension 0"},
    {WIRE_KIND_STATS_RESPONSE, "", "n_shards: 0"},
    {WIRE_KIND_STATS_RESPONSE, "1:3 2:3", "shard: 3, allowed are 0 to 2"},
    {WIRE_KIND_STATS_RESPONSE, "2:1 4:{}", "generations[0].name: empty"},
    {WIRE_KIND_STATS_RESPONSE, "2:1 4:{1:'g' 3:{2:'i'}}", "generations[0].spaces[0].name: empty"},
    {WIRE_KIND_DRAW_RESPONSE, "2:9", "generation: empty"},
    {WIRE_KIND_DRAW_RESPONSE, "1:'g' 2:9 3*4:'a'", "ids: 4 elements, at most 3"},
    {WIRE_KIND_DRAW_RESPONSE, "1:'g' 2:6 3*2:'a'", "ids: 2 elements, at most 1"},
    {WIRE_KIND_DRAW_RESPONSE, "1:'g' 2:5 3:'a'", "ids: 1 elements, at most 0"},
    {WIRE_KIND_DRAW_RESPONSE, "1:'g' 2:9 3:'a' 3:''", "ids[1]: empty"},
    {WIRE_KIND_DESCRIBE_RESPONSE, "", "generation: empty"},
    {WIRE_KIND_DESCRIBE_RESPONSE, "1:'g' 5:{1:1} 5:{1:1}",
     "processes[1]: shard 1 replica 0 comes after shard 1 replica 0"},
    {WIRE_KIND_DESCRIBE_RESPONSE, "1:'g' 5:{1:1} 5:{2:1}", "after shard 1 replica 0"},
    {WIRE_KIND_SEARCH_RESPONSE, "1:'g1' 2:4 3:{} 3:{} 6:5", "5 of 4 documents match the filter"},
    {WIRE_KIND_EXCLUSIONS_RESPONSE, "2:1", "handle: empty"},
    {WIRE_KIND_EXCLUSIONS_RESPONSE, "1:'h'", "count: 0, allowed are 1 to 100000"},
};

static void bad_draw_requests_name_their_fault(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason, *field;
    } bad[] = {
        {"4:1", "MISSING", "kind"},
        {"1:3 4:1", "UNKNOWN_VALUE", "kind"},
        {"1:1", "OUT_OF_RANGE", "count"},
        {"1:2 4:4097", "OUT_OF_RANGE", "count"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_error err;
        struct wire_draw_request rq;
        const ProtobufCMessage *msg = decode(wire_method(WIRE_DRAW)->request, bad[i].text);
        assert_int_equal(WF_INVALID, wire_draw_request_read(msg, &rq, &err));
        assert_string_equal(bad[i].reason, err.reason);
        assert_string_equal(bad[i].field, err.field);
    }
}

static void exclusions_come_back_and_name_their_fault(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "MISSING"}, {"1:{}", "MISSING"}, {"1:{1:(1)*100001}", "TOO_MANY"}};
    struct wf_error err;
    struct wire_exclusions list;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const ProtobufCMessage *msg =
            decode(wire_method(WIRE_UPLOAD_EXCLUSIONS)->request, bad[i][0]);
        assert_int_equal(WF_INVALID, wire_exclusions_read(msg, wire_arena, &list, &err));
        assert_string_equal(bad[i][1], err.reason);
        assert_string_equal("hashes.values", err.field);
    }
    const uint64_t hashes[] = {9, 0, UINT64_MAX, 9};
    const struct wire_exclusions sent = {hashes, 4};
    const ProtobufCMessage *msg =
        wire_resend(wire_arena, wire_exclusions_message(&sent, wire_arena));
    assert_int_equal(WF_OK, wire_exclusions_read(msg, wire_arena, &list, &err));
    assert_int_equal(4, list.n);
    assert_memory_equal(hashes, list.hashes, sizeof hashes);
    const struct wire_exclusions_reply reply = {"h1", 3};
    struct wire_exclusions_reply got;
    msg = wire_resend(wire_arena, wire_exclusions_reply_message(&reply, wire_arena));
    assert_int_equal(WF_OK, wire_exclusions_reply_read(msg, wire_arena, &got, &err));
    assert_string_equal("h1", got.handle);
    assert_int_equal(3, got.n);
}

static void every_bad_reply_is_garbage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        struct wf_error err;
        size_t size = 0;
        const unsigned char *data = wire_text(wire_arena, garbage[i].text, &size);
        enum wf_code code = wire_exercise(garbage[i].kind, data, size, NULL, &err);
        print_message("%s\n  %s\n", garbage[i].text, err.text);
        assert_int_equal(WF_INTERNAL, code);
        assert_string_equal("GARBAGE", err.reason);
        assert_non_null(strstr(err.text, garbage[i].says));
    }
}

static void a_newer_coordinator_is_understood(void **state)
{
    (void)state;
    struct wf_error err;
    struct wire_recommend_response got;
    const ProtobufCMessage *msg = decode(wire_method(WIRE_RECOMMEND)->response,
                                         "2:{1:'a' 5:1 8:{1:99}} 3:{5:{3:99}} 4:<2 99> 50:'new'");
    assert_int_equal(WF_OK, wire_recommend_response_read(msg, wire_arena, &got, &err));
    assert_int_equal(1U << WIRE_SHARD_DOWN_REASON, got.degraded);
    assert_string_equal("unknown", wire_shard_state_name(got.coverage.shards[0].state));
    assert_string_equal("unknown", wire_source_name(got.hits[0].source));
}

static void words_are_those_of_the_protos(void **state)
{
    (void)state;
    assert_string_equal("ok", wire_shard_state_name(WIRE_SHARD_OK));
    assert_string_equal("no_generation", wire_shard_state_name(WIRE_SHARD_NO_GENERATION));
    assert_string_equal("SHARD_TIMEOUT", wire_degraded_name(WIRE_SHARD_TIMEOUT_REASON));
    assert_string_equal("FALLBACK", wire_degraded_name(WIRE_FALLBACK));
    assert_string_equal("popularity", wire_source_name(WIRE_SOURCE_POPULARITY));
    assert_string_equal("unknown", wire_degraded_name((enum wire_degraded)0));
}

/* A FileDescriptorSet is a list of length-delimited files, field 1. */
static void descriptors_name_their_files(void **state)
{
    (void)state;
    size_t size = 0;
    size_t size_all = 0;
    const unsigned char *set = wire_descriptors_public(&size);
    const unsigned char *all = wire_descriptors_all(&size_all);
    assert_in_range(size, 1000, 100000);
    assert_in_range(size_all, size + 1000, 100000);
    assert_non_null(memmem(set, size, "weft/v1/recommend.proto", 23));
    assert_non_null(memmem(set, size, "weft/internal/v1/coordinator.proto", 34));
    assert_null(memmem(set, size, "weft/internal/v1/shard.proto", 28));
    assert_non_null(memmem(all, size_all, "weft/internal/v1/shard.proto", 28));
    for (int i = 0; i < WIRE_N_METHODS; i++) {
        const struct wire_method_info *m = wire_method((enum wire_method)i);
        const char *service = strrchr(m->path, '.') + 1;
        assert_non_null(memmem(all, size_all, service, strcspn(service, "/")));
        assert_memory_equal(m->path + 1, m->request->package_name,
                            strlen(m->request->package_name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recommendation_comes_back_whole),
        cmocka_unit_test(a_batch_carries_answers_and_statuses),
        cmocka_unit_test(a_bad_request_fails_alone_in_its_batch),
        cmocka_unit_test(bad_fetch_requests_name_their_fault),
        cmocka_unit_test(bad_draw_requests_name_their_fault),
        cmocka_unit_test(exclusions_come_back_and_name_their_fault),
        cmocka_unit_test(every_bad_reply_is_garbage),
        cmocka_unit_test(a_newer_coordinator_is_understood),
        cmocka_unit_test(words_are_those_of_the_protos),
        cmocka_unit_test(descriptors_name_their_files),
    };
    return cmocka_run_group_tests(tests, wire_arena_setup, wire_arena_teardown);
}

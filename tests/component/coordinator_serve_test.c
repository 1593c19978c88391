/* SPDX-License-Identifier: Apache-2.0
 *
 * coordinator_serve_test.c - the coordinator's service over real servers and fake shards: what a
 * client sees when shards are well, late, refusing, dead, back again, or send garbage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "coordinator/coord_metrics.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/fake_query.h"
#include "tests/support/wire_text.h"

enum { SHARDS = 3, REPLICAS = 2 };
static const float query[FAKE_DIM] = {3, -1, 2, 0, 1, -2, 1, 1};

struct fixture {
    struct fake_shop *shop;
    struct fake_cluster *c;
    struct wf_arena arena;
    struct fake_outcome out;
    struct wire_recommend_response r;
};

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    f->shop = fake_shop_create(11, 300, SHARDS, WF_METRIC_IP, fake_model);
    f->c = fake_cluster_open(f->shop, REPLICAS);
    wf_arena_init(&f->arena, SIZE_MAX);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fake_cluster_close(f->c);
    fake_shop_destroy(f->shop);
    wf_arena_fini(&f->arena);
    wf_xfree(f);
    return 0;
}

/* Every replica of one shard follows the script. */
static void script(struct fixture *f, uint32_t shard, enum fake_mode mode, int64_t delay_ms)
{
    for (uint32_t j = 0; j < REPLICAS; j++) {
        atomic_store(&f->c->servers[shard][j].delay_ms, delay_ms);
        atomic_store(&f->c->servers[shard][j].mode, (int)mode);
    }
}

static struct wire_recommend_request raw_request(void)
{
    struct wire_recommend_request rq = fake_request();
    rq.surface = "for_you_raw";
    rq.subject = WIRE_SUBJECT_VECTOR;
    rq.vector = query;
    rq.dim = FAKE_DIM;
    rq.exact = true;
    return rq;
}

static void ask(struct fixture *f, const struct wire_recommend_request *rq, int64_t deadline_ms)
{
    const ProtobufCMessage *msg = wire_recommend_request_message(rq, &f->arena);
    fake_call(f->c, WIRE_RECOMMEND, msg, deadline_ms, &f->out);
    if (f->out.err.code == WF_OK) {
        assert_int_equal(
            wire_recommend_response_read(f->out.reply, &f->out.arena, &f->r, &f->out.err), WF_OK);
    }
}

static void check_hits(struct fixture *f, uint32_t mask)
{
    const struct fake_item *want[WIRE_K_DEFAULT];
    float scores[WIRE_K_DEFAULT];
    uint32_t n = fake_brute_force(f->shop, mask, query, WIRE_K_DEFAULT, want, scores);
    assert_int_equal(f->out.err.code, WF_OK);
    assert_int_equal(f->r.n_hits, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(f->r.hits[i].sku, want[i]->sku);
        assert_true(f->r.hits[i].score == scores[i]);
    }
}

static void a_vector_query_crosses_the_cluster(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    ask(f, &rq, 5000);
    check_hits(f, 7);
    assert_string_equal(f->r.request_id, "test");
    assert_string_equal(f->r.generation, FAKE_GENERATION);
    assert_string_equal(f->r.space, "v");
    assert_int_equal(f->r.degraded, 0);
    assert_true(f->r.coverage.ratio == 1 && f->r.coverage.documents == 300);
    assert_true(f->r.timings.total >= f->r.timings.gather);
    fake_outcome_fini(&f->out);
    rq.request_id = "";
    ask(f, &rq, 0);
    assert_int_equal(strlen(f->r.request_id), 16);
    fake_outcome_fini(&f->out);
}

static void repetition_gives_the_same_answer(void **state)
{
    struct fixture *f = *state;
    const char *skus[] = {"sku0004", "sku0007"};
    static const char *const all[] = {"*"};
    struct wire_recommend_request rq = fake_request();
    rq.subject = WIRE_SUBJECT_ITEMS;
    rq.skus = skus;
    rq.n_skus = 2;
    rq.explain = true;
    rq.attributes = all;
    rq.n_attributes = 1;
    unsigned char *first = NULL;
    size_t first_size = 0, size;
    for (unsigned i = 0; i < 20; i++) {
        ask(f, &rq, 5000);
        assert_int_equal(f->out.err.code, WF_OK);
        assert_int_equal(f->r.n_hits, 10);
        f->r.timings = (struct wire_timings){0};
        for (uint32_t s = 0; s < SHARDS; s++) {
            f->r.coverage.shards[s].micros = f->r.coverage.shards[s].replica = 0;
        }
        const ProtobufCMessage *again = wire_recommend_response_message(&f->r, &f->arena);
        unsigned char *bytes = wire_encode(&f->arena, again, &size);
        if (first) {
            assert_int_equal(size, first_size);
            assert_memory_equal(bytes, first, size);
        }
        first = bytes;
        first_size = size;
        fake_outcome_fini(&f->out);
    }
}

static void a_late_shard_gives_a_flagged_answer_in_time(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    script(f, 1, FAKE_OK, 3000);
    rq.timeout_ms = 300;
    ask(f, &rq, 5000);
    check_hits(f, 5);
    assert_int_equal(f->r.coverage.shards[1].state, WIRE_SHARD_TIMEOUT);
    assert_int_equal(f->r.degraded, 1U << WIRE_SHARD_TIMEOUT_REASON);
    assert_true(f->r.timings.total < 300000);
    assert_true(f->r.coverage.ratio < 1);
    fake_outcome_fini(&f->out);
}

static void a_refusing_replica_is_followed_by_the_next(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    struct fake_server *bad = &f->c->servers[2][0];
    atomic_store(&bad->code, WF_UNAVAILABLE);
    atomic_store(&bad->mode, FAKE_ERROR);
    for (unsigned i = 0; i < 6; i++) {
        ask(f, &rq, 5000);
        check_hits(f, 7);
        assert_int_equal(f->r.degraded, 0);
        fake_outcome_fini(&f->out);
    }
    /* Passed over for a while after it failed, not asked first every time. */
    assert_in_range(atomic_load(&bad->searches), 1, 2);
}

static void a_silent_replica_is_passed_over_after_its_first_timeout(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    atomic_store(&f->c->servers[0][1].delay_ms, 3000);
    rq.timeout_ms = 200;
    unsigned missing = 0;
    for (unsigned i = 0; i < 4; i++) {
        ask(f, &rq, 5000);
        missing += f->r.degraded != 0;
        fake_outcome_fini(&f->out);
    }
    assert_in_range(missing, 0, 1);
    assert_in_range(atomic_load(&f->c->servers[0][1].searches), 1, 1);
}

static void a_replica_of_another_shard_is_never_asked(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    for (uint32_t j = 0; j < REPLICAS; j++) {
        atomic_store(&f->c->servers[1][j].lies, true);
    }
    fake_cluster_await(f->c, SHARDS - 1);
    ask(f, &rq, 5000);
    check_hits(f, 5);
    assert_int_equal(f->r.coverage.shards[1].state, WIRE_SHARD_DOWN);
    assert_int_equal(atomic_load(&f->c->servers[1][0].searches), 0);
    assert_int_equal(atomic_load(&f->c->servers[1][1].searches), 0);
    fake_outcome_fini(&f->out);
}

static void garbage_over_the_wire_is_discarded_and_counted(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    script(f, 0, FAKE_GARBAGE, 0);
    for (uint32_t i = 0; i < fake_n_garbage(); i++) {
        for (uint32_t j = 0; j < REPLICAS; j++) {
            atomic_store(&f->c->servers[0][j].which, i);
        }
        uint64_t before = wf_count_read(f->c->metrics, COORD_M_GARBAGE, 0);
        ask(f, &rq, 5000);
        check_hits(f, 6);
        if (f->r.coverage.shards[0].state != WIRE_SHARD_FAILED) {
            fail_msg("taken for an answer: %s", fake_garbage_name(i));
        }
        assert_int_equal(wf_count_read(f->c->metrics, COORD_M_GARBAGE, 0), before + 2);
        fake_outcome_fini(&f->out);
    }
}

static void a_dead_shard_lowers_coverage_until_it_is_back(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    for (uint32_t j = 0; j < REPLICAS; j++) {
        fake_server_stop(&f->c->servers[1][j]);
    }
    fake_cluster_await(f->c, SHARDS - 1);
    ask(f, &rq, 5000);
    check_hits(f, 5);
    assert_int_equal(f->r.coverage.shards[1].state, WIRE_SHARD_DOWN);
    assert_int_equal(f->r.degraded, 1U << WIRE_SHARD_DOWN_REASON);
    assert_int_equal(f->r.coverage.documents, 300);
    fake_outcome_fini(&f->out);
    fake_server_start(&f->c->servers[1][0]);
    fake_cluster_await(f->c, SHARDS);
    ask(f, &rq, 5000);
    check_hits(f, 7);
    assert_true(f->r.coverage.ratio == 1);
    fake_outcome_fini(&f->out);
}

static void coverage_below_the_callers_minimum_is_refused_with_the_record(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    script(f, 2, FAKE_ERROR, 0);
    atomic_store(&f->c->servers[2][0].code, WF_EXHAUSTED);
    atomic_store(&f->c->servers[2][1].code, WF_EXHAUSTED);
    rq.min_coverage = 0.9F;
    ask(f, &rq, 5000);
    assert_int_equal(f->out.err.code, WF_UNAVAILABLE);
    assert_string_equal(f->out.err.reason, "MIN_COVERAGE");
    assert_true(f->out.details && f->out.ratio < 0.9 && f->out.ratio > 0.5);
    assert_int_equal(f->out.n_shards, SHARDS);
    fake_outcome_fini(&f->out);
}

static void nobody_answering_in_time_is_late_with_the_record(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    for (uint32_t i = 0; i < SHARDS; i++) {
        script(f, i, FAKE_OK, 2000);
    }
    rq.timeout_ms = 200;
    ask(f, &rq, 5000);
    assert_int_equal(f->out.err.code, WF_TIMEOUT);
    assert_string_equal(f->out.err.reason, "NO_SHARD");
    assert_true(f->out.details && f->out.ratio == 0);
    fake_outcome_fini(&f->out);
}

static void each_element_of_a_batch_has_its_own_status(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rqs[5];
    for (unsigned i = 0; i < 5; i++) {
        rqs[i] = raw_request();
    }
    const char *stranger[] = {"nobody"};
    rqs[1].filter = "price <";
    rqs[2].subject = WIRE_SUBJECT_ITEMS;
    rqs[2].skus = stranger;
    rqs[2].n_skus = 1;
    rqs[3].k = 3;
    rqs[4].surface = "trending";
    rqs[4].subject = WIRE_SUBJECT_NONE;
    const ProtobufCMessage *msg = wire_batch_request_message(rqs, 5, &f->arena);
    fake_call(f->c, WIRE_RECOMMEND_BATCH, msg, 5000, &f->out);
    assert_int_equal(f->out.err.code, WF_OK);
    struct wire_batch_item *items = NULL;
    uint32_t n = 0;
    assert_int_equal(wire_batch_response_read(f->out.reply, &f->out.arena, &items, &n, &f->out.err),
                     WF_OK);
    assert_int_equal(n, 5);
    assert_int_equal(items[0].status.code, WF_OK);
    assert_int_equal(items[0].response.n_hits, 10);
    assert_int_equal(items[1].status.code, WF_INVALID);
    assert_string_equal(items[1].status.field, "filter");
    assert_int_equal(items[2].status.code, WF_NOT_FOUND);
    assert_int_equal(items[3].response.n_hits, 3);
    assert_string_equal(items[4].response.surface, "trending");
    fake_outcome_fini(&f->out);
}

/* Requests as bytes, so that they may be what no builder would make. RecommendRequest: 3 vector {1
 * space, 2 content id, 3 values}, 5 items, 6 session, 8 k, 9 timeout, 14 rank limit. */
static void uploaded_exclusions_are_named_by_their_handle(void **state)
{
    struct fixture *f = *state;
    struct wire_recommend_request rq = raw_request();
    ask(f, &rq, 5000);
    uint64_t hashes[2 * WIRE_K_DEFAULT];
    assert_int_equal(WIRE_K_DEFAULT, f->r.n_hits);
    for (uint32_t i = 0; i < 2 * WIRE_K_DEFAULT; i++) { /* each twice */
        const char *sku = f->r.hits[i / 2].sku;
        hashes[i] = wf_hash64(sku, strlen(sku));
    }
    fake_outcome_fini(&f->out);
    const struct wire_exclusions list = {hashes, 2 * WIRE_K_DEFAULT};
    char handle[WIRE_ID_MAX + 1] = "";
    for (int i = 0; i < 2; i++) {
        struct wire_exclusions_reply got;
        fake_call(f->c, WIRE_UPLOAD_EXCLUSIONS, wire_exclusions_message(&list, &f->arena), 5000,
                  &f->out);
        assert_int_equal(WF_OK, wire_exclusions_reply_read(f->out.reply, &f->arena, &got, NULL));
        assert_int_equal(WIRE_K_DEFAULT, got.n);
        assert_true(i == 0 || strcmp(handle, got.handle) == 0);
        snprintf(handle, sizeof handle, "%s", got.handle);
        fake_outcome_fini(&f->out);
    }
    assert_int_equal(2, wf_count_read(f->c->metrics, COORD_M_UPLOADS, 0));
    rq.exclude_handle = handle;
    ask(f, &rq, 5000);
    assert_int_equal(WIRE_K_DEFAULT, f->r.n_hits);
    for (uint32_t i = 0; i < f->r.n_hits; i++) {
        const char *sku = f->r.hits[i].sku;
        for (uint32_t j = 0; j < 2 * WIRE_K_DEFAULT; j++) {
            assert_true(wf_hash64(sku, strlen(sku)) != hashes[j]);
        }
    }
    fake_outcome_fini(&f->out);
}

static void bad_input_is_refused_by_name(void **state)
{
    static const struct {
        const char *text;
        enum wf_code code;
        const char *reason, *field;
    } cases[] = {
        {"3:{3:[nan 0 0 0 0 0 0 0]}", WF_INVALID, "NOT_FINITE", "subject.vector.values[0]"},
        {"3:{3:[0 inf 0 0 0 0 0 0]}", WF_INVALID, "NOT_FINITE", "subject.vector.values[1]"},
        {"3:{3:[1 2]}", WF_INVALID, "DIMENSION", "subject.vector.values"},
        {"3:{1:'v' 2:'v-0' 3:[1]*8}", WF_PRECONDITION, "WRONG_SPACE", "subject.vector.content_id"},
        {"3:{1:'w' 3:[1]*8}", WF_INVALID, "UNKNOWN_SPACE", "subject.vector.space"},
        {"3:{3:[1]*8} 8:0", WF_INVALID, "OUT_OF_RANGE", "k"},
        {"3:{3:[1]*8} 8:1001", WF_INVALID, "OUT_OF_RANGE", "k"},
        {"3:{3:[1]*8} 8:4000000000", WF_INVALID, "OUT_OF_RANGE", "k"},
        {"3:{3:[1]*8} 2:'for_me'", WF_INVALID, "UNKNOWN_SURFACE", "surface"},
        {"3:{3:[1]*8} 15:'colur'", WF_INVALID, "UNKNOWN_ATTRIBUTE", "attributes[0]"},
        {"3:{3:[1]*8} 10:'a = 1'", WF_INVALID, "UNKNOWN_ATTRIBUTE", "filter"},
        {"3:{3:[1]*8} 20:{2:'0f'}", WF_PRECONDITION, "UNKNOWN_HANDLE", "exclude.handle"},
        {"7:{1:'red'}", WF_PRECONDITION, "NO_TEXT_ENCODER", "subject.text"},
        {"5:{1:'nobody'}", WF_NOT_FOUND, "UNKNOWN_ITEM", "subject.items.skus[0]"},
        {"5:{1*17:'a'}", WF_INVALID, "TOO_MANY", NULL},
        {"4:{1:'\\xff'}", WF_INVALID, "NOT_UTF8", NULL},
        {"3:{3:[1]*8} 13:{2:7}", WF_INVALID, "UNSUPPORTED", "effort"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        const unsigned char *data = wire_text(&f->arena, cases[i].text, &size);
        const ProtobufCMessage *msg =
            wire_decode(&f->arena, wire_method(WIRE_RECOMMEND)->request, data, size);
        assert_non_null(msg);
        fake_call(f->c, WIRE_RECOMMEND, msg, 5000, &f->out);
        const struct wf_error *err = &f->out.err;
        if (err->code != cases[i].code || strcmp(err->reason, cases[i].reason) != 0 ||
            (cases[i].field && strcmp(err->field, cases[i].field) != 0)) {
            fail_msg("%s: %s %s %s: %s", cases[i].text, wf_code_name(err->code), err->reason,
                     err->field, err->text);
        }
        fake_outcome_fini(&f->out);
    }
    struct wire_recommend_request rq = raw_request();
    ask(f, &rq, 5000);
    check_hits(f, 7);
    fake_outcome_fini(&f->out);
}

#define CLAIM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_vector_query_crosses_the_cluster),
        CLAIM(repetition_gives_the_same_answer),
        CLAIM(a_late_shard_gives_a_flagged_answer_in_time),
        CLAIM(a_refusing_replica_is_followed_by_the_next),
        CLAIM(a_silent_replica_is_passed_over_after_its_first_timeout),
        CLAIM(a_replica_of_another_shard_is_never_asked),
        CLAIM(garbage_over_the_wire_is_discarded_and_counted),
        CLAIM(a_dead_shard_lowers_coverage_until_it_is_back),
        CLAIM(coverage_below_the_callers_minimum_is_refused_with_the_record),
        CLAIM(nobody_answering_in_time_is_late_with_the_record),
        CLAIM(each_element_of_a_batch_has_its_own_status),
        CLAIM(uploaded_exclusions_are_named_by_their_handle),
        CLAIM(bad_input_is_refused_by_name),
    };
    wf_log_set_level(WF_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

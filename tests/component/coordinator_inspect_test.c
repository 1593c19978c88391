/* SPDX-License-Identifier: Apache-2.0
 *
 * coordinator_inspect_test.c - Draw and Describe over real servers and fake shards: every id once
 * and in one order however it is asked for, what is left when shards are gone, and whose figures
 * are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/wire_coordinator.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/wire_text.h"

enum { ITEMS = 300, SHARDS = 3, REPLICAS = 2, USERS = 5 };
static const uint32_t user_offsets[USERS + 1] = {0, 1, 3, 6, 10, 15};
static const char user_bytes[] = "abbcccddddeeeee";

struct fixture {
    struct fake_shop *shop;
    struct fake_cluster *c;
    struct wf_arena arena; /* requests and what is kept of replies */
    struct fake_outcome out;
};

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    f->shop = fake_shop_create(11, ITEMS, SHARDS, WF_METRIC_IP, NULL);
    f->shop->global.users =
        (struct wf_idmap){.n = USERS, .offsets = user_offsets, .bytes = user_bytes};
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

/* Asks; an answer must be good, and its ids are copied out. Gives their number. */
static uint32_t draw(struct fixture *f, const struct wire_draw_request *rq, const char **ids)
{
    struct wire_draw_response reply = {0};
    const ProtobufCMessage *msg = wire_draw_request_message(rq, &f->arena);
    fake_call(f->c, WIRE_DRAW, msg, 2000, &f->out);
    if (f->out.err.code == WF_OK) {
        assert_int_equal(WF_OK, wire_draw_response_read(f->out.reply, rq, &reply, NULL));
        assert_string_equal(FAKE_GENERATION, reply.generation);
        assert_int_equal(rq->kind == WIRE_DRAW_ITEMS ? ITEMS : USERS, reply.total);
    }
    for (uint32_t i = 0; i < reply.n_ids; i++) {
        ids[i] = wf_arena_strdup(&f->arena, reply.ids[i]);
    }
    fake_outcome_fini(&f->out);
    return reply.n_ids;
}

static uint32_t shard_of(const struct fixture *f, const char *sku)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        if (strcmp(f->shop->items[i].sku, sku) == 0) {
            return f->shop->items[i].shard;
        }
    }
    fail_msg("%s is no item", sku);
    return 0;
}

static void every_item_comes_once_however_it_is_asked_for(void **state)
{
    struct fixture *f = *state;
    const char *whole[ITEMS], *part[7];
    struct wire_draw_request rq = {.kind = WIRE_DRAW_ITEMS, .seed = 3, .count = 4096};
    assert_int_equal(ITEMS, draw(f, &rq, whole));
    for (uint32_t i = 0; i < ITEMS; i++) {
        shard_of(f, whole[i]);
        for (uint32_t j = 0; j < i; j++) {
            assert_string_not_equal(whole[i], whole[j]);
        }
    }
    for (rq.first = 0, rq.count = 7; rq.first < ITEMS; rq.first += 7) {
        const uint32_t n = draw(f, &rq, part);
        assert_int_equal(ITEMS - rq.first < 7 ? ITEMS - rq.first : 7, n);
        for (uint32_t i = 0; i < n; i++) {
            assert_string_equal(whole[rq.first + i], part[i]);
        }
    }
}

static void users_come_once_and_by_seed(void **state)
{
    struct fixture *f = *state;
    const char *ids[USERS];
    unsigned differ = 0;
    char first = 0;
    for (uint64_t seed = 0; seed < 8; seed++) {
        const struct wire_draw_request rq = {.kind = WIRE_DRAW_USERS, .seed = seed, .count = 9};
        assert_int_equal(USERS, draw(f, &rq, ids));
        unsigned seen = 0;
        for (uint32_t i = 0; i < USERS; i++) {
            assert_int_equal((size_t)(ids[i][0] - 'a' + 1), strlen(ids[i]));
            seen |= 1U << (ids[i][0] - 'a');
        }
        assert_int_equal((1U << USERS) - 1, seen);
        differ += first != 0 && first != ids[0][0];
        first = ids[0][0];
    }
    assert_true(differ > 0);
}

static void draws_past_the_last_are_left_out(void **state)
{
    struct fixture *f = *state;
    const char *ids[4];
    const enum wire_draw_kind kinds[] = {WIRE_DRAW_USERS, WIRE_DRAW_ITEMS};
    const uint64_t firsts[] = {ITEMS, UINT64_MAX};
    for (unsigned i = 0; i < 4; i++) {
        const struct wire_draw_request rq = {
            .kind = kinds[i / 2], .first = firsts[i % 2], .count = 4};
        assert_int_equal(0, draw(f, &rq, ids));
        assert_int_equal(WF_OK, f->out.err.code);
    }
}

static void items_of_a_dead_shard_are_left_out(void **state)
{
    struct fixture *f = *state;
    const char *ids[ITEMS];
    const struct wire_draw_request rq = {.kind = WIRE_DRAW_ITEMS, .seed = 1, .count = ITEMS};
    for (uint32_t j = 0; j < REPLICAS; j++) {
        fake_server_stop(&f->c->servers[1][j]);
    }
    fake_cluster_await(f->c, SHARDS - 1);
    const uint32_t n = draw(f, &rq, ids);
    assert_int_equal(ITEMS - f->shop->shard_rows[1], n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_not_equal(1, shard_of(f, ids[i]));
    }
}

static void nobody_answering_is_unavailable(void **state)
{
    struct fixture *f = *state;
    const char *ids[ITEMS];
    const struct wire_draw_request rq = {.kind = WIRE_DRAW_ITEMS, .count = ITEMS};
    for (uint32_t i = 0; i < SHARDS; i++) {
        for (uint32_t j = 0; j < REPLICAS; j++) {
            atomic_store(&f->c->servers[i][j].code, WF_INTERNAL);
            atomic_store(&f->c->servers[i][j].mode, FAKE_ERROR);
        }
    }
    assert_int_equal(0, draw(f, &rq, ids));
    assert_int_equal(WF_UNAVAILABLE, f->out.err.code);
    assert_string_equal("NO_SHARD", f->out.err.reason);
}

static void bad_draws_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    const char *ids[1];
    const struct wire_draw_request rq = {.kind = WIRE_DRAW_USERS, .count = WIRE_DRAW_MAX + 1};
    draw(f, &rq, ids);
    assert_int_equal(WF_INVALID, f->out.err.code);
    assert_string_equal("count", f->out.err.field);
}

static void figures_are_those_that_replicas_told(void **state)
{
    struct fixture *f = *state;
    struct wire_describe_response reply;
    struct wf_error err = {0};
    fake_call(f->c, WIRE_DESCRIBE, wire_describe_request_message(&f->arena), 2000, &f->out);
    assert_int_equal(WF_OK, f->out.err.code);
    assert_int_equal(WF_OK, wire_describe_response_read(f->out.reply, &f->out.arena, &reply, &err));
    assert_string_equal(FAKE_GENERATION, reply.generation);
    assert_int_equal(ITEMS, reply.documents);
    assert_int_equal(USERS, reply.users);
    assert_in_range(reply.cpu_us, 1, wf_now_cpu() / WF_MICROSECOND);
    /* Ready means that one replica of each shard was heard. */
    assert_in_range(reply.n_processes, SHARDS, SHARDS * REPLICAS);
    for (uint32_t i = 0; i < reply.n_processes; i++) {
        const struct wire_process_cpu *p = &reply.processes[i];
        assert_in_range(p->replica, 0, REPLICAS - 1);
        assert_int_equal((p->shard + 1) * FAKE_CPU_US, p->cpu_us);
        assert_in_range(p->age_us, 1, 60000000);
    }
    fake_outcome_fini(&f->out);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(every_item_comes_once_however_it_is_asked_for),
        CLAIM(users_come_once_and_by_seed),
        CLAIM(draws_past_the_last_are_left_out),
        CLAIM(items_of_a_dead_shard_are_left_out),
        CLAIM(nobody_answering_is_unavailable),
        CLAIM(bad_draws_are_refused_by_name),
        CLAIM(figures_are_those_that_replicas_told),
    };
    wf_log_set_level(WF_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

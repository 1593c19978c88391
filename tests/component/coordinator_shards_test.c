/* SPDX-License-Identifier: Apache-2.0
 *
 * coordinator_shards_test.c - the coordinator's pipeline over real shards of a synthetic catalog,
 * every message packed and decoded as on the wire: the order of exact answers does not depend on
 * the number of shards, and answers do not depend on the instruction set or on repetition.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/vector.h"
#include "coordinator/coord_metrics.h"
#include "tests/support/fake_query.h"
#include "tests/support/shard_fixture.h"
#include "tests/support/wire_text.h"

enum { SHARDS_MAX = 8, ITEMS = 3000, DIM = 24 };

/* ---- real shards behind calls that complete at once ---- */

struct local {
    struct coord_transport transport;
    struct shard *shards[SHARDS_MAX];
    struct coord_global global;
    struct wf_manifest manifest;
    struct coord_surfaces surfaces;
    struct wf_metrics *metrics;
    struct wf_arena scratch;
};

static int64_t now_of(void *ctx)
{
    (void)ctx;
    return wf_now();
}

static uint32_t pick(void *ctx, uint32_t shard, uint32_t except)
{
    (void)ctx;
    (void)shard;
    return except == 0 ? COORD_NO_REPLICA : 0;
}

static void note(void *ctx, uint32_t shard, uint32_t replica, enum wf_code code)
{
    (void)ctx;
    (void)shard;
    (void)replica;
    (void)code;
}

static uint64_t documents(void *ctx, uint32_t shard)
{
    const struct local *l = ctx;
    return shard_rows(l->shards[shard]);
}

static const ProtobufCMessage *search(const struct shard *s, const ProtobufCMessage *msg,
                                      struct wf_arena *arena, struct wf_error *err)
{
    struct wire_search_request rq;
    struct wire_search_response reply;
    enum wf_code code = wire_search_request_read(msg, arena, &rq, err);
    if (code == WF_OK) {
        code = shard_search(s, &rq, INT64_MAX, arena, &reply, err);
    }
    return code == WF_OK ? wire_search_response_message(&reply, &rq, arena) : NULL;
}

static const ProtobufCMessage *fetch(const struct shard *s, const ProtobufCMessage *msg,
                                     struct wf_arena *arena, struct wf_error *err)
{
    struct wire_fetch_request rq;
    struct wire_fetch_response reply;
    enum wf_code code = wire_fetch_request_read(msg, arena, &rq, err);
    if (code == WF_OK) {
        code = shard_fetch(s, &rq, arena, &reply, err);
    }
    return code == WF_OK ? wire_fetch_response_message(&reply, arena) : NULL;
}

static void call(void *ctx, uint32_t shard, uint32_t replica, const struct coord_call *c)
{
    struct local *l = ctx;
    struct wf_error err = {0};
    (void)replica;
    const ProtobufCMessage *asked = wire_resend(&l->scratch, c->message);
    const ProtobufCMessage *reply = c->method == WIRE_FETCH
                                        ? fetch(l->shards[shard], asked, &l->scratch, &err)
                                        : search(l->shards[shard], asked, &l->scratch, &err);
    c->done(reply ? wire_resend(c->arena, reply) : NULL, reply ? NULL : &err, c->ctx);
    wf_arena_reset(&l->scratch);
}

static void local_open(struct local *l, struct catalog *c, const char *index, uint32_t n_shards)
{
    memset(l, 0, sizeof *l);
    for (uint32_t i = 0; i < n_shards; i++) {
        l->shards[i] = catalog_open(c, index, i, n_shards);
    }
    l->transport = (struct coord_transport){l, n_shards, now_of, pick, call, note, documents};
    snprintf(l->manifest.name, sizeof l->manifest.name, "test");
    l->manifest.schema = c->schema;
    snprintf(l->manifest.schema.roles[WF_ROLE_COLOUR], WF_NAME_MAX, "colour");
    l->manifest.n_shards = n_shards;
    l->global.manifest = &l->manifest;
    snprintf(l->global.model, sizeof l->global.model, "fake");
    assert_int_equal(rank_forest_parse(fake_model, strlen(fake_model), &l->global.ranker, NULL),
                     WF_OK);
    l->global.binding = rank_binding_create(rank_forest_names(l->global.ranker),
                                            rank_forest_features(l->global.ranker));
    assert_int_equal(coord_surfaces_read("", &l->surfaces, NULL), WF_OK);
    l->metrics = wf_metrics_create(coord_metrics_table, COORD_N_METRICS);
    wf_arena_init(&l->scratch, SIZE_MAX);
}

static void local_close(struct local *l)
{
    for (uint32_t i = 0; i < l->transport.n_shards; i++) {
        shard_close(l->shards[i]);
    }
    rank_binding_destroy(l->global.binding);
    rank_forest_destroy(l->global.ranker);
    wf_metrics_destroy(l->metrics);
    wf_arena_fini(&l->scratch);
}

/* ---- asking ---- */

static void on_done(struct coord_query *q, void *ctx)
{
    (void)q;
    ++*(unsigned *)ctx;
}

/* The list as text, scores as bits: equal texts are equal answers. Owned by the caller. */
static char *ask(struct local *l, const struct wire_recommend_request *rq)
{
    const struct coord coord = {.global = &l->global,
                                .surfaces = &l->surfaces,
                                .transport = &l->transport,
                                .metrics = l->metrics,
                                .reserve = 20 * WF_MILLISECOND,
                                .reply_limit = 64 << 20};
    struct wf_arena arena;
    unsigned times = 0;
    wf_arena_init(&arena, 64 << 20);
    struct coord_query q = {.coord = &coord,
                            .rq = *rq,
                            .arena = &arena,
                            .arrival = wf_now(),
                            .deadline = wf_now() + 60 * WF_SECOND,
                            .done = on_done,
                            .ctx = &times};
    coord_query_start(&q);
    assert_int_equal(times, 1);
    if (q.err.code != WF_OK) {
        fail_msg("%s: %s", wf_code_name(q.err.code), q.err.text);
    }
    assert_int_equal(q.response.degraded, 0);
    assert_true(q.response.coverage.ratio == 1);
    char *text = wf_xprintf("%u hits\n", q.response.n_hits);
    for (uint32_t i = 0; i < q.response.n_hits; i++) {
        const struct wire_hit *h = &q.response.hits[i];
        char *more = wf_xprintf("%s%s %a %a %u\n", text, h->sku, (double)h->score,
                                (double)h->retrieval_score, h->n_attributes);
        wf_xfree(text);
        text = more;
    }
    coord_query_fini(&q);
    wf_arena_fini(&arena);
    return text;
}

/* The answer is the one that was given first, which is kept; the later ones are freed. */
static void ask_again(struct local *l, const struct wire_recommend_request *rq, char **first)
{
    char *text = ask(l, rq);
    if (!*first) {
        *first = text;
        return;
    }
    assert_string_equal(text, *first);
    wf_xfree(text);
}

static struct catalog *make(enum wf_metric_space metric)
{
    const struct catalog_shape shape = {
        .n = ITEMS, .dim = DIM, .metric = metric, .clusters = 20, .duplicate = 4, .seed = 5};
    return catalog_make(&shape);
}

static struct wire_recommend_request by_vector(struct catalog *c, uint32_t item)
{
    struct wire_recommend_request rq = fake_request();
    rq.subject = WIRE_SUBJECT_VECTOR;
    rq.vector = c->vectors[0] + (size_t)item * DIM;
    rq.dim = DIM;
    return rq;
}

static void exact_order_does_not_depend_on_the_number_of_shards(void **state)
{
    (void)state;
    static const enum wf_metric_space metrics[] = {WF_METRIC_COSINE, WF_METRIC_IP, WF_METRIC_L2};
    for (unsigned m = 0; m < 3; m++) {
        struct catalog *c = make(metrics[m]);
        char *first[3] = {NULL};
        for (uint32_t n = 1; n <= SHARDS_MAX; n += 1 + n / 3) {
            struct local l;
            local_open(&l, c, n % 2 ? "Flat" : "IVF8,Flat", n);
            for (uint32_t i = 0; i < 3; i++) {
                const char *skus[] = {c->table.skus[3 * i], c->table.skus[100 + i]};
                struct wire_recommend_request rq = by_vector(c, 7 * i);
                rq.surface = "for_you_raw";
                rq.exact = true;
                rq.k = 200;
                if (i == 2) {
                    rq.subject = WIRE_SUBJECT_ITEMS;
                    rq.skus = skus;
                    rq.n_skus = 2;
                }
                ask_again(&l, &rq, &first[i]);
            }
            local_close(&l);
        }
        for (unsigned i = 0; i < 3; i++) {
            wf_xfree(first[i]);
        }
        catalog_free(c);
    }
}

static void answers_do_not_depend_on_the_instruction_set(void **state)
{
    (void)state;
    static const enum wf_isa sets[] = {WF_ISA_C, WF_ISA_AVX2, WF_ISA_AVX512, WF_ISA_C};
    static const char *const all[] = {"*"};
    struct catalog *c = make(WF_METRIC_COSINE);
    struct local l;
    local_open(&l, c, "IVF16,SQfp16", 3);
    char *first[2] = {NULL};
    for (unsigned s = 0; s < 4; s++) {
        wf_vector_isa_set(sets[s]);
        for (unsigned i = 0; i < 2; i++) {
            const char *skus[] = {c->table.skus[1], c->table.skus[100], c->table.skus[2]};
            struct wire_recommend_request rq = by_vector(c, 9);
            rq.attributes = all;
            rq.n_attributes = 1;
            rq.k = 50;
            rq.explain = true;
            if (i) {
                rq.subject = WIRE_SUBJECT_SESSION;
                rq.skus = skus;
                rq.n_skus = 3;
            }
            ask_again(&l, &rq, &first[i]);
        }
    }
    wf_vector_isa_set(WF_ISA_AUTO);
    wf_xfree(first[0]);
    wf_xfree(first[1]);
    local_close(&l);
    catalog_free(c);
}

static void the_shares_of_shards_hold_the_best_of_all(void **state)
{
    (void)state;
    struct catalog *c = make(WF_METRIC_COSINE);
    struct local one, eight;
    local_open(&one, c, "Flat", 1);
    local_open(&eight, c, "Flat", 8);
    for (uint32_t i = 0; i < 20; i++) {
        struct wire_recommend_request rq = by_vector(c, 17 * i);
        rq.surface = "similar_raw";
        rq.k = 100;
        char *first = NULL;
        ask_again(&one, &rq, &first);
        ask_again(&eight, &rq, &first);
        wf_xfree(first);
    }
    local_close(&one);
    local_close(&eight);
    catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_order_does_not_depend_on_the_number_of_shards),
        cmocka_unit_test(answers_do_not_depend_on_the_instruction_set),
        cmocka_unit_test(the_shares_of_shards_hold_the_best_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

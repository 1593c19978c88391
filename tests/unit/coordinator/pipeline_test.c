/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_test.c - whole queries over shards that are late, dead, cut short or answer garbage, by
 * seed: the answer is what brute force over the shards that answered gives, and says what is
 * missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/vector.h"
#include "coordinator/coord_metrics.h"
#include "tests/support/fake_query.h"

static const int64_t BUDGET = 100 * WF_MILLISECOND;

static struct wf_metrics *metrics(void)
{
    static struct wf_metrics *m;
    if (!m) {
        m = wf_metrics_create(coord_metrics_table, COORD_N_METRICS);
    }
    return m;
}

static void ask_vector(struct wire_recommend_request *rq, const char *surface, const float *v)
{
    rq->surface = surface;
    rq->subject = WIRE_SUBJECT_VECTOR;
    rq->vector = v;
    rq->dim = FAKE_DIM;
}

static void draw_vector(struct wf_random *r, float *v)
{
    for (unsigned d = 0; d < FAKE_DIM; d++) {
        v[d] = (float)wf_random_below(r, 7) - 3;
    }
    v[1] += 7;
}

static void draw_trouble(struct fake_replica *r, struct wf_random *random)
{
    static const enum fake_mode modes[] = {FAKE_OK,    FAKE_OK,      FAKE_OK,    FAKE_CUT_SHORT,
                                           FAKE_ERROR, FAKE_GARBAGE, FAKE_SILENT};
    static const enum wf_code codes[] = {WF_UNAVAILABLE, WF_PRECONDITION, WF_INTERNAL, WF_EXHAUSTED,
                                         WF_DATA_LOSS};
    r->mode = modes[wf_random_below(random, 7)];
    r->code = codes[wf_random_below(random, 5)];
    r->which = (uint32_t)wf_random_below(random, fake_n_garbage());
    r->delay = (int64_t)wf_random_below(random, 120) * WF_MILLISECOND - WF_MILLISECOND;
    r->down = wf_random_below(random, 8) == 0;
}

static bool has(uint32_t bits, enum wire_degraded reason)
{
    return bits & 1U << reason;
}

/* The sums of the coverage record are the sums of its shards. */
static uint32_t check_coverage(const struct fake_shop *shop, const struct wire_coverage *c)
{
    uint64_t documents = 0, scanned = 0, most = 0;
    uint32_t whole = 0;
    assert_int_equal(c->n_shards, shop->n_shards);
    for (uint32_t i = 0; i < c->n_shards; i++) {
        const struct wire_shard_coverage *s = &c->shards[i];
        assert_int_equal(s->shard, i);
        assert_int_equal(s->documents, shop->shard_rows[i]);
        documents += s->documents;
        scanned += s->scanned;
        most += s->state == WIRE_SHARD_OK || s->state == WIRE_SHARD_PARTIAL ? s->documents : 0;
        whole |= s->state == WIRE_SHARD_OK ? 1U << i : 0;
    }
    assert_int_equal(c->documents, documents);
    assert_int_equal(c->documents, shop->n);
    assert_int_equal(c->scanned, scanned);
    assert_true(c->searched <= most);
    assert_true(c->ratio >= 0 && c->ratio <= 1);
    return whole;
}

static void check_reasons(const struct wire_recommend_response *r)
{
    bool timeout = false, down = false, failed = false, partial = false;
    for (uint32_t i = 0; i < r->coverage.n_shards; i++) {
        enum wire_shard_state s = r->coverage.shards[i].state;
        timeout |= s == WIRE_SHARD_TIMEOUT;
        down |= s == WIRE_SHARD_DOWN;
        failed |= s == WIRE_SHARD_FAILED || s == WIRE_SHARD_NO_GENERATION;
        partial |= s == WIRE_SHARD_PARTIAL;
    }
    assert_int_equal(has(r->degraded, WIRE_SHARD_TIMEOUT_REASON), timeout);
    assert_int_equal(has(r->degraded, WIRE_SHARD_DOWN_REASON), down);
    assert_int_equal(has(r->degraded, WIRE_SHARD_FAILED_REASON), failed);
    assert_int_equal(has(r->degraded, WIRE_SHARD_PARTIAL_REASON), partial);
}

static void check_hits(const struct fake_shop *shop, const struct wire_recommend_response *r,
                       uint32_t whole, const float *v, uint32_t k)
{
    const struct fake_item **want = wf_xarray(const struct fake_item *, k);
    float *scores = wf_xarray(float, k);
    uint32_t n = fake_brute_force(shop, whole, v, k, want, scores);
    assert_int_equal(r->n_hits, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(r->hits[i].sku, want[i]->sku);
        assert_true(r->hits[i].score == scores[i] && r->hits[i].retrieval_score == scores[i]);
        assert_int_equal(r->hits[i].rank, i + 1);
        assert_false(r->hits[i].has_rank_score);
    }
    wf_xfree(want);
    wf_xfree(scores);
}

static void one_case(uint64_t seed)
{
    struct wf_random r = wf_random_of(seed, 3);
    uint32_t n_shards = 1 + (uint32_t)wf_random_below(&r, FAKE_SHARDS_MAX);
    struct fake_shop *shop = fake_shop_create(seed, 20 + (uint32_t)wf_random_below(&r, 300),
                                              n_shards, WF_METRIC_IP, NULL);
    struct fake_transport t;
    fake_transport_init(&t, shop, 1 + (uint32_t)wf_random_below(&r, FAKE_REPLICAS_MAX), seed);
    bool partial = false;
    for (uint32_t i = 0; i < n_shards; i++) {
        for (uint32_t j = 0; j < t.n_replicas; j++) {
            draw_trouble(&t.replicas[i][j], &r);
            partial |= t.replicas[i][j].mode == FAKE_CUT_SHORT;
        }
    }
    float v[FAKE_DIM];
    draw_vector(&r, v);
    struct wire_recommend_request rq = fake_request();
    ask_vector(&rq, "for_you_raw", v);
    rq.exact = true;
    rq.k = 1 + (uint32_t)wf_random_below(&r, 50);
    struct fake_query f;
    const int64_t until = t.now + BUDGET;
    fake_query_run(&f, &t, metrics(), &rq, BUDGET);
    assert_int_equal(f.times, 1);
    assert_true(f.finished <= until);
    uint32_t whole = check_coverage(shop, &f.q.response.coverage);
    check_reasons(&f.q.response);
    if (f.q.err.code == WF_OK && !partial) {
        check_hits(shop, &f.q.response, whole, v, rq.k);
    } else if (f.q.err.code != WF_OK) {
        bool all_late = true;
        for (uint32_t i = 0; i < f.q.response.coverage.n_shards; i++) {
            all_late &= f.q.response.coverage.shards[i].state == WIRE_SHARD_TIMEOUT;
        }
        assert_int_equal(f.q.err.code, all_late ? WF_TIMEOUT : WF_UNAVAILABLE);
        assert_string_equal(f.q.err.reason, "NO_SHARD");
        assert_true(f.q.details && whole == 0);
    }
    for (uint32_t i = 0; i < n_shards; i++) {
        uint32_t calls = 0;
        for (uint32_t j = 0; j < t.n_replicas; j++) {
            calls += t.replicas[i][j].calls;
        }
        assert_true(calls <= 2);
    }
    fake_query_fini(&f);
    fake_transport_fini(&t);
    fake_shop_destroy(shop);
}

static void any_trouble_gives_a_flagged_answer_in_time(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t base = given ? strtoull(given, NULL, 10) : (uint64_t)wf_now();
    uint64_t n = given ? 1 : 1500;
    printf("seed=%llu, and the %llu after it\n", (unsigned long long)base, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++) {
        one_case(base + i);
    }
}

/* ---- single claims ---- */

struct fixture {
    struct fake_shop *shop;
    struct fake_transport t;
    struct fake_query f;
    float v[FAKE_DIM];
    struct wire_recommend_request rq;
};

static void begin(struct fixture *x, uint32_t n_shards, enum wf_metric_space metric,
                  const char *model)
{
    struct wf_random r = wf_random_of(7, 3);
    x->shop = fake_shop_create(7, 400, n_shards, metric, model);
    fake_transport_init(&x->t, x->shop, 2, 7);
    draw_vector(&r, x->v);
    x->rq = fake_request();
}

static void run(struct fixture *x)
{
    fake_query_run(&x->f, &x->t, metrics(), &x->rq, BUDGET);
    assert_int_equal(x->f.times, 1);
}

static void end(struct fixture *x)
{
    fake_query_fini(&x->f);
    fake_transport_fini(&x->t);
    fake_shop_destroy(x->shop);
}

static void exact_order_is_the_same_for_any_shard_count(void **state)
{
    (void)state;
    char *first = NULL;
    for (uint32_t n = 1; n <= 8; n++) {
        struct fixture x;
        begin(&x, n, WF_METRIC_IP, NULL);
        ask_vector(&x.rq, "for_you_raw", x.v);
        x.rq.exact = true;
        x.rq.k = 100;
        run(&x);
        char line[100 * 24] = "";
        size_t at = 0;
        for (uint32_t i = 0; i < x.f.q.response.n_hits; i++) {
            at +=
                (size_t)snprintf(line + at, sizeof line - at, "%s:%g ", x.f.q.response.hits[i].sku,
                                 (double)x.f.q.response.hits[i].score);
        }
        if (first) {
            assert_string_equal(line, first);
        } else {
            first = wf_xstrdup(line);
        }
        end(&x);
    }
    wf_xfree(first);
}

static void a_failed_replica_is_followed_by_the_next(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 3, WF_METRIC_IP, NULL);
    x.t.replicas[1][0].mode = FAKE_ERROR;
    x.t.replicas[1][0].code = WF_UNAVAILABLE;
    ask_vector(&x.rq, "for_you_raw", x.v);
    run(&x);
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_int_equal(x.f.q.response.degraded, 0);
    assert_int_equal(x.f.q.response.coverage.shards[1].replica, 1);
    assert_int_equal(x.t.replicas[1][0].noted, WF_UNAVAILABLE);
    assert_int_equal(x.t.replicas[1][1].noted, WF_OK);
    assert_true(x.f.q.response.coverage.ratio == 1);
    end(&x);
}

static void garbage_is_discarded_and_counted(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < fake_n_garbage(); i++) {
        struct fixture x;
        begin(&x, 3, WF_METRIC_IP, NULL);
        uint64_t before = wf_count_read(metrics(), COORD_M_GARBAGE, 0);
        for (unsigned j = 0; j < 2; j++) {
            x.t.replicas[2][j].mode = FAKE_GARBAGE;
            x.t.replicas[2][j].which = i;
        }
        ask_vector(&x.rq, "for_you_raw", x.v);
        x.rq.exact = true;
        run(&x);
        assert_int_equal(x.f.q.err.code, WF_OK);
        if (x.f.q.response.coverage.shards[2].state != WIRE_SHARD_FAILED) {
            fail_msg("taken for an answer: %s", fake_garbage_name(i));
        }
        assert_int_equal(wf_count_read(metrics(), COORD_M_GARBAGE, 0), before + 2);
        assert_int_equal(x.t.replicas[2][0].noted, WF_INTERNAL);
        check_hits(x.shop, &x.f.q.response, 3, x.v, x.rq.k);
        end(&x);
    }
}

static void min_coverage_unmet_is_unavailable_with_the_record(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 4, WF_METRIC_IP, NULL);
    x.t.replicas[0][0].down = x.t.replicas[0][1].down = true;
    ask_vector(&x.rq, "for_you", x.v);
    x.rq.min_coverage = 0.95F;
    run(&x);
    assert_int_equal(x.f.q.err.code, WF_UNAVAILABLE);
    assert_string_equal(x.f.q.err.reason, "MIN_COVERAGE");
    assert_true(x.f.q.details);
    assert_int_equal(x.f.q.response.n_hits, 0);
    assert_int_equal(x.f.q.response.coverage.shards[0].state, WIRE_SHARD_DOWN);
    assert_true(has(x.f.q.response.degraded, WIRE_SHARD_DOWN_REASON));
    end(&x);
}

static void the_ranker_orders_and_mmr_diversifies(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 3, WF_METRIC_COSINE, fake_model);
    ask_vector(&x.rq, "for_you", x.v);
    static const char *const all[] = {"*"};
    x.rq.attributes = all;
    x.rq.n_attributes = 1;
    x.rq.rank_limit = 100;
    x.rq.k = 100;
    run(&x);
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_int_equal(x.f.q.response.degraded, 0);
    assert_int_equal(x.f.q.response.n_hits, 100);
    const struct wire_hit *top = &x.f.q.response.hits[0];
    assert_true(top->has_rank_score && top->score == top->rank_score);
    assert_int_equal(top->n_attributes, 6 - (top->n_attributes < 6));
    for (uint32_t i = 0; i < 100; i++) {
        const struct wire_hit *h = &x.f.q.response.hits[i];
        float price = 0;
        for (uint32_t a = 0; a < h->n_attributes; a++) {
            price = strcmp(h->attributes[a].name, "price") != 0 ? price : h->attributes[a].number;
        }
        float margin = price < 30 ? 1.0F : price < 60 ? 0.0F : -1.0F;
        assert_true(h->rank_score == margin);
    }
    assert_true(top->rank_score == 1);
    end(&x);
}

static void items_are_left_out_and_explained(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 4, WF_METRIC_COSINE, NULL);
    const char *skus[] = {"sku0003", "sku0100", "nobody"};
    x.rq.subject = WIRE_SUBJECT_ITEMS;
    x.rq.skus = skus;
    x.rq.n_skus = 3;
    x.rq.explain = true;
    x.rq.k = 30;
    x.rq.surface = "similar_raw";
    run(&x);
    const struct wire_recommend_response *r = &x.f.q.response;
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_int_equal(r->degraded, 1U << WIRE_UNKNOWN_ITEM);
    assert_int_equal(r->n_hits, 30);
    for (uint32_t i = 0; i < r->n_hits; i++) {
        const struct wire_hit *h = &r->hits[i];
        assert_string_not_equal(h->sku, skus[0]);
        assert_string_not_equal(h->sku, skus[1]);
        assert_true(h->has_why && h->source == WIRE_SOURCE_ITEM);
        bool first = strcmp(h->item, skus[0]) == 0;
        assert_true(first || strcmp(h->item, skus[1]) == 0);
        const struct fake_item *item = &x.shop->items[first ? 3 : 100];
        const struct fake_item *hit = &x.shop->items[strtoul(h->sku + 3, NULL, 10)];
        uint32_t same = (item->category == hit->category) + (item->brand == hit->brand) +
                        (item->colour == hit->colour);
        assert_int_equal(h->n_shared, same);
        assert_int_equal(h->n_attributes, 0);
    }
    end(&x);
}

static void unknown_items_alone_are_not_found(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 2, WF_METRIC_COSINE, NULL);
    const char *skus[] = {"nobody", "none"};
    x.rq.subject = WIRE_SUBJECT_SESSION;
    x.rq.skus = skus;
    x.rq.n_skus = 2;
    run(&x);
    assert_int_equal(x.f.q.err.code, WF_NOT_FOUND);
    assert_string_equal(x.f.q.err.reason, "UNKNOWN_ITEM");
    assert_string_equal(x.f.q.err.field, "subject.session.skus[0]");
    assert_non_null(strstr(x.f.q.err.text, "\"nobody\""));
    end(&x);
}

static void items_of_a_dead_shard_fall_back_to_popularity(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 4, WF_METRIC_COSINE, NULL);
    const uint32_t shard = x.shop->items[5].shard;
    x.t.replicas[shard][0].down = x.t.replicas[shard][1].down = true;
    const char *skus[] = {x.shop->items[5].sku};
    x.rq.subject = WIRE_SUBJECT_ITEMS;
    x.rq.skus = skus;
    x.rq.n_skus = 1;
    run(&x);
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_string_equal(x.f.q.response.fallback, "popularity");
    assert_true(has(x.f.q.response.degraded, WIRE_FALLBACK));
    assert_true(has(x.f.q.response.degraded, WIRE_SHARD_DOWN_REASON));
    assert_false(has(x.f.q.response.degraded, WIRE_UNKNOWN_ITEM));
    end(&x);
}

static void an_item_without_a_vector_is_not_unknown(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 3, WF_METRIC_COSINE, NULL);
    const char *skus[] = {x.shop->items[5].sku};
    memset(x.shop->items[5].vector, 0, sizeof x.shop->items[5].vector);
    x.rq.subject = WIRE_SUBJECT_ITEMS;
    x.rq.skus = skus;
    x.rq.n_skus = 1;
    run(&x);
    const struct wire_recommend_response *r = &x.f.q.response;
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_string_equal(r->fallback, "popularity");
    assert_int_equal(r->degraded, 1U << WIRE_UNKNOWN_ITEM | 1U << WIRE_FALLBACK);
    for (uint32_t i = 0; i < r->n_hits; i++) {
        assert_string_not_equal(r->hits[i].sku, skus[0]);
    }
    end(&x);
}

static void without_spaces_items_give_what_is_popular_but_not_themselves(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 3, WF_METRIC_COSINE, NULL);
    const unsigned n_spaces = x.shop->manifest.schema.n_spaces;
    x.shop->manifest.schema.n_spaces = 0;
    const char *skus[] = {x.shop->items[1].sku};
    x.rq.subject = WIRE_SUBJECT_ITEMS;
    x.rq.skus = skus;
    x.rq.n_skus = 1;
    run(&x);
    x.shop->manifest.schema.n_spaces = n_spaces;
    const struct wire_recommend_response *r = &x.f.q.response;
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_string_equal(r->fallback, "popularity");
    assert_string_equal(r->hits[0].sku, x.shop->items[0].sku);
    assert_string_equal(r->hits[1].sku, x.shop->items[2].sku);
    end(&x);
}

static void a_session_is_the_decayed_sum_of_its_items(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 3, WF_METRIC_COSINE, NULL);
    const char *skus[] = {"sku0001", "sku0002", "sku0001"};
    float sum[FAKE_DIM] = {0}, v[FAKE_DIM];
    float weight = 1;
    for (int i = 2; i >= 0; i--) {
        memcpy(v, x.shop->items[i == 1 ? 2 : 1].vector, sizeof v);
        wf_normalise(v, FAKE_DIM);
        for (unsigned d = 0; d < FAKE_DIM; d++) {
            sum[d] += weight * v[d];
        }
        weight *= 0.8F;
    }
    wf_normalise(sum, FAKE_DIM);
    x.rq.subject = WIRE_SUBJECT_SESSION;
    x.rq.skus = skus;
    x.rq.n_skus = 3;
    x.rq.surface = "similar_raw";
    x.rq.exact = true;
    run(&x);
    const struct fake_item *want[WIRE_K_DEFAULT + 2];
    float scores[WIRE_K_DEFAULT + 2];
    uint32_t n = fake_brute_force(x.shop, 7, sum, WIRE_K_DEFAULT + 2, want, scores), at = 0;
    for (uint32_t i = 0; i < n && at < x.f.q.response.n_hits; i++) {
        if (want[i] != &x.shop->items[1] && want[i] != &x.shop->items[2]) {
            assert_string_equal(x.f.q.response.hits[at++].sku, want[i]->sku);
        }
    }
    assert_int_equal(at, WIRE_K_DEFAULT);
    end(&x);
}

static void nothing_to_go_on_is_popularity_of_the_segment(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 3, WF_METRIC_COSINE, fake_model);
    x.rq.subject = WIRE_SUBJECT_USER;
    x.rq.id = "stranger";
    x.rq.segment = "Women";
    x.rq.k = 20;
    run(&x);
    const struct wire_recommend_response *r = &x.f.q.response;
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_int_equal(r->degraded, 1U << WIRE_UNKNOWN_SUBJECT | 1U << WIRE_FALLBACK);
    assert_string_equal(r->fallback, "popularity");
    assert_string_equal(r->surface, "for_you");
    assert_int_equal(r->n_hits, 10);
    for (uint32_t i = 0; i < r->n_hits; i++) {
        assert_string_equal(r->hits[i].sku, x.shop->items[i].sku);
        assert_true(r->hits[i].score == (float)(1000 - i));
    }
    end(&x);
}

static void trending_survives_a_dead_shard(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 3, WF_METRIC_COSINE, NULL);
    x.t.replicas[1][0].mode = x.t.replicas[1][1].mode = FAKE_SILENT;
    x.rq.surface = "trending";
    run(&x);
    const struct wire_recommend_response *r = &x.f.q.response;
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_int_equal(r->n_hits, 10);
    assert_int_equal(r->degraded, 1U << WIRE_SHARD_TIMEOUT_REASON);
    assert_string_equal(r->fallback, "");
    for (uint32_t i = 1; i < r->n_hits; i++) {
        assert_true(r->hits[i].score < r->hits[i - 1].score);
    }
    end(&x);
}

static void little_time_left_skips_stages_and_says_so(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 2, WF_METRIC_COSINE, fake_model);
    x.t.replicas[0][0].mode = FAKE_SILENT;
    ask_vector(&x.rq, "for_you", x.v);
    fake_query_run(&x.f, &x.t, metrics(), &x.rq, 2 * WF_MILLISECOND);
    assert_int_equal(x.f.q.err.code, WF_OK);
    assert_true(has(x.f.q.response.degraded, WIRE_DEADLINE));
    assert_true(has(x.f.q.response.degraded, WIRE_SHARD_TIMEOUT_REASON));
    assert_false(x.f.q.response.hits[0].has_rank_score);
    end(&x);
}

static bool gone(void *ctx)
{
    (void)ctx;
    return true;
}

static void work_stops_when_the_caller_has_gone(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 2, WF_METRIC_COSINE, fake_model);
    const char *skus[] = {"sku0003"};
    x.rq.subject = WIRE_SUBJECT_ITEMS;
    x.rq.skus = skus;
    x.rq.n_skus = 1;
    fake_query_begin(&x.f, &x.t, metrics(), &x.rq, BUDGET, 64 << 20);
    x.f.q.left = gone;
    fake_transport_run(&x.t);
    assert_int_equal(x.f.times, 1);
    assert_int_equal(x.f.q.err.code, WF_CANCELLED);
    assert_int_equal(x.t.replicas[0][0].calls + x.t.replicas[1][0].calls, 1);
    end(&x);
}

static void an_arena_of_any_size_ends_in_a_code(void **state)
{
    (void)state;
    const char *skus[] = {"sku0003", "sku0100"};
    static const char *const all[] = {"*"};
    bool served = false;
    for (size_t limit = 0; !served; limit += 64 + limit / 16) {
        struct fixture x;
        begin(&x, 2, WF_METRIC_COSINE, fake_model);
        x.rq.subject = WIRE_SUBJECT_SESSION;
        x.rq.skus = skus;
        x.rq.n_skus = 2;
        x.rq.explain = true;
        x.rq.attributes = all;
        x.rq.n_attributes = 1;
        x.rq.rank_limit = 40;
        fake_query_begin(&x.f, &x.t, metrics(), &x.rq, BUDGET, limit);
        fake_transport_run(&x.t);
        assert_int_equal(x.f.times, 1);
        served = x.f.q.err.code == WF_OK;
        assert_true(served || x.f.q.err.code == WF_EXHAUSTED);
        end(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_trouble_gives_a_flagged_answer_in_time),
        cmocka_unit_test(exact_order_is_the_same_for_any_shard_count),
        cmocka_unit_test(a_failed_replica_is_followed_by_the_next),
        cmocka_unit_test(garbage_is_discarded_and_counted),
        cmocka_unit_test(min_coverage_unmet_is_unavailable_with_the_record),
        cmocka_unit_test(the_ranker_orders_and_mmr_diversifies),
        cmocka_unit_test(items_are_left_out_and_explained),
        cmocka_unit_test(unknown_items_alone_are_not_found),
        cmocka_unit_test(items_of_a_dead_shard_fall_back_to_popularity),
        cmocka_unit_test(an_item_without_a_vector_is_not_unknown),
        cmocka_unit_test(without_spaces_items_give_what_is_popular_but_not_themselves),
        cmocka_unit_test(a_session_is_the_decayed_sum_of_its_items),
        cmocka_unit_test(nothing_to_go_on_is_popularity_of_the_segment),
        cmocka_unit_test(trending_survives_a_dead_shard),
        cmocka_unit_test(little_time_left_skips_stages_and_says_so),
        cmocka_unit_test(work_stops_when_the_caller_has_gone),
        cmocka_unit_test(an_arena_of_any_size_ends_in_a_code),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wf_metrics_destroy(metrics());
    return failed;
}

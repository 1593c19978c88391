/* SPDX-License-Identifier: Apache-2.0
 *
 * narrow_test.c - filters, exclusions, groups and negatives through the whole pipeline: what the
 * shards together give is what one look at all items gives, for any number of shards.
 */
#include <math.h>
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
#include "tests/support/fake_narrow.h"
#include "tests/support/fake_query.h"

enum { N_ITEMS = 400, K = 20 };
static const int64_t BUDGET = WF_SECOND;

static struct wf_metrics *metrics(void)
{
    static struct wf_metrics *m;
    if (!m) {
        m = wf_metrics_create(coord_metrics_table, COORD_N_METRICS);
    }
    return m;
}

struct fixture {
    struct fake_shop *shop;
    struct fake_transport t;
    struct fake_query f;
    struct wire_recommend_request rq;
    struct fake_narrow narrow; /* the same, for the look at all items */
    float v[FAKE_DIM];
};

static void begin(struct fixture *x, uint64_t seed, uint32_t n_shards, enum wf_metric_space metric)
{
    struct wf_random r = wf_random_of(seed, 3);
    memset(x, 0, sizeof *x);
    x->shop = fake_shop_create(seed, N_ITEMS, n_shards, metric, NULL);
    fake_transport_init(&x->t, x->shop, 1, seed);
    for (unsigned d = 0; d < FAKE_DIM; d++) {
        x->v[d] = (float)wf_random_below(&r, 7) - 3;
    }
    x->v[1] += 7;
    x->rq = fake_request();
    x->rq.surface = "for_you_raw";
    x->rq.subject = WIRE_SUBJECT_VECTOR;
    x->rq.vector = x->v;
    x->rq.dim = FAKE_DIM;
    x->rq.k = K;
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
    wf_filter_close((struct wf_filter *)x->narrow.filter);
    fake_shop_destroy(x->shop);
}

static void set_filter(struct fixture *x, const char *text)
{
    struct wf_filter *filter = NULL;
    struct wf_error err;
    assert_int_equal(WF_OK, wf_filter_parse(text, &x->shop->manifest.schema, &filter, &err));
    x->narrow.filter = filter;
    x->rq.filter = text;
}

static void set_group(struct fixture *x, const char *name, uint32_t most)
{
    x->rq.group_by = x->narrow.group_by = name;
    x->rq.group_max = x->narrow.group_max = most;
}

/* The hits are the first of one look at everything. */
static void check_hits(const struct fixture *x)
{
    if (x->f.q.err.code != WF_OK) {
        fail_msg("%s", x->f.q.err.text);
    }
    struct fake_scored *want = wf_xarray(struct fake_scored, x->shop->n);
    uint32_t n = fake_search(x->shop, UINT32_MAX, x->v, &x->narrow, want);
    n = n < x->rq.k ? n : x->rq.k;
    assert_int_equal(n, x->f.q.response.n_hits);
    for (uint32_t i = 0; i < n; i++) {
        const struct wire_hit *hit = &x->f.q.response.hits[i];
        assert_string_equal(want[i].item->sku, hit->sku);
        assert_true(fabsf(want[i].score - hit->score) <= 1e-4F);
    }
    wf_xfree(want);
}

static uint64_t n_matching(const struct fixture *x)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < x->shop->n; i++) {
        n += fake_matches(x->narrow.filter, &x->shop->items[i]);
    }
    return n;
}

/* ---- filters ---- */

static void filters_pass_to_the_shards_and_are_counted(void **state)
{
    (void)state;
    static const char *const filters[] = {
        "category = \"w1\"",
        "not category = 'w1' and price between 10 and 40",
        "brand in ('w0','w2') or in_stock",
        "not (in_stock or price > 50)",
        "price < 2 or price >= 90",
        "title = 'sku0007'",
        "price > 1000",
        "price > 1000 or not price > 1000",
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct fixture x;
        begin(&x, 11 + i, 1 + (uint32_t)i, WF_METRIC_IP);
        set_filter(&x, filters[i]);
        run(&x);
        check_hits(&x);
        assert_int_equal(n_matching(&x), x.f.q.response.coverage.matched);
        assert_int_equal(N_ITEMS, x.f.q.response.coverage.documents);
        end(&x);
    }
}

/* What a shard is asked; the transport must not have run. */
static struct wire_search_request asked(struct fixture *x, uint32_t event, struct wf_arena *arena)
{
    struct wire_search_request rq;
    assert_true(event < x->t.n_events);
    assert_int_equal(WF_OK, wire_search_request_read(x->t.events[event].message, arena, &rq, NULL));
    return rq;
}

static void equivalent_filters_reach_the_shards_as_one_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "price between 10 and 40 and not (brand = 'w0' or brand = 'w1')",
        "not brand in ('w1','w0') and (price >= 10 and not price > 40)",
    };
    char first[256] = "";
    for (int i = 0; i < 2; i++) {
        struct fixture x;
        struct wf_arena arena;
        wf_arena_init(&arena, 1 << 20);
        begin(&x, 5, 3, WF_METRIC_IP);
        x.rq.filter = texts[i];
        fake_query_begin(&x.f, &x.t, metrics(), &x.rq, BUDGET, 1 << 20);
        const struct wire_search_request rq = asked(&x, 1, &arena);
        if (i) {
            assert_string_equal(first, rq.filter);
        }
        snprintf(first, sizeof first, "%s", rq.filter);
        assert_true(first[0]);
        fake_transport_run(&x.t);
        end(&x);
        wf_arena_fini(&arena);
    }
}

static void bad_narrowing_is_refused_before_any_shard_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *group_by, *handle;
        enum wf_code code;
        const char *reason, *field, *says;
    } bad[] = {
        {"price <", "", "", WF_INVALID, "MALFORMED", "filter", "column"},
        {"pric < 3", "", "", WF_INVALID, "UNKNOWN_ATTRIBUTE", "filter", "price"},
        {"price = 'x'", "", "", WF_INVALID, "TYPE", "filter", "column"},
        {"in_stock and brand > 'a'", "", "", WF_INVALID, "TYPE", "filter", "column"},
        {"", "brnd", "", WF_INVALID, "UNKNOWN_ATTRIBUTE", "group_by.attribute", "\"brand\""},
        {"", "title", "", WF_INVALID, "TYPE", "group_by.attribute", "free text"},
        {"", "", "00ff", WF_PRECONDITION, "UNKNOWN_HANDLE", "exclude.handle", "upload again"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fixture x;
        begin(&x, 5, 2, WF_METRIC_IP);
        x.rq.filter = bad[i].filter;
        x.rq.group_by = bad[i].group_by;
        x.rq.group_max = 1;
        x.rq.exclude_handle = bad[i].handle;
        run(&x);
        const struct wf_error *err = &x.f.q.err;
        print_message("%s\n", err->text);
        assert_int_equal(bad[i].code, err->code);
        assert_string_equal(bad[i].reason, err->reason);
        assert_string_equal(bad[i].field, err->field);
        assert_non_null(strstr(err->text, bad[i].says));
        assert_int_equal(0, x.t.replicas[0][0].calls + x.t.replicas[1][0].calls);
        end(&x);
    }
}

static void a_target_recall_is_the_shards_to_reach(void **state)
{
    (void)state;
    const struct {
        float target;
        bool exact;
        enum wire_effort_kind kind;
    } cases[] = {{0.95F, false, WIRE_EFFORT_RECALL},
                 {0.95F, true, WIRE_EFFORT_EXACT},
                 {0, false, WIRE_EFFORT_DEFAULT}};
    for (int i = 0; i < 3; i++) {
        struct fixture x;
        struct wf_arena arena;
        wf_arena_init(&arena, 1 << 20);
        begin(&x, 5, 2, WF_METRIC_IP);
        x.rq.target_recall = cases[i].target;
        x.rq.exact = cases[i].exact;
        fake_query_begin(&x.f, &x.t, metrics(), &x.rq, BUDGET, 1 << 20);
        const struct wire_effort effort = asked(&x, 0, &arena).probes[0].effort;
        assert_int_equal(cases[i].kind, effort.kind);
        assert_true(effort.recall == (cases[i].kind == WIRE_EFFORT_RECALL ? 0.95F : 0));
        fake_transport_run(&x.t);
        check_hits(&x);
        end(&x);
        wf_arena_fini(&arena);
    }
}

/* ---- exclusions and groups ---- */

/* Hashes of every second item and of some that are none. */
static uint32_t draw_hashes(const struct fixture *x, uint64_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->shop->n; i += 2) {
        out[n++] = wf_hash64(x->shop->items[i].sku, strlen(x->shop->items[i].sku));
    }
    out[n] = out[0];
    out[n + 1] = UINT64_MAX;
    return n + 2;
}

static void any_mixture_is_what_one_look_at_all_items_gives(void **state)
{
    (void)state;
    static const char *const groups[] = {"", "category", "brand", "price", "in_stock", "brand"};
    static const char *const filters[] = {"", "price < 60", "not category = 'w2'", "in_stock"};
    const char *given = getenv("SEED");
    const uint64_t base = given ? strtoull(given, NULL, 10) : (uint64_t)wf_now();
    printf("seed=%llu, and those after it\n", (unsigned long long)base);
    for (uint64_t seed = base; seed < base + (given ? 1 : 150); seed++) {
        struct wf_random r = wf_random_of(seed, 9);
        struct fixture x;
        uint64_t hashes[N_ITEMS];
        begin(&x, seed, 1 + (uint32_t)wf_random_below(&r, 8), WF_METRIC_IP);
        x.rq.exact = true;
        x.rq.k = 1 + (uint32_t)wf_random_below(&r, 120);
        set_group(&x, groups[wf_random_below(&r, 6)], 1 + (uint32_t)wf_random_below(&r, 9));
        const char *filter = filters[wf_random_below(&r, 4)];
        if (filter[0]) {
            set_filter(&x, filter);
        }
        if (wf_random_below(&r, 2)) {
            x.rq.exclude = x.narrow.exclude = hashes;
            x.rq.n_exclude = x.narrow.n_exclude = draw_hashes(&x, hashes);
        }
        run(&x);
        check_hits(&x);
        assert_int_equal(n_matching(&x), x.f.q.response.coverage.matched);
        end(&x);
    }
}

static void groups_are_exact_without_an_exact_search(void **state)
{
    (void)state;
    for (uint32_t n_shards = 1; n_shards <= 8; n_shards++) {
        struct fixture x;
        begin(&x, 17, n_shards, WF_METRIC_IP);
        set_group(&x, "price", 1); /* ninety groups, in every shard */
        x.rq.k = 80;
        run(&x);
        check_hits(&x);
        assert_int_equal(0, x.f.q.response.hits[0].n_attributes);
        end(&x);
    }
}

static void the_querys_own_items_take_no_place_in_a_group(void **state)
{
    (void)state;
    for (uint32_t n_shards = 1; n_shards <= 4; n_shards++) {
        struct fixture x;
        begin(&x, 23, n_shards, WF_METRIC_IP);
        const char *const skus[] = {x.shop->items[3].sku, x.shop->items[8].sku};
        uint64_t own[2];
        for (int i = 0; i < 2; i++) {
            own[i] = wf_hash64(skus[i], strlen(skus[i]));
        }
        x.rq.subject = WIRE_SUBJECT_SESSION;
        x.rq.skus = skus;
        x.rq.n_skus = 1;
        x.rq.negative_skus = skus + 1;
        x.rq.n_negative_skus = 1;
        x.rq.negative_mode = WIRE_NEGATIVE_SUBTRACT;
        set_group(&x, "brand", 2);
        memcpy(x.v, x.shop->items[3].vector, sizeof x.v);
        assert_true(wf_normalise(x.v, FAKE_DIM));
        x.narrow.exclude = own;
        x.narrow.n_exclude = 2;
        run(&x);
        check_hits(&x);
        assert_int_equal(6, x.f.q.response.n_hits);
        end(&x);
    }
}

static void a_kept_set_excludes_until_it_is_let_go(void **state)
{
    (void)state;
    struct fixture x;
    uint64_t hashes[N_ITEMS];
    begin(&x, 29, 3, WF_METRIC_IP);
    const uint32_t n = draw_hashes(&x, hashes);
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 20);
    uint32_t n_unique = 0;
    char handle[COORD_HANDLE_SIZE];
    struct coord_exclusions set;
    const uint64_t *sorted = coord_exclusions_sort(hashes, n, &arena, &n_unique);
    assert_int_equal(WF_OK, coord_exclusions_deal(sorted, n_unique, 3, &arena, &set));
    coord_exclusions_handle(sorted, n_unique, handle);
    struct coord_store *store = coord_store_create(1 << 20, 3);
    assert_int_equal(0, coord_store_put(store, handle, &set));
    x.t.store = store;
    x.rq.exclude_handle = handle;
    x.narrow.exclude = hashes;
    x.narrow.n_exclude = n;
    run(&x);
    check_hits(&x);
    fake_query_fini(&x.f);
    set_group(&x, "brand", 3); /* with a subject's own items, the set is dealt anew */
    const char *const sku = x.shop->items[3].sku;
    x.rq.negative_skus = &sku;
    x.rq.n_negative_skus = 1;
    x.rq.negative_mode = WIRE_NEGATIVE_SUBTRACT;
    hashes[n] = wf_hash64(sku, strlen(sku));
    x.narrow.n_exclude = n + 1;
    run(&x);
    check_hits(&x);
    end(&x);
    coord_store_destroy(store);
    wf_arena_fini(&arena);
}

static void popularity_is_narrowed_and_still_filled(void **state)
{
    (void)state;
    struct fixture x;
    uint64_t hashes[N_ITEMS];
    begin(&x, 31, 3, WF_METRIC_IP);
    x.rq.subject = WIRE_SUBJECT_NONE;
    x.rq.surface = "trending";
    x.rq.k = 5;
    set_filter(&x, "price < 80");
    set_group(&x, "category", 2);
    x.rq.exclude = x.narrow.exclude = hashes;
    x.rq.n_exclude = x.narrow.n_exclude = draw_hashes(&x, hashes);
    run(&x);
    assert_int_equal(WF_OK, x.f.q.err.code);
    assert_int_equal(5, x.f.q.response.n_hits);
    uint32_t counts[FAKE_CATEGORIES] = {0}, at = 0;
    for (uint32_t i = 0; i < 60 && at < 5; i++) { /* the list: the first sixty */
        const struct fake_item *item = &x.shop->items[i];
        if (fake_admits(&x.narrow, item) && counts[item->category]++ < 2) {
            assert_string_equal(item->sku, x.f.q.response.hits[at++].sku);
        }
    }
    assert_int_equal(5, at);
    end(&x);
}

/* ---- negatives ---- */

static void dislike(struct fixture *x, const char *const *skus, uint32_t n,
                    enum wire_negative_mode mode, float weight)
{
    x->rq.negative_skus = skus;
    x->rq.n_negative_skus = n;
    x->rq.negative_mode = mode;
    x->rq.negative_weight = weight;
}

static void subtracting_moves_the_probe(void **state)
{
    (void)state;
    const enum wf_metric_space metrics_of[] = {WF_METRIC_IP, WF_METRIC_COSINE, WF_METRIC_L2};
    for (int m = 0; m < 3; m++) {
        struct fixture x;
        begin(&x, 37, 4, metrics_of[m]);
        const struct fake_item *a = &x.shop->items[4], *b = &x.shop->items[9];
        const char *const skus[] = {a->sku, b->sku, a->sku};
        const float extra[FAKE_DIM] = {0, 3, 0, -1};
        float probe[FAKE_DIM], parts[3][FAKE_DIM];
        memcpy(probe, x.v, sizeof probe);
        memcpy(parts[0], extra, sizeof extra);
        memcpy(parts[1], a->vector, sizeof extra);
        memcpy(parts[2], b->vector, sizeof extra);
        for (int i = 0; metrics_of[m] == WF_METRIC_COSINE && i < 4; i++) {
            assert_true(wf_normalise(i < 3 ? parts[i] : probe, FAKE_DIM));
        }
        for (unsigned d = 0; d < FAKE_DIM; d++) {
            probe[d] -= 0.75F * ((parts[0][d] + parts[1][d] + parts[2][d]) / 3);
        }
        if (metrics_of[m] == WF_METRIC_COSINE) {
            assert_true(wf_normalise(probe, FAKE_DIM));
        }
        dislike(&x, skus, 3, WIRE_NEGATIVE_SUBTRACT, 0.75F);
        x.rq.negative_vectors = extra;
        x.rq.n_negative_vectors = 1;
        x.rq.negative_dim = FAKE_DIM;
        x.rq.exact = true;
        run(&x);
        uint64_t own[] = {wf_hash64(a->sku, strlen(a->sku)), wf_hash64(b->sku, strlen(b->sku))};
        memcpy(x.v, probe, sizeof probe);
        x.narrow.exclude = own;
        x.narrow.n_exclude = 2;
        if (metrics_of[m] != WF_METRIC_COSINE) { /* where sums in another order swap near ties */
            check_hits(&x);
        }
        for (uint32_t i = 0; i < x.f.q.response.n_hits; i++) {
            assert_string_not_equal(a->sku, x.f.q.response.hits[i].sku);
        }
        end(&x);
    }
}

static void best_minus_worst_is_the_shards_to_count(void **state)
{
    (void)state;
    for (uint32_t n_shards = 1; n_shards <= 5; n_shards++) {
        struct fixture x;
        begin(&x, 41, n_shards, WF_METRIC_IP);
        const struct fake_item *a = &x.shop->items[4];
        const char *const skus[] = {a->sku};
        float negatives[2 * FAKE_DIM] = {1, -2, 3};
        memcpy(negatives + FAKE_DIM, a->vector, sizeof a->vector);
        dislike(&x, skus, 1, WIRE_NEGATIVE_BEST_MINUS_WORST, 2);
        x.rq.negative_vectors = negatives;
        x.rq.n_negative_vectors = 1;
        x.rq.negative_dim = FAKE_DIM;
        const uint64_t own = wf_hash64(a->sku, strlen(a->sku));
        x.narrow.exclude = &own;
        x.narrow.n_exclude = 1;
        x.narrow.negatives = negatives;
        x.narrow.n_negatives = 2;
        x.narrow.weight = 2;
        x.rq.exact = true;
        run(&x);
        check_hits(&x);
        end(&x);
    }
}

static void unknown_dislikes_are_reported_and_the_rest_counts(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 43, 3, WF_METRIC_IP);
    const struct fake_item *a = &x.shop->items[4];
    const char *const skus[] = {"gone", a->sku};
    dislike(&x, skus, 2, WIRE_NEGATIVE_BEST_MINUS_WORST, 1);
    x.narrow.negatives = a->vector;
    x.narrow.n_negatives = 1;
    x.narrow.weight = 1;
    const uint64_t own = wf_hash64(a->sku, strlen(a->sku));
    x.narrow.exclude = &own;
    x.narrow.n_exclude = 1;
    x.rq.exact = true;
    run(&x);
    check_hits(&x);
    assert_int_equal(1U << WIRE_UNKNOWN_ITEM, x.f.q.response.degraded);
    end(&x);
    begin(&x, 43, 3, WF_METRIC_IP);
    dislike(&x, skus, 1, WIRE_NEGATIVE_SUBTRACT, 1);
    run(&x);
    check_hits(&x); /* nothing known is disliked: the plain list */
    assert_int_equal(1U << WIRE_UNKNOWN_ITEM, x.f.q.response.degraded);
    end(&x);
}

static void a_dislike_of_a_silent_shard_is_said(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x, 43, 3, WF_METRIC_IP);
    const struct fake_item *a = &x.shop->items[4];
    const char *const skus[] = {a->sku};
    x.t.replicas[a->shard][0].down = true;
    dislike(&x, skus, 1, WIRE_NEGATIVE_SUBTRACT, 1);
    run(&x);
    assert_int_equal(WF_OK, x.f.q.err.code);
    assert_int_equal(1U << WIRE_SHARD_DOWN_REASON, x.f.q.response.degraded);
    end(&x);
}

static void items_and_sessions_may_dislike_too(void **state)
{
    (void)state;
    const enum wire_subject_kind kinds[] = {WIRE_SUBJECT_ITEMS, WIRE_SUBJECT_SESSION};
    for (int i = 0; i < 2; i++) {
        struct fixture x;
        begin(&x, 47, 3, WF_METRIC_IP);
        const struct fake_item *liked = &x.shop->items[10], *not = &x.shop->items[11];
        const char *const skus[] = {liked->sku, not ->sku};
        x.rq.surface = "similar_raw";
        x.rq.subject = kinds[i];
        x.rq.skus = skus;
        x.rq.n_skus = 1;
        x.rq.exact = true;
        dislike(&x, skus + 1, 1, WIRE_NEGATIVE_BEST_MINUS_WORST, 0.5F);
        memcpy(x.v, liked->vector, sizeof x.v);
        assert_true(i == 0 || wf_normalise(x.v, FAKE_DIM));
        uint64_t own[] = {wf_hash64(skus[0], strlen(skus[0])), wf_hash64(skus[1], strlen(skus[1]))};
        x.narrow = (struct fake_narrow){.exclude = own,
                                        .n_exclude = 2,
                                        .negatives = not ->vector,
                                        .n_negatives = 1,
                                        .weight = 0.5F};
        run(&x);
        check_hits(&x);
        end(&x);
    }
}

static void what_cannot_be_disliked_is_refused(void **state)
{
    (void)state;
    static const float zero[2 * FAKE_DIM] = {1};
    static const struct {
        enum wf_metric_space metric;
        enum wire_negative_mode mode;
        uint32_t n, dim;
        const char *reason, *field;
    } bad[] = {
        {WF_METRIC_L2, WIRE_NEGATIVE_BEST_MINUS_WORST, 1, FAKE_DIM, "UNSUPPORTED",
         "negatives.mode"},
        {WF_METRIC_IP, WIRE_NEGATIVE_SUBTRACT, 1, 3, "DIMENSION", "negatives.vectors[0].values"},
        {WF_METRIC_COSINE, WIRE_NEGATIVE_SUBTRACT, 2, FAKE_DIM, "ZERO_VECTOR",
         "negatives.vectors[1].values"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fixture x;
        begin(&x, 5, 2, bad[i].metric);
        x.rq.negative_mode = bad[i].mode;
        x.rq.negative_weight = 1;
        x.rq.negative_vectors = zero;
        x.rq.n_negative_vectors = bad[i].n;
        x.rq.negative_dim = bad[i].dim;
        run(&x);
        assert_int_equal(WF_INVALID, x.f.q.err.code);
        assert_string_equal(bad[i].reason, x.f.q.err.reason);
        assert_string_equal(bad[i].field, x.f.q.err.field);
        end(&x);
    }
    struct fixture x;
    begin(&x, 5, 2, WF_METRIC_COSINE); /* like what you dislike: nothing is left */
    const char *const sku = x.shop->items[4].sku;
    x.rq.vector = x.shop->items[4].vector;
    dislike(&x, &sku, 1, WIRE_NEGATIVE_SUBTRACT, 1);
    run(&x);
    assert_int_equal(WF_INVALID, x.f.q.err.code);
    assert_string_equal("ZERO_VECTOR", x.f.q.err.reason);
    assert_string_equal("negatives", x.f.q.err.field);
    end(&x);
}

static void an_arena_of_any_size_ends_in_a_code(void **state)
{
    (void)state;
    struct fixture x;
    uint64_t hashes[N_ITEMS];
    begin(&x, 53, 3, WF_METRIC_IP);
    const char *const skus[] = {x.shop->items[4].sku};
    dislike(&x, skus, 1, WIRE_NEGATIVE_SUBTRACT, 1);
    set_filter(&x, "price < 70");
    set_group(&x, "brand", 5);
    x.rq.exclude = hashes;
    x.rq.n_exclude = draw_hashes(&x, hashes);
    unsigned full = 0;
    for (size_t limit = 0;; limit += 256) {
        fake_query_begin(&x.f, &x.t, metrics(), &x.rq, BUDGET, limit);
        fake_transport_run(&x.t);
        const enum wf_code code = x.f.q.err.code;
        if (code == WF_OK) {
            break;
        }
        assert_int_equal(WF_EXHAUSTED, code);
        full++;
        fake_query_fini(&x.f);
    }
    assert_true(full > 10);
    end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_pass_to_the_shards_and_are_counted),
        cmocka_unit_test(equivalent_filters_reach_the_shards_as_one_text),
        cmocka_unit_test(bad_narrowing_is_refused_before_any_shard_is_asked),
        cmocka_unit_test(a_target_recall_is_the_shards_to_reach),
        cmocka_unit_test(any_mixture_is_what_one_look_at_all_items_gives),
        cmocka_unit_test(groups_are_exact_without_an_exact_search),
        cmocka_unit_test(the_querys_own_items_take_no_place_in_a_group),
        cmocka_unit_test(a_kept_set_excludes_until_it_is_let_go),
        cmocka_unit_test(popularity_is_narrowed_and_still_filled),
        cmocka_unit_test(subtracting_moves_the_probe),
        cmocka_unit_test(best_minus_worst_is_the_shards_to_count),
        cmocka_unit_test(unknown_dislikes_are_reported_and_the_rest_counts),
        cmocka_unit_test(a_dislike_of_a_silent_shard_is_said),
        cmocka_unit_test(items_and_sessions_may_dislike_too),
        cmocka_unit_test(what_cannot_be_disliked_is_refused),
        cmocka_unit_test(an_arena_of_any_size_ends_in_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

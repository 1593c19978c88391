/* SPDX-License-Identifier: Apache-2.0
 *
 * filters_test.c - filters by text: bitmaps of each space, what the cache shares, keeps and lets
 * go, and threads that ask while it does. Run it under ASan and TSan to mean it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/epoch.h"
#include "base/filter.h"
#include "base/hash.h"
#include "shard/filter_eval.h"
#include "shard/mapped.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 5000, LISTS = 16, THREADS = 4, ASKS = 1500 };
static const uint64_t seed = 77;

static struct catalog *catalog;
static struct shard *shard;

/* ---- what is asked ---- */

/* One of a few hundred expressions, in one of several spellings. */
static void random_text(struct wf_random *r, char text[160])
{
    const unsigned a = (unsigned)wf_random_below(r, 8), b = (unsigned)wf_random_below(r, 30);
    switch (wf_random_below(r, 6)) {
    case 0:
        snprintf(text, 160, "colour = \"colour %u\"", a);
        break;
    case 1:
        snprintf(text, 160, "price < %u%s", b, wf_random_below(r, 2) == 0 ? "" : ".0");
        break;
    case 2:
        snprintf(text, 160, "stock and  colour='colour %u' and price >= %u", a, b);
        break;
    case 3:
        snprintf(text, 160, "price >= %u and colour in (\"colour %u\") and stock = true", b, a);
        break;
    case 4:
        snprintf(text, 160, "not (price between %u and %u or colour = \"colour %u\")", b, b + 20,
                 a);
        break;
    default:
        snprintf(text, 160, "title = \"title of item %u\" or (not stock and price > %u)", a * b,
                 70 + b);
    }
}

static void check_counts(const struct shard_space *sp, const uint64_t *want, const uint32_t *got)
{
    assert_int_equal(sp->lists == NULL, got == NULL);
    if (got == NULL || sp->lists == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sp->spec.n; i++) {
        assert_int_equal(wf_bits_count(want, sp->lists[i], sp->lists[i + 1]), got[i]);
    }
}

/* What shard_filters_get should give, made without the cache. */
static void check_answer(const struct shard *s, const char *text, unsigned space,
                         const struct shard_allowed *got)
{
    struct wf_filter *filter;
    const struct shard_space *sp = &s->spaces[space];
    uint64_t *rows = wf_xarray(uint64_t, wf_bits_words(s->rows));
    uint64_t *want = wf_xarray(uint64_t, wf_bits_words(sp->n));
    assert_int_equal(WF_OK, wf_filter_parse(text, &s->schema, &filter, NULL));
    shard_filter_eval(s, filter->root, rows);
    wf_filter_close(filter);
    for (uint32_t i = 0; i < sp->n; i++) {
        if (wf_bit(rows, sp->to_row == NULL ? i : sp->to_row[i])) {
            wf_bit_set(want, i);
        }
    }
    assert_memory_equal(want, got->bits, wf_bits_words(sp->n) * sizeof *want);
    assert_int_equal(wf_bits_count(want, 0, sp->n), got->matched);
    check_counts(sp, want, got->lists);
    wf_xfree(want);
    wf_xfree(rows);
}

static const struct shard_allowed *ask(struct shard_filters *f, const char *text, unsigned space,
                                       bool *cold)
{
    const struct shard_allowed *got = NULL;
    struct wf_error err;
    const enum wf_code code = shard_filters_get(f, text, space, &got, cold, &err);
    if (code != WF_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return got;
}

/* ---- the tests ---- */

static void every_space_has_its_own_rows(void **state)
{
    (void)state;
    static const char *const indexes[] = {"IVF16,SQfp16", "Flat"};
    for (int i = 0; i < 2; i++) {
        struct shard *s = catalog_open(catalog, indexes[i], 0, 2);
        struct wf_random r = wf_random_of(seed, (uint64_t)i);
        wf_epoch_enter();
        for (int j = 0; j < 60; j++) {
            char text[160];
            random_text(&r, text);
            const unsigned space = (unsigned)wf_random_below(&r, 2);
            check_answer(s, text, space, ask(s->filters, text, space, NULL));
        }
        wf_epoch_leave();
        shard_close(s);
    }
}

static void rows_of_the_shard_are_served(void **state)
{
    (void)state;
    const struct shard_allowed *rows;
    struct wf_error err;
    wf_epoch_enter();
    assert_int_equal(WF_OK, shard_filters_rows(shard->filters, "stock = true", &rows, &err));
    uint32_t n = 0;
    for (uint32_t row = 0; row < shard->rows; row++) {
        assert_int_equal(shard->attrs[2].flags[row] == 1, wf_bit(rows->bits, row));
        n += shard->attrs[2].flags[row] == 1;
    }
    assert_int_equal(n, rows->matched);
    assert_null(rows->lists);
    wf_epoch_leave();
}

static void equivalent_texts_share_one_bitmap(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "stock and price < 10", "price < 10 AND stock", "not (not stock or not price < 10)",
        "(price<10) and (stock = true)", "stock and not price >= 10 and price < 10"};
    struct shard_filters *f = shard_filters_create(shard, 1 << 20);
    bool cold;
    wf_epoch_enter();
    const struct shard_allowed *first = ask(f, texts[0], 0, &cold);
    assert_true(cold);
    for (int i = 0; i < 5; i++) {
        const struct shard_allowed *got = ask(f, texts[i], 0, &cold);
        assert_false(cold);
        assert_ptr_equal(first, got);
    }
    ask(f, texts[3], 1, &cold);
    assert_true(cold); /* another space's rows */
    ask(f, texts[4], 1, &cold);
    assert_false(cold);
    wf_epoch_leave();
    shard_filters_destroy(f);
}

static void many_spellings_do_not_grow_it(void **state)
{
    (void)state;
    struct shard_filters *f = shard_filters_create(shard, 1 << 20);
    size_t bytes = 0;
    for (int i = 0; i < 200; i++) {
        char text[256];
        bool cold;
        snprintf(text, sizeof text, "stock%*s", i, "");
        wf_epoch_enter();
        ask(f, text, 0, &cold);
        assert_int_equal(i == 0, cold);
        wf_epoch_leave();
        bytes = i == 20 ? shard_filters_bytes(f) : bytes;
    }
    assert_in_range(shard_filters_bytes(f), bytes, bytes + 8 * 256);
    shard_filters_destroy(f);
}

static void failures_are_not_kept(void **state)
{
    (void)state;
    const struct shard_allowed *got = NULL;
    struct shard_filters *f = shard_filters_create(shard, 1 << 20);
    wf_epoch_enter();
    for (int i = 0; i < 2; i++) {
        struct wf_error err;
        assert_int_equal(WF_INVALID, shard_filters_get(f, "size > 3", 0, &got, NULL, &err));
        assert_string_equal("UNKNOWN_ATTRIBUTE", err.reason);
        assert_string_equal("filter", err.field);
    }
    wf_epoch_leave();
    assert_null(got);
    assert_int_equal(0, shard_filters_bytes(f));
    shard_filters_destroy(f);
}

static void bytes_stay_within_the_limit(void **state)
{
    (void)state;
    static const size_t limits[] = {0, 700, 3000, 20000, 100000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct shard_filters *f = shard_filters_create(shard, limits[i]);
        struct wf_random r = wf_random_of(seed, 20 + i);
        for (int j = 0; j < 400; j++) {
            char text[160];
            random_text(&r, text);
            const unsigned space = (unsigned)wf_random_below(&r, 2);
            wf_epoch_enter();
            const struct shard_allowed *got = ask(f, text, space, NULL);
            assert_true(shard_filters_bytes(f) <= limits[i]);
            check_answer(shard, text, space, got);
            wf_epoch_leave();
        }
        shard_filters_destroy(f);
    }
}

static void what_is_used_stays(void **state)
{
    (void)state;
    struct shard_filters *f = shard_filters_create(shard, 24000);
    for (int i = 0; i < 500; i++) {
        char text[64];
        bool cold;
        snprintf(text, sizeof text, "price < %d", i);
        wf_epoch_enter();
        ask(f, "stock", 0, &cold);
        assert_int_equal(i == 0, cold);
        ask(f, text, 0, &cold);
        assert_true(i == 0 || cold);
        wf_epoch_leave();
    }
    shard_filters_destroy(f);
}

/* What a request was given is whole until its epoch ends, whatever leaves the cache meanwhile. */
static void an_answer_outlives_its_eviction(void **state)
{
    (void)state;
    struct shard_filters *f = shard_filters_create(shard, 5000);
    wf_epoch_enter();
    const struct shard_allowed *held = ask(f, "stock", 1, NULL);
    for (int i = 0; i < 100; i++) {
        char text[64];
        snprintf(text, sizeof text, "price < %d", i);
        ask(f, text, 0, NULL);
    }
    bool cold;
    ask(f, "stock", 1, &cold);
    assert_true(cold);
    check_answer(shard, "stock", 1, held);
    wf_epoch_leave();
    shard_filters_destroy(f);
}

struct asker {
    struct shard_filters *f;
    uint64_t stream;
    unsigned wrong;
};

static void *ask_often(void *arg)
{
    struct asker *a = arg;
    struct wf_random r = wf_random_of(seed, a->stream);
    wf_epoch_thread_begin();
    for (int i = 0; i < ASKS; i++) {
        char text[160];
        const struct shard_allowed *got = NULL;
        random_text(&r, text);
        const unsigned space = (unsigned)wf_random_below(&r, 2);
        wf_epoch_enter();
        if (shard_filters_get(a->f, text, space, &got, NULL, NULL) != WF_OK) {
            a->wrong++;
        } else {
            const uint32_t n = shard->spaces[space].n;
            a->wrong += wf_bits_count(got->bits, 0, n) != got->matched;
            for (uint32_t j = 0; got->lists != NULL && j < shard->spaces[space].spec.n; j++) {
                const uint32_t *lists = shard->spaces[space].lists;
                a->wrong += got->lists[j] != wf_bits_count(got->bits, lists[j], lists[j + 1]);
            }
        }
        wf_epoch_leave();
    }
    wf_epoch_thread_end();
    return NULL;
}

static void threads_ask_while_it_forgets(void **state)
{
    (void)state;
    static const size_t limits[] = {2000, 30000, 1 << 20};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct shard_filters *f = shard_filters_create(shard, limits[i]);
        pthread_t threads[THREADS];
        struct asker askers[THREADS];
        for (unsigned j = 0; j < THREADS; j++) {
            askers[j] = (struct asker){.f = f, .stream = 100 + j / 2}; /* pairs ask the same */
            assert_int_equal(0, pthread_create(&threads[j], NULL, ask_often, &askers[j]));
        }
        for (unsigned j = 0; j < THREADS; j++) {
            pthread_join(threads[j], NULL);
            assert_int_equal(0, askers[j].wrong);
        }
        assert_true(shard_filters_bytes(f) <= limits[i]);
        shard_filters_destroy(f);
    }
}

static int open_shop(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    wf_epoch_thread_begin();
    catalog = catalog_make(&(struct catalog_shape){
        .n = ROWS, .dim = 8, .metric = WF_METRIC_IP, .clusters = LISTS, .seed = seed});
    shard = catalog_open(catalog, "IVF16,SQfp16", 0, 1);
    return 0;
}

static int close_shop(void **state)
{
    (void)state;
    shard_close(shard);
    catalog_free(catalog);
    wf_epoch_thread_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_space_has_its_own_rows),
        cmocka_unit_test(rows_of_the_shard_are_served),
        cmocka_unit_test(equivalent_texts_share_one_bitmap),
        cmocka_unit_test(many_spellings_do_not_grow_it),
        cmocka_unit_test(failures_are_not_kept),
        cmocka_unit_test(bytes_stay_within_the_limit),
        cmocka_unit_test(what_is_used_stays),
        cmocka_unit_test(an_answer_outlives_its_eviction),
        cmocka_unit_test(threads_ask_while_it_forgets),
    };
    return cmocka_run_group_tests(tests, open_shop, close_shop);
}

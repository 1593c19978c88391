/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_eval_test.c - random trees over random columns against one row at a time, with posting
 * lists and zones, without them, and on every instruction set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "shard/filter_eval.h"
#include "shard/filter_scan.h"
#include "shard/mapped.h"
#include "tests/support/shard_fixture.h"

enum { COLOUR, PRICE, STOCK, TITLE, N_ATTRS, TREES = 150 };
static const uint64_t seed = 60606;

/* ---- random trees ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void random_values(struct wf_random *r, struct wf_filter_node *node, struct wf_arena *a,
                          size_t rows)
{
    const uint32_t want = 1 + (uint32_t)wf_random_below(r, 7);
    const char **values = wf_array(a, const char *, want);
    for (uint32_t i = 0; i < want; i++) {
        values[i] =
            node->attr == COLOUR
                ? wf_arena_printf(a, "colour %u", (unsigned)wf_random_below(r, 9))
                : wf_arena_printf(a, "title of item %u", (unsigned)wf_random_below(r, rows + 3));
    }
    values[0] = wf_random_below(r, 8) == 0 ? "" : values[0];
    qsort(values, want, sizeof *values, by_bytes);
    for (uint32_t i = 0; i < want; i++) {
        if (node->n == 0 || strcmp(values[node->n - 1], values[i]) != 0) {
            values[node->n++] = values[i];
        }
    }
    node->values = values;
}

static void random_ranges(struct wf_random *r, struct wf_filter_node *node, struct wf_arena *a)
{
    node->n = 1 + (uint32_t)wf_random_below(r, wf_random_below(r, 4) == 0 ? 12 : 2);
    struct wf_filter_range *ranges = wf_array(a, struct wf_filter_range, node->n);
    float at = wf_random_below(r, 3) == 0 ? -INFINITY : (float)wf_random_below(r, 50);
    for (uint32_t i = 0; i < node->n; i++) {
        ranges[i].low = at;
        at = isfinite(at) ? at : -5;
        ranges[i].high = at + (float)wf_random_below(r, 1000) / 20;
        at = ranges[i].high + 1 + (float)wf_random_below(r, 5);
    }
    if (wf_random_below(r, 3) == 0) {
        ranges[node->n - 1].high = INFINITY;
    }
    node->ranges = ranges;
}

static const struct wf_filter_node *random_leaf(struct wf_random *r, struct wf_arena *a,
                                                size_t rows)
{
    struct wf_filter_node *node = wf_array(a, struct wf_filter_node, 1);
    const uint64_t kind = wf_random_below(r, 30);
    if (kind < 2) {
        node->op = kind == 0 ? WF_FILTER_ALL : WF_FILTER_NONE;
        return node;
    }
    node->attr = (uint32_t)(kind % N_ATTRS);
    switch (node->attr) {
    case PRICE:
        node->op = WF_FILTER_RANGES;
        random_ranges(r, node, a);
        break;
    case STOCK:
        node->op = WF_FILTER_FLAGS;
        node->flags = (unsigned)wf_random_below(r, 4);
        break;
    default:
        node->op = WF_FILTER_VALUES;
        random_values(r, node, a, rows);
    }
    return node;
}

static const struct wf_filter_node *random_tree(struct wf_random *r, struct wf_arena *a,
                                                size_t rows, int depth)
{
    static const enum wf_filter_op ops[] = {WF_FILTER_AND, WF_FILTER_OR, WF_FILTER_NOT};
    if (depth == 0 || wf_random_below(r, 4) == 0) {
        return random_leaf(r, a, rows);
    }
    struct wf_filter_node *node = wf_array(a, struct wf_filter_node, 1);
    node->op = ops[wf_random_below(r, 3)];
    node->n = node->op == WF_FILTER_NOT ? 1 : 2 + (uint32_t)wf_random_below(r, 3);
    const struct wf_filter_node **children = wf_array(a, const struct wf_filter_node *, node->n);
    for (uint32_t i = 0; i < node->n; i++) {
        children[i] = random_tree(r, a, rows, depth - 1);
    }
    node->children = children;
    return node;
}

/* ---- one row at a time, from the table that the shard was built from ---- */

static bool has_value(const struct wf_filter_node *node, const char *value)
{
    bool found = false;
    for (uint32_t i = 0; i < node->n; i++) {
        found |= strcmp(node->values[i], value) == 0;
    }
    return found;
}

static bool leaf_matches(const struct wf_filter_node *node, const struct wf_column *c, size_t item)
{
    bool found = false;
    switch (node->attr) {
    case COLOUR:
        return c->codes[item] != WF_NO_CODE && has_value(node, c->dictionary[c->codes[item]]);
    case PRICE:
        for (uint32_t i = 0; i < node->n; i++) {
            found |=
                c->numbers[item] >= node->ranges[i].low && c->numbers[item] <= node->ranges[i].high;
        }
        return found;
    case STOCK:
        return c->flags[item] < 2 && (node->flags >> c->flags[item] & 1) != 0;
    default:
        return c->texts[item] != NULL && c->texts[item][0] != '\0' &&
               has_value(node, c->texts[item]);
    }
}

static bool matches(const struct wf_filter_node *node, const struct wf_table *t, size_t item)
{
    bool all = true, one = false;
    switch (node->op) {
    case WF_FILTER_ALL:
        return true;
    case WF_FILTER_NONE:
        return false;
    case WF_FILTER_AND:
    case WF_FILTER_OR:
    case WF_FILTER_NOT:
        for (uint32_t i = 0; i < node->n; i++) {
            const bool in = matches(node->children[i], t, item);
            all &= in;
            one |= in;
        }
        return node->op == WF_FILTER_AND ? all : node->op == WF_FILTER_OR ? one : !one;
    case WF_FILTER_VALUES:
    case WF_FILTER_RANGES:
    case WF_FILTER_FLAGS:
        break;
    }
    return leaf_matches(node, &t->columns[node->attr], item);
}

/* ---- the tests ---- */

/* The item of each row, by its SKU. */
static uint32_t *items_of(const struct catalog *c, const struct shard *s)
{
    uint32_t *items = wf_xarray(uint32_t, s->rows + 1);
    for (uint32_t item = 0; item < c->table.n; item++) {
        const char *sku = c->table.skus[item];
        const uint32_t row = wf_idmap_find(&s->ids, sku, strlen(sku));
        assert_int_not_equal(WF_NO_ROW, row);
        items[row] = item;
    }
    return items;
}

struct run {
    const struct catalog *c;
    const struct shard *s;
    const uint32_t *items;
};

static void check_tree(const struct run *run, const struct wf_filter_node *tree, int number)
{
    const struct shard *s = run->s;
    const size_t words = wf_bits_words(s->rows);
    uint64_t *got = wf_xmalloc(words * sizeof *got), *want = wf_xarray(uint64_t, words);
    memset(got, 0xa5, words * sizeof *got);
    uint32_t n = 0;
    for (uint32_t row = 0; row < s->rows; row++) {
        if (matches(tree, &run->c->table, run->items[row])) {
            wf_bit_set(want, row);
            n++;
        }
    }
    const uint32_t count = shard_filter_eval(s, tree, got);
    if (count != n || memcmp(got, want, words * sizeof *got) != 0) {
        fail_msg("seed %llu tree %d of %u rows: %u match, %u wanted", (unsigned long long)seed,
                 number, s->rows, count, n);
    }
    wf_xfree(want);
    wf_xfree(got);
}

static void check_trees(const struct run *run, uint64_t stream, int trees)
{
    struct wf_random r = wf_random_of(seed, stream);
    for (int i = 0; i < trees; i++) {
        struct wf_arena a;
        wf_arena_init(&a, 64 << 20);
        const int depth = (int)wf_random_below(&r, 5);
        check_tree(run, random_tree(&r, &a, run->c->table.n, depth), i);
        wf_arena_fini(&a);
    }
}

static void forget(struct shard *s)
{
    for (unsigned i = 0; i < s->schema.n_attrs; i++) {
        s->attrs[i].postings = (struct shard_postings){0};
        s->attrs[i].zones = NULL;
    }
}

static void trees_agree_with_single_rows(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        int trees;
    } sizes[] = {{1, 40}, {64, TREES}, {777, TREES}, {9001, TREES}, {140000, 12}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct catalog *c = catalog_make(&(struct catalog_shape){
            .n = sizes[i].n, .dim = 4, .metric = WF_METRIC_IP, .clusters = 4, .seed = seed + i});
        struct shard *s = catalog_open(c, "Flat", 0, 1);
        uint32_t *items = items_of(c, s);
        const struct run run = {c, s, items};
        check_trees(&run, i, sizes[i].trees);
        forget(s);
        check_trees(&run, i, sizes[i].trees);
        wf_xfree(items);
        shard_close(s);
        catalog_free(c);
    }
}

/* Numbers that rise with the row: zones that are skipped and zones that are taken whole. */
static void zones_decide_where_they_can(void **state)
{
    (void)state;
    enum { N = 5 * SHARD_ZONE_ROWS + 100 };
    struct wf_attr schema = {.name = "price", .type = WF_ATTR_NUMBER};
    float *numbers = wf_xarray(float, N);
    struct shard_zone zones[6];
    for (uint32_t i = 0; i < N; i++) {
        numbers[i] = i / SHARD_ZONE_ROWS == 3 ? NAN : (float)i;
    }
    numbers[7] = NAN;
    for (uint32_t z = 0; z < 6; z++) {
        const float first = (float)(z * SHARD_ZONE_ROWS);
        zones[z] = (struct shard_zone){first, z == 5 ? N - 1 : first + SHARD_ZONE_ROWS - 1, z == 0};
    }
    zones[3] = (struct shard_zone){INFINITY, -INFINITY, SHARD_ZONE_ROWS};
    struct shard_attr attr = {.schema = &schema, .numbers = numbers, .zones = zones};
    const struct shard s = {.rows = N, .attrs = &attr};
    const struct wf_filter_range ranges[] = {{-INFINITY, 5}, {100, 9000}, {20000, INFINITY}};
    const struct wf_filter_node node = {.op = WF_FILTER_RANGES, .ranges = ranges, .n = 3};
    uint64_t bits[N / 64 + 1], scanned[N / 64 + 1];
    const uint32_t n = shard_filter_eval(&s, &node, bits);
    attr.zones = NULL;
    assert_int_equal(n, shard_filter_eval(&s, &node, scanned));
    assert_memory_equal(bits, scanned, wf_bits_words(N) * sizeof *bits);
    assert_int_equal(n, 6 + 8901 + (N - 20000));
    wf_xfree(numbers);
}

static void scans_are_the_same_everywhere(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct wf_random r = wf_random_of(seed, 99);
    float x[N];
    uint32_t codes[N], offsets[N + 1] = {0};
    uint8_t flags[N];
    for (int i = 0; i < N; i++) {
        const float special[] = {NAN, INFINITY, -INFINITY, -0.0F};
        x[i] = i % 9 == 0 ? special[i / 9 % 4] : (float)wf_random_normal(&r);
        codes[i] = (uint32_t)wf_random_below(&r, 3) - 1;
        flags[i] = (uint8_t)wf_random_below(&r, 3);
        offsets[i + 1] = offsets[i] + (uint32_t)wf_random_below(&r, 4);
    }
    for (uint32_t n = 0; n < N; n += 1 + n / 3) {
        const struct wf_filter_range range = {n % 2 == 0 ? -INFINITY : -0.5F, 0};
        uint64_t want[4][N / 64 + 1] = {0};
        for (uint32_t i = 0; i < n; i++) {
            want[0][i / 64] |= (uint64_t)(x[i] >= range.low && x[i] <= range.high) << i % 64;
            want[1][i / 64] |= (uint64_t)(codes[i] == 1) << i % 64;
            want[2][i / 64] |= (uint64_t)(flags[i] == 0) << i % 64;
            want[3][i / 64] |= (uint64_t)(offsets[i + 1] - offsets[i] == 2) << i % 64;
        }
        for (enum wf_isa isa = WF_ISA_C; isa <= WF_ISA_AVX512; isa++) {
            uint64_t got[4][N / 64 + 1] = {0};
            wf_vector_isa_set(isa);
            shard_match_range(x, n, range, got[0]);
            shard_match_code(codes, n, 1, got[1]);
            shard_match_flag(flags, n, 0, got[2]);
            shard_match_size(offsets, n, 2, got[3]);
            assert_memory_equal(got, want, sizeof got);
        }
    }
    wf_vector_isa_set(WF_ISA_AUTO);
}

static int print_seed(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_agree_with_single_rows),
        cmocka_unit_test(zones_decide_where_they_can),
        cmocka_unit_test(scans_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, print_seed, NULL);
}

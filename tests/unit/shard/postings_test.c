/* SPDX-License-Identifier: Apache-2.0
 *
 * postings_test.c - posting lists: what CRoaring writes is what is read, and no bytes do harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <roaring/roaring.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "shard/postings.h"

enum { ROWS = 300000, DAMAGES = 20000 };
static const uint64_t seed = 90210;

/* Stretches of rows that make arrays, bitsets, runs, and blocks with nothing. */
static uint64_t *random_rows(struct wf_random *r, uint32_t rows)
{
    uint64_t *bits = wf_xarray(uint64_t, wf_bits_words(rows) + 1);
    for (uint32_t row = 0; row < rows;) {
        const uint32_t size = (uint32_t)wf_random_below(r, 90000);
        const uint64_t one_in[] = {0, 1, 2, 40, 3000}, in = one_in[wf_random_below(r, 5)];
        for (const uint32_t end = row + size < rows ? row + size : rows; row < end; row++) {
            if (in > 0 && wf_random_below(r, in) == 0) {
                wf_bit_set(bits, row);
            }
        }
    }
    return bits;
}

static struct shard_posting list_of(const uint64_t *bits, uint32_t rows, bool optimise)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_create();
    for (uint32_t row = 0; row < rows; row++) {
        if (wf_bit(bits, row)) {
            roaring_bitmap_add(bitmap, row);
        }
    }
    if (optimise) {
        roaring_bitmap_run_optimize(bitmap);
    }
    const size_t size = roaring_bitmap_portable_size_in_bytes(bitmap);
    char *bytes = wf_xmalloc(size);
    assert_int_equal(size, roaring_bitmap_portable_serialize(bitmap, bytes));
    roaring_bitmap_free(bitmap);
    return (struct shard_posting){.bytes = (unsigned char *)bytes, .size = size};
}

static void lists_are_read_as_written(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 0);
    for (int i = 0; i < 12; i++) {
        const uint32_t rows = i == 0 ? 0 : (uint32_t)wf_random_below(&r, ROWS);
        uint64_t *bits = random_rows(&r, rows);
        uint64_t *read = wf_xarray(uint64_t, wf_bits_words(rows) + 1);
        const struct shard_posting list = list_of(bits, rows, i % 2 == 0);
        assert_true(shard_posting_or(list, rows, read));
        assert_memory_equal(bits, read, wf_bits_words(rows) * sizeof *bits);
        assert_int_equal(wf_bits_count(bits, 0, rows), shard_posting_count(list, rows));
        wf_xfree((void *)list.bytes);
        wf_xfree(read);
        wf_xfree(bits);
    }
}

static void damage(struct wf_random *r, unsigned char *bytes, size_t size)
{
    for (uint64_t n = 1 + wf_random_below(r, 3); n > 0 && size > 0; n--) {
        const uint64_t near = wf_random_below(r, 2) == 0 && size > 64 ? 64 : size;
        bytes[wf_random_below(r, near)] ^= (unsigned char)(1u << wf_random_below(r, 8));
    }
}

/* Exact blocks on the heap: with ASan a step outside stops the test. */
static void damaged_lists_stay_inside(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 1);
    const uint32_t rows = 200001;
    uint64_t *bits = random_rows(&r, rows);
    unsigned refused = 0;
    for (int kind = 0; kind < 2; kind++) {
        const struct shard_posting list = list_of(bits, rows, kind == 0);
        for (int i = 0; i < DAMAGES / 200; i++) {
            const size_t size =
                wf_random_below(&r, 4) == 0 ? wf_random_below(&r, list.size + 1) : list.size;
            unsigned char *bytes = wf_xmalloc(size);
            memcpy(bytes, list.bytes, size);
            damage(&r, bytes, size);
            const struct shard_posting bad = {.bytes = bytes, .size = size};
            uint64_t *read = wf_xarray(uint64_t, wf_bits_words(rows));
            refused += !shard_posting_or(bad, rows, read);
            assert_true(shard_posting_count(bad, rows) <= rows);
            wf_xfree(read);
            wf_xfree(bytes);
        }
        wf_xfree((void *)list.bytes);
    }
    wf_xfree(bits);
    assert_true(refused > 0);
}

/* Small lists, where every byte is one that leads somewhere. */
static void damaged_small_lists_stay_inside(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 2);
    const uint32_t rows = 70000;
    uint64_t *bits = wf_xarray(uint64_t, wf_bits_words(rows));
    wf_bit_set(bits, 3);
    wf_bits_fill(bits, 100, 160);
    wf_bits_fill(bits, 65530, 65540);
    wf_bit_set(bits, 69999);
    const struct shard_posting list = list_of(bits, rows, true);
    for (int i = 0; i < DAMAGES; i++) {
        unsigned char *bytes = wf_xmalloc(list.size);
        memcpy(bytes, list.bytes, list.size);
        damage(&r, bytes, list.size);
        uint64_t *read = wf_xarray(uint64_t, wf_bits_words(rows));
        (void)!shard_posting_or((struct shard_posting){.bytes = bytes, .size = list.size}, rows,
                                read);
        wf_xfree(read);
        wf_xfree(bytes);
    }
    wf_xfree((void *)list.bytes);
    wf_xfree(bits);
}

static void offsets_that_lead_outside_give_nothing(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {0, 9, 4, UINT64_MAX, 2};
    static const unsigned char bytes[8];
    const struct shard_postings p = {.bytes = bytes, .size = 8, .offsets = offsets, .n = 4};
    for (uint32_t i = 0; i < p.n; i++) {
        assert_int_equal(0, shard_postings_list(&p, i).size);
    }
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
        cmocka_unit_test(lists_are_read_as_written),
        cmocka_unit_test(damaged_lists_stay_inside),
        cmocka_unit_test(damaged_small_lists_stay_inside),
        cmocka_unit_test(offsets_that_lead_outside_give_nothing),
    };
    return cmocka_run_group_tests(tests, print_seed, NULL);
}

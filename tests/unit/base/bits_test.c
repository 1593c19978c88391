/* SPDX-License-Identifier: Apache-2.0
 *
 * bits_test.c - sets of rows against a plain loop over single bits, on every instruction set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/vector.h"

enum { N = 700 };

static const uint64_t seed = 20;
static const enum wf_isa isas[] = {WF_ISA_C, WF_ISA_AVX2, WF_ISA_AVX512};

/* A set in which about `percent` of the n rows are. */
static void make(struct wf_random *r, uint64_t *bits, uint32_t n, unsigned percent)
{
    memset(bits, 0, wf_bits_words(n) * sizeof *bits);
    for (uint32_t row = 0; row < n; row++) {
        if (wf_random_below(r, 100) < percent) {
            wf_bit_set(bits, row);
        }
    }
}

static void check_range(const uint64_t *bits, uint32_t begin, uint32_t end)
{
    /* Just the room that the header asks for, so that a sanitizer sees one place too many. */
    uint32_t *rows = wf_xmalloc((end - begin + 1) * sizeof *rows);
    const uint32_t room = end - begin;
    rows[room] = 77;
    const uint32_t n = wf_bits_rows(bits, begin, end, rows);
    assert_int_equal(n, wf_bits_count(bits, begin, end));
    uint32_t at = 0;
    for (uint32_t row = begin; row < end; row++) {
        if (wf_bit(bits, row)) {
            assert_true(at < n);
            assert_int_equal(row, rows[at++]);
        }
    }
    assert_int_equal(at, n);
    assert_int_equal(77, rows[room]);
    wf_xfree(rows);
}

static void every_range_lists_and_counts_its_rows(void **state)
{
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 1);
    static const unsigned percents[] = {0, 1, 10, 50, 99, 100};
    uint64_t bits[(N + 63) / 64];
    for (size_t p = 0; p < sizeof percents / sizeof percents[0]; p++) {
        make(&r, bits, N, percents[p]);
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
            wf_vector_isa_set(isas[i]);
            check_range(bits, 0, N);
            for (uint32_t edge = 0; edge <= 130; edge++) {
                check_range(bits, edge, N - edge / 2);
                check_range(bits, edge, edge + (uint32_t)wf_random_below(&r, 130));
                check_range(bits, edge, edge);
            }
        }
    }
    wf_vector_isa_set(WF_ISA_AUTO);
}

static void filling_sets_the_range_and_nothing_else(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 2);
    for (uint32_t begin = 0; begin < 200; begin += 3) {
        for (uint32_t end = begin; end < 260; end++) {
            uint64_t bits[5], before[5];
            make(&r, bits, 300, 20);
            memcpy(before, bits, sizeof bits);
            wf_bits_fill(bits, begin, end);
            for (uint32_t row = 0; row < 300; row++) {
                assert_true(wf_bit(bits, row) ==
                            (wf_bit(before, row) || (row >= begin && row < end)));
            }
        }
    }
}

static void and_or_not_are_those_of_single_rows(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 3);
    for (uint32_t n = 1; n < 300; n++) {
        uint64_t a[5], b[5], both[5], either[5], rest[5];
        make(&r, a, n, 50);
        make(&r, b, n, 50);
        memcpy(both, a, sizeof a);
        memcpy(either, a, sizeof a);
        memcpy(rest, a, sizeof a);
        wf_bits_and(both, b, n);
        wf_bits_or(either, b, n);
        wf_bits_not(rest, n);
        for (uint32_t row = 0; row < n; row++) {
            assert_true(wf_bit(both, row) == (wf_bit(a, row) && wf_bit(b, row)));
            assert_true(wf_bit(either, row) == (wf_bit(a, row) || wf_bit(b, row)));
            assert_true(wf_bit(rest, row) == !wf_bit(a, row));
        }
        /* Bits past the last row stay zero. */
        assert_int_equal(n, wf_bits_count(a, 0, n) + wf_bits_count(rest, 0, n));
        assert_int_equal(wf_bits_count(rest, 0, n),
                         wf_bits_count(rest, 0, (uint32_t)wf_bits_words(n) * 64));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_range_lists_and_counts_its_rows),
        cmocka_unit_test(filling_sets_the_range_and_nothing_else),
        cmocka_unit_test(and_or_not_are_those_of_single_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

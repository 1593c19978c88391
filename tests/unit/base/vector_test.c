/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_test.c - every instruction set gives the bits of a reference written out here, for every
 * codec, metric, tail and row count. Arrays are exactly as large as promised, so that the address
 * sanitizer sees a read too far.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/vector.h"

static const uint64_t seed = 20260131;
static const enum wf_isa all_isas[] = {WF_ISA_C, WF_ISA_AVX2, WF_ISA_AVX512};
enum { N_ROWS = 21 };

/* The header's words, one operation at a time; volatile keeps the compiler's hands off. */
static float reference(bool l2, const float *a, const float *b, size_t d)
{
    volatile float sums[16] = {0};
    for (size_t i = 0; i < d; i++) {
        volatile float x = l2 ? a[i] - b[i] : a[i];
        volatile float product = x * (l2 ? x : b[i]);
        sums[i % 16] = sums[i % 16] + product;
    }
    for (size_t apart = 8; apart > 0; apart /= 2) {
        for (size_t j = 0; j < apart; j++) {
            sums[j] = sums[j] + sums[j + apart];
        }
    }
    return l2 ? 0 - sums[0] : sums[0];
}

static void assert_same_bits(float want, float got, const char *what, unsigned isa, size_t dim)
{
    if (memcmp(&want, &got, sizeof want) != 0) {
        fail_msg("%s isa %s dim %zu: want %a, got %a", what, wf_isa_name(isa), dim, (double)want,
                 (double)got);
    }
}

/* Ordinary values among zeros of both signs, subnormals and large ones. */
static float draw(struct wf_random *r)
{
    switch (wf_random_below(r, 12)) {
    case 0:
        return 0.0f;
    case 1:
        return -0.0f;
    case 2:
        return (float)wf_random_normal(r) * 0x1p-140f;
    case 3:
        return (float)wf_random_normal(r) * 0x1p-20f;
    case 4:
        return (float)wf_random_normal(r) * 1000;
    default:
        return (float)wf_random_normal(r);
    }
}

static float *draw_many(struct wf_random *r, size_t n)
{
    float *x = wf_xmalloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        x[i] = draw(r);
    }
    return x;
}

static void dot_and_l2_are_the_reference(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 1);
    for (size_t d = 0; d < 150; d++) {
        float *a = draw_many(&r, d), *b = draw_many(&r, d);
        for (size_t i = 0; i < sizeof all_isas / sizeof all_isas[0]; i++) {
            const enum wf_isa isa = wf_vector_isa_set(all_isas[i]);
            assert_same_bits(reference(false, a, b, d), wf_dot(a, b, d), "dot", isa, d);
            assert_same_bits(reference(true, a, b, d), wf_l2(a, b, d), "l2", isa, d);
        }
        wf_xfree(a);
        wf_xfree(b);
    }
    wf_vector_isa_set(WF_ISA_AUTO);
}

struct table {
    struct wf_codes codes;
    unsigned char *data;
    float *min, *step, *q;
};

static struct table make_table(struct wf_random *r, enum wf_codec codec,
                               enum wf_metric_space metric, uint32_t dim, uint32_t padded)
{
    struct table t = {.codes = {.codec = codec, .metric = metric, .dim = dim}};
    t.codes.stride = padded * wf_codec_size(codec);
    t.codes.min = t.min = draw_many(r, dim);
    t.codes.step = t.step = draw_many(r, dim);
    for (uint32_t i = 0; i < dim; i++) {
        t.step[i] = fabsf(t.step[i]);
    }
    t.q = draw_many(r, dim);
    t.codes.data = t.data = wf_xmalloc(N_ROWS * t.codes.stride);
    for (size_t row = 0; row < N_ROWS; row++) {
        float *x = draw_many(r, dim);
        wf_encode_row(&t.codes, x, t.data + row * t.codes.stride);
        wf_xfree(x);
    }
    return t;
}

static void free_table(struct table *t)
{
    wf_xfree(t->data);
    wf_xfree(t->min);
    wf_xfree(t->step);
    wf_xfree(t->q);
}

static void check_scores(const struct table *t, enum wf_isa isa, const uint32_t *rows,
                         uint32_t first, size_t n)
{
    float *got = wf_xmalloc(n * sizeof *got);
    float *x = wf_xmalloc(t->codes.dim * sizeof *x);
    wf_score_rows(&t->codes, t->q, rows, first, n, got);
    for (size_t i = 0; i < n; i++) {
        wf_decode_row(&t->codes, rows ? rows[i] : first + (uint32_t)i, x);
        const bool l2 = t->codes.metric == WF_METRIC_L2;
        assert_same_bits(reference(l2, t->q, x, t->codes.dim), got[i], "score", isa, t->codes.dim);
    }
    wf_xfree(got);
    wf_xfree(x);
}

static void check_table(struct wf_random *r, const struct table *t)
{
    uint32_t rows[2 * N_ROWS];
    for (size_t i = 0; i < 2 * N_ROWS; i++) {
        rows[i] = (uint32_t)wf_random_below(r, N_ROWS);
    }
    for (size_t i = 0; i < sizeof all_isas / sizeof all_isas[0]; i++) {
        const enum wf_isa isa = wf_vector_isa_set(all_isas[i]);
        for (size_t n = 0; n <= 9; n++) {
            check_scores(t, isa, NULL, (uint32_t)(N_ROWS - n), n);
            check_scores(t, isa, rows + n, 0, n);
        }
        check_scores(t, isa, NULL, 0, N_ROWS);
        check_scores(t, isa, rows, 0, 2 * N_ROWS);
    }
}

static void scores_are_the_reference(void **state)
{
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    static const uint32_t dims[] = {1,  2,  3,  7,  8,  9,  15, 16,  17,  23, 24,
                                    25, 31, 32, 33, 47, 48, 63, 100, 129, 303};
    struct wf_random r = wf_random_of(seed, 2);
    for (unsigned codec = WF_CODEC_FLOAT32; codec <= WF_CODEC_SQ8; codec++) {
        for (unsigned metric = WF_METRIC_IP; metric <= WF_METRIC_L2; metric++) {
            for (size_t i = 0; i < 2 * sizeof dims / sizeof dims[0]; i++) {
                const uint32_t dim = dims[i / 2];
                struct table t =
                    make_table(&r, codec, metric, dim, i % 2 ? dim : wf_padded_dim(dim));
                check_table(&r, &t);
                free_table(&t);
            }
        }
    }
    wf_vector_isa_set(WF_ISA_AUTO);
}

static void what_lies_in_the_padding_does_not_count(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 3);
    for (unsigned codec = WF_CODEC_FLOAT32; codec <= WF_CODEC_SQ8; codec++) {
        struct table t = make_table(&r, codec, WF_METRIC_L2, 13, 24);
        for (size_t row = 0; row < N_ROWS; row++) {
            const size_t used = 13 * wf_codec_size(codec);
            memset(t.data + row * t.codes.stride + used, 0xff, t.codes.stride - used);
        }
        check_table(&r, &t);
        free_table(&t);
    }
    wf_vector_isa_set(WF_ISA_AUTO);
}

static void every_half_survives_the_round_trip(void **state)
{
    (void)state;
    static uint16_t halves[65536], back[65536];
    static float want[65536], got[65536];
    for (uint32_t i = 0; i < 65536; i++) {
        halves[i] = (uint16_t)i;
    }
    wf_vector_isa_set(WF_ISA_C);
    wf_half_to_float(halves, want, 65536);
    for (size_t i = 0; i < sizeof all_isas / sizeof all_isas[0]; i++) {
        wf_vector_isa_set(all_isas[i]);
        wf_half_to_float(halves, got, 65536);
        assert_memory_equal(want, got, sizeof want);
        wf_float_to_half(got, back, 65536);
        for (uint32_t h = 0; h < 65536; h++) {
            const bool nan = (h & 0x7fff) > 0x7c00;
            assert_int_equal(nan ? h | 0x200 : h, back[h]);
        }
    }
    assert_true(want[1] == 0x1p-24f && want[0x3c00] == 1 && want[0x7bff] == 65504);
    wf_vector_isa_set(WF_ISA_AUTO);
}

static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    enum { N = 200003 }; /* odd: a tail everywhere */
    struct wf_random r = wf_random_of(seed, 4);
    float *f = wf_xmalloc(N * sizeof *f);
    uint16_t *want = wf_xmalloc(N * sizeof *want), *got = wf_xmalloc(N * sizeof *got);
    for (size_t i = 0; i < N; i++) { /* every exponent, both sides of the tie */
        const uint32_t bits = (uint32_t)wf_random_next(&r);
        const uint32_t tie = (bits & 0xffffe000) | 0x1000;
        const uint32_t all[] = {bits, tie, tie + 1, tie - 1};
        memcpy(f + i, &all[i % 4], sizeof *f);
    }
    wf_vector_isa_set(WF_ISA_C);
    wf_float_to_half(f, want, N);
    for (size_t i = 0; i < sizeof all_isas / sizeof all_isas[0]; i++) {
        wf_vector_isa_set(all_isas[i]);
        wf_float_to_half(f, got, N);
        assert_memory_equal(want, got, N * sizeof *got);
    }
    const float edge[] = {65519, 65520, 0x1p-25f, 0x1.8p-25f, 2049, 2051};
    wf_float_to_half(edge, got, 6);
    const uint16_t expected[] = {0x7bff, 0x7c00, 0, 1, 0x6800, 0x6802};
    assert_memory_equal(expected, got, sizeof expected);
    wf_xfree(f);
    wf_xfree(want);
    wf_xfree(got);
    wf_vector_isa_set(WF_ISA_AUTO);
}

static void normalising_gives_length_one_or_refuses(void **state)
{
    (void)state;
    float x[3] = {3, 0, -4}, zero[2] = {0, 0}, large[2] = {3e38f, 3e38f};
    assert_true(wf_normalise(x, 3));
    assert_true(x[0] == 3.0f / 5 && x[1] == 0 && x[2] == -4.0f / 5);
    assert_false(wf_normalise(zero, 2));
    assert_false(wf_normalise(large, 2));
    assert_true(large[0] == 3e38f);
}

static void the_first_value_not_finite_is_named(void **state)
{
    (void)state;
    float x[5] = {0, -1, 2, 3, 4};
    assert_int_equal(-1, wf_first_not_finite(x, 5));
    x[4] = INFINITY;
    assert_int_equal(4, wf_first_not_finite(x, 5));
    x[2] = NAN;
    assert_int_equal(2, wf_first_not_finite(x, 5));
}

static void sq8_clamps_and_decodes_mid_cell(void **state)
{
    (void)state;
    const float min[4] = {0, 0, -1, 5}, step[4] = {1, 1, 0.5f, 0};
    unsigned char code[8];
    const struct wf_codes c = {
        .codec = WF_CODEC_SQ8, .dim = 4, .stride = 8, .data = code, .min = min, .step = step};
    const float x[4] = {-3, 999, 0.25f, 7};
    float back[4];
    wf_encode_row(&c, x, code);
    const unsigned char want[8] = {0, 255, 2, 0, 0, 0, 0, 0};
    assert_memory_equal(want, code, sizeof want);
    wf_decode_row(&c, 0, back);
    assert_true(back[0] == 0.5f && back[1] == 255.5f && back[2] == 0.25f && back[3] == 5);
}

static void int8_has_the_scale_of_the_largest(void **state)
{
    (void)state;
    int8_t q[4];
    const float x[4] = {-2, 1, 0.5f / 63.5f, 0}, zeros[4] = {0};
    const float tiny[1] = {0x1.7p-142f};
    assert_true(wf_float_to_int8(x, q, 4) == 2.0f / 127);
    const int8_t want[4] = {-127, 64, 0, 0}; /* 63.5 and 0.5 go to the even neighbour */
    assert_memory_equal(want, q, sizeof want);
    assert_true(wf_float_to_int8(zeros, q, 4) == 0);
    assert_int_equal(0, q[3]);
    assert_true(wf_float_to_int8(tiny, q, 1) >= 0);
    assert_true(q[0] >= 0);
}

static void padding_goes_to_the_next_eight(void **state)
{
    (void)state;
    assert_int_equal(8, wf_padded_dim(1));
    assert_int_equal(104, wf_padded_dim(100));
    assert_int_equal(128, wf_padded_dim(128));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dot_and_l2_are_the_reference),
        cmocka_unit_test(scores_are_the_reference),
        cmocka_unit_test(what_lies_in_the_padding_does_not_count),
        cmocka_unit_test(every_half_survives_the_round_trip),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(normalising_gives_length_one_or_refuses),
        cmocka_unit_test(the_first_value_not_finite_is_named),
        cmocka_unit_test(sq8_clamps_and_decodes_mid_cell),
        cmocka_unit_test(int8_has_the_scale_of_the_largest),
        cmocka_unit_test(padding_goes_to_the_next_eight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

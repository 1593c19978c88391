/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate_test.c - an estimate is within its stated error of the scoring kernel's score, has the
 * same bits on every instruction set, and its integer sums are those of a plain loop, for every
 * metric, tail, row count and size of number.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/estimate.h"
#include "base/estimate_kernels.h"
#include "base/hash.h"

enum { N_ROWS = 23, MAX_DIM = 768 };
static const uint64_t seed = 20260203;
static const enum wf_isa isas[] = {WF_ISA_C, WF_ISA_AVX2, WF_ISA_AVX512};

/* A code array of exactly the promised size, so that a sanitizer sees a read too far. */
struct fixture {
    struct wf_codes codes;
    unsigned char *data;
    float *min, *step, *query, *norms;
};

/* What the numbers are like: their size, and whether the query and the ranges differ in it. */
struct kind {
    float query, offset, spread;
    unsigned extreme; /* percent of codes that are 0 or 255 */
};

static float uniform(struct wf_random *r, float size)
{
    return (float)(2 * wf_random_unit(r) - 1) * size;
}

static void fill(struct wf_random *r, struct fixture *f, const struct kind *kind)
{
    for (uint32_t j = 0; j < f->codes.dim; j++) {
        f->min[j] = uniform(r, kind->offset);
        f->step[j] = wf_random_below(r, 16) == 0 ? 0 : fabsf(uniform(r, kind->spread / 255));
        f->query[j] = wf_random_below(r, 32) == 0 ? 0 : uniform(r, kind->query);
    }
    for (size_t i = 0; i < N_ROWS * f->codes.stride; i++) { /* the padding too: it is no one's */
        const uint64_t any = wf_random_next(r);
        f->data[i] =
            (unsigned char)(wf_random_below(r, 100) < kind->extreme ? 0 - (any & 1) : any >> 8);
    }
}

static struct fixture make(struct wf_random *r, enum wf_metric_space metric, uint32_t dim,
                           size_t stride, const struct kind *kind)
{
    struct fixture f = {
        .codes = {.codec = WF_CODEC_SQ8, .metric = metric, .dim = dim, .stride = stride}};
    f.data = wf_xmalloc(N_ROWS * stride);
    f.min = wf_xmalloc(dim * sizeof(float));
    f.step = wf_xmalloc(dim * sizeof(float));
    f.query = wf_xmalloc(dim * sizeof(float));
    f.norms = wf_xmalloc(N_ROWS * sizeof(float));
    f.codes.data = f.data;
    f.codes.min = f.min;
    f.codes.step = f.step;
    fill(r, &f, kind);
    float decoded[MAX_DIM];
    for (uint32_t row = 0; row < N_ROWS; row++) {
        wf_decode_row(&f.codes, row, decoded);
        f.norms[row] = wf_dot(decoded, decoded, dim);
    }
    return f;
}

static void drop(struct fixture *f)
{
    wf_xfree(f->data);
    wf_xfree(f->min);
    wf_xfree(f->step);
    wf_xfree(f->query);
    wf_xfree(f->norms);
}

static void check_sums(const struct fixture *f, const struct wf_estimate *e, const uint32_t *rows)
{
    static wf_estimate_sums_fn *const all[] = {
        wf_estimate_sums_c,
#if defined(__x86_64__)
        wf_estimate_sums_avx2,
        wf_estimate_sums_avx512,
        wf_estimate_sums_vnni,
#endif
    };
    const size_t n_kernels = wf_vector_isa() == WF_ISA_C      ? 1
                             : wf_vector_isa() == WF_ISA_AVX2 ? 2
#if defined(__x86_64__)
                             : __builtin_cpu_supports("avx512vnni") ? 4
#endif
                                                                    : 3;
    int32_t sums[N_ROWS];
    for (size_t k = 0; k < n_kernels; k++) {
        all[k](e, rows, 0, N_ROWS, sums);
        for (size_t i = 0; i < N_ROWS; i++) {
            const unsigned char *code = f->data + (rows == NULL ? i : rows[i]) * f->codes.stride;
            int64_t sum = 0;
            for (uint32_t j = 0; j < f->codes.dim; j++) {
                assert_int_equal(e->weights[j], 128 * e->high[j] + e->low[j]);
                sum += (int64_t)e->weights[j] * code[j];
            }
            assert_int_equal(sum, sums[i]);
        }
    }
}

/* On every instruction set: within the error, and the same bits as plain C; for every count up to
 * N_ROWS, and gathered. Returns the largest part of the error that was used. */
static double check(struct wf_random *r, const struct fixture *f)
{
    struct wf_arena arena;
    struct wf_estimate e;
    uint32_t rows[N_ROWS];
    float want[N_ROWS], got[N_ROWS], reference[N_ROWS];
    double used = 0;
    for (uint32_t i = 0; i < N_ROWS; i++) {
        rows[i] = (uint32_t)wf_random_below(r, N_ROWS);
    }
    wf_arena_init(&arena, 1 << 20);
    assert_true(wf_estimate_begin(&e, &f->codes, f->norms, f->query, &arena));
    assert_true(e.error > 0);
    wf_score_rows(&f->codes, f->query, NULL, 0, N_ROWS, want);
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        wf_vector_isa_set(isas[i]);
        for (size_t n = 1; n <= N_ROWS; n += i + 1) {
            wf_estimate_rows(&e, NULL, (uint32_t)(N_ROWS - n), n, got);
            if (n == 1 && i == 0) {
                wf_estimate_rows(&e, NULL, 0, N_ROWS, reference);
            }
            assert_memory_equal(reference + N_ROWS - n, got, n * sizeof got[0]);
        }
        wf_estimate_rows(&e, rows, 0, N_ROWS, got);
        for (size_t k = 0; k < N_ROWS; k++) {
            assert_memory_equal(reference + rows[k], got + k, sizeof got[0]);
        }
    }
    wf_vector_isa_set(WF_ISA_AUTO);
    check_sums(f, &e, NULL);
    check_sums(f, &e, rows);
    for (size_t i = 0; i < N_ROWS && isfinite(e.error); i++) {
        const double off = fabs((double)reference[i] - (double)want[i]);
        assert_true(off <= (double)e.error);
        used = fmax(used, off / (double)e.error);
    }
    wf_arena_fini(&arena);
    return used;
}

static const struct kind kinds[] = {
    {0.3f, 0.3f, 0.6f, 0},        /* like unit vectors */
    {0.3f, 0.3f, 0.6f, 100},      /* at the ends of the ranges */
    {1, 1000, 1, 10},             /* far from zero: the kernel's rounding counts */
    {1000, 0, 1e-3f, 10},         /* all spread */
    {1, 1, 0, 10},                /* no spread at all */
    {1e18f, 1e17f, 1e17f, 10},    /* large, and still finite */
    {1e-20f, 1e-20f, 1e-20f, 10}, /* products are subnormal */
    {1e-38f, 1, 1, 10},           /* a tiny query */
    {1, 1e-40f, 1e-40f, 10},      /* subnormal ranges */
    {0, 1, 1, 10},                /* no query */
};

static void check_dim(struct wf_random *r, uint32_t dim)
{
    for (unsigned metric = WF_METRIC_IP; metric <= WF_METRIC_L2; metric++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            const size_t stride = k % 2 ? dim : wf_padded_dim(dim);
            struct fixture f = make(r, metric, dim, stride, &kinds[k]);
            check(r, &f);
            drop(&f);
        }
    }
}

static void estimates_are_within_their_error_in_every_dimension(void **state)
{
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 1);
    for (uint32_t dim = 1; dim <= 200; dim++) {
        check_dim(&r, dim);
    }
    for (uint32_t dim = 201; dim <= MAX_DIM; dim += 1 + (uint32_t)wf_random_below(&r, 30)) {
        check_dim(&r, dim);
    }
    check_dim(&r, MAX_DIM);
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Codes at that end of their range which adds to the dropped part of every weight: the sign of what
 * is left when the weight is taken away. */
static void worst_codes(struct fixture *f, const struct wf_estimate *e)
{
    for (uint32_t j = 0; j < f->codes.dim; j++) {
        const double exact = (double)f->query[j] * (double)f->step[j] / (double)e->scale;
        f->data[j] = exact > e->weights[j] ? 255 : 0;
    }
}

static void the_worst_row_comes_near_the_error_and_not_over_it(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 2);
    float used[41];
    for (size_t i = 0; i < 41; i++) {
        struct fixture f = make(&r, WF_METRIC_IP, 128, 128, &kinds[0]);
        struct wf_arena arena;
        struct wf_estimate e;
        float estimate, score;
        wf_arena_init(&arena, 1 << 20);
        assert_true(wf_estimate_begin(&e, &f.codes, NULL, f.query, &arena));
        worst_codes(&f, &e);
        wf_estimate_rows(&e, NULL, 0, 1, &estimate);
        wf_score_rows(&f.codes, f.query, NULL, 0, 1, &score);
        used[i] = fabsf(estimate - score) / e.error;
        assert_true(used[i] <= 1);
        wf_arena_fini(&arena);
        drop(&f);
    }
    qsort(used, 41, sizeof used[0], by_value);
    assert_true(used[20] > 0.8f); /* a bound that is much too wide would rescore everything */
}

static void all_weights_at_the_limit_do_not_overflow(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 3);
    for (unsigned metric = WF_METRIC_IP; metric <= WF_METRIC_L2; metric++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            struct fixture f = make(&r, metric, MAX_DIM, MAX_DIM, &kinds[0]);
            memset(f.data, 255, N_ROWS * f.codes.stride);
            for (uint32_t j = 0; j < MAX_DIM; j++) {
                f.min[j] = -1;
                f.step[j] = 2.0f / 255;
                f.query[j] = (float)sign;
            }
            for (uint32_t row = 0; row < N_ROWS; row++) {
                float decoded[MAX_DIM];
                wf_decode_row(&f.codes, row, decoded);
                f.norms[row] = wf_dot(decoded, decoded, MAX_DIM);
            }
            check(&r, &f);
            drop(&f);
        }
    }
}

static void what_may_overflow_has_no_bound(void **state)
{
    (void)state;
    static const struct kind huge = {3e38f, 3e38f, 3e38f, 10};
    struct wf_random r = wf_random_of(seed, 4);
    struct fixture f = make(&r, WF_METRIC_L2, 40, 40, &huge);
    struct wf_arena arena;
    struct wf_estimate e;
    wf_arena_init(&arena, 1 << 20);
    assert_true(wf_estimate_begin(&e, &f.codes, f.norms, f.query, &arena));
    assert_true(isinf(e.error));
    f.query[3] = NAN;
    assert_true(wf_estimate_begin(&e, &f.codes, f.norms, f.query, &arena));
    assert_true(isinf(e.error));
    wf_arena_fini(&arena);
    drop(&f);
}

static void a_full_arena_is_said(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 5);
    struct fixture f = make(&r, WF_METRIC_IP, 100, 104, &kinds[0]);
    bool done = false;
    for (size_t limit = 0; !done && limit < 4096; limit += 16) {
        struct wf_arena arena;
        struct wf_estimate e;
        wf_arena_init(&arena, limit);
        done = wf_estimate_begin(&e, &f.codes, NULL, f.query, &arena);
        wf_arena_fini(&arena);
    }
    assert_true(done);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_are_within_their_error_in_every_dimension),
        cmocka_unit_test(the_worst_row_comes_near_the_error_and_not_over_it),
        cmocka_unit_test(all_weights_at_the_limit_do_not_overflow),
        cmocka_unit_test(what_may_overflow_has_no_bound),
        cmocka_unit_test(a_full_arena_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

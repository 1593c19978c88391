/* SPDX-License-Identifier: Apache-2.0
 *
 * vector.c - see vector.h. Picks the kernels of this processor when the program starts; what is not
 * worth a kernel (coding, checks) is plain C here. Divisions and square roots are IEEE, so they too
 * give the same bits however the compiler vectorises them.
 */
#include "base/vector.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"
#include "base/vector_kernels.h"

static const struct wf_kernels *kernels = &wf_kernels_c;
static enum wf_isa isa_now = WF_ISA_C;

#if defined(__x86_64__)
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

static enum wf_isa best_isa(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !has_f16c()) {
        return WF_ISA_C;
    }
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? WF_ISA_AVX512
               : WF_ISA_AVX2;
}

static const struct wf_kernels *kernels_of(enum wf_isa isa)
{
    return isa == WF_ISA_AVX512 ? &wf_kernels_avx512
           : isa == WF_ISA_AVX2 ? &wf_kernels_avx2
                                : &wf_kernels_c;
}
#else
static enum wf_isa best_isa(void)
{
    return WF_ISA_C;
}

static const struct wf_kernels *kernels_of(enum wf_isa isa)
{
    (void)isa;
    return &wf_kernels_c;
}
#endif

enum wf_isa wf_vector_isa_set(enum wf_isa isa)
{
    const enum wf_isa best = best_isa();
    isa_now = isa == WF_ISA_AUTO || isa > best ? best : isa;
    kernels = kernels_of(isa_now);
    return isa_now;
}

__attribute__((constructor)) static void pick_at_start(void)
{
    wf_vector_isa_set(WF_ISA_AUTO);
}

enum wf_isa wf_vector_isa(void)
{
    return isa_now;
}

const char *wf_isa_name(enum wf_isa isa)
{
    static const char *const names[] = {"auto", "c", "avx2", "avx512"};
    return names[isa];
}

float wf_dot(const float *a, const float *b, size_t d)
{
    return kernels->dot(a, b, d);
}

float wf_l2(const float *a, const float *b, size_t d)
{
    return kernels->l2(a, b, d);
}

bool wf_normalise(float *x, size_t d)
{
    const float norm = sqrtf(wf_dot(x, x, d));
    if (!(norm > 0) || !isfinite(norm)) {
        return false;
    }
    for (size_t i = 0; i < d; i++) {
        x[i] /= norm;
    }
    return true;
}

ptrdiff_t wf_first_not_finite(const float *x, size_t d)
{
    for (size_t i = 0; i < d; i++) {
        if (!isfinite(x[i])) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

size_t wf_codec_size(enum wf_codec codec)
{
    switch (codec) {
    case WF_CODEC_FLOAT32:
        return 4;
    case WF_CODEC_FP16:
        return 2;
    case WF_CODEC_SQ8:
        return 1;
    }
    wf_assert_fail("a known codec", __FILE__, __LINE__);
}

uint32_t wf_padded_dim(uint32_t dim)
{
    return (dim + 7) & ~UINT32_C(7);
}

void wf_score_rows(const struct wf_codes *c, const float *q, const uint32_t *rows, uint32_t first,
                   size_t n, float *out)
{
    const struct wf_scoring s = {
        .codes = c, .q = q, .rows = {c->data, c->stride, rows, first, n}, .out = out};
    kernels->score(&s);
}

void wf_decode_row(const struct wf_codes *c, uint32_t row, float *out)
{
    const unsigned char *code = c->data + (size_t)row * c->stride;
    switch (c->codec) {
    case WF_CODEC_FLOAT32:
        memcpy(out, code, c->dim * sizeof(float));
        return;
    case WF_CODEC_FP16:
        kernels->half_to_float((const uint16_t *)(const void *)code, out, c->dim);
        return;
    case WF_CODEC_SQ8:
        for (uint32_t i = 0; i < c->dim; i++) {
            out[i] = c->min[i] + c->step[i] * ((float)code[i] + 0.5f);
        }
        return;
    }
    wf_assert_fail("a known codec", __FILE__, __LINE__);
}

/* The cell of x, clamped; a dimension without spread has one cell. */
static unsigned char sq8_cell(float x, float min, float step)
{
    const float cell = step > 0 ? (x - min) / step : 0;
    return cell >= 255 ? 255 : cell > 0 ? (unsigned char)cell : 0;
}

void wf_encode_row(const struct wf_codes *c, const float *x, unsigned char *into)
{
    const size_t used = c->dim * wf_codec_size(c->codec);
    wf_assert(c->stride >= used);
    memset(into + used, 0, c->stride - used);
    switch (c->codec) {
    case WF_CODEC_FLOAT32:
        memcpy(into, x, used);
        return;
    case WF_CODEC_FP16:
        kernels->float_to_half(x, (uint16_t *)(void *)into, c->dim);
        return;
    case WF_CODEC_SQ8:
        for (uint32_t i = 0; i < c->dim; i++) {
            into[i] = sq8_cell(x[i], c->min[i], c->step[i]);
        }
        return;
    }
    wf_assert_fail("a known codec", __FILE__, __LINE__);
}

void wf_half_to_float(const uint16_t *h, float *f, size_t n)
{
    kernels->half_to_float(h, f, n);
}

void wf_float_to_half(const float *f, uint16_t *h, size_t n)
{
    kernels->float_to_half(f, h, n);
}

float wf_float_to_int8(const float *f, int8_t *q, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fabsf(f[i]) > most ? fabsf(f[i]) : most;
    }
    const float scale = most / 127;
    for (size_t i = 0; i < n; i++) {
        /* A subnormal scale is coarse: the quotient may pass 127. */
        const float cell = scale > 0 ? rintf(f[i] / scale) : 0;
        q[i] = (int8_t)(cell > 127 ? 127 : cell < -127 ? -127 : cell);
    }
    return scale;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * estimate.c - see estimate.h: how a query becomes integer weights, and why the error is bounded.
 *
 * Dimension j of a row with code c stands for x = min + step (c + 1/2) = mid + step (c - 127.5),
 * mid = min + 128 step. With f = 1 (product) or 2 (L2: -|q - x|^2 = -|q|^2 + 2 q.x - |x|^2) and
 * w = f q step, and with integers W = round(w / scale), w = scale (W + r), |r| <= 1/2:
 *
 *     f q.x = sum f q mid - 127.5 scale sum W     in `base`, which for L2 takes |q|^2 too
 *             + scale sum W c                     the kernel's integer sum
 *             + scale sum r (c - 127.5)           dropped: at most 127.5 scale sum |r|
 *
 * `scale` is the smallest float for which each |W| fits into 15 bits and 255 sum |W| into 31, so no
 * order of adding overflows. The error is the sum of these bounds (u = 2^-24, half a unit in the
 * last place; |x| <= m, s = |min| + 255.5 |step|):
 *
 *   - weights: 127.5 scale sum |r|, with the r of this query;
 *   - the kernel of vector.h: each term of its sum is rounded by the multiplication (for L2 also by
 *     the subtraction, which is squared), by d / 16 additions and 4 folds: at most g of sum |q| m,
 *     of sum (|q - x|)^2 for L2; g = n u / (1 - n u), n = d / 16 + 8. Norms: g of sum m^2;
 *   - its decoding, rounded twice: x is off by at most 2.1 u s;
 *   - the few float operations here: 3 |base| + 4 |scale sum| + norm, times u;
 *   - double arithmetic below: (d + 8) 2^-50 of all sums of sizes;
 *   - underflow: at most 2^-149 for each operation, times what it is multiplied with.
 *
 * Where a size passes 2^120 anything may overflow: then the error is infinite and says nothing.
 */
#include "base/estimate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/estimate_kernels.h"

enum { CHUNK = 2048 }; /* sums held at a time: few starts, and they stay in the first cache */
static const double unit = 0x1p-24;

/* ---- the choice of kernel ---- */

#if defined(__x86_64__)
static wf_estimate_sums_fn *kernel(void)
{
    switch (wf_vector_isa()) {
    case WF_ISA_AVX512:
        return __builtin_cpu_supports("avx512vnni") ? wf_estimate_sums_vnni
                                                    : wf_estimate_sums_avx512;
    case WF_ISA_AVX2:
        return wf_estimate_sums_avx2;
    case WF_ISA_AUTO:
    case WF_ISA_C:
        break;
    }
    return wf_estimate_sums_c;
}
#else
static wf_estimate_sums_fn *kernel(void)
{
    return wf_estimate_sums_c;
}
#endif

bool wf_estimate_pays(enum wf_codec codec)
{
    return codec == WF_CODEC_SQ8;
}

/* ---- one query ---- */

/* Sums over the dimensions; the names are those of the comment above. */
struct fold {
    double factor;    /* f */
    double most, all; /* largest |w|, sum |w| */
    double middle;    /* sum f q mid */
    double square;    /* sum q^2 */
    double terms;     /* the kernel's: sum |q| m, for L2 of the largest (q - x)^2 */
    double norm;      /* sum m^2 */
    double decoding;  /* what decoding is off by, without u */
    double peak;      /* largest |q| + s */
    double left;      /* sum |r| */
    double up, down;  /* sums of the positive W and of the negative -W */
};

static void fold_dimension(struct fold *f, bool l2, double q, double min, double step)
{
    const double low = min + 0.5 * step, high = min + 255.5 * step;
    const double m = fmax(fabs(low), fabs(high)), s = fabs(min) + 255.5 * fabs(step);
    const double w = fabs(f->factor * q * step);
    f->most = fmax(f->most, w);
    f->all += w;
    f->middle += f->factor * q * (min + 128 * step);
    f->square += q * q;
    f->norm += m * m;
    f->peak = fmax(f->peak, fabs(q) + s);
    if (l2) {
        const double far = fmax(fabs(q - low), fabs(q - high));
        f->terms += far * far;
        f->decoding += 2 * (far + m) * s;
    } else {
        f->terms += fabs(q) * m;
        f->decoding += fabs(q) * s;
    }
}

/* Rounds to the nearest integer without a library call; |x| < 2^51. */
static double nearest(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* The three forms of the weights while they are written. */
struct weights {
    int16_t *whole;
    int8_t *high, *low;
};

static void split(struct weights *w, size_t j, int weight)
{
    const int high = (weight + 64 + (1 << 14)) / 128 - 128; /* of the nearest multiple of 128 */
    w->whole[j] = (int16_t)weight;
    w->high[j] = (int8_t)high;
    w->low[j] = (int8_t)(weight - 128 * high);
}

static bool weights_alloc(struct weights *w, uint32_t dim, struct wf_arena *arena)
{
    const size_t padded = ((size_t)dim + WF_ESTIMATE_PAD - 1) / WF_ESTIMATE_PAD * WF_ESTIMATE_PAD;
    w->whole = wf_arena_alloc64(arena, padded * sizeof w->whole[0]);
    w->high = wf_arena_alloc64(arena, padded);
    w->low = wf_arena_alloc64(arena, padded);
    if (w->whole == NULL || w->high == NULL || w->low == NULL) {
        return false;
    }
    memset(w->whole, 0, padded * sizeof w->whole[0]);
    memset(w->high, 0, padded);
    memset(w->low, 0, padded);
    return true;
}

/* The next floats above are taken, so that nothing passes its limit by rounding. */
static float scale_of(const struct fold *f, uint32_t dim)
{
    const double fifteen_bits = f->most / WF_ESTIMATE_WEIGHT;
    const double total = 255 * f->all / (2147483647.0 - 128.0 * dim);
    return (float)fmax(fmax(fifteen_bits, total) * (1 + 0x1p-22), 0x1p-126);
}

static void round_weights(struct fold *f, const struct wf_codes *c, const float *query,
                          double scale, struct weights *w)
{
    for (size_t j = 0; j < c->dim; j++) {
        const double exact = f->factor * (double)query[j] * (double)c->step[j] / scale;
        const double weight = nearest(exact);
        f->left += fabs(exact - weight);
        *(weight > 0 ? &f->up : &f->down) += fabs(weight);
        split(w, j, (int)weight);
    }
}

static double error_bound(const struct fold *f, uint32_t dim, double scale, double base)
{
    const double d = dim, n = ceil(d / 16) + 8, g = n * unit / (1 - n * unit);
    const double norm = f->factor > 1 ? f->norm : 0;
    const double sum = 255 * scale * fmax(f->up, f->down);
    const double weights = 127.5 * scale * f->left;
    const double kernels = g * (f->terms + norm) + 2.2 * unit * f->decoding;
    const double floats = unit * (3 * fabs(base) + 4 * sum + norm);
    const double sizes = 255 * f->all + f->square + f->terms + norm + f->decoding;
    const double doubles = (d + 8) * 0x1p-50 * sizes;
    const double underflow = (d + 8) * 0x1p-145 * (1 + f->peak);
    return (weights + kernels + floats + doubles + underflow) * (1 + 0x1p-10);
}

bool wf_estimate_begin(struct wf_estimate *e, const struct wf_codes *codes, const float *norms,
                       const float *query, struct wf_arena *arena)
{
    const bool l2 = codes->metric == WF_METRIC_L2;
    struct weights w;
    wf_assert(wf_estimate_pays(codes->codec) && (norms != NULL || !l2));
    if (!weights_alloc(&w, codes->dim, arena)) {
        return false;
    }
    *e = (struct wf_estimate){.codes = codes,
                              .norms = l2 ? norms : NULL,
                              .error = INFINITY,
                              .weights = w.whole,
                              .high = w.high,
                              .low = w.low};
    struct fold f = {.factor = l2 ? 2 : 1};
    for (size_t j = 0; j < codes->dim; j++) {
        fold_dimension(&f, l2, (double)query[j], (double)codes->min[j], (double)codes->step[j]);
    }
    const double largest = 255 * f.all + f.square + f.terms + f.norm + f.decoding + f.peak;
    if (!(largest < 0x1p120)) {
        return true;
    }
    e->scale = scale_of(&f, codes->dim);
    const double scale = (double)e->scale;
    round_weights(&f, codes, query, scale, &w);
    const double base = f.middle - 127.5 * scale * (f.up - f.down) - (l2 ? f.square : 0);
    e->base = (float)base;
    e->error = (float)(error_bound(&f, codes->dim, scale, base) * (1 + 0x1p-20));
    return true;
}

/* ---- its rows ---- */

static void finish(const struct wf_estimate *e, const int32_t *sums, size_t n, float *out)
{
    const float scale = e->scale, base = e->base;
    for (size_t i = 0; i < n; i++) {
        out[i] = base + scale * (float)sums[i];
    }
}

static void take_norms(const struct wf_estimate *e, const uint32_t *rows, size_t first, size_t n,
                       float *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] -= e->norms[rows == NULL ? first + i : rows[i]];
    }
}

void wf_estimate_rows(const struct wf_estimate *e, const uint32_t *rows, uint32_t first, size_t n,
                      float *out)
{
    wf_estimate_sums_fn *const sums_of = kernel();
    int32_t sums[CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        const size_t some = n - at < CHUNK ? n - at : CHUNK;
        const uint32_t *from = rows == NULL ? NULL : rows + at;
        sums_of(e, from, first + at, some, sums);
        finish(e, sums, some, out + at);
        if (e->norms != NULL) {
            take_norms(e, from, first + at, some, out + at);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * vector.h - the one scoring kernel, and the codes it reads.
 *
 * The same bits on AVX-512, AVX2 and plain C: float32, 16 partial sums, sum j takes elements j, j +
 * 16, ... in rising order, multiply then add (never fused; the tree is built with
 * -ffp-contract=off), zero-padded tail, partial sums added 8, 4, 2, 1 apart. Higher score = closer:
 * inner product and cosine give the product, L2 gives minus the squared distance. Pure and
 * thread-safe, except wf_vector_isa_set (start-up and tests only).
 */
#ifndef WF_VECTOR_H
#define WF_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wf_metric_space { WF_METRIC_IP = 1, WF_METRIC_COSINE = 2, WF_METRIC_L2 = 3 };
/* How a stored vector is coded. SQ8: per dimension min + step * (code + 0.5f), FAISS QT_8bit with
 * step = diff / 255. */
enum wf_codec { WF_CODEC_FLOAT32 = 1, WF_CODEC_FP16 = 2, WF_CODEC_SQ8 = 3 };

enum wf_isa { WF_ISA_AUTO = 0, WF_ISA_C = 1, WF_ISA_AVX2 = 2, WF_ISA_AVX512 = 3 };
/* Picks the kernels; what the processor lacks falls back to the best it has. Returns what is now in
 * use. */
enum wf_isa wf_vector_isa_set(enum wf_isa isa);
enum wf_isa wf_vector_isa(void);
const char *wf_isa_name(enum wf_isa isa); /* "c" "avx2" "avx512" */

float wf_dot(const float *a, const float *b, size_t d);
float wf_l2(const float *a, const float *b, size_t d); /* minus the squared distance */
/* x /= sqrt(x.x) by wf_dot and one IEEE sqrt and divide; false (x unchanged) when the norm is 0 or
 * not finite. */
bool wf_normalise(float *x, size_t d);
/* -1 when all are finite, else the index of the first that is not. */
ptrdiff_t wf_first_not_finite(const float *x, size_t d);

/* A code array of n rows of d dimensions; row i starts at codes + i * stride. */
struct wf_codes {
    enum wf_codec codec;
    enum wf_metric_space metric;
    uint32_t dim;  /* real dimension; codes are padded with zeros up to stride / element size */
    size_t stride; /* bytes per row */
    const unsigned char *data;
    const float *min, *step; /* SQ8 only: dim of each */
};
size_t wf_codec_size(enum wf_codec codec); /* bytes per element */
/* Dimension padded to a multiple of 8 (the scalar quantiser's SIMD path). */
uint32_t wf_padded_dim(uint32_t dim);
/* Scores rows[0..n) (or first..first+n when rows is NULL) against q (dim floats); out[i] for each.
 */
void wf_score_rows(const struct wf_codes *c, const float *q, const uint32_t *rows, uint32_t first,
                   size_t n, float *out);
void wf_decode_row(const struct wf_codes *c, uint32_t row, float *out); /* dim floats */
/* Codes one vector into stride bytes at `into` (padding zeroed). SQ8 clamps. fp16 rounds to nearest
 * even. */
void wf_encode_row(const struct wf_codes *c, const float *x, unsigned char *into);

/* IEEE half <-> float, round to nearest even; the same bits on every path. */
void wf_half_to_float(const uint16_t *h, float *f, size_t n);
void wf_float_to_half(const float *f, uint16_t *h, size_t n);

/* Wire int8: scale = max |x| / 127 per vector, q = round-half-even(x / scale). Returns the scale (0
 * for zeros). */
float wf_float_to_int8(const float *f, int8_t *q, size_t n);

#endif

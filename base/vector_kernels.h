/* SPDX-License-Identifier: Apache-2.0
 *
 * vector_kernels.h - what one instruction set offers to vector.c. Private to base/vector*.c.
 *
 * Each set is one file with one table. All give the same bits for finite input (vector.h says in
 * which order is added); tests/unit/base/vector_test.c compares them pairwise.
 */
#ifndef WF_VECTOR_KERNELS_H
#define WF_VECTOR_KERNELS_H

#include "base/rows_ahead.h"
#include "base/vector.h"

enum { WF_LANES = 16 }; /* partial sums */

/* Bytes of an element: wf_codec_size as a constant expression of the codec. */
static inline size_t wf_codec_bytes(enum wf_codec codec)
{
    return codec == WF_CODEC_FLOAT32 ? 4 : codec == WF_CODEC_FP16 ? 2 : 1;
}

/* One call of wf_score_rows. */
struct wf_scoring {
    const struct wf_codes *codes;
    const float *q;
    struct wf_rows rows; /* of the codes */
    float *out;
};

struct wf_kernels {
    float (*dot)(const float *a, const float *b, size_t d);
    float (*l2)(const float *a, const float *b, size_t d);
    void (*score)(const struct wf_scoring *s);
    void (*half_to_float)(const uint16_t *h, float *f, size_t n);
    void (*float_to_half)(const float *f, uint16_t *h, size_t n);
};

extern const struct wf_kernels wf_kernels_c;
extern const struct wf_kernels wf_kernels_avx2;
extern const struct wf_kernels wf_kernels_avx512;

/* One value each way in plain C: the definition that the conversion instructions agree with. */
float wf_half_decode(uint16_t h);
uint16_t wf_half_encode(float f);

#endif

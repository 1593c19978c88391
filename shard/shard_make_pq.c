/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_make_pq.c - what a space has besides its codes so that a first pass need not read them: row
 * lengths for L2, and 4-bit codes of what each row is apart from its list's centroid. See made.h.
 *
 * Both are made from the stored codes, so that estimates aim at the scores that the kernel gives.
 */
#include <string.h>

#include "base/arena.h"
#include "shard/made.h"

enum { SAMPLE_MOST = 65536 };

static void residual(const struct shard_space *s, uint32_t list, uint32_t row, float *out)
{
    const uint32_t dim = s->codes.dim;
    const float *centroid =
        (const float *)(const void *)(s->centroids.data + list * s->centroids.stride);
    wf_decode_row(&s->codes, row, out);
    for (uint32_t i = 0; i < dim; i++) {
        out[i] -= centroid[i];
    }
}

/* Residuals of rows that are spread evenly. */
static enum wf_code train(struct shard_made *m, uint64_t seed, struct wf_error *err)
{
    const struct shard_space *s = &m->space;
    const uint32_t dim = s->codes.dim;
    const uint64_t n = s->n < SAMPLE_MOST ? s->n : SAMPLE_MOST;
    float *sample = wf_xarray(float, n *dim);
    uint32_t list = 0;
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t row = (uint32_t)(i * s->n / n);
        while (s->lists[list + 1] <= row) {
            list++;
        }
        residual(s, list, row, sample + i * dim);
    }
    enum wf_code code = shard_pq_train(sample, n, dim, seed, m->pq_centres, err);
    wf_xfree(sample);
    return code;
}

/* First block of each list. */
static void number_blocks(struct shard_made *m)
{
    const struct shard_space *s = &m->space;
    for (uint32_t l = 0; l < s->spec.n; l++) {
        m->pq_blocks[l + 1] = m->pq_blocks[l] + shard_pq_blocks(s->lists[l + 1] - s->lists[l]);
    }
}

static void pack(struct shard_made *m)
{
    const struct shard_space *s = &m->space;
    const struct shard_pq *pq = &s->pq;
    const size_t dim = s->codes.dim;
    uint32_t most = 0;
    for (uint32_t l = 0; l < s->spec.n; l++) {
        const uint32_t rows = s->lists[l + 1] - s->lists[l];
        most = rows > most ? rows : most;
    }
    float *residuals = wf_xarray(float, most *dim + 1);
    for (uint32_t l = 0; l < s->spec.n; l++) {
        const uint32_t first = s->lists[l], n = s->lists[l + 1] - first;
        for (uint32_t i = 0; i < n; i++) {
            residual(s, l, first + i, residuals + i * dim);
        }
        shard_pq_pack(pq, residuals, n, s->codes.dim,
                      m->pq_packed + shard_pq_bytes(pq, pq->blocks[l]));
    }
    wf_xfree(residuals);
}

static enum wf_code make_pq(struct shard_made *m, uint64_t seed, struct wf_error *err)
{
    struct shard_space *s = &m->space;
    struct shard_pq *pq = &s->pq;
    const uint32_t parts = s->spec.m;
    m->pq_centres = wf_xarray(float, (size_t)parts * 2 * SHARD_PQ_CENTRES);
    m->pq_blocks = wf_xarray(uint32_t, (size_t)s->spec.n + 1);
    number_blocks(m);
    *pq = (struct shard_pq){.m = parts,
                            .centres = m->pq_centres,
                            .blocks = m->pq_blocks,
                            .norms = m->norms,
                            .refine = SHARD_REFINE_MOST};
    m->pq_packed = wf_xmalloc64(shard_pq_bytes(pq, pq->blocks[s->spec.n]) + 64);
    pq->packed = m->pq_packed;
    enum wf_code code = train(m, seed, err);
    if (code == WF_OK) {
        pack(m);
    }
    return code;
}

static void make_norms(struct shard_made *m)
{
    struct shard_space *s = &m->space;
    float *decoded = wf_xarray(float, s->codes.dim);
    m->norms = wf_xarray(float, (size_t)s->n + 1);
    for (uint32_t i = 0; i < s->n; i++) {
        wf_decode_row(&s->codes, i, decoded);
        m->norms[i] = wf_dot(decoded, decoded, s->codes.dim);
    }
    s->norms = m->norms;
    wf_xfree(decoded);
}

enum wf_code shard_make_first_pass(struct shard_made *m, uint64_t seed, struct wf_error *err)
{
    if (shard_space_needs_norms(&m->space)) {
        make_norms(m);
    }
    return m->space.spec.pq && m->space.n > 0 ? make_pq(m, seed, err) : WF_OK;
}

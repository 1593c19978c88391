/* SPDX-License-Identifier: Apache-2.0
 *
 * pq.c - see pq.h. Training is Lloyd's algorithm in two dimensions for each sub-quantiser, begun
 * with k-means++; one thread, sums in the order of the points, so the same residuals and seed give
 * the same centres on every machine.
 */
#include "shard/pq.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/pq4.h"

enum { ROUNDS = 16, ENTRY_MOST = 255 };

size_t shard_pq_bytes(const struct shard_pq *pq, uint32_t blocks)
{
    return (size_t)blocks * pq->m * WF_PQ4_ENTRIES;
}

uint32_t shard_pq_parts(uint32_t dim)
{
    return wf_padded_dim(dim) / 2;
}

enum wf_code shard_pq_check(uint32_t dim, struct wf_error *err)
{
    if (shard_pq_parts(dim) > WF_PQ4_PARTS_MAX) {
        return wf_fail(err, WF_INVALID, "dimension %u, product quantisation takes at most %u", dim,
                       2 * WF_PQ4_PARTS_MAX);
    }
    return WF_OK;
}

/* ---- searching ---- */

/* Products of the query with a sub-quantiser's centres; returns the least of them. */
static float products(const struct shard_pq *pq, const float *query, size_t part, float out[16])
{
    const float *centre = pq->centres + part * 2 * SHARD_PQ_CENTRES;
    float least = INFINITY;
    for (size_t c = 0; c < SHARD_PQ_CENTRES; c++) {
        out[c] = query[2 * part] * centre[2 * c] + query[2 * part + 1] * centre[2 * c + 1];
        least = out[c] < least ? out[c] : least;
    }
    return least;
}

static float most_of(const float x[16])
{
    float most = x[0];
    for (size_t c = 1; c < SHARD_PQ_CENTRES; c++) {
        most = x[c] > most ? x[c] : most;
    }
    return most;
}

bool shard_pq_begin(const struct shard_pq *pq, const float *query, uint32_t dim,
                    struct wf_arena *arena, struct shard_pq_table *out)
{
    uint8_t *table = wf_arena_alloc64(arena, (size_t)pq->m * SHARD_PQ_CENTRES);
    float *x = wf_array(arena, float, (size_t)pq->m *SHARD_PQ_CENTRES);
    float *least = wf_array(arena, float, pq->m),
          *padded = wf_array(arena, float, (size_t)2 * pq->m);
    if (table == NULL || x == NULL || least == NULL || padded == NULL) {
        return false;
    }
    memcpy(padded, query, dim * sizeof *padded);
    float range = 0, base = 0;
    for (size_t j = 0; j < pq->m; j++) {
        float *of_part = x + j * SHARD_PQ_CENTRES;
        least[j] = products(pq, padded, j, of_part);
        range = fmaxf(range, most_of(of_part) - least[j]);
        base += least[j];
    }
    const float scale = range / ENTRY_MOST, steps = scale > 0 ? 1 / scale : 0;
    for (uint32_t i = 0; i < pq->m * SHARD_PQ_CENTRES; i++) {
        /* What overflowed is not a number: 0 then, so that the cast is defined. */
        const float entry = (x[i] - least[i / SHARD_PQ_CENTRES]) * steps + 0.5F;
        table[i] = entry >= ENTRY_MOST ? ENTRY_MOST : entry > 0 ? (uint8_t)entry : 0;
    }
    *out = (struct shard_pq_table){.table = table, .scale = scale, .base = base};
    return true;
}

void shard_pq_scan(const struct shard_pq *pq, const struct shard_pq_table *t, uint32_t list,
                   uint32_t next, uint16_t *sums)
{
    const uint32_t first = pq->blocks[list], n = pq->blocks[list + 1] - first;
    wf_pq4_scan(t->table, pq->m, pq->packed + shard_pq_bytes(pq, first), n,
                pq->packed + shard_pq_bytes(pq, pq->blocks[next]), sums);
}

/* ---- building ---- */

/* Points of one sub-quantiser while it is trained. */
struct plane {
    size_t n;
    float *x, *y, *distance; /* n */
    uint8_t *nearest;        /* n */
};

static float squared(float x, float y)
{
    return x * x + y * y;
}

/* Each next centre is a point, taken with a chance that grows with its distance from the others. */
static void begin_centres(struct plane *p, struct wf_random *r, float *centres)
{
    size_t chosen = wf_random_below(r, p->n);
    for (size_t c = 0; c < SHARD_PQ_CENTRES; c++) {
        const float cx = p->x[chosen], cy = p->y[chosen];
        centres[2 * c] = cx;
        centres[2 * c + 1] = cy;
        double sum = 0;
        for (size_t i = 0; i < p->n; i++) {
            const float d = squared(p->x[i] - cx, p->y[i] - cy);
            p->distance[i] = c == 0 || d < p->distance[i] ? d : p->distance[i];
            sum += (double)p->distance[i];
        }
        double at = wf_random_unit(r) * sum;
        for (chosen = 0; chosen + 1 < p->n && at >= (double)p->distance[chosen]; chosen++) {
            at -= (double)p->distance[chosen];
        }
    }
}

static void find_nearest(struct plane *p, const float *centres)
{
    for (size_t i = 0; i < p->n; i++) {
        p->distance[i] = INFINITY;
    }
    for (size_t c = 0; c < SHARD_PQ_CENTRES; c++) {
        const float cx = centres[2 * c], cy = centres[2 * c + 1];
        for (size_t i = 0; i < p->n; i++) {
            const float d = squared(p->x[i] - cx, p->y[i] - cy);
            p->nearest[i] = d < p->distance[i] ? (uint8_t)c : p->nearest[i];
            p->distance[i] = d < p->distance[i] ? d : p->distance[i];
        }
    }
}

/* Centres become the means of their points; one without points stays. */
static void move_centres(const struct plane *p, float *centres)
{
    double x[SHARD_PQ_CENTRES] = {0}, y[SHARD_PQ_CENTRES] = {0};
    size_t n[SHARD_PQ_CENTRES] = {0};
    for (size_t i = 0; i < p->n; i++) {
        x[p->nearest[i]] += (double)p->x[i];
        y[p->nearest[i]] += (double)p->y[i];
        n[p->nearest[i]]++;
    }
    for (size_t c = 0; c < SHARD_PQ_CENTRES; c++) {
        if (n[c] > 0) {
            centres[2 * c] = (float)(x[c] / (double)n[c]);
            centres[2 * c + 1] = (float)(y[c] / (double)n[c]);
        }
    }
}

static void load_plane(struct plane *p, const float *residuals, uint32_t dim, size_t part)
{
    const size_t first = 2 * part, second = first + 1;
    for (size_t i = 0; i < p->n; i++) {
        p->x[i] = first < dim ? residuals[i * dim + first] : 0;
        p->y[i] = second < dim ? residuals[i * dim + second] : 0;
    }
}

enum wf_code shard_pq_train(const float *residuals, size_t n, uint32_t dim, uint64_t seed,
                            float *centres, struct wf_error *err)
{
    enum wf_code code = shard_pq_check(dim, err);
    if (code != WF_OK || n == 0) {
        return code != WF_OK ? code : wf_fail(err, WF_INVALID, "no residuals to train on");
    }
    struct plane p = {.n = n,
                      .x = wf_xarray(float, n),
                      .y = wf_xarray(float, n),
                      .distance = wf_xarray(float, n),
                      .nearest = wf_xarray(uint8_t, n)};
    for (size_t j = 0; j < shard_pq_parts(dim); j++) {
        struct wf_random r = wf_random_of(seed, j);
        float *own = centres + j * 2 * SHARD_PQ_CENTRES;
        load_plane(&p, residuals, dim, j);
        begin_centres(&p, &r, own);
        for (int round = 0; round < ROUNDS; round++) {
            find_nearest(&p, own);
            move_centres(&p, own);
        }
    }
    wf_xfree(p.nearest);
    wf_xfree(p.distance);
    wf_xfree(p.y);
    wf_xfree(p.x);
    return WF_OK;
}

/* The nearest centre of (x, y), the first of equal ones. */
static size_t code_of(const float *centres, float x, float y)
{
    float distance[SHARD_PQ_CENTRES];
    for (size_t c = 0; c < SHARD_PQ_CENTRES; c++) {
        distance[c] = squared(x - centres[2 * c], y - centres[2 * c + 1]);
    }
    size_t best = 0;
    for (size_t c = 1; c < SHARD_PQ_CENTRES; c++) {
        best = distance[c] < distance[best] ? c : best;
    }
    return best;
}

void shard_pq_pack(const struct shard_pq *pq, const float *residuals, size_t n, uint32_t dim,
                   unsigned char *into)
{
    const size_t block_bytes = (size_t)pq->m * WF_PQ4_ENTRIES;
    memset(into, 0, (n + SHARD_PQ_BLOCK - 1) / SHARD_PQ_BLOCK * block_bytes);
    for (size_t i = 0; i < n; i++) {
        unsigned char *block = into + i / SHARD_PQ_BLOCK * block_bytes;
        const float *row = residuals + i * dim;
        for (size_t j = 0; j < pq->m; j++) {
            const float x = 2 * j < dim ? row[2 * j] : 0, y = 2 * j + 1 < dim ? row[2 * j + 1] : 0;
            const size_t code = code_of(pq->centres + j * 2 * SHARD_PQ_CENTRES, x, y);
            const unsigned shift = i % SHARD_PQ_BLOCK < 16 ? 0 : 4;
            unsigned char *at = block + j * WF_PQ4_ENTRIES + i % 16;
            *at = (unsigned char)(*at | code << shift);
        }
    }
}

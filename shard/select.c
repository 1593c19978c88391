/* SPDX-License-Identifier: Apache-2.0
 *
 * select.c - see select.h. FAISS scans the lists for a few more than k rows and those are scored
 * again by the kernel; where FAISS's last row is so near the k-th that rounding could have hidden a
 * better one, the kernel scores every row of the lists.
 */
#include "shard/select.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

enum { SPARE_ROWS = 16 }; /* FAISS is asked for k + max(16, k / 4) */

static enum shard_select select_now = SHARD_SELECT_AUTO;

void shard_select_set(enum shard_select select)
{
    select_now = select;
}

/* FAISS pays where the kernel is slow and the lists hold much more than FAISS would keep. */
bool shard_select_pays(const struct shard_probes *plan, const struct shard_query *q)
{
    if (q->allowed != NULL || plan->n == 0 || select_now == SHARD_SELECT_KERNEL) {
        return false;
    }
    return select_now == SHARD_SELECT_FAISS ||
           (wf_vector_isa() == WF_ISA_C && plan->rows > 4 * ((uint64_t)q->k + SPARE_ROWS));
}

static uint32_t list_rows(const struct shard_space *s, int64_t list)
{
    return s->lists[list + 1] - s->lists[list];
}

/* End of the chunk of lists that starts at `at`. */
static uint32_t chunk_end(const struct shard_space *s, const struct shard_probes *plan, uint32_t at)
{
    uint32_t rows = 0;
    while (at < plan->n &&
           (rows == 0 || rows + list_rows(s, plan->lists[at]) <= SHARD_CHUNK_ROWS)) {
        rows += list_rows(s, plan->lists[at++]);
    }
    return at;
}

/* What FAISS found, scored by the kernel. */
static void rescore(struct shard_scan *sc, const struct shard_faiss_heap *heap, uint32_t *rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < heap->k; i++) {
        if (heap->ids[i] >= 0) {
            rows[n++] = sc->s->lists[heap->ids[i] >> 32] + (uint32_t)(heap->ids[i] & UINT32_MAX);
        }
    }
    shard_scan_rows(sc, rows, n);
}

/* Whether a row that FAISS left out may belong to the k best, which are sorted. */
static bool in_doubt(const struct shard_scan *sc, const struct shard_faiss_heap *heap)
{
    for (uint32_t i = 0; i < heap->k; i++) {
        if (heap->ids[i] < 0) {
            return false; /* not full: nothing was left out */
        }
    }
    const float *q = sc->q->vector;
    const double norm = sqrt((double)wf_dot(q, q, sc->s->codes.dim)) * (1 + 0x1p-10);
    const double last = (double)shard_faiss_heap_worst(sc->s->faiss, heap);
    return sc->top.n < sc->top.k ||
           (double)sc->top.hits[sc->top.n - 1].score <= shard_space_bound(sc->s, norm, last);
}

static enum wf_code make_heap(const struct shard_scan *sc, struct wf_arena *a,
                              struct shard_faiss_heap *heap, float **query, struct wf_error *err)
{
    const uint32_t k = sc->q->k, dim = sc->s->codes.dim;
    *heap = (struct shard_faiss_heap){.k = k + (k / 4 > SPARE_ROWS ? k / 4 : SPARE_ROWS)};
    heap->distances = wf_array(a, float, heap->k);
    heap->ids = wf_array(a, int64_t, heap->k);
    const size_t size = wf_padded_dim(dim) * sizeof(float);
    *query = wf_arena_alloc64(a, size);
    if (heap->distances == NULL || heap->ids == NULL || *query == NULL) {
        return shard_search_no_room(a, err);
    }
    memset(*query, 0, size);
    memcpy(*query, sc->q->vector, dim * sizeof(float));
    shard_faiss_heap_init(sc->s->faiss, heap);
    return WF_OK;
}

enum wf_code shard_select_lists(struct shard_scan *sc, struct shard_probes *plan,
                                struct wf_arena *a, struct wf_error *err)
{
    struct shard_faiss_heap heap;
    float *query;
    enum wf_code code = make_heap(sc, a, &heap, &query, err);
    uint32_t *rows = wf_array(a, uint32_t, heap.k);
    if (code == WF_OK && rows == NULL) {
        code = shard_search_no_room(a, err);
    }
    do {
        if (code != WF_OK) {
            return code;
        }
        const uint32_t end = chunk_end(sc->s, plan, plan->done);
        code = shard_faiss_ivf_scan(sc->s->faiss, query, plan->lists + plan->done, end - plan->done,
                                    &heap, err);
        plan->done = end;
    } while (plan->done < plan->n && wf_now() < sc->q->deadline);
    if (code != WF_OK) {
        return code;
    }
    rescore(sc, &heap, rows);
    shard_top_sort(&sc->top);
    const bool again = in_doubt(sc, &heap);
    if (again) {
        sc->top.n = 0; /* the floor stays: that many rows reach it */
    }
    sc->compared = 0;
    for (uint32_t i = 0; i < plan->done; i++) {
        const int64_t list = plan->lists[i];
        if (again) {
            shard_scan_range(sc, sc->s->lists[list], sc->s->lists[list + 1]);
        } else {
            sc->compared += list_rows(sc->s, list);
        }
    }
    return WF_OK;
}

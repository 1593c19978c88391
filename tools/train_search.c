/* SPDX-License-Identifier: Apache-2.0
 *
 * train_search.c - see train_search.h. Codes lie in SKU order, so that of equal scores the earlier
 * one is the better one.
 */
#include "tools/train_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { BLOCK = 1024 };

/* ---- making ---- */

struct named {
    const char *sku;
    uint32_t row;
};

static int by_sku(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    return strcmp(x->sku, y->sku);
}

/* Rows that are offered, in SKU order. */
static uint32_t order_rows(const struct tool_dataset *ds, const uint8_t *offered, uint32_t **rows)
{
    struct named *order = wf_xarray(struct named, ds->items.n + 1);
    uint32_t n = 0;
    for (size_t i = 0; i < ds->items.n; i++) {
        if (offered[i]) {
            order[n++] = (struct named){ds->items.skus[i], (uint32_t)i};
        }
    }
    qsort(order, n, sizeof order[0], by_sku);
    *rows = wf_xarray(uint32_t, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++) {
        (*rows)[i] = order[i].row;
    }
    wf_xfree(order);
    return n;
}

void tool_train_search_init(struct tool_train_search *s, const struct tool_dataset *ds,
                            unsigned space, const uint8_t *offered)
{
    const struct wf_space *of = &ds->schema.spaces[space];
    const size_t stride = wf_padded_dim(of->dim) * wf_codec_size(WF_CODEC_FP16);
    uint32_t *rows;
    const uint32_t n_rows = order_rows(ds, offered, &rows);
    unsigned char *data = wf_xmalloc64(stride * ((size_t)n_rows + 1));
    float *x = wf_xmalloc64(sizeof(float) * of->dim);
    *s = (struct tool_train_search){.rows = rows, .data = data};
    s->codes = (struct wf_codes){.codec = WF_CODEC_FP16,
                                 .metric = of->metric,
                                 .dim = of->dim,
                                 .stride = stride,
                                 .data = data};
    for (uint32_t i = 0; i < n_rows; i++) {
        memcpy(x, ds->spaces[space].data + (size_t)rows[i] * of->dim, sizeof(float) * of->dim);
        const bool has = wf_first_not_finite(x, of->dim) < 0;
        if (has && (of->metric != WF_METRIC_COSINE || wf_normalise(x, of->dim))) {
            wf_encode_row(&s->codes, x, data + s->n * stride);
            rows[s->n++] = rows[i];
        }
    }
    wf_xfree(x);
}

void tool_train_search_fini(struct tool_train_search *s)
{
    wf_xfree(s->rows);
    wf_xfree(s->data);
    *s = (struct tool_train_search){0};
}

/* ---- searching: a heap whose root is the worst of the best; hits hold code numbers ---- */

static bool is_worse(const struct tool_train_hit *a, const struct tool_train_hit *b)
{
    return a->score != b->score ? a->score < b->score : a->row > b->row;
}

static void swap(struct tool_train_hit *a, struct tool_train_hit *b)
{
    const struct tool_train_hit t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(struct tool_train_hit *heap, uint32_t at)
{
    while (at > 0 && is_worse(&heap[at], &heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct tool_train_hit *heap, size_t n)
{
    size_t at = 0;
    while (2 * at + 1 < n) {
        size_t worst = 2 * at + 1;
        if (worst + 1 < n && is_worse(&heap[worst + 1], &heap[worst])) {
            worst++;
        }
        if (!is_worse(&heap[worst], &heap[at])) {
            return;
        }
        swap(&heap[worst], &heap[at]);
        at = worst;
    }
}

static int best_first(const void *a, const void *b)
{
    return is_worse(a, b) - is_worse(b, a);
}

uint32_t tool_train_search_top(const struct tool_train_search *s, const float *q, uint32_t k,
                               struct tool_train_hit *out)
{
    float scores[BLOCK];
    uint32_t n = 0;
    for (uint32_t first = 0; first < s->n; first += BLOCK) {
        const uint32_t size = s->n - first < BLOCK ? s->n - first : BLOCK;
        wf_score_rows(&s->codes, q, NULL, first, size, scores);
        for (uint32_t i = 0; i < size; i++) {
            const float score = isnan(scores[i]) ? -INFINITY : scores[i];
            const struct tool_train_hit hit = {score, first + i};
            if (n < k) {
                out[n] = hit;
                sift_up(out, n++);
            } else if (is_worse(&out[0], &hit)) {
                out[0] = hit;
                sift_down(out, n);
            }
        }
    }
    qsort(out, n, sizeof out[0], best_first);
    for (uint32_t i = 0; i < n; i++) {
        out[i].row = s->rows[out[i].row];
    }
    return n;
}

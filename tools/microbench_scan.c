/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_scan.c - the scanning kernels out of cache, beside a plain loop that reads the same
 * bytes in the same order, and beside FAISS's scan of 8-bit lists.
 *
 * BYTES of codes, several times what a cache holds, are cut into lists of 500 rows, which every run
 * visits once, in one random order, as a search visits lists. fp16 and float rows go through the
 * scoring kernel, 8-bit rows through the estimates: whole lists, the rows set in a filter, and
 * batches of 10,000 rows scattered over everything. Memory has pages of 4 KB, as a mapped file has.
 */
#include <stdio.h>
#include <string.h>

#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexScalarQuantizer_c.h>
#include <faiss/c_api/error_c.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/estimate.h"
#include "base/hash.h"
#include "tools/microbench.h"

enum {
    DIM = 128,
    LIST_ROWS = 500,
    TOGETHER = 1536, /* set rows of several lists are scored together: over 1,000 when enough */
    BATCH_ROWS = 10000,
    BATCHES = 50,
    TRAIN_ROWS = 10000
};
static const size_t BYTES = (size_t)512 << 20;

enum visit { RANGES, HALF, TENTH, SCATTERED };

struct bench {
    unsigned char *data;
    float query[DIM], min[DIM], step[DIM];
    struct wf_codes codes;
    uint32_t n_lists;
    uint32_t *order;   /* of the lists */
    uint64_t *bits;    /* the filter, over all rows */
    uint32_t *rows;    /* of the filter list after list in `order`, or of the batches */
    uint32_t *n_rows;  /* of rows in each list or batch */
    uint32_t n_groups; /* lists or batches */
    uint32_t together[TOGETHER];
    float *norms, *scores;
    enum visit visit;
    struct wf_estimate estimate;
    struct wf_arena arena;
    uint64_t read[8]; /* what the reading loop has found, so that it has to read */
    FaissIndexFlat *coarse;
    FaissIndexIVFScalarQuantizer *faiss;
    idx_t *faiss_lists;
    float *faiss_zeros;
};

/* Bytes that are ordinary numbers in every codec: halves and, two by two, floats between 2^-31 and
 * 1, so that no case is slowed by subnormal arithmetic. */
static void make_data(struct bench *b)
{
    struct wf_random r = wf_random_of(1, 1);
    b->data = wf_xmalloc64(BYTES);
    for (size_t i = 0; i < BYTES; i += sizeof(uint64_t)) {
        uint64_t four = wf_random_next(&r) & UINT64_C(0x8bff8bff8bff8bff);
        four |= UINT64_C(0x3000300030003000);
        memcpy(b->data + i, &four, sizeof four);
    }
    for (size_t j = 0; j < DIM; j++) {
        b->query[j] = (float)(2 * wf_random_unit(&r) - 1);
        b->min[j] = -1;
        b->step[j] = 2.0f / 255;
    }
}

static uint32_t rows_of(const struct bench *b)
{
    return b->n_lists * LIST_ROWS;
}

static void make_order(struct bench *b, struct wf_random *r)
{
    for (uint32_t i = 0; i < b->n_lists; i++) {
        const uint32_t j = (uint32_t)wf_random_below(r, i + 1);
        b->order[i] = b->order[j];
        b->order[j] = i;
    }
}

static void make_filter(struct bench *b, struct wf_random *r, unsigned percent)
{
    memset(b->bits, 0, wf_bits_words(rows_of(b)) * sizeof b->bits[0]);
    for (uint32_t row = 0; row < rows_of(b); row++) {
        if (wf_random_below(r, 100) < percent) {
            wf_bit_set(b->bits, row);
        }
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_lists; i++) {
        const uint32_t first = b->order[i] * LIST_ROWS;
        b->n_rows[i] = wf_bits_rows(b->bits, first, first + LIST_ROWS, b->rows + n);
        n += b->n_rows[i];
    }
    b->n_groups = b->n_lists;
}

static void make_batches(struct bench *b, struct wf_random *r)
{
    for (uint32_t i = 0; i < BATCHES * BATCH_ROWS; i++) {
        b->rows[i] = (uint32_t)wf_random_below(r, rows_of(b));
    }
    for (uint32_t i = 0; i < BATCHES; i++) {
        b->n_rows[i] = BATCH_ROWS;
    }
    b->n_groups = BATCHES;
}

/* Everything about a codec and a way to visit its rows. */
static void prepare(struct bench *b, enum wf_codec codec, enum wf_metric_space metric,
                    enum visit visit)
{
    struct wf_random r = wf_random_of(2, 1);
    const size_t stride = DIM * wf_codec_size(codec);
    b->codes = (struct wf_codes){.codec = codec,
                                 .metric = metric,
                                 .dim = DIM,
                                 .stride = stride,
                                 .data = b->data,
                                 .min = b->min,
                                 .step = b->step};
    b->n_lists = (uint32_t)(BYTES / stride / LIST_ROWS);
    b->visit = visit;
    make_order(b, &r);
    if (visit == SCATTERED) {
        make_batches(b, &r);
    } else if (visit != RANGES) {
        make_filter(b, &r, visit == HALF ? 50 : 10);
    }
    wf_arena_reset(&b->arena);
    if (codec == WF_CODEC_SQ8) {
        wf_assert(wf_estimate_begin(&b->estimate, &b->codes, b->norms, b->query, &b->arena));
    }
}

static uint64_t units_of(const struct bench *b)
{
    uint64_t n = 0;
    for (uint32_t i = 0; b->visit != RANGES && i < b->n_groups; i++) {
        n += b->n_rows[i];
    }
    return b->visit == RANGES ? rows_of(b) : n;
}

/* ---- ours ---- */

static void score(struct bench *b, const uint32_t *rows, uint32_t first, size_t n)
{
    if (b->codes.codec == WF_CODEC_SQ8) {
        wf_estimate_rows(&b->estimate, rows, first, n, b->scores);
    } else {
        wf_score_rows(&b->codes, b->query, rows, first, n, b->scores);
    }
}

static void score_lists(struct bench *b)
{
    for (uint32_t i = 0; i < b->n_lists; i++) {
        score(b, NULL, b->order[i] * LIST_ROWS, LIST_ROWS);
    }
}

static void score_filtered(struct bench *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_lists; i++) {
        const uint32_t first = b->order[i] * LIST_ROWS;
        if (i + 1 < b->n_lists) { /* a list's bits are a cache miss that can be foreseen */
            const uint64_t *bits = b->bits + b->order[i + 1] * LIST_ROWS / 64;
            __builtin_prefetch(bits, 0, 2);
            __builtin_prefetch(bits + LIST_ROWS / 64, 0, 2);
        }
        n += wf_bits_rows(b->bits, first, first + LIST_ROWS, b->together + n);
        if (n > TOGETHER - LIST_ROWS || i + 1 == b->n_lists) {
            score(b, b->together, 0, n);
            n = 0;
        }
    }
}

static void ours(void *ctx)
{
    struct bench *b = ctx;
    if (b->visit == RANGES) {
        score_lists(b);
        return;
    }
    if (b->visit != SCATTERED) {
        score_filtered(b);
        return;
    }
    for (uint32_t i = 0; i < BATCHES; i++) {
        score(b, b->rows + (size_t)i * BATCH_ROWS, 0, BATCH_ROWS);
    }
}

/* ---- the limit ---- */

typedef uint64_t line __attribute__((vector_size(64), may_alias));

static inline __attribute__((always_inline)) void add_up(line *sum, const unsigned char *at,
                                                         size_t size)
{
    for (size_t i = 0; i < size; i += 64) {
        *sum += *(const line *)(const void *)(at + i);
    }
}

static inline __attribute__((always_inline)) void read_all(struct bench *b)
{
    const size_t stride = b->codes.stride;
    line sum = {0};
    const uint32_t *rows = b->rows;
    for (uint32_t i = 0; i < (b->visit == RANGES ? b->n_lists : 0); i++) {
        const size_t first = (size_t)b->order[i] * LIST_ROWS;
        add_up(&sum, b->data + first * stride, LIST_ROWS * stride);
    }
    for (uint32_t i = 0; b->visit != RANGES && i < b->n_groups; rows += b->n_rows[i++]) {
        for (uint32_t k = 0; k < b->n_rows[i]; k++) {
            add_up(&sum, b->data + rows[k] * stride, stride);
        }
    }
    memcpy(b->read, &sum, sizeof b->read);
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void read_avx512(struct bench *b)
{
    read_all(b);
}

__attribute__((target("avx2"))) static void read_avx2(struct bench *b)
{
    read_all(b);
}
#endif

static void memory(void *ctx)
{
    struct bench *b = ctx;
#if defined(__x86_64__)
    if (wf_vector_isa() != WF_ISA_C) {
        wf_vector_isa() == WF_ISA_AVX512 ? read_avx512(b) : read_avx2(b);
        return;
    }
#endif
    read_all(b);
}

/* ---- FAISS ---- */

static enum wf_code faiss_ok(int status, struct wf_error *err)
{
    return status == 0 ? WF_OK : wf_fail(err, WF_INTERNAL, "faiss: %.200s", faiss_get_last_error());
}

static void close_faiss(struct bench *b)
{
    if (b->faiss != NULL) {
        faiss_Index_free(b->faiss);
    }
    if (b->coarse != NULL) {
        faiss_Index_free(b->coarse);
    }
    b->faiss = NULL;
    b->coarse = NULL;
}

/* The same rows in the same lists. */
static enum wf_code add_to_faiss(struct bench *b, struct wf_error *err)
{
    enum { AT_ONCE = 100 * LIST_ROWS };
    float *x = wf_xmalloc(sizeof(float) * AT_ONCE * DIM);
    idx_t *lists = wf_xmalloc(sizeof(idx_t) * AT_ONCE);
    enum wf_code code = WF_OK;
    for (uint32_t at = 0; code == WF_OK && at < rows_of(b); at += AT_ONCE) {
        const uint32_t n = rows_of(b) - at < AT_ONCE ? rows_of(b) - at : AT_ONCE;
        for (uint32_t i = 0; i < n; i++) {
            wf_decode_row(&b->codes, at + i, x + (size_t)i * DIM);
            lists[i] = (at + i) / LIST_ROWS;
        }
        code = faiss_ok(at > 0 ? 0 : faiss_Index_train(b->faiss, TRAIN_ROWS, x), err);
        if (code == WF_OK) {
            code =
                faiss_ok(faiss_IndexIVFScalarQuantizer_add_core(b->faiss, n, x, NULL, lists), err);
        }
    }
    wf_xfree(x);
    wf_xfree(lists);
    return code;
}

static enum wf_code open_faiss(struct bench *b, FaissMetricType metric, struct wf_error *err)
{
    const uint32_t n = b->n_lists;
    enum wf_code code = faiss_ok(faiss_IndexFlat_new_with(&b->coarse, DIM, metric), err);
    if (code == WF_OK) { /* no list is chosen by its centroid: zeros will do */
        code = faiss_ok(faiss_Index_add(b->coarse, n, b->faiss_zeros), err);
    }
    if (code == WF_OK) {
        code = faiss_ok(faiss_IndexIVFScalarQuantizer_new_with_metric(&b->faiss, b->coarse, DIM, n,
                                                                      QT_8bit, metric, 0),
                        err);
    }
    if (code == WF_OK) {
        faiss_IndexIVFScalarQuantizer_set_nprobe(b->faiss, n);
        code = add_to_faiss(b, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        b->faiss_lists[i] = b->order[i];
    }
    return code;
}

static void bare(void *ctx)
{
    struct bench *b = ctx;
    float distance;
    idx_t label;
    wf_assert(faiss_IndexIVF_search_preassigned(b->faiss, 1, b->query, 1, b->faiss_lists,
                                                b->faiss_zeros, &distance, &label, 0) == 0);
}

/* ---- the cases ---- */

static void run(struct bench *b, const char *label, microbench_fn *peer, bool json)
{
    const struct microbench_case c = {
        .name = "scan",
        .label = label,
        .unit = "vector",
        .units = units_of(b),
        .ours = ours,
        .peer = peer,
        .peer_name = peer == bare ? "faiss" : "memory",
        .quantised = b->codes.codec == WF_CODEC_SQ8,
        .ctx = b,
        .config = {{"rows", rows_of(b)}, {"d", DIM}, {"lists", b->n_lists}, {"bytes", BYTES}}};
    microbench_run(&c, json);
}

static const struct codec_case {
    const char *name;
    enum wf_codec codec;
    enum wf_metric_space metric;
} codec_cases[] = {
    {"fp16 ip", WF_CODEC_FP16, WF_METRIC_IP},     {"fp16 l2", WF_CODEC_FP16, WF_METRIC_L2},
    {"sq8 ip", WF_CODEC_SQ8, WF_METRIC_IP},       {"sq8 l2", WF_CODEC_SQ8, WF_METRIC_L2},
    {"float ip", WF_CODEC_FLOAT32, WF_METRIC_IP}, {"float l2", WF_CODEC_FLOAT32, WF_METRIC_L2},
};
static const struct {
    const char *name;
    enum visit visit;
} visit_cases[] = {
    {"ranges", RANGES}, {"set bits 50%", HALF}, {"set bits 10%", TENTH}, {"gathered", SCATTERED}};

static void beside_memory(struct bench *b, const struct codec_case *c, bool json)
{
    for (size_t i = 0; i < sizeof visit_cases / sizeof visit_cases[0]; i++) {
        char label[48];
        snprintf(label, sizeof label, "%s, %s", c->name, visit_cases[i].name);
        prepare(b, c->codec, c->metric, visit_cases[i].visit);
        run(b, label, memory, json);
    }
}

static enum wf_code beside_faiss(struct bench *b, const struct codec_case *c, bool json,
                                 struct wf_error *err)
{
    char label[48];
    snprintf(label, sizeof label, "%s, ranges", c->name);
    prepare(b, c->codec, c->metric, RANGES);
    const enum wf_code code =
        open_faiss(b, c->metric == WF_METRIC_L2 ? METRIC_L2 : METRIC_INNER_PRODUCT, err);
    if (code == WF_OK) {
        run(b, label, bare, json);
    }
    close_faiss(b);
    return code;
}

static struct bench *bench_create(void)
{
    struct bench *b = wf_xcalloc(1, sizeof *b);
    const size_t most = BYTES / DIM; /* rows of 8 bits */
    const size_t lists = most / LIST_ROWS;
    make_data(b);
    wf_arena_init(&b->arena, 1 << 20);
    b->order = wf_xarray(uint32_t, lists);
    b->bits = wf_xarray(uint64_t, wf_bits_words((uint32_t)most));
    b->rows = wf_xarray(uint32_t, most);
    b->n_rows = wf_xarray(uint32_t, lists);
    b->norms = wf_xmalloc64(most * sizeof(float));
    b->scores = wf_xmalloc64(BATCH_ROWS * sizeof(float));
    b->faiss_lists = wf_xarray(idx_t, lists);
    b->faiss_zeros = wf_xarray(float, lists *DIM);
    for (size_t i = 0; i < most; i++) {
        b->norms[i] = 1;
    }
    return b;
}

static void bench_destroy(struct bench *b)
{
    wf_xfree(b->data);
    wf_xfree(b->order);
    wf_xfree(b->bits);
    wf_xfree(b->rows);
    wf_xfree(b->n_rows);
    wf_xfree(b->norms);
    wf_xfree(b->scores);
    wf_xfree(b->faiss_lists);
    wf_xfree(b->faiss_zeros);
    wf_arena_fini(&b->arena);
    wf_xfree(b);
}

enum wf_code microbench_scan(bool json, struct wf_error *err)
{
    struct bench *b = bench_create();
    enum wf_code code = WF_OK;
    for (size_t i = 0; i < sizeof codec_cases / sizeof codec_cases[0]; i++) {
        beside_memory(b, &codec_cases[i], json);
    }
    for (size_t i = 0; code == WF_OK && i < sizeof codec_cases / sizeof codec_cases[0]; i++) {
        if (codec_cases[i].codec == WF_CODEC_SQ8) {
            code = beside_faiss(b, &codec_cases[i], json, err);
        }
    }
    bench_destroy(b);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_make.c - one space of one shard from vectors in memory: normalise, cluster, put rows into
 * list order, code them, and make the graph where the index is one. See made.h.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/pool.h"
#include "shard/cluster.h"
#include "shard/made.h"

/* Beyond these a code or a sum of products would not be finite. */
static const float fp16_limit = 65504.0F, float_limit = 1e15F;

enum { ENCODE_CHUNK = 4096 };

/* Which items' vectors of which space. */
struct source {
    const struct shard_build *b;
    unsigned space;
    const uint32_t *by_sku;
    uint32_t n;
};
/* The shard's vectors of a space, in SKU order. */
struct input {
    float *x; /* n x dim, normalised for cosine */
    uint32_t *places;
    uint32_t n, without;
};

static enum wf_code check_values(const struct wf_space *space, enum wf_codec codec, const float *x,
                                 const char *sku, struct wf_error *err)
{
    const float limit = codec == WF_CODEC_FP16 ? fp16_limit : float_limit;
    for (uint32_t i = 0; i < space->dim; i++) {
        if (fabsf(x[i]) > limit) {
            return wf_fail(err, WF_INVALID, "space \"%s\", item \"%s\": value %u is %g, limit %g",
                           space->name, sku, i, (double)x[i], (double)limit);
        }
    }
    return WF_OK;
}

static void input_fini(struct input *in)
{
    wf_xfree(in->x);
    wf_xfree(in->places);
}

/* Whether a vector can be searched: finite, and for cosine with a direction. */
static bool usable(const struct wf_space *space, float *x)
{
    if (wf_first_not_finite(x, space->dim) >= 0) {
        return false;
    }
    return space->metric != WF_METRIC_COSINE || wf_normalise(x, space->dim);
}

static enum wf_code read_input(const struct source *from, enum wf_codec codec, struct input *out,
                               struct wf_error *err)
{
    const struct wf_space *sp = &from->b->schema->spaces[from->space];
    const float *vectors = from->b->spaces[from->space].vectors;
    struct input in = {.x = wf_xarray(float, (size_t)from->n * sp->dim + 1),
                       .places = wf_xarray(uint32_t, (size_t)from->n + 1)};
    for (uint32_t i = 0; i < from->n; i++) {
        float *x = in.x + (size_t)in.n * sp->dim;
        if (vectors == NULL) {
            in.without = from->n;
            break;
        }
        memcpy(x, vectors + (size_t)from->by_sku[i] * sp->dim, sp->dim * sizeof *x);
        if (!usable(sp, x)) {
            in.without++;
            continue;
        }
        enum wf_code code = check_values(sp, codec, x, from->b->items->skus[from->by_sku[i]], err);
        if (code != WF_OK) {
            input_fini(&in);
            return code;
        }
        in.places[in.n++] = i;
    }
    *out = in;
    return WF_OK;
}

/* Centroids, and the list of each vector. */
static enum wf_code make_lists(const struct shard_build *b, const struct input *in,
                               struct shard_made *m, uint32_t *list, struct wf_error *err)
{
    struct shard_space *s = &m->space;
    const uint32_t dim = s->schema->dim, padded = wf_padded_dim(dim), lists = s->spec.n;
    const struct shard_points points = {
        .x = in->x, .n = in->n, .d = dim, .metric = s->schema->metric};
    float *packed = wf_xarray(float, (size_t)lists *dim);
    shard_report(b, "cluster", 0.05);
    const bool many = lists >= SHARD_MANY_LISTS;
    enum wf_code code = many ? shard_cluster_many(&points, lists, b->seed, packed, err)
                             : shard_cluster(&points, lists, b->seed, packed, err);
    if (code == WF_OK) {
        shard_report(b, "assign", 0.5);
        code = many ? shard_assign_many(&points, packed, lists, b->seed, list, err)
                    : shard_assign(&points, packed, lists, list, err);
    }
    m->centroids = wf_xmalloc64((size_t)lists * padded * sizeof(float));
    memset(m->centroids, 0, (size_t)lists * padded * sizeof(float));
    for (uint32_t i = 0; i < lists && code == WF_OK; i++) {
        memcpy(m->centroids + (size_t)i * padded, packed + (size_t)i * dim, dim * sizeof(float));
    }
    wf_xfree(packed);
    return code;
}

/* A counting sort by list, stable: SKU order stays inside a list. */
static uint32_t *order_by_list(const uint32_t *list, uint32_t n, uint32_t lists, uint32_t *offsets)
{
    uint32_t *at = wf_xarray(uint32_t, (size_t)lists + 1);
    for (uint32_t i = 0; i < n; i++) {
        offsets[list[i] + 1]++;
    }
    for (uint32_t l = 0; l < lists; l++) {
        offsets[l + 1] += offsets[l];
        at[l] = offsets[l];
    }
    uint32_t *source = wf_xarray(uint32_t, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++) {
        source[at[list[i]]++] = i;
    }
    wf_xfree(at);
    return source;
}

struct encoding {
    const struct input *in;
    const uint32_t *source;
    struct shard_made *m;
    double *longest; /* of each thread */
};

static void encode_chunk(void *ctx, size_t begin, size_t end, unsigned thread)
{
    const struct encoding *e = ctx;
    const struct wf_codes *codes = &e->m->space.codes;
    const uint32_t dim = codes->dim;
    float *decoded = wf_xarray(float, dim);
    for (size_t i = begin; i < end; i++) {
        const size_t from = e->source == NULL ? i : e->source[i];
        wf_encode_row(codes, e->in->x + from * dim, e->m->codes + i * codes->stride);
        wf_decode_row(codes, (uint32_t)i, decoded);
        e->longest[thread] = fmax(e->longest[thread], sqrt((double)wf_dot(decoded, decoded, dim)));
        e->m->places[i] = e->in->places[from];
    }
    wf_xfree(decoded);
}

/* Codes vector source[i] as row i; finds the longest. */
static void encode(const struct input *in, const uint32_t *source, struct shard_made *m)
{
    struct shard_space *s = &m->space;
    const unsigned threads = wf_cores();
    m->codes = wf_xmalloc64((size_t)in->n * s->codes.stride + 64);
    m->places = wf_xarray(uint32_t, (size_t)in->n + 1);
    s->codes.data = m->codes;
    struct encoding e = {.in = in, .source = source, .m = m, .longest = wf_xarray(double, threads)};
    wf_parallel(threads, in->n, ENCODE_CHUNK, encode_chunk, &e);
    for (unsigned i = 0; i < threads; i++) {
        s->max_norm = fmax(s->max_norm, e.longest[i] * (1 + 0x1p-10));
    }
    wf_xfree(e.longest);
}

/* Length of |min| + 255 step: what the error bound of 8-bit decoding is made of. */
static double decode_norm(const struct wf_codes *c)
{
    double sum = 0;
    for (uint32_t i = 0; c->codec == WF_CODEC_SQ8 && i < c->dim; i++) {
        const double w = fabs((double)c->min[i]) + 255 * fabs((double)c->step[i]);
        sum += w * w;
    }
    return sqrt(sum);
}

static enum wf_code make_graph(struct shard_made *m, struct wf_error *err)
{
    struct shard_space *s = &m->space;
    const uint32_t dim = s->schema->dim;
    float *decoded = wf_xarray(float, (size_t)s->n *dim);
    for (uint32_t i = 0; i < s->n; i++) {
        wf_decode_row(&s->codes, i, decoded + (size_t)i * dim);
    }
    enum wf_code code =
        shard_faiss_graph_build(&s->codes, decoded, s->n, s->spec.n, &s->faiss, err);
    wf_xfree(decoded);
    return code;
}

static enum wf_code fill_space(const struct shard_build *b, const struct input *in,
                               struct shard_made *m, struct wf_error *err)
{
    struct shard_space *s = &m->space;
    s->n = in->n;
    m->without = in->without;
    if (s->spec.kind == SHARD_IVF && (s->spec.n == 0 || s->spec.n > s->n)) {
        s->spec.n = s->spec.n == 0 ? shard_spec_lists(s->n) : s->n < 1 ? 1 : s->n;
    }
    shard_spec_text(&s->spec, s->index);
    uint32_t *list = wf_xarray(uint32_t, (size_t)s->n + 1), *source = NULL;
    enum wf_code code = WF_OK;
    if (s->spec.kind == SHARD_IVF && s->n > 0) {
        code = make_lists(b, in, m, list, err);
        m->lists = wf_xarray(uint32_t, (size_t)s->spec.n + 1);
        source = code == WF_OK ? order_by_list(list, s->n, s->spec.n, m->lists) : NULL;
        s->lists = m->lists;
        s->centroids = (struct wf_codes){.codec = WF_CODEC_FLOAT32,
                                         .metric = s->schema->metric,
                                         .dim = s->schema->dim,
                                         .stride = wf_padded_dim(s->schema->dim) * sizeof(float),
                                         .data = (const unsigned char *)m->centroids};
    }
    if (code == WF_OK) {
        shard_report(b, "encode", 0.7);
        encode(in, source, m);
        code = shard_make_first_pass(m, b->seed, err);
    }
    if (code == WF_OK) {
        code = s->spec.kind == SHARD_HNSW && s->n > 0 ? make_graph(m, err)
                                                      : shard_space_attach(s, err);
    }
    wf_xfree(list);
    wf_xfree(source);
    return code;
}

enum wf_code shard_make(const struct shard_build *b, unsigned space, const uint32_t *by_sku,
                        uint32_t n, struct shard_made *out, struct wf_error *err)
{
    const struct wf_space *sp = &b->schema->spaces[space];
    struct shard_made m = {.space = {.schema = sp}};
    struct shard_space *s = &m.space;
    enum wf_code code = shard_spec_parse(b->index, &s->spec, err);
    if (code == WF_OK) {
        code = shard_spec_fit(&s->spec, sp->name, sp->dim, err);
    }
    if (code != WF_OK) {
        return code;
    }
    s->codes = (struct wf_codes){.codec = s->spec.codec, .metric = sp->metric, .dim = sp->dim};
    s->codes.stride = wf_padded_dim(sp->dim) * wf_codec_size(s->spec.codec);
    if (s->spec.codec == WF_CODEC_SQ8) {
        if (b->sq8_min == NULL || b->sq8_step == NULL) {
            return wf_fail(err, WF_INVALID, "index \"%.40s\" needs the ranges of space \"%s\"",
                           b->index, sp->name);
        }
        s->codes.min = b->sq8_min[space];
        s->codes.step = b->sq8_step[space];
    }
    s->decode_norm = decode_norm(&s->codes);
    const struct source from = {.b = b, .space = space, .by_sku = by_sku, .n = n};
    struct input in;
    shard_report(b, "vectors", 0);
    code = read_input(&from, s->spec.codec, &in, err);
    if (code != WF_OK) {
        return code;
    }
    code = fill_space(b, &in, &m, err);
    input_fini(&in);
    if (code != WF_OK) {
        shard_made_fini(&m);
        return code;
    }
    *out = m;
    return WF_OK;
}

void shard_made_fini(struct shard_made *m)
{
    shard_space_detach(&m->space);
    wf_xfree(m->places);
    wf_xfree(m->codes);
    wf_xfree(m->centroids);
    wf_xfree(m->lists);
    wf_xfree(m->norms);
    wf_xfree(m->pq_centres);
    wf_xfree(m->pq_blocks);
    wf_xfree(m->pq_packed);
    wf_xfree(m->to_row);
    wf_xfree(m->of_row);
}

void shard_sq8_ranges(const struct wf_space *space, const float *vectors, size_t n, float *min,
                      float *step)
{
    float *x = wf_xarray(float, space->dim), *max = wf_xarray(float, space->dim);
    for (uint32_t j = 0; j < space->dim; j++) {
        min[j] = INFINITY;
        max[j] = -INFINITY;
    }
    for (size_t i = 0; i < n && vectors != NULL; i++) {
        memcpy(x, vectors + i * space->dim, space->dim * sizeof *x);
        if (!usable(space, x)) {
            continue;
        }
        for (uint32_t j = 0; j < space->dim; j++) {
            min[j] = x[j] < min[j] ? x[j] : min[j];
            max[j] = x[j] > max[j] ? x[j] : max[j];
        }
    }
    for (uint32_t j = 0; j < space->dim; j++) {
        const bool any = min[j] <= max[j];
        step[j] = any ? (max[j] - min[j]) / 255.0F : 0;
        min[j] = any ? min[j] : 0;
    }
    wf_xfree(x);
    wf_xfree(max);
}

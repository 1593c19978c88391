/* SPDX-License-Identifier: Apache-2.0
 *
 * trial.c - see trial.h.
 *
 * Right answers come of the vectors as given, so that what coding loses counts too. Queries are
 * rows moved by noise half as long as themselves, and means of three rows.
 */
#include "shard/trial.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "shard/refine.h"

enum {
    SAMPLE_MOST = 65536,
    QUERIES = 160,
    KINDS = 2,
    DEPTH = 10,
    MIX = 3,
    ROUNDS = 3, /* the fastest counts */
    EF_LEAST = 16,
    EF_MOST = 2048,
    LINKS = 32,
};
static const double noise = 0.5, near_enough = 1.1;

/* IVF gets its lists by the number of rows. rows_most: of the shard; 0: any. */
static const struct {
    struct shard_spec spec;
    uint32_t rows_most;
} candidates[] = {
    {{.kind = SHARD_IVF, .codec = WF_CODEC_FP16}, 0},
    {{.kind = SHARD_IVF, .codec = WF_CODEC_SQ8}, 0},
    {{.kind = SHARD_IVF, .codec = WF_CODEC_SQ8, .pq = true}, 0},
    {{.kind = SHARD_IVF, .codec = WF_CODEC_FP16, .pq = true}, 0},
    {{.kind = SHARD_HNSW, .codec = WF_CODEC_FP16, .n = LINKS}, 300000},
    {{.kind = SHARD_FLAT, .codec = WF_CODEC_FLOAT32}, 20000},
};
enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };
_Static_assert(sizeof candidates / sizeof candidates[0] <= SHARD_TRIALS_MAX,
               "every candidate has a place");

/* ---- one space of the sample: queries and right answers ---- */

struct bench {
    const struct shard_build *b; /* the sample's */
    unsigned space;
    double wanted;
    struct shard_made flat;
    uint32_t *flat_row; /* of each place */
    float *queries;     /* n x dim */
    float *thresholds;  /* n: score that a right row reaches */
    uint32_t n, due;
    struct wf_arena arena;
};

/* An index under trial. */
struct tried {
    struct shard_made made;
    struct wire_effort effort;
    double recall, micros;
};

/* Query i by its kind. */
static void make_query(struct bench *be, uint32_t i)
{
    const struct shard_space *s = &be->flat.space;
    const uint32_t dim = s->codes.dim, kind = i % KINDS;
    struct wf_random r = wf_random_of(be->b->seed, UINT64_C(0x747269616c) + i);
    float *q = be->queries + (size_t)i * dim, *x = wf_xarray(float, dim);
    const uint32_t row = (uint32_t)wf_random_below(&r, s->n);
    wf_decode_row(&s->codes, row, q);
    const double scale = noise * sqrt((double)wf_dot(q, q, dim) / dim);
    for (uint32_t j = 0; j < dim && kind == 0; j++) {
        q[j] += (float)(scale * wf_random_normal(&r));
    }
    for (int more = 1; more < MIX && kind == 1; more++) {
        wf_decode_row(&s->codes, (uint32_t)wf_random_below(&r, s->n), x);
        for (uint32_t j = 0; j < dim; j++) {
            q[j] += (x[j] - q[j]) / (float)(more + 1);
        }
    }
    if (s->schema->metric == WF_METRIC_COSINE && !wf_normalise(q, dim)) {
        wf_decode_row(&s->codes, row, q);
    }
    wf_xfree(x);
}

static enum wf_code search(struct bench *be, const struct shard_made *m, uint32_t i,
                           struct wire_effort effort, struct shard_hits *hits, struct wf_error *err)
{
    const struct shard_query q = {.vector = be->queries + (size_t)i * m->space.codes.dim,
                                  .k = DEPTH,
                                  .effort = effort,
                                  .deadline = INT64_MAX,
                                  .order = m->places};
    wf_arena_reset(&be->arena);
    return shard_space_search(&m->space, &q, &be->arena, hits, err);
}

static void bench_fini(struct bench *be)
{
    wf_arena_fini(&be->arena);
    shard_made_fini(&be->flat);
    wf_xfree(be->flat_row);
    wf_xfree(be->queries);
    wf_xfree(be->thresholds);
}

static enum wf_code make(const struct bench *be, const char *index, struct shard_made *out,
                         struct wf_error *err)
{
    struct shard_build b = *be->b;
    b.index = index;
    return shard_make(&b, be->space, b.rows, (uint32_t)b.n_rows, out, err);
}

static enum wf_code bench_init(struct bench *be, const struct shard_build *b, unsigned space,
                               double wanted, struct wf_error *err)
{
    *be = (struct bench){.b = b, .space = space, .wanted = wanted};
    enum wf_code code = make(be, "Flat", &be->flat, err);
    if (code != WF_OK) {
        return code;
    }
    const struct shard_space *s = &be->flat.space;
    wf_arena_init(&be->arena, (size_t)1 << 30);
    be->n = s->n == 0 ? 0 : QUERIES;
    be->flat_row = wf_xarray(uint32_t, b->n_rows + 1);
    be->queries = wf_xarray(float, (size_t)QUERIES * b->schema->spaces[space].dim);
    be->thresholds = wf_xarray(float, QUERIES);
    for (uint32_t row = 0; row < s->n; row++) {
        be->flat_row[be->flat.places[row]] = row;
    }
    for (uint32_t i = 0; i < be->n && code == WF_OK; i++) {
        struct shard_hits hits;
        make_query(be, i);
        code =
            search(be, &be->flat, i, (struct wire_effort){.kind = WIRE_EFFORT_EXACT}, &hits, err);
        if (code == WF_OK && hits.n > 0) {
            const float last = hits.hits[hits.n - 1].score;
            be->thresholds[i] = last - 1e-6F * fmaxf(1, fabsf(last));
            be->due += hits.n;
        }
    }
    if (code != WF_OK) {
        bench_fini(be);
    }
    return code;
}

/* ---- one index ---- */

static enum wf_code recall_of(struct bench *be, const struct tried *t, struct wire_effort effort,
                              double *out, struct wf_error *err)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < be->n; i++) {
        struct shard_hits hits;
        enum wf_code code = search(be, &t->made, i, effort, &hits, err);
        if (code != WF_OK) {
            return code;
        }
        const float *q = be->queries + (size_t)i * t->made.space.codes.dim;
        for (uint32_t j = 0; j < hits.n; j++) {
            float score;
            const uint32_t *row = &be->flat_row[t->made.places[hits.hits[j].row]];
            wf_score_rows(&be->flat.space.codes, q, row, 0, 1, &score);
            found += score >= be->thresholds[i];
        }
    }
    *out = be->due == 0 ? 1 : (double)found / be->due;
    return WF_OK;
}

/* Least lists that reach the wish, or all. */
static enum wf_code fit_lists(struct bench *be, struct tried *t, struct wf_error *err)
{
    uint32_t low = 1, high = t->made.space.spec.n;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        double recall = 0;
        t->effort = (struct wire_effort){.kind = WIRE_EFFORT_NPROBE, .value = mid};
        enum wf_code code = recall_of(be, t, t->effort, &recall, err);
        if (code != WF_OK) {
            return code;
        }
        if (recall >= be->wanted) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    t->effort = (struct wire_effort){.kind = WIRE_EFFORT_NPROBE, .value = low};
    return recall_of(be, t, t->effort, &t->recall, err);
}

/* With a first pass that loses little; then the lists again, since it may need fewer or more. */
static enum wf_code fit_packed(struct bench *be, struct tried *t, struct wf_error *err)
{
    enum wf_code code = fit_lists(be, t, err);
    const struct shard_refine_sample sample = {
        .queries = be->queries, .n = be->n, .order = t->made.places, .nprobe = t->effort.value};
    double kept;
    if (code == WF_OK) {
        code = shard_tune_refine(&t->made.space, &sample, &kept, err);
    }
    return code == WF_OK ? fit_lists(be, t, err) : code;
}

static enum wf_code fit_graph(struct bench *be, struct tried *t, struct wf_error *err)
{
    enum wf_code code = WF_OK;
    t->recall = 0;
    for (uint32_t ef = EF_LEAST; code == WF_OK && ef <= EF_MOST && t->recall < be->wanted;
         ef += ef / 2) {
        t->effort = (struct wire_effort){.kind = WIRE_EFFORT_EF, .value = ef};
        code = recall_of(be, t, t->effort, &t->recall, err);
    }
    return code;
}

static enum wf_code fit(struct bench *be, struct tried *t, struct wf_error *err)
{
    if (be->n == 0 || t->made.space.spec.kind == SHARD_FLAT) {
        t->effort = (struct wire_effort){.kind = WIRE_EFFORT_EXACT};
        t->recall = 1;
        return WF_OK;
    }
    return t->made.space.spec.kind == SHARD_HNSW ? fit_graph(be, t, err)
           : t->made.space.spec.pq               ? fit_packed(be, t, err)
                                                 : fit_lists(be, t, err);
}

static enum wf_code clock_it(struct bench *be, struct tried *t, struct wf_error *err)
{
    for (int round = 0; round < ROUNDS && be->n > 0; round++) {
        const int64_t begin = wf_now_thread_cpu();
        for (uint32_t i = 0; i < be->n; i++) {
            struct shard_hits hits;
            enum wf_code code = search(be, &t->made, i, t->effort, &hits, err);
            if (code != WF_OK) {
                return code;
            }
        }
        const double micros = (double)(wf_now_thread_cpu() - begin) / 1e3 / be->n;
        t->micros = round == 0 || micros < t->micros ? micros : t->micros;
    }
    return WF_OK;
}

static double bytes_of(const struct shard_made *m)
{
    const struct shard_space *s = &m->space;
    double bytes = (double)s->n * (double)s->codes.stride;
    if (s->n > 0 && s->spec.kind == SHARD_IVF) {
        bytes += (double)s->spec.n * (double)(s->centroids.stride + sizeof *s->lists);
    }
    if (s->n > 0 && s->spec.kind == SHARD_HNSW) {
        struct shard_graph g;
        shard_faiss_graph_get(s->faiss, &g);
        bytes += (double)(g.n_adjacent * sizeof *g.adjacent + g.n * sizeof *g.levels);
    }
    if (s->pq.m > 0) {
        bytes += (double)shard_pq_bytes(&s->pq, s->pq.blocks[s->spec.n]);
    }
    return bytes + (s->norms == NULL ? 0 : (double)s->n * sizeof *s->norms);
}

/* Adds what one space says of an index. */
static enum wf_code try_index(struct bench *be, const char *index, struct shard_trial *out,
                              struct wf_error *err)
{
    struct tried t = {0};
    enum wf_code code = make(be, index, &t.made, err);
    if (code != WF_OK) {
        return code;
    }
    code = fit(be, &t, err);
    if (code == WF_OK) {
        code = clock_it(be, &t, err);
    }
    out->recall = t.recall < out->recall ? t.recall : out->recall;
    out->micros += t.micros;
    out->bytes_per_row += bytes_of(&t.made) / (double)be->b->n_rows;
    shard_made_fini(&t.made);
    return code;
}

/* ---- the table ---- */

static bool suits(const struct shard_build *b, const struct shard_spec *spec, uint32_t rows_most)
{
    for (unsigned i = 0; i < b->schema->n_spaces; i++) {
        struct shard_spec fitted = *spec;
        if (shard_spec_fit(&fitted, "", b->schema->spaces[i].dim, NULL) != WF_OK) {
            return false;
        }
    }
    return rows_most == 0 || b->n_rows <= rows_most;
}

/* The candidate's text for so many rows. */
static void name_index(size_t candidate, size_t rows, char text[SHARD_SPEC_TEXT])
{
    struct shard_spec spec = candidates[candidate].spec;
    spec.n = spec.kind == SHARD_IVF ? shard_spec_lists(rows) : spec.n;
    shard_spec_text(&spec, text);
}

static enum wf_code try_all(const struct shard_build *sample, const struct shard_build *b,
                            const struct shard_wish *wish, struct shard_trials *out,
                            struct wf_error *err)
{
    size_t which[SHARD_TRIALS_MAX];
    for (size_t c = 0; c < CANDIDATES; c++) {
        if (suits(b, &candidates[c].spec, candidates[c].rows_most)) {
            which[out->n] = c;
            struct shard_trial *t = &out->trials[out->n++];
            *t = (struct shard_trial){.recall = 1};
            name_index(c, b->n_rows, t->index);
        }
    }
    enum wf_code code = WF_OK;
    for (unsigned s = 0; s < b->schema->n_spaces && code == WF_OK; s++) {
        struct bench be;
        code = bench_init(&be, sample, s, wish->recall, err);
        if (code != WF_OK) {
            return code;
        }
        for (uint32_t i = 0; i < out->n && code == WF_OK; i++) {
            char index[SHARD_SPEC_TEXT];
            name_index(which[i], sample->n_rows, index);
            code = try_index(&be, index, &out->trials[i], err);
        }
        bench_fini(&be);
    }
    return code;
}

/* ---- choosing ---- */

/* The cheapest that fits and reaches the recall, or NULL. */
static struct shard_trial *cheapest(struct shard_trials *t, double recall)
{
    struct shard_trial *best = NULL;
    for (uint32_t i = 0; i < t->n; i++) {
        struct shard_trial *at = &t->trials[i];
        if (at->fits && at->recall >= recall && (best == NULL || at->micros < best->micros)) {
            best = at;
        }
    }
    return best;
}

static double highest_recall(const struct shard_trials *t)
{
    double most = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        most = t->trials[i].fits && t->trials[i].recall > most ? t->trials[i].recall : most;
    }
    return most;
}

static enum wf_code none_fits(const struct shard_trials *t, const struct shard_wish *wish,
                              uint64_t rows, struct wf_error *err)
{
    const struct shard_trial *least = &t->trials[0];
    for (uint32_t i = 1; i < t->n; i++) {
        least = t->trials[i].bytes_per_row < least->bytes_per_row ? &t->trials[i] : least;
    }
    return wf_fail(err, WF_EXHAUSTED, "%s takes %.0f bytes for %llu rows, the limit is %llu",
                   least->index, least->bytes_per_row * (double)rows, (unsigned long long)rows,
                   (unsigned long long)wish->memory);
}

enum wf_code shard_trials_choose(struct shard_trials *t, const struct shard_wish *wish,
                                 uint64_t rows, struct wf_error *err)
{
    for (uint32_t i = 0; i < t->n; i++) {
        struct shard_trial *at = &t->trials[i];
        at->chosen = false;
        at->fits = wish->memory == 0 || at->bytes_per_row * (double)rows <= (double)wish->memory;
    }
    const double most = highest_recall(t), recall = most < wish->recall ? most : wish->recall;
    struct shard_trial *best = cheapest(t, recall);
    if (best == NULL) {
        return none_fits(t, wish, rows, err);
    }
    const double micros = best->micros * near_enough;
    for (uint32_t i = 0; i < t->n; i++) {
        struct shard_trial *at = &t->trials[i];
        if (at->fits && at->recall >= recall && at->micros <= micros &&
            at->bytes_per_row < best->bytes_per_row) {
            best = at;
        }
    }
    best->chosen = true;
    return WF_OK;
}

enum wf_code shard_try(const struct shard_build *b, const struct shard_wish *wish,
                       struct shard_trials *out, struct wf_error *err)
{
    struct shard_build sample = *b;
    sample.n_rows = b->n_rows < SAMPLE_MOST ? b->n_rows : SAMPLE_MOST;
    uint32_t *rows = wf_xarray(uint32_t, sample.n_rows + 1);
    for (size_t i = 0; i < sample.n_rows; i++) {
        rows[i] = b->rows[(size_t)((uint64_t)i * b->n_rows / sample.n_rows)];
    }
    sample.rows = rows;
    sample.progress = NULL; /* the shares are those of one build */
    struct shard_trials trials = {.rows = (uint32_t)sample.n_rows};
    enum wf_code code = try_all(&sample, b, wish, &trials, err);
    if (code == WF_OK) {
        code = shard_trials_choose(&trials, wish, b->n_rows, err);
    }
    wf_xfree(rows);
    if (code == WF_OK) {
        *out = trials;
    }
    return code;
}

const char *shard_trials_index(const struct shard_trials *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->trials[i].chosen) {
            return t->trials[i].index;
        }
    }
    return NULL;
}

json_t *shard_trials_json(const struct shard_trials *t)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < t->n; i++) {
        const struct shard_trial *at = &t->trials[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:f, s:f, s:f, s:b}", "index", at->index, "recall",
                                        at->recall, "micros", at->micros, "bytes_per_row",
                                        at->bytes_per_row, "chosen", (int)at->chosen));
    }
    return list;
}

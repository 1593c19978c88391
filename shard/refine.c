/* SPDX-License-Identifier: Apache-2.0
 *
 * refine.c - see refine.h. Measured by the searching code, against the same lists searched without
 * the first pass.
 */
#include "shard/refine.h"

#include "base/pool.h"

enum { DEPTH = 10, CHUNK = 8 };
static const double loss_allowed = 0.003;
static const uint32_t steps[] = {2, 3, 4, 6, 8, 12, 16, 24, SHARD_REFINE_MOST};

struct trial {
    const struct shard_space *space; /* as it is searched */
    const struct shard_refine_sample *sample;
    float *floors;   /* n: score of the last right row */
    uint32_t *due;   /* n: right rows */
    uint32_t *found; /* n */
    bool setting;    /* floors and due are made, else used */
    enum wf_code *codes;
    struct wf_error *errors; /* n of both */
};

static void take_hits(struct trial *t, size_t i, const struct shard_hits *hits)
{
    if (t->setting) {
        t->due[i] = hits->n;
        t->floors[i] = hits->n == 0 ? 0 : hits->hits[hits->n - 1].score;
    }
    t->found[i] = 0;
    for (uint32_t j = 0; j < hits->n; j++) {
        t->found[i] += hits->hits[j].score >= t->floors[i];
    }
}

static void search_some(void *ctx, size_t begin, size_t end, unsigned thread)
{
    (void)thread;
    struct trial *t = ctx;
    struct wf_arena a;
    wf_arena_init(&a, (size_t)1 << 30);
    for (size_t i = begin; i < end; i++) {
        const struct shard_query q = {
            .vector = t->sample->queries + i * t->space->codes.dim,
            .k = DEPTH,
            .effort = {.kind = WIRE_EFFORT_NPROBE, .value = t->sample->nprobe},
            .deadline = INT64_MAX,
            .order = t->sample->order};
        struct shard_hits hits;
        wf_arena_reset(&a);
        t->codes[i] = shard_space_search(t->space, &q, &a, &hits, &t->errors[i]);
        if (t->codes[i] == WF_OK) {
            take_hits(t, i, &hits);
        }
    }
    wf_arena_fini(&a);
}

/* Share of the right rows that is found. */
static enum wf_code search_all(struct trial *t, double *kept, struct wf_error *err)
{
    uint64_t found = 0, due = 0;
    wf_parallel(0, t->sample->n, CHUNK, search_some, t);
    for (uint32_t i = 0; i < t->sample->n; i++) {
        if (t->codes[i] != WF_OK) {
            *err = t->errors[i];
            return t->codes[i];
        }
        found += t->found[i];
        due += t->due[i];
    }
    *kept = due == 0 ? 1 : (double)found / (double)due;
    return WF_OK;
}

/* The steps from below until one keeps enough. */
static enum wf_code climb(struct trial *t, struct shard_space *s, double *kept,
                          struct wf_error *err)
{
    t->space = s;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        s->pq.refine = steps[i];
        enum wf_code code = search_all(t, kept, err);
        if (code != WF_OK) {
            return code;
        }
        if (*kept >= 1 - loss_allowed) {
            break;
        }
    }
    return WF_OK;
}

enum wf_code shard_tune_refine(struct shard_space *s, const struct shard_refine_sample *sample,
                               double *kept, struct wf_error *err)
{
    *kept = 1;
    if (s->pq.m == 0 || sample->n == 0) {
        return WF_OK;
    }
    struct shard_space plain = *s;
    plain.pq.m = 0;
    struct trial t = {.space = &plain,
                      .sample = sample,
                      .floors = wf_xarray(float, sample->n),
                      .due = wf_xarray(uint32_t, sample->n),
                      .found = wf_xarray(uint32_t, sample->n),
                      .setting = true,
                      .codes = wf_xarray(enum wf_code, sample->n),
                      .errors = wf_xarray(struct wf_error, sample->n)};
    enum wf_code code = search_all(&t, kept, err);
    t.setting = false;
    if (code == WF_OK) {
        code = climb(&t, s, kept, err);
    }
    wf_xfree(t.errors);
    wf_xfree(t.codes);
    wf_xfree(t.found);
    wf_xfree(t.due);
    wf_xfree(t.floors);
    return code;
}

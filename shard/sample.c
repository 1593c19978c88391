/* SPDX-License-Identifier: Apache-2.0
 *
 * sample.c - see sample.h. Queries are answered GROUP at a time, so that a block of rows is scored
 * for all of them while it is in the cache.
 */
#include "shard/sample.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/pool.h"
#include "shard/reach.h"
#include "shard/top.h"

const double sample_selectivities[SAMPLE_LEVELS] = {1, .5, .1, .05, .01, .001};

enum {
    SAMPLE_MOST = 600,
    SAMPLE_LEAST = 200,
    DEEP_ROWS = 100000, /* from here on depth 1000 is measured */
    GROUP = 8,
    BLOCK_ROWS = 512,
    MIX = 3,
    REGIONS = 64,
};
static const double scores_most = 4e8; /* of the pass, where that leaves SAMPLE_LEAST queries */

/* ---- queries and filters ---- */

static void move_query(float *q, uint32_t dim, struct wf_random *r)
{
    const double scale = 0.5 * sqrt((double)wf_dot(q, q, dim) / dim);
    for (uint32_t j = 0; j < dim; j++) {
        q[j] += (float)(scale * wf_random_normal(r));
    }
}

static void mix_query(const struct shard_space *s, float *q, struct wf_random *r)
{
    const uint32_t dim = s->schema->dim;
    float *x = wf_xarray(float, dim);
    for (int more = 1; more < MIX; more++) {
        wf_decode_row(&s->codes, (uint32_t)wf_random_below(r, s->n), x);
        for (uint32_t j = 0; j < dim; j++) {
            q[j] += x[j];
        }
    }
    for (uint32_t j = 0; j < dim; j++) {
        q[j] /= MIX;
    }
    wf_xfree(x);
}

static void make_query(struct shard_sample *sa, uint32_t i, uint64_t seed)
{
    const struct shard_space *s = sa->space;
    const uint32_t dim = s->schema->dim;
    struct wf_random r = wf_random_of(seed, i);
    float *q = sa->queries + (size_t)i * dim;
    const uint32_t row = (uint32_t)wf_random_below(&r, s->n);
    wf_decode_row(&s->codes, row, q);
    sa->self[i] = i % 3 == 0 ? row : WF_NO_ROW;
    if (i % 3 == 1) {
        move_query(q, dim, &r);
    } else if (i % 3 == 2) {
        mix_query(s, q, &r);
    }
    if (s->schema->metric == WF_METRIC_COSINE && !wf_normalise(q, dim)) {
        wf_decode_row(&s->codes, row, q);
    }
}

/* Regions of the space: the rows nearest to each of REGIONS drawn ones. */
struct regions {
    const struct shard_space *s;
    float *anchors;      /* REGIONS x dim */
    unsigned char *of;   /* region of each row */
    uint32_t n[REGIONS]; /* rows of each */
};

static void find_regions(void *ctx, size_t begin, size_t end, unsigned thread)
{
    (void)thread;
    struct regions *rs = ctx;
    float best[BLOCK_ROWS], scores[BLOCK_ROWS];
    const size_t n = end - begin;
    for (uint32_t region = 0; region < REGIONS; region++) {
        const float *anchor = rs->anchors + (size_t)region * rs->s->schema->dim;
        wf_score_rows(&rs->s->codes, anchor, NULL, (uint32_t)begin, n, scores);
        for (size_t i = 0; i < n; i++) {
            if (region == 0 || scores[i] > best[i]) {
                best[i] = scores[i];
                rs->of[begin + i] = (unsigned char)region;
            }
        }
    }
}

static void make_regions(const struct shard_space *s, uint64_t seed, struct regions *rs)
{
    *rs = (struct regions){.s = s,
                           .anchors = wf_xarray(float, (size_t)REGIONS * s->schema->dim),
                           .of = wf_xarray(unsigned char, s->n)};
    struct wf_random r = wf_random_of(seed, 2);
    for (uint32_t i = 0; i < REGIONS; i++) {
        wf_decode_row(&s->codes, (uint32_t)wf_random_below(&r, s->n),
                      rs->anchors + (size_t)i * s->schema->dim);
    }
    wf_parallel(0, s->n, BLOCK_ROWS, find_regions, rs);
    for (uint32_t row = 0; row < s->n; row++) {
        rs->n[rs->of[row]]++;
    }
}

/* What a level lets through: rows of the first regions, and of those a share at random. */
struct level {
    uint32_t regions;
    double share;
};

static void make_levels(const struct regions *rs, struct level levels[SAMPLE_LEVELS])
{
    for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
        const double wanted = sample_selectivities[l] * rs->s->n;
        double rows = 0;
        uint32_t at = 0;
        while (at < REGIONS && rows < wanted) {
            rows += rs->n[at++];
        }
        levels[l] = (struct level){at, rows > wanted ? wanted / rows : 1};
    }
}

/* Sets the levels of every row by its number and region, and counts. */
static void make_members(struct shard_sample *sa, uint32_t family, const struct regions *rs,
                         uint64_t seed)
{
    const struct shard_space *s = sa->space;
    const bool ivf = s->spec.kind == SHARD_IVF;
    struct level levels[SAMPLE_LEVELS];
    uint32_t list = 0, matched[SAMPLE_LEVELS] = {0};
    make_levels(rs, levels);
    for (uint32_t l = 0; l < SAMPLE_LEVELS && family == 0; l++) {
        levels[l] = (struct level){REGIONS, sample_selectivities[l]};
    }
    for (uint32_t row = 0; row < s->n; row++) {
        struct wf_random r = wf_random_of(seed + 1 + family, row);
        const double at = wf_random_unit(&r);
        while (ivf && row >= s->lists[list + 1]) {
            list++;
        }
        for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
            if (rs->of[row] >= levels[l].regions || at >= levels[l].share) {
                continue;
            }
            sa->member[family][row] |= (unsigned char)(1U << l);
            matched[l]++;
            if (ivf) {
                sa->list_matched[family][l][list]++;
            }
        }
    }
    for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
        sa->matched[l] = family == 0 || matched[l] < sa->matched[l] ? matched[l] : sa->matched[l];
    }
}

/* ---- answers ---- */

struct pass {
    struct shard_sample *sa;
    uint32_t keep; /* rows kept of each answer: more than the depth, for ties */
    pthread_mutex_t mu;
    /* guarded by mu: tally, rows and due of the sample */
};
/* One query while it is answered. */
struct answer {
    struct shard_top tops[SAMPLE_LEVELS];
};

static void offer_block(const struct shard_sample *sa, struct answer *an, uint32_t query,
                        uint32_t first, uint32_t n, const float *scores)
{
    const unsigned char *member = sa->member[sample_family(query)];
    const uint32_t self = sa->self[query];
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = first + i;
        for (unsigned m = member[row]; m != 0; m &= m - 1) {
            const int l = __builtin_ctz(m);
            if (scores[i] >= an->tops[l].floor && row != self) {
                shard_top_push(&an->tops[l], (struct shard_hit){scores[i], row, row});
            }
        }
    }
}

static void answer_group(const struct shard_sample *sa, uint32_t begin, uint32_t end,
                         struct answer *answers)
{
    const struct shard_space *s = sa->space;
    float scores[BLOCK_ROWS];
    for (uint32_t first = 0; first < s->n; first += BLOCK_ROWS) {
        const uint32_t n = s->n - first < BLOCK_ROWS ? s->n - first : BLOCK_ROWS;
        for (uint32_t i = begin; i < end; i++) {
            const float *q = sa->queries + (size_t)i * s->schema->dim;
            wf_score_rows(&s->codes, q, NULL, first, n, scores);
            offer_block(sa, &answers[i - begin], i, first, n, scores);
        }
    }
    for (uint32_t i = begin; i < end; i++) {
        for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
            shard_top_sort(&answers[i - begin].tops[l]);
        }
    }
}

/* How many of a sorted answer are right at a depth: ties of the last wanted one are. */
static uint32_t right_rows(const struct shard_top *top, uint32_t depth, float *threshold)
{
    if (top->n == 0) {
        *threshold = INFINITY;
        return 0;
    }
    const float last = top->hits[(depth < top->n ? depth : top->n) - 1].score;
    *threshold = last - 1e-6F * fmaxf(1, fabsf(last));
    uint32_t n = 0;
    while (n < top->n && top->hits[n].score >= *threshold) {
        n++;
    }
    return n;
}

/* ---- how far lists are ---- */

struct ranking {
    const float *scores; /* of each list */
    uint32_t *reach;     /* of each list among those that hold a row of the level, less 1 */
    uint32_t *found;     /* scratch: reaches of the right rows */
};

static const float *score_lists(const struct shard_sample *sa, uint32_t query, struct wf_arena *a)
{
    const struct shard_space *s = sa->space;
    float *scores = wf_arena_alloc64(a, s->spec.n * sizeof *scores);
    wf_assert(scores != NULL);
    const float *q = sa->queries + (size_t)query * s->schema->dim;
    wf_score_rows(&s->centroids, q, NULL, 0, s->spec.n, scores);
    return scores;
}

static uint32_t list_of(const struct shard_space *s, uint32_t row)
{
    uint32_t low = 0, high = s->spec.n; /* lists[low] <= row < lists[high] */
    while (high - low > 1) {
        const uint32_t mid = low + (high - low) / 2;
        if (s->lists[mid] <= row) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

static int rising(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Finds the reach of every list of a level and counts the rows that it adds. Under mu. */
static void reach_lists(struct shard_sample *sa, uint32_t query, uint32_t level, struct ranking *rk)
{
    const uint32_t *rows = sa->list_matched[sample_family(query)][level];
    const uint32_t n = sa->space->spec.n;
    struct shard_reach r = {0};
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i] > 0) {
            shard_reach_add(&r, rk->scores[i]);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        rk->reach[i] = shard_reach_to(&r, rk->scores[i]) - 1;
        sa->rows[level][rk->reach[i]] += rows[i];
    }
}

/* Counts `due` right rows of one answer where the lists that hold them come. Under mu. */
static void tally(struct shard_sample *sa, uint32_t query, uint32_t depth, uint32_t level,
                  const struct shard_top *top, struct ranking *rk)
{
    float threshold;
    const uint32_t n = right_rows(top, sa->depths[depth], &threshold);
    const uint32_t due = n < sa->depths[depth] ? n : sa->depths[depth];
    for (uint32_t i = 0; i < n; i++) {
        rk->found[i] = rk->reach[list_of(sa->space, top->hits[i].row)];
    }
    qsort(rk->found, n, sizeof *rk->found, rising);
    const struct sample_tally *t = &sa->tally[depth][level];
    for (uint32_t i = 0; i < due; i++) {
        t->found[sample_group(query)][rk->found[i]]++;
        t->squares[sample_group(query)][rk->found[i]] += 2 * i + 1;
    }
}

static void count_lists(struct pass *p, uint32_t query, const struct answer *an, struct wf_arena *a)
{
    struct shard_sample *sa = p->sa;
    struct ranking rk = {.scores = score_lists(sa, query, a),
                         .reach = wf_array(a, uint32_t, sa->space->spec.n),
                         .found = wf_array(a, uint32_t, p->keep)};
    wf_assert(rk.reach != NULL && rk.found != NULL);
    pthread_mutex_lock(&p->mu);
    for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
        reach_lists(sa, query, l, &rk);
        for (uint32_t d = 0; d < sa->n_depths; d++) {
            tally(sa, query, d, l, &an->tops[l], &rk);
        }
    }
    pthread_mutex_unlock(&p->mu);
}

static void keep_thresholds(struct pass *p, uint32_t query, const struct answer *an)
{
    struct shard_sample *sa = p->sa;
    float *at = sa->thresholds + (size_t)query * SAMPLE_DEPTHS * SAMPLE_LEVELS;
    for (uint32_t d = 0; d < sa->n_depths; d++) {
        for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
            right_rows(&an->tops[l], sa->depths[d], &at[d * SAMPLE_LEVELS + l]);
        }
    }
    const uint32_t n = an->tops[0].n;
    pthread_mutex_lock(&p->mu);
    sa->due += n < sa->depths[0] ? n : sa->depths[0];
    pthread_mutex_unlock(&p->mu);
}

/* One group of queries. */
static void answer_queries(void *ctx, size_t begin, size_t end, unsigned thread)
{
    (void)thread;
    struct pass *p = ctx;
    struct wf_arena a;
    struct answer answers[GROUP];
    wf_arena_init(&a, SIZE_MAX);
    for (size_t i = 0; i < (end - begin) * SAMPLE_LEVELS; i++) {
        struct shard_top *top = &answers[i / SAMPLE_LEVELS].tops[i % SAMPLE_LEVELS];
        wf_assert(shard_top_init(top, p->keep, NULL, &a));
    }
    answer_group(p->sa, (uint32_t)begin, (uint32_t)end, answers);
    for (uint32_t i = (uint32_t)begin; i < end; i++) {
        keep_thresholds(p, i, &answers[i - begin]);
        if (p->sa->space->spec.kind == SHARD_IVF) {
            count_lists(p, i, &answers[i - begin], &a);
        }
    }
    wf_arena_fini(&a);
}

/* ---- */

static void init_lists(struct shard_sample *sa)
{
    const uint32_t n = sa->space->spec.n;
    for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
        for (uint32_t family = 0; family < SAMPLE_FAMILIES; family++) {
            sa->list_matched[family][l] = wf_xarray(uint32_t, n);
        }
        sa->rows[l] = wf_xarray(uint64_t, SHARD_REACH_MOST);
        for (uint32_t i = 0; i < sa->n_depths * SAMPLE_GROUPS; i++) {
            struct sample_tally *t = &sa->tally[i / SAMPLE_GROUPS][l];
            t->found[i % SAMPLE_GROUPS] = wf_xarray(uint32_t, SHARD_REACH_MOST);
            t->squares[i % SAMPLE_GROUPS] = wf_xarray(uint32_t, SHARD_REACH_MOST);
        }
    }
}

void shard_sample_init(struct shard_sample *sa, const struct shard_space *s, const uint32_t *order,
                       uint32_t merged_depth, uint64_t seed)
{
    const double most = fmin(fmax(scores_most / s->n, SAMPLE_LEAST), SAMPLE_MOST);
    *sa = (struct shard_sample){.space = s,
                                .kept = 1,
                                .order = order,
                                .n = s->n < SAMPLE_LEAST ? s->n : (uint32_t)most,
                                .depths = {merged_depth, 10, 100, 1000},
                                .n_depths = s->n < DEEP_ROWS ? 3 : 4};
    sa->queries = wf_xarray(float, (size_t)sa->n * s->schema->dim);
    sa->self = wf_xarray(uint32_t, sa->n);
    sa->thresholds = wf_xarray(float, (size_t)sa->n *SAMPLE_DEPTHS *SAMPLE_LEVELS);
    if (s->spec.kind == SHARD_IVF) {
        init_lists(sa);
    }
    struct regions regions;
    make_regions(s, seed, &regions);
    for (uint32_t family = 0; family < SAMPLE_FAMILIES; family++) {
        sa->member[family] = wf_xarray(unsigned char, s->n);
        make_members(sa, family, &regions, seed);
    }
    wf_xfree(regions.anchors);
    wf_xfree(regions.of);
    for (uint32_t i = 0; i < sa->n; i++) {
        make_query(sa, i, seed);
        sa->of_group[sample_group(i)]++;
    }
    const uint32_t deepest = sa->depths[sa->n_depths - 1];
    struct pass p = {.sa = sa, .keep = deepest + deepest / 4};
    pthread_mutex_init(&p.mu, NULL);
    wf_parallel(0, sa->n, GROUP, answer_queries, &p);
    pthread_mutex_destroy(&p.mu);
}

void shard_sample_fini(struct shard_sample *sa)
{
    for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
        wf_xfree(sa->list_matched[0][l]);
        wf_xfree(sa->list_matched[1][l]);
        wf_xfree(sa->rows[l]);
        for (uint32_t i = 0; i < sa->n_depths * SAMPLE_GROUPS; i++) {
            wf_xfree(sa->tally[i / SAMPLE_GROUPS][l].found[i % SAMPLE_GROUPS]);
            wf_xfree(sa->tally[i / SAMPLE_GROUPS][l].squares[i % SAMPLE_GROUPS]);
        }
    }
    wf_xfree(sa->member[0]);
    wf_xfree(sa->member[1]);
    wf_xfree(sa->thresholds);
    wf_xfree(sa->self);
    wf_xfree(sa->queries);
}

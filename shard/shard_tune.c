/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_tune.c - the space's calibration, and the default effort that follows from it.
 *
 * Curves of IVF come from the reaches of the lists that hold the right rows (sample.h, reach.h);
 * those of HNSW from searches. A curve's recall is a mean less its standard error, the lesser of
 * those over queries that are rows themselves and over the others; filters at random and filters of
 * regions have curves of their own. Short of every list none is said to reach 1.
 *
 * The default is the least effort that reaches SHARD_TARGET_DEFAULT at the depth that a merged ten
 * takes from one shard. Where that would compare more than 9.5 % of the rows but .95 does not, the
 * furthest reach within 9.5 % is taken, and a search is then never allowed more than a tenth of the
 * rows. It is measured with the searching code itself. See made.h.
 */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/pool.h"
#include "shard/reach.h"
#include "shard/refine.h"
#include "shard/sample.h"

enum {
    MERGED_DEPTH = 10,
    EF_LEAST = 16,
    EF_MOST = 4096,
    GRAPH_QUERIES = 200,
    REFINE_QUERIES = 400,
    CHUNK = 16
};
static const double recall_least = 0.95, recall_short = 0.9999;
static const double share_wanted = 0.095, share_most = 0.1, brute_share = 0.7;
/* Standard errors between a mean and what is promised: filters differ more than a sample shows. */
static const double errors_off = 1, errors_off_regions = 2;

/* Recalls at which a curve has points; the least effort and all of it are points too. */
static const double marks[] = {.5,  .6,  .7,   .75, .8,   .85, .88,   .9,   .92,   .94, .95,
                               .96, .97, .975, .98, .985, .99, .9925, .995, .9975, .999};
enum { MARKS = sizeof marks / sizeof marks[0] };

/* ---- curves ---- */

/* Right rows of a query that n queries with `found` in all promise. */
static double promised(uint64_t found, uint64_t squares, uint32_t n, double off)
{
    const double mean = (double)found / n;
    const double variance = fmax(0, (double)squares / n - mean * mean);
    return mean - off * sqrt(variance / n);
}

/* Sums over the groups of queries. */
struct sums {
    uint64_t found[SAMPLE_GROUPS], squares[SAMPLE_GROUPS];
};

/* Which queries make a promise: those that met filters of both families, or of one. */
enum whose { OF_RANDOM, OF_REGIONS, OF_BOTH };

static double promised_by(const struct sums *sums, const uint32_t n[SAMPLE_GROUPS], uint32_t depth,
                          enum whose whose)
{
    const double off = whose == OF_REGIONS ? errors_off_regions : errors_off;
    /* sets of groups, a bit each: all of a family, and rows of the space alone */
    static const unsigned sets[][3] = {
        [OF_RANDOM] = {0x3, 0x2, 0}, [OF_REGIONS] = {0xc, 0x8, 0}, [OF_BOTH] = {0x3, 0xc, 0xa}};
    double recall = recall_short;
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t found = 0, squares = 0;
        uint32_t queries = 0;
        for (uint32_t g = 0; g < SAMPLE_GROUPS; g++) {
            const bool in = (sets[whose][i] >> g & 1) != 0;
            found += in ? sums->found[g] : 0;
            squares += in ? sums->squares[g] : 0;
            queries += in ? n[g] : 0;
        }
        if (queries > 0) {
            recall = fmin(recall, promised(found, squares, queries, off) / depth);
        }
    }
    return recall;
}

/* Adds a point unless it has the effort of the last. */
static void add_point(struct shard_curve *c, uint32_t effort, double recall, double rows)
{
    struct shard_point p = {effort, (float)recall, (float)rows};
    const struct shard_point *last = c->n == 0 ? NULL : &c->points[c->n - 1];
    if (last != NULL && last->effort >= effort) {
        return;
    }
    if (last != NULL) {
        p.recall = fmaxf(p.recall, last->recall);
        p.rows = fmaxf(p.rows, last->rows);
    }
    c->points[c->n++] = p;
}

/* Lists probed, further and further. */
struct walk {
    const struct shard_sample *sa;
    uint32_t depth, level, reach;
    enum whose whose;
    struct sums sums;
    uint64_t rows;
    double recall; /* promised with this reach; never falls */
};

static void walk_on(struct walk *w)
{
    const struct sample_tally *t = &w->sa->tally[w->depth][w->level];
    for (uint32_t g = 0; g < SAMPLE_GROUPS; g++) {
        w->sums.found[g] += t->found[g][w->reach];
        w->sums.squares[g] += t->squares[g][w->reach];
    }
    const double recall =
        w->sa->kept * promised_by(&w->sums, w->sa->of_group, w->sa->depths[w->depth], w->whose);
    w->rows += w->sa->rows[w->level][w->reach++];
    w->recall = fmax(w->recall, recall);
}

static void calibrate_lists(const struct shard_sample *sa, uint32_t depth, uint32_t level,
                            enum whose whose, struct shard_curve *c)
{
    *c = (struct shard_curve){.k = sa->depths[depth],
                              .selectivity = (float)sample_selectivities[level]};
    struct walk w = {
        .sa = sa, .depth = depth, .level = level, .whose = level == 0 ? OF_BOTH : whose};
    uint32_t mark = 0;
    const bool enough = sa->matched[level] >= 2 * sa->depths[depth];
    while (enough && w.reach + 1 < SHARD_REACH_MOST && mark < MARKS) {
        walk_on(&w);
        if (w.reach > 1 && w.recall < marks[mark]) {
            continue;
        }
        add_point(c, w.reach, w.recall, (double)w.rows / sa->n);
        while (mark < MARKS && w.recall >= marks[mark]) {
            mark++;
        }
    }
    add_point(c, SHARD_REACH_MOST, sa->kept, sa->matched[level]);
}

/* ---- searches ---- */

/* One effort tried: what each query found and compared. */
struct trial {
    const struct shard_sample *sa;
    struct wire_effort effort;
    uint32_t n, level, depths;           /* queries; depths that count, from the first */
    const struct shard_allowed *allowed; /* of each family; NULL: none */
    uint32_t *found;                     /* n x SAMPLE_DEPTHS */
    uint64_t *scanned;                   /* n */
    enum wf_code *codes;
    struct wf_error *errors; /* n of both */
};

/* Right rows among the first of each depth, without the query's own row. */
static void count_right(const struct trial *t, uint32_t i, const struct shard_hits *hits)
{
    const struct shard_sample *sa = t->sa;
    for (uint32_t d = 0; d < t->depths; d++) {
        const float threshold = sample_threshold(sa, i, d, t->level);
        uint32_t seen = 0, found = 0;
        for (uint32_t j = 0; j < hits->n && seen < sa->depths[d]; j++) {
            if (shard_space_row(sa->space, hits->hits[j].row) != sa->self[i]) {
                seen++;
                found += hits->hits[j].score >= threshold;
            }
        }
        t->found[i * SAMPLE_DEPTHS + d] = found;
    }
}

static void try_queries(void *ctx, size_t begin, size_t end, unsigned thread)
{
    (void)thread;
    struct trial *t = ctx;
    const struct shard_sample *sa = t->sa;
    uint32_t depth = 0;
    for (uint32_t d = 0; d < t->depths; d++) {
        depth = sa->depths[d] > depth ? sa->depths[d] : depth;
    }
    struct wf_arena a;
    wf_arena_init(&a, (size_t)1 << 30);
    for (size_t i = begin; i < end; i++) {
        const struct shard_query q = {
            .vector = sa->queries + i * sa->space->schema->dim,
            .k = depth + 1,
            .effort = t->effort,
            .deadline = INT64_MAX,
            .order = sa->order,
            .allowed = t->allowed == NULL ? NULL : &t->allowed[sample_family((uint32_t)i)]};
        struct shard_hits hits;
        wf_arena_reset(&a);
        t->codes[i] = shard_space_search(sa->space, &q, &a, &hits, &t->errors[i]);
        if (t->codes[i] == WF_OK) {
            count_right(t, (uint32_t)i, &hits);
            t->scanned[i] = hits.scanned;
        }
    }
    wf_arena_fini(&a);
}

static void trial_init(struct trial *t, const struct shard_sample *sa, uint32_t n)
{
    *t = (struct trial){.sa = sa, .n = n};
    t->found = wf_xarray(uint32_t, (size_t)n * SAMPLE_DEPTHS);
    t->scanned = wf_xarray(uint64_t, n);
    t->codes = wf_xarray(enum wf_code, n);
    t->errors = wf_xarray(struct wf_error, n);
}

static void trial_fini(struct trial *t)
{
    wf_xfree(t->found);
    wf_xfree(t->scanned);
    wf_xfree(t->codes);
    wf_xfree(t->errors);
}

static enum wf_code trial_run(struct trial *t, struct wf_error *err)
{
    wf_parallel(0, t->n, CHUNK, try_queries, t);
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->codes[i] != WF_OK) {
            *err = t->errors[i];
            return t->codes[i];
        }
    }
    return WF_OK;
}

static double trial_rows(const struct trial *t)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        rows += t->scanned[i];
    }
    return (double)rows / t->n;
}

static double trial_promise(const struct trial *t, uint32_t depth)
{
    struct sums sums = {0};
    uint32_t n[SAMPLE_GROUPS] = {0};
    for (uint32_t i = 0; i < t->n; i++) {
        const uint64_t now = t->found[i * SAMPLE_DEPTHS + depth];
        n[sample_group(i)]++;
        sums.found[sample_group(i)] += now;
        sums.squares[sample_group(i)] += now * now;
    }
    return promised_by(&sums, n, t->sa->depths[depth], OF_BOTH);
}

/* ---- the default ---- */

/* Searches the sample with the default effort. */
static enum wf_code measure(const struct shard_sample *sa, struct shard_measure *out,
                            struct wf_error *err)
{
    struct trial t;
    trial_init(&t, sa, sa->n);
    t.depths = 1;
    enum wf_code code = trial_run(&t, err);
    if (code == WF_OK) {
        uint64_t found = 0;
        for (uint32_t i = 0; i < t.n; i++) {
            found += t.found[(size_t)i * SAMPLE_DEPTHS];
        }
        *out = (struct shard_measure){
            .recall = sa->due == 0 ? 1 : (double)found / (double)sa->due,
            .scanned = trial_rows(&t) / sa->space->n,
        };
    }
    trial_fini(&t);
    return code;
}

/* Takes a reach as the default and measures it as such. */
static enum wf_code take_reach(struct shard_made *m, const struct shard_sample *sa, uint32_t reach,
                               double cap, struct wf_error *err)
{
    m->space.effort = reach;
    m->space.row_cap = (uint32_t)(cap * m->space.n);
    return measure(sa, &m->measure, err);
}

/* Reaches: the least that gets to the default target, and the most within the share of rows that is
 * wanted. */
struct choice {
    uint32_t wanted, within;
    double rows; /* of the lesser one, mean */
};

static struct choice choose_default(const struct shard_sample *sa)
{
    struct choice c = {.wanted = SHARD_REACH_MOST, .within = 1, .rows = sa->space->n};
    struct walk w = {.sa = sa, .whose = OF_BOTH};
    while (w.reach < SHARD_REACH_MOST) {
        walk_on(&w);
        const double rows = (double)w.rows / sa->n;
        if (rows <= share_wanted * sa->space->n && c.wanted == SHARD_REACH_MOST) {
            c.within = w.reach;
            c.rows = rows;
        }
        if (w.recall >= SHARD_TARGET_DEFAULT && c.wanted == SHARD_REACH_MOST) {
            c.wanted = w.reach;
        }
    }
    return c;
}

/* What a compressed first pass loses with twice the default effort: the more lists, the more. */
static enum wf_code tune_first_pass(struct shard_made *m, struct shard_sample *sa,
                                    struct wf_error *err)
{
    if (m->space.pq.m == 0) {
        return WF_OK;
    }
    const double lists = m->space.spec.n;
    const double twice = 2 * ceil(choose_default(sa).rows * lists / m->space.n);
    const struct shard_refine_sample sample = {.queries = sa->queries,
                                               .n = sa->n < REFINE_QUERIES ? sa->n : REFINE_QUERIES,
                                               .order = sa->order,
                                               .nprobe = (uint32_t)fmin(fmax(twice, 1), lists)};
    return shard_tune_refine(&m->space, &sample, &sa->kept, err);
}

static enum wf_code tune_lists(struct shard_made *m, struct shard_sample *sa, struct wf_error *err)
{
    struct shard_measure *now = &m->measure;
    enum wf_code code = tune_first_pass(m, sa, err);
    if (code != WF_OK) {
        return code;
    }
    const struct choice c = choose_default(sa);
    code = take_reach(m, sa, c.wanted < c.within ? c.wanted : c.within, share_most, err);
    if (code != WF_OK || now->recall >= recall_least) {
        now->settled = c.wanted > c.within;
        return code;
    }
    return take_reach(m, sa, c.wanted, 0, err);
}

static void calibrate(const struct shard_sample *sa, enum whose whose, struct shard_calibration *c)
{
    for (uint32_t d = 1; d < sa->n_depths; d++) {
        for (uint32_t l = 0; l < SAMPLE_LEVELS; l++) {
            calibrate_lists(sa, d, l, whose, &c->curves[c->n++]);
        }
    }
}

/* ---- HNSW ---- */

/* What no walk was seen to reach: as costly as all rows, so that a planner compares them. */
static void add_brute(struct shard_curve *c, uint32_t rows)
{
    const struct shard_point last = c->n == 0 ? (struct shard_point){0} : c->points[c->n - 1];
    add_point(c, last.effort + 1, (double)last.recall, rows);
    add_point(c, last.effort + 2, 1, rows);
}

/* Searches of one level with rising ef, until nothing is missed or brute force costs about as much.
 */
static enum wf_code calibrate_level(struct shard_made *m, struct trial *t,
                                    struct shard_curve *curves, struct wf_error *err)
{
    const struct shard_sample *sa = t->sa;
    const uint32_t matched = sa->matched[t->level];
    const double enough_rows = t->level == 0 ? brute_share * matched : matched;
    uint32_t depths = 1;
    while (depths < sa->n_depths && 2 * sa->depths[depths] <= matched) {
        depths++;
    }
    double least = 0, rows = 0;
    for (uint32_t ef = EF_LEAST;
         ef <= EF_MOST && depths > 1 && least < recall_short && rows < enough_rows; ef += ef / 2) {
        t->effort = (struct wire_effort){.kind = WIRE_EFFORT_EF, .value = ef};
        for (t->depths = 1; t->depths < depths && sa->depths[t->depths] < ef; t->depths++) {
        }
        enum wf_code code = trial_run(t, err);
        if (code != WF_OK) {
            return code;
        }
        rows = trial_rows(t);
        least = t->depths == depths ? 1 : 0;
        for (uint32_t d = 1; d < t->depths; d++) {
            const double recall = trial_promise(t, d);
            least = fmin(least, recall);
            add_point(&curves[(size_t)(d - 1) * SAMPLE_LEVELS], ef, recall, rows);
        }
        if (t->level == 0 && m->space.effort == 0 && trial_promise(t, 0) >= SHARD_TARGET_DEFAULT) {
            m->space.effort = ef;
        }
    }
    for (uint32_t d = 1; d < depths; d++) {
        add_brute(&curves[(size_t)(d - 1) * SAMPLE_LEVELS], sa->space->n);
    }
    return WF_OK;
}

/* The rows of a level as a filter; `bits` becomes its words. */
static struct shard_allowed level_rows(const struct shard_sample *sa, uint32_t family,
                                       uint32_t level, uint64_t *bits)
{
    const uint32_t n = sa->space->n;
    memset(bits, 0, wf_bits_words(n) * sizeof *bits);
    for (uint32_t row = 0; row < n; row++) {
        if ((sa->member[family][row] >> level & 1) != 0) {
            wf_bit_set(bits, row);
        }
    }
    return (struct shard_allowed){.bits = bits, .matched = wf_bits_count(bits, 0, n)};
}

static enum wf_code calibrate_graph(struct shard_made *m, const struct shard_sample *sa,
                                    struct shard_curve *curves, struct wf_error *err)
{
    struct trial t;
    const size_t words = wf_bits_words(sa->space->n);
    uint64_t *bits = wf_xarray(uint64_t, SAMPLE_FAMILIES * words);
    trial_init(&t, sa, sa->n < GRAPH_QUERIES ? sa->n : GRAPH_QUERIES);
    enum wf_code code = WF_OK;
    for (t.level = 0; t.level < SAMPLE_LEVELS && code == WF_OK; t.level++) {
        const struct shard_allowed allowed[SAMPLE_FAMILIES] = {
            level_rows(sa, 0, t.level, bits), level_rows(sa, 1, t.level, bits + words)};
        t.allowed = t.level == 0 ? NULL : allowed;
        code = calibrate_level(m, &t, curves + t.level, err);
    }
    trial_fini(&t);
    wf_xfree(bits);
    return code;
}

static enum wf_code tune_graph(struct shard_made *m, const struct shard_sample *sa,
                               struct wf_error *err)
{
    struct shard_curve curves[(SAMPLE_DEPTHS - 1) * SAMPLE_LEVELS] = {0};
    enum wf_code code = calibrate_graph(m, sa, curves, err);
    struct shard_space *s = &m->space;
    if (s->effort == 0) { /* never reached, or so few rows that any walk meets all */
        s->effort = sa->matched[0] < 2 * sa->depths[1] ? EF_LEAST : EF_MOST;
    }
    code = code == WF_OK ? measure(sa, &m->measure, err) : code;
    struct shard_calibration *c = &s->calibration;
    for (uint32_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        if (curves[i].n > 0) {
            curves[i].k = sa->depths[1 + i / SAMPLE_LEVELS];
            curves[i].selectivity = (float)sample_selectivities[i % SAMPLE_LEVELS];
            c->curves[c->n++] = curves[i];
        }
    }
    return code;
}

enum wf_code shard_tune(struct shard_made *m, const uint32_t *order, const struct shard_build *b,
                        struct wf_error *err)
{
    const struct shard_space *s = &m->space;
    m->measure = (struct shard_measure){.recall = 1, .scanned = 1};
    if (s->spec.kind == SHARD_FLAT || s->n == 0) {
        m->space.effort = s->spec.kind == SHARD_FLAT ? 0 : 1;
        return WF_OK;
    }
    struct shard_sample sa;
    shard_sample_init(&sa, s, order, (MERGED_DEPTH + b->n_shards - 1) / b->n_shards, b->seed);
    enum wf_code code;
    if (s->spec.kind == SHARD_IVF) {
        code = tune_lists(m, &sa, err); /* while there are no curves, which a search would heed */
        calibrate(&sa, OF_RANDOM, &m->space.calibration);
        calibrate(&sa, OF_REGIONS, &m->space.regional);
    } else {
        code = tune_graph(m, &sa, err);
    }
    shard_sample_fini(&sa);
    return code;
}

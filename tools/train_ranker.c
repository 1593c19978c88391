/* SPDX-License-Identifier: Apache-2.0
 *
 * train_ranker.c - the run of `weft train ranker`: groups, boosting, judging, golden rows, files.
 * The trained model is parsed by the evaluator that serves; it judges the model, and it must give
 * the training library's margins on the golden rows, bit for bit, before anything is written.
 */
#include "tools/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "ranking/forest.h"
#include "tools/dataset.h"
#include "tools/golden.h"
#include "tools/train_boost.h"
#include "tools/train_groups.h"

enum { NDCG_AT = 10, GOLDEN_ROWS = 64, JUDGES_PER = 5 /* every fifth group, at the end */ };

struct ranker {
    struct tool_train_groups groups;
    struct tool_boost *boost;
    char *text;
    size_t size;
    struct rank_forest *forest;
    struct tool_golden golden;
};

/* ---- judging ---- */

struct place {
    float key;
    uint32_t at;
};

/* Larger key first; ties, and keys that are missing, in retrieval order. */
static int by_key(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    const float p = isnan(x->key) ? -INFINITY : x->key, q = isnan(y->key) ? -INFINITY : y->key;
    if (p != q) {
        return p > q ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

/* NDCG@10 of a group's candidates sorted by `places`; the ideal has all of its later purchases. */
static double ndcg(struct place *places, uint32_t n, const float *labels, uint32_t n_positives)
{
    double gain = 0, ideal = 0;
    qsort(places, n, sizeof places[0], by_key);
    for (uint32_t i = 0; i < NDCG_AT; i++) {
        const double discount = 1 / log2((double)i + 2);
        gain += i < n && labels[places[i].at] > 0 ? discount : 0;
        ideal += i < n_positives ? discount : 0;
    }
    return gain / ideal;
}

/* Keys of the three orders for row i: margin, retrieval, popularity. */
static void judge_group(const struct tool_train_groups *t, size_t g, const float *margins,
                        struct place *places, double sums[3])
{
    const uint32_t n = t->n_candidates;
    const float *rows = t->rows + g * n * t->n_features;
    for (unsigned order = 0; order < 3; order++) {
        for (uint32_t i = 0; i < n; i++) {
            const float popularity = rows[(size_t)i * t->n_features + t->popularity];
            const float keys[3] = {margins[i], -(float)i, popularity};
            places[i] = (struct place){keys[order], i};
        }
        sums[order] += ndcg(places, n, t->labels + g * n, t->groups[g].n_positives);
    }
}

static void judge(const struct ranker *r, struct tool_train_result *out)
{
    const struct tool_train_groups *t = &r->groups;
    const size_t first = t->n - (size_t)out->n_judged;
    const double n_judged = (double)out->n_judged;
    float *margins = wf_xarray(float, (size_t)t->n_candidates + 1);
    struct place *places = wf_xarray(struct place, (size_t)t->n_candidates + 1);
    double sums[3] = {0}, found = 0, positives = 0;
    for (size_t g = first; g < t->n; g++) {
        rank_forest_score(r->forest, t->rows + g * t->n_candidates * t->n_features, t->n_candidates,
                          margins);
        judge_group(t, g, margins, places, sums);
        found += t->groups[g].n_found;
        positives += t->groups[g].n_positives;
    }
    out->recall = found / positives;
    out->model = sums[0] / n_judged;
    out->retrieval = sums[1] / n_judged;
    out->popularity = sums[2] / n_judged;
    wf_xfree(places);
    wf_xfree(margins);
}

/* ---- learning ---- */

/* Copies the learning groups that have a positive together; the judges stay where they are. */
static struct tool_boost_data pack(const struct tool_train_groups *t, size_t n_learning)
{
    const size_t wide = (size_t)t->n_candidates * t->n_features;
    float *rows = wf_xarray(float, n_learning *wide);
    float *labels = wf_xarray(float, n_learning * t->n_candidates);
    size_t n = 0;
    for (size_t g = 0; g < n_learning; g++) {
        if (t->groups[g].n_found > 0) {
            memcpy(rows + n * wide, t->rows + g * wide, wide * sizeof *rows);
            memcpy(labels + n * t->n_candidates, t->labels + g * t->n_candidates,
                   t->n_candidates * sizeof *labels);
            n++;
        }
    }
    return (struct tool_boost_data){.names = t->names,
                                    .n_features = t->n_features,
                                    .n_groups = n,
                                    .n_per_group = t->n_candidates,
                                    .rows = rows,
                                    .labels = labels};
}

static enum wf_code learn(struct ranker *r, const struct tool_train_options *o,
                          struct tool_train_result *out, struct wf_error *err)
{
    const struct tool_train_groups *t = &r->groups;
    out->n_features = t->n_features;
    out->n_groups = t->n;
    out->n_judged = t->n / JUDGES_PER;
    struct tool_boost_data data = pack(t, t->n - (size_t)out->n_judged);
    out->n_learnt = data.n_groups;
    out->n_rows = data.n_groups * data.n_per_group;
    enum wf_code code = WF_OK;
    if (data.n_groups == 0) {
        code = wf_fail(err, WF_INVALID,
                       "%s: nothing that %zu users bought later is among the %u candidates of "
                       "each; give more --candidates, or simulate shoppers with `weft synth "
                       "--events-for %s`",
                       o->input, t->n, t->n_candidates, o->input);
    } else {
        code = tool_boost_train(&data, o, &r->boost, err);
    }
    wf_xfree((void *)data.rows);
    wf_xfree((void *)data.labels);
    return code;
}

/* ---- golden rows ---- */

/* Rows from all over the data; every fourth with a value taken away, the last without any. */
static void choose_golden(struct ranker *r)
{
    const struct tool_train_groups *t = &r->groups;
    const size_t n = t->n * t->n_candidates;
    const uint32_t n_features = t->n_features;
    r->golden = (struct tool_golden){.n_rows = GOLDEN_ROWS,
                                     .n_features = n_features,
                                     .n_outputs = 1,
                                     .rows = wf_xarray(float, (size_t)GOLDEN_ROWS *n_features),
                                     .margins = wf_xarray(float, GOLDEN_ROWS)};
    for (size_t i = 0; i < GOLDEN_ROWS; i++) {
        float *row = r->golden.rows + i * n_features;
        memcpy(row, t->rows + i * n / GOLDEN_ROWS * n_features, n_features * sizeof *row);
        if (i % 4 == 3) {
            row[i / 4 % n_features] = NAN;
        }
        for (uint32_t j = 0; i + 1 == GOLDEN_ROWS && j < n_features; j++) {
            row[j] = NAN;
        }
    }
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static enum wf_code check_golden(const struct ranker *r, struct wf_error *err)
{
    float margins[GOLDEN_ROWS];
    rank_forest_score(r->forest, r->golden.rows, GOLDEN_ROWS, margins);
    for (size_t i = 0; i < GOLDEN_ROWS; i++) {
        if (bits_of(margins[i]) != bits_of(r->golden.margins[i])) {
            return wf_fail(err, WF_INTERNAL,
                           "golden row %zu: the evaluator gives %.9g, xgboost gives %.9g", i,
                           (double)margins[i], (double)r->golden.margins[i]);
        }
    }
    return WF_OK;
}

static enum wf_code make_golden(struct ranker *r, struct wf_error *err)
{
    choose_golden(r);
    const enum wf_code code =
        tool_boost_margins(r->boost, r->golden.rows, GOLDEN_ROWS, r->golden.margins, err);
    return code == WF_OK ? check_golden(r, err) : code;
}

/* ---- the files ---- */

/* Golden rows first: a model is never without them. */
static enum wf_code write_files(const struct ranker *r, const char *path, struct wf_error *err)
{
    struct wf_writer *w = NULL;
    char *golden = tool_golden_path(path);
    enum wf_code code = tool_golden_write(golden, &r->golden, err);
    wf_xfree(golden);
    if (code == WF_OK) {
        code = wf_writer_open(path, &w, err);
    }
    if (code == WF_OK) {
        wf_writer_put(w, r->text, r->size);
        code = wf_writer_commit(w, err);
    }
    return code;
}

static enum wf_code make_ranker(const struct tool_dataset *ds, const struct tool_train_options *o,
                                struct ranker *r, struct tool_train_result *out,
                                struct wf_error *err)
{
    enum wf_code code = tool_train_groups_make(ds, o, &r->groups, err);
    if (code == WF_OK) {
        code = learn(r, o, out, err);
    }
    if (code == WF_OK) {
        code = tool_boost_model(r->boost, &r->text, &r->size, err);
    }
    if (code == WF_OK) {
        code = rank_forest_parse(r->text, r->size, &r->forest, err);
    }
    if (code == WF_OK) {
        code = make_golden(r, err);
    }
    if (code == WF_OK) {
        judge(r, out);
        rank_forest_hash(r->forest, out->hash);
        code = write_files(r, o->out, err);
    }
    return code;
}

enum wf_code tool_train_ranker_run(const struct tool_train_options *o,
                                   struct tool_train_result *out, struct wf_error *err)
{
    struct tool_dataset *ds = NULL;
    struct ranker r = {0};
    struct tool_train_result result = {0};
    enum wf_code code = tool_dataset_open(o->input, TOOL_LOAD_ITEMS | TOOL_LOAD_SPACES, &ds, err);
    if (code == WF_OK) {
        code = make_ranker(ds, o, &r, &result, err);
    }
    if (code == WF_OK) {
        *out = result;
    }
    tool_golden_fini(&r.golden);
    rank_forest_destroy(r.forest);
    wf_xfree(r.text);
    tool_boost_destroy(r.boost);
    tool_train_groups_fini(&r.groups);
    tool_dataset_close(ds);
    return code;
}

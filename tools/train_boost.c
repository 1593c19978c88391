/* SPDX-License-Identifier: Apache-2.0
 *
 * train_boost.c - see train_boost.h. Every call of the library can fail with a text of many lines,
 * the first of which says what is wrong.
 */
#include "tools/train_boost.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xgboost/c_api.h>

#include "base/arena.h"
#include "tools/progress.h"

/* Purchases are few and noisy: a leaf needs more than XGBoost's default of 1 to be believed. */
static const char min_child_weight[] = "5";

struct tool_boost {
    BoosterHandle handle;
    uint32_t n_features;
    int threads;
};

static enum wf_code check(int status, struct wf_error *err)
{
    if (status == 0) {
        return WF_OK;
    }
    const char *text = XGBGetLastError();
    return wf_fail(err, WF_INTERNAL, "xgboost: %.*s", (int)strcspn(text, "\n"), text);
}

/* ---- matrices ---- */

static enum wf_code matrix_of(const float *rows, size_t n, uint32_t n_features, int threads,
                              DMatrixHandle *out, struct wf_error *err)
{
    return check(XGDMatrixCreateFromMat_omp(rows, n, n_features, NAN, out, threads), err);
}

static enum wf_code describe(DMatrixHandle m, const struct tool_boost_data *data,
                             struct wf_error *err)
{
    const size_t n = data->n_groups * data->n_per_group;
    unsigned *sizes = wf_xarray(unsigned, data->n_groups);
    for (size_t i = 0; i < data->n_groups; i++) {
        sizes[i] = data->n_per_group;
    }
    enum wf_code code = check(XGDMatrixSetFloatInfo(m, "label", data->labels, n), err);
    if (code == WF_OK) {
        code = check(XGDMatrixSetUIntInfo(m, "group", sizes, data->n_groups), err);
    }
    if (code == WF_OK) {
        code = check(XGDMatrixSetStrFeatureInfo(m, "feature_name", data->names, data->n_features),
                     err);
    }
    wf_xfree(sizes);
    return code;
}

/* ---- training ---- */

static enum wf_code set_parameters(BoosterHandle b, const struct tool_train_options *o,
                                   struct wf_error *err)
{
    char depth[24], eta[32], seed[24], nthread[24];
    const char *const parameters[][2] = {
        {"booster", "gbtree"},
        {"tree_method", "hist"},
        {"objective", o->objective},
        {"base_score", "0"},
        {"min_child_weight", min_child_weight},
        {"verbosity", "0"},
        {"max_depth", depth},
        {"eta", eta},
        {"seed", seed},
        {"nthread", nthread},
    };
    (void)snprintf(depth, sizeof depth, "%llu", (unsigned long long)o->depth);
    (void)snprintf(eta, sizeof eta, "%.17g", o->eta);
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    (void)snprintf(nthread, sizeof nthread, "%u", o->threads);
    enum wf_code code = WF_OK;
    for (size_t i = 0; code == WF_OK && i < sizeof parameters / sizeof parameters[0]; i++) {
        code = check(XGBoosterSetParam(b, parameters[i][0], parameters[i][1]), err);
    }
    return code;
}

static enum wf_code boost(BoosterHandle b, DMatrixHandle m, const struct tool_train_options *o,
                          struct wf_error *err)
{
    struct tool_progress progress;
    enum wf_code code = set_parameters(b, o, err);
    tool_progress_init(&progress, "training", "rounds", o->rounds);
    for (uint64_t i = 0; code == WF_OK && i < o->rounds; i++) {
        code = check(XGBoosterUpdateOneIter(b, (int)i, m), err);
        tool_progress_at(&progress, i + 1);
    }
    tool_progress_end(&progress, o->rounds);
    return code;
}

enum wf_code tool_boost_train(const struct tool_boost_data *data,
                              const struct tool_train_options *o, struct tool_boost **out,
                              struct wf_error *err)
{
    BoosterHandle handle = NULL;
    DMatrixHandle m = NULL;
    enum wf_code code = check(XGBSetGlobalConfig("{\"verbosity\":0}"), err);
    if (code == WF_OK) {
        code = matrix_of(data->rows, data->n_groups * data->n_per_group, data->n_features,
                         (int)o->threads, &m, err);
    }
    if (code == WF_OK) {
        code = describe(m, data, err);
    }
    if (code == WF_OK) {
        code = check(XGBoosterCreate(&m, 1, &handle), err);
    }
    if (code == WF_OK) {
        code = boost(handle, m, o, err);
    }
    if (code == WF_OK) { /* the matrix's names do not reach the model by themselves */
        code = check(
            XGBoosterSetStrFeatureInfo(handle, "feature_name", data->names, data->n_features), err);
    }
    if (m != NULL) {
        XGDMatrixFree(m);
    }
    if (code != WF_OK) {
        if (handle != NULL) {
            XGBoosterFree(handle);
        }
        return code;
    }
    *out = wf_xmalloc(sizeof **out);
    **out = (struct tool_boost){handle, data->n_features, (int)o->threads};
    return WF_OK;
}

void tool_boost_destroy(struct tool_boost *b)
{
    if (b != NULL) {
        XGBoosterFree(b->handle);
        wf_xfree(b);
    }
}

/* ---- what came out ---- */

enum wf_code tool_boost_model(struct tool_boost *b, char **text, size_t *size, struct wf_error *err)
{
    const char *bytes;
    bst_ulong n;
    const enum wf_code code =
        check(XGBoosterSaveModelToBuffer(b->handle, "{\"format\":\"json\"}", &n, &bytes), err);
    if (code == WF_OK) {
        *text = wf_xstrndup(bytes, n);
        *size = n;
    }
    return code;
}

enum wf_code tool_boost_margins(struct tool_boost *b, const float *rows, size_t n, float *margins,
                                struct wf_error *err)
{
    static const char margin[] = "{\"type\":1,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"strict_shape\":false}";
    DMatrixHandle m;
    enum wf_code code = matrix_of(rows, n, b->n_features, b->threads, &m, err);
    if (code != WF_OK) {
        return code;
    }
    const bst_ulong *shape;
    bst_ulong n_dims;
    const float *values;
    code = check(XGBoosterPredictFromDMatrix(b->handle, m, margin, &shape, &n_dims, &values), err);
    if (code == WF_OK && (n_dims < 1 || shape[0] != n)) {
        code = wf_fail(err, WF_INTERNAL, "xgboost: %llu margins for %zu rows",
                       n_dims < 1 ? 0ULL : (unsigned long long)shape[0], n);
    }
    if (code == WF_OK) {
        memcpy(margins, values, n * sizeof *margins);
    }
    XGDMatrixFree(m);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_forest.c - the forest beside the XGBoost library that trained it, in this very run:
 * in-place prediction of margins with one thread.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <xgboost/c_api.h>

#include "base/arena.h"
#include "base/hash.h"
#include "ranking/forest.h"
#include "tools/microbench.h"

enum { ROWS = 500, FEATURES = 40, TREES = 300, DEPTH = 6, TRAIN_ROWS = 20000 };

struct bench {
    BoosterHandle booster;
    DMatrixHandle meta;
    struct rank_forest *forest;
    float rows[ROWS * FEATURES], margins[ROWS];
    char array[256]; /* __array_interface__ of rows */
};

static enum wf_code xgb(int status, struct wf_error *err)
{
    return status == 0 ? WF_OK : wf_fail(err, WF_INTERNAL, "xgboost: %.200s", XGBGetLastError());
}

static void ours(void *ctx)
{
    struct bench *b = ctx;
    rank_forest_score(b->forest, b->rows, ROWS, b->margins);
}

static void theirs(void *ctx)
{
    struct bench *b = ctx;
    static const char config[] =
        "{\"type\":1,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
        "\"strict_shape\":false,\"missing\":NaN,\"cache_id\":0}";
    const bst_ulong *shape;
    bst_ulong n_dim;
    const float *out;
    wf_assert(XGBoosterPredictFromDense(b->booster, b->array, config, NULL, &shape, &n_dim, &out) ==
              0);
}

static enum wf_code train(struct bench *b, struct wf_error *err)
{
    static const char *const settings[][2] = {
        {"objective", "reg:squarederror"}, {"max_depth", "6"}, {"nthread", "1"},
        {"tree_method", "hist"},           {"verbosity", "0"}, {"eta", "0.1"}};
    float *data = wf_xarray(float, (size_t)TRAIN_ROWS *FEATURES),
          *labels = wf_xarray(float, TRAIN_ROWS);
    struct wf_random r = wf_random_of(1, 0);
    for (size_t i = 0; i < TRAIN_ROWS; i++) {
        float *row = data + i * FEATURES;
        for (size_t j = 0; j < FEATURES; j++) {
            row[j] = (float)wf_random_normal(&r);
        }
        labels[i] =
            row[0] * row[1] + fabsf(row[2]) + row[3 + i % 30] * 0.3f + (float)wf_random_normal(&r);
    }
    memcpy(b->rows, data, sizeof b->rows);
    DMatrixHandle matrix = NULL;
    enum wf_code code = xgb(XGDMatrixCreateFromMat(data, TRAIN_ROWS, FEATURES, NAN, &matrix), err);
    if (code == WF_OK) {
        code = xgb(XGDMatrixSetFloatInfo(matrix, "label", labels, TRAIN_ROWS), err);
    }
    if (code == WF_OK) {
        code = xgb(XGBoosterCreate(&matrix, 1, &b->booster), err);
    }
    for (size_t i = 0; i < sizeof settings / sizeof settings[0] && code == WF_OK; i++) {
        code = xgb(XGBoosterSetParam(b->booster, settings[i][0], settings[i][1]), err);
    }
    for (int i = 0; i < TREES && code == WF_OK; i++) {
        code = xgb(XGBoosterUpdateOneIter(b->booster, i, matrix), err);
    }
    wf_xfree(labels);
    wf_xfree(data);
    b->meta = matrix;
    return code;
}

static enum wf_code load(struct bench *b, struct wf_error *err)
{
    bst_ulong size;
    const char *text;
    const enum wf_code code =
        xgb(XGBoosterSaveModelToBuffer(b->booster, "{\"format\":\"json\"}", &size, &text), err);
    snprintf(b->array, sizeof b->array,
             "{\"data\":[%llu,true],\"shape\":[%d,%d],\"typestr\":\"<f4\",\"version\":3}",
             (unsigned long long)(uintptr_t)b->rows, ROWS, FEATURES);
    return code == WF_OK ? rank_forest_parse(text, size, &b->forest, err) : code;
}

enum wf_code microbench_forest(bool json, struct wf_error *err)
{
    struct bench *b = wf_xcalloc(1, sizeof *b);
    enum wf_code code = train(b, err);
    if (code == WF_OK) {
        code = load(b, err);
    }
    if (code == WF_OK) {
        const struct microbench_case c = {
            .name = "forest",
            .label = "500 rows, 300 trees",
            .unit = "candidate",
            .units = ROWS,
            .ours = ours,
            .peer = theirs,
            .peer_name = "xgboost",
            .kernel = "c",
            .ctx = b,
            .config = {{"rows", ROWS}, {"features", FEATURES}, {"trees", TREES}, {"depth", DEPTH}}};
        microbench_run(&c, json);
    }
    rank_forest_destroy(b->forest);
    if (b->booster != NULL) {
        XGBoosterFree(b->booster);
    }
    if (b->meta != NULL) {
        XGDMatrixFree(b->meta);
    }
    wf_xfree(b);
    return code;
}

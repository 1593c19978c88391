/* SPDX-License-Identifier: Apache-2.0
 *
 * forest_test.c - models trained here by the XGBoost library score the same here, margin for
 * margin, bit for bit; and every way in which a model file can lie is refused by name.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <xgboost/c_api.h>

#include "base/arena.h"
#include "base/hash.h"
#include "ranking/forest.h"

enum { ROWS = 600, FEATURES = 9 };

static float data[ROWS * FEATURES], labels[ROWS];

/* A tenth is missing; values repeat, so that thresholds are hit exactly. */
static void draw_data(struct wf_random *r, const char *objective)
{
    const bool classes = strncmp(objective, "multi:", 6) == 0;
    const bool binary = strstr(objective, "logi") != NULL || strcmp(objective, "binary:hinge") == 0;
    for (size_t i = 0; i < ROWS; i++) {
        float *row = data + i * FEATURES;
        for (size_t j = 0; j < FEATURES; j++) {
            row[j] = wf_random_below(r, 10) == 0 ? NAN : (float)wf_random_below(r, 200) / 16;
        }
        const float x = (isnan(row[0]) ? 3 : row[0]) + (isnan(row[1]) ? 0 : row[1] * row[1] / 8);
        labels[i] = classes ? (float)((int)x % 4) : binary ? (float)(x > 8) : x / 4 + 0.1f;
    }
}

static void must(int status)
{
    if (status != 0) {
        fail_msg("xgboost: %s", XGBGetLastError());
    }
}

/* Trains and returns the booster; the model's JSON comes in *text. */
static BoosterHandle train(const char *objective, const char *depth, DMatrixHandle matrix,
                           char **text, size_t *size)
{
    BoosterHandle booster;
    const unsigned groups[] = {ROWS / 2, ROWS / 2};
    must(XGDMatrixSetFloatInfo(matrix, "label", labels, ROWS));
    if (strncmp(objective, "rank:", 5) == 0) {
        must(XGDMatrixSetUIntInfo(matrix, "group", groups, 2));
    }
    must(XGBoosterCreate(&matrix, 1, &booster));
    const char *const settings[][2] = {{"objective", objective}, {"max_depth", depth},
                                       {"nthread", "1"},         {"tree_method", "hist"},
                                       {"verbosity", "0"},       {"eta", "0.3"},
                                       {"base_score", "0.4"},    {"seed", "5"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        must(XGBoosterSetParam(booster, settings[i][0], settings[i][1]));
    }
    if (strncmp(objective, "multi:", 6) == 0) {
        must(XGBoosterSetParam(booster, "num_class", "4"));
    }
    for (int round = 0; round < 25; round++) {
        must(XGBoosterUpdateOneIter(booster, round, matrix));
    }
    bst_ulong length;
    const char *bytes;
    must(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"json\"}", &length, &bytes));
    *text = wf_xstrndup(bytes, length);
    *size = length;
    return booster;
}

static void compare(const char *objective, const char *depth, struct wf_random *r)
{
    draw_data(r, objective);
    DMatrixHandle matrix;
    must(XGDMatrixCreateFromMat(data, ROWS, FEATURES, NAN, &matrix));
    char *text;
    size_t size;
    BoosterHandle booster = train(objective, depth, matrix, &text, &size);
    struct rank_forest *forest;
    struct wf_error err;
    if (rank_forest_parse(text, size, &forest, &err) != WF_OK) {
        fail_msg("%s: %s", objective, err.text);
    }
    assert_int_equal(rank_forest_features(forest), FEATURES);
    assert_string_equal(rank_forest_names(forest)[2], "f2");
    const uint32_t outputs = rank_forest_outputs(forest);
    float *ours = wf_xarray(float, (size_t)ROWS *outputs);
    bst_ulong n;
    const float *theirs;
    must(XGBoosterPredict(booster, matrix, 1, 0, 0, &n, &theirs)); /* 1: margins */
    assert_int_equal(n, (size_t)ROWS * outputs);
    rank_forest_score(forest, data, ROWS, ours);
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&ours[i], &theirs[i], sizeof ours[i]) != 0) {
            fail_msg("%s depth %s value %zu: %.9g, xgboost %.9g", objective, depth, i,
                     (double)ours[i], (double)theirs[i]);
        }
    }
    if (strcmp(objective, "multi:softmax") !=
        0) { /* there xgboost gives the class, we its probability */
        must(XGBoosterPredict(booster, matrix, 0, 0, 0, &n, &theirs));
        rank_forest_transform(forest, ours, ROWS);
        for (size_t i = 0; i < n; i++) {
            assert_true(fabsf(ours[i] - theirs[i]) <= 1e-6f * fmaxf(1, fabsf(theirs[i])));
        }
    }
    wf_xfree(ours);
    rank_forest_destroy(forest);
    wf_xfree(text);
    must(XGBoosterFree(booster));
    must(XGDMatrixFree(matrix));
}

static void equals_xgboost_bit_for_bit(void **state)
{
    (void)state;
    static const char *const objectives[] = {"reg:squarederror", "reg:logistic",  "binary:logistic",
                                             "binary:logitraw",  "binary:hinge",  "count:poisson",
                                             "reg:gamma",        "reg:tweedie",   "multi:softprob",
                                             "multi:softmax",    "rank:pairwise", "rank:ndcg"};
    static const char *const depths[] = {"1", "6", "11"};
    const uint64_t seed = 41;
    print_message("seed=%llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 0);
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++) {
        for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++) {
            compare(objectives[i], depths[d], &r);
        }
    }
}

/* One split on feature 0 at 1, leaves -1 and 2; %s are replaced by the cases. */
static char *model_of(const char *left, const char *right, const char *conditions,
                      const char *features, const char *rest)
{
    return wf_xprintf(
        "{\"learner\":{\"feature_names\":[],\"gradient_booster\":{\"model\":{\"tree_info\":[0],"
        "\"trees\":[{"
        "\"left_children\":%s,\"right_children\":%s,\"split_conditions\":%s,\"split_indices\":%s,"
        "\"default_left\":[1,0,0]}]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":"
        "\"5E-1\","
        "\"num_class\":\"0\",\"num_feature\":\"2\"},%s},\"version\":[1,7,4]}",
        left, right, conditions, features, rest);
}

static const char *const plain = "\"objective\":{\"name\":\"reg:squarederror\"}";

static void a_hand_made_model_scores(void **state)
{
    (void)state;
    char *text = model_of("[1,-1,-1]", "[2,-1,-1]", "[1,-1,2]", "[0,0,0]", plain);
    struct rank_forest *forest;
    assert_int_equal(rank_forest_parse(text, strlen(text), &forest, NULL), WF_OK);
    const float rows[] = {0.5f, 0, 1, 0, NAN, 0};
    float margins[3];
    rank_forest_score(forest, rows, 3, margins);
    assert_true(margins[0] == -0.5f && margins[1] == 2.5f && margins[2] == -0.5f);
    assert_int_equal(rank_forest_depth(forest), 1);
    rank_forest_destroy(forest);
    wf_xfree(text);
}

static void a_lying_model_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][6] = {
        /* left, right, conditions, features, rest, what the message says */
        {"[1,-1,-1]", "[9,-1,-1]", "[1,-1,2]", "[0,0,0]", NULL, "children 1 and 9 of 3 nodes"},
        {"[1,-1,-1]", "[1,-1,-1]", "[1,-1,2]", "[0,0,0]", NULL, "reached twice"},
        {"[1,0,-1]", "[2,2,-1]", "[1,-1,2]", "[0,0,0]", NULL, "reached twice"},
        {"[0,-1,-1]", "[0,-1,-1]", "[1,-1,2]", "[0,0,0]", NULL, "reached twice"},
        {"[1,-1,-1]", "[-1,-1,-1]", "[1,-1,2]", "[0,0,0]", NULL, "children 1 and -1"},
        {"[1,-1,-1]", "[2,-1,-1]", "[1e39,-1,2]", "[0,0,0]", NULL, "not a finite number"},
        {"[1,-1,-1]", "[2,-1,-1]", "[\"x\",-1,2]", "[0,0,0]", NULL, "not a finite number"},
        {"[1,-1,-1]", "[2,-1,-1]", "[1,-1,2]", "[2,0,0]", NULL,
         "split_indices 2, num_feature is 2"},
        {"[1,-1,-1]", "[2,-1]", "[1,-1,2]", "[0,0,0]", NULL, "right_children has 2 elements"},
        {"[]", "[]", "[]", "[]", NULL, "elements"},
        {"[1,-1,-1]", "[2,-1,-1]", "[1,-1,2]", "[0,0,0]",
         "\"objective\":{\"name\":\"survival:cox\"}", "survival:cox"},
        {"[1,-1,-1]", "[2,-1,-1]", "[1,-1,2]", "[0,0,0]", "\"objective\":[]",
         "\"objective\" has another type"},
        {"[1,-1,-1]", "[2,-1,-1]", "[1,-1,2]", "[0,0,0]", "\"attributes\":{}",
         "\"objective\" is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const *c = cases[i];
        char *text = model_of(c[0], c[1], c[2], c[3], c[4] == NULL ? plain : c[4]);
        struct rank_forest *forest = NULL;
        struct wf_error err;
        assert_int_equal(rank_forest_parse(text, strlen(text), &forest, &err), WF_INVALID);
        if (strstr(err.text, c[5]) == NULL) {
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.text, c[5]);
        }
        assert_string_equal(err.reason, "MODEL");
        wf_xfree(text);
    }
}

static void other_formats_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"binf\1\2\3", "old binary format"},
        {"tree\nversion=v3", "not JSON"},
        {"{\"learner\":{\"gradient_booster\":{\"name\":\"gblinear\"}}}", "gblinear"},
        {"[]", "missing"},
        {"", "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rank_forest *forest = NULL;
        struct wf_error err;
        assert_int_equal(rank_forest_parse(cases[i][0], strlen(cases[i][0]), &forest, &err),
                         WF_INVALID);
        assert_non_null(strstr(err.text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_xgboost_bit_for_bit),
        cmocka_unit_test(a_hand_made_model_scores),
        cmocka_unit_test(a_lying_model_is_refused_by_name),
        cmocka_unit_test(other_formats_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

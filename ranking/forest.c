/* SPDX-License-Identifier: Apache-2.0
 *
 * forest.c - the plain evaluator: one walk per row and tree, margins summed in tree order as
 * XGBoost does, so the result is equal bit for bit. It allocates nothing and touches nothing but
 * the forest and its arguments.
 */
#include "ranking/forest.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "ranking/forest_internal.h"

void rank_forest_destroy(struct rank_forest *f)
{
    if (f == NULL) {
        return;
    }
    for (uint32_t i = 0; f->names != NULL && i < f->n_features; i++) {
        wf_xfree(f->names[i]);
    }
    wf_xfree(f->names);
    wf_xfree(f->group);
    wf_xfree(f->roots);
    wf_xfree(f->depths);
    wf_xfree(f->nodes);
    wf_xfree(f);
}

uint32_t rank_forest_features(const struct rank_forest *f)
{
    return f->n_features;
}

const char *const *rank_forest_names(const struct rank_forest *f)
{
    return (const char *const *)f->names;
}

uint32_t rank_forest_outputs(const struct rank_forest *f)
{
    return f->n_outputs;
}

uint32_t rank_forest_trees(const struct rank_forest *f)
{
    return f->n_trees;
}

uint32_t rank_forest_depth(const struct rank_forest *f)
{
    return f->depth;
}

const char *rank_forest_objective(const struct rank_forest *f)
{
    return f->objective;
}

void rank_forest_hash(const struct rank_forest *f, char hex[33])
{
    memcpy(hex, f->hash, sizeof f->hash);
}

enum { LANES = 8 };

static uint32_t step(const struct rank_node *nodes, uint32_t at, const float *row)
{
    const struct rank_node *node = &nodes[at];
    const float x = row[node->feature & ~RANK_LEFT_BIT];
    const uint32_t missing = (uint32_t)(x != x);
    const uint32_t left = (uint32_t)(x < node->threshold) | (missing & node->feature >> 31);
    return node->children + 1 - left;
}

/* Tree t's leaf for LANES rows, added to out[i * n_outputs]. */
static void walk_lanes(const struct rank_forest *f, uint32_t t, const float *rows, float *out)
{
    uint32_t at[LANES];
    for (size_t i = 0; i < LANES; i++) {
        at[i] = f->roots[t];
    }
    for (uint32_t level = 0; level < f->depths[t]; level++) {
        for (size_t i = 0; i < LANES; i++) {
            at[i] = step(f->nodes, at[i], rows + i * f->n_features);
        }
    }
    for (size_t i = 0; i < LANES; i++) {
        out[i * f->n_outputs] += f->nodes[at[i]].leaf;
    }
}

static float walk_one(const struct rank_forest *f, uint32_t t, const float *row)
{
    uint32_t at = f->roots[t];
    for (uint32_t level = 0; level < f->depths[t]; level++) {
        at = step(f->nodes, at, row);
    }
    return f->nodes[at].leaf;
}

/* Rows of one block stay in L1 while all trees pass over them. */
static void score_block(const struct rank_forest *f, const float *rows, size_t n, float *margins)
{
    for (uint32_t t = 0; t < f->n_trees; t++) {
        float *out = margins + f->group[t];
        size_t i = 0;
        for (; i + LANES <= n; i += LANES) {
            walk_lanes(f, t, rows + i * f->n_features, out + i * f->n_outputs);
        }
        for (; i < n; i++) {
            out[i * f->n_outputs] += walk_one(f, t, rows + i * f->n_features);
        }
    }
}

void rank_forest_score(const struct rank_forest *f, const float *rows, size_t n, float *margins)
{
    enum { BLOCK = 64 };
    for (size_t i = 0; i < n * f->n_outputs; i++) {
        margins[i] = f->base;
    }
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t block = n - i < BLOCK ? n - i : BLOCK;
        score_block(f, rows + i * f->n_features, block, margins + i * f->n_outputs);
    }
}

/*
 * e^x in double: 2^k e^r with |r| <= ln 2 / 2 and the Taylor polynomial of degree 13 (error below
 * 1e-15). Ours, so that it gives the same bits wherever IEEE arithmetic does.
 */
static double own_exp(double x)
{
    static const double inverse[] = {1.0 / 6227020800,
                                     1.0 / 479001600,
                                     1.0 / 39916800,
                                     1.0 / 3628800,
                                     1.0 / 362880,
                                     1.0 / 40320,
                                     1.0 / 5040,
                                     1.0 / 720,
                                     1.0 / 120,
                                     1.0 / 24,
                                     1.0 / 6,
                                     0.5,
                                     1.0,
                                     1.0};
    if (isnan(x)) {
        return x;
    }
    x = x > 700 ? 700 : x < -700 ? -700 : x;
    const double scaled = x * 1.4426950408889634;
    const int64_t k = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    const double r =
        (x - (double)k * 0.693147180369123816490) - (double)k * 1.90821492927058770002e-10;
    double sum = inverse[0];
    for (size_t i = 1; i < sizeof inverse / sizeof inverse[0]; i++) {
        sum = sum * r + inverse[i];
    }
    const uint64_t bits = (uint64_t)(k + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

static void softmax(float *margins, uint32_t n)
{
    float high = margins[0];
    for (uint32_t i = 1; i < n; i++) {
        high = margins[i] > high ? margins[i] : high;
    }
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double e = own_exp((double)(margins[i] - high));
        sum += e;
        margins[i] = (float)e;
    }
    for (uint32_t i = 0; i < n; i++) {
        margins[i] = (float)((double)margins[i] / sum);
    }
}

static float transformed(enum rank_transform transform, float x)
{
    switch (transform) {
    case RANK_SIGMOID:
        return (float)(1.0 / (1.0 + own_exp(-(double)x)));
    case RANK_EXP:
        return (float)own_exp((double)x);
    case RANK_STEP:
        return x > 0 ? 1.0f : 0.0f;
    case RANK_IDENTITY:
    case RANK_SOFTMAX:
        break;
    }
    return x;
}

void rank_forest_transform(const struct rank_forest *f, float *margins, size_t n)
{
    if (f->transform == RANK_SOFTMAX) {
        for (size_t i = 0; i < n; i++) {
            softmax(margins + i * f->n_outputs, f->n_outputs);
        }
        return;
    }
    for (size_t i = 0; i < n * f->n_outputs; i++) {
        margins[i] = transformed(f->transform, margins[i]);
    }
}

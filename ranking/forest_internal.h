/* SPDX-License-Identifier: Apache-2.0
 *
 * forest_internal.h - what a loaded forest is; shared by the loader and the evaluator only.
 */
#ifndef RANK_FOREST_INTERNAL_H
#define RANK_FOREST_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "ranking/forest.h"

enum rank_transform {
    RANK_IDENTITY,
    RANK_SIGMOID,
    RANK_EXP,
    RANK_SOFTMAX,
    RANK_STEP, /* hinge: margin > 0 */
};

#define RANK_LEFT_BIT UINT32_C(0x80000000)

/*
 * Children lie side by side: left, then right. A leaf leads to itself, so that a walk needs no test
 * for it: nothing is less than its NaN threshold, and the node after `children` is the leaf (modulo
 * 2^32).
 */
struct rank_node {
    float threshold;
    uint32_t feature;  /* | RANK_LEFT_BIT when missing goes left */
    uint32_t children; /* index in the forest's nodes of the left child */
    float leaf;        /* value of a leaf */
};

struct rank_forest {
    struct rank_node *nodes; /* of all trees */
    uint32_t *roots;         /* n_trees */
    uint32_t *group;         /* n_trees: output that the tree adds to */
    uint32_t *depths;        /* n_trees: splits on the longest path */
    uint32_t n_trees, n_features, n_outputs, depth;
    size_t n_nodes;
    float base; /* margin before the first tree */
    enum rank_transform transform;
    char objective[32];
    char **names; /* n_features */
    char hash[33];
};

#endif

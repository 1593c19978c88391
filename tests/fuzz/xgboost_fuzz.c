/* SPDX-License-Identifier: Apache-2.0
 *
 * xgboost_fuzz.c - any bytes as a model: refused by name, or a forest that scores without leaving
 * its arrays.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "ranking/forest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rank_forest *forest = NULL;
    if (rank_forest_parse((const char *)data, size, &forest, NULL) != WF_OK) {
        return 0;
    }
    const uint32_t features = rank_forest_features(forest), outputs = rank_forest_outputs(forest);
    float *rows = wf_xarray(float, (size_t)features * 2);
    float *margins = wf_xarray(float, (size_t)outputs * 2);
    for (uint32_t i = 0; i < features; i++) {
        rows[i] = NAN;
    }
    rank_forest_score(forest, rows, 2, margins);
    rank_forest_transform(forest, margins, 2);
    wf_xfree(margins);
    wf_xfree(rows);
    rank_forest_destroy(forest);
    return 0;
}

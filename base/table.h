/* SPDX-License-Identifier: Apache-2.0
 *
 * table.h - items in memory as columns: what a dataset directory becomes while a generation is
 * built, and what the importers and synth write from. Row i of every column and of
 * spaces/<name>.npy is item i. Tools only.
 */
#ifndef WF_TABLE_H
#define WF_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/generation.h"

/* One attribute; which members are set follows schema->attrs[i].type. */
struct wf_column {
    uint32_t *codes;   /* keyword: index into dictionary, WF_NO_CODE = missing */
    char **dictionary; /* keyword: distinct values in order of first appearance */
    uint32_t n_dictionary;
    float *numbers; /* NaN = missing */
    uint8_t *flags; /* 0, 1, 2 = missing */
    char **texts;   /* NULL = missing */
};
struct wf_table {
    const struct wf_schema *schema; /* borrowed */
    size_t n;
    char **skus;
    struct wf_column *columns; /* schema->n_attrs */
};

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * recall_data.h - vectors that recall is measured on: real ones where they are, beside the source
 * tree in ../shared/data or in WEFT_DATA. Tests only; failures end the test.
 */
#ifndef RECALL_DATA_H
#define RECALL_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Path of a data file; false where it is not. */
bool recall_find(const char *file, char path[512]);
/* All rows of a file in any format that `weft import vectors` reads; `dim` 0: as many columns as it
 * has. The caller releases them with wf_xfree. */
float *recall_load(const char *path, uint32_t *dim, size_t *n);

#endif

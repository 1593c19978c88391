/* SPDX-License-Identifier: Apache-2.0
 *
 * feature_column.h - item features on disk and in memory: as floats, or where a column has at most
 * 65,536 different values (most have: counts, days, codes, prices) as places in a table of them, a
 * byte or two for each row. What comes out has the bits that went in.
 *
 * Sections: feature/<name> f32[rows]; or feature/<name>/values f32 and feature/<name>/codes, u8 up
 * to 256 values, else u16. Reading is pure and thread-safe.
 */
#ifndef SHARD_FEATURE_COLUMN_H
#define SHARD_FEATURE_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/container.h"
#include "base/error.h"

struct shard_feature {
    uint32_t id;
    const float *values;     /* rows without codes, else n_values */
    const uint8_t *codes8;   /* rows; both NULL: no codes */
    const uint16_t *codes16; /* rows */
    uint32_t n_values;
};

void shard_feature_write(struct wf_container_writer *w, const char *name, const float *column,
                         uint32_t rows);
/* Maps; nothing is read. */
WF_MUST_CHECK enum wf_code shard_feature_open(const struct wf_container *c, const char *name,
                                              uint32_t rows, struct shard_feature *out,
                                              struct wf_error *err);
/* Whether every code has a value. */
bool shard_feature_check(const struct shard_feature *f, uint32_t rows);
/* out[i * stride] = value of rows[i]. */
void shard_feature_gather(const struct shard_feature *f, const uint32_t *rows, uint32_t n,
                          float *out, uint32_t stride);

#endif

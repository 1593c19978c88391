/* SPDX-License-Identifier: Apache-2.0
 *
 * feature_column.c - see feature_column.h. Values are told apart by their bits, so every NaN and
 * both zeros come back as they were; they are numbered in the order of their first row, so the same
 * input gives the same bytes.
 */
#include "shard/feature_column.h"

#include <string.h>

#include "base/arena.h"
#include "shard/mapped.h"

enum { VALUES_MAX = 1 << 16, SLOTS = 1 << 18, EMPTY = 0 };

/* Values met so far; a slot holds the number of a value plus 1. */
struct table {
    uint32_t *slots;
    uint32_t *bits; /* VALUES_MAX */
    uint32_t n;
};

/* Number of a value, VALUES_MAX when the table is full. */
static uint32_t number_of(struct table *t, uint32_t bits)
{
    uint32_t at = (bits * UINT32_C(2654435761)) >> 14; /* 18 bits (Knuth, vol. 3, 6.4) */
    while (t->slots[at] != EMPTY && t->bits[t->slots[at] - 1] != bits) {
        at = (at + 1) % SLOTS;
    }
    if (t->slots[at] == EMPTY) {
        if (t->n == VALUES_MAX) {
            return VALUES_MAX;
        }
        t->bits[t->n] = bits;
        t->slots[at] = ++t->n;
    }
    return t->slots[at] - 1;
}

/* Fills codes; false when there are too many values. */
static bool number_all(struct table *t, const float *column, uint32_t rows, uint16_t *codes)
{
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t bits;
        memcpy(&bits, &column[i], sizeof bits);
        const uint32_t number = number_of(t, bits);
        if (number == VALUES_MAX) {
            return false;
        }
        codes[i] = (uint16_t)number;
    }
    return true;
}

static void put(struct wf_container_writer *w, const char *name, const char *part, const void *data,
                size_t size)
{
    char section[64];
    wf_assert(shard_section_name(section, "feature", name, part)); /* our own names are short */
    wf_container_add(w, section, data, size);
}

void shard_feature_write(struct wf_container_writer *w, const char *name, const float *column,
                         uint32_t rows)
{
    struct table t = {.slots = wf_xarray(uint32_t, SLOTS), .bits = wf_xarray(uint32_t, VALUES_MAX)};
    uint16_t *codes = wf_xarray(uint16_t, (size_t)rows + 1);
    const bool few = number_all(&t, column, rows, codes);
    const size_t width = t.n <= 256 ? 1 : 2;
    if (few && t.n * sizeof(float) + rows * width < rows * sizeof(float)) {
        put(w, name, "values", t.bits, t.n * sizeof(uint32_t));
        if (width == 1) {
            uint8_t *narrow = (uint8_t *)codes; /* in place: reading runs ahead of writing */
            for (uint32_t i = 0; i < rows; i++) {
                narrow[i] = (uint8_t)codes[i];
            }
        }
        put(w, name, "codes", codes, rows * width);
    } else {
        put(w, name, NULL, column, rows * sizeof *column);
    }
    wf_xfree(codes);
    wf_xfree(t.bits);
    wf_xfree(t.slots);
}

enum wf_code shard_feature_open(const struct wf_container *c, const char *name, uint32_t rows,
                                struct shard_feature *out, struct wf_error *err)
{
    char plain[64], values[64], codes[64];
    const void *data = NULL;
    if (!shard_section_name(plain, "feature", name, NULL) ||
        !shard_section_name(values, "feature", name, "values") ||
        !shard_section_name(codes, "feature", name, "codes")) {
        return shard_lies(err, "feature", name, "name is too long for a section");
    }
    const struct wf_section *table = wf_container_find(c, values);
    if (table == NULL) {
        const enum wf_code code = wf_container_get(c, plain, rows, sizeof(float), &data, err);
        out->values = data;
        return code;
    }
    const size_t n = table->size / sizeof(float);
    if (table->size % sizeof(float) != 0 || n == 0 || n > VALUES_MAX) {
        return shard_lies(err, "feature", name, "values are not 1 to 65536 floats");
    }
    const enum wf_code code = wf_container_get(c, codes, rows, n <= 256 ? 1 : 2, &data, err);
    out->values = (const float *)(const void *)table->data;
    out->codes8 = n <= 256 ? data : NULL;
    out->codes16 = n <= 256 ? NULL : data;
    out->n_values = (uint32_t)n;
    return code;
}

bool shard_feature_check(const struct shard_feature *f, uint32_t rows)
{
    bool beyond = false;
    for (uint32_t i = 0; f->codes8 != NULL && i < rows; i++) {
        beyond |= f->codes8[i] >= f->n_values;
    }
    for (uint32_t i = 0; f->codes16 != NULL && i < rows; i++) {
        beyond |= f->codes16[i] >= f->n_values;
    }
    return !beyond;
}

void shard_feature_gather(const struct shard_feature *f, const uint32_t *rows, uint32_t n,
                          float *out, uint32_t stride)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = rows[i];
        const uint32_t place = f->codes8 != NULL    ? f->codes8[row]
                               : f->codes16 != NULL ? f->codes16[row]
                                                    : row;
        out[(size_t)i * stride] = f->values[place];
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * random_filter.h - random filter expressions, written in random ways that mean the same, and what
 * they mean, found one row at a time without the library. One thread.
 */
#ifndef RANDOM_FILTER_H
#define RANDOM_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/generation.h"
#include "base/hash.h"

/* What expressions are made of. The schema has a keyword "colour" and a number "price". */
struct filter_vocabulary {
    const struct wf_schema *schema;
    const char *const *words;
    unsigned n_words;
    const float *numbers; /* finite */
    unsigned n_numbers;
};
/* An attribute's value in a row. */
struct filter_cell {
    const char *word; /* keyword, text; NULL: missing */
    float number;     /* NaN: missing */
    int flag;         /* -1: missing */
};

struct random_filter;
/* `v` is borrowed. */
struct random_filter *random_filter_create(const struct filter_vocabulary *v, struct wf_random *r,
                                           unsigned depth);
void random_filter_destroy(struct random_filter *e);
/* One cell for each attribute of the schema. */
bool random_filter_holds(const struct random_filter *e, const struct filter_cell *row);
/* In a random way, plainly when r is NULL; owned by the caller. */
char *random_filter_text(const struct random_filter *e, struct wf_random *r);

/* Text that grows; `at` is released with wf_xfree. */
struct grown_text {
    char *at;
    size_t n, cap;
};
void grown_put(struct grown_text *t, const char *s);

#endif

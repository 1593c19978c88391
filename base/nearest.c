/* SPDX-License-Identifier: Apache-2.0
 *
 * nearest.c - "did you mean": the nearest of some names by edit distance. Bounded work: names over
 * 100 bytes are near to nothing. Pure.
 */
#include <string.h>

#include "base/config.h"

#define NAME_MOST ((size_t)100)

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Insertions, deletions and changes that make `a` of `b`; both at most NAME_MOST bytes. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t row[NAME_MOST + 1];
    for (size_t j = 0; j <= n_b; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t above = row[j];
            row[j] = least(row[j - 1] + 1, above + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n_b];
}

const char *wf_nearest(const char *word, const char *const *names, size_t n)
{
    size_t size = strnlen(word, NAME_MOST + 1);
    size_t best = 1 + size / 3; /* further away is not near */
    const char *nearest = NULL;
    for (size_t i = 0; i < n && size <= NAME_MOST; i++) {
        size_t n_name = strnlen(names[i], NAME_MOST + 1);
        if (n_name > NAME_MOST) {
            continue;
        }
        size_t d = distance(word, size, names[i], n_name);
        if (d < best || (d == best && !nearest)) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

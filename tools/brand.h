/* SPDX-License-Identifier: Apache-2.0
 *
 * brand.h - a brand out of a product's name, for catalogs without a column for it.
 *
 * The rule: the brand is the leading words of the name up to the first word that ends it: a word
 * for whom it is ("Men", "Women's", "Kids", ...) or, from the second word on, a word of the
 * catalog's own vocabulary (colours, kinds of article, seasons, usage; plural or not). Up to four
 * words when a word for whom ends it, up to three otherwise. A brand that was ended so by a word
 * for whom is *seen*. A name whose first words nothing ends takes the longest seen brand that it
 * begins with, else its first word. Not thread-safe.
 */
#ifndef TOOL_BRAND_H
#define TOOL_BRAND_H

#include <stddef.h>

#include "tools/intern.h"

struct tool_brands {
    struct tool_intern words; /* vocabulary, lower case, singular */
    struct tool_intern seen;  /* brands, lower case */
};
enum { TOOL_BRAND_MAX = 64 };
void tool_brands_init(struct tool_brands *b);
void tool_brands_fini(struct tool_brands *b);
/* Adds the words of a value of a vocabulary column ("Casual Shoes"). */
void tool_brands_vocabulary(struct tool_brands *b, const char *value);
/* First pass over all names: which brands are seen. */
void tool_brands_learn(struct tool_brands *b, const char *name);
/* Second pass: the brand as the name spells it, blanks single; false when there is none. */
bool tool_brands_of(const struct tool_brands *b, const char *name, char brand[TOOL_BRAND_MAX + 1]);

#endif

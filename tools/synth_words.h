/* SPDX-License-Identifier: Apache-2.0
 *
 * synth_words.h - the vocabulary of the synthetic shop: category tree, colours, syllables of brand
 * names. Constant.
 */
#ifndef TOOL_SYNTH_WORDS_H
#define TOOL_SYNTH_WORDS_H

enum { TOOL_WOMEN = 1, TOOL_MEN = 2, TOOL_KIDS = 4, TOOL_ADULTS = 3, TOOL_ALL = 7 };

struct tool_category {
    const char *master, *sub, *name;
    unsigned genders; /* TOOL_WOMEN, ... */
    float price;      /* median */
    float spread;     /* standard deviation of the logarithm of the price */
    float share;      /* weight among the groups */
};
enum { TOOL_N_CATEGORIES = 44, TOOL_N_COLOURS = 24, TOOL_N_BRANDS = 240, TOOL_N_CUTS = 20 };
extern const struct tool_category tool_categories[TOOL_N_CATEGORIES];
extern const char *const tool_colours[TOOL_N_COLOURS];
extern const char *const tool_cuts[TOOL_N_CUTS]; /* "Slim", "Ribbed", ... */
/* Brand b is the two syllables heads[b / 15] tails[b % 15]. */
extern const char *const tool_brand_heads[16];
extern const char *const tool_brand_tails[15];

#endif

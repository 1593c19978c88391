/* SPDX-License-Identifier: Apache-2.0
 *
 * synth_words.c - the tables.
 */
#include "tools/synth_words.h"

const struct tool_category tool_categories[TOOL_N_CATEGORIES] = {
    {"Apparel", "Tops", "T-Shirt", TOOL_ALL, 18, 0.45F, 10},
    {"Apparel", "Tops", "Shirt", TOOL_ALL, 35, 0.45F, 8},
    {"Apparel", "Tops", "Blouse", TOOL_WOMEN, 38, 0.45F, 5},
    {"Apparel", "Tops", "Polo Shirt", TOOL_ADULTS, 32, 0.40F, 3},
    {"Apparel", "Tops", "Tank Top", TOOL_ALL, 14, 0.40F, 3},
    {"Apparel", "Tops", "Tunic", TOOL_WOMEN, 34, 0.45F, 2},
    {"Apparel", "Knitwear", "Sweater", TOOL_ALL, 45, 0.50F, 6},
    {"Apparel", "Knitwear", "Cardigan", TOOL_ALL, 48, 0.50F, 4},
    {"Apparel", "Knitwear", "Turtleneck", TOOL_ADULTS, 42, 0.45F, 2},
    {"Apparel", "Sweats", "Hoodie", TOOL_ALL, 40, 0.40F, 5},
    {"Apparel", "Sweats", "Sweatshirt", TOOL_ALL, 34, 0.40F, 4},
    {"Apparel", "Sweats", "Track Pants", TOOL_ALL, 32, 0.40F, 3},
    {"Apparel", "Bottoms", "Jeans", TOOL_ALL, 55, 0.50F, 8},
    {"Apparel", "Bottoms", "Trousers", TOOL_ALL, 48, 0.50F, 6},
    {"Apparel", "Bottoms", "Shorts", TOOL_ALL, 26, 0.45F, 5},
    {"Apparel", "Bottoms", "Skirt", TOOL_WOMEN, 34, 0.50F, 4},
    {"Apparel", "Bottoms", "Leggings", TOOL_WOMEN | TOOL_KIDS, 20, 0.40F, 4},
    {"Apparel", "Dresses", "Dress", TOOL_WOMEN | TOOL_KIDS, 55, 0.60F, 9},
    {"Apparel", "Dresses", "Jumpsuit", TOOL_WOMEN, 62, 0.50F, 2},
    {"Apparel", "Outerwear", "Coat", TOOL_ALL, 130, 0.55F, 4},
    {"Apparel", "Outerwear", "Jacket", TOOL_ALL, 90, 0.55F, 6},
    {"Apparel", "Outerwear", "Parka", TOOL_ALL, 120, 0.50F, 2},
    {"Apparel", "Outerwear", "Blazer", TOOL_ADULTS, 110, 0.50F, 3},
    {"Apparel", "Suits", "Suit", TOOL_ADULTS, 240, 0.50F, 1},
    {"Apparel", "Underwear", "Bra", TOOL_WOMEN, 24, 0.45F, 3},
    {"Apparel", "Underwear", "Briefs", TOOL_ALL, 14, 0.40F, 3},
    {"Apparel", "Underwear", "Socks", TOOL_ALL, 9, 0.40F, 4},
    {"Apparel", "Nightwear", "Pyjamas", TOOL_ALL, 32, 0.40F, 2},
    {"Apparel", "Swimwear", "Swimsuit", TOOL_ALL, 36, 0.45F, 2},
    {"Footwear", "Shoes", "Sneakers", TOOL_ALL, 80, 0.50F, 9},
    {"Footwear", "Shoes", "Loafers", TOOL_ADULTS, 90, 0.50F, 2},
    {"Footwear", "Shoes", "Boots", TOOL_ALL, 110, 0.50F, 5},
    {"Footwear", "Shoes", "Pumps", TOOL_WOMEN, 78, 0.55F, 3},
    {"Footwear", "Shoes", "Running Shoes", TOOL_ALL, 100, 0.40F, 4},
    {"Footwear", "Sandals", "Sandals", TOOL_ALL, 45, 0.55F, 4},
    {"Footwear", "Sandals", "Flip-Flops", TOOL_ALL, 16, 0.50F, 2},
    {"Accessories", "Bags", "Handbag", TOOL_WOMEN, 95, 0.70F, 5},
    {"Accessories", "Bags", "Backpack", TOOL_ALL, 60, 0.50F, 3},
    {"Accessories", "Bags", "Wallet", TOOL_ADULTS, 40, 0.55F, 2},
    {"Accessories", "Jewellery", "Earrings", TOOL_WOMEN, 28, 0.80F, 3},
    {"Accessories", "Jewellery", "Necklace", TOOL_WOMEN, 38, 0.80F, 3},
    {"Accessories", "Watches", "Watch", TOOL_ADULTS, 150, 0.80F, 3},
    {"Accessories", "Small", "Belt", TOOL_ADULTS, 32, 0.50F, 3},
    {"Accessories", "Small", "Scarf", TOOL_ALL, 28, 0.55F, 3},
};

const char *const tool_colours[TOOL_N_COLOURS] = {
    "Black", "White",  "Navy",      "Blue",  "Grey",     "Beige",  "Brown",  "Red",
    "Green", "Pink",   "Khaki",     "Olive", "Burgundy", "Yellow", "Cream",  "Purple",
    "Teal",  "Orange", "Turquoise", "Rust",  "Lavender", "Gold",   "Silver", "Multicolour",
};

const char *const tool_cuts[TOOL_N_CUTS] = {
    "Classic",     "Slim",   "Relaxed",  "Cropped", "Oversized", "Ribbed",  "Printed",
    "Striped",     "Plain",  "Checked",  "Soft",    "Textured",  "Quilted", "Pleated",
    "Lightweight", "Washed", "Tailored", "Woven",   "Floral",    "Vintage",
};

const char *const tool_brand_heads[16] = {
    "Nor", "Alba", "Ver",  "Cas", "Mon", "Tri", "Lu",  "Bel",
    "Kar", "Ost",  "Riva", "Sol", "Fen", "Gal", "Han", "Zel",
};
const char *const tool_brand_tails[15] = {
    "den",  "ra",  "tello", "mont", "vik", "lin",  "ette", "dale",
    "berg", "sso", "wick",  "nova", "tis", "quin", "mara",
};

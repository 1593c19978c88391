/* SPDX-License-Identifier: Apache-2.0
 *
 * brand.c - words of a name, and where the brand ends.
 */
#include "tools/brand.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_ENDED_FOR = 4, WORDS_ENDED = 3, FOLDED_MAX = 64 };

static const char *const for_whom[] = {"men",  "mens",   "man",  "women",  "womens", "woman",
                                       "boy",  "girl",   "kid",  "unisex", "lady",   "ladies",
                                       "gent", "infant", "baby", "teen"};

struct word {
    const char *at;
    size_t size;
};

/* The next word behind *at, split at blanks; false at the end. */
static bool next_word(const char **at, struct word *out)
{
    const char *from = *at + strspn(*at, " \t");
    out->at = from;
    out->size = strcspn(from, " \t");
    *at = from + out->size;
    return out->size > 0;
}

/* Lower case, without 's and plural s, without punctuation at the end: "Men's" and "mens" meet. */
static size_t fold(const struct word *w, char into[FOLDED_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < w->size && n < FOLDED_MAX - 1; i++) {
        const char c = w->at[i];
        into[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    while (n > 1 && strchr(",.;:-", into[n - 1])) {
        n--;
    }
    if (n > 2 && into[n - 2] == '\'' && into[n - 1] == 's') {
        n -= 2;
    } else if (n > 3 && into[n - 1] == 's') {
        n--;
    }
    into[n] = '\0';
    return n;
}

static bool is_for_whom(const struct word *w)
{
    char folded[FOLDED_MAX];
    fold(w, folded);
    for (size_t i = 0; i < sizeof for_whom / sizeof *for_whom; i++) {
        if (strcmp(folded, for_whom[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_vocabulary(const struct tool_brands *b, const struct word *w)
{
    char folded[FOLDED_MAX];
    const size_t n = fold(w, folded);
    return tool_intern_find(&b->words, folded, n) != TOOL_NO_ID;
}

void tool_brands_init(struct tool_brands *b)
{
    tool_intern_init(&b->words);
    tool_intern_init(&b->seen);
}

void tool_brands_fini(struct tool_brands *b)
{
    tool_intern_fini(&b->words);
    tool_intern_fini(&b->seen);
}

void tool_brands_vocabulary(struct tool_brands *b, const char *value)
{
    struct word w;
    char folded[FOLDED_MAX];
    while (next_word(&value, &w)) {
        const size_t n = fold(&w, folded);
        if (n > 2 && strcmp(folded, "and") != 0) { /* "Gini and Jony" is one brand */
            tool_intern_add(&b->words, folded, n, NULL);
        }
    }
}

/* What ended the leading words. */
enum ending { NOTHING, FOR_WHOM, VOCABULARY };

static enum ending leading_words(const struct tool_brands *b, const char *name,
                                 struct word words[WORDS_ENDED_FOR], unsigned *n)
{
    struct word w;
    for (*n = 0; next_word(&name, &w); (*n)++) {
        if (is_for_whom(&w)) {
            return FOR_WHOM;
        }
        if (*n > 0 && *n <= WORDS_ENDED && is_vocabulary(b, &w)) {
            return VOCABULARY;
        }
        if (*n == WORDS_ENDED_FOR) {
            break;
        }
        words[*n] = w;
    }
    return NOTHING;
}

/* The first n words with single blanks; false when there are none or they are too long. */
static bool join(const struct word *words, unsigned n, char brand[TOOL_BRAND_MAX + 1])
{
    size_t size = 0;
    for (unsigned i = 0; i < n; i++) {
        if (size + words[i].size + 1 > TOOL_BRAND_MAX) {
            return false;
        }
        if (i > 0) {
            brand[size++] = ' ';
        }
        memcpy(brand + size, words[i].at, words[i].size);
        size += words[i].size;
    }
    brand[size] = '\0';
    return n > 0;
}

static size_t lower(const char *brand, char into[TOOL_BRAND_MAX + 1])
{
    size_t n = 0;
    for (; brand[n]; n++) {
        into[n] = (char)(brand[n] >= 'A' && brand[n] <= 'Z' ? brand[n] + 32 : brand[n]);
    }
    into[n] = '\0';
    return n;
}

void tool_brands_learn(struct tool_brands *b, const char *name)
{
    struct word words[WORDS_ENDED_FOR];
    unsigned n = 0;
    char brand[TOOL_BRAND_MAX + 1], key[TOOL_BRAND_MAX + 1];
    if (leading_words(b, name, words, &n) == FOR_WHOM && join(words, n, brand)) {
        tool_intern_add(&b->seen, key, lower(brand, key), NULL);
    }
}

bool tool_brands_of(const struct tool_brands *b, const char *name, char brand[TOOL_BRAND_MAX + 1])
{
    struct word words[WORDS_ENDED_FOR];
    unsigned n = 0;
    char key[TOOL_BRAND_MAX + 1];
    const enum ending ending = leading_words(b, name, words, &n);
    if (ending == FOR_WHOM && join(words, n, brand)) {
        return true;
    }
    for (unsigned k = n; k > 0; k--) {
        if (join(words, k, brand) &&
            tool_intern_find(&b->seen, key, lower(brand, key)) != TOOL_NO_ID) {
            return true;
        }
    }
    return join(words, ending == VOCABULARY ? n : n > 0, brand);
}

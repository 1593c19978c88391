/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_eval.c - see filter_eval.h.
 *
 * Everything is one operation: narrow a set of rows to those that match. `and` narrows by one child
 * after the other, `not` takes away what its child would keep, `or` asks each child only about the
 * rows that none before it has kept. So every leaf knows which rows still matter: zones without any
 * are skipped, and when few are left they are looked up one by one instead of reading a column.
 *
 * Before that the tree becomes steps: values are looked up in the dictionaries, shares and costs
 * are estimated from posting lists and zones, and children are put in the order that is expected to
 * end soonest. The order changes the time, never the rows.
 */
#include "shard/filter_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bits.h"
#include "shard/filter_scan.h"
#include "shard/mapped.h"

enum {
    ZONE_WORDS = SHARD_ZONE_ROWS / 64,
    SCANS_MAX = 4,    /* codes, or ranges in a zone, with more rows are looked up one by one */
    FEW_IN_ZONE = 64, /* rows left in a zone that are looked up one by one */
    FEW_ONE_IN = 128, /* as above, for the whole: one row in so many */
};

/* Estimated nanoseconds per row of the shard; measured with 1 M rows. */
static const double cost_pass = 0.02; /* one pass over a bitmap and back */
static const double cost_list = 0.5;  /* of a row in a posting list */
static const double cost_scan = 0.15;
static const double cost_row = 3; /* looked up by itself */
static const double cost_text = 1;

struct text {
    const char *bytes;
    size_t size;
};
struct step {
    const struct wf_filter_node *node;
    const struct shard_attr *attr; /* leaves */
    uint32_t *codes;               /* keyword, flag: wanted values, rising; n_codes of them */
    uint32_t n_codes;
    uint64_t *member;   /* keyword with many codes and no posting lists: the codes as a set */
    struct text *texts; /* text: the values, shorter ones first, then by bytes; node->n of them */
    uint32_t n_sizes;   /* text: distinct sizes of the values */
    struct step *children;
    uint32_t n;   /* of children */
    double share; /* estimate: of the rows, that match */
    double cost;
    double rank; /* children are asked in rising order */
};
struct eval {
    const struct shard *s;
    uint32_t rows;
    size_t words;
    struct wf_arena arena;
    uint64_t *spare; /* bitmaps to use again; the first word of each leads to the next */
};

/* ---- bitmaps to work in ---- */

static uint64_t *borrow(struct eval *e)
{
    uint64_t *bits = e->spare;
    if (bits == NULL) {
        return wf_xmalloc64(e->words * sizeof *bits);
    }
    memcpy(&e->spare, bits, sizeof e->spare);
    return bits;
}

static void give_back(struct eval *e, uint64_t *bits)
{
    memcpy(bits, &e->spare, sizeof e->spare);
    e->spare = bits;
}

static uint64_t *borrow_copy(struct eval *e, const uint64_t *of)
{
    uint64_t *bits = borrow(e);
    memcpy(bits, of, e->words * sizeof *bits);
    return bits;
}

/* a &= ~b where b is within a. */
static void take_away(uint64_t *a, const uint64_t *b, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        a[i] ^= b[i];
    }
}

/* ---- one row ---- */

static bool number_in(const struct wf_filter_node *node, float x)
{
    uint32_t low = 0, high = node->n; /* the first range that does not end below x */
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (node->ranges[mid].high < x) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < node->n && x >= node->ranges[low].low && x <= node->ranges[low].high;
}

static bool code_in(const struct step *st, uint32_t code)
{
    if (code == WF_NO_CODE) {
        return false;
    }
    if (st->member != NULL) {
        return wf_bit(st->member, code);
    }
    uint32_t low = 0, high = st->n_codes;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (st->codes[mid] < code) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < st->n_codes && st->codes[low] == code;
}

/* Most texts differ in size, which costs no look at their bytes. */
static int by_size(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    return x->size != y->size ? (x->size > y->size) - (x->size < y->size)
                              : memcmp(x->bytes, y->bytes, x->size);
}

static bool text_in(const struct step *st, uint32_t row)
{
    const uint32_t *offsets = st->attr->offsets;
    const struct text text = {st->attr->bytes + offsets[row], offsets[row + 1] - offsets[row]};
    if (text.size == 0) {
        return false; /* missing */
    }
    uint32_t low = 0, high = st->node->n;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        const int order = by_size(&st->texts[mid], &text);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? mid + 1 : low;
        high = order < 0 ? high : mid;
    }
    return false;
}

static bool row_in(const struct step *st, uint32_t row)
{
    switch (st->attr->schema->type) {
    case WF_ATTR_KEYWORD:
        return code_in(st, st->attr->codes[row]);
    case WF_ATTR_NUMBER:
        return number_in(st->node, st->attr->numbers[row]);
    case WF_ATTR_FLAG:
        return st->attr->flags[row] < 2 && code_in(st, st->attr->flags[row]);
    case WF_ATTR_TEXT:
        return text_in(st, row);
    }
    return false;
}

/* Keeps the rows of `n` words that match, looked up one by one; word 0 begins at row `first`. */
static void keep_by_row(const struct step *st, uint32_t first, size_t n, uint64_t *bits)
{
    for (size_t i = 0; i < n; i++) {
        for (uint64_t left = bits[i]; left != 0; left &= left - 1) {
            const uint64_t bit = left & (~left + 1);
            const uint32_t row = first + (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(left);
            bits[i] &= row_in(st, row) ? ~(uint64_t)0 : ~bit;
        }
    }
}

/* ---- zones ---- */

/* Which rows of a zone can match. */
enum zone_says { ZONE_NONE, ZONE_ALL, ZONE_SOME };

/* The ranges first .. *end - 1 reach into the zone. */
static uint32_t ranges_in(const struct wf_filter_node *node, const struct shard_zone *z,
                          uint32_t *end)
{
    uint32_t first = 0;
    while (z != NULL && first < node->n && node->ranges[first].high < z->min) {
        first++;
    }
    *end = first;
    while (*end < node->n && (z == NULL || node->ranges[*end].low <= z->max)) {
        (*end)++;
    }
    return first;
}

static enum zone_says zone_says(const struct wf_filter_node *node, const struct shard_zone *z,
                                uint32_t first, uint32_t end)
{
    if (first == end || (z != NULL && z->min > z->max)) {
        return ZONE_NONE;
    }
    const bool all = z != NULL && z->missing == 0 && node->ranges[first].low <= z->min &&
                     node->ranges[first].high >= z->max;
    return all ? ZONE_ALL : ZONE_SOME;
}

static void numbers_in_zone(const struct step *st, uint32_t row, uint32_t n, uint64_t *bits)
{
    const struct shard_zone *z =
        st->attr->zones == NULL ? NULL : &st->attr->zones[row / SHARD_ZONE_ROWS];
    uint32_t end;
    const uint32_t first = ranges_in(st->node, z, &end);
    const enum zone_says says = zone_says(st->node, z, first, end);
    const size_t words = wf_bits_words(n);
    if (says == ZONE_ALL) {
        return;
    }
    if (says == ZONE_SOME &&
        (end - first > SCANS_MAX || wf_bits_count(bits, 0, n) <= FEW_IN_ZONE)) {
        keep_by_row(st, row, words, bits);
        return;
    }
    uint64_t hits[ZONE_WORDS] = {0};
    for (uint32_t i = first; i < end && says == ZONE_SOME; i++) {
        shard_match_range(st->attr->numbers + row, n, st->node->ranges[i], hits);
    }
    wf_bits_and(bits, hits, n);
}

static void codes_in_zone(const struct step *st, uint32_t row, uint32_t n, uint64_t *bits)
{
    if (st->n_codes > SCANS_MAX || wf_bits_count(bits, 0, n) <= FEW_IN_ZONE) {
        keep_by_row(st, row, wf_bits_words(n), bits);
        return;
    }
    uint64_t hits[ZONE_WORDS] = {0};
    for (uint32_t i = 0; i < st->n_codes; i++) {
        if (st->attr->flags != NULL) {
            shard_match_flag(st->attr->flags + row, n, (uint8_t)st->codes[i], hits);
        } else {
            shard_match_code(st->attr->codes + row, n, st->codes[i], hits);
        }
    }
    wf_bits_and(bits, hits, n);
}

/* Sizes are compared first: few texts have one that is wanted. */
static void texts_in_zone(const struct step *st, uint32_t row, uint32_t n, uint64_t *bits)
{
    if (st->n_sizes <= SCANS_MAX && wf_bits_count(bits, 0, n) > FEW_IN_ZONE) {
        uint64_t hits[ZONE_WORDS] = {0};
        for (uint32_t i = 0; i < st->node->n; i++) {
            const size_t size = st->texts[i].size;
            if ((i == 0 || size != st->texts[i - 1].size) && size <= UINT32_MAX) {
                shard_match_size(st->attr->offsets + row, n, (uint32_t)size, hits);
            }
        }
        wf_bits_and(bits, hits, n);
    }
    keep_by_row(st, row, wf_bits_words(n), bits);
}

static bool any(const uint64_t *bits, size_t words)
{
    uint64_t all = 0;
    for (size_t i = 0; i < words; i++) {
        all |= bits[i];
    }
    return all != 0;
}

static void narrow_by_zones(const struct eval *e, const struct step *st, uint64_t *bits)
{
    for (uint32_t row = 0; row < e->rows; row += SHARD_ZONE_ROWS) {
        const uint32_t left = e->rows - row;
        const uint32_t n = left < SHARD_ZONE_ROWS ? left : SHARD_ZONE_ROWS;
        uint64_t *zone = bits + row / 64;
        if (!any(zone, wf_bits_words(n))) {
            continue;
        }
        if (st->attr->numbers != NULL) {
            numbers_in_zone(st, row, n, zone);
        } else if (st->texts != NULL) {
            texts_in_zone(st, row, n, zone);
        } else {
            codes_in_zone(st, row, n, zone);
        }
        if (left <= SHARD_ZONE_ROWS) {
            break; /* row + SHARD_ZONE_ROWS may not be a number */
        }
    }
}

/* ---- leaves ---- */

/* False, with bits unchanged, when a list is damaged. */
static bool narrow_by_lists(struct eval *e, const struct step *st, uint64_t *bits)
{
    uint64_t *listed = borrow(e);
    memset(listed, 0, e->words * sizeof *listed);
    bool good = true;
    for (uint32_t i = 0; i < st->n_codes && good; i++) {
        const struct shard_posting list = shard_postings_list(&st->attr->postings, st->codes[i]);
        good = shard_posting_or(list, e->rows, listed);
    }
    if (good) {
        wf_bits_and(bits, listed, e->rows);
    }
    give_back(e, listed);
    return good;
}

static uint32_t narrow_leaf(struct eval *e, const struct step *st, uint64_t *bits, uint32_t count)
{
    const bool coded =
        st->attr->schema->type != WF_ATTR_NUMBER && st->attr->schema->type != WF_ATTR_TEXT;
    if (coded && st->n_codes == 0) {
        memset(bits, 0, e->words * sizeof *bits);
        return 0;
    }
    if (count <= e->rows / FEW_ONE_IN) {
        keep_by_row(st, 0, e->words, bits);
    } else if (!coded || st->attr->postings.n == 0 || !narrow_by_lists(e, st, bits)) {
        narrow_by_zones(e, st, bits);
    }
    return wf_bits_count(bits, 0, e->rows);
}

/* ---- the tree ---- */

static uint32_t narrow(struct eval *e, const struct step *st, uint64_t *bits, uint32_t count);

/* Rows that no child keeps go from one child to the next. */
static uint32_t narrow_or(struct eval *e, const struct step *st, uint64_t *bits, uint32_t count)
{
    uint64_t *rest = borrow_copy(e, bits);
    uint32_t left = count;
    for (uint32_t i = 0; i < st->n && left > 0; i++) {
        uint64_t *kept = borrow_copy(e, rest);
        left -= narrow(e, &st->children[i], kept, left);
        take_away(rest, kept, e->words);
        give_back(e, kept);
    }
    take_away(bits, rest, e->words);
    give_back(e, rest);
    return count - left;
}

static uint32_t narrow_not(struct eval *e, const struct step *st, uint64_t *bits, uint32_t count)
{
    uint64_t *kept = borrow_copy(e, bits);
    count -= narrow(e, &st->children[0], kept, count);
    take_away(bits, kept, e->words);
    give_back(e, kept);
    return count;
}

/* Keeps those of `count` rows that match and returns how many they are. Depth is the tree's, which
 * the parser limits. */
// NOLINTNEXTLINE(misc-no-recursion)
static uint32_t narrow(struct eval *e, const struct step *st, uint64_t *bits, uint32_t count)
{
    switch (st->node->op) {
    case WF_FILTER_ALL:
        return count;
    case WF_FILTER_NONE:
        memset(bits, 0, e->words * sizeof *bits);
        return 0;
    case WF_FILTER_AND:
        for (uint32_t i = 0; i < st->n && count > 0; i++) {
            count = narrow(e, &st->children[i], bits, count);
        }
        return count;
    case WF_FILTER_OR:
        return narrow_or(e, st, bits, count);
    case WF_FILTER_NOT:
        return narrow_not(e, st, bits, count);
    case WF_FILTER_VALUES:
    case WF_FILTER_RANGES:
    case WF_FILTER_FLAGS:
        return narrow_leaf(e, st, bits, count);
    }
    return 0;
}

/* ---- steps ---- */

/* The code of a keyword's value, WF_NO_CODE when no row has it. Values are in byte order. */
static uint32_t code_of(const struct shard_attr *a, const char *value)
{
    uint32_t low = 0, high = a->n_values;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        const int order = strcmp(a->bytes + a->offsets[mid], value);
        if (order == 0) {
            return mid;
        }
        low = order < 0 ? mid + 1 : low;
        high = order < 0 ? high : mid;
    }
    return WF_NO_CODE;
}

/* Share and cost of a leaf whose codes are known. */
static void estimate_codes(const struct eval *e, struct step *st)
{
    const struct shard_postings *p = &st->attr->postings;
    if (p->n == 0) {
        const double n_values = st->attr->flags != NULL ? 2 : (double)st->attr->n_values;
        st->share = (double)st->n_codes / (n_values + 1);
        st->cost = st->n_codes > SCANS_MAX ? cost_row : cost_scan * st->n_codes;
        return;
    }
    double rows = 0;
    for (uint32_t i = 0; i < st->n_codes; i++) {
        rows += shard_posting_count(shard_postings_list(p, st->codes[i]), e->rows);
    }
    st->share = rows / e->rows;
    st->cost = cost_pass + cost_list * st->share;
}

static void prepare_keyword(struct eval *e, struct step *st)
{
    const struct wf_filter_node *node = st->node;
    st->codes = wf_array(&e->arena, uint32_t, node->n);
    for (uint32_t i = 0; i < node->n; i++) {
        const uint32_t code = code_of(st->attr, node->values[i]);
        if (code != WF_NO_CODE) {
            st->codes[st->n_codes++] = code;
        }
    }
    if (st->n_codes > SCANS_MAX && st->attr->postings.n == 0) {
        st->member = wf_array(&e->arena, uint64_t, wf_bits_words(st->attr->n_values));
        for (uint32_t i = 0; i < st->n_codes; i++) {
            wf_bit_set(st->member, st->codes[i]);
        }
    }
    estimate_codes(e, st);
}

static void prepare_flags(struct eval *e, struct step *st)
{
    st->codes = wf_array(&e->arena, uint32_t, 2);
    for (uint32_t flag = 0; flag < 2; flag++) {
        if ((st->node->flags >> flag & 1) != 0) {
            st->codes[st->n_codes++] = flag;
        }
    }
    estimate_codes(e, st);
}

/* Numbers are taken to lie evenly in their zone. */
static void prepare_numbers(const struct eval *e, struct step *st)
{
    double rows = 0, scanned = 0;
    for (uint32_t i = 0; st->attr->zones != NULL && i < shard_zones(e->rows); i++) {
        const struct shard_zone *z = &st->attr->zones[i];
        const double width = (double)z->max - (double)z->min, n = SHARD_ZONE_ROWS - z->missing;
        uint32_t end;
        const uint32_t first = ranges_in(st->node, z, &end);
        const enum zone_says says = zone_says(st->node, z, first, end);
        rows += says == ZONE_ALL ? n : 0;
        for (uint32_t j = first; j < end && says == ZONE_SOME; j++) {
            const struct wf_filter_range *r = &st->node->ranges[j];
            const double in = (double)fminf(r->high, z->max) - (double)fmaxf(r->low, z->min);
            rows += width > 0 && isfinite(width) ? n * in / width : n / 2;
            scanned += SHARD_ZONE_ROWS;
        }
    }
    const bool known = st->attr->zones != NULL;
    st->share = known ? fmin(rows / e->rows, 1) : .5;
    st->cost = cost_pass + (known ? cost_scan * scanned / e->rows : cost_scan * st->node->n);
}

static void prepare_texts(struct eval *e, struct step *st)
{
    st->texts = wf_array(&e->arena, struct text, st->node->n);
    for (uint32_t i = 0; i < st->node->n; i++) {
        const char *value = st->node->values[i];
        st->texts[i] = (struct text){value, strlen(value)};
    }
    qsort(st->texts, st->node->n, sizeof *st->texts, by_size);
    for (uint32_t i = 0; i < st->node->n; i++) {
        st->n_sizes += i == 0 || st->texts[i].size != st->texts[i - 1].size;
    }
    st->share = fmin(.01 * st->node->n, .5);
    st->cost = cost_text;
}

static void prepare_leaf(struct eval *e, struct step *st)
{
    st->attr = &e->s->attrs[st->node->attr];
    switch (st->attr->schema->type) {
    case WF_ATTR_KEYWORD:
        prepare_keyword(e, st);
        break;
    case WF_ATTR_NUMBER:
        prepare_numbers(e, st);
        break;
    case WF_ATTR_FLAG:
        prepare_flags(e, st);
        break;
    case WF_ATTR_TEXT:
        prepare_texts(e, st);
        break;
    }
}

static int by_rank(const void *a, const void *b)
{
    const double x = ((const struct step *)a)->rank, y = ((const struct step *)b)->rank;
    return (x > y) - (x < y);
}

/* Order, share and cost of an `and` or `or`: a child costs what it does for the rows that reach
 * it, and children that stop the most rows for their cost come first. */
static void weigh(struct step *st)
{
    const bool is_and = st->node->op == WF_FILTER_AND;
    for (uint32_t i = 0; i < st->n; i++) {
        struct step *child = &st->children[i];
        const double stops = is_and ? 1 - child->share : child->share;
        child->rank = child->cost / fmax(stops, 1e-9);
    }
    qsort(st->children, st->n, sizeof *st->children, by_rank);
    double reach = 1;
    for (uint32_t i = 0; i < st->n; i++) {
        st->cost += cost_pass + reach * st->children[i].cost;
        reach *= is_and ? st->children[i].share : 1 - st->children[i].share;
    }
    st->share = is_and ? reach : 1 - reach;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void prepare(struct eval *e, const struct wf_filter_node *node, struct step *st)
{
    *st = (struct step){.node = node};
    switch (node->op) {
    case WF_FILTER_ALL:
        st->share = 1;
        return;
    case WF_FILTER_NONE:
        return;
    case WF_FILTER_VALUES:
    case WF_FILTER_RANGES:
    case WF_FILTER_FLAGS:
        prepare_leaf(e, st);
        return;
    case WF_FILTER_AND:
    case WF_FILTER_OR:
    case WF_FILTER_NOT:
        break;
    }
    st->n = node->op == WF_FILTER_NOT ? 1 : node->n;
    st->children = wf_array(&e->arena, struct step, st->n);
    for (uint32_t i = 0; i < st->n; i++) {
        prepare(e, node->children[i], &st->children[i]);
    }
    if (node->op == WF_FILTER_NOT) {
        st->share = 1 - st->children[0].share;
        st->cost = cost_pass + st->children[0].cost;
    } else {
        weigh(st);
    }
}

uint32_t shard_filter_eval(const struct shard *s, const struct wf_filter_node *root, uint64_t *bits)
{
    if (s->rows == 0) {
        return 0;
    }
    struct eval e = {.s = s, .rows = s->rows, .words = wf_bits_words(s->rows)};
    struct step step;
    wf_arena_init(&e.arena, SIZE_MAX);
    prepare(&e, root, &step);
    memset(bits, 0, e.words * sizeof *bits);
    wf_bits_fill(bits, 0, e.rows);
    const uint32_t count = narrow(&e, &step, bits, e.rows);
    while (e.spare != NULL) {
        wf_xfree(borrow(&e));
    }
    wf_arena_fini(&e.arena);
    return count;
}

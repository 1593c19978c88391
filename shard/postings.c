/* SPDX-License-Identifier: Apache-2.0
 *
 * postings.c - see postings.h. Written list by list, rows grouped by a counting sort; read block by
 * block of 65536 rows, which is what a Roaring bitmap is made of: a sorted array, a run list, or a
 * plain bitset whose words go into ours as they are.
 */
#include "shard/postings.h"

#include <math.h>
#include <string.h>

#include <roaring/roaring.h>

#include "base/arena.h"
#include "base/bits.h"
#include "shard/mapped.h"

enum {
    COOKIE_RUNS = 12347,  /* low half; the high half is the number of blocks less 1 */
    COOKIE_PLAIN = 12346, /* then the number of blocks */
    OFFSETS_FROM = 4,     /* with runs, block offsets are there from so many blocks on */
    ARRAY_MAX = 4096,     /* rows; with more the block is a bitset */
    BLOCK_ROWS = 65536,
    BLOCK_WORDS = BLOCK_ROWS / 64,
};

/* ---- writing ---- */

bool shard_postings_wanted(uint32_t n_values, uint32_t rows)
{
    return n_values <= rows / 16 + 64;
}

static void begin_section(struct wf_container_writer *w, const char *name, const char *part)
{
    char section[64];
    shard_section_name(section, "attr", name, part); /* lengths were checked */
    wf_container_begin(w, section);
}

/* Rows by code, rising within one; begin[v] .. begin[v + 1] - 1 are those of value v. Both owned.
 */
static uint32_t *rows_by_code(const uint32_t *codes, uint32_t rows, uint32_t n_values,
                              uint32_t **begin)
{
    uint32_t *at = wf_xarray(uint32_t, (size_t)n_values + 2);
    uint32_t *out = wf_xarray(uint32_t, (size_t)rows + 1);
    for (uint32_t row = 0; row < rows; row++) {
        if (codes[row] != WF_NO_CODE) {
            at[codes[row] + 2]++;
        }
    }
    for (uint32_t v = 2; v <= n_values; v++) {
        at[v] += at[v - 1];
    }
    for (uint32_t row = 0; row < rows; row++) {
        if (codes[row] != WF_NO_CODE) {
            out[at[codes[row] + 1]++] = row;
        }
    }
    *begin = at;
    return out;
}

/* Puts one list and returns its size. */
static size_t put_list(struct wf_container_writer *w, const uint32_t *rows, uint32_t n)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_of_ptr(n, rows);
    wf_assert(bitmap != NULL);
    roaring_bitmap_run_optimize(bitmap);
    const size_t size = roaring_bitmap_portable_size_in_bytes(bitmap);
    char *bytes = wf_xmalloc(size);
    roaring_bitmap_portable_serialize(bitmap, bytes);
    wf_container_put(w, bytes, size);
    wf_xfree(bytes);
    roaring_bitmap_free(bitmap);
    return size;
}

void shard_postings_write(struct wf_container_writer *w, const char *name, const uint32_t *codes,
                          uint32_t rows, uint32_t n_values)
{
    uint32_t *begin;
    uint32_t *by_code = rows_by_code(codes, rows, n_values, &begin);
    uint64_t *offsets = wf_xarray(uint64_t, (size_t)n_values + 1);
    begin_section(w, name, "postings");
    for (uint32_t v = 0; v < n_values; v++) {
        offsets[v + 1] = offsets[v] + put_list(w, by_code + begin[v], begin[v + 1] - begin[v]);
    }
    begin_section(w, name, "posting_offsets");
    wf_container_put(w, offsets, ((size_t)n_values + 1) * sizeof *offsets);
    wf_xfree(offsets);
    wf_xfree(by_code);
    wf_xfree(begin);
}

uint32_t shard_zones(uint32_t rows)
{
    return rows / SHARD_ZONE_ROWS + (rows % SHARD_ZONE_ROWS != 0);
}

static struct shard_zone zone_of(const float *numbers, uint32_t n)
{
    struct shard_zone z = {.min = INFINITY, .max = -INFINITY};
    for (uint32_t i = 0; i < n; i++) {
        z.missing += isnan(numbers[i]) != 0;
        z.min = numbers[i] < z.min ? numbers[i] : z.min;
        z.max = numbers[i] > z.max ? numbers[i] : z.max;
    }
    return z;
}

/* Rows of zone z. */
static uint32_t zone_rows(uint32_t z, uint32_t rows)
{
    const uint32_t left = rows - z * SHARD_ZONE_ROWS;
    return left < SHARD_ZONE_ROWS ? left : SHARD_ZONE_ROWS;
}

void shard_zones_write(struct wf_container_writer *w, const char *name, const float *numbers,
                       uint32_t rows)
{
    begin_section(w, name, "zones");
    for (uint32_t z = 0; z < shard_zones(rows); z++) {
        const struct shard_zone zone =
            zone_of(numbers + (size_t)z * SHARD_ZONE_ROWS, zone_rows(z, rows));
        wf_container_put(w, &zone, sizeof zone);
    }
}

/* ---- opening ---- */

/* The section, or NULL when there is none. */
static const struct wf_section *find(const struct wf_container *c, const char *name,
                                     const char *part)
{
    char section[64];
    return shard_section_name(section, "attr", name, part) ? wf_container_find(c, section) : NULL;
}

enum wf_code shard_postings_open(const struct wf_container *c, const char *name, uint32_t n_values,
                                 struct shard_postings *out, struct wf_error *err)
{
    const struct wf_section *bytes = find(c, name, "postings");
    const struct wf_section *offsets = find(c, name, "posting_offsets");
    *out = (struct shard_postings){0};
    if (bytes == NULL && offsets == NULL) {
        return WF_OK;
    }
    if (bytes == NULL || offsets == NULL ||
        offsets->size != ((size_t)n_values + 1) * sizeof *out->offsets) {
        return shard_lies(err, "attribute", name, "posting lists do not fit the values");
    }
    *out = (struct shard_postings){.bytes = bytes->data,
                                   .size = bytes->size,
                                   .offsets = (const uint64_t *)(const void *)offsets->data,
                                   .n = n_values};
    return WF_OK;
}

enum wf_code shard_zones_open(const struct wf_container *c, const char *name, uint32_t rows,
                              const struct shard_zone **out, struct wf_error *err)
{
    const struct wf_section *zones = find(c, name, "zones");
    if (zones != NULL && zones->size != shard_zones(rows) * sizeof **out) {
        return shard_lies(err, "attribute", name, "zones do not fit the rows");
    }
    *out = zones == NULL ? NULL : (const struct shard_zone *)(const void *)zones->data;
    return WF_OK;
}

/* ---- reading ---- */

static uint32_t u16_at(const unsigned char *p, size_t i)
{
    uint16_t v;
    memcpy(&v, p + 2 * i, sizeof v);
    return v;
}

static uint32_t u32_at(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

enum block_kind { BLOCK_ARRAY, BLOCK_BITSET, BLOCK_RUNS };
/* The part of a list that lies in one block of rows. */
struct block {
    enum block_kind kind;
    uint32_t first;            /* row 0 of the block */
    uint32_t n;                /* rows, as the head says; runs for BLOCK_RUNS */
    const unsigned char *data; /* n u16; BLOCK_WORDS u64; n times u16 row, u16 more rows */
};
/* A walk over the blocks; `at` .. `end` is what is left of the bytes. */
struct walk {
    const unsigned char *run_flags; /* NULL: no block is a run list */
    const unsigned char *heads;     /* per block u16 number, u16 rows less 1 */
    const unsigned char *at, *end;
    uint32_t n, i;
    uint32_t rows;
};

/* Moves `at` over `size` bytes and returns where they begin; NULL when fewer are left. */
static const unsigned char *take(struct walk *w, size_t size)
{
    if ((size_t)(w->end - w->at) < size) {
        return NULL;
    }
    const unsigned char *begin = w->at;
    w->at += size;
    return begin;
}

static bool walk_begin(struct walk *w, struct shard_posting p, uint32_t rows)
{
    *w = (struct walk){.at = p.bytes, .end = p.bytes + p.size, .rows = rows};
    const unsigned char *cookie = take(w, sizeof(uint32_t));
    if (cookie == NULL) {
        return false;
    }
    const uint32_t word = u32_at(cookie);
    const bool runs = (word & 0xffff) == COOKIE_RUNS;
    if (runs) {
        w->n = (word >> 16) + 1;
        w->run_flags = take(w, (w->n + 7) / 8);
    } else {
        const unsigned char *n = word == COOKIE_PLAIN ? take(w, sizeof(uint32_t)) : NULL;
        w->n = n == NULL ? UINT32_MAX : u32_at(n);
    }
    if (w->n > BLOCK_ROWS || (runs && w->run_flags == NULL)) {
        return false;
    }
    w->heads = take(w, (size_t)w->n * 4);
    const bool offsets = !runs || w->n >= OFFSETS_FROM;
    return w->heads != NULL && take(w, offsets ? (size_t)w->n * 4 : 0) != NULL;
}

/* False when the bytes are damaged; b->first < w->rows otherwise. */
static bool walk_next(struct walk *w, struct block *b)
{
    const uint32_t i = w->i++;
    const uint32_t number = u16_at(w->heads, 2 * (size_t)i);
    const bool rises = i == 0 || number > u16_at(w->heads, 2 * (size_t)i - 2);
    b->first = number * BLOCK_ROWS;
    b->n = u16_at(w->heads, 2 * (size_t)i + 1) + 1;
    size_t size = 0;
    if (w->run_flags != NULL && (w->run_flags[i / 8] >> i % 8 & 1) != 0) {
        const unsigned char *n = take(w, sizeof(uint16_t));
        b->kind = BLOCK_RUNS;
        b->n = n == NULL ? 0 : u16_at(n, 0);
        size = (size_t)b->n * 4;
    } else {
        b->kind = b->n <= ARRAY_MAX ? BLOCK_ARRAY : BLOCK_BITSET;
        size = b->kind == BLOCK_ARRAY ? (size_t)b->n * 2 : BLOCK_WORDS * sizeof(uint64_t);
    }
    b->data = take(w, size);
    return rises && b->first < w->rows && b->n > 0 && b->data != NULL;
}

struct shard_posting shard_postings_list(const struct shard_postings *p, uint32_t i)
{
    const uint64_t begin = p->offsets[i], end = p->offsets[i + 1];
    if (begin > end || end > p->size) {
        return (struct shard_posting){.bytes = p->bytes};
    }
    return (struct shard_posting){.bytes = p->bytes + begin, .size = (size_t)(end - begin)};
}

uint32_t shard_posting_count(struct shard_posting p, uint32_t rows)
{
    struct walk w;
    uint64_t count = 0;
    if (!walk_begin(&w, p, rows)) {
        return 0;
    }
    for (uint32_t i = 0; i < w.n; i++) {
        count += u16_at(w.heads, 2 * (size_t)i + 1) + 1;
    }
    return count < rows ? (uint32_t)count : rows;
}

static bool or_array(const struct block *b, uint32_t rows, uint64_t *bits)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const uint32_t row = b->first + u16_at(b->data, i);
        if (row >= rows) {
            return false;
        }
        wf_bit_set(bits, row);
    }
    return true;
}

static bool or_bitset(const struct block *b, uint32_t rows, uint64_t *bits)
{
    const size_t first = b->first / 64, left = wf_bits_words(rows) - first;
    const size_t n = left < BLOCK_WORDS ? left : BLOCK_WORDS;
    for (size_t i = 0; i < n; i++) {
        uint64_t word;
        memcpy(&word, b->data + i * sizeof word, sizeof word);
        bits[first + i] |= word;
    }
    return true;
}

static bool or_runs(const struct block *b, uint32_t rows, uint64_t *bits)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const uint32_t row = u16_at(b->data, 2 * (size_t)i);
        const uint32_t more = u16_at(b->data, 2 * (size_t)i + 1);
        if (row + more >= BLOCK_ROWS || more >= rows - b->first || row >= rows - b->first - more) {
            return false;
        }
        wf_bits_fill(bits, b->first + row, b->first + row + more + 1);
    }
    return true;
}

bool shard_posting_or(struct shard_posting p, uint32_t rows, uint64_t *bits)
{
    static bool (*const put[])(const struct block *, uint32_t, uint64_t *) = {
        [BLOCK_ARRAY] = or_array, [BLOCK_BITSET] = or_bitset, [BLOCK_RUNS] = or_runs};
    struct walk w;
    if (!walk_begin(&w, p, rows)) {
        return false;
    }
    struct block b = {0};
    while (w.i < w.n) {
        if (!walk_next(&w, &b) || !put[b.kind](&b, rows, bits)) {
            return false;
        }
    }
    return true;
}

/* ---- checking ---- */

/* One list while it is held against its column. */
struct audit {
    const uint32_t *rows; /* those with the value, rising; n of them */
    uint32_t n, at;
};

/* Whether `row` is the next that the column names. */
static bool next_is(struct audit *a, uint32_t row)
{
    return a->at < a->n && a->rows[a->at++] == row;
}

static bool audit_array(const struct block *b, struct audit *a)
{
    bool good = true;
    for (uint32_t i = 0; i < b->n && good; i++) {
        good = next_is(a, b->first + u16_at(b->data, i));
    }
    return good;
}

static bool audit_bitset(const struct block *b, struct audit *a)
{
    const uint32_t begin = a->at;
    bool good = true;
    for (uint32_t i = 0; i < BLOCK_WORDS && good; i++) {
        uint64_t word;
        memcpy(&word, b->data + i * sizeof word, sizeof word);
        for (; word != 0 && good; word &= word - 1) {
            good = next_is(a, b->first + i * 64 + (uint32_t)__builtin_ctzll(word));
        }
    }
    return good && a->at - begin == b->n;
}

static bool audit_runs(const struct block *b, struct audit *a)
{
    bool good = true;
    for (uint32_t i = 0; i < b->n && good; i++) {
        const uint32_t row = u16_at(b->data, 2 * (size_t)i);
        const uint32_t more = u16_at(b->data, 2 * (size_t)i + 1);
        good = row + more < BLOCK_ROWS;
        for (uint32_t j = 0; j <= more && good; j++) {
            good = next_is(a, b->first + row + j);
        }
    }
    return good;
}

static bool list_is(struct shard_posting p, uint32_t rows, struct audit *a)
{
    static bool (*const audit[])(const struct block *, struct audit *) = {
        [BLOCK_ARRAY] = audit_array, [BLOCK_BITSET] = audit_bitset, [BLOCK_RUNS] = audit_runs};
    struct walk w;
    bool good = walk_begin(&w, p, rows);
    while (good && w.i < w.n) {
        struct block b = {0};
        good = walk_next(&w, &b) && audit[b.kind](&b, a);
    }
    return good && a->at == a->n && w.at == w.end;
}

static enum wf_code check_lists(const struct shard_postings *p, const char *name,
                                const uint32_t *codes, uint32_t rows, struct wf_error *err)
{
    uint32_t *begin;
    uint32_t *by_code = rows_by_code(codes, rows, p->n, &begin);
    bool good = p->offsets[0] == 0 && p->offsets[p->n] == p->size;
    for (uint32_t v = 0; v < p->n && good; v++) {
        struct audit a = {.rows = by_code + begin[v], .n = begin[v + 1] - begin[v]};
        good = list_is(shard_postings_list(p, v), rows, &a);
    }
    wf_xfree(by_code);
    wf_xfree(begin);
    return good ? WF_OK
                : shard_lies(err, "attribute", name, "posting lists differ from the column");
}

static enum wf_code check_zones(const struct shard_attr *a, uint32_t rows, struct wf_error *err)
{
    for (uint32_t z = 0; z < shard_zones(rows); z++) {
        const struct shard_zone *says = &a->zones[z];
        const struct shard_zone is =
            zone_of(a->numbers + (size_t)z * SHARD_ZONE_ROWS, zone_rows(z, rows));
        if (is.min != says->min || is.max != says->max || is.missing != says->missing) {
            return shard_lies(err, "attribute", a->schema->name, "zones differ from the column");
        }
    }
    return WF_OK;
}

static enum wf_code check_flags(const struct shard_attr *a, uint32_t rows, struct wf_error *err)
{
    uint32_t *codes = wf_xarray(uint32_t, (size_t)rows + 1);
    for (uint32_t row = 0; row < rows; row++) {
        codes[row] = a->flags[row] < 2 ? a->flags[row] : WF_NO_CODE;
    }
    const enum wf_code code = check_lists(&a->postings, a->schema->name, codes, rows, err);
    wf_xfree(codes);
    return code;
}

enum wf_code shard_postings_check(const struct shard *s, struct wf_error *err)
{
    enum wf_code code = WF_OK;
    for (unsigned i = 0; i < s->schema.n_attrs && code == WF_OK; i++) {
        const struct shard_attr *a = &s->attrs[i];
        if (a->zones != NULL) {
            code = check_zones(a, s->rows, err);
        } else if (a->flags != NULL && a->postings.n > 0) {
            code = check_flags(a, s->rows, err);
        } else if (a->postings.n > 0) {
            code = check_lists(&a->postings, a->schema->name, a->codes, s->rows, err);
        }
    }
    return code;
}

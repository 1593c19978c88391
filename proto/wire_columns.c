/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_columns.c - the columns of one source of a shard's reply, both ways.
 *
 * Reading is the defence against a shard that answers garbage: after it, every array has the length
 * that its users assume, every index is in range, scores are finite and in order, texts are UTF-8.
 * It runs for every source of every query, so it is plain passes over whole columns: nothing is
 * copied and nothing is allocated per row. Features and numbers may be NaN (missing); vectors may
 * not, because similarities are computed from them.
 */
#include <math.h>
#include <string.h>

#include "base/vector.h"
#include "proto/wire_check.h"
#include "proto/wire_parts.h"
#include "weft/internal/v1/shard.pb-c.h"

typedef Weft__Internal__V1__Columns columns_msg;
typedef Weft__Internal__V1__AttributeColumn column_msg;

/* The exponent bits of two floats or four halves, and the lowest of each. */
#define FLOAT32_EXPONENT UINT64_C(0x7F8000007F800000)
#define FLOAT32_LOWEST   UINT64_C(0x0080000000800000)
#define FP16_EXPONENT    UINT64_C(0x7C007C007C007C00)
#define FP16_LOWEST      UINT64_C(0x0400040004000400)

size_t wire_encoding_size(enum wire_encoding encoding)
{
    static const size_t sizes[] = {[WIRE_FLOAT32] = 4, [WIRE_FP16] = 2, [WIRE_INT8] = 1};
    size_t i = (size_t)encoding;
    return i < sizeof sizes / sizeof sizes[0] ? sizes[i] : 0;
}

/* ---- reading ---- */

/* Rows of bytes one after another. */
struct strings {
    const char *what; /* for errors: "SKU" */
    const ProtobufCBinaryData *bytes;
    const uint32_t *sizes;
    size_t n;
    uint32_t min, max; /* bytes of a row */
};

/* The rows are together all the bytes; each is UTF-8 without NUL. */
static enum wf_code check_strings(const struct strings *s, struct wf_error *err)
{
    const ProtobufCBinaryData *bytes = s->bytes;
    size_t at = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->sizes[i] < s->min || s->sizes[i] > s->max || s->sizes[i] > bytes->len - at) {
            return wire_garbage(err, "%s %zu has %u bytes, %u to %u and %zu left are allowed",
                                s->what, i, s->sizes[i], s->min, s->max, bytes->len - at);
        }
        if (s->sizes[i] && (bytes->data[at] & 0xC0) == 0x80) { /* a character cut between rows */
            return wire_garbage(err, "%s %zu is not UTF-8", s->what, i);
        }
        at += s->sizes[i];
    }
    if (at != bytes->len) {
        return wire_garbage(err, "%ss have %zu bytes, %zu came", s->what, at, bytes->len);
    }
    if (at && (memchr(bytes->data, 0, at) || !wire_utf8((const char *)bytes->data, at))) {
        return wire_garbage(err, "%ss are not UTF-8 without NUL", s->what);
    }
    return WF_OK;
}

/* Scores fall; equal ones have their SKUs rising. */
static enum wf_code check_order(const struct wire_columns *c, struct wf_error *err)
{
    const char *sku = c->sku_bytes;
    for (uint32_t i = 1; i < c->n; i++) {
        const char *next = sku + c->sku_sizes[i - 1];
        if (c->scores[i] > c->scores[i - 1]) {
            return wire_garbage(err, "row %u has score %g after %g", i, (double)c->scores[i],
                                (double)c->scores[i - 1]);
        }
        if (!(c->scores[i] < c->scores[i - 1])) {
            uint32_t a = c->sku_sizes[i - 1];
            uint32_t b = c->sku_sizes[i];
            int order = memcmp(sku, next, a < b ? a : b);
            if (order > 0 || (order == 0 && a >= b)) {
                return wire_garbage(err, "row %u has the score and no later SKU than row %u", i,
                                    i - 1);
            }
        }
        sku = next;
    }
    return WF_OK;
}

static enum wf_code check_count(const char *what, size_t n, size_t want, struct wf_error *err)
{
    return n == want ? WF_OK : wire_garbage(err, "%zu %s, %zu are due", n, what, want);
}

static enum wf_code read_scores(const columns_msg *m, bool probe, struct wf_arena *arena,
                                struct wire_columns *out, struct wf_error *err)
{
    if (!probe && !m->n_scores) { /* a lookup's scores are 0, said or not */
        out->scores = wf_array(arena, float, out->n);
        return out->scores ? WF_OK : wire_full(err, arena);
    }
    WIRE_TRY(check_count("scores", m->n_scores, out->n, err));
    ptrdiff_t bad = out->n ? wf_first_not_finite(m->scores, out->n) : -1;
    if (bad >= 0) {
        return wire_garbage(err, "row %td has score %g", bad, (double)m->scores[bad]);
    }
    out->scores = m->scores;
    return probe ? check_order(out, err) : WF_OK;
}

static enum wf_code read_features(const columns_msg *m, const struct wire_columns_rule *rule,
                                  struct wire_columns *out, struct wf_error *err)
{
    WIRE_TRY(check_count("features", m->n_features, (size_t)out->n * rule->n_features, err));
    out->features = rule->n_features ? m->features : NULL;
    return WF_OK;
}

/*
 * No element has all its exponent bits set (NaN, infinity). Eight bytes at a time: where the bits
 * of `exponent` are all set, adding the lowest of them carries into the lane's top bit, and nowhere
 * else. Every element's size divides eight; zeros stand in behind the end.
 */
static bool all_finite(const unsigned char *data, size_t size, uint64_t exponent, uint64_t lowest)
{
    uint64_t carried = 0;
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        if (size - i >= sizeof word) {
            memcpy(&word, data + i, sizeof word);
        } else {
            memcpy(&word, data + i, size - i);
        }
        carried |= (word & exponent) + lowest;
    }
    return !(carried & (exponent << 1) & ~exponent);
}

static enum wf_code check_scales(const float *scales, size_t n, struct wf_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!(scales[i] >= 0) || isinf(scales[i])) {
            return wire_garbage(err, "row %zu has vector scale %g", i, (double)scales[i]);
        }
    }
    return WF_OK;
}

static enum wf_code read_vectors(const columns_msg *m, const struct wire_columns_rule *rule,
                                 struct wire_columns *out, struct wf_error *err)
{
    size_t elements = (size_t)out->n * rule->dim;
    size_t want = elements * wire_encoding_size(rule->encoding);
    bool scaled = rule->encoding == WIRE_INT8;
    WIRE_TRY(check_count("bytes of vectors", m->vectors.len, want, err));
    WIRE_TRY(check_count("vector scales", m->n_vector_scales, scaled ? out->n : 0, err));
    if (!rule->encoding) {
        return WF_OK;
    }
    if (out->n && !rule->dim) {
        return wire_garbage(err, "%u rows with vectors of dimension 0", out->n);
    }
    if ((rule->encoding == WIRE_FLOAT32 &&
         !all_finite(m->vectors.data, want, FLOAT32_EXPONENT, FLOAT32_LOWEST)) ||
        (rule->encoding == WIRE_FP16 &&
         !all_finite(m->vectors.data, want, FP16_EXPONENT, FP16_LOWEST))) {
        return wire_garbage(err, "a vector holds a number that is not finite");
    }
    out->vectors = m->vectors.data;
    out->vector_scales = scaled ? m->vector_scales : NULL;
    return check_scales(m->vector_scales, m->n_vector_scales, err);
}

static enum wf_code read_keyword(const column_msg *m, struct wire_column *out, struct wf_error *err)
{
    out->kind = WIRE_COLUMN_KEYWORD;
    out->dictionary = (const char *const *)m->dictionary;
    out->n_dictionary = (uint32_t)m->n_dictionary;
    out->codes = m->codes;
    for (size_t i = 0; i < m->n_codes; i++) {
        if (m->codes[i] >= m->n_dictionary && m->codes[i] != UINT32_MAX) {
            return wire_garbage(err, "row %zu has code %u of %zu", i, m->codes[i], m->n_dictionary);
        }
    }
    for (size_t i = 0; i < m->n_dictionary; i++) {
        const char *word = wire_str(m->dictionary[i]);
        if (!wire_utf8(word, strlen(word))) {
            return wire_garbage(err, "dictionary word %zu is not UTF-8", i);
        }
    }
    return WF_OK;
}

static enum wf_code read_flags(const column_msg *m, struct wire_column *out, struct wf_error *err)
{
    out->kind = WIRE_COLUMN_FLAG;
    out->flags = m->flags.data;
    for (size_t i = 0; i < m->flags.len; i++) {
        if (m->flags.data[i] > 2) {
            return wire_garbage(err, "row %zu has flag %u, 0 to 2 are allowed", i,
                                m->flags.data[i]);
        }
    }
    return WF_OK;
}

/* Finds the one shape that is filled; a column of no rows counts as keywords. */
static enum wf_code read_column(const column_msg *m, uint32_t n, struct wire_column *out,
                                struct wf_error *err)
{
    bool keyword = m->n_codes || m->n_dictionary;
    int shapes =
        keyword + (m->n_numbers > 0) + (m->flags.len > 0) + (m->n_text_sizes || m->text_bytes.len);
    if (shapes > 1 || (shapes == 0 && n)) {
        return wire_garbage(err, "%d shapes are filled, 1 is due for %u rows", shapes, n);
    }
    out->name = m->name;
    if (m->n_numbers) {
        out->kind = WIRE_COLUMN_NUMBER;
        out->numbers = m->numbers;
        return check_count("numbers", m->n_numbers, n, err);
    }
    if (m->flags.len) {
        WIRE_TRY(check_count("flags", m->flags.len, n, err));
        return read_flags(m, out, err);
    }
    if (m->n_text_sizes || m->text_bytes.len) {
        WIRE_TRY(check_count("texts", m->n_text_sizes, n, err));
        out->kind = WIRE_COLUMN_TEXT;
        out->text = (const char *)m->text_bytes.data;
        out->text_sizes = m->text_sizes;
        const struct strings texts = {"text", &m->text_bytes, m->text_sizes, n, 0, UINT32_MAX};
        return check_strings(&texts, err);
    }
    WIRE_TRY(check_count("codes", m->n_codes, n, err));
    return read_keyword(m, out, err);
}

static bool name_in(const char *name, const char *const *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0 || strcmp(names[i], "*") == 0) {
            return true;
        }
    }
    return false;
}

/* The name was asked for and no earlier column has it. */
static enum wf_code check_name(const columns_msg *m, size_t i, const struct wire_columns_rule *rule,
                               struct wf_error *err)
{
    const char *name = wire_str(m->attributes[i]->name);
    size_t size = strlen(name);
    if (!size || size > WIRE_ID_MAX || !wire_utf8(name, size)) {
        return wire_garbage(err, "attribute %zu has a name of %zu bytes", i, size);
    }
    if (!name_in(name, rule->attributes, rule->n_attributes)) {
        return wire_garbage(err, "attribute %s was not asked for", name);
    }
    for (size_t j = 0; j < i; j++) {
        if (strcmp(m->attributes[j]->name, name) == 0) {
            return wire_garbage(err, "attribute %s comes twice", name);
        }
    }
    return WF_OK;
}

static enum wf_code read_attributes(const columns_msg *m, const struct wire_columns_rule *rule,
                                    struct wf_arena *arena, struct wire_columns *out,
                                    struct wf_error *err)
{
    if (m->n_attributes > WIRE_ATTRIBUTES_MAX) {
        return wire_garbage(err, "%zu attributes, at most %d are allowed", m->n_attributes,
                            WIRE_ATTRIBUTES_MAX);
    }
    struct wire_column *columns = wf_array(arena, struct wire_column, m->n_attributes);
    if (!columns) {
        return wire_full(err, arena);
    }
    for (size_t i = 0; i < m->n_attributes; i++) {
        WIRE_TRY(check_name(m, i, rule, err));
        if (read_column(m->attributes[i], out->n, &columns[i], err) != WF_OK) {
            return wf_prefix(err, "attribute %s: ", m->attributes[i]->name);
        }
    }
    out->attributes = columns;
    out->n_attributes = (uint32_t)m->n_attributes;
    return WF_OK;
}

/* Lookups: rows stand in the order asked, and are what was asked for. */
static enum wf_code read_asked(const columns_msg *m, const struct wire_columns_rule *rule,
                               struct wire_columns *out, struct wf_error *err)
{
    WIRE_TRY(check_count("asked", m->n_asked, rule->probe ? 0 : out->n, err));
    const char *sku = out->sku_bytes;
    for (size_t i = 0; i < m->n_asked; i++) {
        uint32_t a = m->asked[i];
        if (a >= rule->n_max || (i && a <= m->asked[i - 1])) {
            return wire_garbage(err, "row %zu answers element %u of %u, the one before %u", i, a,
                                rule->n_max, i ? m->asked[i - 1] : 0);
        }
        uint32_t size = out->sku_sizes[i];
        if (rule->skus &&
            (strlen(rule->skus[a]) != size || memcmp(rule->skus[a], sku, size) != 0)) {
            return wire_garbage(err, "row %zu is %.*s, asked was %s", i, (int)size, sku,
                                rule->skus[a]);
        }
        sku += size;
    }
    out->asked = rule->probe ? NULL : m->asked;
    return WF_OK;
}

enum wf_code wire_columns_read(const ProtobufCMessage *msg, const struct wire_columns_rule *rule,
                               struct wf_arena *arena, struct wire_columns *out,
                               struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__columns__descriptor);
    const columns_msg *m = (const columns_msg *)msg;
    if (m->n_sku_sizes > rule->n_max) {
        return wire_garbage(err, "%zu rows, at most %u were asked for", m->n_sku_sizes,
                            rule->n_max);
    }
    if (m->parts_done > m->parts_planned) {
        return wire_garbage(err, "%u parts done of %u", m->parts_done, m->parts_planned);
    }
    struct wire_columns c = {
        .n = (uint32_t)m->n_sku_sizes,
        .sku_bytes = (const char *)m->sku_bytes.data,
        .sku_sizes = m->sku_sizes,
        .scanned = m->scanned,
        .parts_planned = m->parts_planned,
        .parts_done = m->parts_done,
    };
    const struct strings skus = {"SKU", &m->sku_bytes, m->sku_sizes, c.n, 1, WIRE_ID_MAX};
    WIRE_TRY(check_strings(&skus, err));
    WIRE_TRY(read_scores(m, rule->probe, arena, &c, err));
    WIRE_TRY(read_features(m, rule, &c, err));
    WIRE_TRY(read_vectors(m, rule, &c, err));
    WIRE_TRY(read_asked(m, rule, &c, err));
    WIRE_TRY(read_attributes(m, rule, arena, &c, err));
    *out = c;
    return WF_OK;
}

/* ---- building ---- */

static size_t sum(const uint32_t *sizes, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += sizes[i];
    }
    return total;
}

static ProtobufCBinaryData bytes_of(const void *data, size_t size)
{
    return (ProtobufCBinaryData){.len = data ? size : 0, .data = (uint8_t *)data};
}

static column_msg *build_column(const struct wire_column *c, uint32_t n, struct wf_arena *arena)
{
    column_msg *m = wire_new(arena, &weft__internal__v1__attribute_column__descriptor);
    if (!m) {
        return NULL;
    }
    m->name = wire_borrow(c->name);
    switch (c->kind) {
    case WIRE_COLUMN_KEYWORD:
        m->dictionary = wire_borrow_list(c->dictionary);
        m->n_dictionary = c->n_dictionary;
        m->codes = (uint32_t *)c->codes;
        m->n_codes = n;
        break;
    case WIRE_COLUMN_NUMBER:
        m->numbers = (float *)c->numbers;
        m->n_numbers = n;
        break;
    case WIRE_COLUMN_FLAG:
        m->flags = bytes_of(c->flags, n);
        break;
    case WIRE_COLUMN_TEXT:
        m->text_sizes = (uint32_t *)c->text_sizes;
        m->n_text_sizes = n;
        m->text_bytes = bytes_of(c->text, sum(c->text_sizes, n));
        break;
    }
    return m;
}

static void build_rows(const struct wire_columns *c, const struct wire_columns_rule *rule,
                       columns_msg *m)
{
    m->sku_bytes = bytes_of(c->sku_bytes, sum(c->sku_sizes, c->n));
    m->sku_sizes = (uint32_t *)c->sku_sizes;
    m->n_sku_sizes = c->n;
    m->scores = (float *)c->scores;
    m->n_scores = c->scores ? c->n : 0;
    m->features = (float *)c->features;
    m->n_features = c->features ? (size_t)c->n * rule->n_features : 0;
    m->vectors =
        bytes_of(c->vectors, (size_t)c->n * rule->dim * wire_encoding_size(rule->encoding));
    m->vector_scales = (float *)c->vector_scales;
    m->n_vector_scales = c->vector_scales ? c->n : 0;
    m->asked = (uint32_t *)c->asked;
    m->n_asked = c->asked ? c->n : 0;
    m->scanned = c->scanned;
    m->parts_planned = c->parts_planned;
    m->parts_done = c->parts_done;
}

ProtobufCMessage *wire_columns_message(const struct wire_columns *c,
                                       const struct wire_columns_rule *rule, struct wf_arena *arena)
{
    columns_msg *m = wire_new(arena, &weft__internal__v1__columns__descriptor);
    column_msg **attributes = wf_array(arena, column_msg *, c->n_attributes);
    if (!m || !attributes) {
        return NULL;
    }
    build_rows(c, rule, m);
    m->attributes = attributes;
    m->n_attributes = c->n_attributes;
    for (uint32_t i = 0; i < c->n_attributes; i++) {
        attributes[i] = build_column(&c->attributes[i], c->n, arena);
        if (!attributes[i]) {
            return NULL;
        }
    }
    return &m->base;
}

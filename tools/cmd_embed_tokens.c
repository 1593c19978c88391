/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_embed_tokens.c - weft embed tokens: vectors out of words, for catalogs that come without.
 *
 * The tokens of an item are the words of its texts and keyword values, and each keyword as
 * "attribute=value". A token is a pattern of +1 and -1 drawn from XXH3 of its bytes; an item is the
 * sum of its tokens' patterns, each weighted by ln((items + 1) / (items with it + 0.5)),
 * normalised. By the Johnson-Lindenstrauss lemma its cosine is close to that of the weighted bags
 * of tokens. No training, no state: the same item in the same catalog has the same vector on every
 * run.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/vector.h"
#include "tools/commands.h"
#include "tools/dataset.h"
#include "tools/progress.h"

enum { CHUNK = 256, BLOCK = 16384, WORD_MAX = 64, TOKENS_MAX = 4096 };

struct args {
    const char *input, *space;
    uint64_t dim;
};

static const struct tool_option options[] = {
    {.name = "input",
     .type = TOOL_STR,
     .offset = offsetof(struct args, input),
     .value = "DIR",
     .required = true,
     .what = "Dataset directory; the space is added to it."},
    {.name = "space",
     .type = TOOL_STR,
     .offset = offsetof(struct args, space),
     .value = "NAME",
     .def = "tokens",
     .what = "Name of the embedding space."},
    {.name = "dim",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, dim),
     .value = "D",
     .def = "128",
     .min = 8,
     .max = WF_DIM_MAX,
     .what = "Dimension."},
};

typedef void token_fn(void *ctx, const char *token, size_t size);

static bool in_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '\'' || c >= 0x80;
}

/* Lower-case words of ASCII letters, digits and apostrophes; bytes above 0x7F belong to words. */
static void each_word(const char *text, token_fn *fn, void *ctx)
{
    char word[WORD_MAX];
    while (*text) {
        size_t n = 0;
        for (; in_word((unsigned char)*text); text++) {
            if (n < sizeof word) {
                word[n++] = (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text);
            }
        }
        if (n > 0) {
            fn(ctx, word, n);
        }
        text += *text ? 1 : 0;
    }
}

static void each_token(const struct tool_dataset *ds, size_t row, token_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < ds->schema.n_attrs; i++) {
        const struct wf_column *c = &ds->items.columns[i];
        const struct wf_attr *attr = &ds->schema.attrs[i];
        if (attr->type == WF_ATTR_TEXT && c->texts[row]) {
            each_word(c->texts[row], fn, ctx);
        } else if (attr->type == WF_ATTR_KEYWORD && c->codes[row] != WF_NO_CODE) {
            const char *value = c->dictionary[c->codes[row]];
            char pair[WF_NAME_MAX + 260];
            const int size = snprintf(pair, sizeof pair, "%s=%s", attr->name, value);
            fn(ctx, pair, (size_t)size < sizeof pair ? (size_t)size : sizeof pair - 1);
            each_word(value, fn, ctx);
        }
    }
}

/* ---- pass 1: in how many items each token is ---- */

struct counts {
    struct tool_intern tokens;
    uint32_t *items; /* items with the token */
    uint32_t *last;  /* row + 1 that counted last, so that an item counts once */
    size_t items_cap, last_cap;
    uint32_t row;
};

static void count_token(void *ctx, const char *token, size_t size)
{
    struct counts *c = ctx;
    bool added = false;
    const uint32_t id = tool_intern_add(&c->tokens, token, size, &added);
    if (added) {
        wf_xgrow(&c->items, &c->items_cap, (size_t)id + 1, sizeof *c->items);
        wf_xgrow(&c->last, &c->last_cap, (size_t)id + 1, sizeof *c->last);
        c->items[id] = c->last[id] = 0;
    }
    if (c->last[id] != c->row + 1) {
        c->last[id] = c->row + 1;
        c->items[id]++;
    }
}

/* ---- pass 2: sums of patterns ---- */

struct sum {
    const struct counts *counts;
    double n_items;
    uint32_t dim;
    float *row;
    uint32_t seen[TOKENS_MAX]; /* an item's token counts once */
    unsigned n_seen;
};

static void add_token(void *ctx, const char *token, size_t size)
{
    struct sum *s = ctx;
    const uint32_t id = tool_intern_find(&s->counts->tokens, token, size);
    for (unsigned i = 0; i < s->n_seen; i++) {
        if (s->seen[i] == id) {
            return;
        }
    }
    if (s->n_seen == TOKENS_MAX) {
        return;
    }
    s->seen[s->n_seen++] = id;
    const float weight = (float)log((s->n_items + 1) / (s->counts->items[id] + 0.5));
    const uint64_t hash = wf_hash64(token, size);
    for (uint32_t j = 0; j < s->dim; j += 64) {
        struct wf_random r = wf_random_of(hash, j / 64);
        uint64_t bits = wf_random_next(&r);
        for (uint32_t k = j; k < s->dim && k < j + 64; k++, bits >>= 1) {
            s->row[k] += bits & 1 ? weight : -weight;
        }
    }
}

struct block {
    const struct tool_dataset *ds;
    const struct counts *counts;
    uint32_t dim;
    size_t first;
    float *rows;
};

static void embed_chunk(void *ctx, size_t begin, size_t end, unsigned thread)
{
    const struct block *b = ctx;
    (void)thread;
    struct sum *s = wf_xarray(struct sum, 1);
    s->counts = b->counts;
    s->n_items = (double)b->ds->items.n;
    s->dim = b->dim;
    for (size_t i = begin; i < end; i++) {
        s->row = b->rows + i * b->dim;
        s->n_seen = 0;
        memset(s->row, 0, b->dim * sizeof(float));
        each_token(b->ds, b->first + i, add_token, s);
        if (!wf_normalise(s->row, b->dim)) {
            s->row[0] = NAN; /* nothing to go by: no vector */
        }
    }
    wf_xfree(s);
}

static uint64_t embed_items(const struct tool_dataset *ds, const struct counts *counts,
                            uint32_t dim, struct tool_npy_writer *npy)
{
    struct block b = {.ds = ds, .counts = counts, .dim = dim};
    struct tool_progress progress;
    uint64_t without = 0;
    b.rows = wf_xmalloc64(sizeof(float) * BLOCK * dim);
    tool_progress_init(&progress, "embedding", "items", ds->items.n);
    for (b.first = 0; b.first < ds->items.n; b.first += BLOCK) {
        const size_t rest = ds->items.n - b.first;
        const size_t n = rest < BLOCK ? rest : BLOCK;
        wf_parallel(0, n, CHUNK, embed_chunk, &b);
        for (size_t i = 0; i < n; i++) {
            without += isnan(b.rows[i * dim]) ? 1 : 0;
        }
        tool_npy_put(npy, b.rows, n);
        tool_progress_at(&progress, b.first + n);
    }
    tool_progress_end(&progress, ds->items.n);
    wf_xfree(b.rows);
    return without;
}

static enum wf_code embed(struct tool_dataset *ds, const struct args *a, uint64_t *without,
                          uint32_t *n_tokens, struct wf_error *err)
{
    struct wf_space space;
    char made_by[32];
    struct tool_npy_writer *npy = NULL;
    struct counts counts = {0};
    snprintf(made_by, sizeof made_by, "tokens-v1-%u", (unsigned)a->dim);
    enum wf_code code = tool_space_fill(a->space, made_by, "cosine", &space, err);
    space.dim = (uint32_t)a->dim;
    if (code == WF_OK) {
        code = tool_dataset_begin_space(ds->dir, &space, &npy, err);
    }
    if (code != WF_OK) {
        return code;
    }
    tool_intern_init(&counts.tokens);
    for (counts.row = 0; counts.row < ds->items.n; counts.row++) {
        each_token(ds, counts.row, count_token, &counts);
    }
    *n_tokens = counts.tokens.n;
    if (counts.tokens.n == 0) {
        tool_npy_abort(npy);
        code = wf_fail(err, WF_INVALID, "%s: none of %zu items has a word or a keyword to go by",
                       ds->dir, ds->items.n);
    } else {
        *without = embed_items(ds, &counts, space.dim, npy);
        code = tool_dataset_end_space(ds->dir, &ds->schema, &space, npy, err);
    }
    tool_intern_fini(&counts.tokens);
    wf_xfree(counts.items);
    wf_xfree(counts.last);
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    struct tool_dataset *ds = NULL;
    uint64_t without = 0;
    uint32_t tokens = 0;
    enum wf_code code = tool_dataset_open(a->input, TOOL_LOAD_ITEMS, &ds, err);
    if (code != WF_OK) {
        return code;
    }
    code = embed(ds, a, &without, &tokens, err);
    if (code == WF_OK && call->json) {
        json_t *doc =
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "input", a->input, "space", a->space, "dim",
                      (json_int_t)a->dim, "items", (json_int_t)ds->items.n, "tokens",
                      (json_int_t)tokens, "without_vector", (json_int_t)without);
        json_dumpf(doc, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(doc);
    } else if (code == WF_OK) {
        printf("%s: space %s, dimension %llu: %zu items, %u tokens, %llu items without a vector\n",
               a->input, a->space, (unsigned long long)a->dim, ds->items.n, tokens,
               (unsigned long long)without);
    }
    tool_dataset_close(ds);
    return code;
}

const struct tool_command tool_embed_tokens = {
    .name = "embed tokens",
    .what = "Add a space of hashed words and attributes by signed random projection.",
    .examples = "weft embed tokens --input catalog --space tokens --dim 128\n",
    .notes = "Tokens are the lower-case words of texts and keyword values, and every keyword as\n"
             "attribute=value, weighted by how rare they are in the catalog.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

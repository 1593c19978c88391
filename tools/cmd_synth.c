/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_synth.c - weft synth: a synthetic shop, or simulated shoppers over a catalog that is there.
 */
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/pool.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/synth.h"

enum { CHUNK = 512, CHUNKS = 32 };
static const size_t block_size = (size_t)CHUNK * CHUNKS;

struct args {
    uint64_t items, dim, users, events, seed, threads;
    const char *out, *events_for;
    bool force;
};

static const struct tool_option options[] = {
    {.name = "items",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, items),
     .value = "N",
     .def = "20000",
     .min = 1,
     .max = 4e9,
     .what = "Items of the shop."},
    {.name = "dim",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, dim),
     .value = "D",
     .def = "64",
     .min = 2,
     .max = WF_DIM_MAX,
     .what = "Dimension of the space \"style\"."},
    {.name = "users",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, users),
     .value = "U",
     .def = "2000",
     .min = 0,
     .max = 4e9,
     .what = "Shoppers."},
    {.name = "events",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, events),
     .value = "E",
     .def = "50000",
     .min = 0,
     .max = 1e12,
     .what = "Purchases of all shoppers."},
    {.name = "seed",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, seed),
     .value = "S",
     .def = "1",
     .what = "The same seed gives the same bytes."},
    {.name = "out",
     .type = TOOL_STR,
     .offset = offsetof(struct args, out),
     .value = "DIR",
     .what = "The new dataset directory."},
    {.name = "events-for",
     .type = TOOL_STR,
     .offset = offsetof(struct args, events_for),
     .value = "DIR",
     .what = "Simulate shoppers over this dataset instead of making one."},
    {.name = "force",
     .type = TOOL_FLAG,
     .offset = offsetof(struct args, force),
     .what = "With --events-for: replace interactions that are not simulated."},
    {.name = "threads",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, threads),
     .value = "T",
     .def = "0",
     .min = 0,
     .max = 256,
     .what = "0 = all cores; the result is the same for any."},
};

static void report(const struct tool_call *call, const char *dir, uint64_t items, uint64_t dim,
                   int64_t started)
{
    const struct args *a = call->args;
    const double seconds = (double)(wf_now() - started) / (double)WF_SECOND;
    if (call->json) {
        json_t *doc =
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:f}", "out", dir, "items", (json_int_t)items,
                      "dim", (json_int_t)dim, "users", (json_int_t)a->users, "events",
                      (json_int_t)a->events, "seed", (json_int_t)a->seed, "seconds", seconds);
        json_dumpf(doc, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(doc);
    } else {
        printf("%s: %llu items, dimension %llu, %llu users, %llu events in %.1fs\n", dir,
               (unsigned long long)items, (unsigned long long)dim, (unsigned long long)a->users,
               (unsigned long long)a->events, seconds);
    }
}

/* ---- a new shop ---- */

struct block {
    const struct tool_shop *shop;
    uint32_t dim;
    uint64_t first;
    float *vectors; /* block_size rows */
    struct tool_text lines[CHUNKS];
};

static void make_chunk(void *ctx, size_t begin, size_t end, unsigned thread)
{
    struct block *b = ctx;
    (void)thread;
    struct tool_text *lines = &b->lines[begin / CHUNK];
    tool_text_clear(lines);
    for (size_t i = begin; i < end; i++) {
        tool_shop_item(b->shop, b->first + i, lines, b->vectors + i * b->dim);
    }
}

static void write_items(const struct args *a, const struct tool_shop *shop,
                        struct tool_dataset_writer *w)
{
    struct block *b = wf_xarray(struct block, 1);
    struct tool_progress progress;
    b->shop = shop;
    b->dim = (uint32_t)a->dim;
    b->vectors = wf_xmalloc64(sizeof(float) * block_size * a->dim);
    tool_progress_init(&progress, "making items", "items", a->items);
    for (b->first = 0; b->first < a->items; b->first += block_size) {
        const uint64_t rest = a->items - b->first;
        const size_t n = rest < block_size ? (size_t)rest : block_size;
        wf_parallel((unsigned)a->threads, n, CHUNK, make_chunk, b);
        for (size_t c = 0; c * CHUNK < n; c++) {
            const size_t in_chunk = n - c * CHUNK < CHUNK ? n - c * CHUNK : CHUNK;
            tool_dataset_put_lines(w, &b->lines[c], in_chunk);
        }
        tool_dataset_put_vectors(w, 0, b->vectors, n);
        tool_progress_at(&progress, b->first + n);
    }
    tool_progress_end(&progress, a->items);
    for (size_t c = 0; c < CHUNKS; c++) {
        tool_text_fini(&b->lines[c]);
    }
    wf_xfree(b->vectors);
    wf_xfree(b);
}

static enum wf_code write_events(const struct args *a, const struct tool_market *market,
                                 const char *dir, struct wf_error *err)
{
    const struct tool_shoppers who = {
        .users = a->users, .events = a->events, .seed = a->seed, .threads = (unsigned)a->threads};
    char *path = wf_xprintf("%s/interactions.tsv.zst", dir);
    struct wf_writer *to = NULL;
    enum wf_code code = wf_writer_open(path, &to, err);
    wf_xfree(path);
    if (code != WF_OK) {
        return code;
    }
    wf_writer_compress(to);
    code = tool_shoppers_write(market, &who, to, err);
    if (code != WF_OK) {
        wf_writer_abort(to);
        return code;
    }
    return wf_writer_commit(to, err);
}

/* Shoppers look at the vectors that were just written. */
static enum wf_code shop_events(const struct args *a, struct tool_shop *shop, const char *dir,
                                struct wf_error *err)
{
    struct tool_market market;
    char *path = wf_xprintf("%s/spaces/style.npy", dir);
    enum wf_code code = tool_shop_market(shop, path, &market, err);
    if (code == WF_OK) {
        code = write_events(a, &market, dir, err);
    }
    if (code == WF_OK) {
        code = tool_shop_check(shop, err);
    }
    wf_xfree(path);
    return code;
}

static enum wf_code make_shop(const struct args *a, struct wf_error *err)
{
    struct tool_shop *shop = tool_shop_create(a->items, (uint32_t)a->dim, a->seed);
    struct tool_dataset_writer *w = NULL;
    struct wf_schema schema;
    tool_shop_schema(shop, &schema);
    schema.simulated_events = a->events > 0;
    enum wf_code code = tool_dataset_create(a->out, &schema, &w, err);
    if (code == WF_OK) {
        write_items(a, shop, w);
        code = tool_dataset_finish(w, err);
    }
    if (code == WF_OK && a->events > 0) {
        code = shop_events(a, shop, w->temp, err);
    }
    if (code == WF_OK) {
        code = tool_dataset_publish(w, err);
    } else {
        tool_dataset_abort(w);
    }
    tool_shop_destroy(shop);
    return code;
}

/* ---- shoppers for a catalog ---- */

/* Marks the dataset first: data that are simulated must never stand there unmarked. */
static enum wf_code mark_simulated(struct tool_dataset *ds, bool force, struct wf_error *err)
{
    char *old = tool_events_path(ds->dir);
    const bool real = old && !ds->schema.simulated_events;
    enum wf_code code = WF_OK;
    if (real && !force) {
        code = wf_fail(err, WF_PRECONDITION,
                       "%s holds interactions that are not simulated; --force replaces them", old);
    } else {
        char *schema = wf_xprintf("%s/schema.cfg", ds->dir);
        ds->schema.simulated_events = true;
        code = wf_schema_write(schema, &ds->schema, err);
        wf_xfree(schema);
    }
    wf_xfree(old);
    return code;
}

/* Interactions under another compression are no longer true. */
static void remove_stale(const char *dir)
{
    static const char *const names[] = {"interactions.tsv", "interactions.tsv.gz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = wf_xprintf("%s/%s", dir, names[i]);
        unlink(path);
        wf_xfree(path);
    }
}

static enum wf_code add_events(const struct tool_call *call, int64_t started, struct wf_error *err)
{
    const struct args *a = call->args;
    struct tool_dataset *ds = NULL;
    struct tool_market market;
    enum wf_code code =
        tool_dataset_open(a->events_for, TOOL_LOAD_ITEMS | TOOL_LOAD_SPACES, &ds, err);
    if (code != WF_OK) {
        return code;
    }
    if (ds->items.n == 0) {
        code = wf_fail(err, WF_INVALID, "%s has no items", ds->dir);
    }
    for (unsigned s = 0; s < ds->schema.n_spaces && code == WF_OK; s++) {
        code = tool_dataset_check_space(ds, s, NULL, err);
    }
    if (code == WF_OK) {
        code = mark_simulated(ds, a->force, err);
    }
    if (code == WF_OK) {
        struct tool_catalog_market *m = tool_catalog_market_create(ds, a->seed, &market);
        code = write_events(a, &market, ds->dir, err);
        tool_catalog_market_destroy(m);
    }
    if (code == WF_OK) {
        remove_stale(ds->dir);
        report(call, ds->dir, ds->items.n, market.dim, started);
    }
    tool_dataset_close(ds);
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    const int64_t started = wf_now();
    if ((a->out == NULL) == (a->events_for == NULL)) {
        return tool_usage(err, "give one of --out DIR and --events-for DIR");
    }
    if (a->events > 0 && a->users == 0) {
        return tool_usage(err, "--events %llu wants --users above 0",
                          (unsigned long long)a->events);
    }
    if (a->events_for) {
        return add_events(call, started, err);
    }
    enum wf_code code = make_shop(a, err);
    if (code == WF_OK) {
        report(call, a->out, a->items, a->dim, started);
    }
    return code;
}

const struct tool_command tool_synth = {
    .name = "synth",
    .what = "Make a synthetic fashion shop, or simulate shoppers over a real catalog.",
    .examples = "weft synth --items 100000 --dim 128 --users 10000 --events 500000 --out shop\n"
                "weft synth --events-for catalog --users 5000 --events 100000\n",
    .notes =
        "Nothing but the seed decides: any number of threads and any machine of one C library\n"
        "give the same bytes. Items are streamed, ten million need no more memory than ten\n"
        "thousand. The schema of a dataset with simulated events says simulated_events = true.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

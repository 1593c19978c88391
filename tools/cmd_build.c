/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_build.c - weft build: a dataset directory becomes a generation.
 *
 * Everything is made in OUT.tmp-<pid> and renamed at the end, so OUT is whole or absent. Vectors
 * are mapped from their files; the columns of the items are in memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "shard/build.h"
#include "shard/trial.h"
#include "tools/build_global.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

struct args {
    const char *input, *index, *model, *out;
    uint64_t shards, as_of, seed, memory;
    double recall;
    bool verbose;
};
#define ARG(member) offsetof(struct args, member)
static const struct tool_option options[] = {
    {"input", TOOL_STR, ARG(input), "DIR", "Dataset directory.", NULL, 0, 0, true},
    {"shards", TOOL_UINT, ARG(shards), "N", "Partitions; a SKU goes to jump(xxh3(SKU), N).", "1", 1,
     WF_SHARDS_MAX, false},
    {"index", TOOL_STR, ARG(index), "SPEC",
     "Flat, IVFn,Flat, IVFn,SQfp16, IVFn,SQ8, IVFn,PQx4fs,Refine(SQfp16), IVFn,PQx4fs,Refine(SQ8), "
     "HNSWn or HNSWn,SQfp16; auto tries some and takes the cheapest. Without it IVFn,SQfp16 with n "
     "by size.",
     NULL, 0, 0, false},
    {"recall", TOOL_REAL, ARG(recall), "R", "Recall@10 that auto wants.", "0.98", 0.5, 1, false},
    {"memory", TOOL_UINT, ARG(memory), "BYTES",
     "The most that auto may take for codes and indexes of one shard; 0: any.", "0", 0, 0, false},
    {"model", TOOL_STR, ARG(model), "FILE",
     "Ranker as weft train ranker writes it, with FILE.golden beside it.", NULL, 0, 0, false},
    {"as-of", TOOL_UINT, ARG(as_of), "STAMP", "Writes up to this stamp are in the data.", "0", 0, 0,
     false},
    {"seed", TOOL_UINT, ARG(seed), "N", "Of clustering and sampling.", "1", 0, 0, false},
    {"verbose", TOOL_FLAG, ARG(verbose), NULL, "Say what each phase took.", NULL, 0, 0, false},
    {"out", TOOL_STR, ARG(out), "GEN", "Generation directory to make.", NULL, 0, 0, true},
};

/* One build on its way. */
struct job {
    const struct args *args;
    const char *index; /* as the shards take it: "" is by size */
    bool automatic;
    struct shard_trials trials;
    struct tool_dataset *ds;
    struct tool_catalog *catalog;
    struct shard_build shard; /* what all shards have in common */
    struct shard_build_space spaces[WF_SPACES_MAX];
    float *features, *sq8[2][WF_SPACES_MAX];
    uint32_t *feature_ids;
    uint32_t *rows; /* item numbers, grouped by shard */
    size_t *starts; /* n_shards + 1 */
    char *temp;
    struct wf_manifest *manifest;
    struct tool_progress progress;
    struct tool_phases phases;
    size_t rows_done;
    uint32_t n_users;
};

/* ---- reading ---- */

static enum wf_code load(struct job *j, struct wf_error *err)
{
    uint64_t unknown = 0;
    tool_phases_at(&j->phases, "read");
    enum wf_code code =
        tool_dataset_open(j->args->input, TOOL_LOAD_ITEMS | TOOL_LOAD_SPACES, &j->ds, err);
    for (unsigned s = 0; code == WF_OK && s < j->ds->schema.n_spaces; s++) {
        size_t missing;
        code = tool_dataset_check_space(j->ds, s, &missing, err);
        if (code == WF_OK && missing > 0) {
            fprintf(stderr, "space %s: %zu of %zu items have no vector\n",
                    j->ds->schema.spaces[s].name, missing, j->ds->items.n);
        }
    }
    if (code == WF_OK && j->ds->items.n > UINT32_MAX - 1) {
        code = wf_fail(err, WF_INVALID, "%s: %zu items, at most %u", j->args->input, j->ds->items.n,
                       UINT32_MAX - 1);
    }
    if (code == WF_OK) {
        tool_phases_at(&j->phases, "catalog");
        code = tool_catalog_open(j->ds, INT64_MAX, &j->catalog, &unknown, err);
    }
    if (code == WF_OK && unknown > 0) {
        fprintf(stderr, "%" PRIu64 " purchases of SKUs that are not in the catalog were left out\n",
                unknown);
    }
    return code;
}

/* Groups items by shard, in the dataset's order inside a shard. */
static void split_rows(struct job *j)
{
    const struct wf_table *items = &j->ds->items;
    const uint32_t n = (uint32_t)j->args->shards;
    uint32_t *shard = wf_xarray(uint32_t, items->n + 1);
    size_t *at = wf_xarray(size_t, (size_t)n + 1);
    j->rows = wf_xarray(uint32_t, items->n + 1);
    j->starts = wf_xarray(size_t, (size_t)n + 1);
    for (size_t i = 0; i < items->n; i++) {
        shard[i] = wf_shard_of(items->skus[i], strlen(items->skus[i]), n);
        j->starts[shard[i] + 1]++;
    }
    for (uint32_t s = 0; s < n; s++) {
        j->starts[s + 1] += j->starts[s];
        at[s] = j->starts[s];
    }
    for (size_t i = 0; i < items->n; i++) {
        j->rows[at[shard[i]]++] = (uint32_t)i;
    }
    wf_xfree(at);
    wf_xfree(shard);
}

/* ---- building ---- */

static void on_progress(void *ctx, const char *what, double share)
{
    struct job *j = ctx;
    const size_t rows = j->starts[j->shard.shard + 1] - j->starts[j->shard.shard];
    tool_phases_at(&j->phases, what);
    tool_progress_at(&j->progress, j->rows_done + (size_t)((double)rows * share));
}

static void prepare(struct job *j)
{
    const struct wf_schema *schema = &j->ds->schema;
    const bool sq8 = j->automatic || shard_index_is_sq8(j->index);
    uint32_t n_features;
    j->features = tool_item_features(j->catalog, &j->feature_ids, &n_features);
    for (unsigned s = 0; s < schema->n_spaces; s++) {
        const struct tool_npy *npy = &j->ds->spaces[s];
        j->spaces[s].vectors = npy->data;
        if (sq8) {
            j->sq8[0][s] = wf_xarray(float, npy->dim);
            j->sq8[1][s] = wf_xarray(float, npy->dim);
            shard_sq8_ranges(&schema->spaces[s], npy->data, npy->rows, j->sq8[0][s], j->sq8[1][s]);
        }
    }
    split_rows(j);
    j->shard = (struct shard_build){.schema = schema,
                                    .items = &j->ds->items,
                                    .spaces = j->spaces,
                                    .features = j->features,
                                    .feature_ids = j->feature_ids,
                                    .n_features = n_features,
                                    .n_shards = (uint32_t)j->args->shards,
                                    .index = j->index,
                                    .sq8_min = sq8 ? (const float *const *)j->sq8[0] : NULL,
                                    .sq8_step = sq8 ? (const float *const *)j->sq8[1] : NULL,
                                    .seed = j->args->seed,
                                    .progress = on_progress,
                                    .progress_ctx = j};
}

/* The rows of one shard. */
static void take_shard(struct job *j, uint32_t shard)
{
    j->shard.shard = shard;
    j->shard.rows = j->rows + j->starts[shard];
    j->shard.n_rows = j->starts[shard + 1] - j->starts[shard];
}

static void print_trials(const struct shard_trials *t)
{
    fprintf(stderr, "%-36s %8s %9s %10s\n", "index", "recall", "us/query", "bytes/row");
    for (uint32_t i = 0; i < t->n; i++) {
        const struct shard_trial *at = &t->trials[i];
        fprintf(stderr, "%-36s %8.4f %9.1f %10.1f%s\n", at->index, at->recall, at->micros,
                at->bytes_per_row,
                at->chosen ? "  <- taken"
                : at->fits ? ""
                           : "  too large");
    }
}

/* The first shard with rows decides for all. */
static enum wf_code choose_index(struct job *j, struct wf_error *err)
{
    const struct shard_wish wish = {.recall = j->args->recall, .memory = j->args->memory};
    uint32_t shard = 0;
    while (shard < j->shard.n_shards && j->starts[shard + 1] == j->starts[shard]) {
        shard++;
    }
    if (shard == j->shard.n_shards) {
        return WF_OK; /* nothing to try on */
    }
    take_shard(j, shard);
    fprintf(stderr, "trying indexes on shard %u of %zu rows\n", shard, j->shard.n_rows);
    enum wf_code code = shard_try(&j->shard, &wish, &j->trials, err);
    if (code != WF_OK) {
        return wf_prefix(err, "--index auto: ");
    }
    print_trials(&j->trials);
    j->shard.index = shard_trials_index(&j->trials);
    j->shard.trials = &j->trials;
    return WF_OK;
}

static enum wf_code build_one(struct job *j, uint32_t shard, struct wf_error *err)
{
    char *dir = wf_xprintf("%s/shard-%03u", j->temp, shard);
    char *path = wf_xprintf("%s/shard.weft", dir);
    take_shard(j, shard);
    enum wf_code code = wf_mkdirs(dir, err);
    if (code == WF_OK) {
        code = shard_build(&j->shard, path, err);
    }
    if (code == WF_OK) {
        j->rows_done += j->shard.n_rows;
        j->manifest->shard_rows[shard] = j->shard.n_rows;
        tool_progress_at(&j->progress, j->rows_done);
    } else {
        (void)wf_prefix(err, "shard %u: ", shard);
    }
    wf_xfree(path);
    wf_xfree(dir);
    return code;
}

static enum wf_code build_shards(struct job *j, struct wf_error *err)
{
    enum wf_code code = WF_OK;
    tool_progress_init(&j->progress, "build", "rows", j->ds->items.n);
    for (uint32_t s = 0; s < j->shard.n_shards && code == WF_OK; s++) {
        code = build_one(j, s, err);
    }
    tool_progress_end(&j->progress, j->rows_done);
    return code;
}

static enum wf_code build_global(struct job *j, struct wf_error *err)
{
    char *dir = wf_xprintf("%s/global", j->temp);
    char *path = wf_xprintf("%s/global.weft", dir);
    enum wf_code code = wf_mkdirs(dir, err);
    if (code == WF_OK) {
        code = tool_build_global(j->catalog, j->args->model, path, &j->n_users, err);
    }
    wf_xfree(path);
    wf_xfree(dir);
    return code;
}

static void begin_manifest(struct job *j)
{
    j->manifest = wf_xcalloc(1, sizeof *j->manifest);
    j->manifest->created_ms = wf_now_wall_ms();
    j->manifest->as_of = j->args->as_of;
    j->manifest->n_shards = (uint32_t)j->args->shards;
    j->manifest->rows = j->ds->items.n;
    j->manifest->shard_rows = wf_xarray(uint64_t, j->args->shards);
    j->manifest->schema = j->ds->schema;
}

static enum wf_code build_all(struct job *j, struct wf_error *err)
{
    begin_manifest(j);
    tool_phases_at(&j->phases, "prepare");
    prepare(j);
    tool_phases_at(&j->phases, "global");
    enum wf_code code = build_global(j, err);
    if (code == WF_OK && j->automatic) {
        code = choose_index(j, err);
    }
    if (code == WF_OK) {
        code = build_shards(j, err);
    }
    if (code == WF_OK) {
        tool_phases_at(&j->phases, "manifest");
        code = wf_manifest_write(j->temp, j->manifest, err);
    }
    if (code == WF_OK) {
        code = wf_publish_dir(j->temp, j->args->out, err);
    }
    tool_phases_at(&j->phases, NULL);
    return code;
}

static void print_done(const struct tool_call *call, const struct job *j)
{
    printf(call->json ? "{\"generation\":\"%s\",\"content_hash\":\"%s\",\"rows\":%" PRIu64
                        ",\"shards\":%u,\"users\":%u}\n"
                      : "generation %s (%s): %" PRIu64 " rows in %u shards, %u users\n",
           j->manifest->name, j->manifest->content_hash, j->manifest->rows, j->manifest->n_shards,
           j->n_users);
}

static void job_fini(struct job *j)
{
    for (unsigned s = 0; s < WF_SPACES_MAX; s++) {
        wf_xfree(j->sq8[0][s]);
        wf_xfree(j->sq8[1][s]);
    }
    wf_manifest_close(j->manifest);
    wf_xfree(j->temp);
    wf_xfree(j->starts);
    wf_xfree(j->rows);
    wf_xfree(j->feature_ids);
    wf_xfree(j->features);
    tool_catalog_close(j->catalog);
    tool_dataset_close(j->ds);
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    const bool automatic = a->index != NULL && strcmp(a->index, "auto") == 0;
    struct job j = {.args = a, .automatic = automatic, .phases.on = a->verbose};
    j.index = a->index == NULL || automatic ? "" : a->index;
    enum wf_code code = j.index[0] == '\0' ? WF_OK : shard_index_check(j.index, err);
    if (code != WF_OK) {
        const struct wf_error why = *err;
        return tool_usage(err, "--index: %s; auto chooses", why.text);
    }
    if (wf_exists(a->out)) {
        return wf_fail(err, WF_EXISTS, "%s is there already; a generation is never overwritten",
                       a->out);
    }
    j.temp = wf_xprintf("%s.tmp-%d", a->out, (int)getpid());
    tool_interrupt_guard(j.temp);
    code = load(&j, err);
    if (code == WF_OK) {
        code = build_all(&j, err);
    }
    if (code == WF_OK) {
        print_done(call, &j);
    } else {
        struct wf_error ignored;
        (void)!wf_remove_tree(j.temp, &ignored);
    }
    tool_interrupt_release(j.temp);
    job_fini(&j);
    return code;
}

const struct tool_command tool_build = {
    .name = "build",
    .what = "make a generation of a dataset directory",
    .examples =
        "weft build --input shop --shards 3 --out gen\n"
        "weft build --input shop --shards 3 --model ranker.json --out gen\n"
        "weft build --input shop --index Flat --out gen-exact\n"
        "weft build --input shop --index auto --recall 0.95 --memory 2000000000 --out gen\n",
    .notes =
        "Nothing is visible under --out before the generation is whole.\n"
        "auto builds a few indexes on up to 65,536 rows of the first shard and takes the one with "
        "the\n"
        "least CPU time per query that reaches --recall within --memory; below a tenth of a\n"
        "difference the smaller one. What it saw is in the generation.\n"
        "Vectors of users in DIR/users/<space>.npy, in the order of DIR/users/ids.txt, take the\n"
        "place of the normalised means of the last 20 purchases.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_import_vectors.c - weft import vectors: a file of vectors becomes a dataset directory of its
 * own, or one more space of a dataset that is there.
 */
#include <jansson.h>
#include <string.h>

#include "base/arena.h"
#include "tools/commands.h"
#include "tools/dataset.h"
#include "tools/id_vectors.h"

struct args {
    const char *ids, *space, *metric, *content_id, *out;
    uint64_t dim, max_errors;
};

static const struct tool_option options[] = {
    {.name = "ids",
     .type = TOOL_STR,
     .offset = offsetof(struct args, ids),
     .value = "FILE",
     .what = "One SKU per line, line i for row i. Without it the SKUs are 0, 1, 2, ..."},
    {.name = "space",
     .type = TOOL_STR,
     .offset = offsetof(struct args, space),
     .value = "NAME",
     .required = true,
     .what = "Name of the embedding space."},
    TOOL_METRIC_OPTION(struct args, metric),
    {.name = "content-id",
     .type = TOOL_STR,
     .offset = offsetof(struct args, content_id),
     .value = "ID",
     .what = "What made the vectors; queries with another are refused. "
             "Default: the space's name."},
    {.name = "dim",
     .type = TOOL_UINT,
     .offset = offsetof(struct args, dim),
     .value = "D",
     .def = "0",
     .min = 0,
     .max = WF_DIM_MAX,
     .what = "Expected dimension; of a .tsv the first D columns are taken. 0 = as the file says."},
    TOOL_MAX_ERRORS_OPTION(struct args, max_errors),
    {.name = "out",
     .type = TOOL_STR,
     .offset = offsetof(struct args, out),
     .value = "DIR",
     .required = true,
     .what = "New dataset directory, or one to add the space to."},
};

struct work {
    const struct args *args;
    struct wf_space space;
    struct tool_rejects rejects;
    struct tool_id_vectors in;
    float *row;
    uint64_t items, without; /* in the end: items, and those without a vector */
};

/* ---- a new dataset ---- */

static enum wf_code copy_rows(struct work *w, struct tool_dataset_writer *to, struct wf_error *err)
{
    struct tool_intern seen;
    struct tool_text line = {0};
    const char *id = NULL;
    tool_intern_init(&seen);
    enum wf_code code = tool_id_vectors_next(&w->in, &id, w->row, err);
    while (code == WF_OK && id) {
        bool added = false;
        tool_intern_add(&seen, id, strlen(id), &added);
        if (added) {
            tool_text_clear(&line);
            tool_item_encode(&to->schema, id, NULL, &line);
            tool_dataset_put_lines(to, &line, 1);
            tool_dataset_put_vectors(to, 0, w->row, 1);
        } else {
            wf_fail(err, WF_INVALID, "SKU '%s' came before", id);
            code = tool_id_vectors_reject(&w->in, err);
        }
        if (code == WF_OK) {
            code = tool_id_vectors_next(&w->in, &id, w->row, err);
        }
    }
    tool_intern_fini(&seen);
    tool_text_fini(&line);
    return code;
}

static enum wf_code make_dataset(struct work *w, struct wf_error *err)
{
    struct tool_dataset_writer *to = NULL;
    struct wf_schema schema = {.n_spaces = 1, .spaces = {w->space}};
    snprintf(schema.description, sizeof schema.description, "Vectors of space %s", w->space.name);
    enum wf_code code = tool_dataset_create(w->args->out, &schema, &to, err);
    if (code != WF_OK) {
        return code;
    }
    code = copy_rows(w, to, err);
    if (code == WF_OK && to->n_items == 0) {
        code = wf_fail(err, WF_INVALID, "%s has no good rows", w->in.path);
    }
    if (code == WF_OK) {
        w->items = to->n_items;
        code = tool_dataset_finish(to, err);
    }
    if (code != WF_OK) {
        tool_dataset_abort(to);
        return code;
    }
    return tool_dataset_publish(to, err);
}

/* ---- one more space ---- */

static enum wf_code add_space(struct work *w, struct wf_error *err)
{
    struct tool_dataset *ds = NULL;
    struct tool_npy_writer *npy = NULL;
    float *rows = NULL;
    enum wf_code code = tool_dataset_open(w->args->out, TOOL_LOAD_SKUS, &ds, err);
    if (code != WF_OK) {
        return code;
    }
    code = tool_id_vectors_place(&w->in, &ds->skus, &rows, &w->without, err);
    if (code == WF_OK) {
        code = tool_dataset_begin_space(ds->dir, &w->space, &npy, err);
    }
    if (code == WF_OK) {
        tool_npy_put(npy, rows, ds->items.n);
        code = tool_dataset_end_space(ds->dir, &ds->schema, &w->space, npy, err);
    }
    w->items = ds->items.n;
    wf_xfree(rows);
    tool_dataset_close(ds);
    return code;
}

/* ---- both ---- */

static void report(const struct tool_call *call, const struct work *w)
{
    if (call->json) {
        json_t *doc = json_pack("{s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I}", "out", w->args->out,
                                "space", w->space.name, "dim", (int)w->space.dim, "metric",
                                wf_metric_name(w->space.metric), "items", (json_int_t)w->items,
                                "rows", (json_int_t)w->in.rows, "bad_rows",
                                (json_int_t)w->rejects.n, "without_vector", (json_int_t)w->without);
        json_dumpf(doc, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(doc);
    } else {
        printf("%s: space %s, dimension %u, %s: %llu rows, %llu bad; %llu items, %llu without a "
               "vector\n",
               w->args->out, w->space.name, w->space.dim, wf_metric_name(w->space.metric),
               (unsigned long long)w->in.rows, (unsigned long long)w->rejects.n,
               (unsigned long long)w->items, (unsigned long long)w->without);
    }
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    struct work w = {.args = a, .rejects = {.max = a->max_errors}};
    enum wf_code code = tool_space_fill(a->space, a->content_id, a->metric, &w.space, err);
    if (code != WF_OK) {
        return code;
    }
    w.in = (struct tool_id_vectors){.path = call->operands[0],
                                    .ids_path = a->ids,
                                    .metric = w.space.metric,
                                    .rejects = &w.rejects};
    code = tool_id_vectors_open(&w.in, (uint32_t)a->dim, err);
    if (code != WF_OK) {
        tool_id_vectors_close(&w.in);
        return code;
    }
    w.space.dim = w.in.file.dim;
    w.row = wf_xarray(float, w.space.dim);
    char *schema = wf_xprintf("%s/schema.cfg", a->out);
    code = wf_exists(schema) ? add_space(&w, err) : make_dataset(&w, err);
    if (code == WF_OK) {
        report(call, &w);
    }
    wf_xfree(schema);
    wf_xfree(w.row);
    tool_id_vectors_close(&w.in);
    return code;
}

const struct tool_command tool_import_vectors = {
    .name = "import vectors",
    .what = "Vectors (.npy .fvecs .bvecs .tsv, plain, gzip or zstd) to a dataset or a new space.",
    .examples =
        "weft import vectors words.fvecs.gz --ids words.txt.gz --space words --out words\n"
        "weft import vectors images.npy --ids skus.txt --space image --metric ip --out shop\n",
    .notes = "When DIR is a dataset the space is added to it: the ids are its SKUs, in any order;\n"
             "items that are not named have no vector in this space.\n",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

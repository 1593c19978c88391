/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_rank.c - weft rank: scores the rows of a file with a model file, by the evaluator that
 * serves.
 */
#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/file.h"
#include "ranking/forest.h"
#include "tools/commands.h"
#include "tools/rows.h"
#include "tools/text.h"

enum { MODEL_MAX_BYTES = 64 << 20, BATCH = 512 };

struct args {
    const char *model, *rows;
    bool check;
};
static const struct tool_option options[] = {
    {"model", TOOL_STR, offsetof(struct args, model), "FILE",
     "XGBoost JSON as save_model writes it.", NULL, 0, 0, true},
    {"rows", TOOL_STR, offsetof(struct args, rows), "FILE",
     "Rows to score: TSV, CSV or LibSVM, a header is optional; empty, NA and nan are missing.",
     NULL, 0, 0, false},
    {"check", TOOL_FLAG, offsetof(struct args, check), NULL,
     "Load and validate the model, print its shape, score nothing.", NULL, 0, 0, false},
};

static void print_shape(const struct tool_call *call, const struct rank_forest *f)
{
    char hash[33];
    rank_forest_hash(f, hash);
    const struct {
        const char *name;
        uint32_t value;
    } shape[] = {{"trees", rank_forest_trees(f)},
                 {"depth", rank_forest_depth(f)},
                 {"features", rank_forest_features(f)},
                 {"outputs", rank_forest_outputs(f)}};
    printf(call->json ? "{\"objective\":\"%s\",\"hash\":\"%s\"" : "objective %s\nhash      %s\n",
           rank_forest_objective(f), hash);
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        printf(call->json ? ",\"%s\":%u" : "%-9s %u\n", shape[i].name, shape[i].value);
    }
    fputs(call->json ? "}\n" : "", stdout);
}

/* One number, or an array for a model of several outputs. */
static void put_values(struct tool_text *line, const float *values, uint32_t n)
{
    if (n > 1) {
        tool_text_char(line, '[');
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) {
            tool_text_char(line, ',');
        }
        tool_text_float(line, values[i]);
    }
    if (n > 1) {
        tool_text_char(line, ']');
    }
}

static void print_row(const struct tool_call *call, const float *margin, const float *output,
                      uint32_t n)
{
    struct tool_text line = {0};
    tool_text_str(&line, call->json ? "{\"margin\":" : "");
    put_values(&line, margin, n);
    tool_text_str(&line, call->json ? ",\"output\":" : "\t");
    put_values(&line, output, n);
    tool_text_str(&line, call->json ? "}\n" : "\n");
    fwrite(line.data, 1, line.size, stdout);
    tool_text_fini(&line);
}

/* Room for one batch: rows, margins and outputs. */
struct batch {
    float *rows, *margins, *outputs;
    size_t n;
};

static void score_batch(const struct tool_call *call, const struct rank_forest *f, struct batch *b)
{
    const uint32_t outputs = rank_forest_outputs(f);
    rank_forest_score(f, b->rows, b->n, b->margins);
    for (size_t i = 0; i < b->n * outputs; i++) {
        b->outputs[i] = b->margins[i];
    }
    rank_forest_transform(f, b->outputs, b->n);
    for (size_t i = 0; i < b->n; i++) {
        print_row(call, b->margins + i * outputs, b->outputs + i * outputs, outputs);
    }
    b->n = 0;
}

static enum wf_code score_rows(const struct tool_call *call, const struct rank_forest *f,
                               struct tool_rows *rows, struct batch *b, struct wf_error *err)
{
    const uint32_t features = rank_forest_features(f);
    bool more = true;
    while (more) {
        const enum wf_code code = tool_rows_next(rows, b->rows + b->n * features, &more, err);
        if (code != WF_OK) {
            score_batch(call, f, b); /* what came before the bad row is good */
            return code;
        }
        b->n += more;
        if (b->n == BATCH || !more) {
            score_batch(call, f, b);
        }
    }
    if (rows->unbound > 0 || rows->left_out > 0) {
        fprintf(stderr,
                "%u of the model's %u features have no column and are missing; %u columns were "
                "left out\n",
                rows->unbound, features, rows->left_out);
    }
    return WF_OK;
}

static enum wf_code score_file(const struct tool_call *call, const struct rank_forest *f,
                               const char *path, struct wf_error *err)
{
    const size_t features = rank_forest_features(f), outputs = rank_forest_outputs(f);
    struct tool_rows rows;
    enum wf_code code = tool_rows_open(path, rank_forest_names(f), (uint32_t)features, &rows, err);
    if (code != WF_OK) {
        return code;
    }
    struct batch b = {.rows = wf_xarray(float, features *BATCH),
                      .margins = wf_xarray(float, outputs *BATCH),
                      .outputs = wf_xarray(float, outputs *BATCH)};
    if (!call->json) {
        puts("margin\toutput");
    }
    code = score_rows(call, f, &rows, &b, err);
    wf_xfree(b.outputs);
    wf_xfree(b.margins);
    wf_xfree(b.rows);
    tool_rows_close(&rows);
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *args = call->args;
    if (!args->check && args->rows == NULL) {
        return tool_usage(err, "--rows FILE is missing (or --check to look at the model alone)");
    }
    char *text;
    size_t size;
    struct rank_forest *forest;
    enum wf_code code = wf_read_file(args->model, MODEL_MAX_BYTES, &text, &size, err);
    if (code != WF_OK) {
        return code;
    }
    code = rank_forest_parse(text, size, &forest, err);
    wf_xfree(text);
    if (code != WF_OK) {
        return wf_prefix(err, "%s: ", args->model);
    }
    if (args->check) {
        print_shape(call, forest);
    } else {
        code = score_file(call, forest, args->rows, err);
    }
    rank_forest_destroy(forest);
    return code;
}

const struct tool_command tool_rank = {
    .name = "rank",
    .what = "score rows of a file with a model file",
    .examples = "weft rank --model ranker.json --rows candidates.tsv\n"
                "weft rank --model ranker.json --rows candidates.svm --json\n"
                "weft rank --model ranker.json --check\n",
    .notes = "Prints margin and transformed output per row; with --json one object per line. A "
             "model of several\n"
             "classes gives arrays.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_train.c - weft train ranker: a tree ranker out of a dataset's purchases; what is learnt from
 * what is told in train.h.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tools/commands.h"
#include "tools/train.h"

enum { CANDIDATES_MAX = 10000, ROWS_MAX = 20000000 };

struct args {
    const char *input, *out, *objective;
    uint64_t rounds, depth, candidates, groups, seed, threads;
    double eta;
};
#define ARG(m) .offset = offsetof(struct args, m)
static const struct tool_option options[] = {
    {.name = "input",
     .type = TOOL_STR,
     ARG(input),
     .value = "DIR",
     .what = "The dataset: items, a space of vectors, interactions.",
     .required = true},
    {.name = "out",
     .type = TOOL_STR,
     ARG(out),
     .value = "MODEL.json",
     .what = "The model; golden rows for the build go beside it, to MODEL.json.golden.",
     .required = true},
    {.name = "objective",
     .type = TOOL_STR,
     ARG(objective),
     .value = "NAME",
     .def = "rank:ndcg",
     .what = "rank:ndcg, rank:pairwise or rank:map."},
    {.name = "rounds",
     .type = TOOL_UINT,
     ARG(rounds),
     .value = "N",
     .def = "100",
     .min = 1,
     .max = 10000,
     .what = "Trees."},
    {.name = "depth",
     .type = TOOL_UINT,
     ARG(depth),
     .value = "D",
     .def = "4",
     .min = 1,
     .max = 12,
     .what = "Depth of a tree."},
    {.name = "eta",
     .type = TOOL_REAL,
     ARG(eta),
     .value = "X",
     .def = "0.1",
     .min = 1e-4,
     .max = 1,
     .what = "Share of a tree that counts."},
    {.name = "candidates",
     .type = TOOL_UINT,
     ARG(candidates),
     .value = "N",
     .def = "100",
     .min = 10,
     .max = CANDIDATES_MAX,
     .what = "Best items by the profile vector that are a user's rows."},
    {.name = "groups",
     .type = TOOL_UINT,
     ARG(groups),
     .value = "N",
     .def = "2000",
     .min = 20,
     .max = 1e6,
     .what = "Users at most, drawn by the seed; every fifth judges."},
    {.name = "seed",
     .type = TOOL_UINT,
     ARG(seed),
     .value = "S",
     .def = "1",
     .min = 0,
     .max = 2147483647,
     .what = "The same seed and threads give the same bytes."},
    {.name = "threads",
     .type = TOOL_UINT,
     ARG(threads),
     .value = "T",
     .def = "1",
     .min = 1,
     .max = 256,
     .what = "Of the training library; more pay for millions of rows alone."},
};

static void report_json(const struct tool_train_result *r, const char *path, double seconds)
{
    json_t *ndcg = json_pack("{s:f, s:f, s:f}", "model", r->model, "retrieval", r->retrieval,
                             "popularity", r->popularity);
    json_t *doc = json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:s, s:s, s:f}", "groups",
                            (json_int_t)r->n_groups, "learnt", (json_int_t)r->n_learnt, "judged",
                            (json_int_t)r->n_judged, "rows", (json_int_t)r->n_rows, "features",
                            (json_int_t)r->n_features, "ndcg", ndcg, "recall", r->recall, "model",
                            path, "hash", r->hash, "seconds", seconds);
    json_dumpf(doc, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(doc);
}

static void report_text(const struct tool_train_result *r, const char *path, double seconds)
{
    printf("%s: %u features, learnt from %llu users and %llu rows in %.1fs, hash %s\n", path,
           r->n_features, (unsigned long long)r->n_learnt, (unsigned long long)r->n_rows, seconds,
           r->hash);
    printf("judged by %llu other users, %.1f%% of whose later purchases are among the candidates\n",
           (unsigned long long)r->n_judged, 100 * r->recall);
    printf("order       NDCG@10\n"
           "model        %.4f\n"
           "retrieval    %.4f\n"
           "popularity   %.4f\n",
           r->model, r->retrieval, r->popularity);
}

static bool is_objective(const char *name)
{
    return strcmp(name, "rank:ndcg") == 0 || strcmp(name, "rank:pairwise") == 0 ||
           strcmp(name, "rank:map") == 0;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    const int64_t started = wf_now();
    if (!is_objective(a->objective)) {
        return tool_usage(err, "--objective %s, must be rank:ndcg, rank:pairwise or rank:map",
                          a->objective);
    }
    if (a->groups * a->candidates > ROWS_MAX) {
        return tool_usage(err, "--groups %llu times --candidates %llu, the limit is %d rows",
                          (unsigned long long)a->groups, (unsigned long long)a->candidates,
                          ROWS_MAX);
    }
    const struct tool_train_options o = {.input = a->input,
                                         .out = a->out,
                                         .objective = a->objective,
                                         .rounds = a->rounds,
                                         .depth = a->depth,
                                         .candidates = a->candidates,
                                         .groups = a->groups,
                                         .seed = a->seed,
                                         .eta = a->eta,
                                         .threads = (unsigned)a->threads};
    struct tool_train_result result;
    const enum wf_code code = tool_train_ranker_run(&o, &result, err);
    if (code == WF_OK) {
        const double seconds = (double)(wf_now() - started) / (double)WF_SECOND;
        (call->json ? report_json : report_text)(&result, a->out, seconds);
    }
    return code;
}

const struct tool_command tool_train_ranker = {
    .name = "train ranker",
    .what = "train a tree ranker on the dataset's purchases",
    .examples = "weft train ranker --input shop --out ranker.json\n"
                "weft train ranker --input shop --out ranker.json --rounds 300 --eta 0.05 --json\n"
                "weft build --input shop --model ranker.json --out gen --shards 3\n",
    .notes = "Four fifths of the purchases, by time, make the features; the later ones are what is "
             "predicted.\n"
             "The order of the candidates is judged by users that were not learnt from.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

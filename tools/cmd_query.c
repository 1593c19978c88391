/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_query.c - weft query: one question to a coordinator, the answer as a table or as JSON.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "tools/answer_print.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/sku_hashes.h"
#include "tools/vector_file.h"

enum { DEFAULT_TIMEOUT_MS = 5000 };

struct args {
    const char *target, *user, *items, *session, *vector, *text;
    const char *surface, *space, *content_id, *filter, *attributes, *segment, *context_user,
        *request_id;
    const char *exclude, *exclude_file, *exclude_handle, *group_by, *dislike, *dislike_mode;
    uint64_t k, rank_limit, nprobe, ef, timeout_ms, seed;
    double target_recall, min_coverage, dislike_weight;
    bool exact, explain;
};
#define ARG(member) offsetof(struct args, member)
static const struct tool_option options[] = {
    {"target", TOOL_STR, ARG(target), "HOST:PORT", "The coordinator.", NULL, 0, 0, true},
    {"user", TOOL_STR, ARG(user), "ID", "What should this user see?", NULL, 0, 0, false},
    {"items", TOOL_STR, ARG(items), "A,B", "What goes with these items? At most 16.", NULL, 0, 0,
     false},
    {"session", TOOL_STR, ARG(session), "A,B,C",
     "What comes after these items, oldest first? At most 50.", NULL, 0, 0, false},
    {"vector", TOOL_STR, ARG(vector), "FILE",
     "What is nearest to the first vector of this file? .npy .fvecs .tsv .txt .json", NULL, 0, 0,
     false},
    {"text", TOOL_STR, ARG(text), "\"...\"",
     "What fits these words? Needs a text encoder in the generation.", NULL, 0, 0, false},
    {"surface", TOOL_STR, ARG(surface), "NAME",
     "for_you, similar, for_you_raw, similar_raw, trending or a declared one.", "", 0, 0, false},
    {"k", TOOL_UINT, ARG(k), "N", "Hits wanted.", "10", 1, 4294967295.0, false},
    {"space", TOOL_STR, ARG(space), "NAME", "Embedding space of --vector.", "", 0, 0, false},
    {"content-id", TOOL_STR, ARG(content_id), "ID",
     "Content id of that space; another one is refused.", "", 0, 0, false},
    {"filter", TOOL_STR, ARG(filter), "EXPR", "Filter expression over attributes.", "", 0, 0,
     false},
    {"exclude", TOOL_STR, ARG(exclude), "A,B", "SKUs that the list must not hold.", NULL, 0, 0,
     false},
    {"exclude-file", TOOL_STR, ARG(exclude_file), "FILE",
     "SKUs that the list must not hold, one a line, at most 100000.", NULL, 0, 0, false},
    {"exclude-handle", TOOL_STR, ARG(exclude_handle), "H",
     "A set of such SKUs that was uploaded by weft exclude.", "", 0, 0, false},
    {"group-by", TOOL_STR, ARG(group_by), "ATTR[:N]",
     "At most N hits (1) that share a value of this attribute.", NULL, 0, 0, false},
    {"dislike", TOOL_STR, ARG(dislike), "A,B", "What the list should be unlike. At most 16.", NULL,
     0, 0, false},
    {"dislike-mode", TOOL_STR, ARG(dislike_mode), "MODE",
     "subtract: look elsewhere; best-minus-worst: lower the scores of what is like them.", NULL, 0,
     0, false},
    {"dislike-weight", TOOL_REAL, ARG(dislike_weight), "W", "How much that counts, 0 to 10.", "0.5",
     0, 10, false},
    {"exact", TOOL_FLAG, ARG(exact), NULL, "Brute force over the stored vectors.", NULL, 0, 0,
     false},
    {"target-recall", TOOL_REAL, ARG(target_recall), "R", "Recall wanted of the retrieval.", NULL,
     0, 0, false},
    {"nprobe", TOOL_UINT, ARG(nprobe), "N", "IVF lists to probe per shard.", NULL, 0, 4294967295.0,
     false},
    {"ef", TOOL_UINT, ARG(ef), "N", "HNSW candidate list size.", NULL, 0, 4294967295.0, false},
    {"rank-limit", TOOL_UINT, ARG(rank_limit), "N", "Candidates ranked at most.", NULL, 0,
     4294967295.0, false},
    {"attributes", TOOL_STR, ARG(attributes), "A,B", "Attributes to return; * is all.", "*", 0, 0,
     false},
    {"explain", TOOL_FLAG, ARG(explain), NULL, "Say why each hit is there.", NULL, 0, 0, false},
    {"min-coverage", TOOL_REAL, ARG(min_coverage), "X",
     "Fail when less of the documents was searched.", NULL, 0, 0, false},
    {"segment", TOOL_STR, ARG(segment), "VALUE", "Whose popularity list to fall back to.", "", 0, 0,
     false},
    {"context-user", TOOL_STR, ARG(context_user), "ID",
     "User for the ranker when the subject is none.", "", 0, 0, false},
    {"timeout-ms", TOOL_UINT, ARG(timeout_ms), "MS", "Deadline.", NULL, 0, 4294967295.0, false},
    {"seed", TOOL_UINT, ARG(seed), "N", "For what is drawn at random.", "0", 0, 0, false},
    {"request-id", TOOL_STR, ARG(request_id), "ID", "Comes back in the answer and in logs.", "", 0,
     0, false},
};

/* "a,b,c" as an array in the arena. */
static const char *const *split(const char *list, struct wf_arena *arena, uint32_t *n)
{
    size_t commas = 0;
    for (const char *s = list; *s != '\0'; s++) {
        commas += *s == ',';
    }
    const char **out = wf_array(arena, const char *, commas + 1);
    wf_assert(out != NULL); /* argv is far below the arena's limit */
    for (*n = 0; *n <= commas; (*n)++) {
        const size_t size = strcspn(list, ",");
        out[*n] = wf_arena_strndup(arena, list, size);
        list += size + 1;
    }
    return out;
}

static enum wf_code read_vector(const char *path, struct wf_arena *arena,
                                struct wire_recommend_request *rq, struct wf_error *err)
{
    struct tool_vector_file file;
    enum wf_code code = tool_vector_file_open(path, 0, &file, err);
    if (code != WF_OK) {
        return code;
    }
    bool more = false;
    float *vector = wf_array(arena, float, file.dim);
    code = vector == NULL ? wf_fail(err, WF_EXHAUSTED, "%u dimensions are too many", file.dim)
                          : tool_vector_file_next(&file, vector, &more, err);
    rq->vector = vector;
    rq->dim = file.dim;
    tool_vector_file_close(&file);
    if (code == WF_OK && !more) {
        return wf_fail(err, WF_INVALID, "%s: no vector in it", path);
    }
    return code == WF_OK ? WF_OK : wf_prefix(err, "%s: ", path);
}

static enum wf_code subject_of(const struct args *a, struct wf_arena *arena,
                               struct wire_recommend_request *rq, struct wf_error *err)
{
    const int given = (a->user != NULL) + (a->items != NULL) + (a->session != NULL) +
                      (a->vector != NULL) + (a->text != NULL);
    if (given > 1) {
        return tool_usage(
            err, "%d of --user, --items, --session, --vector and --text are given, wanted one",
            given);
    }
    if (a->vector == NULL && (a->space[0] != '\0' || a->content_id[0] != '\0')) {
        return tool_usage(err, "--%s belongs to --vector, which is not given",
                          a->space[0] != '\0' ? "space" : "content-id");
    }
    if (a->vector != NULL) {
        rq->subject = WIRE_SUBJECT_VECTOR;
        return read_vector(a->vector, arena, rq, err);
    }
    if (a->items != NULL || a->session != NULL) {
        rq->subject = a->items != NULL ? WIRE_SUBJECT_ITEMS : WIRE_SUBJECT_SESSION;
        rq->skus = split(a->items != NULL ? a->items : a->session, arena, &rq->n_skus);
    } else if (a->user != NULL || a->text != NULL) {
        rq->subject = a->user != NULL ? WIRE_SUBJECT_USER : WIRE_SUBJECT_TEXT;
        rq->id = a->user != NULL ? a->user : a->text;
    }
    return WF_OK;
}

static enum wf_code exclusions_of(const struct args *a, struct wf_arena *arena,
                                  struct wire_recommend_request *rq, struct wf_error *err)
{
    struct tool_hashes hashes = {0};
    enum wf_code code = WF_OK;
    if (a->exclude_handle[0] != '\0' && (a->exclude != NULL || a->exclude_file != NULL)) {
        return tool_usage(err, "--exclude-handle and --%s exclude each other",
                          a->exclude != NULL ? "exclude" : "exclude-file");
    }
    if (a->exclude != NULL) {
        uint32_t n;
        const char *const *skus = split(a->exclude, arena, &n);
        code = tool_hashes_add(skus, n, arena, &hashes, err);
    }
    if (code == WF_OK && a->exclude_file != NULL) {
        code = tool_hashes_read(a->exclude_file, arena, &hashes, err);
    }
    rq->exclude = hashes.values;
    rq->n_exclude = hashes.n;
    rq->exclude_handle = a->exclude_handle;
    return code;
}

/* ATTR or ATTR:N. */
static enum wf_code group_of(const struct args *a, struct wf_arena *arena,
                             struct wire_recommend_request *rq, struct wf_error *err)
{
    if (a->group_by == NULL) {
        return WF_OK;
    }
    const char *colon = strrchr(a->group_by, ':');
    uint64_t most = 1;
    if (colon != NULL &&
        (!tool_parse_uint(colon + 1, &most) || most < 1 || most > WIRE_GROUP_MAX)) {
        return tool_usage(err, "--group-by \"%s\": \"%s\" hits of a group, wanted 1 to %d",
                          a->group_by, colon + 1, WIRE_GROUP_MAX);
    }
    rq->group_by = colon == NULL
                       ? a->group_by
                       : wf_arena_strndup(arena, a->group_by, (size_t)(colon - a->group_by));
    rq->group_max = (uint32_t)most;
    return WF_OK;
}

static enum wf_code dislikes_of(const struct args *a, struct wf_arena *arena,
                                struct wire_recommend_request *rq, struct wf_error *err)
{
    const char *mode = a->dislike_mode == NULL ? "subtract" : a->dislike_mode;
    const bool subtract = strcmp(mode, "subtract") == 0;
    if (!subtract && strcmp(mode, "best-minus-worst") != 0) {
        return tool_usage(err, "--dislike-mode is \"%s\", wanted subtract or best-minus-worst",
                          mode);
    }
    if (a->dislike == NULL) {
        return a->dislike_mode == NULL
                   ? WF_OK
                   : tool_usage(err, "--dislike-mode belongs to --dislike, which is not given");
    }
    rq->negative_mode = subtract ? WIRE_NEGATIVE_SUBTRACT : WIRE_NEGATIVE_BEST_MINUS_WORST;
    rq->negative_weight = (float)a->dislike_weight;
    rq->negative_skus = split(a->dislike, arena, &rq->n_negative_skus);
    return WF_OK;
}

static enum wf_code request_of(const struct args *a, struct wf_arena *arena,
                               struct wire_recommend_request *rq, struct wf_error *err)
{
    const char *colon = strrchr(a->target, ':');
    if (strchr(a->target, '/') == NULL && (colon == NULL || colon[1] == '\0')) {
        return tool_usage(err, "--target \"%s\" has no port, wanted HOST:PORT", a->target);
    }
    if (a->nprobe > 0 && a->ef > 0) {
        return tool_usage(err, "--nprobe and --ef exclude each other");
    }
    *rq = (struct wire_recommend_request){
        .request_id = a->request_id,
        .surface = a->surface,
        .space = a->space,
        .content_id = a->content_id,
        .id = "",
        .k = (uint32_t)a->k,
        .timeout_ms = (uint32_t)a->timeout_ms,
        .filter = a->filter,
        .exact = a->exact,
        .target_recall = (float)a->target_recall,
        .rank_limit = (uint32_t)a->rank_limit,
        .explain = a->explain,
        .min_coverage = (float)a->min_coverage,
        .segment = a->segment,
        .context_user = a->context_user,
        .seed = a->seed,
    };
    if (a->nprobe > 0) {
        rq->effort = (struct wire_effort){.kind = WIRE_EFFORT_NPROBE, .value = (uint32_t)a->nprobe};
    } else if (a->ef > 0) {
        rq->effort = (struct wire_effort){.kind = WIRE_EFFORT_EF, .value = (uint32_t)a->ef};
    }
    if (a->attributes[0] != '\0') {
        rq->attributes = split(a->attributes, arena, &rq->n_attributes);
    }
    enum wf_code code = exclusions_of(a, arena, rq, err);
    if (code == WF_OK) {
        code = group_of(a, arena, rq, err);
    }
    if (code == WF_OK) {
        code = dislikes_of(a, arena, rq, err);
    }
    return code == WF_OK ? subject_of(a, arena, rq, err) : code;
}

static enum wf_code ask(const struct tool_call *call, struct wf_arena *arena, struct wf_error *err)
{
    const struct args *a = call->args;
    struct wire_recommend_request rq;
    struct wire_recommend_response answer;
    struct tool_client client;
    enum wf_code code = request_of(a, arena, &rq, err);
    if (code == WF_OK) {
        code = tool_client_open(a->target, 1, &client, err);
    }
    if (code != WF_OK) {
        return code;
    }
    const int64_t wait = a->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : (int64_t)a->timeout_ms + 1000;
    code = tool_client_recommend(&client, &rq, wf_deadline_ms(wf_now(), wait), arena, &answer, err);
    if (code == WF_OK) {
        struct tool_text text = {0};
        (call->json ? tool_answer_json : tool_answer_text)(&answer, &text);
        fwrite(text.data, 1, text.size, stdout);
        tool_text_fini(&text);
    } else if (err->reason[0] != '\0') {
        const bool named = strncmp(err->text, err->field, strlen(err->field)) == 0;
        (void)wf_prefix(err, "%s%s%s: ", err->reason, named ? "" : " at ", named ? "" : err->field);
    }
    tool_client_close(&client);
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    struct wf_arena arena;
    wf_arena_init(&arena, TOOL_CLIENT_ARENA_MAX);
    const enum wf_code code = ask(call, &arena, err);
    wf_arena_fini(&arena);
    return code;
}

const struct tool_command tool_query = {
    .name = "query",
    .what = "ask a coordinator which items a shopper should see",
    .examples =
        "weft query --target 127.0.0.1:7000 --user u42\n"
        "weft query --target 127.0.0.1:7000 --items 15970 --k 5 --explain\n"
        "weft query --target 127.0.0.1:7000 --session 15970,39386 --json\n"
        "weft query --target 127.0.0.1:7000 --vector query.npy --surface for_you_raw --exact\n"
        "weft query --target 127.0.0.1:7000 --user u42 --filter 'price < 40 and colour = \"Red\"'\n"
        "weft query --target 127.0.0.1:7000 --user u42 --exclude-file seen.txt --group-by brand:2\n"
        "weft query --target 127.0.0.1:7000 --items 15970 --dislike 39386 --target-recall 0.99\n",
    .notes = "Without a subject the answer is what is popular in --segment.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

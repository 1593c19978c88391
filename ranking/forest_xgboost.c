/* SPDX-License-Identifier: Apache-2.0
 *
 * forest_xgboost.c - reads XGBoost's JSON model (save_model of 1.x to 2.x) with every field
 * checked: the file may be anything. Trees are renumbered breadth first while they are checked, so
 * each node is reached exactly once, a cycle or a shared child is found, and the children of a node
 * lie side by side. Format: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
 * and its JSON schema.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "ranking/forest_internal.h"

enum {
    MAX_BYTES = 64 << 20,
    MAX_TREES = 1 << 20,
    MAX_FEATURES = 1 << 16,
    MAX_OUTPUTS = 1 << 12,
    MAX_NODES = 1 << 28,
};

/* What each objective makes of base_score and of margins. `logit` and `log`: base_score is stored
 * transformed. */
enum base_kind { BASE_PLAIN, BASE_LOGIT, BASE_LOG };
static const struct objective {
    const char *name;
    enum rank_transform transform;
    enum base_kind base;
} objectives[] = {
    {"reg:squarederror", RANK_IDENTITY, BASE_PLAIN},
    {"reg:squaredlogerror", RANK_IDENTITY, BASE_PLAIN},
    {"reg:absoluteerror", RANK_IDENTITY, BASE_PLAIN},
    {"reg:pseudohubererror", RANK_IDENTITY, BASE_PLAIN},
    {"reg:logistic", RANK_SIGMOID, BASE_LOGIT},
    {"binary:logistic", RANK_SIGMOID, BASE_LOGIT},
    {"binary:logitraw", RANK_IDENTITY, BASE_PLAIN},
    {"binary:hinge", RANK_STEP, BASE_PLAIN},
    {"count:poisson", RANK_EXP, BASE_LOG},
    {"reg:gamma", RANK_EXP, BASE_LOG},
    {"reg:tweedie", RANK_EXP, BASE_LOG},
    {"multi:softprob", RANK_SOFTMAX, BASE_PLAIN},
    {"multi:softmax", RANK_SOFTMAX, BASE_PLAIN},
    {"rank:pairwise", RANK_IDENTITY, BASE_PLAIN},
    {"rank:ndcg", RANK_IDENTITY, BASE_PLAIN},
    {"rank:map", RANK_IDENTITY, BASE_PLAIN},
};

#define FAIL(err, ...) wf_invalid((err), "MODEL", "model", __VA_ARGS__)

/* ---- getting at JSON ---- */

static enum wf_code member(const json_t *object, const char *key, json_type type,
                           const json_t **out, struct wf_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL) {
        return FAIL(err, "xgboost model: \"%s\" is missing", key);
    }
    if (json_typeof(value) != type) {
        return FAIL(err, "xgboost model: \"%s\" has another type than xgboost writes", key);
    }
    *out = value;
    return WF_OK;
}

/* Follows a NULL-terminated path of objects. */
static enum wf_code descend(const json_t *root, const char *const *path, const json_t **out,
                            struct wf_error *err)
{
    for (; *path != NULL; path++) {
        const enum wf_code code = member(root, *path, JSON_OBJECT, &root, err);
        if (code != WF_OK) {
            return code;
        }
    }
    *out = root;
    return WF_OK;
}

/* A number that XGBoost writes as text: {"num_class":"0"}. */
static enum wf_code text_number(const json_t *object, const char *key, double low, double high,
                                double *out, struct wf_error *err)
{
    const json_t *value;
    const enum wf_code code = member(object, key, JSON_STRING, &value, err);
    if (code != WF_OK) {
        return code;
    }
    const char *text = json_string_value(value);
    char *end;
    errno = 0;
    const double x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= low && x <= high)) {
        return FAIL(err, "xgboost model: %s is \"%.40s\", wanted a number of %g to %g", key, text,
                    low, high);
    }
    *out = x;
    return WF_OK;
}

/* ---- the head: objective, shape, names ---- */

static enum wf_code read_objective(const json_t *learner, double base_score, struct rank_forest *f,
                                   struct wf_error *err)
{
    const json_t *object, *name;
    enum wf_code code = member(learner, "objective", JSON_OBJECT, &object, err);
    if (code == WF_OK) {
        code = member(object, "name", JSON_STRING, &name, err);
    }
    if (code != WF_OK) {
        return code;
    }
    const char *text = json_string_value(name);
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++) {
        const struct objective *o = &objectives[i];
        if (strcmp(o->name, text) != 0) {
            continue;
        }
        const float b = (float)base_score;
        if ((o->base == BASE_LOGIT && !(b > 0 && b < 1)) || (o->base == BASE_LOG && !(b > 0))) {
            return FAIL(err, "xgboost model: base_score %g does not fit objective %s", base_score,
                        text);
        }
        f->base = o->base == BASE_LOGIT ? -logf(1.0f / b - 1.0f)
                  : o->base == BASE_LOG ? logf(b)
                                        : b;
        f->transform = o->transform;
        memcpy(f->objective, o->name, strlen(o->name) + 1);
        return WF_OK;
    }
    return FAIL(
        err,
        "xgboost model: objective \"%.40s\" is not supported; train with rank:*, reg:*, binary:*, "
        "count:poisson or multi:*",
        text);
}

static enum wf_code read_shape(const json_t *learner, struct rank_forest *f, struct wf_error *err)
{
    const json_t *param;
    double base = 0, classes = 0, features = 0;
    enum wf_code code = member(learner, "learner_model_param", JSON_OBJECT, &param, err);
    if (code == WF_OK) {
        code = text_number(param, "base_score", -3.0e38, 3.0e38, &base, err);
    }
    if (code == WF_OK) {
        code = text_number(param, "num_class", 0, MAX_OUTPUTS, &classes, err);
    }
    if (code == WF_OK) {
        code = text_number(param, "num_feature", 1, MAX_FEATURES, &features, err);
    }
    if (code == WF_OK && json_object_get(param, "num_target") != NULL) {
        double targets;
        code = text_number(param, "num_target", 0, 1e6, &targets, err);
        if (code == WF_OK && targets > 1) {
            return FAIL(err,
                        "xgboost model: num_target is %g, multi-target models are not supported",
                        targets);
        }
    }
    if (code != WF_OK) {
        return code;
    }
    f->n_features = (uint32_t)features;
    f->n_outputs = classes > 1 ? (uint32_t)classes : 1;
    return read_objective(learner, base, f, err);
}

static enum wf_code read_names(const json_t *learner, struct rank_forest *f, struct wf_error *err)
{
    const json_t *names = json_object_get(learner, "feature_names");
    const size_t n = json_is_array(names) ? json_array_size(names) : 0;
    if (n != 0 && n != f->n_features) {
        return FAIL(err, "xgboost model: %zu feature_names for num_feature %u", n, f->n_features);
    }
    f->names = wf_xcalloc(f->n_features, sizeof f->names[0]);
    for (uint32_t i = 0; i < f->n_features; i++) {
        const char *name = n == 0 ? NULL : json_string_value(json_array_get(names, i));
        if (n != 0 && (name == NULL || strlen(name) > 256)) {
            return FAIL(err,
                        "xgboost model: feature_names[%u] is not a string of at most 256 bytes", i);
        }
        f->names[i] = n == 0 ? wf_xprintf("f%u", i) : wf_xstrdup(name);
    }
    return WF_OK;
}

/* ---- trees ---- */

/* The arrays of one tree, all of n_nodes elements. */
struct tree {
    const json_t *left, *right, *condition, *feature, *default_left, *type;
    size_t n;
    uint32_t number;
};

static enum wf_code open_array(const json_t *object, const char *key, struct tree *t,
                               const json_t **out, struct wf_error *err)
{
    const enum wf_code code = member(object, key, JSON_ARRAY, out, err);
    if (code != WF_OK) {
        return code;
    }
    if (t->n == 0) {
        t->n = json_array_size(*out);
    }
    if (t->n == 0 || json_array_size(*out) != t->n) {
        return FAIL(err, "xgboost model: tree %u: %s has %zu elements, left_children %zu",
                    t->number, key, json_array_size(*out), t->n);
    }
    return WF_OK;
}

static enum wf_code open_tree(const json_t *object, uint32_t number, struct tree *t,
                              struct wf_error *err)
{
    *t = (struct tree){.number = number};
    const struct {
        const char *key;
        const json_t **into;
    } arrays[] = {{"left_children", &t->left},
                  {"right_children", &t->right},
                  {"split_conditions", &t->condition},
                  {"split_indices", &t->feature},
                  {"default_left", &t->default_left}};
    if (!json_is_object(object)) {
        return FAIL(err, "xgboost model: tree %u is not an object", number);
    }
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        const enum wf_code code = open_array(object, arrays[i].key, t, arrays[i].into, err);
        if (code != WF_OK) {
            return code;
        }
    }
    if (json_object_get(object, "split_type") != NULL) {
        return open_array(object, "split_type", t, &t->type, err);
    }
    return WF_OK;
}

static double number_at(const json_t *array, size_t i)
{
    const json_t *v = json_array_get(array, i);
    if (json_is_boolean(v)) {
        return json_is_true(v);
    }
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* Fills *node from node `id` of the tree; its children, when it has any, come as ids. */
static enum wf_code read_node(const struct rank_forest *f, const struct tree *t, size_t id,
                              struct rank_node *node, size_t children[2], struct wf_error *err)
{
    const double left = number_at(t->left, id), right = number_at(t->right, id);
    const double value = number_at(t->condition, id), feature = number_at(t->feature, id);
    if (!(fabs(value) <= 3.4028234663852886e38)) {
        return FAIL(err, "xgboost model: tree %u node %zu: split_conditions is not a finite number",
                    t->number, id);
    }
    *node = (struct rank_node){.threshold = (float)value};
    if (left == -1 && right == -1) {
        return WF_OK;
    }
    if (!(left >= 0 && left < (double)t->n && right >= 0 && right < (double)t->n)) {
        return FAIL(err, "xgboost model: tree %u node %zu: children %g and %g of %zu nodes",
                    t->number, id, left, right, t->n);
    }
    if (!(feature >= 0 && feature < f->n_features)) {
        return FAIL(err, "xgboost model: tree %u node %zu: split_indices %g, num_feature is %u",
                    t->number, id, feature, f->n_features);
    }
    if (t->type != NULL && number_at(t->type, id) != 0) {
        return FAIL(
            err,
            "xgboost model: tree %u node %zu: categorical splits are not supported; train with "
            "enable_categorical=false",
            t->number, id);
    }
    const double missing = number_at(t->default_left, id);
    if (missing != 0 && missing != 1) {
        return FAIL(err, "xgboost model: tree %u node %zu: default_left is neither true nor false",
                    t->number, id);
    }
    node->feature = (uint32_t)feature | (missing == 1 ? RANK_LEFT_BIT : 0);
    children[0] = (size_t)left;
    children[1] = (size_t)right;
    return WF_OK;
}

struct queued {
    uint32_t id, depth;
};

/* Appends the tree's reachable nodes breadth first to f->nodes. `queue` and `seen` hold t->n
 * elements each. */
static enum wf_code walk_tree(struct rank_forest *f, const struct tree *t, struct queued *queue,
                              uint8_t *seen, struct wf_error *err)
{
    size_t head = 0, tail = 0;
    const size_t first = f->n_nodes;
    queue[tail++] = (struct queued){0, 0};
    seen[0] = 1;
    for (; head < tail; head++) {
        size_t children[2] = {SIZE_MAX, SIZE_MAX};
        struct rank_node *node = &f->nodes[first + head];
        const enum wf_code code = read_node(f, t, queue[head].id, node, children, err);
        if (code != WF_OK) {
            return code;
        }
        if (children[0] == SIZE_MAX) {
            node->leaf = node->threshold;
            node->threshold = NAN;
            node->children = (uint32_t)(first + head) - 1;
            continue;
        }
        if (seen[children[0]] || seen[children[1]] || children[0] == children[1]) {
            return FAIL(err, "xgboost model: tree %u node %u: a child is reached twice", t->number,
                        queue[head].id);
        }
        node->children = (uint32_t)(first + tail);
        for (int side = 0; side < 2; side++) {
            seen[children[side]] = 1;
            queue[tail++] = (struct queued){(uint32_t)children[side], queue[head].depth + 1};
        }
    }
    f->n_nodes += tail;
    f->depths[t->number] = queue[tail - 1].depth; /* breadth first: the last is the deepest */
    return WF_OK;
}

static enum wf_code add_tree(struct rank_forest *f, const json_t *object, uint32_t number,
                             size_t *cap, struct wf_error *err)
{
    struct tree t;
    enum wf_code code = open_tree(object, number, &t, err);
    if (code != WF_OK) {
        return code;
    }
    if (f->n_nodes + t.n > MAX_NODES) {
        return FAIL(err, "xgboost model: more than %d nodes", MAX_NODES);
    }
    wf_xgrow(&f->nodes, cap, f->n_nodes + t.n, sizeof f->nodes[0]);
    struct queued *queue = wf_xmalloc(t.n * sizeof *queue);
    uint8_t *seen = wf_xcalloc(t.n, 1);
    f->roots[number] = (uint32_t)f->n_nodes;
    code = walk_tree(f, &t, queue, seen, err);
    wf_xfree(seen);
    wf_xfree(queue);
    return code;
}

static enum wf_code read_trees(const json_t *model, struct rank_forest *f, struct wf_error *err)
{
    const json_t *trees, *info;
    enum wf_code code = member(model, "trees", JSON_ARRAY, &trees, err);
    if (code == WF_OK) {
        code = member(model, "tree_info", JSON_ARRAY, &info, err);
    }
    if (code != WF_OK) {
        return code;
    }
    const size_t n = json_array_size(trees);
    if (n > MAX_TREES || json_array_size(info) != n) {
        return FAIL(err, "xgboost model: %zu trees (at most %d) and %zu of tree_info", n, MAX_TREES,
                    json_array_size(info));
    }
    f->n_trees = (uint32_t)n;
    f->roots = wf_xcalloc(n + 1, sizeof f->roots[0]);
    f->depths = wf_xcalloc(n + 1, sizeof f->depths[0]);
    f->group = wf_xcalloc(n + 1, sizeof f->group[0]);
    size_t cap = 0;
    for (uint32_t i = 0; i < n && code == WF_OK; i++) {
        const double group = number_at(info, i);
        if (!(group >= 0 && group < f->n_outputs)) {
            return FAIL(err, "xgboost model: tree_info[%u] is %g, the model has %u outputs", i,
                        group, f->n_outputs);
        }
        f->group[i] = (uint32_t)group;
        code = add_tree(f, json_array_get(trees, i), i, &cap, err);
        f->depth = f->depths[i] > f->depth ? f->depths[i] : f->depth;
    }
    return code;
}

static enum wf_code read_model(const json_t *root, struct rank_forest *f, struct wf_error *err)
{
    static const char *const to_learner[] = {"learner", NULL};
    static const char *const to_model[] = {"gradient_booster", "model", NULL};
    const json_t *learner, *booster, *name, *model;
    enum wf_code code = descend(root, to_learner, &learner, err);
    if (code == WF_OK) {
        code = member(learner, "gradient_booster", JSON_OBJECT, &booster, err);
    }
    if (code == WF_OK) {
        code = member(booster, "name", JSON_STRING, &name, err);
    }
    if (code != WF_OK) {
        return code;
    }
    if (strcmp(json_string_value(name), "gbtree") != 0) {
        return FAIL(err,
                    "xgboost model: booster \"%.40s\" is not supported; train with booster=gbtree",
                    json_string_value(name));
    }
    code = read_shape(learner, f, err);
    if (code == WF_OK) {
        code = read_names(learner, f, err);
    }
    if (code == WF_OK) {
        code = descend(learner, to_model, &model, err);
    }
    return code == WF_OK ? read_trees(model, f, err) : code;
}

enum wf_code rank_forest_parse(const char *text, size_t size, struct rank_forest **out,
                               struct wf_error *err)
{
    if (size > MAX_BYTES) {
        return FAIL(err, "model of %zu bytes, at most %d are read", size, MAX_BYTES);
    }
    if (size >= 4 && memcmp(text, "binf", 4) == 0) {
        return FAIL(err, "this is xgboost's old binary format; load it with xgboost 1.7 and "
                         "save_model to a .json");
    }
    json_error_t where;
    json_t *root = json_loadb(text, size, 0, &where);
    if (root == NULL) {
        return FAIL(err,
                    "model is not JSON: line %d column %d: %.120s; xgboost models are saved with "
                    "save_model "
                    "to a .json",
                    where.line, where.column, where.text);
    }
    struct rank_forest *f = wf_xcalloc(1, sizeof *f);
    const enum wf_code code = read_model(root, f, err);
    json_decref(root);
    if (code != WF_OK) {
        rank_forest_destroy(f);
        return code;
    }
    wf_hash128_hex(wf_hash128(text, size), f->hash);
    *out = f;
    return WF_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * train_groups.c - see train_groups.h. Two catalogs are read: one of all purchases, which gives the
 * split and what was bought after it, and one as of the split, which gives every feature, by the
 * functions that build and serving use. Users are filled by several threads, each user by one, into
 * its own rows, so the result is the same for any number of threads.
 */
#include "tools/train_groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/pool.h"
#include "ranking/features.h"
#include "tools/catalog.h"
#include "tools/progress.h"
#include "tools/train_search.h"

enum {
    HISTORY_MIN = 2,  /* purchases before the split that make a user */
    GROUPS_MIN = 20,  /* below there is nothing to learn and nobody to judge */
    USERS_BLOCK = 64, /* between two reports of progress */
};
static const double split_share = 0.8;

struct maker {
    const struct tool_dataset *ds;
    const struct tool_train_options *o;
    unsigned threads;
    struct tool_catalog *all, *past;
    int64_t split; /* unix time; what is not later is known */
    struct tool_train_search search;
    uint8_t *offered; /* per item: in the catalog as of the split */
    struct rank_binding *binding;
    struct tool_train_groups *out;
    size_t first;            /* group of the block that is being filled */
    struct scratch *scratch; /* per thread */
};
struct scratch {
    const struct rank_item **history;
    struct tool_train_hit *hits;
    float *profile, *item, *score;
    uint16_t *half;
    uint32_t *place;
};

/* ---- the split ---- */

static int by_time(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int64_t split_time(const struct tool_catalog *c)
{
    int64_t *times = wf_xarray(int64_t, c->n_purchases);
    for (size_t i = 0; i < c->n_purchases; i++) {
        times[i] = c->purchases[i].unix_time;
    }
    qsort(times, c->n_purchases, sizeof times[0], by_time);
    const int64_t split = times[(size_t)((double)(c->n_purchases - 1) * split_share)];
    wf_xfree(times);
    return split;
}

static enum wf_code too_few(const struct maker *m, size_t n, struct wf_error *err)
{
    return wf_fail(err, WF_INVALID,
                   "%s: %zu users have %d purchases before the split in time and one after, a "
                   "ranker needs %d; simulate shoppers with `weft synth --events-for %s`",
                   m->ds->dir, n, HISTORY_MIN, GROUPS_MIN, m->ds->dir);
}

static enum wf_code open_catalogs(struct maker *m, struct wf_error *err)
{
    uint64_t n_unknown;
    enum wf_code code = tool_catalog_open(m->ds, INT64_MAX, &m->all, &n_unknown, err);
    if (code != WF_OK) {
        return code;
    }
    if (m->all->n_purchases == 0) {
        return too_few(m, 0, err);
    }
    m->split = split_time(m->all);
    return tool_catalog_open(m->ds, m->split, &m->past, &n_unknown, err);
}

/* What is launched by the split. */
static void take_stock(struct maker *m)
{
    const float day = m->past->means.now_day;
    m->offered = wf_xarray(uint8_t, m->ds->items.n + 1);
    for (size_t i = 0; i < m->ds->items.n; i++) {
        m->offered[i] = !(m->past->items[i].launch_day > day); /* unknown: always there */
    }
    tool_train_search_init(&m->search, m->ds, 0, m->offered);
}

/* ---- users ---- */

/* Items of the offered ones that the user of `all` bought after the split: rising, distinct. */
static uint32_t later_items(const struct maker *m, uint32_t user, uint32_t *out)
{
    uint32_t n = 0, distinct = 0;
    for (size_t i = m->all->user_start[user]; i < m->all->user_start[user + 1]; i++) {
        const struct tool_purchase *p = &m->all->purchases[i];
        if (p->unix_time > m->split && m->offered[p->item]) {
            out[n++] = p->item;
        }
    }
    qsort(out, n, sizeof out[0], by_number);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || out[i] != out[i - 1]) {
            out[distinct++] = out[i];
        }
    }
    return distinct;
}

/* Adds the user of `all` as a group when it has what it takes; returns the numbers it used. */
static uint32_t add_user(struct maker *m, uint32_t user, uint32_t *positives, float *profile)
{
    const char *name = m->all->users.names[user];
    const uint32_t past = tool_intern_find(&m->past->users, name, strlen(name));
    if (past == TOOL_NO_ID ||
        m->past->user_start[past + 1] - m->past->user_start[past] < HISTORY_MIN) {
        return 0;
    }
    const uint32_t n = later_items(m, user, positives);
    if (n == 0 || !tool_catalog_profile(m->past, past, 0, profile)) {
        return 0;
    }
    m->out->groups[m->out->n++] =
        (struct tool_train_group){.user = past, .positives = positives, .n_positives = n};
    return n;
}

/* Users in random order, until there are enough. */
static enum wf_code choose_users(struct maker *m, struct wf_error *err)
{
    struct tool_train_groups *t = m->out;
    const uint32_t n_users = m->all->n_users;
    const size_t most = m->o->groups < n_users ? (size_t)m->o->groups : n_users;
    struct wf_random random = wf_random_of(m->o->seed, 0);
    uint32_t *order = wf_xarray(uint32_t, (size_t)n_users + 1);
    float *profile = wf_xmalloc64(sizeof(float) * m->ds->schema.spaces[0].dim);
    t->groups = wf_xarray(struct tool_train_group, most + 1);
    t->positives = wf_xarray(uint32_t, m->all->n_purchases);
    for (uint32_t i = 0; i < n_users; i++) {
        const uint32_t j = (uint32_t)wf_random_below(&random, (uint64_t)i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    uint32_t *positives = t->positives;
    for (uint32_t i = 0; i < n_users && t->n < most; i++) {
        positives += add_user(m, order[i], positives, profile);
    }
    wf_xfree(profile);
    wf_xfree(order);
    return t->n < GROUPS_MIN ? too_few(m, t->n, err) : WF_OK;
}

/* ---- rows ---- */

/* The profile as the generation keeps it and the coordinator takes it. */
static void make_query(const struct maker *m, uint32_t user, struct scratch *s)
{
    const uint32_t dim = m->ds->schema.spaces[0].dim;
    wf_assert(tool_catalog_profile(m->past, user, 0, s->profile)); /* it had one when chosen */
    wf_float_to_half(s->profile, s->half, dim);
    wf_half_to_float(s->half, s->profile, dim);
    wf_normalise(s->profile, dim);
}

static void fill_group(const struct maker *m, size_t at, struct scratch *s)
{
    struct tool_train_groups *t = m->out;
    struct tool_train_group *g = &t->groups[at];
    struct rank_user user;
    const uint32_t n = t->n_candidates, wide = m->binding->n_wanted;
    make_query(m, g->user, s);
    tool_train_search_top(&m->search, s->profile, n, s->hits);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = s->hits[i].row;
        for (uint32_t j = 0; j < wide; j++) {
            s->item[(size_t)i * wide + j] =
                rank_item_feature(m->binding->wanted[j], &m->past->items[row], &m->past->means);
        }
        s->score[i] = s->hits[i].score;
        s->place[i] = i + 1;
        const bool bought = bsearch(&row, g->positives, g->n_positives, sizeof row, by_number);
        t->labels[at * n + i] = bought ? 1 : 0;
        g->n_found += bought;
    }
    const size_t n_history = tool_catalog_history(m->past, g->user, s->history, SIZE_MAX);
    rank_user_of(s->history, n_history, &user);
    const struct rank_rows rows = {.n = n,
                                   .item = s->item,
                                   .retrieval_score = s->score,
                                   .retrieval_rank = s->place,
                                   .profile_similarity = s->score};
    const struct rank_context context = {.user = &user};
    rank_features_fill(m->binding, &context, &rows, t->rows + at * n * t->n_features);
}

static void fill_range(void *ctx, size_t begin, size_t end, unsigned thread)
{
    const struct maker *m = ctx;
    for (size_t i = begin; i < end; i++) {
        fill_group(m, m->first + i, &m->scratch[thread]);
    }
}

/* The longest history of a chosen user. */
static size_t longest_history(const struct maker *m)
{
    size_t most = 1;
    for (size_t i = 0; i < m->out->n; i++) {
        const size_t *start = m->past->user_start + m->out->groups[i].user;
        most = start[1] - start[0] > most ? start[1] - start[0] : most;
    }
    return most;
}

static void make_scratch(struct maker *m)
{
    const uint32_t n = m->out->n_candidates, dim = m->ds->schema.spaces[0].dim;
    const size_t history = longest_history(m);
    m->scratch = wf_xarray(struct scratch, m->threads);
    for (unsigned i = 0; i < m->threads; i++) {
        m->scratch[i] = (struct scratch){
            .history = wf_xcalloc(history, sizeof m->scratch[i].history[0]),
            .hits = wf_xarray(struct tool_train_hit, n),
            .profile = wf_xmalloc64(sizeof(float) * dim),
            .item = wf_xarray(float, (size_t)n * m->binding->n_wanted),
            .score = wf_xarray(float, n),
            .half = wf_xarray(uint16_t, dim),
            .place = wf_xarray(uint32_t, n),
        };
    }
}

static void drop_scratch(struct maker *m)
{
    for (unsigned i = 0; m->scratch != NULL && i < m->threads; i++) {
        wf_xfree(m->scratch[i].history);
        wf_xfree(m->scratch[i].hits);
        wf_xfree(m->scratch[i].profile);
        wf_xfree(m->scratch[i].item);
        wf_xfree(m->scratch[i].score);
        wf_xfree(m->scratch[i].half);
        wf_xfree(m->scratch[i].place);
    }
    wf_xfree(m->scratch);
}

/* Every feature of the table is a feature of the model. */
static void bind_features(struct maker *m)
{
    struct tool_train_groups *t = m->out;
    size_t n;
    const struct rank_feature *features = rank_features(&n);
    t->n_features = (uint32_t)n;
    t->names = wf_xcalloc(n, sizeof t->names[0]);
    for (uint32_t i = 0; i < n; i++) {
        t->names[i] = features[i].name;
        t->popularity = features[i].id == RANK_POPULARITY ? i : t->popularity;
    }
    m->binding = rank_binding_create(t->names, t->n_features);
}

static void fill_rows(struct maker *m)
{
    struct tool_train_groups *t = m->out;
    struct tool_progress progress;
    const uint64_t n = m->o->candidates;
    t->n_candidates = n < m->search.n ? (uint32_t)n : m->search.n;
    t->rows = wf_xarray(float, t->n * t->n_candidates * t->n_features);
    t->labels = wf_xarray(float, t->n * t->n_candidates);
    make_scratch(m);
    tool_progress_init(&progress, "finding candidates", "users", t->n);
    for (m->first = 0; m->first < t->n; m->first += USERS_BLOCK) {
        const size_t rest = t->n - m->first;
        const size_t block = rest < USERS_BLOCK ? rest : USERS_BLOCK;
        wf_parallel(m->threads, block, 4, fill_range, m);
        tool_progress_at(&progress, m->first + block);
    }
    tool_progress_end(&progress, t->n);
}

static enum wf_code check_space(const struct tool_dataset *ds, struct wf_error *err)
{
    size_t n_missing = 0;
    if (ds->schema.n_spaces == 0) {
        return wf_fail(err, WF_INVALID,
                       "%s: its items have no vectors to find candidates by; make some with `weft "
                       "embed tokens --input %s`",
                       ds->dir, ds->dir);
    }
    const enum wf_code code = tool_dataset_check_space(ds, 0, &n_missing, err);
    if (code == WF_OK && n_missing == ds->items.n) {
        return wf_fail(err, WF_INVALID,
                       "%s: none of its %zu items has a vector in space %s; make some with `weft "
                       "embed tokens --input %s`",
                       ds->dir, ds->items.n, ds->schema.spaces[0].name, ds->dir);
    }
    return code;
}

enum wf_code tool_train_groups_make(const struct tool_dataset *ds,
                                    const struct tool_train_options *o,
                                    struct tool_train_groups *out, struct wf_error *err)
{
    struct tool_train_groups t = {0};
    struct maker m = {.ds = ds, .o = o, .out = &t};
    m.threads = wf_cores();
    enum wf_code code = check_space(ds, err);
    if (code == WF_OK) {
        code = open_catalogs(&m, err);
    }
    if (code == WF_OK) {
        take_stock(&m);
        code = choose_users(&m, err);
    }
    if (code == WF_OK) {
        bind_features(&m);
        fill_rows(&m);
        *out = t;
    } else {
        tool_train_groups_fini(&t);
    }
    drop_scratch(&m);
    rank_binding_destroy(m.binding);
    tool_train_search_fini(&m.search);
    wf_xfree(m.offered);
    tool_catalog_close(m.past);
    tool_catalog_close(m.all);
    return code;
}

void tool_train_groups_fini(struct tool_train_groups *t)
{
    wf_xfree(t->names);
    wf_xfree(t->groups);
    wf_xfree(t->positives);
    wf_xfree(t->rows);
    wf_xfree(t->labels);
    *t = (struct tool_train_groups){0};
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * candidates.c - see candidates.h.
 */
#include "coordinator/candidates.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "coordinator/groups.h"
#include "ranking/merge.h"
#include "ranking/mmr.h"

static enum wf_code arena_full(struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the request needs more memory than its limit");
}

const struct wire_columns *coord_candidate_columns(const struct coord_query *q,
                                                   const struct coord_candidate *c)
{
    return &q->search->slots[c->slot].search.sources[c->source];
}

bool coord_candidate_vector(const struct coord_query *q, const struct coord_candidate *c,
                            float *out)
{
    const struct wire_columns *columns = coord_candidate_columns(q, c);
    const uint32_t dim = q->search->slots[c->slot].search.vector_dim;
    if (!columns->vectors || !dim) {
        return false;
    }
    uint16_t half[WF_DIM_MAX];
    memcpy(half, columns->vectors + (size_t)c->row * dim * sizeof *half, dim * sizeof *half);
    wf_half_to_float(half, out, dim);
    return wf_normalise(out, dim); /* what is not normalised is all zero: wire checks the rest */
}

/* ---- merge ---- */

static bool is_among(const struct coord_item *items, uint32_t n, const struct coord_candidate *c)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strlen(items[i].sku) == c->sku_size && memcmp(items[i].sku, c->sku, c->sku_size) == 0) {
            return true;
        }
    }
    return false;
}

/* The items that the request names, liked or not, are no news to whoever asks. */
static bool is_named(const struct coord_subject *s, const struct coord_candidate *c)
{
    return is_among(s->items, s->n_items, c) || is_among(s->disliked, s->n_disliked, c);
}

/* Where each SKU of a source starts; NULL when the arena is full. */
static const char **sku_starts(struct wf_arena *arena, const struct wire_columns *c)
{
    const char **skus = wf_array(arena, const char *, c->n);
    const char *at = c->sku_bytes;
    for (uint32_t i = 0; skus && i < c->n; i++) {
        skus[i] = at;
        at += c->sku_sizes[i];
    }
    return skus;
}

/* The sources of all slots that answered, as lists; origins says whose list i is. */
static enum wf_code list_sources(const struct coord_query *q, struct rank_list *lists,
                                 struct coord_candidate *origins, uint32_t *n, uint32_t *n_rows)
{
    for (uint32_t i = 0; i < q->search->n; i++) {
        const struct coord_slot *slot = &q->search->slots[i];
        for (uint32_t j = 0; coord_slot_answered(slot) && j < q->subject.n_probes; j++) {
            const struct wire_columns *c = &slot->search.sources[j];
            const char **skus = sku_starts(q->arena, c);
            if (!skus) {
                return WF_EXHAUSTED;
            }
            lists[*n] = (struct rank_list){c->n, c->scores, skus, c->sku_sizes};
            origins[(*n)++] = (struct coord_candidate){.slot = i, .source = j};
            *n_rows += c->n;
        }
    }
    return WF_OK;
}

static enum wf_code merge_probes(struct coord_query *q, struct wf_error *err)
{
    const uint32_t n_lists_max = q->search->n * q->subject.n_probes;
    struct rank_list *lists = wf_array(q->arena, struct rank_list, n_lists_max);
    struct coord_candidate *origins = wf_array(q->arena, struct coord_candidate, n_lists_max);
    struct coord_groups *groups = NULL;
    uint32_t n_lists = 0, n_rows = 0;
    if (!lists || !origins || list_sources(q, lists, origins, &n_lists, &n_rows) != WF_OK ||
        coord_groups_open(q, &groups) != WF_OK) {
        return arena_full(err);
    }
    /* A full group turns away any number of rows, so then all are merged. */
    const uint32_t enough = q->want + q->subject.n_items + q->subject.n_disliked;
    const uint32_t most = groups || n_rows < enough ? n_rows : enough;
    struct rank_pick *picks = wf_array(q->arena, struct rank_pick, most);
    if (!picks) {
        return arena_full(err);
    }
    uint32_t n = rank_merge(lists, n_lists, most, q->arena, picks);
    q->candidates = wf_array(q->arena, struct coord_candidate, q->want);
    if (n == UINT32_MAX || !q->candidates) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < n && q->n_candidates < q->want; i++) {
        const struct rank_list *list = &lists[picks[i].list];
        struct coord_candidate c = origins[picks[i].list];
        c.row = picks[i].row;
        c.sku = list->skus[c.row];
        c.sku_size = list->sku_sizes[c.row];
        c.retrieval = list->scores[c.row];
        if (!is_named(&q->subject, &c) && coord_groups_admit(groups, q, &c)) {
            q->candidates[q->n_candidates++] = c;
        }
    }
    return WF_OK;
}

/* Rows come back per shard; the list's own order puts them together again. */
static enum wf_code merge_popularity(struct coord_query *q, struct wf_error *err)
{
    const struct coord_popularity *list = q->subject.popularity;
    struct coord_candidate *placed = wf_array(q->arena, struct coord_candidate, list->n);
    struct coord_groups *groups = NULL;
    q->candidates = wf_array(q->arena, struct coord_candidate, q->want);
    if (!placed || !q->candidates || coord_groups_open(q, &groups) != WF_OK) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < q->search->n; i++) {
        const struct coord_slot *slot = &q->search->slots[i];
        if (!coord_slot_answered(slot)) {
            continue;
        }
        const struct wire_columns *c = &slot->search.sources[0];
        for (uint32_t row = 0; row < c->n; row++) {
            uint32_t at = q->positions[i][c->asked[row]];
            placed[at] = (struct coord_candidate){
                .slot = i,
                .row = row,
                .sku = list->bytes + list->offsets[at],
                .sku_size = list->offsets[at + 1] - list->offsets[at],
                .retrieval = (float)list->counts[at],
            };
        }
    }
    for (uint32_t at = 0; at < list->n && q->n_candidates < q->want; at++) {
        if (placed[at].sku && !is_named(&q->subject, &placed[at]) &&
            coord_groups_admit(groups, q, &placed[at])) {
            q->candidates[q->n_candidates++] = placed[at];
        }
    }
    return WF_OK;
}

enum wf_code coord_merge(struct coord_query *q, struct wf_error *err)
{
    q->n_candidates = 0;
    return q->subject.popularity ? merge_popularity(q, err) : merge_probes(q, err);
}

/* ---- rank ---- */

bool coord_retrieved_by_profile(const struct coord_query *q)
{
    return q->subject.source == WIRE_SOURCE_PROFILE && !q->subject.weighed;
}

/* Similarity to the profile of the user whose features are used; NULL when nobody's is known. */
static enum wf_code profile_similarities(struct coord_query *q, const float *retrieval,
                                         const float **out, struct wf_error *err)
{
    const struct coord_subject *s = &q->subject;
    *out = coord_retrieved_by_profile(q) ? retrieval : NULL;
    if (*out || !s->profile || s->profile_space != s->space || !q->want_vectors) {
        return WF_OK;
    }
    float *values = wf_array(q->arena, float, q->n_candidates);
    float *v = wf_arena_alloc64(q->arena, s->space->dim * sizeof *v);
    if (!values || !v) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < q->n_candidates; i++) {
        bool has = coord_candidate_vector(q, &q->candidates[i], v);
        values[i] = has ? wf_dot(s->profile, v, s->space->dim) : NAN;
    }
    *out = values;
    return WF_OK;
}

/* The rows as features.h wants them. */
static enum wf_code fill_rows(struct coord_query *q, struct rank_rows *rows, struct wf_error *err)
{
    const uint32_t n = q->n_candidates, wide = q->coord->global->binding->n_wanted;
    float *item = wf_array(q->arena, float, (size_t)n *wide);
    float *score = wf_array(q->arena, float, n);
    uint32_t *place = wf_array(q->arena, uint32_t, n);
    if (!item || !score || !place) {
        return arena_full(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct coord_candidate *c = &q->candidates[i];
        const float *from = coord_candidate_columns(q, c)->features;
        if (wide) {
            memcpy(item + (size_t)i * wide, from + (size_t)c->row * wide, wide * sizeof *item);
        }
        score[i] = c->retrieval;
        place[i] = i + 1;
    }
    *rows =
        (struct rank_rows){.n = n, .item = item, .retrieval_score = score, .retrieval_rank = place};
    return profile_similarities(q, score, &rows->profile_similarity, err);
}

/* A key that sorts rising where margins fall; -0 and 0 are one. */
static uint32_t falling_key(float margin)
{
    uint32_t bits;
    float plain = margin + 0.0F;
    memcpy(&bits, &plain, sizeof bits);
    return bits & 0x80000000U ? bits : ~(bits | 0x80000000U);
}

/*
 * Stable: ties stay in retrieval order. Radix by bytes: linear, and unlike qsort of libc it
 * allocates nothing.
 */
static enum wf_code sort_by_margin(struct coord_query *q, struct wf_error *err)
{
    const uint32_t n = q->n_candidates;
    struct coord_candidate *from = q->candidates;
    struct coord_candidate *to = wf_array(q->arena, struct coord_candidate, n);
    if (!to) {
        return arena_full(err);
    }
    for (unsigned shift = 0; shift < 32; shift += 8) {
        uint32_t starts[257] = {0};
        for (uint32_t i = 0; i < n; i++) {
            starts[1 + ((falling_key(from[i].rank_score) >> shift) & 255U)]++;
        }
        for (unsigned b = 0; b < 256; b++) {
            starts[b + 1] += starts[b];
        }
        for (uint32_t i = 0; i < n; i++) {
            to[starts[(falling_key(from[i].rank_score) >> shift) & 255U]++] = from[i];
        }
        struct coord_candidate *swap = from;
        from = to;
        to = swap;
    }
    q->candidates = from;
    return WF_OK;
}

enum wf_code coord_rank(struct coord_query *q, struct wf_error *err)
{
    const struct coord_global *g = q->coord->global;
    const uint32_t n = q->n_candidates;
    struct rank_rows rows;
    enum wf_code code = fill_rows(q, &rows, err);
    if (code != WF_OK) {
        return code;
    }
    float *matrix = wf_array(q->arena, float, (size_t)n * g->binding->n);
    float *margins = wf_array(q->arena, float, n);
    if (!matrix || !margins) {
        return arena_full(err);
    }
    const struct rank_context context = {.user = q->subject.user};
    rank_features_fill(g->binding, &context, &rows, matrix);
    rank_forest_score(g->ranker, matrix, n, margins);
    for (uint32_t i = 0; i < n; i++) {
        q->candidates[i].rank_score = isfinite(margins[i]) ? margins[i] : -FLT_MAX;
    }
    q->ranked = true;
    if (g->binding->n_unknown) {
        q->degraded |= 1U << WIRE_FEATURE_MISSING;
    }
    return sort_by_margin(q, err);
}

/* ---- diversify ---- */

enum wf_code coord_diversify(struct coord_query *q, struct wf_error *err)
{
    const uint32_t n = q->n_candidates, k = q->rq.k, dim = q->subject.space->dim;
    float *vectors = wf_arena_alloc64(q->arena, (size_t)n * dim * sizeof *vectors);
    float *scores = wf_array(q->arena, float, n);
    uint32_t *picks = wf_array(q->arena, uint32_t, k);
    struct coord_candidate *chosen = wf_array(q->arena, struct coord_candidate, k);
    if (!vectors || !scores || !picks || !chosen) {
        return arena_full(err);
    }
    bool missing = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct coord_candidate *c = &q->candidates[i];
        float *v = vectors + (size_t)i * dim;
        if (!coord_candidate_vector(q, c, v)) {
            memset(v, 0, dim * sizeof *v);
            missing = true;
        }
        scores[i] = q->ranked ? c->rank_score : c->retrieval;
    }
    const struct rank_mmr mmr = {
        .n = n,
        .k = k,
        .dim = dim,
        .lambda = q->surface->lambda,
        .scores = scores,
        .vectors = vectors,
    };
    enum wf_code code = rank_mmr(&mmr, q->arena, picks);
    if (code != WF_OK) {
        return arena_full(err);
    }
    q->n_candidates = n < k ? n : k;
    for (uint32_t i = 0; i < q->n_candidates; i++) {
        chosen[i] = q->candidates[picks[i]];
    }
    q->candidates = chosen;
    q->degraded |= missing ? 1U << WIRE_NO_MMR : 0;
    return WF_OK;
}

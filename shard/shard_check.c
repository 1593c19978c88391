/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_check.c - whether what the sections of a mapped shard hold makes sense.
 *
 * Checksums say that the bytes are those that were written, not that they are true: every offset,
 * code and row number is held against its bounds here, once, so that searching checks nothing.
 * Sizes and counts are shard_open.c's. Reads the mapping alone; thread-safe.
 */
#include <string.h>

#include "base/file.h"
#include "shard/mapped.h"

/* n + 1 offsets that rise from 0 to `bytes`. */
static bool offsets_good(const uint32_t *offsets, size_t n, size_t bytes)
{
    if (offsets[0] != 0 || offsets[n] != bytes) {
        return false;
    }
    bool falls = false;
    for (size_t i = 0; i < n; i++) {
        falls |= offsets[i] > offsets[i + 1];
    }
    return !falls;
}

/* ---- attributes ---- */

static enum wf_code check_keyword(const struct shard *s, const struct shard_attr *a,
                                  struct wf_error *err)
{
    const char *name = a->schema->name;
    if (!offsets_good(a->offsets, a->n_values, a->n_bytes)) {
        return shard_lies(err, "attribute", name, "offsets do not fit the values");
    }
    for (uint32_t i = 0; i < a->n_values; i++) {
        const uint32_t size = a->offsets[i + 1] - a->offsets[i];
        if (size == 0 || a->bytes[a->offsets[i + 1] - 1] != '\0' ||
            !wf_utf8_valid(a->bytes + a->offsets[i], size - 1)) {
            return shard_lies(err, "attribute", name, "a value is not UTF-8 with a NUL behind");
        }
        if (i > 0 && strcmp(a->bytes + a->offsets[i - 1], a->bytes + a->offsets[i]) >= 0) {
            return shard_lies(err, "attribute", name, "values are not in byte order");
        }
    }
    bool beyond = false;
    for (uint32_t row = 0; row < s->rows; row++) {
        beyond |= a->codes[row] >= a->n_values && a->codes[row] != WF_NO_CODE;
    }
    return beyond ? shard_lies(err, "attribute", name, "a code has no value") : WF_OK;
}

static enum wf_code check_texts(const struct shard *s, const struct shard_attr *a,
                                struct wf_error *err)
{
    if (!offsets_good(a->offsets, s->rows, a->n_bytes)) {
        return shard_lies(err, "attribute", a->schema->name, "offsets do not fit the texts");
    }
    for (uint32_t row = 0; row < s->rows; row++) {
        if (!wf_utf8_valid(a->bytes + a->offsets[row], a->offsets[row + 1] - a->offsets[row])) {
            return shard_lies(err, "attribute", a->schema->name, "a text is not UTF-8");
        }
    }
    return WF_OK;
}

static enum wf_code check_flags(const struct shard *s, const struct shard_attr *a,
                                struct wf_error *err)
{
    bool above = false;
    for (uint32_t row = 0; row < s->rows; row++) {
        above |= a->flags[row] > 2;
    }
    return above ? shard_lies(err, "attribute", a->schema->name, "a flag is above 2") : WF_OK;
}

static enum wf_code check_attr(const struct shard *s, const struct shard_attr *a,
                               struct wf_error *err)
{
    switch (a->schema->type) {
    case WF_ATTR_KEYWORD:
        return check_keyword(s, a, err);
    case WF_ATTR_NUMBER:
        return WF_OK; /* NaN is missing, all else a number */
    case WF_ATTR_FLAG:
        return check_flags(s, a, err);
    case WF_ATTR_TEXT:
        return check_texts(s, a, err);
    }
    return shard_lies(err, "attribute", a->schema->name, "unknown type");
}

/* ---- spaces ---- */

static bool all_finite(const float *x, size_t n)
{
    return n == 0 || wf_first_not_finite(x, n) < 0;
}

static enum wf_code check_permutation(const struct shard *s, const struct shard_space *sp,
                                      struct wf_error *err)
{
    const char *name = sp->schema->name;
    for (uint32_t i = 0; i < sp->n; i++) {
        if (sp->to_row[i] >= s->rows || sp->of_row[sp->to_row[i]] != i) {
            return shard_lies(err, "space", name, "permutation leads nowhere");
        }
    }
    for (uint32_t row = 0; row < s->rows; row++) {
        if (sp->of_row[row] != WF_NO_ROW &&
            (sp->of_row[row] >= sp->n || sp->to_row[sp->of_row[row]] != row)) {
            return shard_lies(err, "space", name, "inverse permutation leads nowhere");
        }
    }
    return WF_OK;
}

static enum wf_code check_lists(const struct shard_space *sp, struct wf_error *err)
{
    const char *name = sp->schema->name;
    const size_t lists = sp->spec.n;
    if (!offsets_good(sp->lists, lists, sp->n)) {
        return shard_lies(err, "space", name, "lists do not fit the vectors");
    }
    if (!all_finite((const float *)(const void *)sp->centroids.data,
                    lists * sp->centroids.stride / sizeof(float))) {
        return shard_lies(err, "space", name, "centroids are not finite");
    }
    return WF_OK;
}

/* Every list has the blocks that its rows take, in order. */
static enum wf_code check_pq(const struct shard_space *sp, struct wf_error *err)
{
    const struct shard_pq *pq = &sp->pq;
    bool good = pq->blocks[0] == 0;
    for (uint32_t l = 0; l < sp->spec.n; l++) {
        const uint32_t due = shard_pq_blocks(sp->lists[l + 1] - sp->lists[l]);
        good &= pq->blocks[l + 1] >= pq->blocks[l] && pq->blocks[l + 1] - pq->blocks[l] == due;
    }
    if (!good) {
        return shard_lies(err, "space", sp->schema->name, "blocks do not fit the lists");
    }
    if (!all_finite(pq->centres, (size_t)pq->m * 2 * SHARD_PQ_CENTRES)) {
        return shard_lies(err, "space", sp->schema->name, "centres are not finite");
    }
    return WF_OK;
}

static enum wf_code check_graph(const struct shard_space *sp, struct wf_error *err)
{
    struct shard_graph g;
    shard_faiss_graph_get(sp->faiss, &g);
    const enum wf_code code = shard_faiss_graph_check(&g, err);
    return code == WF_OK ? WF_OK : wf_prefix(err, "space \"%s\": ", sp->schema->name);
}

static enum wf_code check_space(const struct shard *s, const struct shard_space *sp,
                                struct wf_error *err)
{
    enum wf_code code = WF_OK;
    if (sp->codes.min != NULL &&
        !(all_finite(sp->codes.min, sp->codes.dim) && all_finite(sp->codes.step, sp->codes.dim))) {
        code = shard_lies(err, "space", sp->schema->name, "ranges are not finite");
    }
    if (code == WF_OK && sp->to_row != NULL) {
        code = check_permutation(s, sp, err);
    }
    if (code == WF_OK && sp->lists != NULL) {
        code = check_lists(sp, err);
    }
    if (code == WF_OK && sp->norms != NULL && !all_finite(sp->norms, sp->n)) {
        code = shard_lies(err, "space", sp->schema->name, "norms are not finite");
    }
    if (code == WF_OK && sp->lists != NULL && sp->pq.m > 0) {
        code = check_pq(sp, err);
    }
    if (code == WF_OK && sp->n > 0 && sp->spec.kind == SHARD_HNSW) {
        code = check_graph(sp, err);
    }
    return code;
}

/* ---- the whole ---- */

static enum wf_code check_order(const struct shard *s, struct wf_error *err)
{
    bool beyond = false;
    for (uint32_t row = 0; row < s->rows; row++) {
        beyond |= s->order[row] >= s->rows;
    }
    return beyond ? shard_lies(err, "section", "ids/order", "a place is beyond the rows") : WF_OK;
}

/* WF_CANCELLED when somebody wants the check to end. */
static enum wf_code go_on(const atomic_bool *stop, struct wf_error *err)
{
    return stop != NULL && atomic_load(stop) ? wf_fail(err, WF_CANCELLED, "stopped") : WF_OK;
}

enum wf_code shard_check(const struct shard *s, const atomic_bool *stop, struct wf_error *err)
{
    enum wf_code code = wf_idmap_check(&s->ids, "ids", err);
    if (code == WF_OK) {
        code = check_order(s, err);
    }
    for (unsigned i = 0; i < s->schema.n_attrs && code == WF_OK; i++) {
        code = go_on(stop, err);
        if (code == WF_OK) {
            code = check_attr(s, &s->attrs[i], err);
        }
    }
    for (uint32_t i = 0; i < s->n_features && code == WF_OK; i++) {
        if (!shard_feature_check(&s->features[i], s->rows)) {
            code = shard_lies(err, "section", "feature", "a code has no value");
        }
    }
    if (code == WF_OK) {
        code = shard_postings_check(s, err);
    }
    for (unsigned i = 0; i < s->schema.n_spaces && code == WF_OK; i++) {
        code = go_on(stop, err);
        if (code == WF_OK) {
            code = check_space(s, &s->spaces[i], err);
        }
    }
    return code;
}

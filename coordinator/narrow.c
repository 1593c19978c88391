/* SPDX-License-Identifier: Apache-2.0
 *
 * narrow.c - see narrow.h.
 */
#include "coordinator/narrow.h"

#include <string.h>

#include "base/filter.h"
#include "base/hash.h"
#include "coordinator/answer.h"

static enum wf_code arena_full(struct wf_error *err)
{
    return wf_fail(err, WF_EXHAUSTED, "the request needs more memory than its limit");
}

static const struct wf_schema *schema_of(const struct coord_query *q)
{
    return &q->coord->global->manifest->schema;
}

/* What the shards are sent; a filter that lets everything through is none. */
static enum wf_code check_filter(struct coord_query *q, struct wf_error *err)
{
    if (!q->rq.filter[0]) {
        return WF_OK;
    }
    struct wf_filter *filter = NULL;
    enum wf_code code = wf_filter_parse(q->rq.filter, schema_of(q), &filter, err);
    if (code != WF_OK) {
        return code;
    }
    const char *text = filter->root->op == WF_FILTER_ALL ? "" : filter->text;
    if (strlen(text) <= WIRE_FILTER_MAX) { /* else as it came, which is short enough */
        q->rq.filter = wf_arena_strdup(q->arena, text);
    }
    wf_filter_close(filter);
    return q->rq.filter ? WF_OK : arena_full(err);
}

static enum wf_code check_group(const struct coord_query *q, struct wf_error *err)
{
    static const char field[] = "group_by.attribute";
    const char *name = q->rq.group_by;
    if (!name[0]) {
        return WF_OK;
    }
    const int at = wf_schema_attr(schema_of(q), name);
    if (at < 0) {
        return coord_unknown_attribute(schema_of(q), field, name, err);
    }
    if (schema_of(q)->attrs[at].type == WF_ATTR_TEXT) {
        return wf_invalid(err, "TYPE", field,
                          "attribute \"%.64s\" is free text, groups are of a keyword, a number or "
                          "a flag",
                          name);
    }
    return WF_OK;
}

static enum wf_code check_handle(struct coord_query *q, struct wf_error *err)
{
    if (!q->rq.exclude_handle[0]) {
        return WF_OK;
    }
    q->kept = coord_store_find(q->coord->store, q->rq.exclude_handle);
    if (q->kept) {
        return WF_OK;
    }
    wf_invalid(err, "UNKNOWN_HANDLE", "exclude.handle",
               "no set of exclusions \"%.64s\" is kept here: upload again", q->rq.exclude_handle);
    err->code = WF_PRECONDITION;
    return WF_PRECONDITION;
}

enum wf_code coord_narrow_check(struct coord_query *q, struct wf_error *err)
{
    enum wf_code code = check_filter(q, err);
    if (code == WF_OK) {
        code = check_group(q, err);
    }
    return code == WF_OK ? check_handle(q, err) : code;
}

/* The request's own hashes, and with groups the named items', dealt anew. */
static enum wf_code deal(struct coord_query *q, const uint64_t *base, uint32_t n_base,
                         uint32_t n_own)
{
    const struct coord_subject *s = &q->subject;
    uint64_t *all = wf_array(q->arena, uint64_t, (size_t)n_base + n_own);
    if (!all) {
        return WF_EXHAUSTED;
    }
    if (n_base) {
        memcpy(all, base, n_base * sizeof *all);
    }
    for (uint32_t i = 0; i < n_own; i++) {
        const struct coord_item *item =
            i < s->n_items ? &s->items[i] : &s->disliked[i - s->n_items];
        all[n_base + i] = wf_hash64(item->sku, strlen(item->sku));
    }
    uint32_t n = 0;
    const uint64_t *sorted = coord_exclusions_sort(all, n_base + n_own, q->arena, &n);
    return sorted ? coord_exclusions_deal(sorted, n, q->coord->transport->n_shards, q->arena,
                                          &q->exclude)
                  : WF_EXHAUSTED;
}

enum wf_code coord_narrow_exclude(struct coord_query *q, struct wf_error *err)
{
    const struct coord_subject *s = &q->subject;
    const uint32_t n_own = q->rq.group_by[0] ? s->n_items + s->n_disliked : 0;
    enum wf_code code = WF_OK;
    if (q->kept && !n_own) {
        q->exclude = *coord_kept_set(q->kept);
    } else if (q->kept) {
        const struct coord_exclusions *set = coord_kept_set(q->kept);
        code = deal(q, set->hashes, set->n, n_own);
    } else if (q->rq.n_exclude || n_own) {
        code = deal(q, q->rq.exclude, q->rq.n_exclude, n_own);
    }
    return code == WF_OK ? WF_OK : arena_full(err);
}

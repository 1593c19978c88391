/* SPDX-License-Identifier: Apache-2.0
 *
 * answer_print.c - prints recommendations.
 */
#include "tools/answer_print.h"

#include <math.h>
#include <string.h>

/* ---- JSON ---- */

static void put_float(struct tool_text *out, float x)
{
    if (isfinite(x)) {
        tool_text_float(out, x);
    } else {
        tool_text_str(out, "null");
    }
}

/* ,"key": or "key": at the start of an object. */
static void put_key(struct tool_text *out, const char *key)
{
    if (out->size > 0 && out->data[out->size - 1] != '{') {
        tool_text_char(out, ',');
    }
    tool_text_json(out, key);
    tool_text_char(out, ':');
}

static void put_str(struct tool_text *out, const char *key, const char *value)
{
    put_key(out, key);
    tool_text_json(out, value);
}

static void put_uint(struct tool_text *out, const char *key, uint64_t value)
{
    put_key(out, key);
    tool_text_printf(out, "%llu", (unsigned long long)value);
}

static void put_real(struct tool_text *out, const char *key, float value)
{
    put_key(out, key);
    put_float(out, value);
}

static void json_attributes(const struct wire_hit *hit, struct tool_text *out)
{
    put_key(out, "attributes");
    tool_text_char(out, '{');
    for (uint32_t i = 0; i < hit->n_attributes; i++) {
        const struct wire_attribute *a = &hit->attributes[i];
        if (a->kind == WIRE_TEXT) {
            put_str(out, a->name, a->text);
        } else if (a->kind == WIRE_NUMBER) {
            put_real(out, a->name, a->number);
        } else {
            put_key(out, a->name);
            tool_text_str(out, a->flag ? "true" : "false");
        }
    }
    tool_text_char(out, '}');
}

static void json_why(const struct wire_hit *hit, struct tool_text *out)
{
    put_key(out, "why");
    tool_text_char(out, '{');
    put_str(out, "source", wire_source_name(hit->source));
    put_real(out, "similarity", hit->similarity);
    put_str(out, "item", hit->item);
    put_str(out, "segment", hit->segment);
    put_key(out, "shared");
    tool_text_char(out, '[');
    for (uint32_t i = 0; i < hit->n_shared; i++) {
        tool_text_str(out, i == 0 ? "" : ",");
        tool_text_json(out, hit->shared[i]);
    }
    tool_text_str(out, "]}");
}

static void json_hit(const struct wire_hit *hit, struct tool_text *out)
{
    tool_text_char(out, '{');
    put_str(out, "sku", hit->sku);
    put_real(out, "score", hit->score);
    put_real(out, "retrieval_score", hit->retrieval_score);
    put_real(out, "rank_score", hit->has_rank_score ? hit->rank_score : NAN);
    put_uint(out, "rank", hit->rank);
    json_attributes(hit, out);
    put_key(out, "contributions");
    tool_text_char(out, '{');
    for (uint32_t i = 0; i < hit->n_contributions; i++) {
        put_real(out, hit->contributions[i].feature, hit->contributions[i].value);
    }
    tool_text_char(out, '}');
    if (hit->has_why) {
        json_why(hit, out);
    }
    tool_text_char(out, '}');
}

static void json_shard(const struct wire_shard_coverage *s, struct tool_text *out)
{
    tool_text_char(out, '{');
    put_uint(out, "shard", s->shard);
    put_uint(out, "replica", s->replica);
    put_str(out, "state", wire_shard_state_name(s->state));
    put_uint(out, "documents", s->documents);
    put_uint(out, "scanned", s->scanned);
    put_uint(out, "micros", s->micros);
    put_key(out, "hedged");
    tool_text_str(out, s->hedged ? "true" : "false");
    put_str(out, "generation", s->generation);
    tool_text_char(out, '}');
}

static void json_coverage(const struct wire_coverage *c, struct tool_text *out)
{
    put_key(out, "coverage");
    tool_text_char(out, '{');
    put_uint(out, "documents", c->documents);
    put_uint(out, "searched", c->searched);
    put_key(out, "ratio");
    tool_text_printf(out, "%.9g", c->ratio);
    put_uint(out, "scanned", c->scanned);
    put_uint(out, "matched", c->matched);
    put_key(out, "shards");
    tool_text_char(out, '[');
    for (uint32_t i = 0; i < c->n_shards; i++) {
        tool_text_str(out, i == 0 ? "" : ",");
        json_shard(&c->shards[i], out);
    }
    tool_text_str(out, "]}");
}

static void json_degraded(uint32_t degraded, struct tool_text *out)
{
    bool first = true;
    put_key(out, "degraded");
    tool_text_char(out, '[');
    for (unsigned d = 1; d < WIRE_N_DEGRADED; d++) {
        if (degraded >> d & 1) {
            tool_text_str(out, first ? "" : ",");
            tool_text_json(out, wire_degraded_name((enum wire_degraded)d));
            first = false;
        }
    }
    tool_text_char(out, ']');
}

static void json_tail(const struct wire_recommend_response *a, struct tool_text *out)
{
    const struct {
        const char *key;
        uint64_t value;
    } times[] = {{"queue", a->timings.queue},   {"resolve", a->timings.resolve},
                 {"gather", a->timings.gather}, {"merge", a->timings.merge},
                 {"rank", a->timings.rank},     {"diversify", a->timings.diversify},
                 {"total", a->timings.total}};
    put_key(out, "versions");
    tool_text_char(out, '{');
    put_str(out, "generation", a->generation);
    put_str(out, "model", a->model);
    put_str(out, "rules", a->rules);
    put_str(out, "space", a->space);
    tool_text_char(out, '}');
    put_key(out, "timings_us");
    tool_text_char(out, '{');
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        put_uint(out, times[i].key, times[i].value);
    }
    tool_text_char(out, '}');
    put_str(out, "fallback", a->fallback);
    put_str(out, "surface", a->surface);
}

void tool_answer_json(const struct wire_recommend_response *a, struct tool_text *out)
{
    tool_text_char(out, '{');
    put_str(out, "request_id", a->request_id);
    put_key(out, "hits");
    tool_text_char(out, '[');
    for (uint32_t i = 0; i < a->n_hits; i++) {
        tool_text_str(out, i == 0 ? "" : ",");
        json_hit(&a->hits[i], out);
    }
    tool_text_char(out, ']');
    json_coverage(&a->coverage, out);
    json_degraded(a->degraded, out);
    json_tail(a, out);
    tool_text_str(out, "}\n");
}

/* ---- for people ---- */

static const struct wire_attribute *attribute_of(const struct wire_hit *hit, const char *role)
{
    for (uint32_t i = 0; i < hit->n_attributes; i++) {
        if (strcmp(hit->attributes[i].role, role) == 0) {
            return &hit->attributes[i];
        }
    }
    return NULL;
}

/* The hit in words: title, category, colour, price, whichever there are. */
static void describe(const struct wire_hit *hit, struct tool_text *out)
{
    static const char *const roles[] = {"title", "category", "colour", "price"};
    const char *between = "";
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        const struct wire_attribute *a = attribute_of(hit, roles[i]);
        if (a == NULL) {
            continue;
        }
        if (a->kind == WIRE_TEXT) {
            tool_text_printf(out, "%s%s", between, a->text);
        } else if (a->kind == WIRE_NUMBER) {
            tool_text_printf(out, "%s%.2f", between, (double)a->number);
        }
        between = ", ";
    }
}

static void explain(const struct wire_hit *hit, struct tool_text *out)
{
    tool_text_printf(out, "      why: %s", wire_source_name(hit->source));
    if (hit->item[0] != '\0') {
        tool_text_printf(out, " %s", hit->item);
    }
    if (hit->segment[0] != '\0') {
        tool_text_printf(out, " of %s", hit->segment);
    }
    if (hit->source != WIRE_SOURCE_POPULARITY) { /* whose score is a count, not a similarity */
        tool_text_printf(out, ", similarity %.4f", (double)hit->similarity);
    }
    for (uint32_t i = 0; i < hit->n_shared; i++) {
        tool_text_printf(out, "%s%s", i == 0 ? ", same " : " and ", hit->shared[i]);
    }
    tool_text_char(out, '\n');
}

static void coverage_line(const struct wire_recommend_response *a, struct tool_text *out)
{
    const struct wire_coverage *c = &a->coverage;
    tool_text_printf(out, "  searched %llu of %llu documents (%.1f %%), ",
                     (unsigned long long)c->searched, (unsigned long long)c->documents,
                     c->ratio * 100);
    if (c->matched < c->searched) {
        tool_text_printf(out, "%llu match, ", (unsigned long long)c->matched);
    }
    tool_text_printf(out, "%llu compared, %.2f ms\n", (unsigned long long)c->scanned,
                     (double)a->timings.total / 1000);
    for (uint32_t i = 0; i < c->n_shards; i++) {
        if (c->shards[i].state != WIRE_SHARD_OK) {
            tool_text_printf(out,
                             "  shard %u is %s: its %llu documents are missing from this answer\n",
                             c->shards[i].shard, wire_shard_state_name(c->shards[i].state),
                             (unsigned long long)c->shards[i].documents);
        }
    }
    for (unsigned d = 1; d < WIRE_N_DEGRADED; d++) {
        if (a->degraded >> d & 1) {
            tool_text_printf(out, "  degraded: %s\n", wire_degraded_name((enum wire_degraded)d));
        }
    }
}

void tool_answer_text(const struct wire_recommend_response *a, struct tool_text *out)
{
    for (uint32_t i = 0; i < a->n_hits; i++) {
        const struct wire_hit *hit = &a->hits[i];
        tool_text_printf(out, "  %2u. %-12s %8.4f  ", hit->rank, hit->sku, (double)hit->score);
        describe(hit, out);
        tool_text_char(out, '\n');
        if (hit->has_why) {
            explain(hit, out);
        }
    }
    if (a->n_hits == 0) {
        tool_text_str(out, "  nothing found\n");
    }
    if (a->fallback[0] != '\0') {
        tool_text_printf(out, "  answered by %s\n", a->fallback);
    }
    coverage_line(a, out);
}

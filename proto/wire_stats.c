/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_stats.c - weft.internal.v1.Stats: who a shard is and what it holds.
 */
#include "proto/wire.h"

#include "proto/wire_check.h"
#include "weft/internal/v1/shard.pb-c.h"

typedef Weft__Internal__V1__GenerationStats generation_msg;
typedef Weft__Internal__V1__SpaceStats space_msg;

const ProtobufCMessage *wire_stats_request_message(struct wf_arena *arena)
{
    return wire_new(arena, &weft__internal__v1__stats_request__descriptor);
}

static space_msg *build_space(const struct wire_space_stats *s, struct wf_arena *arena)
{
    space_msg *m = wire_new(arena, &weft__internal__v1__space_stats__descriptor);
    if (m) {
        m->name = wire_borrow(s->name);
        m->index = wire_borrow(s->index);
        m->effort = s->effort;
        m->vectors = s->vectors;
    }
    return m;
}

static generation_msg *build_generation(const struct wire_generation_stats *g,
                                        struct wf_arena *arena)
{
    generation_msg *m = wire_new(arena, &weft__internal__v1__generation_stats__descriptor);
    space_msg **spaces = wf_array(arena, space_msg *, g->n_spaces);
    if (!m || !spaces) {
        return NULL;
    }
    m->name = wire_borrow(g->name);
    m->documents = g->documents;
    m->bytes = g->bytes;
    m->spaces = spaces;
    m->n_spaces = g->n_spaces;
    for (uint32_t i = 0; i < g->n_spaces; i++) {
        spaces[i] = build_space(&g->spaces[i], arena);
        if (!spaces[i]) {
            return NULL;
        }
    }
    return m;
}

const ProtobufCMessage *wire_stats_message(const struct wire_stats *stats, struct wf_arena *arena)
{
    Weft__Internal__V1__StatsResponse *m =
        wire_new(arena, &weft__internal__v1__stats_response__descriptor);
    generation_msg **list = wf_array(arena, generation_msg *, stats->n_generations);
    if (!m || !list) {
        return NULL;
    }
    m->shard = stats->shard;
    m->n_shards = stats->n_shards;
    m->incarnation = stats->incarnation;
    m->cpu_us = stats->cpu_us;
    m->generations = list;
    m->n_generations = stats->n_generations;
    for (uint32_t i = 0; i < stats->n_generations; i++) {
        list[i] = build_generation(&stats->generations[i], arena);
        if (!list[i]) {
            return NULL;
        }
    }
    return &m->base;
}

static enum wf_code read_generation(const generation_msg *m, const struct wire_place *at,
                                    struct wf_arena *arena, struct wire_generation_stats *out)
{
    WIRE_TRY(wire_check_id(at, "name", m->name, WIRE_ID_MAX));
    WIRE_TRY(wire_check_count(at, "spaces", m->n_spaces, 0, WIRE_REPEATED_MAX));
    *out = (struct wire_generation_stats){
        .name = m->name,
        .documents = m->documents,
        .bytes = m->bytes,
        .spaces = wf_array(arena, struct wire_space_stats, m->n_spaces),
        .n_spaces = (uint32_t)m->n_spaces,
    };
    if (!out->spaces) {
        return wire_full(at->err, arena);
    }
    for (size_t i = 0; i < m->n_spaces; i++) {
        const space_msg *s = m->spaces[i];
        struct wire_place in = wire_place_in(at, "spaces", i);
        WIRE_TRY(wire_check_id(&in, "name", s->name, WIRE_ID_MAX));
        WIRE_TRY(wire_check_text(&in, "index", s->index, WIRE_TEXT_MAX));
        out->spaces[i] =
            (struct wire_space_stats){s->name, wire_str(s->index), s->effort, s->vectors};
    }
    return WF_OK;
}

static enum wf_code read_stats(const Weft__Internal__V1__StatsResponse *m, struct wf_arena *arena,
                               struct wire_stats *out, struct wf_error *err)
{
    struct wire_place at = {.err = err};
    WIRE_TRY(wire_check_range(&at, "n_shards", m->n_shards, 1, UINT32_MAX));
    WIRE_TRY(wire_check_range(&at, "shard", m->shard, 0, m->n_shards - 1));
    WIRE_TRY(wire_check_count(&at, "generations", m->n_generations, 0, WIRE_REPEATED_MAX));
    *out = (struct wire_stats){
        .shard = m->shard,
        .n_shards = m->n_shards,
        .incarnation = m->incarnation,
        .cpu_us = m->cpu_us,
        .generations = wf_array(arena, struct wire_generation_stats, m->n_generations),
        .n_generations = (uint32_t)m->n_generations,
    };
    if (!out->generations) {
        return wire_full(err, arena);
    }
    for (size_t i = 0; i < m->n_generations; i++) {
        struct wire_place in = wire_place_in(&at, "generations", i);
        WIRE_TRY(read_generation(m->generations[i], &in, arena, &out->generations[i]));
    }
    return WF_OK;
}

enum wf_code wire_stats_read(const ProtobufCMessage *msg, struct wf_arena *arena,
                             struct wire_stats *out, struct wf_error *err)
{
    wf_assert(msg->descriptor == &weft__internal__v1__stats_response__descriptor);
    struct wire_stats stats;
    enum wf_code code =
        read_stats((const Weft__Internal__V1__StatsResponse *)msg, arena, &stats, err);
    if (code != WF_OK) {
        return wire_as_garbage(code, err);
    }
    *out = stats;
    return WF_OK;
}

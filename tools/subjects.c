/* SPDX-License-Identifier: Apache-2.0
 *
 * subjects.c - drawing users and items from a coordinator, as many at a time as it gives.
 */
#include "tools/subjects.h"

#include "base/clock.h"

#define CALL_TIMEOUT (10 * WF_SECOND)

/* Asks for one lot; its ids are copied behind those that are there. */
static enum wf_code draw(struct tool_client *client, const struct wire_draw_request *rq,
                         struct tool_subjects *s, uint64_t *total, struct wf_error *err)
{
    struct wf_arena arena;
    struct wire_draw_response reply;
    wf_arena_init(&arena, TOOL_CLIENT_ARENA_MAX);
    enum wf_code code = tool_client_draw(client, rq, wf_now() + CALL_TIMEOUT, &arena, &reply, err);
    for (uint32_t i = 0; code == WF_OK && i < reply.n_ids; i++) {
        s->ids[s->n++] = wf_arena_strdup(&s->arena, reply.ids[i]);
    }
    *total = code == WF_OK ? reply.total : 0;
    wf_arena_fini(&arena);
    return code;
}

enum wf_code tool_subjects_open(struct tool_client *client, enum wire_draw_kind kind, uint64_t seed,
                                uint64_t want, struct tool_subjects *out, struct wf_error *err)
{
    want = want < TOOL_SUBJECTS_MAX ? want : TOOL_SUBJECTS_MAX;
    struct tool_subjects s = {.ids = wf_xcalloc(want, sizeof s.ids[0])};
    wf_arena_init(&s.arena, SIZE_MAX / 2); /* at most TOOL_SUBJECTS_MAX short ids */
    struct wire_draw_request rq = {.kind = kind, .seed = seed};
    enum wf_code code = WF_OK;
    for (uint64_t total = UINT64_MAX; code == WF_OK && s.n < want && rq.first < total;
         rq.first += rq.count) {
        rq.count = want - s.n < WIRE_DRAW_MAX ? (uint32_t)(want - s.n) : WIRE_DRAW_MAX;
        code = draw(client, &rq, &s, &total, err);
    }
    if (code != WF_OK) {
        tool_subjects_close(&s);
        return code;
    }
    *out = s;
    return WF_OK;
}

void tool_subjects_close(struct tool_subjects *s)
{
    wf_xfree(s->ids);
    wf_arena_fini(&s->arena);
    *s = (struct tool_subjects){0};
}

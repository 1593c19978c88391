/* SPDX-License-Identifier: Apache-2.0
 *
 * gather.c - the fan-out. `pending` starts one above the number of calls, so that replies which
 * come back while the others are still being sent cannot finish the gather under the sender's feet.
 * A slot's reply is read (checked) on the thread that it arrived on: the checks of several shards
 * run side by side.
 */
#include "coordinator/gather.h"

#include "base/clock.h"

enum { ATTEMPTS_MAX = 2 };

/* What a failed call says about its shard. */
static enum wire_shard_state state_of(enum wf_code code)
{
    switch (code) {
    case WF_TIMEOUT:
    case WF_CANCELLED:
        return WIRE_SHARD_TIMEOUT;
    case WF_UNAVAILABLE:
        return WIRE_SHARD_DOWN;
    case WF_PRECONDITION:
        return WIRE_SHARD_NO_GENERATION;
    case WF_OK:
    case WF_UNKNOWN:
    case WF_INVALID:
    case WF_NOT_FOUND:
    case WF_EXISTS:
    case WF_DENIED:
    case WF_EXHAUSTED:
    case WF_ABORTED:
    case WF_OUT_OF_RANGE:
    case WF_UNIMPLEMENTED:
    case WF_INTERNAL:
    case WF_DATA_LOSS:
    case WF_UNAUTHENTICATED:
        break;
    }
    return WIRE_SHARD_FAILED;
}

/*
 * Whether another replica may do better. Not after a timeout (nothing is left), not after a refusal
 * of the request itself, and not after an overload, which a second call would only spread.
 */
static bool worth_another(enum wf_code code)
{
    return code == WF_UNAVAILABLE || code == WF_PRECONDITION || code == WF_INTERNAL ||
           code == WF_DATA_LOSS || code == WF_UNKNOWN || code == WF_UNIMPLEMENTED;
}

static void one_home(struct coord_gather *g)
{
    if (atomic_fetch_sub(&g->pending, 1) == 1) {
        g->done(g->ctx);
    }
}

static bool cut_short(const struct wire_search_response *reply)
{
    for (uint32_t i = 0; i < reply->n_sources; i++) {
        if (reply->sources[i].parts_done < reply->sources[i].parts_planned) {
            return true;
        }
    }
    return false;
}

/* A message does not know the generation's dimensions, so this check is ours. */
static enum wf_code check_dim(struct coord_slot *s, uint32_t rows, uint32_t dim)
{
    if (!s->dim || !rows || dim == s->dim) {
        return WF_OK;
    }
    wf_fail(&s->err, WF_INTERNAL, "vectors of dimension %u, the space has %u", dim, s->dim);
    return wf_reason(&s->err, "GARBAGE");
}

static enum wf_code read_reply(struct coord_slot *s, const ProtobufCMessage *reply)
{
    enum wf_code code;
    if (s->gather->method == WIRE_FETCH) {
        code = wire_fetch_response_read(reply, s->fetch_asked, &s->arena, &s->fetch, &s->err);
        return code == WF_OK ? check_dim(s, s->fetch.items.n, s->fetch.vector_dim) : code;
    }
    code = wire_search_response_read(reply, s->search_asked, &s->arena, &s->search, &s->err);
    uint32_t rows = 0;
    for (uint32_t i = 0; code == WF_OK && i < s->search.n_sources; i++) {
        rows |= s->search.sources[i].n;
    }
    return code == WF_OK ? check_dim(s, rows, s->search.vector_dim) : code;
}

static void send_to(struct coord_slot *s, uint32_t replica);

static void on_reply(const ProtobufCMessage *reply, const struct wf_error *err, void *ctx)
{
    struct coord_slot *s = ctx;
    struct coord_gather *g = s->gather;
    const struct coord_transport *t = g->transport;
    s->came = t->now(t->ctx);
    enum wf_code code = WF_OK;
    if (err) {
        s->err = *err;
        code = err->code != WF_OK ? err->code : WF_UNKNOWN;
    } else if (read_reply(s, reply) != WF_OK) {
        s->garbage++;
        code = WF_INTERNAL;
    }
    t->note(t->ctx, s->shard, s->replica, code);
    if (code == WF_OK) {
        s->state =
            g->method == WIRE_SEARCH && cut_short(&s->search) ? WIRE_SHARD_PARTIAL : WIRE_SHARD_OK;
        one_home(g);
        return;
    }
    s->state = state_of(code);
    if (worth_another(code) && s->attempts < ATTEMPTS_MAX && s->came < g->deadline) {
        uint32_t other = t->pick(t->ctx, s->shard, s->replica);
        if (other != COORD_NO_REPLICA) {
            send_to(s, other);
            return;
        }
    }
    one_home(g);
}

static void send_to(struct coord_slot *s, uint32_t replica)
{
    const struct coord_gather *g = s->gather;
    s->replica = replica;
    s->attempts++;
    const struct coord_call call = {
        .method = g->method,
        .message = s->message,
        .deadline = g->deadline,
        .arena = &s->arena,
        .done = on_reply,
        .ctx = s,
    };
    g->transport->call(g->transport->ctx, s->shard, replica, &call);
}

struct coord_gather *coord_gather_open(struct wf_arena *arena,
                                       const struct coord_transport *transport,
                                       enum wire_method method, size_t reply_limit)
{
    struct coord_gather *g = wf_array(arena, struct coord_gather, 1);
    if (!g) {
        return NULL;
    }
    g->slots = wf_array(arena, struct coord_slot, transport->n_shards);
    if (!g->slots) {
        return NULL;
    }
    g->transport = transport;
    g->method = method;
    g->n = transport->n_shards;
    for (uint32_t i = 0; i < g->n; i++) {
        struct coord_slot *s = &g->slots[i];
        s->gather = g;
        s->shard = i;
        s->replica = COORD_NO_REPLICA;
        s->state = WIRE_SHARD_DOWN;
        wf_arena_init(&s->arena, reply_limit);
    }
    return g;
}

void coord_gather_start(struct coord_gather *g, int64_t deadline, coord_gather_fn *done, void *ctx)
{
    const struct coord_transport *t = g->transport;
    const uint32_t n = g->n;
    g->deadline = deadline;
    g->done = done;
    g->ctx = ctx;
    atomic_init(&g->pending, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        struct coord_slot *s = &g->slots[i];
        uint32_t replica = t->pick(t->ctx, s->shard, COORD_NO_REPLICA);
        s->sent = s->came = t->now(t->ctx);
        if (replica != COORD_NO_REPLICA && s->message) {
            send_to(s, replica);
            continue;
        }
        /* A shard that has nothing to answer is as good as its replicas are. */
        s->state = replica != COORD_NO_REPLICA ? WIRE_SHARD_OK : WIRE_SHARD_DOWN;
        one_home(g);
    }
    one_home(g);
}

void coord_gather_fini(struct coord_gather *g)
{
    for (uint32_t i = 0; g && i < g->n; i++) {
        wf_arena_fini(&g->slots[i].arena);
    }
}

bool coord_slot_answered(const struct coord_slot *s)
{
    return s->message && (s->state == WIRE_SHARD_OK || s->state == WIRE_SHARD_PARTIAL);
}

/* Documents of one shard in parts whose search completed; `scanned` gets the rows compared. */
static uint64_t searched_of(const struct coord_slot *s, uint64_t documents, uint64_t *scanned)
{
    uint64_t planned = 0, finished = 0;
    for (uint32_t i = 0; i < s->search.n_sources; i++) {
        *scanned += s->search.sources[i].scanned;
        planned += s->search.sources[i].parts_planned;
        finished += s->search.sources[i].parts_done;
    }
    if (s->state == WIRE_SHARD_OK || !planned) {
        return documents;
    }
    return (uint64_t)((double)documents * (double)finished / (double)planned);
}

static void cover(const struct coord_slot *s, const char *generation, struct wire_coverage *sum,
                  struct wire_shard_coverage *out)
{
    const struct coord_transport *t = s->gather->transport;
    *out = (struct wire_shard_coverage){
        .shard = s->shard,
        .replica = s->replica == COORD_NO_REPLICA ? 0 : s->replica,
        .state = s->state,
        .micros = (uint64_t)((s->came - s->sent) / WF_MICROSECOND),
        .generation = s->state == WIRE_SHARD_NO_GENERATION ? "" : generation,
    };
    if (coord_slot_answered(s)) {
        out->documents = s->search.documents;
        sum->matched += s->search_asked->filter[0] ? s->search.matched : out->documents;
        sum->searched += searched_of(s, out->documents, &out->scanned);
    } else {
        out->documents = t->documents(t->ctx, s->shard);
        sum->searched += s->state == WIRE_SHARD_OK ? out->documents : 0;
    }
    sum->documents += out->documents;
    sum->scanned += out->scanned;
}

enum wf_code coord_gather_coverage(const struct coord_gather *g, struct wf_arena *arena,
                                   const char *generation, struct wire_coverage *out,
                                   uint32_t *degraded)
{
    struct wire_shard_coverage *shards = wf_array(arena, struct wire_shard_coverage, g->n);
    if (!shards) {
        return WF_EXHAUSTED;
    }
    struct wire_coverage sum = {.shards = shards, .n_shards = g->n};
    for (uint32_t i = 0; i < g->n; i++) {
        cover(&g->slots[i], generation, &sum, &shards[i]);
    }
    sum.ratio = sum.documents ? (double)sum.searched / (double)sum.documents : 1;
    *out = sum;
    *degraded |= coord_gather_degraded(g);
    return WF_OK;
}

uint32_t coord_gather_degraded(const struct coord_gather *g)
{
    static const enum wire_degraded reasons[] = {
        [WIRE_SHARD_PARTIAL] = WIRE_SHARD_PARTIAL_REASON,
        [WIRE_SHARD_TIMEOUT] = WIRE_SHARD_TIMEOUT_REASON,
        [WIRE_SHARD_DOWN] = WIRE_SHARD_DOWN_REASON,
        [WIRE_SHARD_FAILED] = WIRE_SHARD_FAILED_REASON,
        [WIRE_SHARD_NO_GENERATION] = WIRE_SHARD_FAILED_REASON,
    };
    uint32_t bits = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const struct coord_slot *s = &g->slots[i];
        if (s->state != WIRE_SHARD_OK) {
            bits |= 1U << reasons[s->state];
        }
    }
    return bits;
}

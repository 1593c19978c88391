/* SPDX-License-Identifier: Apache-2.0
 *
 * audit.c - see audit.h.
 *
 * Sampling costs a probe one step of a generator of its thread. A sampled one is copied under a
 * lock that is only tried: the auditing thread may lose the processor for long while it holds it.
 * The copy is the request with one probe, so that filter, exclusions, groups and dislikes hold for
 * the exact answer as they did for the given one.
 */
#include "shard/audit.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "base/log.h"
#include "shard/effort.h"
#include "shard/idle.h"

enum {
    QUEUE = 16,
    COPY_MOST = 256 << 10, /* bytes of one copied probe */
    ARENA_MOST = 64 << 20, /* of one exact search */
    PROBES_TOLD = 100,     /* before a recall below its target is worth a warning */
};
#define SEARCH_MOST WF_SECOND              /* an exact search that takes longer is dropped */
#define TELL_AGAIN  (600 * WF_SECOND)      /* between two warnings about one depth */
static const double z = 1.959963984540054; /* normal quantile of 97.5 % */

const char *const shard_audit_depths[SHARD_AUDIT_DEPTHS + 1] = {"10", "100", "other", NULL};

/* A sampled probe. */
struct sampled {
    struct wf_arena arena; /* of what follows */
    struct wire_search_request rq;
    struct wire_probe probe;
    float *scores; /* that were given */
    uint32_t n;
};
struct window {
    struct shard_audited probes[SHARD_AUDIT_WINDOW];
    uint64_t n; /* ever */
    int64_t told;
};
struct shard_audit {
    struct shard_audit_config config;
    struct shard_idle *idle;
    struct wf_arena arena;    /* the thread's */
    pthread_mutex_t queue_mu; /* among those who put; the thread that takes needs none */
    struct sampled queue[QUEUE];
    atomic_uint put, taken;    /* ever; the thread works in place on the one at `taken` */
    pthread_mutex_t window_mu; /* guards windows */
    struct window windows[SHARD_AUDIT_DEPTHS];
};

/* ---- statistics ---- */

static double share_found(const struct shard_audited *p)
{
    return (double)p->found / (double)p->due;
}

struct shard_recall shard_recall_of(const struct shard_audited *probes, uint32_t n)
{
    if (n == 0) {
        return (struct shard_recall){.high = 1};
    }
    double sum = 0, spread = 0, hits = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += share_found(&probes[i]);
        hits += probes[i].due;
    }
    const double p = sum / n;
    for (uint32_t i = 0; i < n; i++) {
        const double off = share_found(&probes[i]) - p;
        spread += off * off;
    }
    double size = n; /* effective */
    if (n > 1 && spread > 0) {
        size = p * (1 - p) * n * (n - 1) / spread;
        size = fmax(n, fmin(size, hits));
    }
    const double scale = 1 + z * z / size, middle = p + z * z / (2 * size);
    const double half = z * sqrt((p * (1 - p) + z * z / (4 * size)) / size);
    return (struct shard_recall){.probes = n,
                                 .recall = p,
                                 .low = fmax(0, (middle - half) / scale),
                                 .high = fmin(1, (middle + half) / scale)};
}

uint32_t shard_recall_found(const float *given, uint32_t n_given, const float *exact,
                            uint32_t n_exact)
{
    if (n_exact == 0) {
        return 0;
    }
    const float last = exact[n_exact - 1];
    uint32_t found = 0;
    while (found < n_given && found < n_exact && given[found] >= last) {
        found++;
    }
    return found;
}

/* The hits of a probe for k that count at a depth; 0: none. */
static uint32_t hits_at(unsigned depth, uint32_t k)
{
    static const uint32_t depths[] = {[SHARD_AUDIT_10] = 10, [SHARD_AUDIT_100] = 100};
    if (depth == SHARD_AUDIT_OTHER) {
        return k == 10 || k == 100 ? 0 : k;
    }
    return k >= depths[depth] ? depths[depth] : 0;
}

static float target_of(const struct wire_effort *effort)
{
    switch ((int)effort->kind) {
    case WIRE_EFFORT_RECALL:
        return effort->recall;
    case WIRE_EFFORT_EXACT:
        return 1;
    default:
        return 0;
    }
}

static uint32_t window_size(const struct window *w)
{
    return w->n < SHARD_AUDIT_WINDOW ? (uint32_t)w->n : SHARD_AUDIT_WINDOW;
}

/* What asked for a recall, against what it got; true when it is time to say so. */
static bool below_target(struct window *w, struct shard_recall *got, double *target)
{
    struct shard_audited *asked = wf_xarray(struct shard_audited, SHARD_AUDIT_WINDOW);
    const uint32_t size = window_size(w);
    uint32_t n = 0;
    double sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        if (w->probes[i].target > 0) {
            sum += (double)w->probes[i].target;
            asked[n++] = w->probes[i];
        }
    }
    *got = shard_recall_of(asked, n);
    wf_xfree(asked);
    *target = n == 0 ? 0 : sum / n;
    const int64_t now = wf_now();
    if (n < PROBES_TOLD || got->high + 1e-6 >= *target ||
        (w->told != 0 && now - w->told < TELL_AGAIN)) {
        return false;
    }
    w->told = now;
    return true;
}

static void remember(struct shard_audit *a, unsigned depth, const struct shard_audited *probe)
{
    struct window *w = &a->windows[depth];
    struct shard_recall got;
    double target;
    pthread_mutex_lock(&a->window_mu);
    w->probes[w->n++ % SHARD_AUDIT_WINDOW] = *probe;
    const bool tell = below_target(w, &got, &target);
    pthread_mutex_unlock(&a->window_mu);
    if (tell) {
        wf_log(WF_WARN, "recall_below_target",
               WF_S("generation", shard_generation(a->config.shard)),
               WF_S("k", shard_audit_depths[depth]), WF_D("target", target),
               WF_D("recall", got.recall), WF_D("low", got.low), WF_D("high", got.high),
               WF_I("probes", got.probes));
    }
}

void shard_audit_read(struct shard_audit *a, struct shard_recall out[SHARD_AUDIT_DEPTHS])
{
    pthread_mutex_lock(&a->window_mu);
    for (unsigned i = 0; i < SHARD_AUDIT_DEPTHS; i++) {
        out[i] = shard_recall_of(a->windows[i].probes, window_size(&a->windows[i]));
    }
    pthread_mutex_unlock(&a->window_mu);
}

/* ---- sampling ---- */

/* Whether this probe is one of the share. */
static bool chosen(double share)
{
    static _Thread_local uint64_t turn; /* its address tells threads apart */
    struct wf_random r = wf_random_of((uint64_t)(uintptr_t)&turn, turn++);
    return wf_random_unit(&r) < share;
}

static void *copy_of(struct wf_arena *a, const void *from, size_t size, bool *ok)
{
    void *to = wf_arena_alloc(a, size);
    if (to == NULL) {
        *ok = false;
    } else if (size > 0) {
        memcpy(to, from, size);
    }
    return to;
}

static const char *text_of(struct wf_arena *a, const char *from, bool *ok)
{
    return from == NULL ? NULL : copy_of(a, from, strlen(from) + 1, ok);
}

/* The request with probe i alone, to be answered exactly; false when it is too large. */
static bool copy_probe(struct sampled *to, const struct wire_search_request *asked, uint32_t i,
                       const struct wire_columns *given)
{
    const struct wire_probe *p = &asked->probes[i];
    struct wf_arena *a = &to->arena;
    bool ok = true;
    wf_arena_reset(a);
    to->probe = *p;
    to->probe.space = text_of(a, p->space, &ok);
    to->probe.content_id = text_of(a, p->content_id, &ok);
    to->probe.vector = copy_of(a, p->vector, p->dim * sizeof *p->vector, &ok);
    to->probe.negatives =
        copy_of(a, p->negatives, (size_t)p->n_negatives * p->dim * sizeof *p->negatives, &ok);
    to->rq = (struct wire_search_request){
        .generation = text_of(a, asked->generation, &ok),
        .request_id = "audit",
        .probes = &to->probe,
        .n_probes = 1,
        .filter = text_of(a, asked->filter, &ok),
        .vector_space = "",
        .encoding = WIRE_FLOAT32,
        .exclude = copy_of(a, asked->exclude, asked->n_exclude * sizeof *asked->exclude, &ok),
        .n_exclude = asked->n_exclude,
        .group_by = text_of(a, asked->group_by, &ok),
        .group_max = asked->group_max,
    };
    to->n = given->n;
    to->scores = copy_of(a, given->scores, given->n * sizeof *given->scores, &ok);
    return ok;
}

static bool enqueue(struct shard_audit *a, const struct wire_search_request *asked, uint32_t i,
                    const struct wire_columns *given)
{
    if (pthread_mutex_trylock(&a->queue_mu) != 0) {
        return false;
    }
    const unsigned at = atomic_load(&a->put);
    const bool fits =
        at - atomic_load(&a->taken) < QUEUE && copy_probe(&a->queue[at % QUEUE], asked, i, given);
    atomic_store(&a->put, at + fits);
    pthread_mutex_unlock(&a->queue_mu);
    return fits;
}

void shard_audit_offer(struct shard_audit *a, const struct wire_search_request *asked,
                       const struct wire_search_response *given)
{
    for (uint32_t i = 0; a != NULL && i < asked->n_probes; i++) {
        const struct wire_columns *columns = &given->sources[i];
        if (!chosen(a->config.share) || columns->parts_done < columns->parts_planned) {
            continue; /* what its deadline cut short says nothing about the index */
        }
        if (enqueue(a, asked, i, columns)) {
            shard_idle_ring(a->idle);
        } else {
            wf_count(a->config.metrics, a->config.dropped, 0, 1);
        }
    }
}

/* ---- searching again ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void judge(struct shard_audit *a, const struct sampled *probe,
                  const struct wire_columns *all)
{
    for (unsigned depth = 0; depth < SHARD_AUDIT_DEPTHS; depth++) {
        const uint32_t due = least(hits_at(depth, probe->probe.k), all->n);
        const struct shard_audited seen = {
            .due = due,
            .found = shard_recall_found(probe->scores, least(probe->n, due), all->scores, due),
            .target = target_of(&probe->probe.effort)};
        if (due > 0) {
            remember(a, depth, &seen);
        }
    }
}

/* false when there was no time, or nothing to search any more. */
static bool search_again(struct shard_audit *a, const struct sampled *probe)
{
    struct wire_probe exact = probe->probe;
    struct wire_search_request rq = probe->rq;
    struct wire_search_response reply;
    struct wf_error err;
    exact.effort = (struct wire_effort){.kind = WIRE_EFFORT_EXACT};
    rq.probes = &exact;
    wf_arena_reset(&a->arena);
    wf_epoch_thread_begin();
    const enum wf_code code =
        shard_search(a->config.shard, &rq, wf_now() + SEARCH_MOST, &a->arena, &reply, &err);
    wf_epoch_thread_end();
    if (code != WF_OK || reply.sources[0].parts_done < reply.sources[0].parts_planned) {
        return false;
    }
    judge(a, probe, &reply.sources[0]);
    return true;
}

/* One probe, and then as long a rest as keeps the load. */
static int64_t work(void *ctx, const atomic_bool *stop)
{
    struct shard_audit *a = ctx;
    const unsigned at = atomic_load(&a->taken);
    if (at == atomic_load(&a->put) || atomic_load(stop)) {
        return INT64_MAX;
    }
    const int64_t begin = wf_now_thread_cpu();
    const bool done = search_again(a, &a->queue[at % QUEUE]);
    const int64_t spent = wf_now_thread_cpu() - begin;
    atomic_store(&a->taken, at + 1);
    wf_count(a->config.metrics, done ? a->config.audited : a->config.dropped, 0, 1);
    return wf_now() + (int64_t)((double)spent * (1 / a->config.load - 1));
}

/* ---- life ---- */

enum wf_code shard_audit_create(const struct shard_audit_config *config, struct shard_audit **out,
                                struct wf_error *err)
{
    struct shard_audit *a = wf_xcalloc(1, sizeof *a);
    a->config = *config;
    pthread_mutex_init(&a->queue_mu, NULL);
    pthread_mutex_init(&a->window_mu, NULL);
    wf_arena_init(&a->arena, ARENA_MOST);
    for (unsigned i = 0; i < QUEUE; i++) {
        wf_arena_init(&a->queue[i].arena, COPY_MOST);
    }
    enum wf_code code = shard_idle_start("audit", INT64_MAX, work, a, &a->idle, err);
    if (code != WF_OK) {
        shard_audit_destroy(a);
        return code;
    }
    *out = a;
    return WF_OK;
}

void shard_audit_destroy(struct shard_audit *a)
{
    if (a == NULL) {
        return;
    }
    shard_idle_stop(a->idle);
    for (unsigned i = 0; i < QUEUE; i++) {
        wf_arena_fini(&a->queue[i].arena);
    }
    wf_arena_fini(&a->arena);
    pthread_mutex_destroy(&a->window_mu);
    pthread_mutex_destroy(&a->queue_mu);
    wf_xfree(a);
}

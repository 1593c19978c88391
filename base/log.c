/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c - the ring between the callers of wf_log and stderr.
 *
 * A caller formats its line on its own stack and copies it into a ring of 1 MiB under a leaf lock,
 * or drops and counts it. One writer thread takes whole lines out, at most a pipe's atomic unit at
 * a time, and writes them without the lock held. It polls before it writes, so a reader that has
 * gone to sleep blocks nobody, not even wf_log_stop(): that gives up after a while and counts what
 * is left as dropped.
 *
 * The state is the process's (there is one stderr); all functions are thread-safe, start and stop
 * belong to one thread.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log_line.h"

#define RING           ((size_t)1 << 20)
#define CHUNK          ((size_t)PIPE_BUF)
#define LINES_A_SECOND 10
#define POLL_MS        100
#define GIVE_UP_MS     500 /* after wf_log_stop() with a blocked stderr */

static struct {
    atomic_int level;
    atomic_uint_least64_t dropped;
    _Atomic(const char *) component;
    pthread_t writer;
    pthread_mutex_t mu;
    pthread_cond_t filled;
    /* guarded by mu: */
    bool running, stopping;
    bool json;
    char *ring;
    size_t first, count; /* bytes */
    uint64_t told;       /* of `dropped`, those that a line has reported */
    int64_t give_up;     /* deadline once stopping */
} state = {
    .level = WF_INFO,
    .component = "",
    .mu = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
};

/* Ring; the lock is held. */

static void ring_put(const char *line, size_t size)
{
    size_t at = (state.first + state.count) % RING;
    size_t head = size < RING - at ? size : RING - at;
    memcpy(state.ring + at, line, head);
    memcpy(state.ring, line + head, size - head);
    state.count += size;
}

/* Copies the oldest whole lines that fit into chunk (a longer line in parts) and forgets them. */
static size_t ring_take(char chunk[CHUNK])
{
    size_t size = state.count < CHUNK ? state.count : CHUNK;
    size_t head = size < RING - state.first ? size : RING - state.first;
    memcpy(chunk, state.ring + state.first, head);
    memcpy(chunk + head, state.ring, size - head);
    const char *last = memrchr(chunk, '\n', size);
    size = last ? (size_t)(last - chunk) + 1 : size;
    state.first = (state.first + size) % RING;
    state.count -= size;
    return size;
}

/* Reports lines dropped since the last report, when there is room again. */
static void ring_tell_dropped(void)
{
    uint64_t dropped = atomic_load(&state.dropped);
    if (dropped == state.told) {
        return;
    }
    char line[WF_LOG_LINE];
    const struct wf_field field = WF_I("lines", dropped - state.told);
    size_t size = wf_log_format(&(struct wf_log_event){.wall_ms = wf_now_wall_ms(),
                                                       .level = WF_WARN,
                                                       .component = atomic_load(&state.component),
                                                       .event = "log_dropped",
                                                       .fields = &field,
                                                       .n_fields = 1},
                                state.json, line);
    if (size <= RING - state.count) {
        ring_put(line, size);
        state.told = dropped;
    }
}

/* Writer thread. */

static bool give_up(void)
{
    pthread_mutex_lock(&state.mu);
    bool late = state.stopping && wf_now() > state.give_up;
    pthread_mutex_unlock(&state.mu);
    return late;
}

/* Writes all of it unless stderr is gone or stays blocked while the process stops. */
static bool write_out(const char *bytes, size_t size)
{
    while (size > 0) {
        struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
        int ready = poll(&fd, 1, POLL_MS);
        if (ready < 0 && errno != EINTR) {
            return false;
        }
        if (ready <= 0) {
            if (give_up()) {
                return false;
            }
            continue;
        }
        ssize_t n = write(STDERR_FILENO, bytes, size);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static uint64_t count_lines(const char *bytes, size_t size)
{
    uint64_t n = 0;
    for (size_t i = 0; i < size; i++) {
        n += bytes[i] == '\n';
    }
    return n;
}

static void *write_lines(void *arg)
{
    (void)arg;
    char chunk[CHUNK];
    pthread_setname_np(pthread_self(), "log");
    pthread_mutex_lock(&state.mu);
    for (;;) {
        while (state.count == 0 && !state.stopping) {
            pthread_cond_wait(&state.filled, &state.mu);
        }
        if (state.count == 0) {
            break;
        }
        size_t size = ring_take(chunk);
        pthread_mutex_unlock(&state.mu);
        bool written = write_out(chunk, size);
        pthread_mutex_lock(&state.mu);
        if (written) {
            ring_tell_dropped();
        } else {
            atomic_fetch_add(&state.dropped, count_lines(chunk, size));
        }
        while (!written && state.stopping && state.count > 0) { /* nor will the rest be */
            size = ring_take(chunk);
            atomic_fetch_add(&state.dropped, count_lines(chunk, size));
        }
    }
    pthread_mutex_unlock(&state.mu);
    return NULL;
}

/* The writer must not be the thread that takes the process's signals. */
static bool start_writer(void)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&state.writer, NULL, write_lines, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0;
}

void wf_log_start(const char *component, enum wf_level level)
{
    atomic_store(&state.component, component ? component : "");
    wf_log_set_level(level);
    pthread_mutex_lock(&state.mu);
    if (!state.running) {
        state.json = !isatty(STDERR_FILENO);
        state.ring = wf_xmalloc(RING);
        state.first = state.count = 0;
        state.stopping = false;
        state.told = atomic_load(&state.dropped);
        state.running = start_writer(); /* without a thread lines go on being written at once */
        if (!state.running) {
            wf_xfree(state.ring);
        }
    }
    pthread_mutex_unlock(&state.mu);
}

void wf_log_stop(void)
{
    pthread_mutex_lock(&state.mu);
    bool running = state.running;
    state.running = false; /* from here on callers write for themselves */
    state.stopping = true;
    state.give_up = wf_deadline_ms(wf_now(), GIVE_UP_MS);
    pthread_cond_signal(&state.filled);
    pthread_mutex_unlock(&state.mu);
    if (running) {
        pthread_join(state.writer, NULL);
        wf_xfree(state.ring);
        state.ring = NULL;
    }
}

void wf_log_set_level(enum wf_level level)
{
    atomic_store(&state.level, (int)level);
}

enum wf_level wf_log_level(void)
{
    return (enum wf_level)atomic_load(&state.level);
}

bool wf_level_parse(const char *name, enum wf_level *out)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum wf_level)i;
            return true;
        }
    }
    return false;
}

uint64_t wf_log_dropped(void)
{
    return atomic_load(&state.dropped);
}

/* True when this line of the site may go out; *left_out is what the site has to confess. */
static bool site_admits(struct wf_log_site *site, int32_t *left_out)
{
    int64_t now = wf_now();
    int64_t window = __atomic_load_n(&site->window, __ATOMIC_SEQ_CST);
    if ((window == 0 || now - window >= WF_SECOND) &&
        __atomic_compare_exchange_n(&site->window, &window, now, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&site->in_window, 0, __ATOMIC_SEQ_CST);
    }
    if (__atomic_fetch_add(&site->in_window, 1, __ATOMIC_SEQ_CST) >= LINES_A_SECOND) {
        __atomic_fetch_add(&site->left_out, 1, __ATOMIC_SEQ_CST);
        return false;
    }
    *left_out = __atomic_exchange_n(&site->left_out, 0, __ATOMIC_SEQ_CST);
    return true;
}

void wf_log_write(struct wf_log_site *site, enum wf_level level, const char *event,
                  const struct wf_field *fields, unsigned n_fields)
{
    struct wf_log_event e = {.wall_ms = wf_now_wall_ms(),
                             .level = level,
                             .component = atomic_load(&state.component),
                             .event = event,
                             .fields = fields,
                             .n_fields = n_fields};
    if ((int)level < atomic_load(&state.level) || (site && !site_admits(site, &e.left_out))) {
        return;
    }
    pthread_mutex_lock(&state.mu);
    bool running = state.running;
    bool json = running ? state.json : !isatty(STDERR_FILENO);
    pthread_mutex_unlock(&state.mu);
    char line[WF_LOG_LINE];
    size_t size = wf_log_format(&e, json, line);
    pthread_mutex_lock(&state.mu);
    running = state.running;
    if (running && size <= RING - state.count) {
        ring_put(line, size);
        pthread_cond_signal(&state.filled);
    } else if (running) {
        atomic_fetch_add(&state.dropped, 1);
    }
    pthread_mutex_unlock(&state.mu);
    if (!running) {
        ssize_t n = write(STDERR_FILENO, line, size);
        (void)n; /* nobody is left to be told */
    }
}

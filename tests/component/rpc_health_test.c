/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_health_test.c - claims about grpc.health.v1 as a server gives it and as rpc_peer_watch() sees
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "grpc/health/v1/health.pb-c.h"
#include "rpc/rpc.h"

#define PATIENCE_MS 20000
#define TEXT_TYPE   (&grpc__health__v1__health_check_request__descriptor)
#define SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING

/* What a watch has told so far. */
struct seen {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    unsigned n;
    bool last;
};
struct fixture {
    struct rpc_loop *loop;
    struct rpc_server *server;
    struct rpc_peer *peer;
    char address[64];
    struct seen seen[2];
};

static void on_call(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    (void)ctx;
    rpc_reply(rq, msg);
}

static const struct rpc_method methods[] = {
    {.path = "/test.Echo/Echo", .request = TEXT_TYPE, .handle = on_call},
    {.path = "/test.Other/Echo", .request = TEXT_TYPE, .handle = on_call},
};

static void open_server(struct fixture *f, const char *listen)
{
    struct wf_error err;
    const struct rpc_server_config config = {
        .listen = listen, .max_message = 65536, .max_arena = 65536, .max_requests = 8};
    assert_int_equal(rpc_server_open(f->loop, &config, methods, 2, NULL, &f->server, &err), WF_OK);
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", rpc_server_port(f->server));
}

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    struct wf_error err;
    for (unsigned i = 0; i < 2; i++) {
        pthread_mutex_init(&f->seen[i].mu, NULL);
        pthread_cond_init(&f->seen[i].cond, NULL);
    }
    assert_int_equal(rpc_loop_start(&(struct rpc_loop_config){.threads = 2}, &f->loop, &err),
                     WF_OK);
    open_server(f, "127.0.0.1:0");
    const struct rpc_peer_config config = {
        .target = f->address, .max_message = 65536, .max_arena = 65536, .keepalive_ms = 1000};
    assert_int_equal(rpc_peer_open(f->loop, &config, &f->peer, &err), WF_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    rpc_server_close(f->server, wf_deadline_ms(wf_now(), PATIENCE_MS));
    rpc_peer_close(f->peer);
    rpc_loop_stop(f->loop);
    for (unsigned i = 0; i < 2; i++) {
        pthread_cond_destroy(&f->seen[i].cond);
        pthread_mutex_destroy(&f->seen[i].mu);
    }
    wf_xfree(f);
    return 0;
}

static void on_change(bool serving, void *ctx)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->mu);
    s->n++;
    s->last = serving;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mu);
}

/* Waits for the n-th change; true when it says serving. */
static bool change(struct seen *s, unsigned n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&s->mu);
    int error = 0;
    while (s->n < n && error == 0) {
        error = pthread_cond_timedwait(&s->cond, &s->mu, &until);
    }
    const unsigned now = s->n;
    const bool last = s->last;
    pthread_mutex_unlock(&s->mu);
    assert_int_equal(now, n);
    return last;
}

static enum wf_code check(struct fixture *f, const char *service, int *state, struct wf_error *err)
{
    struct wf_arena arena;
    wf_arena_init(&arena, 65536);
    const struct rpc_call_config config = {.path = "/grpc.health.v1.Health/Check",
                                           .reply =
                                               &grpc__health__v1__health_check_response__descriptor,
                                           .deadline = wf_deadline_ms(wf_now(), PATIENCE_MS),
                                           .arena = &arena};
    Grpc__Health__V1__HealthCheckRequest msg = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    msg.service = (char *)service;
    const ProtobufCMessage *reply = NULL;
    const enum wf_code code = rpc_call_wait(f->peer, &config, &msg.base, &reply, err);
    if (code == WF_OK) {
        *state = (int)((const Grpc__Health__V1__HealthCheckResponse *)(const void *)reply)->status;
    }
    wf_arena_fini(&arena);
    return code;
}

static void check_tells_the_state_of_known_services(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    static const char *const known[] = {"", "test.Echo", "test.Other"};
    for (unsigned i = 0; i < 3; i++) {
        int now = -1;
        rpc_server_serving(f->server, false);
        assert_int_equal(check(f, known[i], &now, &err), WF_OK);
        assert_int_equal(now, NOT_SERVING);
        rpc_server_serving(f->server, true);
        assert_int_equal(check(f, known[i], &now, &err), WF_OK);
        assert_int_equal(now, SERVING);
    }
    int none = -1;
    assert_int_equal(check(f, "test.Nope", &none, &err), WF_NOT_FOUND);
    assert_string_equal(err.reason, "UNKNOWN_SERVICE");
}

static void watch_tells_each_change_once(void **state)
{
    struct fixture *f = *state;
    rpc_peer_watch(f->peer, "test.Echo", on_change, &f->seen[0]);
    assert_false(change(&f->seen[0], 1));
    rpc_server_serving(f->server, true);
    assert_true(change(&f->seen[0], 2));
    rpc_server_serving(f->server, true);
    rpc_server_serving(f->server, false);
    assert_false(change(&f->seen[0], 3));
}

static void watch_of_an_unknown_service_is_not_serving(void **state)
{
    struct fixture *f = *state;
    rpc_server_serving(f->server, true);
    rpc_peer_watch(f->peer, "test.Nope", on_change, &f->seen[0]);
    rpc_peer_watch(f->peer, "", on_change, &f->seen[1]);
    assert_false(change(&f->seen[0], 1));
    assert_true(change(&f->seen[1], 1));
}

static void watch_outlives_the_server(void **state)
{
    struct fixture *f = *state;
    rpc_server_serving(f->server, true);
    rpc_peer_watch(f->peer, "", on_change, &f->seen[0]);
    rpc_peer_watch(f->peer, "test.Echo", on_change, &f->seen[1]);
    assert_true(change(&f->seen[0], 1));
    assert_true(change(&f->seen[1], 1));
    const int64_t begin = wf_now();
    rpc_server_close(f->server, wf_deadline_ms(begin, PATIENCE_MS));
    assert_true(wf_now() - begin < 5 * WF_SECOND); /* a watcher does not hold up the drain */
    assert_false(change(&f->seen[0], 2));
    assert_false(change(&f->seen[1], 2));
    char address[64];
    snprintf(address, sizeof address, "%s", f->address);
    open_server(f, address);
    rpc_server_serving(f->server, true);
    change(&f->seen[0], 3);
    change(&f->seen[1], 3);
}

static void watch_of_nobody_says_so_and_ends_with_its_peer(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    struct rpc_peer *nobody = NULL;
    const struct rpc_peer_config config = {
        .target = "127.0.0.1:1", .max_message = 65536, .max_arena = 65536};
    assert_int_equal(rpc_peer_open(f->loop, &config, &nobody, &err), WF_OK);
    rpc_peer_watch(nobody, "", on_change, &f->seen[0]);
    rpc_peer_watch(nobody, "", on_change, &f->seen[1]);
    assert_false(change(&f->seen[0], 1));
    assert_false(change(&f->seen[1], 1));
    rpc_peer_close(nobody);
}

static void peers_close_at_any_moment_of_a_watch(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    for (unsigned i = 0; i < 20; i++) {
        struct rpc_peer *peer = NULL;
        const struct rpc_peer_config config = {
            .target = i % 2 ? f->address : "127.0.0.1:1", .max_message = 65536, .max_arena = 65536};
        assert_int_equal(rpc_peer_open(f->loop, &config, &peer, &err), WF_OK);
        rpc_peer_watch(peer, "", on_change, &f->seen[0]);
        rpc_server_serving(f->server, i % 4 < 2);
        rpc_peer_close(peer);
    }
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(check_tells_the_state_of_known_services),
        CLAIM(watch_tells_each_change_once),
        CLAIM(watch_of_an_unknown_service_is_not_serving),
        CLAIM(watch_outlives_the_server),
        CLAIM(watch_of_nobody_says_so_and_ends_with_its_peer),
        CLAIM(peers_close_at_any_moment_of_a_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

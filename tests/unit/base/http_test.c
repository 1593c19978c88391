/* SPDX-License-Identifier: Apache-2.0
 *
 * http_test.c - pages, what is refused, and clients that misbehave, over real sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/http.h"

static void metrics_page(void *ctx, struct wf_http_reply *reply)
{
    atomic_int *calls = ctx;
    reply->body = wf_xprintf("calls %d\n", atomic_fetch_add(calls, 1) + 1);
    reply->size = strlen(reply->body);
}

static void drained_page(void *ctx, struct wf_http_reply *reply)
{
    (void)ctx;
    reply->status = 503;
    reply->type = "application/json";
}

static const struct wf_http_page pages[] = {{"/metrics", metrics_page}, {"/readyz", drained_page}};
static atomic_int calls;

static int open_server(void **state)
{
    struct wf_http *h = NULL;
    struct wf_error err;
    atomic_store(&calls, 0);
    assert_int_equal(WF_OK, wf_http_open("127.0.0.1:0", pages, 2, &calls, &h, &err));
    assert_true(wf_http_port(h) > 0);
    *state = h;
    return 0;
}

static int close_server(void **state)
{
    wf_http_close(*state);
    return 0;
}

static int dial(const struct wf_http *h)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)wf_http_port(h)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&to, sizeof to));
    return fd;
}

/* Sends bytes and reads until the server closes: reply[4096]. */
static void ask(const struct wf_http *h, const char *bytes, size_t size, char *reply)
{
    int fd = dial(h);
    size_t at = 0;
    send(fd, bytes, size, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    for (;;) {
        ssize_t n = recv(fd, reply + at, 4095 - at, 0);
        if (n <= 0) {
            break;
        }
        at += (size_t)n;
    }
    reply[at] = '\0';
    close(fd);
}

static void request(const struct wf_http *h, const char *method, const char *path, char *reply)
{
    char text[256];
    int size = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                        method, path);
    ask(h, text, (size_t)size, reply);
}

static void pages_are_served(void **state)
{
    char reply[4096];
    request(*state, "GET", "/metrics?x=1", reply);
    assert_int_equal(0, strncmp(reply, "HTTP/1.1 200 ", 13));
    assert_non_null(strstr(reply, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\ncalls 1\n"));
    request(*state, "GET", "/metrics", reply);
    assert_non_null(strstr(reply, "\r\n\r\ncalls 2\n"));
    request(*state, "GET", "/readyz", reply);
    assert_int_equal(0, strncmp(reply, "HTTP/1.1 503 ", 13));
    assert_non_null(strstr(reply, "Content-Type: application/json\r\n"));
}

static void the_rest_is_refused(void **state)
{
    char reply[4096];
    request(*state, "GET", "/", reply);
    assert_int_equal(0, strncmp(reply, "HTTP/1.1 404 ", 13));
    request(*state, "GET", "/metrics/", reply);
    assert_int_equal(0, strncmp(reply, "HTTP/1.1 404 ", 13));
    request(*state, "DELETE", "/metrics", reply);
    assert_int_equal(0, strncmp(reply, "HTTP/1.1 405 ", 13));
    assert_non_null(strstr(reply, "Allow: GET\r\n"));
    static const char post[] = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                               "Connection: close\r\n\r\nhello";
    ask(*state, post, sizeof post - 1, reply);
    assert_int_equal(0, strncmp(reply, "HTTP/1.1 405 ", 13));
    assert_int_equal(0, atomic_load(&calls));
}

static void bad_clients_leave_it_standing(void **state)
{
    char reply[4096];
    static char junk[100000];
    memset(junk, 'A', sizeof junk);
    ask(*state, junk, sizeof junk, reply);
    ask(*state, "\r\n\0\xFF\r\n\r\n", 9, reply);
    int idle[80]; /* more than are accepted at a time; the others wait in the backlog */
    for (int i = 0; i < 80; i++) {
        idle[i] = dial(*state);
    }
    for (int i = 0; i < 80; i++) {
        close(idle[i]);
    }
    do { /* until the server has seen that they left */
        request(*state, "GET", "/metrics", reply);
    } while (reply[0] == '\0');
    assert_int_equal(0, strncmp(reply, "HTTP/1.1 200 ", 13));
}

static void bad_addresses_are_named(void **state)
{
    char text[64];
    struct wf_http *h = NULL;
    struct wf_error err;
    assert_int_equal(WF_INVALID, wf_http_open("nonsense", pages, 2, NULL, &h, &err));
    assert_string_equal("address \"nonsense\" must be host:port", err.text);
    assert_int_equal(WF_INVALID, wf_http_open("127.0.0.1:http", pages, 2, NULL, &h, &err));
    snprintf(text, sizeof text, "127.0.0.1:%d", wf_http_port(*state));
    assert_int_equal(WF_UNAVAILABLE, wf_http_open(text, pages, 2, NULL, &h, &err));
    assert_non_null(strstr(err.text, text));
    assert_null(h);
    wf_http_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_are_served, open_server, close_server),
        cmocka_unit_test_setup_teardown(the_rest_is_refused, open_server, close_server),
        cmocka_unit_test_setup_teardown(bad_clients_leave_it_standing, open_server, close_server),
        cmocka_unit_test_setup_teardown(bad_addresses_are_named, open_server, close_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

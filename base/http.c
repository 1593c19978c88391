/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c - the operators' pages over libmicrohttpd: one internal thread that polls, pages built in
 * it one at a time. The listening socket is made here, so that an address in use has a message and
 * port 0 has an answer. Connections, idle time and memory for a request are bounded; requests with
 * a body are refused without reading it.
 */
#include "base/http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/arena.h"

#define CONNECTIONS 32u
#define IDLE_S      10u
#define REQUEST_MEM ((size_t)32 * 1024)
#define BACKLOG     64

struct wf_http {
    struct MHD_Daemon *daemon;
    const struct wf_http_page *pages; /* borrowed */
    unsigned n;
    void *ctx;
    int port;
};

/* Splits "host:port", "[::1]:port" or ":port" (any address); the parts are owned by the caller. */
static enum wf_code split(const char *listen, char **host, char **port, struct wf_error *err)
{
    const char *colon = strrchr(listen, ':');
    size_t size = colon ? (size_t)(colon - listen) : 0;
    bool digits = colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    if (!digits || strlen(colon + 1) > 5) {
        return wf_fail(err, WF_INVALID, "address \"%.80s\" must be host:port", listen);
    }
    bool bracketed = size >= 2 && listen[0] == '[' && listen[size - 1] == ']';
    *host = bracketed ? wf_xstrndup(listen + 1, size - 2) : wf_xstrndup(listen, size);
    *port = wf_xstrdup(colon + 1);
    return WF_OK;
}

/* A listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    int on = 1;
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
                    bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)) {
        int why = errno;
        close(fd);
        errno = why;
        fd = -1;
    }
    return fd;
}

static enum wf_code open_socket(const char *listen, int *out, struct wf_error *err)
{
    char *host = NULL;
    char *port = NULL;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int fd = -1;
    enum wf_code code = split(listen, &host, &port, err);
    if (code) {
        return code;
    }
    int rc = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (rc != 0) {
        code = wf_fail(err, WF_INVALID, "address \"%.80s\": %s", listen, gai_strerror(rc));
        goto out;
    }
    errno = 0;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = listen_on(a);
    }
    if (fd < 0) {
        code = wf_fail(err, WF_UNAVAILABLE, "cannot listen on %.80s: %s", listen, strerror(errno));
        goto out;
    }
    *out = fd;
out:
    if (found) {
        freeaddrinfo(found);
    }
    wf_xfree(port);
    wf_xfree(host);
    return code;
}

static int bound_port(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof a;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0) {
        return 0;
    }
    memcpy(&v4, &a, sizeof v4);
    memcpy(&v6, &a, sizeof v6);
    return ntohs(a.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

static void say(struct wf_http_reply *reply, unsigned status, const char *text)
{
    reply->status = status;
    reply->body = wf_xstrdup(text);
    reply->size = strlen(text);
}

static void answer(const struct wf_http *h, const char *method, const char *path,
                   struct wf_http_reply *reply)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        say(reply, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is served here\n");
        return;
    }
    for (unsigned i = 0; i < h->n; i++) {
        if (strcmp(h->pages[i].path, path) == 0) {
            h->pages[i].page(h->ctx, reply);
            return;
        }
    }
    say(reply, MHD_HTTP_NOT_FOUND, "no such page\n");
}

/* libmicrohttpd calls this when the head of a request is in; the parameters are its own. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, /* NOLINT(readability-non-const-parameter) */
                                  void **request)
{
    (void)version;
    (void)upload;
    (void)upload_size;
    (void)request;
    const struct wf_http *h = ctx;
    struct wf_http_reply reply = {.status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8"};
    answer(h, method, url, &reply);
    struct MHD_Response *response =
        reply.body
            ? MHD_create_response_from_buffer_with_free_callback(reply.size, reply.body, wf_xfree)
            : MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (!response) {
        wf_xfree(reply.body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply.type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (reply.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, MHD_HTTP_METHOD_GET);
    }
    enum MHD_Result result = MHD_queue_response(connection, reply.status, response);
    MHD_destroy_response(response);
    return result;
}

enum wf_code wf_http_open(const char *listen, const struct wf_http_page *pages, unsigned n,
                          void *ctx, struct wf_http **out, struct wf_error *err)
{
    int fd = -1;
    enum wf_code code = open_socket(listen, &fd, err);
    if (code) {
        return code;
    }
    struct wf_http *h = wf_xcalloc(1, sizeof *h);
    *h = (struct wf_http){.pages = pages, .n = n, .ctx = ctx, .port = bound_port(fd)};
    sigset_t all;
    sigset_t before;
    sigfillset(&all); /* its thread takes none of the process's signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL,
                         NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                         IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_MEM, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!h->daemon) {
        close(fd);
        wf_xfree(h);
        return wf_fail(err, WF_INTERNAL, "cannot start the http thread on %.80s", listen);
    }
    *out = h;
    return WF_OK;
}

int wf_http_port(const struct wf_http *h)
{
    return h->port;
}

void wf_http_close(struct wf_http *h)
{
    if (h) {
        MHD_stop_daemon(h->daemon); /* closes the listening socket */
        wf_xfree(h);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * http.h - the operators' port: GET only, a table of pages, one thread of its own (libmicrohttpd).
 */
#ifndef WF_HTTP_H
#define WF_HTTP_H

#include <stddef.h>

#include "base/error.h"

struct wf_http_reply {
    unsigned status;  /* 200, 503, ... */
    const char *type; /* "text/plain; charset=utf-8" */
    char *body;       /* owned by the reply: freed with wf_xfree */
    size_t size;
};
typedef void wf_http_fn(void *ctx, struct wf_http_reply *reply);
struct wf_http_page {
    const char *path; /* "/metrics" */
    wf_http_fn *page; /* runs on the http thread */
};
struct wf_http;
/* `listen` is "host:port", port 0 picks a free one. `pages` is borrowed until close. Unknown paths
 * get 404. */
WF_MUST_CHECK enum wf_code wf_http_open(const char *listen, const struct wf_http_page *pages,
                                        unsigned n, void *ctx, struct wf_http **out,
                                        struct wf_error *err);
int wf_http_port(const struct wf_http *h);
void wf_http_close(struct wf_http *h); /* NULL is fine */

#endif

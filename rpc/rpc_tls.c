/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_tls.c - credentials from PEM files, and who the caller is. The files are read once, when the
 * server or the peer is opened.
 */
#include "rpc/rpc_internal.h"

#include <string.h>

#include <grpc/support/alloc.h>

#include "base/file.h"

#define MAX_PEM ((size_t)1 << 20)

struct pem {
    char *cert, *key, *ca; /* NULL: not configured */
};

static void pem_free(struct pem *p)
{
    wf_xfree(p->cert);
    wf_xfree(p->key);
    wf_xfree(p->ca);
}

static enum wf_code read_one(const char *what, const char *path, char **out, struct wf_error *err)
{
    size_t size = 0;
    if (path && wf_read_file(path, MAX_PEM, out, &size, err) != WF_OK) {
        return wf_prefix(err, "tls %s: ", what);
    }
    return WF_OK;
}

static enum wf_code pem_read(const struct rpc_tls *tls, struct pem *p, struct wf_error *err)
{
    enum wf_code code = WF_OK;
    if (!tls->cert != !tls->key) {
        return wf_fail(err, WF_INVALID, "tls needs cert and key together: cert is %s, key is %s",
                       tls->cert ? tls->cert : "not set", tls->key ? tls->key : "not set");
    }
    if ((code = read_one("cert", tls->cert, &p->cert, err)) != WF_OK ||
        (code = read_one("key", tls->key, &p->key, err)) != WF_OK ||
        (code = read_one("ca", tls->ca, &p->ca, err)) != WF_OK) {
        pem_free(p);
        *p = (struct pem){0};
    }
    return code;
}

enum wf_code rpc_server_credentials(const struct rpc_tls *tls, grpc_server_credentials **out,
                                    struct wf_error *err)
{
    if (!tls->cert && !tls->key && !tls->ca) {
        *out = grpc_insecure_server_credentials_create();
        return WF_OK;
    }
    if (!tls->cert) {
        return wf_fail(err, WF_INVALID, "tls ca is %s, but cert and key are not set", tls->ca);
    }
    struct pem p = {0};
    const enum wf_code code = pem_read(tls, &p, err);
    if (code != WF_OK) {
        return code;
    }
    grpc_ssl_pem_key_cert_pair pair = {.private_key = p.key, .cert_chain = p.cert};
    *out = grpc_ssl_server_credentials_create_ex(
        p.ca, &pair, 1,
        p.ca ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
             : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
        NULL);
    pem_free(&p);
    return *out ? WF_OK : wf_fail(err, WF_INVALID, "tls cert %s is not usable", tls->cert);
}

enum wf_code rpc_peer_credentials(const struct rpc_tls *tls, grpc_channel_credentials **out,
                                  struct wf_error *err)
{
    if (!tls->cert && !tls->key && !tls->ca) {
        *out = grpc_insecure_credentials_create();
        return WF_OK;
    }
    struct pem p = {0};
    const enum wf_code code = pem_read(tls, &p, err);
    if (code != WF_OK) {
        return code;
    }
    grpc_ssl_pem_key_cert_pair pair = {.private_key = p.key, .cert_chain = p.cert};
    *out = grpc_ssl_credentials_create_ex(p.ca, p.cert ? &pair : NULL, NULL, NULL);
    pem_free(&p);
    return *out ? WF_OK
                : wf_fail(err, WF_INVALID, "tls ca %s is not usable", tls->ca ? tls->ca : "");
}

static const grpc_auth_property *find(const grpc_auth_context *auth, const char *name)
{
    grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(auth, name);
    return grpc_auth_property_iterator_next(&it);
}

const char *rpc_call_identity(grpc_call *call, struct wf_arena *arena)
{
    grpc_auth_context *auth = grpc_call_auth_context(call);
    const bool known = auth && grpc_auth_context_peer_is_authenticated(auth);
    const grpc_auth_property *name = NULL;
    if (known) {
        name = find(auth, GRPC_X509_SAN_PROPERTY_NAME);
        name = name ? name : find(auth, GRPC_X509_CN_PROPERTY_NAME);
    }
    const char *text = NULL;
    if (name) {
        text = wf_arena_printf(arena, "tls:%.*s", (int)name->value_length, name->value);
    } else {
        const grpc_auth_property *how =
            auth ? find(auth, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME) : NULL;
        const bool tls = how && strcmp(how->value, GRPC_SSL_TRANSPORT_SECURITY_TYPE) == 0;
        char *peer = grpc_call_get_peer(call);
        text = wf_arena_printf(arena, "%s:%s", tls ? "tls-anonymous" : "plaintext", peer);
        gpr_free(peer);
    }
    if (auth) {
        grpc_auth_context_release(auth);
    }
    return text ? text : "unknown:";
}

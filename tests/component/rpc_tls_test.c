/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_tls_test.c - claims about TLS: who is let in, and who the server says they are. The authority
 * and the certificates are made here, for a day, in a temporary directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "grpc/health/v1/health.pb-c.h"
#include "rpc/rpc.h"

#define PATIENCE_MS 20000
#define TEXT_TYPE   (&grpc__health__v1__health_check_request__descriptor)
typedef Grpc__Health__V1__HealthCheckRequest text_msg;

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    char cert_path[256], key_path[256];
};
struct fixture {
    char dir[128];
    struct identity authority, stranger, server, client;
    struct rpc_loop *loop;
};

static void add_extension(struct identity *id, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, id->cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    X509_add_ext(id->cert, e, -1);
    X509_EXTENSION_free(e);
}

/* Makes and writes a key and a certificate; `by` NULL: signed by itself, an authority. */
static void make(struct fixture *f, struct identity *id, const char *name, const char *alternative,
                 const struct identity *by)
{
    static long serial = 1;
    id->key = EVP_EC_gen("P-256");
    id->cert = X509_new();
    const struct identity *issuer = by ? by : id;
    X509_set_version(id->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id->cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(id->cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(id->cert), 86400);
    X509_set_pubkey(id->cert, id->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id->cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(id->cert, X509_get_subject_name(issuer->cert));
    if (!by) {
        add_extension(id, id->cert, NID_basic_constraints, "critical,CA:TRUE");
    }
    if (alternative) {
        add_extension(id, issuer->cert, NID_subject_alt_name, alternative);
    }
    assert_true(X509_sign(id->cert, issuer->key, EVP_sha256()) > 0);

    snprintf(id->cert_path, sizeof id->cert_path, "%s/%s.crt", f->dir, name);
    snprintf(id->key_path, sizeof id->key_path, "%s/%s.key", f->dir, name);
    FILE *out = fopen(id->cert_path, "w");
    assert_non_null(out);
    assert_true(PEM_write_X509(out, id->cert));
    fclose(out);
    out = fopen(id->key_path, "w");
    assert_non_null(out);
    assert_true(PEM_write_PrivateKey(out, id->key, NULL, NULL, 0, NULL, NULL));
    fclose(out);
}

static void unmake(struct identity *id)
{
    remove(id->cert_path);
    remove(id->key_path);
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
}

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    struct wf_error err;
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/weft-tls-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    make(f, &f->authority, "authority", NULL, NULL);
    make(f, &f->stranger, "stranger", NULL, NULL);
    make(f, &f->server, "server", "DNS:localhost,IP:127.0.0.1", &f->authority);
    make(f, &f->client, "client", "DNS:coordinator.weft", &f->authority);
    assert_int_equal(rpc_loop_start(&(struct rpc_loop_config){.threads = 2}, &f->loop, &err),
                     WF_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    rpc_loop_stop(f->loop);
    unmake(&f->authority);
    unmake(&f->stranger);
    unmake(&f->server);
    unmake(&f->client);
    rmdir(f->dir);
    wf_xfree(f);
    return 0;
}

static void on_who(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    (void)msg;
    (void)ctx;
    text_msg reply = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    reply.service = (char *)rpc_identity(rq);
    rpc_reply(rq, &reply.base);
}

static const struct rpc_method methods[] = {
    {.path = "/test.Who/Who", .request = TEXT_TYPE, .handle = on_who}};

/* Opens a server and a peer with these files, asks who is there, closes both. */
static enum wf_code who(struct fixture *f, const struct rpc_tls *serving,
                        const struct rpc_tls *calling, char out[256], struct wf_error *err)
{
    const struct rpc_server_config config = {.listen = "127.0.0.1:0",
                                             .max_message = 65536,
                                             .max_arena = 65536,
                                             .max_requests = 8,
                                             .tls = *serving};
    struct rpc_server *server = NULL;
    struct rpc_peer *peer = NULL;
    struct wf_error opening;
    assert_int_equal(rpc_server_open(f->loop, &config, methods, 1, NULL, &server, &opening), WF_OK);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%d", rpc_server_port(server));
    const struct rpc_peer_config to = {
        .target = address, .max_message = 65536, .max_arena = 65536, .tls = *calling};
    assert_int_equal(rpc_peer_open(f->loop, &to, &peer, &opening), WF_OK);

    struct wf_arena arena;
    wf_arena_init(&arena, 65536);
    const struct rpc_call_config call = {.path = "/test.Who/Who",
                                         .reply = TEXT_TYPE,
                                         .deadline = wf_deadline_ms(wf_now(), PATIENCE_MS),
                                         .arena = &arena};
    const text_msg msg = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const ProtobufCMessage *reply = NULL;
    const enum wf_code code = rpc_call_wait(peer, &call, &msg.base, &reply, err);
    if (code == WF_OK) {
        snprintf(out, 256, "%s", ((const text_msg *)(const void *)reply)->service);
    }
    wf_arena_fini(&arena);
    rpc_peer_close(peer);
    rpc_server_close(server, wf_deadline_ms(wf_now(), PATIENCE_MS));
    return code;
}

static void a_certificate_names_the_caller(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    char out[256] = "";
    const struct rpc_tls serving = {f->server.cert_path, f->server.key_path,
                                    f->authority.cert_path};
    const struct rpc_tls calling = {f->client.cert_path, f->client.key_path,
                                    f->authority.cert_path};
    assert_int_equal(who(f, &serving, &calling, out, &err), WF_OK);
    assert_string_equal(out, "tls:coordinator.weft");
}

static void without_a_certificate_the_caller_is_anonymous(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    char out[256] = "";
    const struct rpc_tls serving = {f->server.cert_path, f->server.key_path, NULL};
    const struct rpc_tls calling = {NULL, NULL, f->authority.cert_path};
    assert_int_equal(who(f, &serving, &calling, out, &err), WF_OK);
    assert_int_equal(strncmp(out, "tls-anonymous:ipv4:127.0.0.1:", 29), 0);
}

static void a_caller_without_a_certificate_is_refused_where_one_is_asked_for(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    char out[256] = "";
    const struct rpc_tls serving = {f->server.cert_path, f->server.key_path,
                                    f->authority.cert_path};
    const struct rpc_tls nothing = {NULL, NULL, f->authority.cert_path};
    assert_int_equal(who(f, &serving, &nothing, out, &err), WF_UNAVAILABLE);
    const struct rpc_tls strange = {f->stranger.cert_path, f->stranger.key_path,
                                    f->authority.cert_path};
    assert_int_equal(who(f, &serving, &strange, out, &err), WF_UNAVAILABLE);
    const struct rpc_tls plaintext = {NULL, NULL, NULL};
    assert_int_equal(who(f, &serving, &plaintext, out, &err), WF_UNAVAILABLE);
}

static void a_server_of_another_authority_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    char out[256] = "";
    const struct rpc_tls serving = {f->server.cert_path, f->server.key_path, NULL};
    const struct rpc_tls calling = {NULL, NULL, f->stranger.cert_path};
    assert_int_equal(who(f, &serving, &calling, out, &err), WF_UNAVAILABLE);
}

static void files_that_are_missing_or_wrong_are_named(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    struct rpc_server *server = NULL;
    struct rpc_server_config config = {.listen = "127.0.0.1:0", .tls = {"/nope.crt", "/nope.key"}};
    assert_int_not_equal(rpc_server_open(f->loop, &config, methods, 1, NULL, &server, &err), WF_OK);
    assert_non_null(strstr(err.text, "/nope.crt"));
    config.tls = (struct rpc_tls){f->server.cert_path, NULL, NULL};
    assert_int_equal(rpc_server_open(f->loop, &config, methods, 1, NULL, &server, &err),
                     WF_INVALID);
    config.tls = (struct rpc_tls){NULL, NULL, f->authority.cert_path};
    assert_int_equal(rpc_server_open(f->loop, &config, methods, 1, NULL, &server, &err),
                     WF_INVALID);
    config.tls = (struct rpc_tls){f->server.key_path, f->server.cert_path, NULL};
    assert_int_not_equal(rpc_server_open(f->loop, &config, methods, 1, NULL, &server, &err), WF_OK);
    assert_non_null(strstr(err.text, "certificate"));
    struct rpc_peer *peer = NULL;
    const struct rpc_peer_config to = {.target = "127.0.0.1:1", .tls = {NULL, NULL, "/nope.ca"}};
    assert_int_not_equal(rpc_peer_open(f->loop, &to, &peer, &err), WF_OK);
    assert_non_null(strstr(err.text, "/nope.ca"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_names_the_caller),
        cmocka_unit_test(without_a_certificate_the_caller_is_anonymous),
        cmocka_unit_test(a_caller_without_a_certificate_is_refused_where_one_is_asked_for),
        cmocka_unit_test(a_server_of_another_authority_is_not_trusted),
        cmocka_unit_test(files_that_are_missing_or_wrong_are_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

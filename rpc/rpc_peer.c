/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_peer.c - a connection to one remote server.
 *
 * Calls fail at once when the peer is not reachable (no wait-for-ready): who fans out would rather
 * ask somebody else than burn the deadline. gRPC reconnects in the background, 100 ms to 2 s apart.
 * A peer lists its calls under way, so that close can cancel them and wait for their
 * done-functions; that list is the one lock on the path of a call.
 */
#include "rpc/rpc_internal.h"

#include <string.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  2000
/* What gRPC calls the minimal backoff is the time that an attempt to connect may take. */
#define CONNECT_MS      2000
#define PING_TIMEOUT_MS 3000
#define PING_LEAST_MS   1000 /* more often, and the server takes it for an attack */
#define MAX_METADATA    (32 << 10)

static grpc_channel *create_channel(const struct rpc_peer_config *config,
                                    grpc_channel_credentials *credentials)
{
    const size_t asked = config->keepalive_ms > 0 ? (size_t)config->keepalive_ms : INT32_MAX;
    const size_t ping = asked > PING_LEAST_MS ? asked : PING_LEAST_MS;
    grpc_arg args[] = {
        rpc_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, config->max_message),
        rpc_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, config->max_message),
        rpc_arg(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        rpc_arg(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE),
        rpc_arg(GRPC_ARG_MAX_METADATA_SIZE, MAX_METADATA),
        rpc_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        rpc_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_MS),
        rpc_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MOST_MS),
        rpc_arg(GRPC_ARG_ENABLE_RETRIES, 0),
        rpc_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        rpc_arg(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT32_MAX),
        rpc_arg(GRPC_ARG_KEEPALIVE_TIME_MS, ping),
        rpc_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, PING_TIMEOUT_MS),
        rpc_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        rpc_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        rpc_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
    };
    const grpc_channel_args all = {.num_args = sizeof args / sizeof args[0], .args = args};
    return grpc_channel_create(config->target, credentials, &all);
}

enum wf_code rpc_peer_open(struct rpc_loop *loop, const struct rpc_peer_config *config,
                           struct rpc_peer **out, struct wf_error *err)
{
    if (!config->target || !config->target[0]) {
        return wf_fail(err, WF_INVALID, "peer has no target");
    }
    grpc_channel_credentials *credentials = NULL;
    const enum wf_code code = rpc_peer_credentials(&config->tls, &credentials, err);
    if (code != WF_OK) {
        return code;
    }
    struct rpc_peer *peer = wf_xcalloc(1, sizeof *peer);
    peer->loop = loop;
    peer->max_message = config->max_message;
    peer->max_arena = config->max_arena;
    peer->channel = create_channel(config, credentials);
    grpc_channel_credentials_release(credentials);
    pthread_mutex_init(&peer->mu, NULL);
    pthread_cond_init(&peer->idle, NULL);
    *out = peer;
    return WF_OK;
}

void rpc_peer_close(struct rpc_peer *peer)
{
    if (!peer) {
        return;
    }
    pthread_mutex_lock(&peer->mu);
    peer->closing = true;
    for (struct rpc_call *c = peer->calls; c; c = c->next) {
        rpc_call_cancel(c);
    }
    rpc_watch_cancel_all(peer);
    while (peer->calls || peer->watches) {
        pthread_cond_wait(&peer->idle, &peer->mu);
    }
    pthread_mutex_unlock(&peer->mu);
    grpc_channel_destroy(peer->channel);
    const unsigned n = atomic_load(&peer->n_paths);
    for (unsigned i = 0; i < n; i++) {
        wf_xfree(peer->paths[i].path);
    }
    pthread_cond_destroy(&peer->idle);
    pthread_mutex_destroy(&peer->mu);
    wf_xfree(peer);
}

static void *find_path(struct rpc_peer *peer, const char *path)
{
    const unsigned n = atomic_load(&peer->n_paths);
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(peer->paths[i].path, path) == 0) {
            return peer->paths[i].handle;
        }
    }
    return NULL;
}

/* Registers the path; NULL when the table is full. */
static void *add_path(struct rpc_peer *peer, const char *path)
{
    pthread_mutex_lock(&peer->mu);
    void *handle = find_path(peer, path);
    const unsigned n = atomic_load(&peer->n_paths);
    if (!handle && n < RPC_MAX_PATHS) {
        struct rpc_path *p = &peer->paths[n];
        p->path = wf_xstrdup(path);
        p->handle = handle = grpc_channel_register_call(peer->channel, p->path, NULL, NULL);
        atomic_store(&peer->n_paths, n + 1);
    }
    pthread_mutex_unlock(&peer->mu);
    return handle;
}

grpc_call *rpc_peer_start(struct rpc_peer *peer, const char *path, int64_t deadline)
{
    const gpr_timespec until = rpc_to_timespec(deadline);
    void *handle = find_path(peer, path);
    handle = handle ? handle : add_path(peer, path);
    if (handle) {
        return grpc_channel_create_registered_call(peer->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                                   peer->loop->queue, handle, until, NULL);
    }
    grpc_slice slice = grpc_slice_from_copied_string(path);
    grpc_call *call = grpc_channel_create_call(peer->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                               peer->loop->queue, slice, NULL, until, NULL);
    grpc_slice_unref(slice);
    return call;
}

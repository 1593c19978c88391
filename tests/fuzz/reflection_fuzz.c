/* SPDX-License-Identifier: Apache-2.0
 *
 * reflection_fuzz.c - what rpc/ itself decodes: the first byte chooses between a reflection request
 * (decoded, answered, the answer packed), a health request, and the google.rpc.Status that a server
 * sends in a trailer.
 */
#include <stddef.h>
#include <stdint.h>

#include "google/rpc/error_details.pb-c.h"
#include "rpc/rpc_internal.h"

#define MEMORY ((size_t)1 << 20)

static const struct rpc_reflection *reflection(void)
{
    static struct rpc_reflection *r;
    if (!r) {
        static const struct rpc_method methods[] = {
            {.path = "/weft.v1.RecommendService/Recommend"}};
        static const struct rpc_server_config config = {.listen = ""};
        wf_assert(rpc_reflection_create(&config, methods, 1, &r, NULL) == WF_OK);
    }
    return r;
}

static void answer(const unsigned char *data, size_t size, struct wf_arena *arena)
{
    ProtobufCMessage *msg = NULL;
    if (rpc_decode(data, size, rpc_reflection_request, arena, &msg, NULL) != WF_OK) {
        return;
    }
    msg = rpc_reflection_answer(reflection(), msg, arena);
    if (msg) {
        const size_t packed = rpc_packed_size(msg);
        const grpc_slice slice = rpc_pack(msg, packed);
        wf_assert(GRPC_SLICE_LENGTH(slice) == packed);
        grpc_slice_unref(slice);
    }
}

static void read_status(const unsigned char *data, size_t size, struct wf_arena *arena)
{
    struct wf_error err;
    wf_fail(&err, WF_INTERNAL, "x");
    rpc_status_read(data, size, arena, &err);
    (void)rpc_status_find(data, size, &google__rpc__bad_request__descriptor, arena);
    grpc_slice packed;
    if (rpc_status_pack(&err, NULL, &packed)) {
        struct wf_error again;
        wf_fail(&again, WF_INTERNAL, "x");
        rpc_status_read(GRPC_SLICE_START_PTR(packed), GRPC_SLICE_LENGTH(packed), arena, &again);
        wf_assert(again.retry_ms == err.retry_ms);
        grpc_slice_unref(packed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct wf_arena arena;
    wf_arena_init(&arena, MEMORY);
    ProtobufCMessage *msg = NULL;
    switch (data[0] % 3) {
    case 0:
        answer(data + 1, size - 1, &arena);
        break;
    case 1:
        (void)!rpc_decode(data + 1, size - 1, rpc_health_request, &arena, &msg, NULL);
        break;
    default:
        read_status(data + 1, size - 1, &arena);
        break;
    }
    wf_arena_fini(&arena);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_message.c - messages to bytes and back.
 *
 * Packing writes straight into the slice that gRPC sends: one copy. Unpacking reads the received
 * slice in place when there is only one (small messages), and otherwise a joined copy. protobuf-c
 * allocates from the arena and frees nothing, so the arena's limit bounds what a small message on
 * the wire may grow to. A compressed message is refused without looking inside: decompression is
 * off in every server and peer, because gRPC inflates before it checks the size.
 */
#include "rpc/rpc_internal.h"

#include <grpc/byte_buffer_reader.h>

size_t rpc_packed_size(const ProtobufCMessage *msg)
{
    return protobuf_c_message_get_packed_size(msg);
}

grpc_slice rpc_pack(const ProtobufCMessage *msg, size_t size)
{
    grpc_slice slice = grpc_slice_malloc(size);
    protobuf_c_message_pack(msg, GRPC_SLICE_START_PTR(slice));
    return slice;
}

void rpc_buffer_init(grpc_byte_buffer *b, grpc_slice slice)
{
    *b = (grpc_byte_buffer){.type = GRPC_BB_RAW};
    b->data.raw.compression = GRPC_COMPRESS_NONE;
    grpc_slice_buffer_init(&b->data.raw.slice_buffer);
    grpc_slice_buffer_add(&b->data.raw.slice_buffer, slice);
}

void rpc_buffer_fini(grpc_byte_buffer *b)
{
    grpc_slice_buffer_destroy(&b->data.raw.slice_buffer);
}

struct adapter {
    ProtobufCAllocator allocator;
    struct wf_arena *arena;
    bool exhausted;
};

static void *adapter_alloc(void *data, size_t size)
{
    struct adapter *a = data;
    void *p = wf_arena_alloc(a->arena, size);
    a->exhausted = a->exhausted || !p;
    return p;
}

static void adapter_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

enum wf_code rpc_decode(const unsigned char *data, size_t size,
                        const ProtobufCMessageDescriptor *type, struct wf_arena *arena,
                        ProtobufCMessage **out, struct wf_error *err)
{
    struct adapter a = {.allocator = {adapter_alloc, adapter_free, NULL}, .arena = arena};
    a.allocator.allocator_data = &a;
    static const unsigned char nothing[1];
    ProtobufCMessage *msg =
        protobuf_c_message_unpack(type, &a.allocator, size, data ? data : nothing);
    if (msg) {
        *out = msg;
        return WF_OK;
    }
    if (a.exhausted) {
        wf_fail(err, WF_EXHAUSTED, "decoding %s of %zu bytes needs more than %zu bytes of memory",
                type->name, size, arena->limit);
        return wf_reason(err, "MESSAGE_TOO_LARGE");
    }
    return wf_invalid(err, "MALFORMED", "", "%zu bytes are not a %s", size, type->name);
}

/* Checks, when there is a check, and decodes. */
static enum wf_code decode_slice(grpc_slice bytes, const ProtobufCMessageDescriptor *type,
                                 rpc_check_fn *check, struct wf_arena *arena,
                                 ProtobufCMessage **out, struct wf_error *err)
{
    const unsigned char *data = GRPC_SLICE_START_PTR(bytes);
    const size_t size = GRPC_SLICE_LENGTH(bytes);
    enum wf_code code = check ? check(data, size, type, err) : WF_OK;
    return code == WF_OK ? rpc_decode(data, size, type, arena, out, err) : code;
}

static enum wf_code decode_buffer(grpc_byte_buffer *buffer, const ProtobufCMessageDescriptor *type,
                                  rpc_check_fn *check, struct wf_arena *arena,
                                  ProtobufCMessage **out, struct wf_error *err)
{
    const grpc_slice_buffer *slices = &buffer->data.raw.slice_buffer;
    if (slices->count <= 1) {
        grpc_slice only = slices->count ? slices->slices[0] : grpc_empty_slice();
        return decode_slice(only, type, check, arena, out, err);
    }
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
        return wf_fail(err, WF_INTERNAL, "message of %zu bytes cannot be read", slices->length);
    }
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    enum wf_code code = decode_slice(all, type, check, arena, out, err);
    grpc_slice_unref(all);
    return code;
}

enum wf_code rpc_unpack_checked(grpc_byte_buffer *buffer, const ProtobufCMessageDescriptor *type,
                                rpc_check_fn *check, struct wf_arena *arena, ProtobufCMessage **out,
                                struct wf_error *err)
{
    if (!buffer) {
        return wf_invalid(err, "MALFORMED", "", "no message of type %s was sent", type->name);
    }
    enum wf_code code;
    if (buffer->type != GRPC_BB_RAW || buffer->data.raw.compression != GRPC_COMPRESS_NONE) {
        wf_fail(err, WF_UNIMPLEMENTED, "compressed messages are not taken");
        code = wf_reason(err, "COMPRESSED");
    } else {
        code = decode_buffer(buffer, type, check, arena, out, err);
    }
    grpc_byte_buffer_destroy(buffer);
    return code;
}

enum wf_code rpc_unpack(grpc_byte_buffer *buffer, const ProtobufCMessageDescriptor *type,
                        struct wf_arena *arena, ProtobufCMessage **out, struct wf_error *err)
{
    return rpc_unpack_checked(buffer, type, NULL, arena, out, err);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_text.c - a recursive-descent writer of protobuf bytes. Its input is the tests' own tables,
 * so a fault in it is an assertion.
 */
#include "tests/support/wire_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static struct wf_arena group_arena;
struct wf_arena *const wire_arena = &group_arena;

int wire_arena_setup(void **state)
{
    (void)state;
    wf_arena_init(wire_arena, 64 << 20);
    return 0;
}

int wire_arena_teardown(void **state)
{
    (void)state;
    wf_arena_fini(wire_arena);
    return 0;
}

struct buffer {
    unsigned char *data;
    size_t size, cap;
};

static void put(struct buffer *b, const void *data, size_t size)
{
    wf_xgrow(&b->data, &b->cap, b->size + size + 1, 1);
    if (size) {
        memcpy(b->data + b->size, data, size);
    }
    b->size += size;
}

static void put_varint(struct buffer *b, uint64_t value)
{
    do {
        unsigned char byte = (unsigned char)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        put(b, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_float(struct buffer *b, double value)
{
    float f = (float)value;
    put(b, &f, sizeof f);
}

static void skip(const char **at)
{
    while (isspace((unsigned char)**at)) {
        (*at)++;
    }
}

static unsigned long count_after_star(const char **at)
{
    if (**at != '*') {
        return 1;
    }
    return strtoul(*at + 1, (char **)at, 10);
}

static unsigned char text_byte(const char **at)
{
    unsigned char byte = (unsigned char)*(*at)++;
    if (byte != '\\') {
        return byte;
    }
    if (*(*at)++ == '0') {
        return 0;
    }
    char hex[3] = {(*at)[0], (*at)[1], 0};
    *at += 2;
    return (unsigned char)strtoul(hex, NULL, 16);
}

static void parse_fields(const char **at, struct buffer *b);

/* The content of a length-delimited value; `open` is its first character. */
static void parse_content(const char **at, char open, struct buffer *b)
{
    if (open == '{') {
        parse_fields(at, b);
        wf_assert(*(*at)++ == '}');
        return;
    }
    const char close = "]>)'"[strchr("[<('", open) - "[<('"];
    for (; open == '\'' ? **at != close : (skip(at), **at != close);) {
        wf_assert(**at);
        if (open == '\'') {
            unsigned char byte = text_byte(at);
            put(b, &byte, 1);
        } else if (open == '[') {
            put_float(b, strtod(*at, (char **)at));
        } else if (open == '(') {
            uint64_t fixed = strtoull(*at, (char **)at, 10);
            put(b, &fixed, sizeof fixed);
        } else {
            put_varint(b, (uint64_t)strtoll(*at, (char **)at, 10));
        }
    }
    (*at)++;
}

static void put_delimited(const char **at, unsigned tag, struct buffer *b)
{
    struct buffer content = {0};
    char open = *(*at)++;
    parse_content(at, open, &content);
    unsigned long times = count_after_star(at);
    put_varint(b, (uint64_t)tag << 3 | 2);
    put_varint(b, content.size * times);
    for (unsigned long i = 0; i < times; i++) {
        put(b, content.data, content.size);
    }
    wf_xfree(content.data);
}

static void put_number(const char **at, unsigned tag, struct buffer *b)
{
    char *end = NULL;
    double real = strtod(*at, &end);
    if (*end == 'f') {
        put_varint(b, (uint64_t)tag << 3 | 5);
        put_float(b, real);
    } else if (*end == 'd') {
        put_varint(b, (uint64_t)tag << 3 | 1);
        put(b, &real, sizeof real);
    } else {
        put_varint(b, (uint64_t)tag << 3);
        put_varint(b, **at == '-' ? (uint64_t)strtoll(*at, NULL, 10) : strtoull(*at, NULL, 10));
        end--;
    }
    *at = end + 1;
}

static void parse_fields(const char **at, struct buffer *b)
{
    for (skip(at); **at && **at != '}'; skip(at)) {
        unsigned tag = (unsigned)strtoul(*at, (char **)at, 10);
        unsigned long times = count_after_star(at);
        wf_assert(tag && *(*at)++ == ':');
        const char *value = *at;
        for (unsigned long i = 0; i < times; i++) {
            *at = value;
            if (strchr("{['<(", *value)) {
                put_delimited(at, tag, b);
            } else {
                put_number(at, tag, b);
            }
        }
    }
}

unsigned char *wire_text(struct wf_arena *arena, const char *text, size_t *size)
{
    struct buffer b = {0};
    parse_fields(&text, &b);
    wf_assert(!*text);
    unsigned char *copy = wf_arena_alloc(arena, b.size);
    wf_assert(copy);
    memcpy(copy, b.data ? b.data : (const unsigned char *)"", b.size);
    *size = b.size;
    wf_xfree(b.data);
    return copy;
}

static void *take(void *arena, size_t size)
{
    return wf_arena_alloc(arena, size);
}

static void leave(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

ProtobufCMessage *wire_decode(struct wf_arena *arena, const ProtobufCMessageDescriptor *d,
                              const unsigned char *data, size_t size)
{
    ProtobufCAllocator allocator = {.alloc = take, .free = leave, .allocator_data = arena};
    return protobuf_c_message_unpack(d, &allocator, size, data);
}

unsigned char *wire_encode(struct wf_arena *arena, const ProtobufCMessage *msg, size_t *size)
{
    *size = protobuf_c_message_get_packed_size(msg);
    unsigned char *data = wf_arena_alloc(arena, *size);
    wf_assert(data);
    wf_assert(protobuf_c_message_pack(msg, data) == *size);
    return data;
}

ProtobufCMessage *wire_resend(struct wf_arena *arena, const ProtobufCMessage *msg)
{
    wf_assert(msg);
    size_t size = 0;
    unsigned char *data = wire_encode(arena, msg, &size);
    wf_assert(wire_scan(data, size, msg->descriptor, NULL) == WF_OK);
    return wire_decode(arena, msg->descriptor, data, size);
}

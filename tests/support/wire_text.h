/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_text.h - protobuf bytes from a line of text, and messages from bytes, for tests.
 *
 * Tests cannot see the generated messages, and a bad message cannot be built with them anyway; so
 * a table holds lines such as
 *
 *   1:'g1' 3:{3:[0.5 -1 nan] 4:10 5:0} 6*3:'brand' 5:<1 2 3> 4:1.5f 3:0.25d 2:'x'*65
 *
 * tag:value with an integer (varint), f (32 bits), d (64 bits), 'text' (\0 is a NUL, \xHH a byte),
 * {message}, [packed floats], <packed varints> or (packed fixed64); tag*n repeats a field, a
 * trailing *n repeats the content of a text or a packed list. One thread.
 */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include "proto/wire.h"

/* A group's arena of 64 MiB, and cmocka's functions that make and release it. */
extern struct wf_arena *const wire_arena;
int wire_arena_setup(void **state);
int wire_arena_teardown(void **state);

/* Bytes of `text` in the arena; aborts on a fault in the text. */
unsigned char *wire_text(struct wf_arena *arena, const char *text, size_t *size);
/* Decodes into the arena; NULL when the bytes are no message of `d` or the arena is full. */
ProtobufCMessage *wire_decode(struct wf_arena *arena, const ProtobufCMessageDescriptor *d,
                              const unsigned char *data, size_t size);
/* Packs into the arena. */
unsigned char *wire_encode(struct wf_arena *arena, const ProtobufCMessage *msg, size_t *size);
/* Packs and decodes: what the other end sees. */
ProtobufCMessage *wire_resend(struct wf_arena *arena, const ProtobufCMessage *msg);

#endif

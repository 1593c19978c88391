/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_scan.c - a look at a message's bytes before they are decoded.
 *
 * The decoder (protobuf-c 1.4) copies a string with a NUL inside so that strlen lies, keeps the
 * last of several oneof members without a word, and allocates for every element that it is told
 * about. So the bytes are walked once by the descriptor, without allocating: the stack of open
 * messages is a fixed array (no message of ours nests deeper), and values are skipped by length, so
 * a packed vector costs nothing. Unknown fields of any valid shape pass: a newer peer may send
 * them. Encoding: https://protobuf.dev/programming-guides/encoding.
 */
#include "proto/wire.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire_check.h"
#include "weft/v1/recommend.pb-c.h"

enum { DEPTH_MAX = 8, FIELDS_MAX = 32 };

/* One message being walked. */
struct level {
    const ProtobufCMessageDescriptor *d;
    const unsigned char *at, *end;
    const ProtobufCFieldDescriptor *field; /* the one that holds the next level */
    uint32_t seen[FIELDS_MAX];             /* elements so far, by field */
};
struct scan {
    struct level levels[DEPTH_MAX];
    int depth; /* of the innermost level, from 0 */
    struct wf_error *err;
};

/* One field as it stands on the wire. */
struct item {
    uint32_t tag, type;
    const unsigned char *data; /* length-delimited: its content */
    size_t size;
};

/* Fails at `field` (NULL: an unknown one) of the innermost message. */
static enum wf_code refuse(struct scan *s, const char *reason,
                           const ProtobufCFieldDescriptor *field, const char *what)
{
    struct wire_place at = wire_place(s->err, "");
    if (!s->err) {
        return WF_INVALID;
    }
    size_t used = 0;
    for (int i = 0; i <= s->depth; i++) {
        const struct level *in = &s->levels[i];
        const ProtobufCFieldDescriptor *f = i == s->depth ? field : in->field;
        if (!f) {
            break;
        }
        bool subject = in->d == &weft__v1__recommend_request__descriptor &&
                       f->quantifier_offset == offsetof(Weft__V1__RecommendRequest, subject_case);
        char index[16] = "";
        if (f->label == PROTOBUF_C_LABEL_REPEATED && in->seen[f - in->d->fields]) {
            snprintf(index, sizeof index, "[%u]", in->seen[f - in->d->fields] - 1);
        }
        int size = snprintf(at.path + used, sizeof at.path - used, "%s%s%s%s", used ? "." : "",
                            subject ? "subject." : "", f->name, index);
        used += size > 0 ? (size_t)size : 0;
        used = used < sizeof at.path ? used : sizeof at.path - 1;
    }
    return wire_bad(&at, reason, "", "%s", what);
}

static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        value |= shift < 64 ? (uint64_t)(byte & 0x7F) << shift : 0;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* Takes the next field off the innermost message; false when the bytes are no field. */
static bool next_item(struct level *in, struct item *out)
{
    uint64_t key = 0;
    uint64_t size = 0;
    if (!read_varint(&in->at, in->end, &key) || key > UINT32_MAX || key >> 3 == 0) {
        return false;
    }
    *out = (struct item){.tag = (uint32_t)(key >> 3), .type = (uint32_t)(key & 7)};
    switch (out->type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(&in->at, in->end, &size);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        size = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        size = 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!read_varint(&in->at, in->end, &size)) {
            return false;
        }
        break;
    default: /* groups, and numbers that are no wire type */
        return false;
    }
    if (size > (uint64_t)(in->end - in->at)) {
        return false;
    }
    out->data = in->at;
    out->size = (size_t)size;
    in->at += size;
    return true;
}

/* The wire type of one value of a field. */
static uint32_t wire_type(ProtobufCType type)
{
    static const uint32_t types[] = {
        [PROTOBUF_C_TYPE_SFIXED32] = PROTOBUF_C_WIRE_TYPE_32BIT,
        [PROTOBUF_C_TYPE_FIXED32] = PROTOBUF_C_WIRE_TYPE_32BIT,
        [PROTOBUF_C_TYPE_FLOAT] = PROTOBUF_C_WIRE_TYPE_32BIT,
        [PROTOBUF_C_TYPE_SFIXED64] = PROTOBUF_C_WIRE_TYPE_64BIT,
        [PROTOBUF_C_TYPE_FIXED64] = PROTOBUF_C_WIRE_TYPE_64BIT,
        [PROTOBUF_C_TYPE_DOUBLE] = PROTOBUF_C_WIRE_TYPE_64BIT,
        [PROTOBUF_C_TYPE_STRING] = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
        [PROTOBUF_C_TYPE_BYTES] = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
        [PROTOBUF_C_TYPE_MESSAGE] = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
    };
    return types[type]; /* the others are varints, type 0 */
}

/* Whether the content of a packed field is whole values. */
static bool packed_is_whole(const struct item *item, uint32_t type)
{
    if (type != PROTOBUF_C_WIRE_TYPE_VARINT) {
        return item->size % (type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4) == 0;
    }
    const unsigned char *at = item->data;
    uint64_t value = 0;
    while (at < item->data + item->size) {
        if (!read_varint(&at, item->data + item->size, &value)) {
            return false;
        }
    }
    return true;
}

/* Another member of the same oneof that came before, in this message. */
static bool oneof_taken(const struct level *in, const ProtobufCFieldDescriptor *field)
{
    for (unsigned i = 0; (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && i < in->d->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &in->d->fields[i];
        if (other != field && (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && in->seen[i] &&
            other->quantifier_offset == field->quantifier_offset) {
            return true;
        }
    }
    return false;
}

/* Counts a known field and checks what does not need its content. */
static enum wf_code check_shape(struct scan *s, const struct item *item,
                                const ProtobufCFieldDescriptor *field)
{
    struct level *in = &s->levels[s->depth];
    uint32_t want = wire_type(field->type);
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    bool long_value = want == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    bool packed = repeated && !long_value && item->type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    if (item->type != want && !packed) {
        return refuse(s, "MALFORMED", field, "wrong wire type");
    }
    if (packed) {
        return packed_is_whole(item, want)
                   ? WF_OK
                   : refuse(s, "MALFORMED", field, "packed values are cut short");
    }
    if (oneof_taken(in, field)) {
        return refuse(s, "CONFLICT", field, "another alternative is set too");
    }
    if (repeated && long_value && in->seen[field - in->d->fields] >= WIRE_REPEATED_MAX) {
        in->seen[field - in->d->fields] = 0;
        return refuse(s, "TOO_MANY", field, "more than 65536 elements");
    }
    in->seen[field - in->d->fields]++;
    return WF_OK;
}

static enum wf_code open_level(struct scan *s, const struct item *item,
                               const ProtobufCFieldDescriptor *field)
{
    if (s->depth + 1 == DEPTH_MAX) {
        return refuse(s, "MALFORMED", field, "nested too deeply");
    }
    s->levels[s->depth].field = field;
    s->depth++;
    s->levels[s->depth] =
        (struct level){.d = field->descriptor, .at = item->data, .end = item->data + item->size};
    wf_assert(s->levels[s->depth].d->n_fields <= FIELDS_MAX);
    return WF_OK;
}

/* One field of the innermost message; may open another level. */
static enum wf_code step(struct scan *s)
{
    struct level *in = &s->levels[s->depth];
    struct item item;
    if (!next_item(in, &item)) {
        return refuse(s, "MALFORMED", NULL, "the bytes are no protobuf message");
    }
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(in->d, item.tag);
    if (!field) {
        return WF_OK;
    }
    WIRE_TRY(check_shape(s, &item, field));
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return open_level(s, &item, field);
    }
    if (field->type == PROTOBUF_C_TYPE_STRING && item.size && memchr(item.data, 0, item.size)) {
        return refuse(s, "MALFORMED", field, "a NUL inside a string");
    }
    return WF_OK;
}

enum wf_code wire_scan(const unsigned char *data, size_t size, const ProtobufCMessageDescriptor *d,
                       struct wf_error *err)
{
    wf_assert(d->n_fields <= FIELDS_MAX);
    struct scan s;
    s.err = err;
    s.depth = 0;
    s.levels[0] = (struct level){.d = d, .at = data, .end = data + size};
    while (s.depth >= 0) {
        if (s.levels[s.depth].at == s.levels[s.depth].end) {
            s.depth--;
            continue;
        }
        WIRE_TRY(step(&s));
    }
    return WF_OK;
}

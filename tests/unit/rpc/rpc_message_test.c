/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_message_test.c - claims about packing and unpacking: any split into slices, any arena limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "google/rpc/status.pb-c.h"
#include "rpc/rpc_internal.h"

#define N_DETAILS 40
#define TYPE      (&google__rpc__status__descriptor)

struct sample {
    Google__Rpc__Status status;
    Google__Protobuf__Any any[N_DETAILS], *list[N_DETAILS];
    char urls[N_DETAILS][32];
};

static void sample_init(struct sample *s)
{
    google__rpc__status__init(&s->status);
    s->status.code = 7;
    s->status.message = s->urls[0];
    for (unsigned i = 0; i < N_DETAILS; i++) {
        google__protobuf__any__init(&s->any[i]);
        snprintf(s->urls[i], sizeof s->urls[i], "type-%u", i);
        s->any[i].type_url = s->urls[i];
        s->list[i] = &s->any[i];
    }
    s->status.details = s->list;
    s->status.n_details = N_DETAILS;
}

/* The packed sample in pieces of `piece` bytes. */
static grpc_byte_buffer *in_pieces(const struct sample *s, size_t piece)
{
    grpc_slice all = rpc_pack(&s->status.base, rpc_packed_size(&s->status.base));
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(NULL, 0);
    for (size_t at = 0; at < GRPC_SLICE_LENGTH(all); at += piece) {
        const size_t end =
            at + piece < GRPC_SLICE_LENGTH(all) ? at + piece : GRPC_SLICE_LENGTH(all);
        grpc_slice_buffer_add_indexed(&b->data.raw.slice_buffer, grpc_slice_sub(all, at, end));
    }
    grpc_slice_unref(all);
    return b;
}

static void any_split_into_slices_gives_the_message(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s);
    static const size_t pieces[] = {1, 7, 100, 100000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct wf_arena arena;
        struct wf_error err;
        ProtobufCMessage *msg = NULL;
        wf_arena_init(&arena, 1 << 20);
        assert_int_equal(rpc_unpack(in_pieces(&s, pieces[i]), TYPE, &arena, &msg, &err), WF_OK);
        const Google__Rpc__Status *back = (const void *)msg;
        assert_int_equal(back->n_details, N_DETAILS);
        assert_string_equal(back->details[N_DETAILS - 1]->type_url, s.urls[N_DETAILS - 1]);
        wf_arena_fini(&arena);
    }
}

/* Fault sweep: with every limit the outcome is a code, and enough is enough. */
static void any_arena_limit_gives_a_code(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s);
    bool enough = false;
    for (size_t limit = 0; limit < 16384; limit += 16) {
        struct wf_arena arena;
        struct wf_error err;
        ProtobufCMessage *msg = NULL;
        wf_arena_init(&arena, limit);
        const enum wf_code code = rpc_unpack(in_pieces(&s, 64), TYPE, &arena, &msg, &err);
        assert_true(code == WF_OK || (code == WF_EXHAUSTED && !enough));
        enough = code == WF_OK;
        assert_true(arena.used <= limit);
        wf_arena_fini(&arena);
    }
    assert_true(enough);
}

static void no_message_and_a_compressed_one_are_refused(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s);
    struct wf_arena arena;
    struct wf_error err;
    ProtobufCMessage *msg = NULL;
    wf_arena_init(&arena, 1 << 20);
    assert_int_equal(rpc_unpack(NULL, TYPE, &arena, &msg, &err), WF_INVALID);
    grpc_byte_buffer *b = in_pieces(&s, 64);
    b->data.raw.compression = GRPC_COMPRESS_GZIP;
    assert_int_equal(rpc_unpack(b, TYPE, &arena, &msg, &err), WF_UNIMPLEMENTED);
    assert_string_equal(err.reason, "COMPRESSED");
    assert_null(msg);
    wf_arena_fini(&arena);
}

static void an_empty_message_is_a_message(void **state)
{
    (void)state;
    struct wf_arena arena;
    struct wf_error err;
    ProtobufCMessage *msg = NULL;
    wf_arena_init(&arena, 4096);
    assert_int_equal(rpc_unpack(grpc_raw_byte_buffer_create(NULL, 0), TYPE, &arena, &msg, &err),
                     WF_OK);
    assert_non_null(msg);
    wf_arena_fini(&arena);
}

static void deadlines_survive_the_way_to_grpc_and_back(void **state)
{
    (void)state;
    static const int64_t all[] = {0,        1, 999999999, 1000000000, INT64_C(1234567890123456789),
                                  INT64_MAX};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_true(rpc_from_timespec(rpc_to_timespec(all[i])) == all[i]);
    }
    assert_true(rpc_from_timespec(rpc_to_timespec(-5)) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_into_slices_gives_the_message),
        cmocka_unit_test(any_arena_limit_gives_a_code),
        cmocka_unit_test(no_message_and_a_compressed_one_are_refused),
        cmocka_unit_test(an_empty_message_is_a_message),
        cmocka_unit_test(deadlines_survive_the_way_to_grpc_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

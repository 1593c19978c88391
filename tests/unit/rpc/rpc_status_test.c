/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_status_test.c - claims about struct wf_error as google.rpc.Status, and about clean text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "rpc/rpc_internal.h"

static void cleaned(const char *from, const char *want)
{
    char to[16];
    rpc_clean_text(from, to, sizeof to);
    assert_string_equal(to, want);
}

static void text_becomes_valid_utf8_without_controls(void **state)
{
    (void)state;
    cleaned("", "");
    cleaned("abc", "abc");
    cleaned("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
    cleaned("\xe2\x82\xac \xf0\x9f\x91\x97", "\xe2\x82\xac \xf0\x9f\x91\x97");
    cleaned("a\nb\x7f", "a?b?");
    cleaned("\xff\xc3", "?\?");
    cleaned("\xc0\xaf", "?\?");             /* overlong */
    cleaned("\xed\xa0\x80", "?\?\?");       /* surrogate */
    cleaned("\xf5\x80\x80\x80", "?\?\?\?"); /* beyond U+10FFFF */
    cleaned("\xe2\x82", "?\?");             /* cut off */
    cleaned("0123456789abcdefgh", "0123456789abcde");
    cleaned("0123456789abc\xe2\x82\xac", "0123456789abc"); /* never half a character */
}

/* Packs and reads back; the packed size is returned. */
static size_t round_trip(const struct wf_error *err, const ProtobufCMessage *extra,
                         struct wf_error *back, bool *has_extra)
{
    grpc_slice packed;
    assert_true(rpc_status_pack(err, extra, &packed));
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 20);
    *back = (struct wf_error){.code = err->code};
    rpc_status_read(GRPC_SLICE_START_PTR(packed), GRPC_SLICE_LENGTH(packed), &arena, back);
    if (extra) {
        *has_extra = rpc_status_find(GRPC_SLICE_START_PTR(packed), GRPC_SLICE_LENGTH(packed),
                                     extra->descriptor, &arena) != NULL;
    }
    const size_t size = GRPC_SLICE_LENGTH(packed);
    wf_arena_fini(&arena);
    grpc_slice_unref(packed);
    return size;
}

static void what_is_packed_is_read_back(void **state)
{
    (void)state;
    struct wf_error err, back;
    wf_invalid(&err, "BAD_K", "subject.k", "k=7, limit is 5");
    err.retry_ms = 12345;
    (void)round_trip(&err, NULL, &back, NULL);
    assert_string_equal(back.reason, "BAD_K");
    assert_string_equal(back.field, "subject.k");
    assert_int_equal(back.retry_ms, 12345);
}

static void nothing_beyond_code_and_text_packs_nothing(void **state)
{
    (void)state;
    struct wf_error err;
    grpc_slice packed;
    wf_fail(&err, WF_INTERNAL, "broken");
    assert_false(rpc_status_pack(&err, NULL, &packed));
}

static void details_stay_under_the_limit_of_metadata(void **state)
{
    (void)state;
    struct wf_error err, back;
    wf_invalid(&err, "BAD", "field", "text");
    static char text[2 * RPC_MAX_DETAILS];
    static const size_t sizes[] = {10, RPC_MAX_DETAILS - 400, RPC_MAX_DETAILS - 100,
                                   RPC_MAX_DETAILS, sizeof text - 1};
    static const bool kept[] = {true, true, false, false, false};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        Google__Protobuf__Any extra = GOOGLE__PROTOBUF__ANY__INIT;
        extra.type_url = text;
        bool has_extra = false;
        assert_true(round_trip(&err, &extra.base, &back, &has_extra) <= RPC_MAX_DETAILS);
        assert_int_equal(has_extra, kept[i]);
        assert_string_equal(back.reason, "BAD");
    }
}

static void damaged_details_are_passed_over(void **state)
{
    (void)state;
    static const unsigned char bad[] = {0x08, 0x03, 0x1a, 0x7f, 0x0a};
    struct wf_arena arena;
    wf_arena_init(&arena, 4096);
    struct wf_error err;
    wf_fail(&err, WF_UNAVAILABLE, "away");
    rpc_status_read(bad, sizeof bad, &arena, &err);
    rpc_status_read(NULL, 0, &arena, &err);
    assert_string_equal(err.text, "away");
    assert_string_equal(err.reason, "");
    assert_null(rpc_status_find(bad, sizeof bad, &google__rpc__error_info__descriptor, &arena));
    wf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_valid_utf8_without_controls),
        cmocka_unit_test(what_is_packed_is_read_back),
        cmocka_unit_test(nothing_beyond_code_and_text_packs_nothing),
        cmocka_unit_test(details_stay_under_the_limit_of_metadata),
        cmocka_unit_test(damaged_details_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

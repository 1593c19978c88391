/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_scan_test.c - what the decoder cannot report is found in the bytes, with its field; and the
 * UTF-8 check agrees with a plain decoder on random bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "proto/wire_check.h"
#include "tests/support/wire_text.h"

static const struct {
    enum wire_method method;
    const char *text, *reason, *field;
} bad[] = {
    {WIRE_RECOMMEND, "1:'a\\0b'", "MALFORMED", "request_id"},
    {WIRE_RECOMMEND, "4:{1:'\\0'}", "MALFORMED", "subject.user.id"},
    {WIRE_RECOMMEND, "5:{1:'a' 1:'b\\0'}", "MALFORMED", "subject.items.skus[1]"},
    {WIRE_RECOMMEND, "18:{2:'\\0'}", "MALFORMED", "context.user"},
    {WIRE_RECOMMEND, "3:{3:[1]} 4:{1:'u'}", "CONFLICT", "subject.user"},
    {WIRE_RECOMMEND, "5:{} 6:{}", "CONFLICT", "subject.session"},
    {WIRE_RECOMMEND, "13:{1:4 2:4}", "CONFLICT", "effort.ef_search"},
    {WIRE_RECOMMEND, "8:1f", "MALFORMED", "k"},
    {WIRE_RECOMMEND, "8:'x'", "MALFORMED", "k"},
    {WIRE_RECOMMEND, "12:1", "MALFORMED", "target_recall"},
    {WIRE_RECOMMEND, "2:7", "MALFORMED", "surface"},
    {WIRE_RECOMMEND, "3:1d", "MALFORMED", "subject.vector"},
    {WIRE_RECOMMEND, "3:{3:'abc'}", "MALFORMED", "subject.vector.values"},
    {WIRE_RECOMMEND, "5:{1*65537:'a'}", "TOO_MANY", "subject.items.skus"},
    {WIRE_RECOMMEND_BATCH, "1:{} 1:{2:'\\0'}", "MALFORMED", "requests[1].surface"},
    {WIRE_SEARCH, "3:{} 3:{1:'\\0'}", "MALFORMED", "probes[1].space"},
    {WIRE_SEARCH, "4*2:{} 4:{1*9:'a' 1:'\\0'}", "MALFORMED", "lookups[2].skus[9]"},
    {WIRE_SEARCH, "3:{5:1 7:1}", "CONFLICT", "probes[0].exact"},
    {WIRE_SEARCH, "5:'\\xff'", "MALFORMED", "features"},
    {WIRE_FETCH, "2:'ok' 2:'\\0'", "MALFORMED", "skus[1]"},
};

static void what_the_decoder_hides_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wf_error err;
        size_t size = 0;
        const unsigned char *data = wire_text(wire_arena, bad[i].text, &size);
        print_message("%s\n", bad[i].text);
        assert_int_equal(WF_INVALID,
                         wire_scan(data, size, wire_method(bad[i].method)->request, &err));
        assert_string_equal(bad[i].reason, err.reason);
        assert_string_equal(bad[i].field, err.field);
        assert_int_equal(WF_INVALID,
                         wire_scan(data, size, wire_method(bad[i].method)->request, NULL));
        wf_arena_reset(wire_arena);
    }
}

static void bytes_that_are_no_message_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x0a", 1}, /* a length is due */
        {"\x0a\x05"  /* five bytes are due */
         "abc",
         5},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* a length of 2^64 - 1 */
        {"\x0a\xff\xff\xff\xff\x0f", 6},                          /* a length of 2^32 - 1 */
        {"\x40", 1},                                              /* a varint is due */
        {"\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12}, /* 11 bytes of varint */
        {"\x65\x00\x00", 3},                                      /* four bytes are due */
        {"\x00\x01", 2},                                          /* tag 0 */
        {"\x0b", 1},                                              /* a group */
        {"\x0c", 1},                                              /* the end of one */
        {"\x0e\x01", 2},                                          /* wire type 6 */
        {"\xf8\xff\xff\xff\xff\xff\x01\x00", 8},                  /* a tag over 32 bits */
        {"\x22\x03\x0a\x05u", 5},                                 /* overruns its message */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wf_error err;
        assert_int_equal(WF_INVALID, wire_scan((const unsigned char *)cases[i].bytes, cases[i].size,
                                               wire_method(WIRE_RECOMMEND)->request, &err));
        assert_string_equal("MALFORMED", err.reason);
    }
}

static void good_bytes_pass(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "1:'r' 3:{1:'s' 3:[1 2]} 8:10",
        "3:{3:1f 3:2f 3:[3 4]}", /* packed or not is the sender's choice */
        "4:{1:'a'} 4:{1:'b'}",   /* the same member twice */
        "100:'\\0' 101:5 102:1f 103:1d 104:{1:'newer'}",
        "19:18446744073709551615",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        size_t size = 0;
        const unsigned char *data = wire_text(wire_arena, good[i], &size);
        assert_int_equal(WF_OK, wire_scan(data, size, wire_method(WIRE_RECOMMEND)->request, NULL));
    }
    assert_int_equal(WF_OK, wire_scan(NULL, 0, wire_method(WIRE_STATS)->request, NULL));
}

/* Decodes code points one by one; slower and simpler than the check under test. */
static bool utf8_by_value(const unsigned char *s, size_t size)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < size;) {
        unsigned more = s[i] < 0x80 ? 0 : s[i] < 0xC0 ? 9 : s[i] < 0xE0 ? 1 : s[i] < 0xF0 ? 2 : 3;
        if (more == 9 || s[i] >= 0xF8 || size - i <= more) {
            return false;
        }
        uint32_t value = more ? s[i] & (0x3FU >> more) : s[i];
        for (unsigned j = 1; j <= more; j++) {
            if ((s[i + j] & 0xC0) != 0x80) {
                return false;
            }
            value = value << 6 | (s[i + j] & 0x3F);
        }
        if (value < least[more] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

static void utf8_agrees_with_a_plain_decoder(void **state)
{
    (void)state;
    static const unsigned char alphabet[] = {'a',  0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                             0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF,
                                             0xF0, 0xF1, 0xF4, 0xF5, 0xFF, 0xED, 0xF4, 0xE0};
    uint64_t seed = (uint64_t)wf_now();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 0);
    int valid = 0;
    for (int i = 0; i < 300000; i++) {
        unsigned char s[20];
        size_t prefix = wf_random_below(&r, 12);
        size_t size = prefix + wf_random_below(&r, 6);
        memset(s, 'x', prefix);
        for (size_t j = prefix; j < size; j++) {
            s[j] = alphabet[wf_random_below(&r, sizeof alphabet)];
        }
        bool want = utf8_by_value(s, size);
        valid += want;
        assert_int_equal(want, wire_utf8((const char *)s, size));
    }
    assert_in_range(valid, 1000, 299000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_decoder_hides_is_found),
        cmocka_unit_test(bytes_that_are_no_message_are_refused),
        cmocka_unit_test(good_bytes_pass),
        cmocka_unit_test(utf8_agrees_with_a_plain_decoder),
    };
    return cmocka_run_group_tests(tests, wire_arena_setup, wire_arena_teardown);
}

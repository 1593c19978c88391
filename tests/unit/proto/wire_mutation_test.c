/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_mutation_test.c - good messages of every kind come back as the same bytes; damaged ones are
 * refused or read, within the arena limit and the same way every time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "tests/support/wire_exercise.h"
#include "tests/support/wire_text.h"

enum { ROUNDS = 3000, GROWTH = 64 };

static void samples_come_back_as_the_same_bytes(void **state)
{
    (void)state;
    size_t n = 0;
    const struct wire_sample *samples = wire_samples(&n);
    for (size_t i = 0; i < n; i++) {
        struct wf_arena arena;
        wf_arena_init(&arena, 1 << 20);
        struct wf_error err = {0};
        bool same = false;
        size_t size = 0;
        const unsigned char *data = wire_text(&arena, samples[i].text, &size);
        print_message("%s: %s\n", wire_kind_name(samples[i].kind), samples[i].text);
        enum wf_code code = wire_exercise(samples[i].kind, data, size, &same, &err);
        assert_string_equal("", err.text);
        assert_int_equal(WF_OK, code);
        assert_true(same);
        wf_arena_fini(&arena);
    }
}

/* One to four small damages; gives the new size, at most GROWTH more. */
static size_t damage(struct wf_random *r, unsigned char *data, size_t size)
{
    size_t most = size + GROWTH;
    for (uint64_t times = 1 + wf_random_below(r, 4); times; times--) {
        size_t at = size ? wf_random_below(r, size) : 0;
        unsigned char byte = (unsigned char)wf_random_next(r);
        switch (wf_random_below(r, 5)) {
        case 0: /* a bit */
            data[at] = (unsigned char)(data[at] ^ (size ? 1U << (byte & 7) : 0));
            break;
        case 1: /* a byte */
            data[at] = size ? byte : data[at];
            break;
        case 2: /* cut short */
            size = at;
            break;
        case 3: /* one byte more */
            if (size < most) {
                memmove(data + at + 1, data + at, size - at);
                data[at] = byte;
                size++;
            }
            break;
        default: /* one byte less */
            if (size) {
                memmove(data + at, data + at + 1, size - at - 1);
                size--;
            }
            break;
        }
    }
    return size;
}

static void damaged_messages_are_refused_or_read(void **state)
{
    (void)state;
    const char *given = getenv("WEFT_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)wf_now();
    print_message("WEFT_TEST_SEED=%llu\n", (unsigned long long)seed);
    struct wf_random r = wf_random_of(seed, 0);
    size_t n = 0;
    size_t refused = 0;
    const struct wire_sample *samples = wire_samples(&n);
    for (size_t i = 0; i < n; i++) {
        struct wf_arena arena;
        wf_arena_init(&arena, 1 << 20);
        size_t size = 0;
        const unsigned char *data = wire_text(&arena, samples[i].text, &size);
        unsigned char *copy = wf_arena_alloc(&arena, size + GROWTH);
        for (int round = 0; round < ROUNDS; round++) {
            struct wf_error err;
            memcpy(copy, data, size);
            size_t left = damage(&r, copy, size);
            unsigned char *exact = wf_xmalloc(left); /* so that an overrun is seen */
            memcpy(exact, copy, left);
            refused += wire_exercise(samples[i].kind, exact, left, NULL, &err) != WF_OK;
            wf_xfree(exact);
        }
        wf_arena_fini(&arena);
    }
    print_message("%zu of %zu refused\n", refused, n * ROUNDS);
    assert_in_range(refused, n * ROUNDS / 10, n * ROUNDS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_back_as_the_same_bytes),
        cmocka_unit_test(damaged_messages_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

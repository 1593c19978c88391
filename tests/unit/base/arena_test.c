/* SPDX-License-Identifier: Apache-2.0
 *
 * arena_test.c - alignment, the byte limit, reset, and the growing heap block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    struct wf_arena a;
    wf_arena_init(&a, 1 << 20);
    for (size_t i = 0; i < 300; i++) {
        unsigned char *p = wf_arena_alloc(&a, i);
        unsigned char *q = wf_arena_alloc64(&a, i);
        assert_non_null(p);
        assert_non_null(q);
        assert_int_equal(0, (uintptr_t)p % 16);
        assert_int_equal(0, (uintptr_t)q % 64);
        assert_ptr_not_equal(p, q);
        memset(p, 1, i);
        memset(q, 2, i);
        assert_true(i == 0 || (p[i - 1] == 1 && q[0] == 2));
    }
    wf_arena_fini(&a);
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 10000; limit += 16) {
        struct wf_arena a;
        wf_arena_init(&a, limit);
        size_t n = 0;
        while (wf_arena_alloc(&a, 100)) {
            n++;
        }
        assert_int_equal(limit / 112, n);
        assert_int_equal(n * 112, a.used);
        wf_arena_fini(&a);
    }
}

static void overflow_gives_null(void **state)
{
    (void)state;
    struct wf_arena a;
    wf_arena_init(&a, SIZE_MAX);
    assert_null(wf_arena_calloc_array(&a, 8, SIZE_MAX / 4));
    assert_null(wf_arena_alloc(&a, SIZE_MAX));
    assert_null(wf_arena_alloc64(&a, SIZE_MAX - 8));
    assert_int_equal(0, a.used);
    wf_arena_fini(&a);
}

static void reset_keeps_the_first_block(void **state)
{
    (void)state;
    struct wf_arena a;
    wf_arena_init(&a, 1 << 20);
    void *first = wf_arena_alloc(&a, 100);
    assert_non_null(wf_arena_alloc(&a, 100000));
    wf_arena_reset(&a);
    assert_int_equal(0, a.used);
    assert_ptr_equal(first, wf_arena_alloc(&a, 50));
    wf_arena_reset(&a);
    wf_arena_fini(&a);
    wf_arena_fini(&a);
}

static void arrays_are_zero_and_strings_are_copies(void **state)
{
    (void)state;
    struct wf_arena a;
    wf_arena_init(&a, 4096);
    memset(wf_arena_alloc(&a, 1024), 0xFF, 1024);
    wf_arena_reset(&a);
    uint64_t *zeros = wf_array(&a, uint64_t, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(0, zeros[i]);
    }
    assert_string_equal("weft", wf_arena_strdup(&a, "weft"));
    assert_string_equal("we", wf_arena_strndup(&a, "weft", 2));
    assert_string_equal("shard-003", wf_arena_printf(&a, "shard-%03d", 3));
    assert_null(wf_arena_printf(&a, "%*d", 8000, 1));
    wf_arena_fini(&a);
}

static void the_heap_grows_by_doubling(void **state)
{
    (void)state;
    int *items = NULL;
    size_t cap = 0;
    for (int i = 0; i < 1000; i++) {
        wf_xgrow(&items, &cap, (size_t)i + 1, sizeof *items);
        items[i] = i;
    }
    assert_int_equal(1024, cap);
    assert_int_equal(999, items[999]);
    wf_xfree(items);
    char *text = wf_xprintf("%s-%d", "a", 1);
    assert_string_equal("a-1", text);
    wf_xfree(text);
    float *block = wf_xmalloc64(1000);
    assert_int_equal(0, (uintptr_t)block % 64);
    wf_xfree(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(overflow_gives_null),
        cmocka_unit_test(reset_keeps_the_first_block),
        cmocka_unit_test(arrays_are_zero_and_strings_are_copies),
        cmocka_unit_test(the_heap_grows_by_doubling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

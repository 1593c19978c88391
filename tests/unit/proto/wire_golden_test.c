/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_golden_test.c - messages that were written by earlier builds still read, and build to the
 * very same bytes: no field changed its number, its type or its meaning.
 *
 * tests/data/messages/<kind>-<n>.bin are never rewritten; new ones are added with
 * make_wire_messages (see there). Each must read; and its bytes must come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>

#include <cmocka.h>

#include "tests/support/wire_exercise.h"

enum { FILE_MAX = 1 << 16 };

static enum wire_kind kind_of(const char *name)
{
    size_t size = strcspn(name, "-");
    for (int i = 0; i < WIRE_N_KINDS; i++) {
        const char *word = wire_kind_name((enum wire_kind)i);
        if (strlen(word) == size && memcmp(word, name, size) == 0) {
            return (enum wire_kind)i;
        }
    }
    fail_msg("%s: no such kind of message", name);
    return WIRE_N_KINDS;
}

static void check_file(const char *dir, const char *name)
{
    static unsigned char data[FILE_MAX];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    assert_in_range(size, 0, FILE_MAX - 1);
    struct wf_error err = {0};
    bool same = false;
    enum wf_code code = wire_exercise(kind_of(name), data, size, &same, &err);
    print_message("%s %zu bytes %s\n", name, size, err.text);
    assert_int_equal(WF_OK, code);
    assert_true(same);
}

static void messages_of_earlier_builds_come_back(void **state)
{
    (void)state;
    const char *source = getenv("WEFT_SOURCE");
    char dir[2048];
    snprintf(dir, sizeof dir, "%s/tests/data/messages", source ? source : ".");
    DIR *d = opendir(dir);
    assert_non_null(d);
    bool seen[WIRE_N_KINDS] = {false};
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.') {
            check_file(dir, e->d_name);
            seen[kind_of(e->d_name)] = true;
        }
    }
    closedir(d);
    for (int i = 0; i < WIRE_N_KINDS; i++) {
        print_message("%s\n", wire_kind_name((enum wire_kind)i));
        assert_true(seen[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_earlier_builds_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

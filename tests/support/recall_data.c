/* SPDX-License-Identifier: Apache-2.0
 *
 * recall_data.c - see recall_data.h.
 */
#include "tests/support/recall_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "tools/vector_file.h"

bool recall_find(const char *file, char path[512])
{
    const char *dir = getenv("WEFT_DATA"), *source = getenv("WEFT_SOURCE");
    if (dir != NULL) {
        snprintf(path, 512, "%s/%s", dir, file);
    } else {
        snprintf(path, 512, "%s/../shared/data/%s", source == NULL ? "." : source, file);
    }
    return wf_exists(path);
}

static void must(enum wf_code code, const struct wf_error *err)
{
    if (code != WF_OK) {
        fail_msg("%s: %s", wf_code_name(code), err->text);
    }
}

float *recall_load(const char *path, uint32_t *dim, size_t *n)
{
    struct tool_vector_file f;
    struct wf_error err;
    float *x = NULL;
    size_t cap = 0;
    must(tool_vector_file_open(path, *dim, &f, &err), &err);
    *dim = f.dim;
    for (*n = 0;; ++*n) {
        bool more = true;
        wf_xgrow(&x, &cap, (*n + 1) * f.dim, sizeof *x);
        must(tool_vector_file_next(&f, x + *n * f.dim, &more, &err), &err);
        if (!more) {
            break;
        }
    }
    tool_vector_file_close(&f);
    return x;
}

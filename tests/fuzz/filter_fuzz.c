/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_fuzz.c - any bytes as a filter: refused with a reason and a column, or a tree whose text
 * parses back to the same text, and which denied twice is the same again.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wf_schema schema = {
    .n_attrs = 6,
    .attrs = {{"k", WF_ATTR_KEYWORD},
              {"t", WF_ATTR_TEXT},
              {"x", WF_ATTR_NUMBER},
              {"y", WF_ATTR_NUMBER},
              {"f", WF_ATTR_FLAG},
              {"and", WF_ATTR_FLAG}},
};

static void check_error(const struct wf_error *err)
{
    wf_assert(err->code == WF_INVALID && strcmp(err->field, "filter") == 0);
    wf_assert(strcmp(err->reason, "MALFORMED") == 0 || strcmp(err->reason, "TYPE") == 0 ||
              strcmp(err->reason, "UNKNOWN_ATTRIBUTE") == 0);
    wf_assert(strncmp(err->text, "column ", 7) == 0);
}

static size_t depth(const struct wf_filter_node *f)
{
    size_t deepest = 0;
    for (uint32_t i = 0; f->op < WF_FILTER_VALUES && i < f->n; i++) {
        const size_t d = depth(f->children[i]);
        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

static void check_same(const char *text, const struct wf_filter *want, bool may_be_refused)
{
    struct wf_filter *f = NULL;
    struct wf_error err;
    if (wf_filter_parse(text, &schema, &f, &err) == WF_OK) {
        wf_assert(strcmp(f->text, want->text) == 0);
        wf_filter_close(f);
    } else {
        check_error(&err);
        wf_assert(may_be_refused);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = wf_xstrndup((const char *)data, size);
    struct wf_filter *f = NULL;
    struct wf_error err;
    if (wf_filter_parse(text, &schema, &f, &err) == WF_OK) {
        wf_assert(depth(f->root) <= WF_FILTER_DEPTH_MAX);
        check_same(f->text, f, false);
        char *twice = wf_xprintf("not (not (%s))", text);
        check_same(twice, f, true); /* the brackets may be too many */
        wf_xfree(twice);
    } else {
        check_error(&err);
    }
    wf_filter_close(f);
    wf_xfree(text);
    return 0;
}

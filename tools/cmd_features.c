/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_features.c - weft features: the features that a model may name, as the Markdown table of
 * docs/FEATURES.md.
 */
#include <stdio.h>

#include "base/arena.h"
#include "ranking/features.h"
#include "tools/commands.h"
#include "tools/text.h"

static void print_json(void)
{
    struct tool_text out = {0};
    size_t n;
    const struct rank_feature *table = rank_features(&n);
    for (size_t i = 0; i < n; i++) {
        tool_text_printf(&out, "%s{\"id\":%u,\"name\":", i == 0 ? "[" : ",", (unsigned)table[i].id);
        tool_text_json(&out, table[i].name);
        tool_text_str(&out, ",\"unit\":");
        tool_text_json(&out, table[i].unit);
        tool_text_str(&out, ",\"value\":");
        tool_text_json(&out, table[i].formula);
        tool_text_char(&out, '}');
    }
    tool_text_str(&out, "]\n");
    fwrite(out.data, 1, out.size, stdout);
    tool_text_fini(&out);
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    (void)err;
    if (call->json) {
        print_json();
        return WF_OK;
    }
    char *page = rank_features_markdown();
    fputs(page, stdout);
    wf_xfree(page);
    return WF_OK;
}

const struct tool_command tool_features = {
    .name = "features",
    .what = "list the features that a ranker may use",
    .examples = "weft features\nweft features --json\n",
    .size = 1, /* it has no arguments */
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_exclude.c - weft exclude: uploads SKUs that lists must not hold and prints the handle to name
 * them by.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/sku_hashes.h"

#define CALL_TIMEOUT (10 * WF_SECOND)

struct args {
    const char *target;
};
static const struct tool_option options[] = {
    {"target", TOOL_STR, offsetof(struct args, target), "HOST:PORT", "The coordinator.", NULL, 0, 0,
     true},
};

static enum wf_code upload(const struct tool_call *call, struct wf_arena *arena,
                           struct wf_error *err)
{
    const struct args *a = call->args;
    struct tool_hashes hashes = {0};
    struct tool_client client;
    struct wire_exclusions_reply reply;
    enum wf_code code = tool_hashes_read(call->operands[0], arena, &hashes, err);
    if (code == WF_OK && hashes.n == 0) {
        code = wf_fail(err, WF_INVALID, "%s: no SKU in it", call->operands[0]);
    }
    if (code == WF_OK) {
        code = tool_client_open(a->target, 1, &client, err);
    }
    if (code != WF_OK) {
        return code;
    }
    const struct wire_exclusions list = {hashes.values, hashes.n};
    code = tool_client_exclude(&client, &list, wf_now() + CALL_TIMEOUT, arena, &reply, err);
    if (code == WF_OK && call->json) {
        printf("{\"handle\":\"%s\",\"count\":%u}\n", reply.handle, reply.n);
    } else if (code == WF_OK) {
        printf("%s\n", reply.handle);
    }
    tool_client_close(&client);
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    struct wf_arena arena;
    wf_arena_init(&arena, TOOL_CLIENT_ARENA_MAX);
    const enum wf_code code = upload(call, &arena, err);
    wf_arena_fini(&arena);
    return code;
}

const struct tool_command tool_exclude = {
    .name = "exclude",
    .what = "keep SKUs that lists must not hold, to be named by a handle",
    .examples = "weft exclude --target 127.0.0.1:7000 seen.txt\n"
                "weft query --target 127.0.0.1:7000 --user u42 --exclude-handle $(weft exclude "
                "--target 127.0.0.1:7000 seen.txt)\n",
    .notes = "The file has one SKU a line, at most 100000, and may be compressed. The handle is a\n"
             "hash of the set: the same set has the same handle everywhere. A coordinator keeps\n"
             "the sets that were used last (limits.exclusions); of another it asks to upload\n"
             "again.\n",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

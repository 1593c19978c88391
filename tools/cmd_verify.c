/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_verify.c - weft verify: reads every byte of a generation, compares every checksum, and opens
 * every part as the servers do, so that what passes here is what serves.
 */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/global.h"
#include "shard/shard.h"
#include "tools/commands.h"
#include "tools/progress.h"

static enum wf_code verify_shards(const char *dir, const struct wf_manifest *m,
                                  struct wf_error *err)
{
    struct tool_progress progress;
    enum wf_code code = WF_OK;
    tool_progress_init(&progress, "verify", "shards", m->n_shards);
    for (uint32_t s = 0; s < m->n_shards && code == WF_OK; s++) {
        struct shard *shard;
        /* Pages are read once and may go again: no limit of memory matters. */
        const struct shard_open_options options = {.memory_limit = UINT64_MAX};
        code = shard_open(dir, s, &options, &shard, err);
        if (code == WF_OK && shard_rows(shard) != m->shard_rows[s]) {
            code = wf_fail(err, WF_DATA_LOSS, "shard %u holds %u rows, the manifest says %" PRIu64,
                           s, shard_rows(shard), m->shard_rows[s]);
        }
        if (code == WF_OK) {
            shard_close(shard);
        }
        tool_progress_at(&progress, s + 1);
    }
    tool_progress_end(&progress, m->n_shards);
    return code;
}

static uint64_t bytes_of(const struct wf_manifest *m)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < m->n_files; i++) {
        sum += m->files[i].size;
    }
    return sum;
}

/* A generation without one of its files is as damaged as one with a wrong byte. */
static enum wf_code damaged(enum wf_code code, struct wf_error *err)
{
    if (code == WF_NOT_FOUND) {
        err->code = WF_DATA_LOSS;
        return WF_DATA_LOSS;
    }
    return code;
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const char *dir = call->operands[0];
    struct coord_global *global;
    enum wf_code code = coord_global_open(dir, &global, err);
    if (code != WF_OK) {
        return damaged(code, err);
    }
    const struct wf_manifest *m = global->manifest;
    code = damaged(verify_shards(dir, m, err), err);
    if (code == WF_OK) {
        printf(call->json ? "{\"generation\":\"%s\",\"content_hash\":\"%s\",\"rows\":%" PRIu64
                            ",\"shards\":%u,\"files\":%u,\"bytes\":%" PRIu64
                            ",\"users\":%u,\"model\":\"%s\"}\n"
                          : "generation %s (%s)\n%" PRIu64 " rows in %u shards\n%u files, %" PRIu64
                            " bytes, every checksum right\n%u users, ranker %s\n",
               m->name, m->content_hash, m->rows, m->n_shards, m->n_files, bytes_of(m),
               global->users.n, global->model);
    }
    coord_global_close(global);
    return code;
}

const struct tool_command tool_verify = {
    .name = "verify",
    .what = "check every checksum and invariant of a generation",
    .examples = "weft verify gen\nweft verify gen --json\n",
    .notes = "Exit code 5 names the file and the section that are damaged.\n",
    .operands = "GEN",
    .min_operands = 1,
    .max_operands = 1,
    .size = 1, /* it has no flags of its own */
    .run = run,
};

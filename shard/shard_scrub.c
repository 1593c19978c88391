/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_scrub.c - see shard_scrub.h.
 */
#include "shard/shard_scrub.h"

#include "base/arena.h"
#include "base/clock.h"
#include "shard/idle.h"

struct shard_scrubber {
    struct shard_scrub_config config;
    struct shard_idle *idle;
};

static int64_t later(int64_t delay)
{
    const int64_t now = wf_now();
    return delay > INT64_MAX - now ? INT64_MAX : now + delay;
}

static int64_t pass(void *ctx, const atomic_bool *stop)
{
    struct shard_scrubber *s = ctx;
    struct wf_error err = {0};
    const int64_t begin = wf_now();
    const enum wf_code code = shard_scrub(s->config.shard, stop, &err);
    if (code != WF_CANCELLED) {
        s->config.done(s->config.ctx, code, &err, wf_now() - begin);
    }
    return code == WF_OK ? later(s->config.interval) : INT64_MAX;
}

enum wf_code shard_scrub_start(const struct shard_scrub_config *config, struct shard_scrubber **out,
                               struct wf_error *err)
{
    struct shard_scrubber *s = wf_xcalloc(1, sizeof *s);
    s->config = *config;
    enum wf_code code = shard_idle_start("scrub", later(config->first), pass, s, &s->idle, err);
    if (code != WF_OK) {
        wf_xfree(s);
        return code;
    }
    *out = s;
    return WF_OK;
}

void shard_scrub_stop(struct shard_scrubber *s)
{
    if (s == NULL) {
        return;
    }
    shard_idle_stop(s->idle);
    wf_xfree(s);
}

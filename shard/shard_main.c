/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_main.c - weft-shard: serves one partition of one generation.
 */
#include <stddef.h>

#include "proto/wire.h"
#include "shard/shard_service.h"

int main(int argc, char **argv)
{
    struct rpc_method methods[SHARD_N_METHODS];
    shard_service_methods(methods);
    const struct rpc_process_app app = {
        .name = "weft-shard",
        .about = "  weft-shard --config shard.conf\n"
                 "  weft-shard --set shard.generation=GEN --set shard.index=0\n"
                 "\n"
                 "Serves weft.internal.v1.ShardService for one shard of one generation.\n",
        .options = shard_options,
        .n_options = SHARD_N_OPTIONS,
        .conf_size = sizeof(struct shard_conf),
        .process_conf = offsetof(struct shard_conf, process),
        .metrics = shard_metrics,
        .n_metrics = SHARD_N_METRICS,
        .methods = methods,
        .n_methods = SHARD_N_METHODS,
        .descriptors = wire_descriptors_all,
        .thread_begin = shard_thread_begin,
        .thread_end = shard_thread_end,
        .check = shard_process_check,
        .open = shard_process_open,
        .ready = shard_process_ready,
        .status = shard_process_status,
        .scrape = shard_process_scrape,
        .close = shard_process_close,
    };
    return rpc_process_main(&app, argc, argv);
}

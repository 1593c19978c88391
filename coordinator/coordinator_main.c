/* SPDX-License-Identifier: Apache-2.0
 *
 * coordinator_main.c - weft-coordinator: takes requests, fans them out to shards, merges, ranks and
 * answers. Stateless.
 */
#include "coordinator/coord_metrics.h"
#include "coordinator/coord_node.h"
#include "coordinator/coord_service.h"
#include "proto/wire.h"

int main(int argc, char **argv)
{
    struct rpc_method methods[COORD_SERVICE_METHODS];
    coord_service_methods(methods);
    const struct rpc_process_app app = {
        .name = "weft-coordinator",
        .about = "  weft-coordinator --config coordinator.conf\n"
                 "  weft-coordinator --set coordinator.generation=GEN --set "
                 "coordinator.topology=topology.conf\n"
                 "\n"
                 "Serves weft.v1.RecommendService over the shards of one generation.\n",
        .options = coord_options,
        .n_options = coord_n_options,
        .conf_size = sizeof(struct coord_conf),
        .process_conf = offsetof(struct coord_conf, process),
        .metrics = coord_metrics_table,
        .n_metrics = COORD_N_METRICS,
        .methods = methods,
        .n_methods = COORD_SERVICE_METHODS,
        .descriptors = wire_descriptors_public,
        .check = coord_node_check,
        .open = coord_node_open,
        .status = coord_node_status,
        .close = coord_node_close,
    };
    return rpc_process_main(&app, argc, argv);
}

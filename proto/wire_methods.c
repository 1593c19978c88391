/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_methods.c - the table of methods, and the protos' own description for reflection.
 */
#include "proto/wire.h"

#include "weft/internal/v1/coordinator.pb-c.h"
#include "weft/internal/v1/shard.pb-c.h"
#include "weft/v1/recommend.pb-c.h"

/* Made at build time from the protos (proto/CMakeLists.txt). */
extern const unsigned char wire_set_public[], wire_set_all[];
extern const size_t wire_set_public_size, wire_set_all_size;

const struct wire_method_info *wire_method(enum wire_method m)
{
    static const struct wire_method_info methods[WIRE_N_METHODS] = {
        [WIRE_RECOMMEND] = {"/weft.v1.RecommendService/Recommend",
                            &weft__v1__recommend_request__descriptor,
                            &weft__v1__recommend_response__descriptor},
        [WIRE_RECOMMEND_BATCH] = {"/weft.v1.RecommendService/RecommendBatch",
                                  &weft__v1__recommend_batch_request__descriptor,
                                  &weft__v1__recommend_batch_response__descriptor},
        [WIRE_SEARCH] = {"/weft.internal.v1.ShardService/Search",
                         &weft__internal__v1__search_request__descriptor,
                         &weft__internal__v1__search_response__descriptor},
        [WIRE_FETCH] = {"/weft.internal.v1.ShardService/Fetch",
                        &weft__internal__v1__fetch_request__descriptor,
                        &weft__internal__v1__fetch_response__descriptor},
        [WIRE_STATS] = {"/weft.internal.v1.ShardService/Stats",
                        &weft__internal__v1__stats_request__descriptor,
                        &weft__internal__v1__stats_response__descriptor},
        [WIRE_DRAW] = {"/weft.internal.v1.CoordinatorService/Draw",
                       &weft__internal__v1__draw_request__descriptor,
                       &weft__internal__v1__draw_response__descriptor},
        [WIRE_DESCRIBE] = {"/weft.internal.v1.CoordinatorService/Describe",
                           &weft__internal__v1__describe_request__descriptor,
                           &weft__internal__v1__describe_response__descriptor},
        [WIRE_UPLOAD_EXCLUSIONS] = {"/weft.v1.RecommendService/UploadExclusions",
                                    &weft__v1__upload_exclusions_request__descriptor,
                                    &weft__v1__upload_exclusions_response__descriptor},
    };
    wf_assert(m < WIRE_N_METHODS);
    return &methods[m];
}

const unsigned char *wire_descriptors_public(size_t *size)
{
    *size = wire_set_public_size;
    return wire_set_public;
}

const unsigned char *wire_descriptors_all(size_t *size)
{
    *size = wire_set_all_size;
    return wire_set_all;
}

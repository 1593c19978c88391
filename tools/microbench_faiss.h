/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_faiss.h - the peer of several stages: FAISS's own index of the kind of a bench_shard,
 * with the same centroids, over the same vectors.
 */
#ifndef TOOL_MICROBENCH_FAISS_H
#define TOOL_MICROBENCH_FAISS_H

#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexScalarQuantizer_c.h>

#include "tools/microbench_shard.h"

struct bench_faiss {
    FaissIndexFlat *coarse;
    FaissIndexIVFScalarQuantizer *index; /* SQfp16; probes BENCH_NPROBE lists */
};
/* On failure *out still has to be finished. */
WF_MUST_CHECK enum wf_code bench_faiss_init(const struct bench_shard *b, struct bench_faiss *out,
                                            struct wf_error *err);
void bench_faiss_fini(struct bench_faiss *f);
/* WF_INTERNAL with FAISS's own words when `status` is not 0. */
WF_MUST_CHECK enum wf_code bench_faiss_ok(int status, struct wf_error *err);

#endif

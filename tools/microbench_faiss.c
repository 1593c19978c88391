/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench_faiss.c - see microbench_faiss.h.
 */
#include "tools/microbench_faiss.h"

#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/error_c.h>

#include "shard/mapped.h"

enum wf_code bench_faiss_ok(int status, struct wf_error *err)
{
    return status == 0 ? WF_OK : wf_fail(err, WF_INTERNAL, "faiss: %.200s", faiss_get_last_error());
}

enum wf_code bench_faiss_init(const struct bench_shard *b, struct bench_faiss *out,
                              struct wf_error *err)
{
    const struct shard_space *s = &b->shard->spaces[0];
    *out = (struct bench_faiss){0};
    enum wf_code code = bench_faiss_ok(
        faiss_IndexFlat_new_with(&out->coarse, BENCH_DIM, METRIC_INNER_PRODUCT), err);
    if (code == WF_OK) {
        code = bench_faiss_ok(
            faiss_Index_add(out->coarse, s->spec.n, (const float *)s->centroids.data), err);
    }
    if (code == WF_OK) {
        code = bench_faiss_ok(
            faiss_IndexIVFScalarQuantizer_new_with_metric(
                &out->index, out->coarse, BENCH_DIM, s->spec.n, QT_fp16, METRIC_INNER_PRODUCT, 0),
            err);
    }
    if (code == WF_OK) {
        code = bench_faiss_ok(faiss_Index_train(out->index, BENCH_ROWS, b->vectors), err);
    }
    if (code == WF_OK) {
        code = bench_faiss_ok(faiss_Index_add(out->index, BENCH_ROWS, b->vectors), err);
    }
    if (code == WF_OK) {
        faiss_IndexIVFScalarQuantizer_set_nprobe(out->index, BENCH_NPROBE);
    }
    return code;
}

void bench_faiss_fini(struct bench_faiss *f)
{
    if (f->index != NULL) {
        faiss_Index_free(f->index);
    }
    if (f->coarse != NULL) {
        faiss_Index_free(f->coarse);
    }
    *f = (struct bench_faiss){0};
}

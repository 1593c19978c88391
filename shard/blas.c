/* SPDX-License-Identifier: Apache-2.0
 *
 * blas.c - see blas.h.
 */
#include "shard/blas.h"

#include <stddef.h>
#include <string.h>

#include <cblas.h>

const char *shard_blas_core(void)
{
    const char *core = openblas_get_corename();
    if (core == NULL || strcmp(core, "Prescott") != 0) {
        return NULL; /* the one that stands for "never heard of" */
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return "SkylakeX";
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return "Haswell";
    }
#endif
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * npy_fuzz.c - any bytes as a .npy: refused by name, or a matrix that can be read to its end.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/generation.h"
#include "tools/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile float sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tool_npy npy;
    if (tool_npy_view(data, size, &npy, NULL) != WF_OK) {
        return 0;
    }
    wf_assert(npy.dim >= 1 && npy.dim <= WF_DIM_MAX);
    float sum = 0;
    for (size_t i = 0; i < npy.rows * npy.dim; i++) {
        sum += npy.data[i];
    }
    sink = sum;
    tool_npy_close(&npy);
    return 0;
}

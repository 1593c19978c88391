/* SPDX-License-Identifier: Apache-2.0
 *
 * fvecs_fuzz.c - any bytes as .fvecs and as .bvecs, plain or compressed: refused by name, or rows
 * of the dimension that was announced, all finite.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/generation.h"
#include "base/vector.h"
#include "tests/support/memory_file.h"
#include "tools/vector_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const char *path, bool bytes)
{
    static float row[WF_DIM_MAX];
    struct tool_vector_file file = {0};
    bool more = true;
    if (wf_reader_open(path, &file.reader, NULL) != WF_OK) {
        return;
    }
    enum wf_code code = bytes ? tool_bvecs_open(&file, NULL) : tool_fvecs_open(&file, NULL);
    for (int i = 0; i < 10000 && more && (code == WF_OK || code == WF_INVALID) && file.dim; i++) {
        code = tool_vector_file_next(&file, row, &more, NULL);
        wf_assert(code != WF_OK || !more || wf_first_not_finite(row, file.dim) < 0);
    }
    tool_vector_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = memory_file(data, size);
    read_all(path, false);
    read_all(path, true);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest_fuzz.c - any bytes as manifest.json: refused as damaged, or within every bound.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_manifest *m = NULL;
    struct wf_error err;
    const enum wf_code code = wf_manifest_parse((const char *)data, size, &m, &err);
    wf_assert(code == WF_OK || (code == WF_DATA_LOSS && err.code == WF_DATA_LOSS));
    if (code == WF_OK) {
        wf_assert(m->n_shards >= 1 && m->n_shards <= WF_SHARDS_MAX);
        wf_assert(m->n_files == m->n_shards + 1);
        wf_assert(strstr(m->files[m->n_files - 1].path, "..") == NULL);
        wf_assert(m->schema.n_attrs <= WF_ATTRS_MAX && m->schema.n_spaces <= WF_SPACES_MAX);
    }
    wf_manifest_close(m);
    return 0;
}

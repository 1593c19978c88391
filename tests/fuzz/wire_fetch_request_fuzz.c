/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_fetch_request_fuzz.c - any bytes as a fetch_request; see tests/support/wire_exercise.h.
 */
#include "tests/support/wire_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_error err;
    (void)!wire_exercise(WIRE_KIND_FETCH_REQUEST, data, size, NULL, &err);
    return 0;
}

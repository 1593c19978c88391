/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_exclusions_response_fuzz.c - any bytes as an exclusions_response; see
 * tests/support/wire_exercise.h.
 */
#include "tests/support/wire_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_error err;
    (void)!wire_exercise(WIRE_KIND_EXCLUSIONS_RESPONSE, data, size, NULL, &err);
    return 0;
}

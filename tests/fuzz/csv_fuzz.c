/* SPDX-License-Identifier: Apache-2.0
 *
 * csv_fuzz.c - any bytes as a CSV file, plain or compressed: every record is refused by name or has
 * fields that end.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/memory_file.h"
#include "tools/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tool_csv csv;
    bool more = true;
    uint64_t line = 0;
    if (tool_csv_open(memory_file(data, size), &csv, NULL) != WF_OK) {
        return 0;
    }
    for (int i = 0; i < 10000 && more; i++) {
        const enum wf_code code = tool_csv_next(&csv, &more, NULL);
        if (code != WF_OK && code != WF_INVALID) {
            break;
        }
        if (code == WF_OK && more) {
            wf_assert(csv.n >= 1 && csv.n <= TOOL_CSV_FIELDS_MAX && csv.line > line);
            line = csv.line;
        }
        size_t total = 0;
        for (size_t f = 0; code == WF_OK && more && f < csv.n; f++) {
            total += strlen(csv.fields[f]);
        }
        wf_assert(total <= TOOL_CSV_RECORD_MAX);
    }
    tool_csv_close(&csv);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * csv.h - comma-separated records from plain, gzip or zstd files.
 *
 * RFC 4180 as real files have it: a field that *starts* with a quote is quoted ("" is one quote,
 * line ends belong to it), a quote further inside is an ordinary character, lines end in \n or
 * \r\n, a byte order mark in front is skipped, empty lines are too. A record is at most 1 MiB and
 * 4,096 fields. Not thread-safe.
 */
#ifndef TOOL_CSV_H
#define TOOL_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/text.h"

enum { TOOL_CSV_RECORD_MAX = 1 << 20, TOOL_CSV_FIELDS_MAX = 4096 };

struct tool_csv {
    char **fields; /* of the record last read; borrowed until the next one */
    size_t n;
    uint64_t line; /* where the record starts, from 1 */
    struct wf_reader *reader;
    struct tool_text record;
    size_t cap;
};
WF_MUST_CHECK enum wf_code tool_csv_open(const char *path, struct tool_csv *out,
                                         struct wf_error *err);
void tool_csv_close(struct tool_csv *csv);
/*
 * The next record; *more = false at the end. WF_INVALID names what is wrong with this record, and
 * the next call goes on behind it; WF_DATA_LOSS and others are final.
 */
WF_MUST_CHECK enum wf_code tool_csv_next(struct tool_csv *csv, bool *more, struct wf_error *err);
/* Index of a column in the record last read (a header), -1 when there is none. */
int tool_csv_column(const struct tool_csv *csv, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * answer_print.h - a recommendation as one JSON document (the contract's shape) or as a table for
 * people.
 */
#ifndef TOOL_ANSWER_PRINT_H
#define TOOL_ANSWER_PRINT_H

#include "proto/wire.h"
#include "tools/text.h"

void tool_answer_json(const struct wire_recommend_response *a, struct tool_text *out);
void tool_answer_text(const struct wire_recommend_response *a, struct tool_text *out);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * commands.h - every command of the multi-tool, each defined in tools/cmd_<name>.c.
 */
#ifndef TOOL_COMMANDS_H
#define TOOL_COMMANDS_H

#include "tools/cli.h"

extern const struct tool_command tool_synth;         /* weft synth */
extern const struct tool_command tool_import_styles; /* weft import styles */
extern const struct tool_command tool_import_vectors;
extern const struct tool_command tool_embed_tokens;
extern const struct tool_command tool_build;
extern const struct tool_command tool_verify;
extern const struct tool_command tool_rank;
extern const struct tool_command tool_query;
extern const struct tool_command tool_train_ranker; /* weft train ranker */
extern const struct tool_command tool_up;
extern const struct tool_command tool_bench;
extern const struct tool_command tool_exclude;
extern const struct tool_command tool_features;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * analyzer.h - what the static analyzer cannot see across files: that failing never returns WF_OK.
 *
 * scripts/check puts this in front of every file that clang-tidy reads, base/error.c apart; no
 * compiler sees it. Without it each output that a caller reads after WF_OK counts as maybe unset.
 */
#ifndef ANALYZER_H
#define ANALYZER_H

#include "base/error.h"

#define wf_fail(err, code, ...) ((void)wf_fail(err, code, __VA_ARGS__), (code))
#define wf_invalid(...)         ((void)wf_invalid(__VA_ARGS__), WF_INVALID)
#define wf_prefix(...)          ((void)wf_prefix(__VA_ARGS__), WF_INTERNAL)

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * subjects.h - users or items of the generation that a coordinator serves, drawn by it: in a seeded
 * order without repeats, so that a run can be repeated and caches are not flattered.
 */
#ifndef TOOL_SUBJECTS_H
#define TOOL_SUBJECTS_H

#include <stdint.h>

#include "proto/wire_coordinator.h"
#include "tools/client.h"

/* More draws than this repeat the first ones. */
enum { TOOL_SUBJECTS_MAX = 1 << 20 };

struct tool_subjects {
    const char **ids; /* in the order drawn */
    uint64_t n;
    struct wf_arena arena; /* holds them */
};
/* The first `want` draws, or as many as there are. Blocks. */
WF_MUST_CHECK enum wf_code tool_subjects_open(struct tool_client *client, enum wire_draw_kind kind,
                                              uint64_t seed, uint64_t want,
                                              struct tool_subjects *out, struct wf_error *err);
void tool_subjects_close(struct tool_subjects *s);

#endif

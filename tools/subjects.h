/* SPDX-License-Identifier: Apache-2.0
 *
 * subjects.h - users and items of a generation in a seeded order without repeats: step i gives id
 * (first + i * step) mod n with step coprime to n, so the same id comes again after n draws only.
 */
#ifndef TOOL_SUBJECTS_H
#define TOOL_SUBJECTS_H

#include <stdint.h>

#include "base/generation.h"
#include "base/idmap.h"

struct tool_ids {
    uint64_t n, first, step;
    uint32_t n_maps;
    struct wf_idmap *maps; /* one for users, one per shard for items */
};
struct tool_subjects {
    struct wf_manifest *manifest;
    struct wf_container **containers; /* global, then shards */
    struct tool_ids users, items;
};
/* Maps the ids of GEN; `seed` fixes both orders. Checks tables of contents, not every byte. */
WF_MUST_CHECK enum wf_code tool_subjects_open(const char *gen, uint64_t seed,
                                              struct tool_subjects *out, struct wf_error *err);
void tool_subjects_close(struct tool_subjects *s);
/* The id of draw i, NUL-terminated into text. ids->n > 0. */
void tool_subject(const struct tool_ids *ids, uint64_t i, char text[WF_SKU_MAX + 1]);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * scratch.h - a directory of its own for a test, below TMPDIR, removed at the end. As cmocka
 * fixtures: *state is the struct scratch. One thread.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stddef.h>

struct scratch {
    char dir[256];
    char *paths[64]; /* handed out by scratch_path; owned */
    unsigned n_paths;
};
int scratch_setup(void **state);
int scratch_teardown(void **state);
/* DIR/<name>, valid until teardown. */
const char *scratch_path(struct scratch *s, const char *name);
/* Writes a file (with the directories above it) and returns its path. */
const char *scratch_write(struct scratch *s, const char *name, const void *data, size_t size);
const char *scratch_text(struct scratch *s, const char *name, const char *text);

#endif

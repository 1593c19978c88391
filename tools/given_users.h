/* SPDX-License-Identifier: Apache-2.0
 *
 * given_users.h - the users/ directory of a dataset: vectors of users that somebody else made,
 * which a generation takes in place of the means of purchases.
 *
 *   DIR/users/ids.txt[.zst|.gz]   one user id per line, 1 to 64 bytes, each once
 *   DIR/users/<space>.npy         row i = user of line i; NaN first = no vector; for any of the
 *                                 schema's spaces, at least one
 *
 * Errors name file and line or row. Read-only use is thread-safe.
 */
#ifndef TOOL_GIVEN_USERS_H
#define TOOL_GIVEN_USERS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/generation.h"
#include "tools/intern.h"
#include "tools/npy.h"

struct tool_given_users {
    struct tool_intern ids; /* id = row; n = 0: the dataset gives none */
    struct tool_npy spaces[WF_SPACES_MAX];
};
/* Without DIR/users the result has no ids. Close it in any case of success. */
WF_MUST_CHECK enum wf_code tool_given_users_open(const char *dir, const struct wf_schema *schema,
                                                 struct tool_given_users *out,
                                                 struct wf_error *err);
void tool_given_users_close(struct tool_given_users *g);
/*
 * The vector of a user, in a cosine space as a unit vector; false when none is given, and then
 * `out` (dimension of the space) is untouched.
 */
bool tool_given_users_vector(const struct tool_given_users *g, const struct wf_schema *schema,
                             uint32_t row, unsigned space, float *out);

#endif

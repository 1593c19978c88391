/* SPDX-License-Identifier: Apache-2.0
 *
 * seal.h - a note that one file was verified whole, so that opening it again need not read it.
 *
 * A seal holds what the file was (device, inode, size, times of change, hash by the manifest) and
 * which program read it; a program that was built anew verifies anew. It is one line of JSON that
 * is compared and never parsed: whatever is not exactly what this program would write now is no
 * seal. Whoever may write it may vouch for the file, so it belongs where only the server writes.
 * Thread-safe.
 */
#ifndef WF_SEAL_H
#define WF_SEAL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

struct wf_seal {
    char path[72];       /* in the generation: "shard-000/shard.weft" */
    char generation[33]; /* content hash */
    struct wf_hash128 hash;
    struct wf_stamp stamp; /* of the descriptor that was mapped */
};

/* Whether `file` holds this seal. */
bool wf_seal_holds(const char *file, const struct wf_seal *seal);
/*
 * Writes it, atomically and durably. A file that changed just before it was opened could change
 * again under the same times: WF_PRECONDITION, and no seal.
 */
WF_MUST_CHECK enum wf_code wf_seal_write(const char *file, const struct wf_seal *seal,
                                         struct wf_error *err);
void wf_seal_remove(const char *file); /* missing is fine */

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup.h - what the control groups of this process (version 1 or 2) allow it: at every level from
 * its own group up to the root of the mount, the least counts. Reads /proc and /sys below `root`
 * ("" for the system's own, a directory in tests); what cannot be read does not limit. No state;
 * thread-safe.
 */
#ifndef WF_CGROUP_H
#define WF_CGROUP_H

#include <stdint.h>

/* Cores by CPU quota, rounded up; 0: no limit. */
long wf_cgroup_cores(const char *root);
/* Bytes of memory; 0: no limit. */
uint64_t wf_cgroup_memory(const char *root);

#endif

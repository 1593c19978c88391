/* SPDX-License-Identifier: Apache-2.0
 *
 * cores.c - how many cores this process may use: the affinity mask, cut by the CPU quota of its
 * control groups. No state.
 */
#include <sched.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/pool.h"

unsigned wf_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    long cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                             : sysconf(_SC_NPROCESSORS_ONLN);
    const long quota = wf_cgroup_cores("");
    if (quota > 0 && quota < cores) {
        cores = quota;
    }
    return cores > 1 ? (unsigned)cores : 1;
}

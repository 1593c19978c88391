/* SPDX-License-Identifier: Apache-2.0
 *
 * cores.c - how many cores this process may use: the affinity mask, cut by the CPU quota of its
 * control group (version 2 at every level up to the root, or version 1). Reads /proc and /sys;
 * what cannot be read does not limit. No state.
 */
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"

/* Reads the first line of a small file, without its newline; false when there is none. */
static bool read_line(const char *path, char *line, size_t cap)
{
    FILE *f = fopen(path, "re");
    bool any = f && fgets(line, (int)cap, f);
    if (f) {
        fclose(f);
    }
    if (any) {
        line[strcspn(line, "\n")] = '\0';
    }
    return any;
}

/* "200000 100000" is two cores; "max" and -1 are no limit (0). */
static long quota_cores(const char *quota, const char *period)
{
    long q = strtol(quota, NULL, 10);
    long p = strtol(period, NULL, 10);
    return q > 0 && p > 0 ? q / p + (q % p != 0) : 0;
}

static long lesser(long a, long limit)
{
    return limit > 0 && limit < a ? limit : a;
}

/* The quota of the version 2 group `group` ("/a/b") and of those above it. */
static long limit_v2(long cores, char *group)
{
    for (;;) {
        char path[PATH_MAX];
        char line[128];
        snprintf(path, sizeof path, "/sys/fs/cgroup%.3000s/cpu.max", group);
        char *period = NULL;
        if (read_line(path, line, sizeof line) && (period = strchr(line, ' '))) {
            cores = lesser(cores, quota_cores(line, period + 1));
        }
        char *slash = strrchr(group, '/');
        if (!slash) {
            return cores;
        }
        *slash = '\0';
    }
}

static long limit_v1(long cores)
{
    char quota[64];
    char period[64];
    if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) &&
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period)) {
        cores = lesser(cores, quota_cores(quota, period));
    }
    return cores;
}

unsigned wf_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    long cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                             : sysconf(_SC_NPROCESSORS_ONLN);
    char group[3001] = "";
    if (read_line("/proc/self/cgroup", group, sizeof group) && strncmp(group, "0::/", 4) == 0) {
        cores = limit_v2(cores, group + 3);
    } else {
        cores = limit_v1(cores);
    }
    return cores > 1 ? (unsigned)cores : 1;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup.c - see cgroup.h. A controller that version 1 has is named in its own line of
 * /proc/self/cgroup and mounted under its own name; all others are version 2's. In a container the
 * path may be the host's, of which nothing is mounted but the root: the walk ends there.
 */
#include "base/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { LINE_MAX_SIZE = 3001, LEVELS_MAX = 256 };
#define UNLIMITED (UINT64_C(1) << 62) /* version 1 writes a number near 2^63 for none */

/* Least limit so far; a limit of 0 is none. */
typedef void limit_fn(const char *dir, bool v2, uint64_t *least);

/* Reads the first line of dir/name, without its newline; false when there is none. */
static bool read_line(const char *dir, const char *name, char *line, size_t cap)
{
    char *path = wf_xprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    wf_xfree(path);
    const bool any = f != NULL && fgets(line, (int)cap, f) != NULL;
    if (f != NULL) {
        fclose(f);
    }
    if (any) {
        line[strcspn(line, "\n")] = '\0';
    }
    return any;
}

static void lower(uint64_t *least, uint64_t limit)
{
    if (limit > 0 && limit < UNLIMITED && (*least == 0 || limit < *least)) {
        *least = limit;
    }
}

/* "max" and numbers below 0 are no limit. */
static uint64_t number(const char *text)
{
    return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
}

/* "200000 100000" is two cores. */
static void cores_at(const char *dir, bool v2, uint64_t *least)
{
    char quota[128], period[128];
    if (v2) {
        char *space = NULL;
        if (!read_line(dir, "cpu.max", quota, sizeof quota) ||
            (space = strchr(quota, ' ')) == NULL) {
            return;
        }
        snprintf(period, sizeof period, "%s", space + 1);
    } else if (!read_line(dir, "cpu.cfs_quota_us", quota, sizeof quota) ||
               !read_line(dir, "cpu.cfs_period_us", period, sizeof period)) {
        return;
    }
    const uint64_t q = number(quota), p = number(period);
    lower(least, p > 0 ? q / p + (q % p != 0) : 0);
}

static void memory_at(const char *dir, bool v2, uint64_t *least)
{
    char text[128];
    if (read_line(dir, v2 ? "memory.max" : "memory.limit_in_bytes", text, sizeof text)) {
        lower(least, number(text));
    }
}

/* Whether "cpu,cpuacct" names the controller. */
static bool lists(const char *names, size_t size, const char *controller)
{
    const size_t want = strlen(controller);
    for (size_t at = 0; at < size;) {
        const size_t n = strcspn(names + at, ",:");
        if (n == want && strncmp(names + at, controller, n) == 0) {
            return true;
        }
        at += n + 1;
    }
    return false;
}

/* This process's group of the controller, "/a/b"; false when nothing tells. */
static bool find_group(const char *root, const char *controller, char *group, bool *v2)
{
    char *path = wf_xprintf("%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    wf_xfree(path);
    bool found = false, v1 = false;
    char line[LINE_MAX_SIZE];
    while (f != NULL && !v1 && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *names = strchr(line, ':');
        const char *colon = names == NULL ? NULL : strchr(names + 1, ':');
        if (colon == NULL || colon[1] != '/') {
            continue;
        }
        v1 = lists(names + 1, (size_t)(colon - names - 1), controller);
        if (v1 || strncmp(line, "0::", 3) == 0) {
            snprintf(group, LINE_MAX_SIZE, "%s", colon + 1);
            *v2 = !v1;
            found = true;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

static uint64_t least_of(const char *root, const char *controller, limit_fn *limit)
{
    uint64_t least = 0;
    char group[LINE_MAX_SIZE] = "";
    bool v2 = false;
    if (!find_group(root, controller, group, &v2)) {
        return 0;
    }
    for (int level = 0; level < LEVELS_MAX; level++) {
        char *dir =
            wf_xprintf("%s/sys/fs/cgroup%s%s%s", root, v2 ? "" : "/", v2 ? "" : controller, group);
        limit(dir, v2, &least);
        wf_xfree(dir);
        char *slash = strrchr(group, '/');
        if (slash == NULL) {
            break;
        }
        *slash = '\0';
    }
    return least;
}

long wf_cgroup_cores(const char *root)
{
    const uint64_t cores = least_of(root, "cpu", cores_at);
    return cores > INT32_MAX ? 0 : (long)cores;
}

uint64_t wf_cgroup_memory(const char *root)
{
    return least_of(root, "memory", memory_at);
}

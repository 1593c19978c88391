/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup_test.c - limits of made-up hierarchies: both versions, every level, and nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cgroup.h"
#include "tests/support/scratch.h"

static void version_2_is_the_least_of_all_levels(void **state)
{
    struct scratch *s = *state;
    scratch_text(s, "proc/self/cgroup", "0::/pods/shop/shard\n");
    scratch_text(s, "sys/fs/cgroup/pods/shop/shard/memory.max", "max\n");
    scratch_text(s, "sys/fs/cgroup/pods/shop/memory.max", "1073741824\n");
    scratch_text(s, "sys/fs/cgroup/pods/memory.max", "4294967296\n");
    scratch_text(s, "sys/fs/cgroup/pods/shop/shard/cpu.max", "250000 100000\n");
    scratch_text(s, "sys/fs/cgroup/pods/cpu.max", "max 100000\n");
    assert_int_equal(wf_cgroup_memory(s->dir), 1 << 30);
    assert_int_equal(wf_cgroup_cores(s->dir), 3); /* 2.5, rounded up */
}

static void version_1_has_a_mount_per_controller(void **state)
{
    struct scratch *s = *state;
    scratch_text(s, "proc/self/cgroup",
                 "12:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n1:name=systemd:/x\n0::/\n");
    scratch_text(s, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "536870912\n");
    scratch_text(s, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    scratch_text(s, "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n");
    scratch_text(s, "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
    assert_int_equal(wf_cgroup_memory(s->dir), 512 << 20);
    assert_int_equal(wf_cgroup_cores(s->dir), 0);
}

/* In a container the path is often the host's, and the container's own group is the root. */
static void a_path_of_the_host_ends_at_the_root(void **state)
{
    struct scratch *s = *state;
    scratch_text(s, "proc/self/cgroup", "5:memory:/kubepods/burstable/pod1\n");
    scratch_text(s, "sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
    assert_int_equal(wf_cgroup_memory(s->dir), 256 << 20);
}

static void hybrid_takes_the_version_that_has_the_controller(void **state)
{
    struct scratch *s = *state;
    scratch_text(s, "proc/self/cgroup", "5:memory:/a\n0::/b\n");
    scratch_text(s, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000000\n");
    scratch_text(s, "sys/fs/cgroup/b/memory.max", "2000000\n");
    scratch_text(s, "sys/fs/cgroup/b/cpu.max", "100000 100000\n");
    assert_int_equal(wf_cgroup_memory(s->dir), 1000000);
    assert_int_equal(wf_cgroup_cores(s->dir), 1);
}

static void nonsense_does_not_limit(void **state)
{
    static const char *const groups[] = {"", "\n", "0::", "0:/x", "memory", "::::/\n", "0::x/y\n"};
    static const char *const limits[] = {"", "many", "-5", "99999999999999999999999", "0"};
    struct scratch *s = *state;
    assert_int_equal(wf_cgroup_memory(s->dir), 0);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        scratch_text(s, "proc/self/cgroup", groups[i]);
        assert_int_equal(wf_cgroup_memory(s->dir), 0);
        assert_int_equal(wf_cgroup_cores(s->dir), 0);
    }
    scratch_text(s, "proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        scratch_text(s, "sys/fs/cgroup/memory.max", limits[i]);
        scratch_text(s, "sys/fs/cgroup/cpu.max", limits[i]);
        assert_int_equal(wf_cgroup_memory(s->dir), 0);
        assert_int_equal(wf_cgroup_cores(s->dir), 0);
    }
    scratch_text(s, "sys/fs/cgroup/cpu.max", "100000 0\n");
    assert_int_equal(wf_cgroup_cores(s->dir), 0);
}

#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH(version_2_is_the_least_of_all_levels),
        SCRATCH(version_1_has_a_mount_per_controller),
        SCRATCH(a_path_of_the_host_ends_at_the_root),
        SCRATCH(hybrid_takes_the_version_that_has_the_controller),
        SCRATCH(nonsense_does_not_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

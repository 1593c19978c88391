/* SPDX-License-Identifier: Apache-2.0
 *
 * memory_file.c - one memfd, rewritten for every input.
 */
#include "tests/support/memory_file.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

const char *memory_file(const void *data, size_t size)
{
    static int fd = -1;
    static char path[40];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        wf_assert(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    wf_assert(ftruncate(fd, 0) == 0);
    wf_assert(pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

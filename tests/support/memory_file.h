/* SPDX-License-Identifier: Apache-2.0
 *
 * memory_file.h - bytes as a file that can be opened by path, for fuzzing readers of files. One at
 * a time.
 */
#ifndef MEMORY_FILE_H
#define MEMORY_FILE_H

#include <stddef.h>

/* The path is valid until the next call; the file is replaced then. */
const char *memory_file(const void *data, size_t size);

#endif

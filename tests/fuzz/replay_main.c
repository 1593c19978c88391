/* SPDX-License-Identifier: Apache-2.0
 *
 * replay_main.c - runs a fuzz target without libFuzzer: over every seed of its corpus, and over
 * near neighbours of each (cut short, or with one byte changed), so that an ordinary test run with
 * gcc and any sanitizer already stands on the edges of every format.
 *
 * The neighbours are a fixed function of the seed: a failure comes back on the next run. Before
 * each call the input's name is kept, and printed when the process is about to die. One thread.
 * Memory: each input is an allocation of exactly its size, so that reading past it is seen.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

enum { CUT_LIMIT = 64, CHANGE_LIMIT = 256, INPUT_LIMIT = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the sanitizers' runtime; absent (NULL) in a build without one. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static char current[4352]; /* the input being run */

static void name_input(void)
{
    const ssize_t written = write(STDERR_FILENO, current, strlen(current));
    (void)written;
}

static void on_signal(int signal_number)
{
    name_input();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* A sanitizer catches the fatal signals itself and reports better than we could. */
static void name_input_on_death(void)
{
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(name_input);
    } else {
        signal(SIGSEGV, on_signal);
        signal(SIGFPE, on_signal);
    }
}

/* A copy of exactly `size` bytes, so that a sanitizer sees the first byte read behind it. */
static void run_copy(const uint8_t *data, size_t size, size_t change, uint8_t flip)
{
    uint8_t *copy = wf_xmalloc(size > 0 ? size : 1);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    if (change < size) {
        copy[change] ^= flip;
    }
    LLVMFuzzerTestOneInput(copy, size);
    wf_xfree(copy);
}

static void run_neighbours(const char *path, const uint8_t *data, size_t size)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x20};
    snprintf(current, sizeof current, "\nwhile running %s\n", path);
    run_copy(data, size, SIZE_MAX, 0);

    const size_t cuts = size < CUT_LIMIT ? size : CUT_LIMIT;
    for (size_t i = 0; i < cuts; i++) {
        const size_t kept = size * i / cuts;
        snprintf(current, sizeof current, "\nwhile running %s cut to %zu bytes\n", path, kept);
        run_copy(data, kept, SIZE_MAX, 0);
    }
    const size_t changes = size < CHANGE_LIMIT ? size : CHANGE_LIMIT;
    for (size_t i = 0; i < changes; i++) {
        const size_t at = size * i / changes;
        const uint8_t flip = flips[i % sizeof flips];
        snprintf(current, sizeof current, "\nwhile running %s, byte %zu xor 0x%02x\n", path, at,
                 flip);
        run_copy(data, size, at, flip);
    }
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    uint8_t *data = wf_xmalloc(INPUT_LIMIT);
    const size_t size = fread(data, 1, INPUT_LIMIT, file);
    fclose(file);
    run_neighbours(path, data, size);
    wf_xfree(data);
    return 0;
}

/* Every file of a directory; returns how many, or -1. */
static int run_directory(const char *directory)
{
    struct dirent **names = NULL;
    const int n = scandir(directory, &names, NULL, alphasort);
    if (n < 0) {
        perror(directory);
        return -1;
    }
    int inputs = 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name);
        if (inputs >= 0 && names[i]->d_name[0] != '.') {
            inputs = run_file(path) == 0 ? inputs + 1 : -1;
        }
        free(names[i]);
    }
    free(names);
    return inputs;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    name_input_on_death();
    run_copy((const uint8_t *)"", 0, SIZE_MAX, 0);
    const int inputs = run_directory(argv[1]);
    if (inputs <= 0) {
        fprintf(stderr, "%s: no seeds\n", argv[1]);
        return 1;
    }
    printf("%d seeds and their neighbours\n", inputs);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.c - a chain of blocks, newest first, each twice the one before (64 KiB at most, larger for
 * a large request). Block memory starts 64-byte aligned. The limit counts what was handed out,
 * rounded to the alignment; a chain is at most one block's slack larger than that.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_FIRST ((size_t)4096)
#define BLOCK_MOST  ((size_t)65536)
#define CACHE_LINE  ((size_t)64)

struct wf_block {
    struct wf_block *older;
    size_t size; /* of data */
    _Alignas(64) unsigned char data[];
};

static unsigned char *align_up(unsigned char *p, size_t align)
{
    return p + (-(uintptr_t)p & (align - 1));
}

void wf_arena_init(struct wf_arena *a, size_t limit)
{
    *a = (struct wf_arena){.limit = limit};
}

/* Adds a block with room for `need` bytes; false when memory is out. */
static bool grow(struct wf_arena *a, size_t need)
{
    size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_FIRST;
    size = size > BLOCK_MOST ? BLOCK_MOST : size;
    size = size < need ? need : size;
    size = (size + CACHE_LINE - 1) & ~(CACHE_LINE - 1);
    struct wf_block *b = aligned_alloc(CACHE_LINE, sizeof *b + size);
    if (!b) {
        return false;
    }
    b->older = a->blocks;
    b->size = size;
    a->blocks = b;
    a->at = b->data;
    a->end = b->data + size;
    return true;
}

static void *take(struct wf_arena *a, size_t size, size_t align)
{
    if (a->used > a->limit || size > a->limit - a->used || size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t need = size ? (size + align - 1) & ~(align - 1) : align;
    if (need > a->limit - a->used) {
        return NULL;
    }
    unsigned char *at = a->at ? align_up(a->at, align) : NULL;
    if (!at || at > a->end || need > (size_t)(a->end - at)) {
        if (!grow(a, need)) {
            return NULL;
        }
        at = a->at;
    }
    a->at = at + need;
    a->used += need;
    return at;
}

void *wf_arena_alloc(struct wf_arena *a, size_t size)
{
    return take(a, size, 16);
}

void *wf_arena_alloc64(struct wf_arena *a, size_t size)
{
    return take(a, size, CACHE_LINE);
}

void *wf_arena_calloc_array(struct wf_arena *a, size_t size, size_t n)
{
    if (size && n > SIZE_MAX / size) {
        return NULL;
    }
    void *p = take(a, size * n, 16);
    return p ? memset(p, 0, size * n) : NULL;
}

char *wf_arena_strndup(struct wf_arena *a, const char *s, size_t n)
{
    char *p = n < SIZE_MAX ? take(a, n + 1, 16) : NULL;
    if (p) {
        if (n) {
            memcpy(p, s, n);
        }
        p[n] = '\0';
    }
    return p;
}

char *wf_arena_strdup(struct wf_arena *a, const char *s)
{
    return wf_arena_strndup(a, s, strlen(s));
}

char *wf_arena_printf(struct wf_arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *p = size >= 0 ? take(a, (size_t)size + 1, 16) : NULL;
    if (p) {
        va_start(args, fmt);
        vsnprintf(p, (size_t)size + 1, fmt, args);
        va_end(args);
    }
    return p;
}

void wf_arena_reset(struct wf_arena *a)
{
    while (a->blocks && a->blocks->older) {
        struct wf_block *b = a->blocks;
        a->blocks = b->older;
        free(b);
    }
    a->used = 0;
    a->at = a->blocks ? a->blocks->data : NULL;
    a->end = a->blocks ? a->at + a->blocks->size : NULL;
}

void wf_arena_fini(struct wf_arena *a)
{
    while (a->blocks) {
        struct wf_block *b = a->blocks;
        a->blocks = b->older;
        free(b);
    }
    wf_arena_init(a, a->limit);
}

/* The heap. */

WF_NORETURN static void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: cannot allocate %zu bytes\n", size);
    abort();
}

void *wf_xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p) {
        out_of_memory(size);
    }
    return p;
}

void *wf_xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p) {
        out_of_memory(size && n > SIZE_MAX / size ? SIZE_MAX : n * size);
    }
    return p;
}

void *wf_xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (!q) {
        out_of_memory(size);
    }
    return q;
}

char *wf_xstrndup(const char *s, size_t n)
{
    char *p = wf_xmalloc(n + 1);
    if (n) {
        memcpy(p, s, n);
    }
    p[n] = '\0';
    return p;
}

char *wf_xstrdup(const char *s)
{
    return wf_xstrndup(s, strlen(s));
}

char *wf_xprintf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    wf_assert(size >= 0);
    char *p = wf_xmalloc((size_t)size + 1);
    va_start(args, fmt);
    vsnprintf(p, (size_t)size + 1, fmt, args);
    va_end(args);
    return p;
}

void *wf_xmalloc64(size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, CACHE_LINE, size ? size : 1) != 0) {
        out_of_memory(size);
    }
    return p;
}

void wf_xfree(void *p)
{
    free(p);
}

void wf_xgrow(void *p, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap) {
        return;
    }
    size_t next = *cap < 8 ? 8 : *cap;
    while (next < want) {
        next = next > SIZE_MAX / 2 ? want : next * 2;
    }
    if (size && next > SIZE_MAX / size) {
        out_of_memory(SIZE_MAX);
    }
    void *block = NULL; /* copied, not cast: `p` points to a pointer of any type */
    memcpy(&block, p, sizeof block);
    block = wf_xrealloc(block, next * size);
    memcpy(p, &block, sizeof block);
    *cap = next;
}

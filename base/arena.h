/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.h - memory by lifetime: bump allocation with one release, and the die-on-OOM heap for small
 * things.
 *
 * wf_arena: sized by a request, with a byte limit; past it every allocation gives NULL, which the
 * caller reports as WF_EXHAUSTED. Not thread-safe: one arena, one owner at a time. wf_xmalloc
 * family: small and bounded by our own code; aborts when memory is out, so nobody tests for NULL.
 */
#ifndef WF_ARENA_H
#define WF_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct wf_block;
struct wf_arena {
    struct wf_block *blocks;
    unsigned char *at, *end;
    size_t used, limit; /* bytes: handed out (rounding included), and the most that may be */
};

void wf_arena_init(struct wf_arena *a, size_t limit);
/* 16-byte aligned, uninitialised; NULL past the limit. size 0 gives a unique pointer. */
void *wf_arena_alloc(struct wf_arena *a, size_t size);
/* 64-byte aligned, uninitialised, for vectors; NULL past the limit. */
void *wf_arena_alloc64(struct wf_arena *a, size_t size);
/* Zeroed n * size, overflow-checked; NULL past the limit or on overflow. */
void *wf_arena_calloc_array(struct wf_arena *a, size_t size, size_t n);
char *wf_arena_strdup(struct wf_arena *a, const char *s);
/* Copies n bytes and adds a NUL. */
char *wf_arena_strndup(struct wf_arena *a, const char *s, size_t n);
char *wf_arena_printf(struct wf_arena *a, const char *fmt, ...) WF_PRINTF(2, 3);
void wf_arena_reset(struct wf_arena *a); /* keeps the first block */
void wf_arena_fini(struct wf_arena *a);
#define wf_array(a, type, n) ((type *)wf_arena_calloc_array((a), sizeof(type), (n)))

/* The heap. All abort when memory is out. wf_xarray is zeroed and overflow-checked. */
void *wf_xmalloc(size_t size);
void *wf_xcalloc(size_t n, size_t size);
void *wf_xrealloc(void *p, size_t size);
char *wf_xstrdup(const char *s);
char *wf_xstrndup(const char *s, size_t n);
char *wf_xprintf(const char *fmt, ...) WF_PRINTF(1, 2);
/* 64-byte aligned, uninitialised; released with wf_xfree. */
void *wf_xmalloc64(size_t size);
void wf_xfree(void *p); /* NULL is fine */
#define wf_xarray(type, n) ((type *)wf_xcalloc((n), sizeof(type)))
/* Grows *p (elements of `size` bytes, *cap of them) so that at least `want` fit; doubling, aborts
 * on OOM. */
void wf_xgrow(void *p, size_t *cap, size_t want, size_t size);

#endif

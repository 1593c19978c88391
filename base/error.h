/* SPDX-License-Identifier: Apache-2.0
 *
 * error.h - the only way a function fails.
 *
 * A fallible function returns enum wf_code (WF_OK = 0), is marked WF_MUST_CHECK, writes its outputs
 * only on WF_OK and takes `struct wf_error *err` last when it has something to say. Text is
 * fixed-size and on the caller's stack: reporting allocates nothing. Messages state both values
 * ("k=7, limit is 5"), lower case, no full stop. Every function here is safe from any thread; a
 * wf_error belongs to one thread at a time.
 */
#ifndef WF_ERROR_H
#define WF_ERROR_H

#include <stdint.h>

#define WF_MUST_CHECK        __attribute__((warn_unused_result))
#define WF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define WF_NORETURN          __attribute__((noreturn))

/* Values equal the gRPC status codes, so the edge needs no mapping table. */
enum wf_code {
    WF_OK = 0,
    WF_CANCELLED = 1,
    WF_UNKNOWN = 2,
    WF_INVALID = 3,
    WF_TIMEOUT = 4,
    WF_NOT_FOUND = 5,
    WF_EXISTS = 6,
    WF_DENIED = 7,
    WF_EXHAUSTED = 8,
    WF_PRECONDITION = 9,
    WF_ABORTED = 10,
    WF_OUT_OF_RANGE = 11,
    WF_UNIMPLEMENTED = 12,
    WF_INTERNAL = 13,
    WF_UNAVAILABLE = 14,
    WF_DATA_LOSS = 15,
    WF_UNAUTHENTICATED = 16,
};

/*
 * `reason` is a closed UPPER_SNAKE word (google.rpc.ErrorInfo.reason), "" when none; `field` is the
 * path of the request field at fault ("subject.vector.values[3]"), "" when none; `retry_ms` is a
 * hint, 0 when none.
 */
struct wf_error {
    enum wf_code code;
    uint32_t retry_ms;
    char reason[40];
    char field[72];
    char text[236];
};

/* Fills *err (may be NULL), clearing reason, field and hint, and returns `code`: return
 * wf_fail(err, ...). */
enum wf_code wf_fail(struct wf_error *err, enum wf_code code, const char *fmt, ...) WF_PRINTF(3, 4);
/* As wf_fail(WF_INVALID) with a reason and a field. `field` may hold an index, formatted by the
 * caller. */
enum wf_code wf_invalid(struct wf_error *err, const char *reason, const char *field,
                        const char *fmt, ...) WF_PRINTF(4, 5);
/* Sets the reason of an error already filled; returns err->code (WF_INTERNAL when err is NULL). */
enum wf_code wf_reason(struct wf_error *err, const char *reason);
/* Puts context in front while the error travels up: "shard 3 (10.0.0.7:7000): ". Returns err->code.
 */
enum wf_code wf_prefix(struct wf_error *err, const char *fmt, ...) WF_PRINTF(2, 3);
/* "INVALID_ARGUMENT", ...; "CODE_77" shapes never occur: unknown numbers give "UNKNOWN". */
const char *wf_code_name(enum wf_code code);

/* Always on: prints expression, file and line, and aborts. For our bugs only; no input may reach
 * it. */
WF_NORETURN void wf_assert_fail(const char *expr, const char *file, int line);
#define wf_assert(expr) ((expr) ? (void)0 : wf_assert_fail(#expr, __FILE__, __LINE__))

#endif

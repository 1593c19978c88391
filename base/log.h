/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h - one line per event to stderr: JSON lines off a TTY, text on one.
 *
 * Never blocks: a line goes into a bounded ring that one background thread writes; when it is full
 * the line is dropped and counted (weft_log_dropped_total). Before wf_log_start() and after
 * wf_log_stop() lines are written at once. Any bytes make valid JSON: control characters and
 * invalid UTF-8 are escaped. Lines of one call site are limited to 10 a second; the next one says
 * how many were left out. Thread-safe.
 */
#ifndef WF_LOG_H
#define WF_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum wf_level { WF_DEBUG, WF_INFO, WF_WARN, WF_ERROR };

enum wf_field_kind { WF_FIELD_STR, WF_FIELD_INT, WF_FIELD_REAL, WF_FIELD_BOOL };
struct wf_field {
    const char *key;
    enum wf_field_kind kind;
    union {
        const char *s;
        int64_t i;
        double d;
        bool b;
    } v;
};
#define WF_S(k, x) ((struct wf_field){.key = (k), .kind = WF_FIELD_STR, .v.s = (x)})
#define WF_I(k, x) ((struct wf_field){.key = (k), .kind = WF_FIELD_INT, .v.i = (int64_t)(x)})
#define WF_D(k, x) ((struct wf_field){.key = (k), .kind = WF_FIELD_REAL, .v.d = (x)})
#define WF_B(k, x) ((struct wf_field){.key = (k), .kind = WF_FIELD_BOOL, .v.b = (x)})

/* Rate-limit state of one call site. */
struct wf_log_site {
    int64_t window; /* accessed atomically inside log.c */
    int32_t in_window;
    int32_t left_out;
};

/* `component` ("shard") is put on every line; borrowed for the process's life. */
void wf_log_start(const char *component, enum wf_level level);
/* Writes what is in the ring and joins the thread. */
void wf_log_stop(void);
void wf_log_set_level(enum wf_level level);
enum wf_level wf_log_level(void);
/* 0 on success. Names: debug info warn error. */
bool wf_level_parse(const char *name, enum wf_level *out);
uint64_t wf_log_dropped(void);

void wf_log_write(struct wf_log_site *site, enum wf_level level, const char *event,
                  const struct wf_field *fields, unsigned n_fields);
/* wf_log(WF_INFO, "ready", WF_S("address", a), WF_I("shards", n)); at least one field. */
#define wf_log(level, event, ...)                                                                  \
    do {                                                                                           \
        static struct wf_log_site wf_site_;                                                        \
        const struct wf_field wf_fields_[] = {__VA_ARGS__};                                        \
        wf_log_write(&wf_site_, (level), (event), wf_fields_,                                      \
                     sizeof wf_fields_ / sizeof wf_fields_[0]);                                    \
    } while (0)

#endif

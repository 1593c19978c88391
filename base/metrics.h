/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.h - a table of metrics with prose; Prometheus text comes out, docs/METRICS.md is
 * generated from it.
 *
 * Each executable has one static table. A metric may have one label with a closed set of values
 * (bounded). Counters and histograms are striped over threads and summed on read: adding never
 * contends. Histograms are log-linear (32 steps an octave, 1 ns to 1000 s), exposed in seconds with
 * fixed `le` bounds. Thread-safe after wf_metrics_create.
 */
#ifndef WF_METRICS_H
#define WF_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum wf_metric_kind { WF_COUNTER, WF_GAUGE, WF_HISTOGRAM };
struct wf_metric {
    const char *name; /* "weft_requests_total": base units, _seconds _bytes _total */
    enum wf_metric_kind kind;
    const char *help;
    const char *label;         /* NULL: none */
    const char *const *values; /* label values, NULL-terminated; index = label argument */
};
struct wf_metrics;

/* `table` is borrowed for the life of the object. */
struct wf_metrics *wf_metrics_create(const struct wf_metric *table, unsigned n);
void wf_metrics_destroy(struct wf_metrics *m);
/* `id` is the index in the table, `label` the index into values (0 when none). */
void wf_count(struct wf_metrics *m, unsigned id, unsigned label, uint64_t add);
void wf_gauge(struct wf_metrics *m, unsigned id, unsigned label, double value);
void wf_observe_ns(struct wf_metrics *m, unsigned id, unsigned label, int64_t ns);
uint64_t wf_count_read(struct wf_metrics *m, unsigned id, unsigned label);
/* Prometheus text format 0.0.4 of the whole table; owned by the caller (wf_xfree). */
char *wf_metrics_text(struct wf_metrics *m, size_t *size);
/* Markdown rows of a table, for the generated page; owned by the caller. */
char *wf_metrics_markdown(const struct wf_metric *table, unsigned n);

/* A stand-alone log-linear histogram of nanoseconds for tools (bench). Not thread-safe. */
struct wf_histogram;
struct wf_histogram *wf_histogram_create(void);
void wf_histogram_destroy(struct wf_histogram *h);
void wf_histogram_add(struct wf_histogram *h, int64_t ns);
void wf_histogram_merge(struct wf_histogram *into, const struct wf_histogram *from);
/* q in 0..1; 0 when empty. Error at most 1/32 of the value. */
int64_t wf_histogram_quantile(const struct wf_histogram *h, double q);
int64_t wf_histogram_max(const struct wf_histogram *h);
uint64_t wf_histogram_count(const struct wf_histogram *h);

#endif

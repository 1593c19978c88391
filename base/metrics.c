/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.c - counters, gauges and histograms of one table, and their text.
 *
 * A metric has one cell for each label value. Counters and histograms are kept once per stripe; a
 * thread belongs to one of 16 stripes, dealt in turn, and each stripe's cells lie in cache lines of
 * their own. The buckets of a histogram are made when a stripe first uses it. All updates are
 * relaxed atomics: a cell is a number by itself, nothing is published through it, and a sum that is
 * read while others add is a value the counter had between the first read and the last.
 */
#include "base/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/histogram.h"

#define STRIPES 16

struct buckets {
    atomic_uint_least64_t sum_ns;
    atomic_uint_least64_t count[WF_BUCKETS];
};

struct stripe {
    atomic_uint_least64_t *counts;      /* [n_cells] */
    _Atomic(struct buckets *) *buckets; /* [n_cells], NULL until used */
};

struct wf_metrics {
    const struct wf_metric *table;
    unsigned n, n_cells;
    unsigned *first;               /* [n + 1]: cells of metric i are first[i] .. first[i + 1] - 1 */
    atomic_uint_least64_t *gauges; /* [n_cells]: the bits of a double */
    struct stripe stripes[STRIPES];
};

/* Upper bounds of the exposed histogram buckets, nanoseconds and as they are printed. */
static const struct {
    int64_t ns;
    const char *le;
} bounds[] = {
    {10000, "0.00001"},    {25000, "0.000025"}, {50000, "0.00005"},  {100000, "0.0001"},
    {250000, "0.00025"},   {500000, "0.0005"},  {1000000, "0.001"},  {2500000, "0.0025"},
    {5000000, "0.005"},    {10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},
    {100000000, "0.1"},    {250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},
    {2500000000, "2.5"},   {5000000000, "5"},   {10000000000, "10"}, {30000000000, "30"},
    {100000000000, "100"},
};
#define N_BOUNDS (sizeof bounds / sizeof bounds[0])

static unsigned n_values(const struct wf_metric *m)
{
    unsigned n = 0;
    while (m->label && m->values[n]) {
        n++;
    }
    return m->label ? n : 1;
}

/* Zeroed cells in cache lines that no other block shares. */
static void *lines(size_t n, size_t size)
{
    size_t bytes = (n * size + 63) & ~(size_t)63;
    bytes = bytes ? bytes : 64;
    return memset(wf_xmalloc64(bytes), 0, bytes);
}

struct wf_metrics *wf_metrics_create(const struct wf_metric *table, unsigned n)
{
    struct wf_metrics *m = wf_xcalloc(1, sizeof *m);
    m->table = table;
    m->n = n;
    m->first = wf_xarray(unsigned, (size_t)n + 1);
    for (unsigned i = 0; i < n; i++) {
        m->first[i + 1] = m->first[i] + n_values(&table[i]);
    }
    m->n_cells = m->first[n];
    m->gauges = lines(m->n_cells, sizeof *m->gauges);
    for (unsigned s = 0; s < STRIPES; s++) {
        m->stripes[s].counts = lines(m->n_cells, sizeof *m->stripes[s].counts);
        m->stripes[s].buckets = lines(m->n_cells, sizeof *m->stripes[s].buckets);
    }
    return m;
}

void wf_metrics_destroy(struct wf_metrics *m)
{
    if (!m) {
        return;
    }
    for (unsigned s = 0; s < STRIPES; s++) {
        for (unsigned i = 0; i < m->n_cells; i++) {
            wf_xfree(atomic_load(&m->stripes[s].buckets[i]));
        }
        wf_xfree(m->stripes[s].counts);
        wf_xfree(m->stripes[s].buckets);
    }
    wf_xfree(m->gauges);
    wf_xfree(m->first);
    wf_xfree(m);
}

static struct stripe *my_stripe(struct wf_metrics *m)
{
    static atomic_uint dealt;
    static _Thread_local unsigned mine; /* stripe + 1; 0: none yet */
    if (mine == 0) {
        mine = atomic_fetch_add(&dealt, 1) % STRIPES + 1;
    }
    return &m->stripes[mine - 1];
}

static unsigned cell(const struct wf_metrics *m, unsigned id, unsigned label,
                     enum wf_metric_kind kind)
{
    wf_assert(id < m->n);
    wf_assert(m->table[id].kind == kind);
    wf_assert(label < m->first[id + 1] - m->first[id]);
    return m->first[id] + label;
}

void wf_count(struct wf_metrics *m, unsigned id, unsigned label, uint64_t add)
{
    unsigned i = cell(m, id, label, WF_COUNTER);
    atomic_fetch_add_explicit(&my_stripe(m)->counts[i], add, memory_order_relaxed);
}

void wf_gauge(struct wf_metrics *m, unsigned id, unsigned label, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    atomic_store_explicit(&m->gauges[cell(m, id, label, WF_GAUGE)], bits, memory_order_relaxed);
}

/* The buckets of cell i in a stripe, made at their first use by whoever comes first. */
static struct buckets *buckets_get(struct stripe *s, unsigned i)
{
    struct buckets *b = atomic_load(&s->buckets[i]);
    if (b) {
        return b;
    }
    struct buckets *fresh = lines(1, sizeof *fresh);
    if (atomic_compare_exchange_strong(&s->buckets[i], &b, fresh)) {
        return fresh;
    }
    wf_xfree(fresh);
    return b;
}

void wf_observe_ns(struct wf_metrics *m, unsigned id, unsigned label, int64_t ns)
{
    unsigned i = cell(m, id, label, WF_HISTOGRAM);
    struct buckets *b = buckets_get(my_stripe(m), i);
    atomic_fetch_add_explicit(&b->count[wf_bucket_of(ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->sum_ns, ns < 0 ? 0 : (uint64_t)ns, memory_order_relaxed);
}

/* Adds up cell i of a histogram over the stripes: out[WF_BUCKETS]. Gives count and *sum_ns. */
static uint64_t histogram_read(struct wf_metrics *m, unsigned i, uint64_t *out, uint64_t *sum_ns)
{
    uint64_t total = 0;
    memset(out, 0, (size_t)WF_BUCKETS * sizeof *out);
    *sum_ns = 0;
    for (unsigned s = 0; s < STRIPES; s++) {
        struct buckets *b = atomic_load(&m->stripes[s].buckets[i]);
        for (unsigned k = 0; b && k < WF_BUCKETS; k++) {
            uint64_t count = atomic_load_explicit(&b->count[k], memory_order_relaxed);
            out[k] += count;
            total += count;
        }
        *sum_ns += b ? atomic_load_explicit(&b->sum_ns, memory_order_relaxed) : 0;
    }
    return total;
}

static uint64_t counter_read(struct wf_metrics *m, unsigned i)
{
    uint64_t total = 0;
    for (unsigned s = 0; s < STRIPES; s++) {
        total += atomic_load_explicit(&m->stripes[s].counts[i], memory_order_relaxed);
    }
    return total;
}

uint64_t wf_count_read(struct wf_metrics *m, unsigned id, unsigned label)
{
    wf_assert(id < m->n);
    unsigned i = cell(m, id, label, m->table[id].kind);
    if (m->table[id].kind == WF_HISTOGRAM) {
        uint64_t counts[WF_BUCKETS];
        uint64_t sum_ns = 0;
        return histogram_read(m, i, counts, &sum_ns);
    }
    return counter_read(m, i);
}

/* Text. */

static const char *const kind_names[] = {
    [WF_COUNTER] = "counter", [WF_GAUGE] = "gauge", [WF_HISTOGRAM] = "histogram"};

static void print_escaped(FILE *to, const char *s, const char *also)
{
    for (; *s; s++) {
        if (*s == '\n') {
            fputs("\\n", to);
        } else {
            if (*s == '\\' || strchr(also, *s)) {
                fputc('\\', to);
            }
            fputc(*s, to);
        }
    }
}

/* "name_suffix{label="value",le="bound"} " with what there is of it. */
static void print_head(FILE *to, const struct wf_metric *m, unsigned label, const char *suffix,
                       const char *le)
{
    fprintf(to, "%s%s", m->name, suffix);
    if (m->label || le) {
        fputc('{', to);
        if (m->label) {
            fprintf(to, "%s=\"", m->label);
            print_escaped(to, m->values[label], "\"");
            fputs(le ? "\"," : "\"", to);
        }
        if (le) {
            fprintf(to, "le=\"%s\"", le);
        }
        fputc('}', to);
    }
    fputc(' ', to);
}

/* A bucket of ours is below a bound when all its values are: exact to 1/32 of the bound. */
static void print_histogram(FILE *to, struct wf_metrics *m, unsigned id, unsigned label)
{
    const struct wf_metric *metric = &m->table[id];
    uint64_t counts[WF_BUCKETS];
    uint64_t sum_ns = 0;
    uint64_t total = histogram_read(m, m->first[id] + label, counts, &sum_ns);
    uint64_t below = 0;
    unsigned next = 0;
    for (size_t b = 0; b < N_BOUNDS; b++) {
        while (next < WF_BUCKETS && wf_bucket_low(next + 1) - 1 <= bounds[b].ns) {
            below += counts[next++];
        }
        print_head(to, metric, label, "_bucket", bounds[b].le);
        fprintf(to, "%llu\n", (unsigned long long)below);
    }
    print_head(to, metric, label, "_bucket", "+Inf");
    fprintf(to, "%llu\n", (unsigned long long)total);
    print_head(to, metric, label, "_sum", NULL);
    fprintf(to, "%llu.%09llu\n", (unsigned long long)(sum_ns / 1000000000),
            (unsigned long long)(sum_ns % 1000000000));
    print_head(to, metric, label, "_count", NULL);
    fprintf(to, "%llu\n", (unsigned long long)total);
}

static void print_cell(FILE *to, struct wf_metrics *m, unsigned id, unsigned label)
{
    if (m->table[id].kind == WF_HISTOGRAM) {
        print_histogram(to, m, id, label);
        return;
    }
    unsigned i = m->first[id] + label;
    print_head(to, &m->table[id], label, "", NULL);
    if (m->table[id].kind == WF_COUNTER) {
        fprintf(to, "%llu\n", (unsigned long long)counter_read(m, i));
        return;
    }
    uint64_t bits = atomic_load_explicit(&m->gauges[i], memory_order_relaxed);
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    if (__builtin_isfinite(value)) {
        fprintf(to, "%.17g\n", value);
    } else {
        fputs(__builtin_isnan(value) ? "NaN\n" : value > 0 ? "+Inf\n" : "-Inf\n", to);
    }
}

char *wf_metrics_text(struct wf_metrics *m, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);
    wf_assert(to);
    for (unsigned id = 0; id < m->n; id++) {
        const struct wf_metric *metric = &m->table[id];
        fprintf(to, "# HELP %s ", metric->name);
        print_escaped(to, metric->help, "");
        fprintf(to, "\n# TYPE %s %s\n", metric->name, kind_names[metric->kind]);
        for (unsigned label = 0; label < m->first[id + 1] - m->first[id]; label++) {
            print_cell(to, m, id, label);
        }
    }
    wf_assert(fclose(to) == 0);
    return text;
}

char *wf_metrics_markdown(const struct wf_metric *table, unsigned n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    wf_assert(to);
    fputs("| name | kind | label | meaning |\n|---|---|---|---|\n", to);
    for (unsigned id = 0; id < n; id++) {
        const struct wf_metric *m = &table[id];
        fprintf(to, "| `%s` | %s | ", m->name, kind_names[m->kind]);
        if (m->label) {
            fprintf(to, "`%s`:", m->label);
            for (unsigned i = 0; m->values[i]; i++) {
                fprintf(to, " `%s`", m->values[i]);
            }
        }
        fprintf(to, " | %s |\n", m->help);
    }
    wf_assert(fclose(to) == 0);
    return text;
}

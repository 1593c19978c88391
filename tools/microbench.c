/* SPDX-License-Identifier: Apache-2.0
 *
 * microbench.c - the measuring: runs are repeated until one takes 20 ms, then pairs go A B B A so
 * that a drift of the machine touches both sides alike. Ratios are peer / ours, so over 1 means
 * that we are faster.
 */
#include "tools/microbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/vector.h"

static int64_t cpu_now(const struct microbench_case *c)
{
    return c->process ? wf_now_cpu() : wf_now_thread_cpu();
}

/* CPU nanoseconds per unit over `repeat` runs. */
static double time_runs(const struct microbench_case *c, microbench_fn *run, unsigned repeat)
{
    const int64_t start = cpu_now(c);
    for (unsigned i = 0; i < repeat; i++) {
        run(c->ctx);
    }
    const int64_t spent = cpu_now(c) - start;
    return (double)spent / ((double)repeat * (double)c->units);
}

/* How many runs take about 20 ms. */
static unsigned calibrate(const struct microbench_case *c, microbench_fn *run)
{
    run(c->ctx); /* warm */
    const double one = time_runs(c, run, 1) * (double)c->units;
    return one <= 0 ? 1000 : one >= 2e7 ? 1 : (unsigned)(2e7 / one) + 1;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, MICROBENCH_PAIRS, sizeof values[0], by_value);
    return values[MICROBENCH_PAIRS / 2];
}

struct figures {
    double ours, peer, ratio, low, high;
};

static struct figures measure(const struct microbench_case *c)
{
    double ours[MICROBENCH_PAIRS], peer[MICROBENCH_PAIRS] = {0}, ratio[MICROBENCH_PAIRS] = {0};
    const unsigned n_ours = calibrate(c, c->ours),
                   n_peer = c->peer == NULL ? 0 : calibrate(c, c->peer);
    for (int i = 0; i < MICROBENCH_PAIRS; i++) {
        if (c->peer != NULL && i % 2 == 1) {
            peer[i] = time_runs(c, c->peer, n_peer);
        }
        ours[i] = time_runs(c, c->ours, n_ours);
        if (c->peer != NULL && i % 2 == 0) {
            peer[i] = time_runs(c, c->peer, n_peer);
        }
        ratio[i] = ours[i] > 0 ? peer[i] / ours[i] : 0;
    }
    struct figures f = {.ours = median(ours), .peer = median(peer), .ratio = median(ratio)};
    f.low = ratio[0]; /* sorted by now */
    f.high = ratio[MICROBENCH_PAIRS - 1];
    return f;
}

static void print_config(const struct microbench_case *c)
{
    printf("\"config\":{");
    for (int i = 0; i < MICROBENCH_CONFIG_MAX && c->config[i].key != NULL; i++) {
        printf("%s\"%s\":%llu", i == 0 ? "" : ",", c->config[i].key,
               (unsigned long long)c->config[i].value);
    }
    puts("}}");
}

void microbench_run(const struct microbench_case *c, bool json)
{
    const struct figures f = measure(c);
    const char *kernel = c->kernel == NULL ? wf_isa_name(wf_vector_isa()) : c->kernel;
    if (json) {
        printf("{\"name\":\"%s\",\"case\":\"%s\",", c->name, c->label);
        printf(c->peer == NULL ? "\"peer_name\":null," : "\"peer_name\":\"%s\",", c->peer_name);
        printf("\"kernel\":\"%s\",\"quantised\":%s,\"unit\":\"%s\",\"ours\":%.2f,", kernel,
               c->quantised ? "true" : "false", c->unit, f.ours);
        if (c->peer == NULL) {
            printf("\"peer\":null,\"ratio\":null,\"spread\":null,");
        } else {
            printf("\"peer\":%.2f,\"ratio\":%.3f,\"spread\":{\"min\":%.3f,\"max\":%.3f},", f.peer,
                   f.ratio, f.low, f.high);
        }
        print_config(c);
    } else if (c->peer == NULL) {
        printf("%-7s %-28s %10.1f ns per %s\n", c->name, c->label, f.ours, c->unit);
    } else {
        printf("%-7s %-28s %10.1f ns per %s, %s %.1f: %.2fx (%.2f to %.2f)\n", c->name, c->label,
               f.ours, c->unit, c->peer_name, f.peer, f.ratio, f.low, f.high);
    }
    fflush(stdout);
}

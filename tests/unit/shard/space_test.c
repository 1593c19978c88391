/* SPDX-License-Identifier: Apache-2.0
 *
 * space_test.c - the error bound between FAISS's scores and the kernel's, on vectors of many sizes;
 * and the k best against sorting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "base/hash.h"
#include "shard/made.h"
#include "shard/top.h"

enum { ROWS = 400, MOST_DIM = 768 };
static const uint64_t seed = 4242;

struct shape {
    uint32_t dim;
    enum wf_codec codec;
    enum wf_metric_space metric;
    double size;   /* of the values */
    double offset; /* added to each: long vectors that differ little are the hard case */
};

/* A space of one list; vectors with values around offset. */
static struct shard_made make(const struct shape *sh, struct wf_random *r)
{
    static const char *const specs[] = {[WF_CODEC_FLOAT32] = "IVF1,Flat",
                                        [WF_CODEC_FP16] = "IVF1,SQfp16",
                                        [WF_CODEC_SQ8] = "IVF1,SQ8"};
    static struct wf_schema schema;
    schema = (struct wf_schema){.n_spaces = 1};
    schema.spaces[0] = (struct wf_space){.dim = sh->dim, .metric = sh->metric};
    float *x = wf_xarray(float, (size_t)ROWS * sh->dim);
    char *skus[ROWS];
    uint32_t by_sku[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) {
        skus[i] = wf_xprintf("%04u", i);
        by_sku[i] = i;
        for (uint32_t j = 0; j < sh->dim; j++) {
            x[i * sh->dim + j] = (float)(sh->offset + sh->size * wf_random_normal(r));
        }
    }
    static float min[MOST_DIM], step[MOST_DIM]; /* the space borrows them */
    const float *const mins[] = {min}, *const steps[] = {step};
    shard_sq8_ranges(&schema.spaces[0], x, ROWS, min, step);
    const struct wf_table table = {.schema = &schema, .n = ROWS, .skus = skus};
    const struct shard_build_space space = {.vectors = x};
    const struct shard_build b = {.schema = &schema,
                                  .items = &table,
                                  .spaces = &space,
                                  .index = specs[sh->codec],
                                  .sq8_min = mins,
                                  .sq8_step = steps};
    struct shard_made m;
    struct wf_error err;
    assert_int_equal(shard_make(&b, 0, by_sku, ROWS, &m, &err), WF_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        wf_xfree(skus[i]);
    }
    wf_xfree(x);
    return m;
}

/* Every row: the kernel's score is at most the bound of FAISS's score. */
static void check_bound(const struct shape *sh, struct wf_random *r, double *tightest)
{
    struct shard_made m = make(sh, r);
    const struct shard_space *s = &m.space;
    const uint32_t padded = wf_padded_dim(sh->dim);
    float *q = wf_xmalloc64(padded * sizeof *q), distances[ROWS], scores[ROWS];
    int64_t ids[ROWS];
    memset(q, 0, padded * sizeof *q);
    for (uint32_t j = 0; j < sh->dim; j++) {
        q[j] = (float)(sh->offset + sh->size * wf_random_normal(r));
    }
    const double norm = sqrt((double)wf_dot(q, q, sh->dim)) * (1 + 0x1p-10);
    struct shard_faiss_heap heap = {.distances = distances, .ids = ids, .k = ROWS};
    const int64_t list = 0;
    struct wf_error err;
    shard_faiss_heap_init(s->faiss, &heap);
    assert_int_equal(shard_faiss_ivf_scan(s->faiss, q, &list, 1, &heap, &err), WF_OK);
    wf_score_rows(&s->codes, q, NULL, 0, ROWS, scores);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_in_range(ids[i], 0, ROWS - 1);
        const double theirs =
            sh->metric == WF_METRIC_L2 ? -(double)distances[i] : (double)distances[i];
        const double ours = (double)scores[ids[i]];
        const double bound = shard_space_bound(s, norm, theirs);
        if (ours > bound) {
            fail_msg("dim %u, codec %d, metric %d, size %g + %g: ours %.9g, faiss %.9g, bound %.9g",
                     sh->dim, (int)sh->codec, (int)sh->metric, sh->size, sh->offset, ours, theirs,
                     bound);
        }
        const double used = (ours - theirs) / (bound - theirs);
        *tightest = bound > theirs && used > *tightest ? used : *tightest;
    }
    wf_xfree(q);
    shard_made_fini(&m);
}

static void the_bound_holds(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 7, 16, 100, MOST_DIM};
    static const double sizes[] = {1e-20, 1e-3, 1, 50};
    static const double offsets[] = {0, 1, 30};
    double tightest = 0;
    struct wf_random r = wf_random_of(seed, 1);
    for (size_t d = 0; d < 5; d++) {
        for (int codec = WF_CODEC_FLOAT32; codec <= WF_CODEC_SQ8; codec++) {
            for (size_t i = 0; i < 12; i++) {
                for (int metric = 0; metric < 2; metric++) {
                    const struct shape sh = {.dim = dims[d],
                                             .codec = (enum wf_codec)codec,
                                             .metric = metric == 0 ? WF_METRIC_IP : WF_METRIC_L2,
                                             .size = sizes[i % 4],
                                             .offset = offsets[i / 4] * sizes[i % 4]};
                    check_bound(&sh, &r, &tightest);
                }
            }
        }
    }
    print_message("largest difference is %.3f of its bound\n", tightest);
    assert_true(tightest > 0); /* FAISS and the kernel do differ */
}

static int best_first(const void *a, const void *b)
{
    const struct shard_hit *x = a, *y = b;
    return shard_hit_before(x, y) ? -1 : shard_hit_before(y, x);
}

static void the_best_are_kept(void **state)
{
    (void)state;
    struct wf_random r = wf_random_of(seed, 2);
    for (int round = 0; round < 300; round++) {
        struct shard_hit all[300];
        const uint32_t n = (uint32_t)wf_random_below(&r, 300);
        struct shard_top top;
        struct wf_arena a;
        wf_arena_init(&a, 1 << 20);
        assert_true(shard_top_init(&top, 1 + (uint32_t)wf_random_below(&r, 250), NULL, &a));
        for (uint32_t i = 0; i < n; i++) {
            all[i] = (struct shard_hit){.score = (float)wf_random_below(&r, 20), .order = i};
            const struct shard_hit at = all[i];
            const uint32_t other = (uint32_t)wf_random_below(&r, i + 1);
            all[i] = all[other];
            all[other] = at;
        }
        for (uint32_t i = 0; i < n; i++) {
            shard_top_push(&top, all[i]);
            shard_top_push(&top, (struct shard_hit){.score = NAN});
            shard_top_push(&top, (struct shard_hit){.score = INFINITY});
        }
        shard_top_sort(&top);
        qsort(all, n, sizeof all[0], best_first);
        assert_int_equal(top.n, n < top.k ? n : top.k);
        for (uint32_t i = 0; i < top.n; i++) {
            assert_int_equal(top.hits[i].order, all[i].order);
        }
        wf_arena_fini(&a);
    }
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_holds),
        cmocka_unit_test(the_best_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * spec_test.c - index specs: what is taken, what is refused, and the number of lists by default.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shard/build.h"
#include "shard/spec.h"

static void takes_what_the_shard_serves(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct shard_spec want;
        const char *canonical;
    } cases[] = {
        {"Flat", {.kind = SHARD_FLAT, .codec = WF_CODEC_FLOAT32, .n = 0}, "Flat"},
        {"IVF512,Flat", {.kind = SHARD_IVF, .codec = WF_CODEC_FLOAT32, .n = 512}, "IVF512,Flat"},
        {"IVF1,SQfp16", {.kind = SHARD_IVF, .codec = WF_CODEC_FP16, .n = 1}, "IVF1,SQfp16"},
        {"IVF2048,SQ8", {.kind = SHARD_IVF, .codec = WF_CODEC_SQ8, .n = 2048}, "IVF2048,SQ8"},
        {"HNSW32", {.kind = SHARD_HNSW, .codec = WF_CODEC_FLOAT32, .n = 32}, "HNSW32"},
        {"HNSW32,Flat", {.kind = SHARD_HNSW, .codec = WF_CODEC_FLOAT32, .n = 32}, "HNSW32"},
        {"HNSW16,SQfp16", {.kind = SHARD_HNSW, .codec = WF_CODEC_FP16, .n = 16}, "HNSW16,SQfp16"},
        {"IVF4,PQ64x4fs,Refine(SQ8)",
         {.kind = SHARD_IVF, .codec = WF_CODEC_SQ8, .n = 4, .pq = true, .m = 64},
         "IVF4,PQ64x4fs,Refine(SQ8)"},
        {"IVF1048576,PQ256x4fs,Refine(SQfp16)",
         {.kind = SHARD_IVF, .codec = WF_CODEC_FP16, .n = 1048576, .pq = true, .m = 256},
         "IVF1048576,PQ256x4fs,Refine(SQfp16)"},
        {"IVF9,PQx4fs,Refine(SQfp16)",
         {.kind = SHARD_IVF, .codec = WF_CODEC_FP16, .n = 9, .pq = true},
         "IVF9,PQx4fs,Refine(SQfp16)"},
        {"", {.kind = SHARD_IVF, .codec = WF_CODEC_FP16, .n = 0}, "IVF0,SQfp16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shard_spec got;
        struct wf_error err;
        char text[SHARD_SPEC_TEXT];
        assert_int_equal(shard_spec_parse(cases[i].text, &got, &err), WF_OK);
        assert_int_equal(got.kind, cases[i].want.kind);
        assert_int_equal(got.codec, cases[i].want.codec);
        assert_int_equal(got.n, cases[i].want.n);
        assert_int_equal(got.pq, cases[i].want.pq);
        assert_int_equal(got.m, cases[i].want.m);
        shard_spec_text(&got, text);
        assert_string_equal(text, cases[i].canonical);
        assert_int_equal(shard_index_is_sq8(cases[i].text), got.codec == WF_CODEC_SQ8);
    }
}

static void refuses_the_rest_by_name(void **state)
{
    (void)state;
    static const char *const cases[] = {"flat",
                                        "Flat1",
                                        "IVF,Flat",
                                        "IVF0,Flat",
                                        "IVF-1,Flat",
                                        "IVF5",
                                        "IVF5,",
                                        "IVF5,SQ4",
                                        "IVF5,PQ8",
                                        "HNSW",
                                        "HNSW3",
                                        "HNSW129",
                                        "HNSW8,",
                                        "HNSW8,SQ8",
                                        "IVF 5,SQ8",
                                        "IVF5,SQ8 ",
                                        "IVF5,SQfp16,x",
                                        "IVF99999999999,SQ8",
                                        "LSH",
                                        "IVF9999999,SQ8",
                                        "IVF5,PQ8x4fs",
                                        "IVF5,PQ8x4fs,Refine(Flat)",
                                        "IVF5,PQ8x4fs,Refine(SQ8)x",
                                        "IVF5,PQ8x4,Refine(SQ8)",
                                        "HNSW8,PQ8x4fs,Refine(SQ8)",
                                        "IVF0,PQ8x4fs,Refine(SQ8)",
                                        "IVF5,PQ-8x4fs,Refine(SQ8)"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wf_error err;
        assert_int_equal(shard_index_check(cases[i], &err), WF_INVALID);
        assert_non_null(strstr(err.text, cases[i]));
        assert_false(shard_index_is_sq8(cases[i]));
    }
}

static void sub_quantisers_follow_the_dimension(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t dim, m; /* m = 0: refused */
        const char *says;
    } cases[] = {
        {"IVF8,PQx4fs,Refine(SQ8)", 128, 64, ""},
        {"IVF8,PQ64x4fs,Refine(SQ8)", 128, 64, ""},
        {"IVF8,PQ64x4fs,Refine(SQ8)", 121, 64, ""},
        {"IVF8,PQx4fs,Refine(SQ8)", 1, 4, ""},
        {"IVF8,PQx4fs,Refine(SQ8)", 512, 256, ""},
        {"IVF8,PQ32x4fs,Refine(SQ8)", 128, 0, "PQ64x4fs"},
        {"IVF8,PQ99999999999x4fs,Refine(SQ8)", 128, 0, "PQ64x4fs"},
        {"IVF8,PQx4fs,Refine(SQ8)", 513, 0, "at most 512"},
        {"IVF8,SQ8", 4096, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shard_spec spec;
        struct wf_error err = {0};
        assert_int_equal(shard_spec_parse(cases[i].text, &spec, &err), WF_OK);
        const bool good = cases[i].says[0] == '\0';
        assert_int_equal(shard_spec_fit(&spec, "photo", cases[i].dim, &err),
                         good ? WF_OK : WF_INVALID);
        assert_int_equal(good ? spec.m : 0, cases[i].m);
        assert_true(good || strstr(err.text, cases[i].says) != NULL);
        assert_true(good || strstr(err.text, "photo") != NULL);
    }
}

static void default_lists_are_near_four_roots(void **state)
{
    (void)state;
    static const struct {
        size_t rows;
        uint32_t lists;
    } cases[] = {{0, 1},         {1, 1},          {2, 2},          {3, 3},
                 {16, 16},       {100, 32},       {14815, 512},    {21366, 512},
                 {250000, 2048}, {1000000, 4096}, {8000000, 8192}, {10000000, 32768}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(shard_spec_lists(cases[i].rows), cases[i].lists);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_shard_serves),
        cmocka_unit_test(refuses_the_rest_by_name),
        cmocka_unit_test(sub_quantisers_follow_the_dimension),
        cmocka_unit_test(default_lists_are_near_four_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

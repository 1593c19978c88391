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
        {"Flat", {SHARD_FLAT, WF_CODEC_FLOAT32, 0}, "Flat"},
        {"IVF512,Flat", {SHARD_IVF, WF_CODEC_FLOAT32, 512}, "IVF512,Flat"},
        {"IVF1,SQfp16", {SHARD_IVF, WF_CODEC_FP16, 1}, "IVF1,SQfp16"},
        {"IVF2048,SQ8", {SHARD_IVF, WF_CODEC_SQ8, 2048}, "IVF2048,SQ8"},
        {"HNSW32", {SHARD_HNSW, WF_CODEC_FLOAT32, 32}, "HNSW32"},
        {"HNSW32,Flat", {SHARD_HNSW, WF_CODEC_FLOAT32, 32}, "HNSW32"},
        {"HNSW16,SQfp16", {SHARD_HNSW, WF_CODEC_FP16, 16}, "HNSW16,SQfp16"},
        {"", {SHARD_IVF, WF_CODEC_FP16, 0}, "IVF0,SQfp16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shard_spec got;
        struct wf_error err;
        char text[32];
        assert_int_equal(shard_spec_parse(cases[i].text, &got, &err), WF_OK);
        assert_int_equal(got.kind, cases[i].want.kind);
        assert_int_equal(got.codec, cases[i].want.codec);
        assert_int_equal(got.n, cases[i].want.n);
        shard_spec_text(&got, text);
        assert_string_equal(text, cases[i].canonical);
        assert_int_equal(shard_index_is_sq8(cases[i].text), got.codec == WF_CODEC_SQ8);
    }
}

static void refuses_the_rest_by_name(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "flat",   "Flat1",         "IVF,Flat",  "IVF0,Flat", "IVF-1,Flat",    "IVF5",
        "IVF5,",  "IVF5,SQ4",      "IVF5,PQ8",  "HNSW",      "HNSW3",         "HNSW129",
        "HNSW8,", "HNSW8,SQ8",     "IVF 5,SQ8", "IVF5,SQ8 ", "IVF5,SQfp16,x", "IVF99999999999,SQ8",
        "LSH",    "IVF9999999,SQ8"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wf_error err;
        assert_int_equal(shard_index_check(cases[i], &err), WF_INVALID);
        assert_non_null(strstr(err.text, cases[i]));
        assert_false(shard_index_is_sq8(cases[i]));
    }
}

static void default_lists_are_near_four_roots(void **state)
{
    (void)state;
    static const struct {
        size_t rows;
        uint32_t lists;
    } cases[] = {{0, 1},    {1, 1},       {2, 2},       {3, 3},         {16, 16},
                 {100, 32}, {14815, 512}, {21366, 512}, {250000, 2048}, {1000000, 4096}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(shard_spec_lists(cases[i].rows), cases[i].lists);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_shard_serves),
        cmocka_unit_test(refuses_the_rest_by_name),
        cmocka_unit_test(default_lists_are_near_four_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

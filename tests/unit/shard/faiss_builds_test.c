/* SPDX-License-Identifier: Apache-2.0
 *
 * faiss_builds_test.c - the same shard asked the same questions in processes that differ in the
 * build of FAISS (baseline, AVX2) and in the kernels' instruction set: one digest of all answers.
 *
 * Called with arguments it is such a process: PATH ISA prints the digest and the libfaiss in use.
 * ISA 0 is the reference: the kernel alone; elsewhere FAISS picks the candidates.
 * The baseline build is the one beside glibc-hwcaps/, put in front with LD_PRELOAD.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "shard/space.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 4000, DIM = 44, ASKED = 150 };
static const struct catalog_shape shape = {
    .n = ROWS, .dim = DIM, .metric = WF_METRIC_COSINE, .clusters = 20, .duplicate = 3, .seed = 8};

/* ---- the child ---- */

static void add_answer(struct wf_hasher *h, const struct wire_columns *c)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        bytes += c->sku_sizes[i];
    }
    wf_hasher_add(h, &c->n, sizeof c->n);
    wf_hasher_add(h, &c->scanned, sizeof c->scanned);
    wf_hasher_add(h, c->scores, c->n * sizeof *c->scores);
    wf_hasher_add(h, c->sku_bytes, bytes);
}

static void ask(const struct catalog *c, const struct shard *s, struct wf_random *r,
                struct wf_hasher *h)
{
    struct wf_arena a;
    wf_arena_init(&a, 64 << 20);
    float q[DIM];
    const size_t row = wf_random_below(r, ROWS / 17) * 17;
    for (uint32_t j = 0; j < DIM; j++) {
        q[j] = c->vectors[0][row * DIM + j] + 0.1F * (float)wf_random_normal(r);
    }
    const struct wire_probe p = {
        .space = "",
        .content_id = "",
        .vector = q,
        .dim = DIM,
        .k = 1 + (uint32_t)wf_random_below(r, 150),
        .effort = {.kind = WIRE_EFFORT_NPROBE, .value = 1 + (uint32_t)wf_random_below(r, 16)}};
    const struct wire_search_request rq = {.generation = "test",
                                           .request_id = "",
                                           .filter = "",
                                           .vector_space = "",
                                           .probes = &p,
                                           .n_probes = 1};
    struct wire_search_response got;
    struct wf_error err;
    if (!wf_normalise(q, DIM) || shard_search(s, &rq, INT64_MAX, &a, &got, &err) != WF_OK) {
        abort();
    }
    add_answer(h, &got.sources[0]);
    wf_arena_fini(&a);
}

static void print_library(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[600];
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        const char *path = strchr(line, '/');
        if (path != NULL && strstr(path, "libfaiss.so") != NULL) {
            printf("%s", path);
            break;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
}

static int answer(const char *path, const char *isa)
{
    struct catalog *c = catalog_make(&shape);
    struct shard *s = catalog_view(c, path);
    struct wf_random r = wf_random_of(shape.seed, 1);
    struct wf_hasher *h = wf_hasher_create();
    wf_vector_isa_set((enum wf_isa)(isa[0] - '0'));
    shard_select_set(isa[0] == '0' ? SHARD_SELECT_KERNEL : SHARD_SELECT_FAISS);
    for (int i = 0; i < ASKED; i++) {
        ask(c, s, &r, h);
    }
    char hex[33];
    wf_hash128_hex(wf_hasher_end(h), hex);
    printf("%s ", hex);
    print_library();
    wf_hasher_destroy(h);
    shard_close(s);
    catalog_free(c);
    return 0;
}

/* ---- the test ---- */

struct said {
    char digest[33];
    char library[512];
};

static void run(const char *preload, const char *path, enum wf_isa isa, struct said *out)
{
    char self[512], command[2048];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    snprintf(command, sizeof command, "%s%s exec %s %s %d",
             preload[0] == '\0' ? "" : "LD_PRELOAD=", preload, self, path, (int)isa);
    FILE *child = popen(command, "r"); /* NOLINT(cert-env33-c): our own words alone */
    assert_non_null(child);
    assert_int_equal(fscanf(child, "%32s %511s", out->digest, out->library), 2);
    assert_int_equal(pclose(child), 0);
}

static void every_build_gives_the_same_answers(void **state)
{
    (void)state;
    static const char *const indexes[] = {"IVF16,SQfp16", "IVF16,SQ8", "IVF16,Flat"};
    struct catalog *c = catalog_make(&shape);
    for (size_t i = 0; i < 3; i++) {
        const char *path = catalog_build(c, indexes[i], 0, 1);
        struct said first, other;
        char baseline[512];
        run("", path, WF_ISA_AUTO, &first);
        snprintf(baseline, sizeof baseline, "%s", first.library);
        char *hwcaps = strstr(baseline, "glibc-hwcaps/");
        if (hwcaps == NULL) {
            print_message("only one build of FAISS here: %s\n", first.library);
            baseline[0] = '\0';
        } else {
            snprintf(hwcaps, 16, "libfaiss.so");
        }
        for (int isa = WF_ISA_C; isa <= WF_ISA_AVX512; isa++) {
            run("", path, (enum wf_isa)isa, &other);
            assert_string_equal(other.digest, first.digest);
            run(baseline, path, (enum wf_isa)isa, &other);
            assert_string_equal(other.digest, first.digest);
        }
        print_message("%s: %s by %s and by %s\n", indexes[i], first.digest, first.library,
                      other.library);
        assert_true(hwcaps == NULL || strcmp(first.library, other.library) != 0);
    }
    catalog_free(c);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        return answer(argv[1], argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_build_gives_the_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * shard_seal_test.c - opening with a seal trusts what was verified and nothing else, a scrub finds
 * what a sealed opening could not see, and what does not fit into memory is refused with the sum.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utime.h>

#include <cmocka.h>

#include <semaphore.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/epoch.h"
#include "base/file.h"
#include "shard/mapped.h"
#include "shard/shard_scrub.h"
#include "tests/support/shard_fixture.h"

enum { ROWS = 700, DIM = 12 };
static const uint64_t seed = 77;

struct fixture {
    struct catalog *c;
    struct wf_manifest *manifest;
    char generation[300], file[400], seal[400];
};

static int setup(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    const struct catalog_shape shape = {
        .n = ROWS, .dim = DIM, .metric = WF_METRIC_COSINE, .clusters = 10, .seed = seed};
    f->c = catalog_make(&shape);
    f->manifest = catalog_generation(f->c, "IVF8,SQfp16", 2);
    snprintf(f->generation, sizeof f->generation, "%s/gen", f->c->dir);
    snprintf(f->file, sizeof f->file, "%s/shard-001/shard.weft", f->generation);
    snprintf(f->seal, sizeof f->seal, "%s/one.seal", f->c->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wf_manifest_close(f->manifest);
    catalog_free(f->c);
    wf_xfree(f);
    return 0;
}

static enum wf_code open_one(const struct fixture *f, struct shard **out, struct wf_error *err)
{
    const struct shard_open_options o = {.seal = f->seal};
    return shard_open(f->generation, 1, &o, out, err);
}

static void must_open(const struct fixture *f, bool sealed)
{
    struct shard *s;
    struct wf_error err = {0};
    if (open_one(f, &s, &err) != WF_OK) {
        fail_msg("%s", err.text);
        return;
    }
    assert_int_equal(shard_sealed(s), sealed);
    shard_close(s);
}

/* The seal that a verified opening of the file as it is now would write, a minute from now. */
static void forge(const struct fixture *f)
{
    struct wf_container *c;
    struct wf_seal seal;
    struct wf_error err;
    assert_int_equal(
        wf_generation_map(f->generation, f->manifest, "shard-001/shard.weft", &c, &seal, &err),
        WF_OK);
    seal.stamp.seen_ns += 60 * WF_SECOND;
    assert_int_equal(wf_seal_write(f->seal, &seal, &err), WF_OK);
    wf_container_close(c);
}

/* Changes one bit inside of the file; what it was comes back with a second call. */
static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 1, file), EOF);
    assert_int_equal(fclose(file), 0);
}

/* A byte in the middle of the stored vectors, which no opening but a verifying one reads. */
static long inside_codes(const struct fixture *f)
{
    struct wf_container *c;
    assert_int_equal(wf_container_open(f->file, &c, NULL), WF_OK);
    const struct wf_section *codes = wf_container_find(c, "space/first/codes");
    const long at = (long)(codes->data - wf_container_at(c, 0)->data) + 64 + (long)codes->size / 2;
    wf_container_close(c);
    return at;
}

static void ask(const struct shard *s, const struct fixture *f, const char *filter,
                struct wf_arena *a, struct wire_search_response *out)
{
    float q[DIM] = {1, -1, 0.5F};
    const struct wire_probe probe = {
        .space = "first", .content_id = "first-v1", .vector = q, .dim = DIM, .k = 50};
    assert_true(wf_normalise(q, DIM));
    const struct wire_search_request rq = {.generation = f->manifest->name,
                                           .request_id = "",
                                           .filter = filter,
                                           .group_by = "",
                                           .vector_space = "",
                                           .probes = &probe,
                                           .n_probes = 1};
    struct wf_error err = {0};
    if (shard_search(s, &rq, INT64_MAX, a, out, &err) != WF_OK) {
        fail_msg("%s", err.text);
    }
}

static void a_sealed_opening_answers_the_same(void **state)
{
    const struct fixture *f = *state;
    struct shard *verified, *sealed;
    struct wf_error err;
    struct wire_search_response x, y;
    struct wf_arena a;
    wf_arena_init(&a, 16 << 20);
    forge(f);
    assert_int_equal(shard_open(f->generation, 1, NULL, &verified, &err), WF_OK);
    assert_int_equal(open_one(f, &sealed, &err), WF_OK);
    assert_true(shard_sealed(sealed));
    assert_false(shard_sealed(verified));
    ask(verified, f, "", &a, &x);
    ask(sealed, f, "", &a, &y);
    assert_int_equal(x.sources[0].n, 50);
    assert_int_equal(y.sources[0].n, 50);
    assert_memory_equal(x.sources[0].scores, y.sources[0].scores, 50 * sizeof(float));
    assert_int_equal(shard_scrub(sealed, NULL, &err), WF_OK);
    assert_int_equal(shard_scrub(verified, NULL, &err), WF_OK);
    shard_close(verified);
    shard_close(sealed);
    wf_arena_fini(&a);
    must_open(f, true);
}

/* Old files are sealed by opening them; any change of times or content undoes it. */
static void a_changed_file_is_read_again(void **state)
{
    const struct fixture *f = *state;
    wf_seal_remove(f->seal);
    must_open(f, false);
    forge(f);
    must_open(f, true);
    const struct utimbuf old = {.actime = 1, .modtime = 1};
    assert_int_equal(utime(f->file, &old), 0);
    must_open(f, false);
    forge(f);
    flip(f->file, inside_codes(f));
    flip(f->file, inside_codes(f)); /* as it was, but written */
    must_open(f, false);
}

static void damage_is_found_and_the_seal_removed(void **state)
{
    const struct fixture *f = *state;
    struct shard *s;
    struct wf_error err = {0};
    forge(f);
    flip(f->file, inside_codes(f));
    assert_int_equal(open_one(f, &s, &err), WF_DATA_LOSS); /* the times tell */
    assert_non_null(strstr(err.text, "space/first/codes"));
    assert_false(wf_exists(f->seal));

    forge(f); /* the times do not tell: a bit that fell over by itself */
    assert_int_equal(open_one(f, &s, &err), WF_OK);
    assert_true(shard_sealed(s));
    assert_int_equal(shard_scrub(s, NULL, &err), WF_DATA_LOSS);
    assert_non_null(strstr(err.text, "space/first/codes"));
    assert_false(wf_exists(f->seal));
    shard_close(s);
    flip(f->file, inside_codes(f));
    must_open(f, false);
}

static void a_seal_of_another_generation_is_none(void **state)
{
    const struct fixture *f = *state;
    struct wf_container *c;
    struct wf_seal seal;
    struct wf_error err;
    assert_int_equal(
        wf_generation_map(f->generation, f->manifest, "shard-000/shard.weft", &c, &seal, &err),
        WF_OK);
    wf_container_close(c);
    seal.stamp.seen_ns += 60 * WF_SECOND;
    assert_int_equal(wf_seal_write(f->seal, &seal, &err), WF_OK); /* of the other shard */
    must_open(f, false);
}

static void a_seal_that_cannot_be_written_stops_nobody(void **state)
{
    struct fixture *f = *state;
    snprintf(f->seal, sizeof f->seal, "%s/no/such/directory", f->c->dir);
    must_open(f, false);
    must_open(f, false);
}

/* ---- the thread ---- */

struct heard {
    sem_t passes;
    enum wf_code code;
};

static void hear(void *ctx, enum wf_code code, const struct wf_error *err, int64_t ns)
{
    struct heard *h = ctx;
    (void)err;
    assert_true(ns >= 0);
    h->code = code;
    sem_post(&h->passes);
}

static void wait_for_pass(struct heard *h)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    assert_int_equal(sem_timedwait(&h->passes, &until), 0);
}

static void the_thread_repeats_and_ends_at_damage(void **state)
{
    const struct fixture *f = *state;
    struct shard *s;
    struct shard_scrubber *scrubber;
    struct wf_error err;
    struct heard heard = {.code = WF_UNKNOWN};
    sem_init(&heard.passes, 0, 0);
    forge(f);
    assert_int_equal(open_one(f, &s, &err), WF_OK);
    struct shard_scrub_config config = {
        .shard = s, .first = 0, .interval = 0, .done = hear, .ctx = &heard};
    assert_int_equal(shard_scrub_start(&config, &scrubber, &err), WF_OK);
    wait_for_pass(&heard);
    wait_for_pass(&heard);
    shard_scrub_stop(scrubber);
    assert_int_equal(heard.code, WF_OK);

    flip(f->file, inside_codes(f));
    while (sem_trywait(&heard.passes) == 0) {
    }
    assert_int_equal(shard_scrub_start(&config, &scrubber, &err), WF_OK);
    wait_for_pass(&heard);
    shard_scrub_stop(scrubber);
    assert_int_equal(heard.code, WF_DATA_LOSS);
    assert_int_equal(sem_trywait(&heard.passes), -1); /* one pass, not more */

    config.first = config.interval = INT64_MAX;
    assert_int_equal(shard_scrub_start(&config, &scrubber, &err), WF_OK);
    shard_scrub_stop(scrubber); /* at once */
    assert_int_equal(sem_trywait(&heard.passes), -1);
    flip(f->file, inside_codes(f));
    shard_close(s);
    sem_destroy(&heard.passes);
}

static void a_stopped_scrub_says_so(void **state)
{
    const struct fixture *f = *state;
    struct shard *s;
    struct wf_error err;
    atomic_bool stop = true;
    forge(f);
    assert_int_equal(open_one(f, &s, &err), WF_OK);
    assert_int_equal(shard_scrub(s, &stop, &err), WF_CANCELLED);
    assert_true(wf_exists(f->seal));
    shard_close(s);
}

/* ---- memory ---- */

static void components_add_up_and_are_limited(void **state)
{
    const struct fixture *f = *state;
    struct shard *s;
    struct wf_error err = {0};
    uint64_t bytes[SHARD_COMPONENTS], sum = 0;
    assert_int_equal(shard_open(f->generation, 1, NULL, &s, &err), WF_OK);
    shard_memory(s, bytes);
    for (unsigned i = 0; i < SHARD_COMPONENTS; i++) {
        assert_non_null(shard_component_names[i]);
        sum += bytes[i];
    }
    const uint32_t rows = shard_rows(s);
    assert_true(bytes[SHARD_BYTES_CODES] >= rows * DIM * 2UL);
    assert_true(bytes[SHARD_BYTES_COLUMNS] >= rows * (4UL + 4 + 1 + 4 + 8));
    assert_true(bytes[SHARD_BYTES_IDS] >= rows * 20UL);
    assert_true(bytes[SHARD_BYTES_INDEX] >= rows * 8UL); /* the second space's permutations */
    assert_int_equal(bytes[SHARD_BYTES_BITMAPS], 0);
    struct wire_search_response found;
    struct wf_arena a;
    wf_arena_init(&a, 16 << 20);
    wf_epoch_thread_begin();
    ask(s, f, "price < 50", &a, &found);
    wf_epoch_thread_end();
    wf_arena_fini(&a);
    uint64_t filtered[SHARD_COMPONENTS];
    shard_memory(s, filtered);
    assert_true(filtered[SHARD_BYTES_BITMAPS] >= rows / 8);
    shard_close(s);

    struct shard_open_options o = {.memory_limit = sum + (1 << 20), .filter_cache = 1 << 20};
    assert_int_equal(shard_open(f->generation, 1, &o, &s, &err), WF_OK);
    assert_int_equal(shard_limit(s), o.memory_limit);
    shard_close(s);
    o.memory_limit--;
    assert_int_equal(shard_open(f->generation, 1, &o, &s, &err), WF_EXHAUSTED);
    assert_string_equal(err.reason, "MEMORY");
    char want[64];
    for (unsigned i = 0; i < SHARD_COMPONENTS; i++) {
        snprintf(want, sizeof want, "%s %llu", shard_component_names[i],
                 i == SHARD_BYTES_BITMAPS ? 1ULL << 20 : (unsigned long long)bytes[i]);
        assert_non_null(strstr(err.text, want));
    }
    snprintf(want, sizeof want, "= %llu bytes, limit is %llu", (unsigned long long)sum + (1 << 20),
             (unsigned long long)o.memory_limit);
    assert_non_null(strstr(err.text, want));
}

int main(void)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_opening_answers_the_same),
        cmocka_unit_test(a_changed_file_is_read_again),
        cmocka_unit_test(damage_is_found_and_the_seal_removed),
        cmocka_unit_test(a_seal_of_another_generation_is_none),
        cmocka_unit_test(the_thread_repeats_and_ends_at_damage),
        cmocka_unit_test(a_stopped_scrub_says_so),
        cmocka_unit_test(components_add_up_and_are_limited),
        cmocka_unit_test(a_seal_that_cannot_be_written_stops_nobody),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

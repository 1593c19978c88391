/* SPDX-License-Identifier: Apache-2.0
 *
 * coord_files_test.c - the coordinator's own files: surfaces and topology. What is wrong is named
 * with what would be right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "coordinator/surfaces.h"
#include "coordinator/topology.h"

static char path[256];

static int make_file(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/coord-XXXXXX", tmp ? tmp : "/tmp");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static const char *file_of(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static struct wire_recommend_request request_of(const char *surface, enum wire_subject_kind kind)
{
    return (struct wire_recommend_request){.surface = surface, .subject = kind};
}

static void five_surfaces_always_exist(void **state)
{
    (void)state;
    static const char *const names[] = {"for_you", "similar", "for_you_raw", "similar_raw",
                                        "trending"};
    struct coord_surfaces all;
    assert_int_equal(coord_surfaces_read("", &all, NULL), WF_OK);
    for (size_t i = 0; i < 5; i++) {
        struct wire_recommend_request rq = request_of(names[i], WIRE_SUBJECT_NONE);
        const struct coord_surface *s = NULL;
        assert_int_equal(coord_surfaces_find(&all, &rq, &s, NULL), WF_OK);
        assert_string_equal(s->name, names[i]);
        bool raw = strstr(names[i], "_raw") != NULL || i == 4;
        assert_true(s->ranker == !raw && s->mmr == !raw && s->fallback);
    }
}

static void the_subject_chooses_when_no_surface_is_named(void **state)
{
    (void)state;
    static const char *const want[] = {
        [WIRE_SUBJECT_NONE] = "for_you",    [WIRE_SUBJECT_VECTOR] = "for_you",
        [WIRE_SUBJECT_USER] = "for_you",    [WIRE_SUBJECT_ITEMS] = "similar",
        [WIRE_SUBJECT_SESSION] = "similar", [WIRE_SUBJECT_TEXT] = "for_you"};
    struct coord_surfaces all;
    assert_int_equal(coord_surfaces_read("", &all, NULL), WF_OK);
    for (unsigned i = 0; i < 6; i++) {
        struct wire_recommend_request rq = request_of("", (enum wire_subject_kind)i);
        const struct coord_surface *s = NULL;
        assert_int_equal(coord_surfaces_find(&all, &rq, &s, NULL), WF_OK);
        assert_string_equal(s->name, want[i]);
    }
}

static void an_unknown_surface_is_refused_with_the_nearest(void **state)
{
    (void)state;
    struct coord_surfaces all;
    struct wf_error err;
    const struct coord_surface *s = NULL;
    assert_int_equal(coord_surfaces_read("", &all, NULL), WF_OK);
    struct wire_recommend_request rq = request_of("for_yuo", WIRE_SUBJECT_NONE);
    assert_int_equal(coord_surfaces_find(&all, &rq, &s, &err), WF_INVALID);
    assert_string_equal(err.reason, "UNKNOWN_SURFACE");
    assert_string_equal(err.field, "surface");
    assert_non_null(strstr(err.text, "\"for_you\""));
}

static void a_file_changes_and_adds_surfaces(void **state)
{
    (void)state;
    struct coord_surfaces all;
    const char *file =
        file_of("surfaces = (\n"
                "  { name = \"for_you\"; lambda = 0.5; rank_limit = 200; },\n"
                "  { name = \"home\"; mmr = false; fallback = \"none\"; },\n"
                "  { name = \"top\"; source = \"popularity\"; ranker = false; });\n");
    assert_int_equal(coord_surfaces_read(file, &all, NULL), WF_OK);
    assert_int_equal(all.n, 7);
    assert_true(all.list[0].lambda == 0.5F && all.list[0].rank_limit == 200 && all.list[0].ranker);
    assert_true(!all.list[5].mmr && !all.list[5].fallback && all.list[5].ranker);
    assert_int_equal(all.list[6].source, COORD_SOURCE_POPULARITY);
}

static void bad_surfaces_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"surfaces = ( { name = \"x\"; lamda = 1.0; } );", "lambda"},
        {"surfaces = ( { name = \"x\"; lambda = 1.5; } );", "0 to 1"},
        {"surfaces = ( { name = \"x\"; rank_limit = 0; } );", "1 to 2000"},
        {"surfaces = ( { name = \"x\"; source = \"magic\"; } );", "\"popularity\""},
        {"surfaces = ( { mmr = true; } );", "name"},
        {"surfaces = ( { name = \"\"; } );", "1 to 63"},
        {"surface = ( );", "surfaces"},
        {"surfaces = ( { name = ", ":"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct coord_surfaces all;
        struct wf_error err = {0};
        enum wf_code code = coord_surfaces_read(file_of(cases[i].text), &all, &err);
        if (code != WF_INVALID || !strstr(err.text, cases[i].says)) {
            fail_msg("%s: %s, wanted \"%s\"", cases[i].text, err.text, cases[i].says);
        }
    }
}

static void a_topology_is_read_in_order(void **state)
{
    (void)state;
    struct coord_map map;
    const char *file = file_of("shards = ( { replicas = (\"127.0.0.1:7001\", \"h:7002\"); },\n"
                               "           { replicas = (\"unix:/run/shard1\"); } );\n");
    assert_int_equal(coord_map_read(file, &map, NULL), WF_OK);
    assert_int_equal(map.n, 2);
    assert_int_equal(map.shards[0].n, 2);
    assert_string_equal(map.shards[0].addresses[1], "h:7002");
    assert_string_equal(map.shards[1].addresses[0], "unix:/run/shard1");
    coord_map_fini(&map);
}

static void a_bad_topology_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"shards = ( );", "0 shards"},
        {"shards = ( { replicas = ( ); } );", "0 replicas"},
        {"shards = ( { replicas = (\"nowhere\"); } );", "host:port"},
        {"shards = ( { replicas = (\"h:\"); } );", "host:port"},
        {"shards = ( { replicas = (7001); } );", ""},
        {"shards = ( { replica = (\"h:1\"); } );", "replicas"},
        {"shrads = ( );", "shards"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct coord_map map;
        struct wf_error err = {0};
        enum wf_code code = coord_map_read(file_of(cases[i].text), &map, &err);
        if (code != WF_INVALID || !strstr(err.text, cases[i].says)) {
            fail_msg("%s: %s, wanted \"%s\"", cases[i].text, err.text, cases[i].says);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_surfaces_always_exist),
        cmocka_unit_test(the_subject_chooses_when_no_surface_is_named),
        cmocka_unit_test(an_unknown_surface_is_refused_with_the_nearest),
        cmocka_unit_test(a_file_changes_and_adds_surfaces),
        cmocka_unit_test(bad_surfaces_are_refused),
        cmocka_unit_test(a_topology_is_read_in_order),
        cmocka_unit_test(a_bad_topology_is_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}

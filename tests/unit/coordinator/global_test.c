/* SPDX-License-Identifier: Apache-2.0
 *
 * global_test.c - the coordinators' part of a generation: what is written is what is opened, and
 * what does not fit is refused by name.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "tests/support/fake_shop.h"

enum { DIM = 3, USERS = 2, GOLDEN = 3 };
static const char *const categories[] = {"Dress", "Shoes"};
static const char *const brands[] = {"A"};
static const char *const users[] = {"u1", "u2"};
static const char *const top[] = {"s1", "s22", "s333"};
static const uint32_t counts[] = {9, 5, 5};
static const float vectors[USERS * DIM] = {1, 0, 0.5F, NAN, NAN, NAN};
static const float rows[GOLDEN * 2] = {10, 0, 45, 0, 90, 0}, margins[GOLDEN] = {1, 0, -1};

struct fixture {
    char dir[256];
    struct wf_schema schema;
    struct rank_user aggregates[USERS];
    struct coord_global_list lists[2];
    struct coord_global_build build;
};

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/global-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    f->schema.n_spaces = 1;
    f->schema.spaces[0] =
        (struct wf_space){.name = "v", .content_id = "v-1", .dim = DIM, .metric = WF_METRIC_COSINE};
    f->aggregates[0].events = 7;
    f->lists[0] = (struct coord_global_list){"", top, counts, 3};
    f->lists[1] = (struct coord_global_list){"Women", top + 1, counts + 1, 2};
    f->build = (struct coord_global_build){
        .schema = &f->schema,
        .categories = categories,
        .n_categories = 2,
        .brands = brands,
        .n_brands = 1,
        .users = users,
        .n_users = USERS,
        .aggregates = f->aggregates,
        .user_vectors = {vectors},
        .lists = f->lists,
        .n_lists = 2,
        .model = fake_model,
        .model_size = strlen(fake_model),
        .golden_rows = rows,
        .golden_margins = margins,
        .n_golden = GOLDEN,
    };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(wf_remove_tree(f->dir, NULL), WF_OK);
    wf_xfree(f);
    return 0;
}

/* A generation of one empty shard around the global part. */
static void publish(struct fixture *f)
{
    char path[300];
    struct wf_error err = {0};
    snprintf(path, sizeof path, "%s/global", f->dir);
    assert_int_equal(wf_mkdirs(path, &err), WF_OK);
    snprintf(path, sizeof path, "%s/global/global.weft", f->dir);
    if (coord_global_write(&f->build, path, &err) != WF_OK) {
        fail_msg("%s", err.text);
    }
    snprintf(path, sizeof path, "%s/shard-000", f->dir);
    assert_int_equal(wf_mkdirs(path, &err), WF_OK);
    snprintf(path, sizeof path, "%s/shard-000/shard.weft", f->dir);
    struct wf_container_writer *w = NULL;
    assert_int_equal(wf_container_create(path, &w, &err), WF_OK);
    wf_container_add(w, "none", "x", 1);
    assert_int_equal(wf_container_commit(w, &err), WF_OK);
    struct wf_manifest *m = wf_xcalloc(1, sizeof *m);
    m->n_shards = 1;
    m->schema = f->schema;
    m->shard_rows = wf_xarray(uint64_t, 1);
    if (wf_manifest_write(f->dir, m, &err) != WF_OK) {
        fail_msg("%s", err.text);
    }
    wf_manifest_close(m);
}

static struct coord_global *open_published(struct fixture *f)
{
    struct wf_error err = {0};
    struct coord_global *g = NULL;
    publish(f);
    if (coord_global_open(f->dir, &g, &err) != WF_OK) {
        fail_msg("%s", err.text);
    }
    return g;
}

static void what_is_written_is_what_is_opened(void **state)
{
    struct fixture *f = *state;
    struct coord_global *g = open_published(f);
    assert_int_equal(g->users.n, USERS);
    assert_int_equal(wf_idmap_find(&g->users, "u2", 2), 1);
    assert_int_equal(wf_idmap_find(&g->categories, "Shoes", 5), 1);
    assert_int_equal(wf_idmap_find(&g->brands, "A", 1), 0);
    assert_int_equal(wf_idmap_find(&g->colours, "Red", 3), WF_NO_ROW);
    assert_int_equal(g->aggregates[0].events, 7);
    assert_int_equal(g->n_popularity, 2);
    assert_string_equal(g->popularity[1].segment, "Women");
    assert_int_equal(g->popularity[0].n, 3);
    assert_memory_equal(g->popularity[0].bytes + g->popularity[0].offsets[1], "s22", 3);
    assert_int_equal(g->popularity[0].counts[0], 9);
    float v[2 * DIM];
    wf_half_to_float(g->user_vectors[0], v, 2 * DIM);
    assert_true(v[0] == 1 && v[2] == 0.5F && isnan(v[DIM]));
    assert_non_null(g->ranker);
    assert_int_equal(strlen(g->model), 32);
    assert_int_equal(g->binding->n, 2);
    coord_global_close(g);
}

static void a_generation_may_have_neither_users_nor_model(void **state)
{
    struct fixture *f = *state;
    f->build.n_users = f->build.n_brands = f->build.n_categories = f->build.n_lists = 0;
    f->build.model = NULL;
    struct coord_global *g = open_published(f);
    assert_string_equal(g->model, "none");
    assert_null(g->ranker);
    assert_int_equal(g->n_popularity + g->users.n, 0);
    coord_global_close(g);
}

static void a_model_that_misses_a_golden_row_is_refused_naming_it(void **state)
{
    struct fixture *f = *state;
    float wrong[GOLDEN] = {1, 1e-7F, -1};
    struct coord_global *g = NULL;
    struct wf_error err = {0};
    f->build.golden_margins = wrong;
    g = open_published(f); /* within the tolerance */
    coord_global_close(g);
    wrong[1] = 1e-5F;
    publish(f);
    assert_int_equal(coord_global_open(f->dir, &g, &err), WF_DATA_LOSS);
    assert_string_equal(err.reason, "MODEL");
    assert_non_null(strstr(err.text, "golden row 1"));
}

static void a_model_without_golden_rows_or_that_is_none_is_not_written(void **state)
{
    struct fixture *f = *state;
    char path[300];
    struct wf_error err = {0};
    snprintf(path, sizeof path, "%s/global.weft", f->dir);
    f->build.n_golden = 0;
    assert_int_equal(coord_global_write(&f->build, path, &err), WF_INVALID);
    f->build.n_golden = GOLDEN;
    f->build.model = "{}";
    f->build.model_size = 2;
    assert_int_equal(coord_global_write(&f->build, path, &err), WF_INVALID);
    assert_string_equal(err.reason, "MODEL");
    assert_false(wf_exists(path));
}

/* A generation whose global part has these sections instead; returns what opening it gives. */
static enum wf_code open_with(struct fixture *f, const char *meta, struct wf_error *err)
{
    char path[300];
    publish(f);
    snprintf(path, sizeof path, "%s/global/global.weft", f->dir);
    struct wf_container_writer *w = NULL;
    assert_int_equal(wf_container_create(path, &w, err), WF_OK);
    static const uint32_t offsets[] = {0, 2, 1};
    if (meta) {
        wf_container_add(w, "global/meta", meta, strlen(meta));
    }
    wf_container_add(w, "popularity/0/skus/offsets", offsets, sizeof offsets);
    wf_container_add(w, "popularity/0/skus/bytes", "ab", 2);
    wf_container_add(w, "popularity/0/counts", offsets, 2 * sizeof *offsets);
    assert_int_equal(wf_container_commit(w, err), WF_OK);
    struct wf_manifest *m = wf_xcalloc(1, sizeof *m);
    m->n_shards = 1;
    m->schema = f->schema;
    m->shard_rows = wf_xarray(uint64_t, 1);
    assert_int_equal(wf_manifest_write(f->dir, m, err), WF_OK);
    wf_manifest_close(m);
    struct coord_global *g = NULL;
    enum wf_code code = coord_global_open(f->dir, &g, err);
    coord_global_close(code == WF_OK ? g : NULL);
    return code;
}

static void what_does_not_fit_is_data_loss(void **state)
{
    static const char *const metas[] = {
        NULL,
        "",
        "[]",
        "{\"users\":-1}",
        "{\"users\":\"many\"}",
        "{\"users\":5}",
        "{\"lists\":[{\"segment\":\"\",\"n\":2}]}",
        "{\"lists\":[{\"segment\":\"\",\"n\":3}]}",
        "{\"lists\":[{\"segment\":\"\",\"n\":4000000000}]}",
        "{\"lists\":[{\"n\":2}]}",
        "{\"lists\":[7]}",
        "{\"users\":0,\"users\":0}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof metas / sizeof metas[0]; i++) {
        struct wf_error err = {0};
        if (open_with(f, metas[i], &err) != WF_DATA_LOSS) {
            fail_msg("%s: %s %s", metas[i] ? metas[i] : "no meta", wf_code_name(err.code),
                     err.text);
        }
    }
    struct wf_error err = {0};
    assert_int_equal(open_with(f, "{}", &err), WF_OK);
}

#define CLAIM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_is_written_is_what_is_opened),
        CLAIM(a_generation_may_have_neither_users_nor_model),
        CLAIM(a_model_that_misses_a_golden_row_is_refused_naming_it),
        CLAIM(a_model_without_golden_rows_or_that_is_none_is_not_written),
        CLAIM(what_does_not_fit_is_data_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

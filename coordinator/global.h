/* SPDX-License-Identifier: Apache-2.0
 *
 * global.h - the part of a generation that coordinators hold: written by the build, mapped by the
 * coordinator.
 *
 * Sections of global/global.weft:
 *
 *   global/meta               JSON: {"users","categories","brands","colours": how many of each,
 *                             "lists":[{"segment","n"}],"space": of the profiles,"model": hash, ""}
 *   categories|brands|colours/{offsets,bytes,hashes,rows}  global codes of the role attributes
 *   users/{offsets,...}       id map; absent, as those above, when there are none
 *   users/aggregates          struct rank_user each
 *   users/vectors/<space>     fp16, n x dim; NaN first = that user has none
 *   popularity/<i>/skus/{offsets,bytes}, popularity/<i>/counts u32
 *                             list 0 = over all, then one per segment value
 *   model/ranker              XGBoost JSON as trained; absent without one
 *   model/golden              rows (n x features), then the margins that the training library gave
 *                             them (n), float32
 *
 * A user vector is the normalised mean of the vectors of the last 20 purchases. Read-only,
 * thread-safe.
 */
#ifndef COORD_GLOBAL_H
#define COORD_GLOBAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/generation.h"
#include "base/idmap.h"
#include "ranking/features.h"
#include "ranking/forest.h"

struct coord_popularity {
    char segment[WF_SKU_MAX + 1]; /* "" = over all */
    uint32_t n;
    const uint32_t *offsets;
    const char *bytes;
    const uint32_t *counts;
};
struct coord_global {
    struct wf_manifest *manifest;
    struct wf_container *container;
    struct wf_idmap users, categories, brands, colours;
    const struct rank_user *aggregates;
    const uint16_t *user_vectors[WF_SPACES_MAX]; /* fp16 per space, NULL = none */
    struct coord_popularity *popularity;
    unsigned n_popularity;
    struct rank_forest *ranker; /* NULL = none */
    struct rank_binding *binding;
    char model[33]; /* hash, or "none" */
};
/* Opens GEN/global of a generation directory, everything verified, golden rows compared. */
WF_MUST_CHECK enum wf_code coord_global_open(const char *dir, struct coord_global **out,
                                             struct wf_error *err);
void coord_global_close(struct coord_global *g);

/* ---- writing, by the build tool ---- */
struct coord_global_list {
    const char *segment;
    const char *const *skus;
    const uint32_t *counts;
    uint32_t n; /* at most 1000 */
};
struct coord_global_build {
    const struct wf_schema *schema;
    const char *const *categories, *const *brands, *const *colours; /* code = index */
    uint32_t n_categories, n_brands, n_colours;
    const char *const *users;
    uint32_t n_users;
    const struct rank_user *aggregates;       /* n_users */
    const float *user_vectors[WF_SPACES_MAX]; /* n_users x dim, NaN first = none; NULL = none */
    const struct coord_global_list *lists;
    uint32_t n_lists;
    const char *model; /* text, NULL = none */
    size_t model_size;
    const float *golden_rows, *golden_margins; /* n_golden x features, n_golden x outputs */
    uint32_t n_golden;
};
WF_MUST_CHECK enum wf_code coord_global_write(const struct coord_global_build *b, const char *path,
                                              struct wf_error *err);

#endif

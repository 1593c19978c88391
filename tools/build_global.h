/* SPDX-License-Identifier: Apache-2.0
 *
 * build_global.h - what coordinators get: made from a catalog and a model, written as one
 * container.
 */
#ifndef TOOL_BUILD_GLOBAL_H
#define TOOL_BUILD_GLOBAL_H

#include "base/error.h"
#include "tools/catalog.h"

/*
 * Item features of every item for all features that are item columns: n x *n_features, row-major,
 * owned by the caller. *ids (owned) are their ids in column order.
 */
float *tool_item_features(const struct tool_catalog *c, uint32_t **ids, uint32_t *n_features);
/*
 * `model` is a path or NULL; its golden rows lie beside it. Users are those with purchases and
 * those of the dataset's users/ directory; *n_users says how many.
 */
WF_MUST_CHECK enum wf_code tool_build_global(const struct tool_catalog *c, const char *model,
                                             const char *path, uint32_t *n_users,
                                             struct wf_error *err);

#endif

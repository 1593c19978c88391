/* SPDX-License-Identifier: Apache-2.0
 *
 * schema_form.h - the checks and the JSON form of a schema, shared by schema.c, schema_json.c and
 * manifest.c. Private to base/.
 */
#ifndef WF_SCHEMA_FORM_H
#define WF_SCHEMA_FORM_H

#include <jansson.h>

#include "base/generation.h"

/* Element i against itself and those before it; WF_INVALID without a place in front. */
WF_MUST_CHECK enum wf_code wf_schema_check_attr(const struct wf_schema *s, unsigned i,
                                                struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_schema_check_space(const struct wf_schema *s, unsigned i,
                                                 struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_schema_check_role(const struct wf_schema *s, enum wf_role role,
                                                struct wf_error *err);
WF_MUST_CHECK enum wf_code wf_schema_check_description(const struct wf_schema *s,
                                                       struct wf_error *err);
/* All of them. */
WF_MUST_CHECK enum wf_code wf_schema_check(const struct wf_schema *s, struct wf_error *err);

/* A new reference. */
json_t *wf_schema_to_json(const struct wf_schema *s);
/* Checks everything; failures are WF_DATA_LOSS or WF_INVALID. */
WF_MUST_CHECK enum wf_code wf_schema_from_json(json_t *json, struct wf_schema *out,
                                               struct wf_error *err);

#endif

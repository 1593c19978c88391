/* SPDX-License-Identifier: Apache-2.0
 *
 * groups.c - see groups.h. An open-addressed table of the groups met so far, at most half full: no
 * more groups than candidates are admitted.
 */
#include "coordinator/groups.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "coordinator/candidates.h"

struct group {
    const char *value; /* NULL: a free place; not NUL-terminated */
    uint32_t size, n;
};
struct coord_groups {
    const char *attribute;
    uint32_t max, mask;
    struct group *table;
};

enum wf_code coord_groups_open(struct coord_query *q, struct coord_groups **out)
{
    *out = NULL;
    if (!q->rq.group_by[0]) {
        return WF_OK;
    }
    uint32_t places = 64;
    while (places < 2 * q->want) {
        places *= 2;
    }
    struct coord_groups *g = wf_array(q->arena, struct coord_groups, 1);
    struct group *table = wf_array(q->arena, struct group, places);
    if (!g || !table) {
        return WF_EXHAUSTED;
    }
    *g = (struct coord_groups){
        .attribute = q->rq.group_by, .max = q->rq.group_max, .mask = places - 1, .table = table};
    *out = g;
    return WF_OK;
}

/* The bytes of a row's value, borrowed from its column; NULL: it has none. */
static const char *value_of(const struct wire_columns *c, const char *name, uint32_t row,
                            uint32_t *size)
{
    static const float zero;
    for (uint32_t i = 0; i < c->n_attributes; i++) {
        const struct wire_column *a = &c->attributes[i];
        if (strcmp(a->name, name) != 0) {
            continue;
        }
        switch (a->kind) {
        case WIRE_COLUMN_KEYWORD:
            if (a->codes[row] == UINT32_MAX) {
                return NULL;
            }
            *size = (uint32_t)strlen(a->dictionary[a->codes[row]]);
            return a->dictionary[a->codes[row]];
        case WIRE_COLUMN_NUMBER:
            *size = sizeof zero;
            return isnan(a->numbers[row]) ? NULL
                   : a->numbers[row] == 0 ? (const char *)&zero /* -0 is 0 */
                                          : (const char *)&a->numbers[row];
        case WIRE_COLUMN_FLAG:
            *size = 1;
            return a->flags[row] < 2 ? (const char *)&a->flags[row] : NULL;
        case WIRE_COLUMN_TEXT:
            return NULL;
        }
    }
    return NULL;
}

bool coord_groups_admit(struct coord_groups *g, const struct coord_query *q,
                        const struct coord_candidate *c)
{
    uint32_t size = 0;
    const char *value =
        g ? value_of(coord_candidate_columns(q, c), g->attribute, c->row, &size) : NULL;
    if (!value) {
        return true;
    }
    uint32_t at = (uint32_t)wf_hash64(value, size) & g->mask;
    struct group *to = &g->table[at];
    while (to->value && (to->size != size || memcmp(to->value, value, size) != 0)) {
        at = (at + 1) & g->mask;
        to = &g->table[at];
    }
    if (to->n == g->max) {
        return false;
    }
    *to = (struct group){.value = value, .size = size, .n = to->n + 1};
    return true;
}

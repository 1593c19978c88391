/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset.h - a dataset directory: what importers and synth write, what embed, train and build
 * read.
 *
 *   DIR/schema.cfg                attributes, spaces, roles (base/generation.h)
 *   DIR/items.jsonl[.zst|.gz]     one object per line: "sku" and attributes of the schema
 *   DIR/spaces/<name>.npy         row i = item i; a row whose first element is NaN: no vector
 *   DIR/interactions.tsv[.zst|.gz] header line "user sku event unix_time value", tab-separated;
 *                                 optional; rows of one user come in order of time
 *   DIR/users/ids.txt, DIR/users/<space>.npy   optional vectors of users
 *
 * A new dataset is assembled beside DIR and published whole. Errors name file and line. Not
 * thread-safe, except that a dataset which is open may be read from many threads.
 */
#ifndef TOOL_DATASET_H
#define TOOL_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "base/generation.h"
#include "base/table.h"
#include "tools/intern.h"
#include "tools/npy.h"
#include "tools/text.h"

/* ---- reading ---- */

enum tool_dataset_parts {
    TOOL_LOAD_SCHEMA = 0,
    TOOL_LOAD_SKUS = 1,   /* SKUs alone: the table has no columns filled */
    TOOL_LOAD_ITEMS = 2,  /* SKUs and all attributes */
    TOOL_LOAD_SPACES = 4, /* every space of the schema, mapped; needs SKUS or ITEMS */
};
struct tool_dataset {
    char *dir;
    struct wf_schema schema;
    struct wf_table items;                 /* items.schema = &schema */
    struct tool_intern skus;               /* id = row */
    struct tool_npy spaces[WF_SPACES_MAX]; /* rows = items.n */
    struct tool_intern *dictionaries;      /* private: one per attribute */
    struct wf_arena texts;                 /* private */
    size_t *caps;                          /* private */
};
WF_MUST_CHECK enum wf_code tool_dataset_open(const char *dir, unsigned parts,
                                             struct tool_dataset **out, struct wf_error *err);
void tool_dataset_close(struct tool_dataset *ds); /* NULL is fine */
/* Adds one items line (tests, fuzzing). Errors do not name the place. */
WF_MUST_CHECK enum wf_code tool_dataset_add_line(struct tool_dataset *ds, const char *line,
                                                 size_t size, bool attributes,
                                                 struct wf_error *err);
/*
 * Whether every vector of a loaded space is finite or marked as missing; the error names file and
 * row. *n_missing may be NULL.
 */
WF_MUST_CHECK enum wf_code tool_dataset_check_space(const struct tool_dataset *ds, unsigned space,
                                                    size_t *n_missing, struct wf_error *err);

/* One line of interactions.tsv; strings are borrowed until the next one. */
struct tool_event {
    const char *user, *sku, *kind; /* 1 to 64 bytes each; "purchase" is what the build counts */
    int64_t unix_time;             /* seconds */
    double value;                  /* what was paid, or NaN */
};
struct tool_events {
    char *path;
    struct wf_reader *reader;
};
/* *out = NULL when the dataset has no interactions. */
WF_MUST_CHECK enum wf_code tool_events_open(const char *dir, struct tool_events **out,
                                            struct wf_error *err);
/* *more = false at the end. */
WF_MUST_CHECK enum wf_code tool_events_next(struct tool_events *ev, struct tool_event *out,
                                            bool *more, struct wf_error *err);
void tool_events_close(struct tool_events *ev); /* NULL is fine */
extern const char tool_events_header[];         /* with its line end */
extern const char tool_event_purchase[];
/* Path of interactions.tsv in `dir`, as tool_dataset_file(). */
char *tool_events_path(const char *dir);
/* DIR/<name>, or that with .zst or .gz; NULL when there is none. Owned by the caller. */
char *tool_dataset_file(const char *dir, const char *name);

/* ---- writing ---- */

/* One attribute of one item; which member counts follows the attribute's type. */
struct tool_value {
    const char *text; /* keyword, text: NULL = missing */
    float number;     /* NaN = missing */
    uint8_t flag;     /* 0, 1, 2 = missing */
};
#define TOOL_MISSING ((struct tool_value){.text = NULL, .number = NAN, .flag = 2})
/* Appends one line of items.jsonl; values[i] is schema->attrs[i]. Pure. */
void tool_item_encode(const struct wf_schema *schema, const char *sku,
                      const struct tool_value *values, struct tool_text *out);

struct tool_dataset_writer {
    char *dir;  /* where it will be */
    char *temp; /* where it is until it is published */
    struct wf_schema schema;
    struct wf_writer *items;                       /* private */
    struct tool_npy_writer *spaces[WF_SPACES_MAX]; /* private */
    uint64_t n_items, n_vectors[WF_SPACES_MAX];
};
/* WF_EXISTS when `dir` is there and not empty. */
WF_MUST_CHECK enum wf_code tool_dataset_create(const char *dir, const struct wf_schema *schema,
                                               struct tool_dataset_writer **out,
                                               struct wf_error *err);
/* Lines of tool_item_encode, n of them. Errors stick and are reported by finish. */
void tool_dataset_put_lines(struct tool_dataset_writer *w, const struct tool_text *lines,
                            uint64_t n);
void tool_dataset_put_vectors(struct tool_dataset_writer *w, unsigned space, const float *rows,
                              size_t n);
/* Items, spaces and schema are complete and readable in w->temp; further files may be added. */
WF_MUST_CHECK enum wf_code tool_dataset_finish(struct tool_dataset_writer *w, struct wf_error *err);
/* Makes it visible under w->dir and ends the writer. */
WF_MUST_CHECK enum wf_code tool_dataset_publish(struct tool_dataset_writer *w,
                                                struct wf_error *err);
void tool_dataset_abort(struct tool_dataset_writer *w); /* NULL is fine */

/* A space from flags: name, what made the vectors (NULL: the name), metric. Usage errors. */
WF_MUST_CHECK enum wf_code tool_space_fill(const char *name, const char *content_id,
                                           const char *metric, struct wf_space *out,
                                           struct wf_error *err);
/*
 * Adds or replaces a space of an existing dataset: begin, tool_npy_put as many rows as there are
 * items, end. Nothing is visible before end, which takes the writer, puts the file into place and
 * then writes the schema; tool_npy_abort gives up. *schema is updated.
 */
WF_MUST_CHECK enum wf_code tool_dataset_begin_space(const char *dir, const struct wf_space *space,
                                                    struct tool_npy_writer **out,
                                                    struct wf_error *err);
WF_MUST_CHECK enum wf_code tool_dataset_end_space(const char *dir, struct wf_schema *schema,
                                                  const struct wf_space *space,
                                                  struct tool_npy_writer *npy,
                                                  struct wf_error *err);

#endif

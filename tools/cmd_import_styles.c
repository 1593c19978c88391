/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_import_styles.c - weft import styles: the fashion product catalog that Kaggle carries
 * (id,gender,masterCategory,...,productDisplayName), with or without vectors beside it.
 *
 * The catalog is held in memory: the brand rule needs all names before the first item is written.
 * The last column has unquoted commas in some rows, so everything from the tenth field on is the
 * name.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "tools/brand.h"
#include "tools/commands.h"
#include "tools/csv.h"
#include "tools/dataset.h"
#include "tools/id_vectors.h"
#include "tools/progress.h"

struct args {
    const char *catalog, *vectors, *ids, *space, *metric, *content_id, *out;
    uint64_t max_errors;
};

static const struct tool_option options[] = {
    {.name = "catalog",
     .type = TOOL_STR,
     .offset = offsetof(struct args, catalog),
     .value = "FILE",
     .required = true,
     .what = "styles.csv, plain, gzip or zstd."},
    {.name = "vectors",
     .type = TOOL_STR,
     .offset = offsetof(struct args, vectors),
     .value = "FILE",
     .what = "Vectors of the items (.npy .fvecs .bvecs .tsv)."},
    {.name = "ids",
     .type = TOOL_STR,
     .offset = offsetof(struct args, ids),
     .value = "FILE",
     .what = "The vectors' SKUs, line i for row i."},
    {.name = "space",
     .type = TOOL_STR,
     .offset = offsetof(struct args, space),
     .value = "NAME",
     .def = "text",
     .what = "Name of the vectors' embedding space."},
    TOOL_METRIC_OPTION(struct args, metric),
    {.name = "content-id",
     .type = TOOL_STR,
     .offset = offsetof(struct args, content_id),
     .value = "ID",
     .what = "What made the vectors. Default: the space's name."},
    TOOL_MAX_ERRORS_OPTION(struct args, max_errors),
    {.name = "out",
     .type = TOOL_STR,
     .offset = offsetof(struct args, out),
     .value = "DIR",
     .required = true,
     .what = "The new dataset directory."},
};

/* Columns of the file; all but ID become attributes of the same name and place, shifted by one. */
enum column { ID, GENDER, MASTER, SUB, ARTICLE, COLOUR, SEASON, YEAR, USAGE, NAME, N_COLUMNS };
static const char *const columns[N_COLUMNS] = {
    "id",         "gender", "masterCategory", "subCategory", "articleType",
    "baseColour", "season", "year",           "usage",       "productDisplayName",
};
enum { BRAND = N_COLUMNS - 1, LAUNCH, N_ATTRIBUTES };

struct style {
    char *fields[N_COLUMNS]; /* NULL = empty */
    float year;
};
struct work {
    const struct args *args;
    struct wf_schema schema;
    struct tool_rejects rejects;
    struct wf_arena arena;
    struct tool_intern skus; /* id = row */
    struct style *styles;
    size_t cap;
    float *vectors; /* NULL = none; rows of dim */
    uint32_t dim;
    uint64_t joined, without;
};

/* ---- the catalog ---- */

static enum wf_code check_header(const struct tool_csv *csv, struct wf_error *err)
{
    for (size_t i = 0; i < N_COLUMNS; i++) {
        if (i >= csv->n || strcmp(csv->fields[i], columns[i]) != 0) {
            return wf_fail(err, WF_INVALID, "column %zu is '%.40s', wanted is '%s'", i + 1,
                           i < csv->n ? csv->fields[i] : "", columns[i]);
        }
    }
    return WF_OK;
}

static char *field(struct work *w, const char *text)
{
    return *text ? wf_arena_strdup(&w->arena, text) : NULL;
}

/* The name: the tenth field, and what unquoted commas cut off it. */
static char *join_name(struct work *w, const struct tool_csv *csv)
{
    struct tool_text text = {0};
    for (size_t i = NAME; i < csv->n; i++) {
        tool_text_str(&text, i > NAME ? "," : "");
        tool_text_str(&text, csv->fields[i]);
    }
    w->joined += csv->n > N_COLUMNS ? 1 : 0;
    char *name = text.data ? field(w, text.data) : NULL;
    tool_text_fini(&text);
    return name;
}

static enum wf_code check_row(struct work *w, const struct tool_csv *csv, struct wf_error *err)
{
    if (csv->n < N_COLUMNS) {
        return wf_fail(err, WF_INVALID, "%zu fields, wanted are %d", csv->n, N_COLUMNS);
    }
    const char *sku = csv->fields[ID];
    enum wf_code code = tool_check_sku(sku, strlen(sku), err);
    if (code != WF_OK) {
        return code;
    }
    for (size_t i = 1; i < csv->n; i++) {
        const size_t size = strlen(csv->fields[i]);
        if (!wf_utf8_valid(csv->fields[i], size)) {
            return wf_fail(err, WF_INVALID, "field %zu is not UTF-8", i + 1);
        }
        if (i < NAME && size > WF_SKU_MAX) {
            return wf_fail(err, WF_INVALID, "%s has %zu bytes, the limit is %d", columns[i], size,
                           WF_SKU_MAX);
        }
    }
    const char *year = csv->fields[YEAR];
    uint64_t number = 0;
    if (*year && (!tool_parse_uint(year, &number) || number > 9999)) {
        return wf_fail(err, WF_INVALID, "year '%.20s' is not a year", year);
    }
    if (tool_intern_find(&w->skus, sku, strlen(sku)) != TOOL_NO_ID) {
        return wf_fail(err, WF_INVALID, "SKU '%s' came before", sku);
    }
    return WF_OK;
}

static void keep_row(struct work *w, const struct tool_csv *csv)
{
    const uint32_t row = tool_intern_add(&w->skus, csv->fields[ID], strlen(csv->fields[ID]), NULL);
    wf_xgrow(&w->styles, &w->cap, (size_t)row + 1, sizeof *w->styles);
    struct style *s = &w->styles[row];
    uint64_t year = 0;
    *s = (struct style){.year = NAN};
    for (size_t i = ID + 1; i < NAME; i++) {
        s->fields[i] = field(w, csv->fields[i]);
    }
    s->fields[NAME] = join_name(w, csv);
    if (s->fields[YEAR] && tool_parse_uint(s->fields[YEAR], &year)) {
        s->year = (float)year;
    }
}

static enum wf_code read_rows(struct work *w, struct tool_csv *csv, struct wf_error *err)
{
    struct tool_progress progress;
    bool more = true;
    enum wf_code code = tool_csv_next(csv, &more, err);
    code = code == WF_OK ? check_header(csv, err) : code;
    if (code != WF_OK || !more) {
        return wf_prefix(err, "%s:1: ", w->args->catalog);
    }
    tool_progress_init(&progress, "reading the catalog", "bytes", wf_reader_total(csv->reader));
    for (;;) {
        code = tool_csv_next(csv, &more, err);
        if (code == WF_OK && !more) {
            break;
        }
        code = code == WF_OK ? check_row(w, csv, err) : code;
        if (code == WF_OK) {
            keep_row(w, csv);
        } else if (code == WF_INVALID) {
            code = tool_reject(&w->rejects, w->args->catalog, csv->line, err);
        }
        if (code != WF_OK) {
            break;
        }
        tool_progress_at(&progress, wf_reader_bytes(csv->reader));
    }
    tool_progress_end(&progress, wf_reader_bytes(csv->reader));
    return code;
}

static enum wf_code read_catalog(struct work *w, struct wf_error *err)
{
    struct tool_csv csv;
    enum wf_code code = tool_csv_open(w->args->catalog, &csv, err);
    if (code == WF_OK) {
        code = read_rows(w, &csv, err);
        tool_csv_close(&csv);
    }
    if (code == WF_OK && w->skus.n == 0) {
        code = wf_fail(err, WF_INVALID, "%s has no good rows", w->args->catalog);
    }
    return code;
}

/* ---- the vectors ---- */

static enum wf_code read_vectors(struct work *w, struct wf_error *err)
{
    struct wf_space *space = &w->schema.spaces[0];
    struct tool_id_vectors in = {.path = w->args->vectors,
                                 .ids_path = w->args->ids,
                                 .metric = space->metric,
                                 .rejects = &w->rejects};
    enum wf_code code = tool_id_vectors_open(&in, 0, err);
    if (code != WF_OK) {
        tool_id_vectors_close(&in);
        return code;
    }
    w->schema.n_spaces = 1;
    w->dim = space->dim = in.file.dim;
    code = tool_id_vectors_place(&in, &w->skus, &w->vectors, &w->without, err);
    tool_id_vectors_close(&in);
    return code;
}

/* ---- the dataset ---- */

static void fill_schema(struct work *w)
{
    static const char *const roles[WF_N_ROLES] = {
        [WF_ROLE_TITLE] = "productDisplayName",
        [WF_ROLE_CATEGORY] = "articleType",
        [WF_ROLE_BRAND] = "brand",
        [WF_ROLE_COLOUR] = "baseColour",
        [WF_ROLE_LAUNCH] = "launch_day",
        [WF_ROLE_SEGMENT] = "gender",
    };
    struct wf_schema *s = &w->schema;
    for (unsigned i = GENDER; i < N_COLUMNS; i++) {
        struct wf_attr *attr = &s->attrs[s->n_attrs++];
        snprintf(attr->name, sizeof attr->name, "%s", columns[i]);
        attr->type = i == YEAR ? WF_ATTR_NUMBER : i == NAME ? WF_ATTR_TEXT : WF_ATTR_KEYWORD;
    }
    s->attrs[s->n_attrs++] = (struct wf_attr){"brand", WF_ATTR_KEYWORD};
    s->attrs[s->n_attrs++] = (struct wf_attr){"launch_day", WF_ATTR_NUMBER};
    for (unsigned i = 0; i < WF_N_ROLES; i++) {
        snprintf(s->roles[i], sizeof s->roles[i], "%s", roles[i] ? roles[i] : "");
    }
    snprintf(s->description, sizeof s->description, "Fashion catalog with columns of styles.csv");
}

/* Days since 1970 of the first of a month (proleptic Gregorian). */
static int64_t day_of(int64_t year, int64_t month)
{
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 719468;
}

/* The first day of the season: Spring February, Summer May, Fall August, Winter November. */
static float launch_day(const struct style *s)
{
    static const struct {
        const char *season;
        int64_t month;
    } months[] = {{"Spring", 2}, {"Summer", 5}, {"Fall", 8}, {"Winter", 11}};
    if (isnan(s->year)) {
        return NAN;
    }
    for (size_t i = 0; i < sizeof months / sizeof *months; i++) {
        if (s->fields[SEASON] && strcmp(s->fields[SEASON], months[i].season) == 0) {
            return (float)day_of((int64_t)s->year, months[i].month);
        }
    }
    return (float)day_of((int64_t)s->year, 1);
}

static void learn_brands(const struct work *w, struct tool_brands *brands)
{
    static const enum column vocabulary[] = {ARTICLE, COLOUR, SEASON, USAGE, SUB, MASTER};
    for (size_t row = 0; row < w->skus.n; row++) {
        for (size_t i = 0; i < sizeof vocabulary / sizeof *vocabulary; i++) {
            const char *value = w->styles[row].fields[vocabulary[i]];
            if (value) {
                tool_brands_vocabulary(brands, value);
            }
        }
    }
    for (size_t row = 0; row < w->skus.n; row++) {
        if (w->styles[row].fields[NAME]) {
            tool_brands_learn(brands, w->styles[row].fields[NAME]);
        }
    }
}

static void write_rows(struct work *w, const struct tool_brands *brands,
                       struct tool_dataset_writer *to)
{
    struct tool_text line = {0};
    for (size_t row = 0; row < w->skus.n; row++) {
        const struct style *s = &w->styles[row];
        struct tool_value values[N_ATTRIBUTES];
        char brand[TOOL_BRAND_MAX + 1];
        for (unsigned i = GENDER; i < N_COLUMNS; i++) {
            values[i - 1] = TOOL_MISSING;
            values[i - 1].text = s->fields[i];
        }
        values[YEAR - 1].number = s->year;
        values[BRAND] = values[LAUNCH] = TOOL_MISSING;
        if (s->fields[NAME] && tool_brands_of(brands, s->fields[NAME], brand)) {
            values[BRAND].text = brand;
        }
        values[LAUNCH].number = launch_day(s);
        tool_text_clear(&line);
        tool_item_encode(&w->schema, w->skus.names[row], values, &line);
        tool_dataset_put_lines(to, &line, 1);
    }
    if (w->vectors) {
        tool_dataset_put_vectors(to, 0, w->vectors, w->skus.n);
    }
    tool_text_fini(&line);
}

static enum wf_code write_dataset(struct work *w, struct wf_error *err)
{
    struct tool_dataset_writer *to = NULL;
    struct tool_brands brands;
    enum wf_code code = tool_dataset_create(w->args->out, &w->schema, &to, err);
    if (code != WF_OK) {
        return code;
    }
    tool_brands_init(&brands);
    learn_brands(w, &brands);
    write_rows(w, &brands, to);
    tool_brands_fini(&brands);
    code = tool_dataset_finish(to, err);
    if (code != WF_OK) {
        tool_dataset_abort(to);
        return code;
    }
    return tool_dataset_publish(to, err);
}

static void report(const struct tool_call *call, const struct work *w)
{
    const uint64_t with = w->vectors ? w->skus.n - w->without : 0;
    if (call->json) {
        json_t *doc = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "out", w->args->out, "items",
                                (json_int_t)w->skus.n, "bad_rows", (json_int_t)w->rejects.n,
                                "joined_rows", (json_int_t)w->joined, "vectors", (json_int_t)with,
                                "dim", (json_int_t)w->dim);
        json_dumpf(doc, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(doc);
    } else {
        printf("%s: %u items, %llu with vectors, %llu bad rows, %llu names with commas\n",
               w->args->out, w->skus.n, (unsigned long long)with, (unsigned long long)w->rejects.n,
               (unsigned long long)w->joined);
    }
}

static enum wf_code run(const struct tool_call *call, struct wf_error *err)
{
    const struct args *a = call->args;
    struct work *w = wf_xarray(struct work, 1);
    w->args = a;
    w->rejects.max = a->max_errors;
    wf_arena_init(&w->arena, SIZE_MAX);
    tool_intern_init(&w->skus);
    fill_schema(w);
    enum wf_code code =
        tool_space_fill(a->space, a->content_id, a->metric, &w->schema.spaces[0], err);
    if (code == WF_OK && !a->vectors != !a->ids) {
        code = tool_usage(err, "--vectors and --ids come together");
    }
    if (code == WF_OK) {
        code = read_catalog(w, err);
    }
    if (code == WF_OK && a->vectors) {
        code = read_vectors(w, err);
    }
    if (code == WF_OK) {
        code = write_dataset(w, err);
    }
    if (code == WF_OK) {
        report(call, w);
    }
    wf_xfree(w->vectors);
    wf_xfree(w->styles);
    tool_intern_fini(&w->skus);
    wf_arena_fini(&w->arena);
    wf_xfree(w);
    return code;
}

const struct tool_command tool_import_styles = {
    .name = "import styles",
    .what = "The Kaggle fashion catalog (styles.csv) to a dataset directory.",
    .examples = "weft import styles --catalog styles.csv.gz --out catalog\n"
                "weft import styles --catalog styles.csv --vectors v.fvecs.gz --ids ids.txt.gz "
                "--out catalog\n",
    .notes =
        "Columns become attributes of the same name, id becomes the SKU, and all from the tenth\n"
        "field on is the name, commas included. Two attributes are derived. launch_day is the "
        "first\n"
        "day of the season of the year (Spring February, Summer May, Fall August, Winter "
        "November,\n"
        "none January). brand is the leading words of the name up to the first word for whom it "
        "is\n"
        "(Men, Women's, Kids, ...; at most four words) or, from the second word on, the first "
        "word\n"
        "of the catalog's own colours, articles, seasons and usages (at most three words). When\n"
        "nothing for whom ends it, the longest brand is taken that another name has before a word\n"
        "for whom; when nothing ends it at all and none is known, the first word.\n",
    TOOL_OPTIONS(options),
    .size = sizeof(struct args),
    .run = run,
};

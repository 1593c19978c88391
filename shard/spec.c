/* SPDX-License-Identifier: Apache-2.0
 *
 * spec.c - see spec.h. The grammar is the part of FAISS's factory strings that the shard serves:
 * what is not in the table is refused here, not inside FAISS.
 */
#include "shard/spec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shard/build.h"
#include "shard/pq.h"

static const char *const kind_names[] = {
    [SHARD_FLAT] = "Flat", [SHARD_IVF] = "IVF", [SHARD_HNSW] = "HNSW"};

/* A spec is a head, a number where the kind takes one, and a tail that names the codec. In the tail
 * '#' stands for a number or nothing: sub-quantisers. */
static const struct {
    enum shard_kind kind;
    const char *tail;
    enum wf_codec codec;
    bool pq;
} forms[] = {
    {SHARD_FLAT, "", WF_CODEC_FLOAT32, false},
    {SHARD_IVF, ",Flat", WF_CODEC_FLOAT32, false},
    {SHARD_IVF, ",SQfp16", WF_CODEC_FP16, false},
    {SHARD_IVF, ",SQ8", WF_CODEC_SQ8, false},
    {SHARD_IVF, ",PQ#x4fs,Refine(SQfp16)", WF_CODEC_FP16, true},
    {SHARD_IVF, ",PQ#x4fs,Refine(SQ8)", WF_CODEC_SQ8, true},
    {SHARD_HNSW, "", WF_CODEC_FLOAT32, false},
    {SHARD_HNSW, ",Flat", WF_CODEC_FLOAT32, false},
    {SHARD_HNSW, ",SQfp16", WF_CODEC_FP16, false},
};
enum { N_FORMS = sizeof forms / sizeof forms[0] };

static enum wf_code unknown(const char *text, struct wf_error *err)
{
    if (strstr(text, "x4fs") != NULL && strstr(text, ",Refine(") == NULL) {
        return wf_fail(err, WF_INVALID,
                       "index \"%.48s\": 4-bit codes only choose rows to score, add "
                       ",Refine(SQfp16) or ,Refine(SQ8)",
                       text);
    }
    return wf_fail(err, WF_INVALID,
                   "index \"%.48s\" is none of Flat, IVFn,Flat, IVFn,SQfp16, IVFn,SQ8, "
                   "IVFn,PQmx4fs,Refine(SQfp16), IVFn,PQmx4fs,Refine(SQ8), HNSWn, HNSWn,SQfp16",
                   text);
}

/* Reads decimal digits; stops growing far above every limit. */
static uint32_t read_number(const char **at)
{
    uint32_t n = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        n = n > UINT32_MAX / 100 ? n : n * 10 + (uint32_t)(**at - '0');
    }
    return n;
}

static enum wf_code check_number(const struct shard_spec *s, const char *text, struct wf_error *err)
{
    const uint32_t low = s->kind == SHARD_HNSW ? SHARD_LINKS_MIN : 1;
    const uint32_t high = s->kind == SHARD_HNSW ? SHARD_LINKS_MAX : SHARD_LISTS_MAX;
    if (s->kind != SHARD_FLAT && (s->n < low || s->n > high)) {
        return wf_fail(err, WF_INVALID, "index \"%.48s\": n=%u, %u to %u is allowed", text, s->n,
                       low, high);
    }
    return WF_OK;
}

/* Whether a text is this tail; reads the number at '#'. */
static bool is_tail(const char *text, const char *tail, uint32_t *number)
{
    for (; *tail != '\0'; tail++) {
        if (*tail == '#') {
            *number = read_number(&text);
        } else if (*text++ != *tail) {
            return false;
        }
    }
    return *text == '\0';
}

enum wf_code shard_spec_parse(const char *text, struct shard_spec *out, struct wf_error *err)
{
    if (text[0] == '\0') {
        *out = (struct shard_spec){.kind = SHARD_IVF, .codec = WF_CODEC_FP16};
        return WF_OK;
    }
    for (size_t i = 0; i < N_FORMS; i++) {
        const char *head = kind_names[forms[i].kind];
        const char *at = text + strlen(head);
        if (strncmp(text, head, strlen(head)) != 0) {
            continue;
        }
        struct shard_spec s = {.kind = forms[i].kind, .codec = forms[i].codec, .pq = forms[i].pq};
        const char *digits = at;
        s.n = read_number(&at);
        if ((at == digits) != (s.kind == SHARD_FLAT) || !is_tail(at, forms[i].tail, &s.m)) {
            continue;
        }
        enum wf_code code = check_number(&s, text, err);
        if (code == WF_OK) {
            *out = s;
        }
        return code;
    }
    return unknown(text, err);
}

enum wf_code shard_spec_fit(struct shard_spec *spec, const char *space, uint32_t dim,
                            struct wf_error *err)
{
    if (!spec->pq) {
        return WF_OK;
    }
    const uint32_t m = shard_pq_parts(dim);
    enum wf_code code = shard_pq_check(dim, err);
    if (code == WF_OK && spec->m != 0 && spec->m != m) {
        code =
            wf_fail(err, WF_INVALID, "PQ%ux4fs: dimension %u takes PQ%ux4fs, or PQx4fs for short",
                    spec->m, dim, m);
    }
    if (code != WF_OK) {
        return err == NULL ? code : wf_prefix(err, "space \"%s\": ", space);
    }
    spec->m = m;
    return WF_OK;
}

static const char *codec_name(const struct shard_spec *spec)
{
    switch (spec->codec) {
    case WF_CODEC_FP16:
        return "SQfp16";
    case WF_CODEC_SQ8:
        return "SQ8";
    case WF_CODEC_FLOAT32:
        break;
    }
    return "Flat";
}

void shard_spec_text(const struct shard_spec *spec, char text[SHARD_SPEC_TEXT])
{
    const char *head = kind_names[spec->kind];
    if (spec->kind == SHARD_FLAT) {
        snprintf(text, SHARD_SPEC_TEXT, "%s", head);
    } else if (spec->kind == SHARD_HNSW && spec->codec == WF_CODEC_FLOAT32) {
        snprintf(text, SHARD_SPEC_TEXT, "%s%u", head, spec->n);
    } else if (spec->pq) {
        char m[12] = "";
        snprintf(m, spec->m == 0 ? 1 : sizeof m, "%u", spec->m);
        snprintf(text, SHARD_SPEC_TEXT, "%s%u,PQ%sx4fs,Refine(%s)", head, spec->n, m,
                 codec_name(spec));
    } else {
        snprintf(text, SHARD_SPEC_TEXT, "%s%u,%s", head, spec->n, codec_name(spec));
    }
}

/* From here on choosing twice the lists costs less than comparing rows of lists twice as long:
 * 10 M x 96 at recall .96 takes 0.86 ms with 32,768 lists and 1.2 ms with 16,384. */
enum { LISTS_DOUBLED = 16384 };

uint32_t shard_spec_lists(size_t rows)
{
    if (rows < 2) {
        return 1;
    }
    const double want = log2(4 * sqrt((double)rows));
    uint32_t lists = UINT32_C(1) << (unsigned)(want + 0.5);
    lists *= lists < LISTS_DOUBLED ? 1 : 2;
    return lists > rows ? (uint32_t)rows : lists;
}

enum wf_code shard_index_check(const char *spec, struct wf_error *err)
{
    struct shard_spec s;
    return shard_spec_parse(spec, &s, err);
}

bool shard_index_is_sq8(const char *spec)
{
    struct shard_spec s;
    return shard_spec_parse(spec, &s, NULL) == WF_OK && s.codec == WF_CODEC_SQ8;
}

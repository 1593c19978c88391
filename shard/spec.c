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

static const char *const kind_names[] = {
    [SHARD_FLAT] = "Flat", [SHARD_IVF] = "IVF", [SHARD_HNSW] = "HNSW"};

/* A spec is a head, a number where the kind takes one, and a tail that names the codec. */
static const struct {
    enum shard_kind kind;
    const char *tail;
    enum wf_codec codec;
} forms[] = {
    {SHARD_FLAT, "", WF_CODEC_FLOAT32},     {SHARD_IVF, ",Flat", WF_CODEC_FLOAT32},
    {SHARD_IVF, ",SQfp16", WF_CODEC_FP16},  {SHARD_IVF, ",SQ8", WF_CODEC_SQ8},
    {SHARD_HNSW, "", WF_CODEC_FLOAT32},     {SHARD_HNSW, ",Flat", WF_CODEC_FLOAT32},
    {SHARD_HNSW, ",SQfp16", WF_CODEC_FP16},
};
enum { N_FORMS = sizeof forms / sizeof forms[0] };

static enum wf_code unknown(const char *text, struct wf_error *err)
{
    return wf_fail(err, WF_INVALID,
                   "index \"%.40s\" is none of Flat, IVFn,Flat, IVFn,SQfp16, IVFn,SQ8, HNSWn, "
                   "HNSWn,SQfp16",
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
        return wf_fail(err, WF_INVALID, "index \"%.40s\": n=%u, %u to %u is allowed", text, s->n,
                       low, high);
    }
    return WF_OK;
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
        struct shard_spec s = {.kind = forms[i].kind, .codec = forms[i].codec};
        const char *digits = at;
        s.n = read_number(&at);
        if ((at == digits) != (s.kind == SHARD_FLAT) || strcmp(at, forms[i].tail) != 0) {
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

void shard_spec_text(const struct shard_spec *spec, char text[32])
{
    const char *codec = spec->codec == WF_CODEC_FP16  ? ",SQfp16"
                        : spec->codec == WF_CODEC_SQ8 ? ",SQ8"
                        : spec->kind == SHARD_IVF     ? ",Flat"
                                                      : "";
    if (spec->kind == SHARD_FLAT) {
        snprintf(text, 32, "Flat");
    } else {
        snprintf(text, 32, "%s%u%s", kind_names[spec->kind], spec->n, codec);
    }
}

uint32_t shard_spec_lists(size_t rows)
{
    if (rows < 2) {
        return 1;
    }
    const double want = log2(4 * sqrt((double)rows));
    const uint32_t lists = UINT32_C(1) << (unsigned)(want + 0.5);
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

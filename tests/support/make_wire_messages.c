/* SPDX-License-Identifier: Apache-2.0
 *
 * make_wire_messages.c - writes the samples of wire_exercise.c as files: seeds for the fuzz targets
 * (tests/fuzz/corpus/wire_<kind>/<n>) and golden messages (tests/data/messages/<kind>-<n>.bin).
 *
 * make_wire_messages SOURCE_DIR. A golden message that is there is left alone: it holds what
 * earlier builds wrote.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/wire_exercise.h"
#include "tests/support/wire_text.h"

/* What no sample has: bytes of every wire type, cut ones, and near misses of the caps. */
static const struct wire_sample seeds[] = {
    {WIRE_KIND_RECOMMEND_REQUEST, "1:'r\\0' 8:0"},
    {WIRE_KIND_RECOMMEND_REQUEST, "3:{3:1f 3:nanf} 4:{1:'u'} 100:1d"},
    {WIRE_KIND_BATCH_REQUEST, "1*65:{}"},
    {WIRE_KIND_SEARCH_REQUEST, "1:'g' 3*17:{3:[1] 4:5} 4:{1:'a' 2:<1>}"},
    {WIRE_KIND_SEARCH_RESPONSE, "1:'g1' 3:{1:'ab' 2:<1 4294967295>} 3:{8:<9>} 4:4000000000"},
    {WIRE_KIND_FETCH_RESPONSE, "1:'g1' 2:4096 3:{1:'x' 2:<1> 8:<0>}"},
    {WIRE_KIND_DRAW_REQUEST, "1:3 4:4097"},
    {WIRE_KIND_DRAW_RESPONSE, "1:'g1' 2:6 3:'a' 3:'b'"},
    {WIRE_KIND_DESCRIBE_RESPONSE, "1:'g1' 5:{1:1} 5:{1:1}"},
    {WIRE_KIND_RECOMMEND_REQUEST, "20:{} 21:{1:'a' 2:101} 22:{3:9}"},
    {WIRE_KIND_RECOMMEND_REQUEST, "4:{1:'u'} 22:{1*15:'a' 2:{1:[1]} 2:{1:[1 2]} 4:nanf}"},
    {WIRE_KIND_SEARCH_REQUEST, "1:'g1' 3:{3:[1 2] 4:5 9:[1 2 3] 10:11f} 11:(2 2) 13:1"},
    {WIRE_KIND_EXCLUSIONS_REQUEST, "1:{}"},
    {WIRE_KIND_EXCLUSIONS_REQUEST, "1:{1:'\\x01\\x02'}"},
    {WIRE_KIND_EXCLUSIONS_RESPONSE, "1:'h' 2:0"},
};

static bool write_file(const char *path, const unsigned char *data, size_t size, bool keep)
{
    FILE *f = fopen(path, keep ? "wbx" : "wb");
    if (!f) {
        return keep && errno == EEXIST;
    }
    bool whole = fwrite(data, 1, size, f) == size;
    return fclose(f) == 0 && whole;
}

static bool make_dir(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}

static bool write_sample(const char *source, const struct wire_sample *sample, unsigned i,
                         bool golden)
{
    struct wf_arena arena;
    wf_arena_init(&arena, 1 << 20);
    char path[4096];
    const char *kind = wire_kind_name(sample->kind);
    size_t size = 0;
    const unsigned char *data = wire_text(&arena, sample->text, &size);
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/wire_%s", source, kind);
    bool done = make_dir(path);
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/wire_%s/%02u", source, kind, i);
    done = done && write_file(path, data, size, false);
    if (golden) {
        snprintf(path, sizeof path, "%s/tests/data/messages/%s-%02u.bin", source, kind, i);
        done = done && write_file(path, data, size, true);
    }
    wf_arena_fini(&arena);
    if (!done) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    return done;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_wire_messages SOURCE_DIR\n");
        return 2;
    }
    unsigned counts[WIRE_N_KINDS] = {0};
    size_t n = 0;
    const struct wire_sample *samples = wire_samples(&n);
    for (size_t i = 0; i < n; i++) {
        if (!write_sample(argv[1], &samples[i], counts[samples[i].kind]++, true)) {
            return 1;
        }
    }
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        if (!write_sample(argv[1], &seeds[i], counts[seeds[i].kind]++, false)) {
            return 1;
        }
    }
    return 0;
}

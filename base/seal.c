/* SPDX-License-Identifier: Apache-2.0
 *
 * seal.c - see seal.h. The program is known by the build id that the linker put into it; without
 * one nothing is sealed.
 */
#include "base/seal.h"

#include <elf.h>
#include <inttypes.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum { ID_MAX = 64 };
/* Steps of a file system's clock: local ones count nanoseconds in ticks, others whole seconds. */
#define TICK        (100 * WF_MILLISECOND)
#define COARSE_TICK (3 * WF_SECOND)

struct build_id {
    char hex[2 * ID_MAX + 1];
};

static size_t padded(size_t n)
{
    return (n + 3) / 4 * 4;
}

static void find_in_notes(const unsigned char *at, size_t size, struct build_id *id)
{
    ElfW(Nhdr) note;
    while (size >= sizeof note) {
        memcpy(&note, at, sizeof note);
        const size_t all = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
        if (all > size) {
            return;
        }
        const unsigned char *bytes = at + sizeof note + padded(note.n_namesz);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= ID_MAX) {
            for (size_t i = 0; i < note.n_descsz; i++) {
                id->hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
                id->hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
            }
            return;
        }
        at += all;
        size -= all;
    }
}

/* The first object is the program itself. */
static int visit(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_NOTE) {
            /* An address that the loader gives as a number.
             * NOLINTNEXTLINE(performance-no-int-to-ptr) */
            find_in_notes((const unsigned char *)(info->dlpi_addr + p->p_vaddr), p->p_memsz, ctx);
        }
    }
    return 1;
}

/* The text of a seal, NULL when the program has no id; owned by the caller. */
static char *text_of(const struct wf_seal *s)
{
    struct build_id id = {{0}};
    dl_iterate_phdr(visit, &id);
    if (id.hex[0] == '\0') {
        return NULL;
    }
    char hash[33];
    wf_hash128_hex(s->hash, hash);
    return wf_xprintf(
        "{\"format\":1,\"program\":\"%s\",\"generation\":\"%.32s\",\"path\":\"%.71s\","
        "\"hash\":\"%s\",\"size\":%" PRIu64 ",\"device\":%" PRIu64 ",\"inode\":%" PRIu64
        ",\"modified_ns\":%" PRId64 ",\"changed_ns\":%" PRId64 "}\n",
        id.hex, s->generation, s->path, hash, s->stamp.size, s->stamp.device, s->stamp.inode,
        s->stamp.modified_ns, s->stamp.changed_ns);
}

bool wf_seal_holds(const char *file, const struct wf_seal *seal)
{
    char *want = text_of(seal), *have = NULL;
    const size_t due = want == NULL ? 0 : strlen(want);
    struct stat st;
    size_t size = 0;
    /* What is not a plain file of the right size is not even opened: a pipe would wait. */
    const bool same = want != NULL && stat(file, &st) == 0 && S_ISREG(st.st_mode) &&
                      st.st_size == (off_t)due &&
                      wf_read_file(file, due, &have, &size, NULL) == WF_OK && size == due &&
                      memcmp(have, want, due) == 0;
    wf_xfree(have);
    wf_xfree(want);
    return same;
}

/* Whether a later change would have to show in the times. */
static bool settled(const struct wf_stamp *s)
{
    const int64_t tick = s->changed_ns % WF_SECOND == 0 ? COARSE_TICK : TICK;
    return s->seen_ns - s->changed_ns > tick;
}

enum wf_code wf_seal_write(const char *file, const struct wf_seal *seal, struct wf_error *err)
{
    if (!settled(&seal->stamp)) {
        return wf_fail(err, WF_PRECONDITION, "%s changed %" PRId64 " ns before it was opened",
                       seal->path, seal->stamp.seen_ns - seal->stamp.changed_ns);
    }
    char *text = text_of(seal);
    if (text == NULL) {
        return wf_fail(err, WF_PRECONDITION, "the program has no build id");
    }
    struct wf_writer *w;
    enum wf_code code = wf_writer_open(file, &w, err);
    if (code == WF_OK) {
        wf_writer_put(w, text, strlen(text));
        code = wf_writer_commit(w, err);
    }
    wf_xfree(text);
    return code;
}

void wf_seal_remove(const char *file)
{
    unlink(file);
}

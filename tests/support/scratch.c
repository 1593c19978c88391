/* SPDX-License-Identifier: Apache-2.0
 *
 * scratch.c - mkdtemp and its removal.
 */
#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

int scratch_setup(void **state)
{
    struct scratch *s = wf_xarray(struct scratch, 1);
    const char *base = getenv("TMPDIR");
    snprintf(s->dir, sizeof s->dir, "%s/weft-test-XXXXXX", base ? base : "/tmp");
    *state = s;
    return mkdtemp(s->dir) ? 0 : -1;
}

int scratch_teardown(void **state)
{
    struct scratch *s = *state;
    struct wf_error err = {0};
    enum wf_code code = wf_remove_tree(s->dir, &err);
    for (unsigned i = 0; i < s->n_paths; i++) {
        wf_xfree(s->paths[i]);
    }
    wf_xfree(s);
    return code == WF_OK ? 0 : -1;
}

const char *scratch_path(struct scratch *s, const char *name)
{
    wf_assert(s->n_paths < sizeof s->paths / sizeof *s->paths);
    return s->paths[s->n_paths++] = wf_xprintf("%s/%s", s->dir, name);
}

const char *scratch_write(struct scratch *s, const char *name, const void *data, size_t size)
{
    const char *path = scratch_path(s, name);
    char *above = wf_xstrdup(path);
    struct wf_error err;
    *strrchr(above, '/') = '\0';
    wf_assert(wf_mkdirs(above, &err) == WF_OK);
    FILE *to = fopen(path, "wb");
    wf_assert(to && fwrite(data, 1, size, to) == size && fclose(to) == 0);
    wf_xfree(above);
    return path;
}

const char *scratch_text(struct scratch *s, const char *name, const char *text)
{
    return scratch_write(s, name, text, strlen(text));
}

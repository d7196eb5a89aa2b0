/* SPDX-License-Identifier: Apache-2.0
 *
 * How a name of a snapshot comes to stand for a blob.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "hub/file_copy.h"
#include "hub/temp_file.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "a/b.txt" → "../../../blobs/HASH": out of the name's folders, the commit's, and
 * snapshots/. */
static char *link_target(const char *name, const char *hash)
{
    struct i8i_buffer b;
    i8i_buffer_init(&b, PATH_MAX);
    i8i_buffer_puts(&b, "../../");
    for (const char *c = name; *c; c++)
        if (*c == '/')
            i8i_buffer_puts(&b, "../");
    i8i_buffer_printf(&b, "blobs/%s", hash);
    size_t length;
    return i8i_buffer_take(&b, &length);
}

static bool is_link_to(const char *path, const char *target)
{
    char found[PATH_MAX];
    const ssize_t n = readlink(path, found, sizeof found - 1);
    if (n < 0)
        return false;
    found[n] = '\0';
    return strcmp(found, target) == 0;
}

static enum i8_status place_link(const struct i8i_cache *c, const char *path,
                                 const char *name, const char *hash, struct i8_error *err)
{
    char *target = link_target(name, hash);
    if (target == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    if (symlink(target, path) != 0) {
        const int failure = errno;
        if (failure != EEXIST)
            st = i8i_fail_errno(err, failure, "cannot link %s", path);
        else if (!is_link_to(path, target))
            st = i8i_temp_link(c->blobs, path, target, err);
    }
    free(target);
    return st;
}

enum i8_status i8i_cache_place(const struct i8i_cache *c, const char *commit,
                               const char *name, const char *hash, const char *from,
                               struct i8_error *err)
{
    char *path = i8i_cache_entry(c, commit, name);
    enum i8_status st = path ? i8i_make_parents(path, err) : i8i_nomem(err);
    if (st == I8_OK && c->links)
        st = place_link(c, path, name, hash, err);
    else if (st == I8_OK && strcmp(path, from) != 0)
        st = i8i_copy_file(c->blobs, from, path, NULL, err);
    free(path);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths, folders, refs and marks of the cache; links and copies are in cache_entry.c.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "hub/part_claim.h"
#include "hub/temp_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ---- */

enum i8_status i8i_absolute_path(char **out, const char *path, struct i8_error *err)
{
    *out = realpath(path, NULL);
    if (*out == NULL && path[0] == '/')
        *out = i8i_strdup(path);
    if (*out == NULL && path[0] != '/') {
        char *here = realpath(".", NULL);
        *out = here ? i8i_path_join(here, path) : i8i_strdup(path);
        free(here);
    }
    return *out ? I8_OK : i8i_nomem(err);
}

/* "org/name" → "models--org--name". */
static char *folder_name(const char *repo_id)
{
    const char *slash = strchr(repo_id, '/');
    return slash ? i8i_format("models--%.*s--%s", (int)(slash - repo_id), repo_id,
                              slash + 1)
                 : i8i_format("models--%s", repo_id);
}

enum i8_status i8i_cache_open(struct i8i_cache *c, const char *root, const char *repo_id,
                              struct i8_error *err)
{
    *c = (struct i8i_cache){.links = true};
    enum i8_status st = i8i_absolute_path(&c->root, root, err);
    if (st != I8_OK)
        return st;
    char *name = folder_name(repo_id);
    if (name) {
        c->folder = i8i_path_join(c->root, name);
        c->locks = i8i_format("%s/.locks/%s", c->root, name);
    }
    if (c->folder)
        c->blobs = i8i_path_join(c->folder, "blobs");
    free(name);
    return c->locks && c->blobs ? I8_OK : i8i_nomem(err);
}

void i8i_cache_close(struct i8i_cache *c)
{
    free(c->root);
    free(c->folder);
    free(c->blobs);
    free(c->locks);
    *c = (struct i8i_cache){0};
}

char *i8i_cache_blob(const struct i8i_cache *c, const char *hash)
{
    return i8i_path_join(c->blobs, hash);
}

char *i8i_cache_lock_path(const struct i8i_cache *c, const char *hash)
{
    return i8i_format("%s/%s.lock", c->locks, hash);
}

char *i8i_cache_snapshot(const struct i8i_cache *c, const char *commit)
{
    return i8i_format("%s/snapshots/%s", c->folder, commit);
}

char *i8i_cache_entry(const struct i8i_cache *c, const char *commit, const char *name)
{
    return i8i_format("%s/snapshots/%s/%s", c->folder, commit, name);
}

/* ---- folders ---- */

void i8i_cache_tag(const char *folder)
{
    static const char text[] =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# This file is a cache directory tag created by huggingface_hub.\n"
        "# For information about cache directory tags, see:\n"
        "#\thttps://bford.info/cachedir/\n";
    char *path = i8i_path_join(folder, "CACHEDIR.TAG");
    if (path) {
        const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            const ssize_t n = write(fd, text, sizeof text - 1);
            if (n != (ssize_t)(sizeof text - 1))
                (void)unlink(path);
            (void)close(fd);
        }
    }
    free(path);
}

/* Does this file system make symbolic links? By trying. */
static bool makes_links(const struct i8i_cache *c)
{
    char *path = i8i_format("%s/.int8tool-link-%ld", c->blobs, (long)getpid());
    bool can = false;
    if (path) {
        (void)unlink(path);
        can = symlink("target", path) == 0;
        (void)unlink(path);
    }
    free(path);
    return can;
}

enum i8_status i8i_cache_prepare(struct i8i_cache *c, bool disable_symlinks,
                                 struct i8_error *err)
{
    char *snapshots = i8i_path_join(c->folder, "snapshots");
    enum i8_status st = snapshots ? i8i_make_directories(snapshots, err) : i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_make_directories(c->blobs, err);
    if (st == I8_OK)
        st = i8i_make_directories(c->locks, err);
    free(snapshots);
    if (st != I8_OK)
        return st;
    i8i_cache_tag(c->root);
    c->links = !disable_symlinks && makes_links(c);
    i8i_temp_clean(c->blobs);
    i8i_part_remove_stale(c->blobs);
    return I8_OK;
}

/* ---- refs ---- */

static char *ref_path(const struct i8i_cache *c, const char *revision)
{
    return i8i_format("%s/refs/%s", c->folder, revision);
}

enum i8_status i8i_cache_read_ref(char commit[I8I_COMMIT_HEX], const struct i8i_cache *c,
                                  const char *revision, struct i8_error *err)
{
    enum { REF_MAX = 256 }; /* others may have written a newline */
    commit[0] = '\0';
    if (i8i_is_commit(revision)) {
        memcpy(commit, revision, I8I_COMMIT_HEX);
        return I8_OK;
    }
    if (!i8i_path_is_plain(revision))
        return I8_OK;
    char *path = ref_path(c, revision), *text = NULL;
    size_t length = 0;
    if (path == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    if (i8i_is_file(path))
        st = i8i_read_file(&text, &length, path, REF_MAX, err);
    if (st == I8_OK && text) {
        while (length > 0 && strchr("\r\n ", text[length - 1]))
            text[--length] = '\0';
        if (i8i_is_commit(text))
            memcpy(commit, text, I8I_COMMIT_HEX);
    }
    free(text);
    free(path);
    return st;
}

enum i8_status i8i_cache_write_ref(const struct i8i_cache *c, const char *revision,
                                   const char *commit, struct i8_error *err)
{
    char now[I8I_COMMIT_HEX];
    enum i8_status st = i8i_cache_read_ref(now, c, revision, err);
    if (st != I8_OK || i8i_is_commit(revision))
        return st;
    if (!i8i_path_is_plain(revision))
        return i8i_fail(err, I8_ERR_ARG, "the revision '%s' is no name of a ref",
                        revision);
    char *path = ref_path(c, revision);
    if (path == NULL)
        return i8i_nomem(err);
    struct stat found;
    const bool exact = strcmp(now, commit) == 0 && stat(path, &found) == 0 &&
                       found.st_size == I8I_COMMIT_HEX - 1;
    if (!exact) {
        st = i8i_make_parents(path, err);
        if (st == I8_OK)
            st = i8i_temp_write(c->blobs, path, commit, I8I_COMMIT_HEX - 1, err);
    }
    free(path);
    return st;
}

enum i8_status i8i_cache_mark_missing(const struct i8i_cache *c, const char *commit,
                                      const char *name, struct i8_error *err)
{
    if (!i8i_path_is_plain(name))
        return I8_OK;
    char *path = i8i_format("%s/.no_exist/%s/%s", c->folder, commit, name);
    if (path == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_make_parents(path, err);
    if (st == I8_OK && !i8i_is_file(path)) {
        const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0)
            st = i8i_fail_errno(err, errno, "cannot create %s", path);
        else
            (void)close(fd);
    }
    free(path);
    return st;
}

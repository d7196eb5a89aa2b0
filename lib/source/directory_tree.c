/* SPDX-License-Identifier: Apache-2.0
 *
 * A local directory as a tree. Links to files are followed (a Hub cache consists of
 * them); links to directories are not listed, since they may lead back up.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "source/source.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_LISTING_DEPTH 16 /* folders inside folders; real repositories have two */

struct entry {
    char *name;
    uint64_t size;
};

struct listing {
    struct entry *entries;
    size_t count, capacity;
    const char *root;
};

static enum i8_status directory_open(struct i8i_tree *t, struct i8i_source **out,
                                     const char *name, struct i8_error *err)
{
    char *path = i8i_path_join(t->path, name);
    if (path == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_source_open_file(out, path, err);
    free(path);
    return st;
}

static bool directory_exists(struct i8i_tree *t, const char *name)
{
    /* Without an allocation, for "no memory" must not read as "no such file". */
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s/%s", t->path, name);
    return n >= 0 && n < (int)sizeof path && i8i_is_file(path);
}

static enum i8_status collect(struct listing *l, const char *prefix, int depth,
                              struct i8_error *err);

/* Adds one file, or what lies below one folder. Takes `name` over. */
static enum i8_status collect_entry(struct listing *l, char *name, int depth,
                                    struct i8_error *err)
{
    enum i8_status st = I8_OK;
    struct stat info, link;
    char *path = i8i_path_join(l->root, name);
    if (path == NULL) {
        st = i8i_nomem(err);
    } else if (lstat(path, &link) != 0) {
        if (errno != ENOENT) /* else removed since the directory was read */
            st = i8i_fail_errno(err, errno, "cannot stat %s", path);
    } else if (S_ISDIR(link.st_mode)) {
        st = collect(l, name, depth + 1, err);
    } else if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        if (i8i_grow(&l->entries, &l->capacity, l->count + 1, sizeof *l->entries)) {
            l->entries[l->count++] =
                (struct entry){.name = name, .size = (uint64_t)info.st_size};
            name = NULL;
        } else {
            st = i8i_nomem(err);
        }
    }
    free(path);
    free(name);
    return st;
}

static enum i8_status collect(struct listing *l, const char *prefix, int depth,
                              struct i8_error *err)
{
    char *path = i8i_path_join(l->root, prefix);
    if (path == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    DIR *dir = NULL;
    if (depth > MAX_LISTING_DEPTH) {
        st = i8i_fail(err, I8_ERR_UNSUPPORTED, "%s: folders nested deeper than %d", path,
                      MAX_LISTING_DEPTH);
        goto out;
    }
    dir = opendir(path);
    if (dir == NULL) {
        st = i8i_fail_errno(err, errno, "cannot open directory %s", path);
        goto out;
    }
    while (st == I8_OK) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (e == NULL) {
            if (errno != 0)
                st = i8i_fail_errno(err, errno, "cannot read directory %s", path);
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *name =
            prefix[0] == '\0' ? i8i_strdup(e->d_name) : i8i_path_join(prefix, e->d_name);
        st = name == NULL ? i8i_nomem(err) : collect_entry(l, name, depth, err);
    }
out:
    if (dir != NULL)
        closedir(dir);
    free(path);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static enum i8_status directory_list(struct i8i_tree *t, i8i_tree_fn *fn, void *ctx,
                                     struct i8_error *err)
{
    struct listing l = {.root = t->path};
    enum i8_status st = collect(&l, "", 0, err);
    if (l.count > 0)
        qsort(l.entries, l.count, sizeof *l.entries, by_name);
    for (size_t i = 0; i < l.count && st == I8_OK; i++)
        st = fn(ctx, l.entries[i].name, l.entries[i].size, err);
    for (size_t i = 0; i < l.count; i++)
        free(l.entries[i].name);
    free(l.entries);
    return st;
}

static void directory_close(struct i8i_tree *t)
{
    free((char *)t->path);
    free(t);
}

static const struct i8i_tree_ops directory_ops = {.open = directory_open,
                                                  .exists = directory_exists,
                                                  .list = directory_list,
                                                  .close = directory_close};

enum i8_status i8i_tree_open_directory(struct i8i_tree **out, const char *path,
                                       struct i8_error *err)
{
    *out = NULL;
    DIR *dir = opendir(path); /* says "not a directory" and "permission denied" apart */
    if (dir == NULL)
        return i8i_fail_errno(err, errno, "cannot open directory %s", path);
    closedir(dir);
    struct i8i_tree *t = i8i_calloc(1, sizeof *t);
    char *copy = i8i_strdup(path);
    if (t == NULL || copy == NULL) {
        free(t);
        free(copy);
        return i8i_nomem(err);
    }
    *t = (struct i8i_tree){.ops = &directory_ops, .name = copy, .path = copy};
    *out = t;
    return I8_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * A commit in a folder of the user's, as Python's client lays it out (--local-dir):
 *
 *   DIR/a/b.txt
 *   DIR/.cache/huggingface/{.gitignore, CACHEDIR.TAG, trees/COMMIT.json}
 *   DIR/.cache/huggingface/download/a/b.txt.metadata   (commit, hash, time: three lines)
 *                                  /a/b.txt.lock
 *
 * Metadata hold as long as the file was not changed after they were written.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache_lock.h"
#include "hub/file_copy.h"
#include "hub/part_claim.h"
#include "hub/store.h"
#include "hub/temp_file.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define META_FOLDER ".cache/huggingface"

/* ---- metadata ---- */

static char *metadata_path(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    return i8i_format("%s/download/%s.metadata", s->meta, f->path);
}

/* Do the metadata in `text` say that a file last changed at `changed` has this hash? */
static bool metadata_vouch(const char *text, const char *hash,
                           const struct timespec *changed)
{
    enum { SLACK_S = 1 }; /* what file systems' times may be off; as in Python's client */
    const char *line = strchr(text, '\n');
    const size_t n = strlen(hash);
    if (line == NULL || strncmp(line + 1, hash, n) != 0)
        return false;
    const char *number = line + 1 + n;
    number += strspn(number, "\r\n \t");
    char *end;
    const double written = strtod(number, &end);
    return end != number &&
           (double)changed->tv_sec + 1e-9 * (double)changed->tv_nsec - SLACK_S <= written;
}

static enum i8_status is_vouched(bool *yes, const struct i8i_store *s,
                                 const struct i8i_hub_file *f, const struct stat *found,
                                 struct i8_error *err)
{
    enum { METADATA_MAX = 4096 };
    char *path = metadata_path(s, f), *text = NULL;
    size_t length;
    *yes = false;
    if (path == NULL)
        return i8i_nomem(err);
    if (i8i_is_file(path) &&
        i8i_read_file(&text, &length, path, METADATA_MAX, NULL) == I8_OK)
        *yes = metadata_vouch(text, f->hash, &found->st_mtim);
    free(text);
    free(path);
    return I8_OK;
}

static enum i8_status write_metadata(const struct i8i_store *s,
                                     const struct i8i_hub_file *f, struct i8_error *err)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    char *path = metadata_path(s, f);
    char *text = i8i_format("%s\n%s\n%lld.%06ld\n", s->commit, f->hash,
                            (long long)now.tv_sec, now.tv_nsec / 1000);
    enum i8_status st = path && text ? i8i_make_parents(path, err) : i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_temp_write(s->temp, path, text, strlen(text), err);
    free(text);
    free(path);
    return st;
}

/* ---- the store ---- */

static char *file_path(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    return i8i_path_join(s->root, f->path);
}

/* The same content in the cache: the blob, or, where the cache has no links, the entry of
 * this commit. NULL if there is none (or no memory: it is only a saving). */
static char *cached_copy(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    if (s->cache.root == NULL || !f->hash[0])
        return NULL;
    for (int i = 0; i < 2; i++) {
        char *path = i == 0 ? i8i_cache_blob(&s->cache, f->hash)
                            : i8i_cache_entry(&s->cache, s->commit, f->path);
        if (path && i8i_has_size(path, f->size))
            return path;
        free(path);
    }
    return NULL;
}

static enum i8_status look(struct i8i_store *s, const struct i8i_hub_file *f,
                           enum i8i_file_state *state, struct i8_error *err)
{
    struct stat found;
    bool vouched = false;
    char *path = file_path(s, f);
    if (path == NULL)
        return i8i_nomem(err);
    *state = I8I_FILE_ABSENT;
    enum i8_status st = I8_OK;
    if (stat(path, &found) == 0 && S_ISREG(found.st_mode) &&
        (uint64_t)found.st_size == f->size) {
        st = is_vouched(&vouched, s, f, &found, err);
        *state = vouched ? I8I_FILE_PRESENT : I8I_FILE_AT_HAND;
    } else {
        char *copy = cached_copy(s, f);
        if (copy)
            *state = I8I_FILE_AT_HAND;
        free(copy);
    }
    free(path);
    return st;
}

static enum i8_status prepare(struct i8i_store *s, struct i8_error *err)
{
    enum i8_status st = i8i_make_directories(s->temp, err);
    if (st != I8_OK)
        return st;
    i8i_cache_tag(s->meta);
    char *ignore = i8i_path_join(s->meta, ".gitignore");
    if (ignore == NULL)
        return i8i_nomem(err);
    if (!i8i_is_file(ignore))
        st = i8i_temp_write(s->temp, ignore, "*", 1, err);
    free(ignore);
    s->exact_locks = i8i_locks_are_exact(s->temp);
    i8i_temp_clean(s->temp);
    i8i_part_remove_stale(s->temp);
    return st;
}

static enum i8_status adopt(struct i8i_store *s, const struct i8i_hub_file *f, bool *done,
                            struct i8_error *err)
{
    char hex[I8I_HASH_HEX] = "";
    *done = false;
    char *path = file_path(s, f);
    if (path == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_make_parents(path, err);
    if (st == I8_OK && i8i_has_size(path, f->size)) {
        st = i8i_hash_file(hex, path, i8i_hub_file_hash(f), NULL, err);
        *done = st == I8_OK && strcmp(hex, f->hash) == 0;
    }
    char *copy = st == I8_OK && !*done ? cached_copy(s, f) : NULL;
    if (copy) { /* a copy that is damaged or in the way is no reason to fail */
        struct i8_error why = {0};
        *done = i8i_copy_file(s->temp, copy, path, f, &why) == I8_OK;
        if (why.status == I8_ERR_NOSPACE)
            st = i8i_fail(err, why.status, "%s", why.message);
    }
    free(copy);
    free(path);
    return *done ? write_metadata(s, f, err) : st;
}

static enum i8_status place(struct i8i_store *s, const struct i8i_hub_file *f,
                            const struct i8i_hub_file *source, struct i8_error *err)
{
    enum i8_status st = I8_OK;
    if (f != source) {
        char *from = file_path(s, source), *to = file_path(s, f);
        st = from && to ? i8i_make_parents(to, err) : i8i_nomem(err);
        if (st == I8_OK)
            st = i8i_copy_file(s->temp, from, to, f, err);
        free(from);
        free(to);
    }
    return st == I8_OK ? write_metadata(s, f, err) : st;
}

static char *lock_path(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    return i8i_format("%s/download/%s.lock", s->meta, f->path);
}

/* All partials lie in one folder: the path's hash tells files with the same content
 * apart. */
static char *part_stem(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    struct i8i_hash *h = NULL;
    char hex[I8I_HASH_HEX] = "", *stem = NULL;
    (void)s;
    if (i8i_hash_new(&h, I8I_SHA1, NULL) != I8_OK)
        return NULL;
    i8i_hash_update(h, f->path, strlen(f->path));
    if (i8i_hash_final(h, hex, NULL) == I8_OK)
        stem = i8i_format("%s.%s", hex, f->hash);
    i8i_hash_free(h);
    return stem;
}

static const struct i8i_store_ops local_ops = {.look = look,
                                               .prepare = prepare,
                                               .adopt = adopt,
                                               .place = place,
                                               .path = file_path,
                                               .final = file_path,
                                               .lock = lock_path,
                                               .part_stem = part_stem};

enum i8_status i8i_store_open_local(struct i8i_store *s, const char *dir,
                                    const char *cache_dir, const char *repo_id,
                                    struct i8_error *err)
{
    *s = (struct i8i_store){.ops = &local_ops};
    enum i8_status st = I8_OK;
    if (cache_dir)
        st = i8i_cache_open(&s->cache, cache_dir, repo_id, err);
    if (st == I8_OK)
        st = i8i_absolute_path(&s->root, dir, err);
    if (st != I8_OK)
        return st;
    s->meta = i8i_path_join(s->root, META_FOLDER);
    s->temp = i8i_path_join(s->root, META_FOLDER "/download");
    return s->meta && s->temp ? I8_OK : i8i_nomem(err);
}

enum i8_status i8i_store_stored_commit(char commit[I8I_COMMIT_HEX],
                                       const struct i8i_store *s, struct i8_error *err)
{
    static const size_t hex = I8I_COMMIT_HEX - 1;
    size_t found = 0;
    char *trees = i8i_path_join(s->meta, "trees");
    if (trees == NULL)
        return i8i_nomem(err);
    DIR *dir = opendir(trees);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char name[I8I_COMMIT_HEX];
        if (strlen(e->d_name) != hex + 5 || strcmp(e->d_name + hex, ".json") != 0)
            continue;
        memcpy(name, e->d_name, hex);
        name[hex] = '\0';
        if (i8i_is_commit(name)) {
            memcpy(commit, name, sizeof name);
            found++;
        }
    }
    if (dir)
        (void)closedir(dir);
    free(trees);
    if (found != 1)
        commit[0] = '\0';
    return I8_OK;
}

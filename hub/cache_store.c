/* SPDX-License-Identifier: Apache-2.0
 *
 * A commit in the cache.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache_lock.h"
#include "hub/store.h"
#include <stdlib.h>
#include <string.h>

static enum i8_status look(struct i8i_store *s, const struct i8i_hub_file *f,
                           enum i8i_file_state *state, struct i8_error *err)
{
    char *entry = i8i_cache_entry(&s->cache, s->commit, f->path);
    char *blob = i8i_cache_blob(&s->cache, f->hash);
    const bool memory = entry && blob;
    *state = I8I_FILE_ABSENT;
    if (memory && i8i_has_size(entry, f->size))
        *state = I8I_FILE_PRESENT;
    else if (memory && f->hash[0] && i8i_has_size(blob, f->size))
        *state = I8I_FILE_AT_HAND;
    free(entry);
    free(blob);
    return memory ? I8_OK : i8i_nomem(err);
}

static enum i8_status prepare(struct i8i_store *s, struct i8_error *err)
{
    enum i8_status st = i8i_cache_prepare(&s->cache, s->disable_symlinks, err);
    s->exact_locks =
        i8i_locks_are_exact(s->cache.locks) && i8i_locks_are_exact(s->cache.blobs);
    return st == I8_OK ? i8i_make_directories(s->root, err) : st;
}

static char *blob_path(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    return i8i_cache_blob(&s->cache, f->hash);
}

static char *entry_path(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    return i8i_cache_entry(&s->cache, s->commit, f->path);
}

static char *final_path(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    return s->cache.links ? blob_path(s, f) : entry_path(s, f);
}

/* A blob is what its name says, by its size: whoever wrote it has checked it, or --verify
 * does. */
static enum i8_status adopt(struct i8i_store *s, const struct i8i_hub_file *f, bool *done,
                            struct i8_error *err)
{
    char *blob = blob_path(s, f);
    *done = false;
    if (blob == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    if (i8i_has_size(blob, f->size)) {
        st = i8i_cache_place(&s->cache, s->commit, f->path, f->hash, blob, err);
        *done = st == I8_OK;
    }
    free(blob);
    return st;
}

static enum i8_status place(struct i8i_store *s, const struct i8i_hub_file *f,
                            const struct i8i_hub_file *source, struct i8_error *err)
{
    char *from = final_path(s, source);
    if (from == NULL)
        return i8i_nomem(err);
    const enum i8_status st =
        i8i_cache_place(&s->cache, s->commit, f->path, f->hash, from, err);
    free(from);
    return st;
}

static char *lock_path(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    return i8i_cache_lock_path(&s->cache, f->hash);
}

static char *part_stem(const struct i8i_store *s, const struct i8i_hub_file *f)
{
    (void)s;
    return i8i_strdup(f->hash);
}

static const struct i8i_store_ops cache_ops = {.look = look,
                                               .prepare = prepare,
                                               .adopt = adopt,
                                               .place = place,
                                               .path = entry_path,
                                               .final = final_path,
                                               .lock = lock_path,
                                               .part_stem = part_stem};

enum i8_status i8i_store_open_cache(struct i8i_store *s, const char *cache_dir,
                                    const char *repo_id, bool disable_symlinks,
                                    struct i8_error *err)
{
    *s = (struct i8i_store){
        .ops = &cache_ops, .cheap_adopt = true, .disable_symlinks = disable_symlinks};
    enum i8_status st = i8i_cache_open(&s->cache, cache_dir, repo_id, err);
    if (st != I8_OK)
        return st;
    s->meta = i8i_strdup(s->cache.folder);
    s->temp = i8i_strdup(s->cache.blobs);
    return s->meta && s->temp ? I8_OK : i8i_nomem(err);
}

enum i8_status i8i_store_set_commit(struct i8i_store *s, const char *commit,
                                    struct i8_error *err)
{
    memcpy(s->commit, commit, I8I_COMMIT_HEX);
    if (s->root == NULL)
        s->root = i8i_cache_snapshot(&s->cache, commit);
    return s->root ? I8_OK : i8i_nomem(err);
}

void i8i_store_close(struct i8i_store *s)
{
    i8i_cache_close(&s->cache);
    free(s->root);
    free(s->meta);
    free(s->temp);
    *s = (struct i8i_store){0};
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a commit is on the disk already, and whether it is what it should be. Hashing
 * runs on several threads, a file each.
 */
#include "config.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/pool.h"
#include "hub/cache_lock.h"
#include "hub/file_copy.h"
#include "hub/pull_state.h"
#include <stdlib.h>
#include <string.h>

/* ---- work over entries, on a pool ---- */

struct work {
    struct i8i_pull *p;
    size_t *items; /* indices of entries */
    size_t count;
    enum i8_status (*fn)(struct i8i_pull *p, struct i8i_pull_entry *e,
                         struct i8_error *err);
    pthread_mutex_t lock;
    enum i8_status status; /* of the first failure */
    struct i8_error *err;
};

static void work_item(void *ctx, size_t item, unsigned thread)
{
    struct work *w = ctx;
    struct i8_error err = {0};
    (void)thread;
    (void)pthread_mutex_lock(&w->lock);
    bool go_on = w->status == I8_OK;
    (void)pthread_mutex_unlock(&w->lock);
    if (!go_on)
        return;
    const enum i8_status st = w->fn(w->p, &w->p->entries[w->items[item]], &err);
    atomic_fetch_add(&w->p->done_files, 1);
    if (st == I8_OK)
        return;
    (void)pthread_mutex_lock(&w->lock);
    if (w->status == I8_OK) {
        w->status = st;
        if (w->err)
            *w->err = err;
    }
    (void)pthread_mutex_unlock(&w->lock);
}

/* fn over the entries in w->items, shown as "checking". */
static enum i8_status run(struct work *w, struct i8_error *err)
{
    enum { THREADS = 4 }; /* hashing is as fast as most disks by then */
    struct i8i_pull_watch watch;
    struct i8i_pool *pool = NULL;
    uint64_t bytes = 0;
    if (w->count == 0)
        return I8_OK;
    const unsigned processors = i8i_processors();
    enum i8_status st =
        i8i_pool_new(&pool, processors < THREADS ? processors : THREADS, err);
    if (st != I8_OK)
        return st;
    for (size_t i = 0; i < w->count; i++)
        bytes += w->p->entries[w->items[i]].file->size;
    (void)pthread_mutex_init(&w->lock, NULL);
    w->err = err;
    i8i_pull_watch_start(&watch, w->p, "checking", bytes, w->count);
    i8i_pool_run(pool, w->count, work_item, w);
    i8i_pull_watch_stop(&watch);
    (void)pthread_mutex_destroy(&w->lock);
    i8i_pool_free(pool);
    return w->status;
}

/* ---- looking ---- */

static int count_bytes(void *ctx, size_t bytes)
{
    struct i8i_pull *p = ctx;
    atomic_fetch_add(&p->done_bytes, bytes);
    return atomic_load(&p->cancelled);
}

static enum i8_status verify(struct i8i_pull *p, struct i8i_pull_entry *e,
                             struct i8_error *err)
{
    const struct i8i_copy_tick tick = {count_bytes, p};
    char hex[I8I_HASH_HEX];
    char *path = p->store.ops->path(&p->store, e->file);
    if (path == NULL)
        return i8i_nomem(err);
    const enum i8_status st =
        i8i_hash_file(hex, path, i8i_hub_file_hash(e->file), &tick, err);
    if (st == I8_OK && strcmp(hex, e->file->hash) != 0) {
        e->damaged = true;
        i8i_log(p->log, I8_LOG_WARNING, "%s is damaged: expected %s %s, found %s", path,
                e->file->lfs ? "SHA-256" : "git SHA-1", e->file->hash, hex);
    }
    free(path);
    return st;
}

enum i8_status i8i_pull_look(struct i8i_pull *p, struct i8_error *err)
{
    struct work w = {.p = p, .fn = verify};
    size_t unknown = 0;
    enum i8_status st = I8_OK;
    for (size_t i = 0; st == I8_OK && i < p->chosen.count; i++) {
        struct i8i_pull_entry *e = &p->entries[i];
        st = p->store.ops->look(&p->store, e->file, &e->state, err);
    }
    if (st != I8_OK || !p->options->verify)
        return st;
    w.items = i8i_calloc(p->chosen.count, sizeof *w.items);
    if (w.items == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < p->chosen.count; i++) {
        if (p->entries[i].state == I8I_FILE_PRESENT) {
            if (p->entries[i].file->hash[0])
                w.items[w.count++] = i;
            else
                unknown++;
        }
    }
    if (unknown > 0)
        i8i_log(p->log, I8_LOG_WARNING,
                "%zu files are not verified: the cache has no listing of commit %s with "
                "their hashes",
                unknown, p->store.commit);
    st = run(&w, err);
    free(w.items);
    return st;
}

/* ---- adopting ---- */

/* With --verify, what is at hand is hashed before it is believed. */
static enum i8_status adopt(struct i8i_pull *p, struct i8i_pull_entry *e,
                            struct i8_error *err)
{
    struct i8i_cache_lock lock = I8I_CACHE_LOCK_NONE;
    bool taken = false, done = false;
    char *path = p->store.ops->lock(&p->store, e->file);
    enum i8_status st =
        path ? i8i_cache_lock_try(&lock, &taken, path, err) : i8i_nomem(err);
    if (st == I8_OK && taken)
        st = p->store.ops->adopt(&p->store, e->file, &done, err);
    if (st == I8_OK && done && p->options->verify)
        st = verify(p, e, err);
    if (done)
        e->state = I8I_FILE_PRESENT;
    i8i_cache_lock_release(&lock);
    free(path);
    return st;
}

enum i8_status i8i_pull_adopt(struct i8i_pull *p, struct i8_error *err)
{
    struct work w = {.p = p, .fn = adopt};
    w.items = i8i_calloc(p->chosen.count, sizeof *w.items);
    if (w.items == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < p->chosen.count; i++)
        if (p->entries[i].state == I8I_FILE_AT_HAND)
            w.items[w.count++] = i;
    const enum i8_status st = run(&w, err);
    free(w.items);
    return st;
}

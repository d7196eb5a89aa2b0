/* SPDX-License-Identifier: Apache-2.0
 *
 * The hashers. Pieces arrive in any order, so bytes are read back (from the page cache,
 * where they have just been put) as soon as all before them are there. When a file is
 * hashed to its end it is judged: named, or fetched once more, or given up.
 */
#include "config.h"

#include "base/clock.h"
#include "base/hash.h"
#include "hub/download_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES  ((size_t)128 << 10)  /* stays in the processor's cache */
#define TURN_BYTES   ((uint64_t)16 << 20) /* then another file may have its turn */
#define SYNC_EVERY_S 1.0

static enum i8_status start_hash(const struct i8i_engine *e, struct i8i_job *j,
                                 struct i8_error *err)
{
    const struct i8i_hub_file *file = i8i_job_file(e, j)->file;
    enum i8_status st = i8i_hash_new(&j->hash, i8i_hub_file_hash(file), err);
    if (st == I8_OK && !file->lfs)
        i8i_hash_git_blob(j->hash, file->size);
    return st;
}

void i8i_job_close(struct i8i_job *j)
{
    i8i_hash_free(j->hash);
    j->hash = NULL;
    j->hashed = 0;
    i8i_part_close(&j->part);
    i8i_piecemap_free(&j->pieces);
}

enum i8_status i8i_job_open(struct i8i_engine *e, struct i8i_job *j, bool fresh,
                            struct i8_error *err)
{
    const struct i8i_download_file *d = i8i_job_file(e, j);
    const struct i8i_part_options options = {
        .path = d->part_path,
        .hash = d->file->hash,
        .size = d->file->size,
        .fresh = fresh,
        .reserve =
            !j->again, /* the second time bytes are appended, as simply as can be */
        .durable = i8i_http_settings(e->http)->durable,
    };
    (void)pthread_mutex_unlock(&e->lock);
    enum i8_status st = I8_OK;
    if (j->remote == NULL)
        st = i8i_remote_file_open(&j->remote, e->http, e->request->repo,
                                  e->request->commit, d->file->path, d->file->hash,
                                  d->file->size, err);
    if (st == I8_OK)
        st = i8i_part_open(&j->part, &j->pieces, &j->assumed, &options, err);
    if (st == I8_OK)
        st = start_hash(e, j, err);
    (void)pthread_mutex_lock(&e->lock);
    if (st == I8_OK) {
        j->resumed = i8i_piecemap_frontier(&j->pieces);
        j->state = I8I_FILE_RUNNING;
    }
    return st;
}

/* Hashes [from, to); without the lock: this range is complete and nobody writes it. */
static enum i8_status hash_range(struct i8i_job *j, uint64_t from, uint64_t to,
                                 char *block, struct i8_error *err)
{
    enum i8_status st = I8_OK;
    while (from < to && st == I8_OK) {
        const size_t n = to - from < BLOCK_BYTES ? (size_t)(to - from) : BLOCK_BYTES;
        st = i8i_part_read(&j->part, block, n, from, err);
        if (st == I8_OK)
            i8i_hash_update(j->hash, block, n);
        from += n;
    }
    return st;
}

/* The hash is right: the file gets its name. Without the lock. */
static enum i8_status finish(struct i8i_engine *e, struct i8i_job *j,
                             struct i8_error *err)
{
    enum i8_status st = i8i_part_commit(&j->part, i8i_job_file(e, j)->final_path, err);
    if (st == I8_OK) {
        (void)pthread_mutex_lock(&e->events_lock);
        st = e->events->done(e->events->ctx, (size_t)(j - e->jobs), err);
        (void)pthread_mutex_unlock(&e->events_lock);
    }
    return st;
}

/* The hash is wrong: once more from nothing, as one stream; a second time is the end. */
static enum i8_status refetch(struct i8i_engine *e, struct i8i_job *j, const char *hex,
                              struct i8_error *err)
{
    const struct i8i_hub_file *file = i8i_job_file(e, j)->file;
    const char *kind = file->lfs ? "SHA-256" : "git's SHA-1";
    const bool give_up = j->again;
    if (give_up) {
        i8i_part_discard(&j->part);
        return i8i_fail(err, I8_ERR_DATA,
                        "%s/%s: %s should be %.16s…, but is %.16s… of what was received, "
                        "also the second time, as one stream: nothing was kept",
                        e->request->repo->id, file->path, kind, file->hash, hex);
    }
    if (!j->assumed) {
        i8i_log(
            i8i_http_log(e->http), I8_LOG_WARNING,
            "%s: %s should be %.16s…, but is %.16s… of what was received: fetching it "
            "once more, as one stream",
            file->path, kind, file->hash, hex);
        j->again = j->single = true;
    }
    i8i_job_close(j);
    j->opening = true;
    enum i8_status st = i8i_job_open(e, j, true, err);
    j->opening = false;
    return st;
}

/* Everything is hashed. With the lock, which is let go. */
static void judge(struct i8i_engine *e, struct i8i_job *j)
{
    char hex[I8I_HASH_HEX];
    struct i8_error err = {0};
    enum i8_status st = i8i_hash_final(j->hash, hex, &err);
    const bool right = st == I8_OK && strcmp(hex, i8i_job_file(e, j)->file->hash) == 0;
    /* A fetcher that resends a whole file may not have noticed yet that it has all. */
    while (j->syncing || j->active > 0)
        i8i_engine_wait(e, &e->changed, 0.1);
    if (st == I8_OK && !right) {
        st = refetch(e, j, hex, &err);
    } else if (st == I8_OK) {
        j->state = I8I_FILE_FINISHING;
        (void)pthread_mutex_unlock(&e->lock);
        st = finish(e, j, &err);
        (void)pthread_mutex_lock(&e->lock);
        if (st == I8_OK) {
            j->state = I8I_FILE_DONE;
            j->locked = false;
            e->unfinished--;
            i8i_job_close(j);
            i8i_remote_file_close(j->remote);
            j->remote = NULL;
        }
    }
    i8i_engine_wake(e);
    if (st != I8_OK) {
        j->state = I8I_FILE_FAILED;
        i8i_engine_fail(e, &err);
    }
}

/* A file with something to hash, or to judge. */
static struct i8i_job *find_job(struct i8i_engine *e)
{
    for (size_t i = e->first_open; i < e->request->count; i++) {
        struct i8i_job *j = &e->jobs[i];
        if (j->state == I8I_FILE_RUNNING && !j->opening && !j->hashing &&
            (i8i_piecemap_frontier(&j->pieces) > j->hashed ||
             j->hashed == j->pieces.size))
            return j;
    }
    return NULL;
}

static void hash_turn(struct i8i_engine *e, struct i8i_job *j, char *block)
{
    struct i8_error err = {0};
    uint64_t to = i8i_piecemap_frontier(&j->pieces);
    const uint64_t from = j->hashed;
    if (to - from > TURN_BYTES)
        to = from + TURN_BYTES;
    j->hashing = true;
    (void)pthread_mutex_unlock(&e->lock);
    enum i8_status st = hash_range(j, from, to, block, &err);
    (void)pthread_mutex_lock(&e->lock);
    const bool was_ahead = i8i_job_is_ahead(j);
    j->hashed = to;
    if (was_ahead && !i8i_job_is_ahead(j))
        (void)pthread_cond_broadcast(&e->work);
    if (st != I8_OK)
        i8i_engine_fail(e, &err);
    else if (j->hashed == j->pieces.size)
        judge(e, j);
    j->hashing = false;
    if (i8i_piecemap_frontier(&j->pieces) > j->hashed)
        (void)pthread_cond_signal(&e->hashable); /* more has come meanwhile */
}

void *i8i_hasher_run(void *engine)
{
    struct i8i_engine *e = engine;
    char *block = malloc(BLOCK_BYTES);
    (void)pthread_mutex_lock(&e->lock);
    if (block == NULL) {
        struct i8_error err = {0};
        i8i_nomem(&err);
        i8i_engine_fail(e, &err);
    }
    while (!atomic_load(&e->stop) && e->unfinished > 0) {
        struct i8i_job *j = find_job(e);
        if (j != NULL)
            hash_turn(e, j, block);
        else
            i8i_engine_wait(e, &e->hashable, 1.0);
    }
    (void)pthread_mutex_unlock(&e->lock);
    free(block);
    return NULL;
}

/* ---- syncing ---- */

/* Syncs what is written of one file and notes it as synced. With the lock, let go. */
static void sync_job(struct i8i_engine *e, struct i8i_job *j)
{
    struct i8i_piecemap *p = &j->pieces;
    char *first = p->count == 0 ? NULL : memchr(p->state, I8I_PIECE_WRITTEN, p->count);
    if (first == NULL || j->part.journal_fd < 0)
        return;
    for (size_t i = (size_t)(first - p->state); i < p->count; i++)
        if (p->state[i] == I8I_PIECE_WRITTEN)
            p->state[i] = I8I_PIECE_SYNCING;
    j->syncing = true;
    (void)pthread_mutex_unlock(&e->lock);
    struct i8_error err = {0};
    const enum i8_status st = i8i_part_sync(&j->part, &err);
    (void)pthread_mutex_lock(&e->lock);
    j->syncing = false;
    const char now = st == I8_OK ? I8I_PIECE_SYNCED : I8I_PIECE_WRITTEN;
    for (size_t i = (size_t)(first - p->state); i < p->count; i++) {
        if (p->state[i] != I8I_PIECE_SYNCING)
            continue;
        const size_t from = i;
        while (i < p->count && p->state[i] == I8I_PIECE_SYNCING)
            p->state[i++] = now;
        i8i_part_note(&j->part, p, from, i - from);
    }
    /* After a failed sync the kernel may have dropped pages: nothing is sure any more. */
    if (st != I8_OK)
        i8i_engine_fail(e, &err);
    (void)pthread_cond_broadcast(&e->changed);
}

void *i8i_syncer_run(void *engine)
{
    struct i8i_engine *e = engine;
    double next_s = i8i_monotonic_s() + SYNC_EVERY_S;
    (void)pthread_mutex_lock(&e->lock);
    while (!atomic_load(&e->stop) && e->unfinished > 0) {
        const double now = i8i_monotonic_s();
        if (now < next_s) {
            i8i_engine_wait(e, &e->changed, next_s - now);
            continue;
        }
        for (size_t i = e->first_open; i < e->request->count && !atomic_load(&e->stop);
             i++)
            if (e->jobs[i].state == I8I_FILE_RUNNING && !e->jobs[i].opening)
                sync_job(e, &e->jobs[i]);
        next_s = i8i_monotonic_s() + SYNC_EVERY_S;
    }
    (void)pthread_mutex_unlock(&e->lock);
    return NULL;
}

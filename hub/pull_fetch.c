/* SPDX-License-Identifier: Apache-2.0
 *
 * Driving the download engine: a job a content (files with the same hash are fetched
 * once), under the lock that Python's client takes for it.
 */
#include "config.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "hub/cache_lock.h"
#include "hub/download.h"
#include "hub/part_claim.h"
#include "hub/pull_state.h"
#include <stdlib.h>
#include <string.h>

#define NO_ENTRY SIZE_MAX

struct job {
    size_t entry; /* the first entry with this content */
    char *stem, *part, *final, *lock_path;
    struct i8i_cache_lock lock;
};

struct fetch {
    struct i8i_pull *p;
    struct job *jobs;
    size_t count;
    bool *left_over; /* of each job: somebody else's partial may lie there */
    size_t *next;    /* of each entry: the next one with the same content, or NO_ENTRY */
    struct i8i_download_file *files;
    struct i8_hub_running *running; /* scratch for the progress sink */
    double touched_s;
    bool said_waiting;
};

static const struct i8i_hub_file *file_of(const struct fetch *x, size_t job)
{
    return x->p->entries[x->jobs[job].entry].file;
}

/* ---- what the engine asks ---- */

/* Is the content there by now, put there by another process? Then under all its names. */
static enum i8_status is_there(struct fetch *x, const struct job *j, bool *there,
                               struct i8_error *err)
{
    struct i8i_store *s = &x->p->store;
    enum i8_status st = I8_OK;
    *there = true;
    for (size_t i = j->entry; st == I8_OK && *there && i != NO_ENTRY; i = x->next[i]) {
        struct i8i_pull_entry *e = &x->p->entries[i];
        enum i8i_file_state state = I8I_FILE_ABSENT;
        if (!e->damaged)
            st = s->ops->look(s, e->file, &state, err);
        /* What takes long to check was tried before. */
        bool adopted = false;
        if (st == I8_OK && state == I8I_FILE_AT_HAND && s->cheap_adopt)
            st = s->ops->adopt(s, e->file, &adopted, err);
        *there = state == I8I_FILE_PRESENT || adopted;
        if (st == I8_OK && *there)
            e->state = I8I_FILE_PRESENT;
    }
    return st;
}

static enum i8_status begin(void *ctx, size_t index, enum i8i_download_begin *answer,
                            struct i8_error *err)
{
    struct fetch *x = ctx;
    struct job *j = &x->jobs[index];
    bool taken = false, there = false, busy = false;
    *answer = I8I_BEGIN_BUSY;
    enum i8_status st = i8i_cache_lock_try(&j->lock, &taken, j->lock_path, err);
    if (st == I8_OK && taken)
        st = is_there(x, j, &there, err);
    if (st == I8_OK && taken && !there && x->left_over[index])
        st = i8i_part_claim(j->part, j->stem, x->p->store.exact_locks, &busy, err);
    if (st == I8_OK && taken && !busy)
        *answer = there ? I8I_BEGIN_HAVE : I8I_BEGIN_FETCH;
    if (st != I8_OK || *answer != I8I_BEGIN_FETCH)
        i8i_cache_lock_release(&j->lock);
    if (st == I8_OK && *answer == I8I_BEGIN_BUSY && !x->said_waiting) {
        x->said_waiting = true;
        i8i_log(x->p->log, I8_LOG_NOTE,
                "another process is fetching %s: waiting for what it has begun",
                file_of(x, index)->path);
    }
    return st;
}

static enum i8_status done(void *ctx, size_t index, struct i8_error *err)
{
    struct fetch *x = ctx;
    struct job *j = &x->jobs[index];
    struct i8i_store *s = &x->p->store;
    enum i8_status st = I8_OK;
    for (size_t i = j->entry; st == I8_OK && i != NO_ENTRY; i = x->next[i]) {
        struct i8i_pull_entry *e = &x->p->entries[i];
        st = s->ops->place(s, e->file, file_of(x, index), err);
        if (st == I8_OK) {
            e->state = I8I_FILE_PRESENT;
            e->damaged = false;
            e->from_network = true;
        }
    }
    if (st == I8_OK && x->left_over[index])
        i8i_part_remove_all(j->part, j->stem);
    i8i_cache_lock_release(&j->lock);
    i8i_log(x->p->log, I8_LOG_DEBUG, "fetched %s", file_of(x, index)->path);
    return st;
}

static void abandoned(void *ctx, size_t index)
{
    struct fetch *x = ctx;
    i8i_cache_lock_release(&x->jobs[index].lock);
}

/* ---- what the engine tells ---- */

static bool is_running(const struct i8i_download_status *d,
                       enum i8_hub_activity *activity)
{
    switch (d->state) {
    case I8I_FILE_RUNNING:
        *activity = I8_HUB_FETCHING;
        return true;
    case I8I_FILE_RETRYING:
        *activity = I8_HUB_RETRYING;
        return true;
    case I8I_FILE_LOCKED:
        *activity = I8_HUB_WAITING;
        return true;
    case I8I_FILE_FINISHING:
        *activity = I8_HUB_HASHING;
        return true;
    default:
        return false;
    }
}

/* Where locks do not tell, the time of its partial says that a process lives. */
static void keep_alive(struct fetch *x, const struct i8i_download_status *files,
                       size_t count)
{
    const double now = i8i_monotonic_s();
    if (x->p->store.exact_locks || now - x->touched_s < I8I_PART_TOUCH_S)
        return;
    x->touched_s = now;
    for (size_t i = 0; i < count; i++)
        if (files[i].state == I8I_FILE_RUNNING || files[i].state == I8I_FILE_RETRYING)
            i8i_part_touch(x->jobs[i].part);
}

static int progress(void *ctx, const struct i8i_download_status *files, size_t count)
{
    struct fetch *x = ctx;
    struct i8_hub_state state = {
        .stage = "downloading", .files = count, .running = x->running};
    keep_alive(x, files, count);
    if (x->p->options->progress == NULL)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const struct i8i_download_status *d = &files[i];
        const struct i8i_hub_file *f = file_of(x, i);
        const bool finished = d->state == I8I_FILE_DONE || d->state == I8I_FILE_HAD;
        const uint64_t bytes = finished ? f->size : d->bytes;
        enum i8_hub_activity activity;
        state.bytes += f->size;
        state.done_bytes += bytes;
        state.fetched_bytes += d->fetched_bytes;
        state.done_files += finished;
        if (is_running(d, &activity))
            x->running[state.n_running++] = (struct i8_hub_running){
                f->path, bytes, f->size, d->connections, activity};
    }
    return x->p->options->progress->update(x->p->options->progress->ctx, &state);
}

/* ---- the jobs ---- */

static enum i8_status add_job(struct fetch *x, size_t entry, struct i8_error *err)
{
    const struct i8i_store *s = &x->p->store;
    const struct i8i_hub_file *f = x->p->entries[entry].file;
    struct job *j = &x->jobs[x->count];
    *j = (struct job){.entry = entry,
                      .stem = s->ops->part_stem(s, f),
                      .final = s->ops->final(s, f),
                      .lock_path = s->ops->lock(s, f),
                      .lock = I8I_CACHE_LOCK_NONE};
    if (j->stem)
        j->part = i8i_part_path(s->temp, j->stem, s->exact_locks, x->p->owner);
    x->files[x->count] = (struct i8i_download_file){f, j->part, j->final};
    x->count++;
    if (j->part == NULL || j->final == NULL || j->lock_path == NULL)
        return i8i_nomem(err);
    /* Only the cache's own entries have folders that prepare did not make. */
    return i8i_make_parents(j->final, err);
}

/* Another file of this pull has the content and is in its place: takes it from there. */
static enum i8_status take_from(struct fetch *x, struct i8i_pull_entry *e,
                                const struct i8i_pull_entry *from, struct i8_error *err)
{
    struct i8_error why = {0};
    const enum i8_status st =
        x->p->store.ops->place(&x->p->store, e->file, from->file, &why);
    if (st == I8_OK)
        e->state = I8I_FILE_PRESENT;
    /* Damaged, as --verify would have shown: it is fetched instead. */
    return st == I8_OK || st == I8_ERR_DATA ? I8_OK
                                            : i8i_fail(err, st, "%s", why.message);
}

/* A job for each content that is wanted and not there. */
static enum i8_status make_jobs(struct fetch *x, struct i8_error *err)
{
    struct i8i_map present, wanted; /* hash → entry */
    enum i8_status st = I8_OK;
    const struct i8i_pull *p = x->p;
    i8i_map_init(&present);
    i8i_map_init(&wanted);
    for (size_t i = 0; st == I8_OK && i < p->chosen.count; i++) {
        x->next[i] = NO_ENTRY;
        if (!i8i_pull_is_wanted(&p->entries[i]))
            st = i8i_map_add(&present, p->entries[i].file->hash, i, NULL, err);
    }
    for (size_t i = 0; st == I8_OK && i < p->chosen.count; i++) {
        struct i8i_pull_entry *e = &p->entries[i];
        const size_t have = i8i_map_get(&present, e->file->hash);
        size_t first = I8I_MAP_NONE;
        if (i8i_pull_is_wanted(e) && have != I8I_MAP_NONE && !e->damaged)
            st = take_from(x, e, &p->entries[have], err);
        if (st != I8_OK || !i8i_pull_is_wanted(e))
            continue;
        st = i8i_map_add(&wanted, e->file->hash, i, &first, err);
        if (st == I8_OK && first != I8I_MAP_NONE) {
            x->next[i] = x->next[first];
            x->next[first] = i;
        } else if (st == I8_OK) {
            st = add_job(x, i, err);
        }
    }
    i8i_map_free(&present);
    i8i_map_free(&wanted);
    return st;
}

/* With many small files a look through the folder for each takes longer than the rest. */
static enum i8_status find_left_over(struct fetch *x, struct i8_error *err)
{
    struct i8i_map stems;
    const bool exact = x->p->store.exact_locks;
    enum i8_status st = I8_OK;
    i8i_map_init(&stems);
    for (size_t i = 0; st == I8_OK && i < x->count; i++) {
        x->left_over[i] = !exact;
        if (exact)
            st = i8i_map_add(&stems, x->jobs[i].stem, i, NULL, err);
    }
    if (st == I8_OK && exact)
        i8i_part_find(x->left_over, x->p->store.temp, &stems);
    i8i_map_free(&stems);
    return st;
}

static void free_fetch(struct fetch *x)
{
    for (size_t i = 0; i < x->count; i++) {
        struct job *j = &x->jobs[i];
        i8i_cache_lock_release(&j->lock);
        free(j->stem);
        free(j->part);
        free(j->final);
        free(j->lock_path);
    }
    free(x->jobs);
    free(x->left_over);
    free(x->next);
    free(x->files);
    free(x->running);
}

static enum i8_status fetch_once(struct i8i_pull *p, struct i8_error *err)
{
    const size_t n = p->chosen.count;
    struct fetch x = {.p = p,
                      .jobs = i8i_calloc(n, sizeof *x.jobs),
                      .left_over = i8i_calloc(n, sizeof *x.left_over),
                      .next = i8i_calloc(n, sizeof *x.next),
                      .files = i8i_calloc(n, sizeof *x.files),
                      .running = i8i_calloc(n, sizeof *x.running)};
    enum i8_status st = x.jobs && x.left_over && x.next && x.files && x.running
                            ? make_jobs(&x, err)
                            : i8i_nomem(err);
    if (st == I8_OK)
        st = find_left_over(&x, err);
    if (st == I8_OK && x.count > 0) {
        const struct i8i_download_request request = {.repo = &p->repo,
                                                     .commit = p->store.commit,
                                                     .files = x.files,
                                                     .count = x.count,
                                                     .connections =
                                                         p->options->connections};
        const struct i8i_download_events events = {.ctx = &x,
                                                   .begin = begin,
                                                   .done = done,
                                                   .abandoned = abandoned,
                                                   .progress = progress};
        uint64_t fetched = 0;
        st = i8i_download(&fetched, p->http, &request, &events, err);
        p->fetched_bytes += fetched;
    }
    free_fetch(&x);
    return st;
}

enum i8_status i8i_pull_fetch(struct i8i_pull *p, struct i8_error *err)
{
    enum { ATTEMPTS = 3 };
    enum i8_status st = I8_OK;
    /* Without exact locks another process may finish a file first and clear our partial
     * away; begin() then finds the file. */
    for (int i = 0; i < ATTEMPTS; i++) {
        st = fetch_once(p, err);
        if (st != I8_ERR_IO || p->store.exact_locks)
            break;
    }
    return st;
}

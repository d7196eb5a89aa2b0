/* SPDX-License-Identifier: Apache-2.0
 *
 * The fetchers: which file and which pieces next, one stream after the other, and what
 * follows when a server has other ideas about ranges or connections.
 */
#include "config.h"

#include "base/clock.h"
#include "hub/download_engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES ((size_t)256 << 10) /* one pwrite; divides a piece */
#define ASK_AGAIN_S 0.5                 /* for a lock that another process holds */
/* Connections a file before another large one is begun beside it. */
#define FILE_CONNECTIONS 4
#define AHEAD_FILES      2
#define OPEN_MAX_FILES   64 /* not yet hashed and named ones included */

/* ---- one stream ---- */

struct fetch {
    struct i8i_engine *engine;
    struct i8i_job *job;
    struct i8i_run run;
    size_t piece;      /* that arrives now */
    uint64_t position; /* of the next byte */
    uint64_t written;  /* of this piece, by position in the file */
    bool skip;         /* this piece was there already (a whole file is being resent) */
    char *buffer;      /* WRITE_BYTES */
    size_t used;
    bool waiting; /* between two attempts */
};

static enum i8_status flush(struct fetch *f, struct i8_error *err)
{
    if (f->used == 0)
        return I8_OK;
    enum i8_status st =
        i8i_part_write(&f->job->part, f->buffer, f->used, f->position - f->used, err);
    f->used = 0;
    return st;
}

/* The piece is all there. */
static void complete(struct fetch *f)
{
    struct i8i_engine *e = f->engine;
    struct i8i_job *j = f->job;
    (void)pthread_mutex_lock(&e->lock);
    if (!f->skip) {
        i8i_piecemap_complete(&j->pieces, f->piece, I8I_PIECE_WRITTEN);
        i8i_part_note(&j->part, &j->pieces, f->piece, 1);
        e->progress_s = i8i_monotonic_s();
        if (!j->hashing && i8i_piecemap_frontier(&j->pieces) > j->hashed)
            (void)pthread_cond_signal(&e->hashable);
    }
    f->run.next = f->piece + 1;
    f->piece++;
    f->skip = f->piece < j->pieces.count && i8i_piece_is_done(&j->pieces, f->piece);
    (void)pthread_mutex_unlock(&e->lock);
}

static enum i8_status on_bytes(void *ctx, const void *bytes, size_t n, uint64_t offset,
                               struct i8_error *err)
{
    struct fetch *f = ctx;
    struct i8i_job *j = f->job;
    const char *from = bytes;
    (void)offset;
    atomic_fetch_add(&f->engine->fetched, n);
    atomic_fetch_add(&j->fetched, n);
    while (n > 0) {
        const uint64_t end = i8i_piece_start(&j->pieces, f->piece + 1);
        size_t now = WRITE_BYTES - f->used;
        if (now > n)
            now = n;
        if (now > end - f->position)
            now = (size_t)(end - f->position);
        if (!f->skip) {
            memcpy(f->buffer + f->used, from, now);
            f->used += now;
            f->written += now;
            atomic_fetch_add(&j->unfinished, now);
        }
        f->position += now;
        from += now;
        n -= now;
        if (f->used == WRITE_BYTES || f->position == end) {
            enum i8_status st = flush(f, err);
            if (st != I8_OK)
                return st;
        }
        if (f->position == end) {
            atomic_fetch_sub(&j->unfinished, f->written);
            f->written = 0;
            complete(f);
        }
    }
    return I8_OK;
}

static void on_trouble(void *ctx, bool waiting, const char *why)
{
    struct fetch *f = ctx;
    struct i8i_engine *e = f->engine;
    i8i_log(i8i_http_log(e->http), I8_LOG_DEBUG, "%s%s", waiting ? "" : "again: ", why);
    (void)pthread_mutex_lock(&e->lock);
    if (waiting && !f->waiting)
        f->job->waiting++;
    else if (!waiting && f->waiting)
        f->job->waiting--;
    f->waiting = waiting;
    (void)pthread_mutex_unlock(&e->lock);
}

/* ---- what follows from it ---- */

static void note(const struct i8i_engine *e, const struct i8i_job *j, const char *text)
{
    i8i_log(i8i_http_log(e->http), I8_LOG_NOTE, "%s: %s", i8i_job_file(e, j)->file->path,
            text);
}

/* The server refuses a range at a fresh address: fewer connections for this file, then
 * one stream, then one without Range. A refusal between pieces that do arrive is a
 * passing one, and is asked past: each time costs the server a piece, so that it ends.
 * False: nothing is left to try. */
static bool step_down(struct i8i_engine *e, struct i8i_job *j)
{
    if (j->active > 0) { /* others go on: it is the number that is refused */
        j->limit = j->active;
        return true;
    }
    const bool passing = j->single && j->pieces.done_bytes > j->refused_at;
    j->refused_at = j->pieces.done_bytes;
    if (passing) {
        i8i_retry_progress(&j->refusals);
        return true;
    }
    if (!j->single) {
        note(e, j,
             "the server refuses ranges over several connections: going on with one");
        j->single = true;
        return true;
    }
    if (!j->whole) {
        note(e, j, "the server refuses ranges: asking for the file as a whole");
        j->whole = true;
        return true;
    }
    return false;
}

/* Nothing is left to try but patience: waits, as after any other failure, and says
 * whether to ask once more. The file has no other fetcher meanwhile. */
static bool wait_out(struct i8i_engine *e, struct i8i_job *j)
{
    j->active++;
    (void)pthread_mutex_unlock(&e->lock);
    const bool again = i8i_retry_wait(&j->refusals, e->http,
                                      i8i_job_file(e, j)->file->path, -1, &e->stop);
    (void)pthread_mutex_lock(&e->lock);
    j->active--;
    return again;
}

/* A stream has failed after all its attempts. If other connections brought bytes since it
 * began, the network is well and this one is too many. */
static bool is_one_too_many(struct i8i_engine *e, enum i8_status st, double start_s)
{
    if (st != I8_ERR_NETWORK || e->busy == 0 || e->adapt.max <= 1 ||
        e->progress_s < start_s)
        return false;
    i8i_adapt_cap(&e->adapt, e->busy);
    return true;
}

/* With the lock held, like all below; it is let go while bytes flow. */
static void fetch_run(struct i8i_engine *e, struct i8i_job *j, struct fetch *f)
{
    const size_t first = f->run.next;
    const bool whole = j->whole;
    f->engine = e;
    f->job = j;
    f->piece = whole ? 0 : first;
    f->position = i8i_piece_start(&j->pieces, f->piece);
    f->written = 0;
    f->used = 0;
    f->skip = i8i_piece_is_done(&j->pieces, f->piece);
    const uint64_t end =
        i8i_piece_start(&j->pieces, whole ? j->pieces.count : f->run.end);
    long status = 0;
    const struct i8i_stream stream = {
        .offset = f->position,
        .length = end - f->position,
        .whole = whole,
        .write = on_bytes,
        .trouble = on_trouble,
        .ctx = f,
        .cancel = &e->stop,
        .status = &status,
    };
    struct i8_error err = {0};
    enum i8i_stream_end how;
    const double start_s = i8i_monotonic_s();
    j->active++;
    e->busy++;
    (void)pthread_mutex_unlock(&e->lock);
    enum i8_status st = i8i_remote_file_stream(j->remote, &stream, &how, &err);
    (void)pthread_mutex_lock(&e->lock);
    e->busy--;
    j->active--;
    j->waiting -= f->waiting; /* it gave up while waiting */
    f->waiting = false;
    atomic_fetch_sub(&j->unfinished, f->written);
    i8i_piecemap_give_back(&j->pieces, &f->run);
    if (st == I8_OK && how == I8I_STREAM_NO_RANGE && !j->whole) {
        note(e, j, "the server ignores ranges: asking for the file as a whole");
        j->single = j->whole = true;
    } else if (st == I8_OK && how == I8I_STREAM_REFUSED && !step_down(e, j) &&
               !wait_out(e, j)) {
        st = i8i_http_cancelled(e->http, NULL)
                 ? i8i_fail(&err, I8_ERR_CANCELLED, "cancelled")
                 : i8i_fail(&err, I8_ERR_NETWORK,
                            "%s/%s: the server refuses the file (HTTP %ld)",
                            e->request->repo->id, i8i_job_file(e, j)->file->path, status);
    }
    if (st != I8_OK && st != I8_ERR_CANCELLED && !is_one_too_many(e, st, start_s))
        i8i_engine_fail(e, &err);
    if (st == I8_ERR_CANCELLED && i8i_http_cancelled(e->http, NULL))
        i8i_engine_fail(e, &err);
    (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_cond_broadcast(&e->work);
}

/* ---- what to do next ---- */

static bool is_large(const struct i8i_engine *e, const struct i8i_job *j)
{
    return i8i_job_file(e, j)->file->size > I8I_PIECE_BYTES;
}

static unsigned limit_of(const struct i8i_job *j)
{
    return j->single ? 1 : j->limit;
}

unsigned i8i_engine_room(const struct i8i_engine *e)
{
    unsigned room = 0;
    bool left = false;
    for (size_t i = e->first_open; i < e->request->count; i++) {
        const struct i8i_job *j = &e->jobs[i];
        if (j->opening || j->state == I8I_FILE_QUEUED || j->state == I8I_FILE_LOCKED)
            return UINT_MAX; /* another file may take any number */
        if (j->state != I8I_FILE_RUNNING)
            continue;
        left = left || j->pieces.untaken > 0;
        room += j->pieces.untaken > 0 ? limit_of(j) : j->active;
    }
    /* At the end it is work that is short, not room. */
    return left ? room : UINT_MAX;
}

/* The running file that has pieces to give and the fewest connections. *large: how many
 * large files are being fetched. */
static struct i8i_job *find_running(struct i8i_engine *e, unsigned *large)
{
    struct i8i_job *best = NULL;
    *large = 0;
    for (size_t i = e->first_open; i < e->request->count; i++) {
        struct i8i_job *j = &e->jobs[i];
        if (j->opening && is_large(e, j))
            ++*large;
        if (j->state != I8I_FILE_RUNNING || j->opening)
            continue;
        *large += is_large(e, j) && j->pieces.first_missing < j->pieces.count;
        if (j->pieces.untaken > 0 && j->active < limit_of(j) && !i8i_job_is_ahead(j) &&
            (best == NULL || j->active < best->active))
            best = j;
    }
    return best;
}

/* The next file to open: small ones first, which take time but no bandwidth. */
static struct i8i_job *find_queued(struct i8i_engine *e)
{
    struct i8i_job *best = NULL;
    const double now = i8i_monotonic_s();
    for (size_t i = e->first_open; i < e->request->count; i++) {
        struct i8i_job *j = &e->jobs[i];
        const bool ready = j->state == I8I_FILE_QUEUED ||
                           (j->state == I8I_FILE_LOCKED && now >= j->try_s);
        if (!ready || j->opening)
            continue;
        if (!is_large(e, j))
            return j;
        if (best == NULL)
            best = j;
    }
    return best;
}

/* Asks whether the file is to be fetched, and opens its partial. */
static void open_job(struct i8i_engine *e, struct i8i_job *j)
{
    struct i8_error err = {0};
    enum i8i_download_begin answer = I8I_BEGIN_FETCH;
    const size_t index = (size_t)(j - e->jobs);
    j->opening = true;
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_mutex_lock(&e->events_lock);
    enum i8_status st = e->events->begin(e->events->ctx, index, &answer, &err);
    (void)pthread_mutex_unlock(&e->events_lock);
    (void)pthread_mutex_lock(&e->lock);
    if (st == I8_OK && answer == I8I_BEGIN_FETCH) {
        j->locked = true;
        st = i8i_job_open(e, j, false, &err);
    } else if (st == I8_OK && answer == I8I_BEGIN_BUSY) {
        j->state = I8I_FILE_LOCKED;
        j->try_s = i8i_monotonic_s() + ASK_AGAIN_S;
    } else if (st == I8_OK) {
        j->state = I8I_FILE_HAD;
        e->unfinished--;
    }
    j->opening = false;
    if (st != I8_OK) {
        j->state = I8I_FILE_FAILED;
        i8i_engine_fail(e, &err);
    }
    i8i_engine_wake(e);
}

/* Another file beside those that are being fetched? */
static bool is_worth_opening(struct i8i_engine *e, const struct i8i_job *queued,
                             const struct i8i_job *running, unsigned large)
{
    unsigned open = 0;
    bool ahead = false;
    for (size_t i = e->first_open; i < e->request->count; i++) {
        /* In this order: while a job is being opened, its descriptor is not to be read.
         */
        open += e->jobs[i].opening || e->jobs[i].part.fd >= 0;
        ahead = ahead || (!e->jobs[i].opening && e->jobs[i].state == I8I_FILE_RUNNING &&
                          i8i_job_is_ahead(&e->jobs[i]));
    }
    if (open >= OPEN_MAX_FILES)
        return false;
    if (running == NULL) /* unless it is the hashing that is behind already */
        return !ahead || large < AHEAD_FILES;
    if (!is_large(e, queued))
        return is_large(e, running);
    return large == 0 || large < e->adapt.now / FILE_CONNECTIONS;
}

/* One step of work; false: there is none now. */
static bool work(struct i8i_engine *e, struct fetch *f)
{
    while (e->first_open < e->request->count &&
           (e->jobs[e->first_open].state == I8I_FILE_DONE ||
            e->jobs[e->first_open].state == I8I_FILE_HAD))
        e->first_open++;
    unsigned large;
    struct i8i_job *running = find_running(e, &large);
    struct i8i_job *queued = find_queued(e);
    if (queued != NULL && is_worth_opening(e, queued, running, large)) {
        open_job(e, queued);
        return true;
    }
    if (running == NULL)
        return false;
    const unsigned sharing =
        e->adapt.now > limit_of(running) ? limit_of(running) : e->adapt.now;
    const size_t most = running->single ? running->pieces.count
                                        : i8i_piecemap_share(&running->pieces, sharing);
    if (!i8i_piecemap_take(&running->pieces, &f->run, most))
        return false;
    fetch_run(e, running, f);
    return true;
}

void *i8i_fetcher_run(void *fetcher)
{
    const struct i8i_fetcher *me = fetcher;
    struct i8i_engine *e = me->engine;
    struct fetch f = {.buffer = malloc(WRITE_BYTES)};
    (void)pthread_mutex_lock(&e->lock);
    if (f.buffer == NULL) {
        struct i8_error err = {0};
        i8i_nomem(&err);
        i8i_engine_fail(e, &err);
    }
    while (!atomic_load(&e->stop) && e->unfinished > 0) {
        if (me->number >= e->adapt.now || !work(e, &f))
            i8i_engine_wait(e, &e->work, 0.2); /* also for a lock's next turn */
    }
    (void)pthread_mutex_unlock(&e->lock);
    free(f.buffer);
    return NULL;
}

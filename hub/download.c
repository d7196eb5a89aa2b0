/* SPDX-License-Identifier: Apache-2.0
 *
 * The download engine's frame: space, threads, progress, the end.
 */
#include "config.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/size.h"
#include "hub/download_engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPORT_EVERY_S 0.1
#define HASHERS_MAX    5
#define STACK_BYTES    ((size_t)512 << 10)
#define FETCHERS_MAX   64

void i8i_engine_fail(struct i8i_engine *e, const struct i8_error *err)
{
    if (e->failure.status == I8_OK)
        e->failure = *err;
    atomic_store(&e->stop, true);
    i8i_engine_wake(e);
}

void i8i_engine_wake(struct i8i_engine *e)
{
    (void)pthread_cond_broadcast(&e->work);
    (void)pthread_cond_broadcast(&e->hashable);
    (void)pthread_cond_broadcast(&e->changed);
}

void i8i_engine_wait(struct i8i_engine *e, pthread_cond_t *condition, double seconds)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    const double whole = floor(seconds);
    t.tv_sec += (time_t)whole;
    t.tv_nsec += (long)((seconds - whole) * 1e9);
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    (void)pthread_cond_timedwait(condition, &e->lock, &t);
}

static enum i8_status check_space(const struct i8i_download_request *q,
                                  struct i8_error *err)
{
    uint64_t need = 0;
    for (size_t i = 0; i < q->count; i++) {
        const uint64_t size = q->files[i].file->size;
        const uint64_t have = i8i_part_allocated(q->files[i].part_path);
        if (have < size && !i8i_add_u64(&need, need, size - have))
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: the sizes of the files add up to more "
                            "than 2^64 bytes",
                            q->repo->id);
    }
    return need == 0 ? I8_OK : i8i_space_check(q->files[0].part_path, need, err);
}

/* ---- progress ---- */

static void read_status(const struct i8i_engine *e, struct i8i_download_status *out)
{
    for (size_t i = 0; i < e->request->count; i++) {
        const struct i8i_job *j = &e->jobs[i];
        struct i8i_download_status s = {
            .state = j->state,
            .fetched_bytes = atomic_load(&j->fetched),
            .connections = j->active,
        };
        if (j->state >= I8I_FILE_FINISHING && j->state != I8I_FILE_FAILED) {
            s.bytes = e->request->files[i].file->size;
        } else if (!j->opening) {
            s.bytes = j->pieces.done_bytes + atomic_load(&j->unfinished);
            if (j->state == I8I_FILE_RUNNING && j->active > 0 && j->waiting >= j->active)
                s.state = I8I_FILE_RETRYING;
        }
        out[i] = s;
    }
}

/* The caller's part, until the run has ended. With the lock. */
static void report(struct i8i_engine *e, struct i8i_download_status *status)
{
    const struct i8i_download_events *events = e->events;
    while (!atomic_load(&e->stop) && e->unfinished > 0) {
        const unsigned before = e->adapt.now;
        i8i_adapt_room(&e->adapt, i8i_engine_room(e));
        i8i_adapt_update(&e->adapt, i8i_monotonic_s(), atomic_load(&e->fetched), e->busy);
        if (e->adapt.now > before)
            (void)pthread_cond_broadcast(&e->work);
        read_status(e, status);
        (void)pthread_mutex_unlock(&e->lock);
        (void)pthread_mutex_lock(&e->events_lock);
        const int asked = events->progress(events->ctx, status, e->request->count);
        (void)pthread_mutex_unlock(&e->events_lock);
        (void)pthread_mutex_lock(&e->lock);
        if (asked != 0) {
            struct i8_error err;
            i8i_fail(&err, I8_ERR_CANCELLED, "cancelled");
            i8i_engine_fail(e, &err);
            break;
        }
        const double until = i8i_monotonic_s() + REPORT_EVERY_S;
        for (double left = REPORT_EVERY_S;
             left > 0 && !atomic_load(&e->stop) && e->unfinished > 0;
             left = until - i8i_monotonic_s())
            i8i_engine_wait(e, &e->changed, left);
    }
}

/* ---- threads ---- */

struct crew {
    pthread_t threads[FETCHERS_MAX + HASHERS_MAX + 1];
    struct i8i_fetcher fetchers[FETCHERS_MAX];
    size_t count;
};

static bool hire(struct crew *crew, void *(*run)(void *), void *ctx)
{
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    const int failed = pthread_create(&crew->threads[crew->count], &attr, run, ctx);
    (void)pthread_attr_destroy(&attr);
    crew->count += failed == 0;
    return failed == 0;
}

/* As many fetchers as can be of use. */
static unsigned fetchers_for(const struct i8i_engine *e)
{
    uint64_t pieces = 0;
    for (size_t i = 0; i < e->request->count && pieces < FETCHERS_MAX; i++)
        pieces += e->request->files[i].file->size / I8I_PIECE_BYTES + 1;
    unsigned n = e->request->connections > 0 ? e->request->connections
                                             : i8i_http_settings(e->http)->connections;
    if (n > FETCHERS_MAX)
        n = FETCHERS_MAX;
    return pieces < n ? (unsigned)pieces : n;
}

static enum i8_status hire_all(struct i8i_engine *e, struct crew *crew, unsigned fetchers,
                               struct i8_error *err)
{
    unsigned hashers = i8i_processors() + 1; /* one may be waiting for a sync */
    if (hashers > HASHERS_MAX)
        hashers = HASHERS_MAX;
    bool ok = hire(crew, i8i_hasher_run, e);
    for (unsigned i = 1; ok && i < hashers && i < e->request->count; i++)
        (void)hire(crew, i8i_hasher_run, e);
    if (ok && i8i_http_settings(e->http)->durable)
        ok = hire(crew, i8i_syncer_run, e);
    unsigned got = 0;
    for (unsigned i = 0; ok && i < fetchers; i++) {
        crew->fetchers[got] = (struct i8i_fetcher){.engine = e, .number = got};
        got += hire(crew, i8i_fetcher_run, &crew->fetchers[got]);
    }
    return got > 0 ? I8_OK : i8i_fail(err, I8_ERR_NOMEM, "no thread can be made");
}

static void close_all(struct i8i_engine *e)
{
    for (size_t i = 0; i < e->request->count; i++) {
        struct i8i_job *j = &e->jobs[i];
        i8i_job_close(j);
        i8i_remote_file_close(j->remote);
        if (j->locked)
            e->events->abandoned(e->events->ctx, i);
    }
}

enum i8_status i8i_download(uint64_t *fetched_bytes, struct i8i_http *http,
                            const struct i8i_download_request *request,
                            const struct i8i_download_events *events,
                            struct i8_error *err)
{
    *fetched_bytes = 0;
    if (request->count == 0)
        return I8_OK;
    enum i8_status st = check_space(request, err);
    if (st != I8_OK)
        return st;
    struct i8i_engine e = {.http = http,
                           .request = request,
                           .events = events,
                           .unfinished = request->count,
                           .progress_s = i8i_monotonic_s()};
    struct crew *crew = i8i_calloc(1, sizeof *crew);
    struct i8i_download_status *status = i8i_calloc(request->count, sizeof *status);
    e.jobs = i8i_calloc(request->count, sizeof *e.jobs);
    if (crew == NULL || status == NULL || e.jobs == NULL) {
        st = i8i_nomem(err);
        goto out;
    }
    const unsigned fetchers = fetchers_for(&e);
    for (size_t i = 0; i < request->count; i++) {
        e.jobs[i].part.fd = e.jobs[i].part.journal_fd = -1;
        e.jobs[i].limit = fetchers;
    }
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&e.work, &clock);
    (void)pthread_cond_init(&e.hashable, &clock);
    (void)pthread_cond_init(&e.changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    (void)pthread_mutex_init(&e.lock, NULL);
    (void)pthread_mutex_init(&e.events_lock, NULL);
    i8i_adapt_init(&e.adapt, fetchers);

    (void)pthread_mutex_lock(&e.lock);
    st = hire_all(&e, crew, fetchers, err);
    if (st == I8_OK)
        report(&e, status);
    atomic_store(&e.stop, true);
    i8i_engine_wake(&e);
    (void)pthread_mutex_unlock(&e.lock);
    for (size_t i = 0; i < crew->count; i++)
        (void)pthread_join(crew->threads[i], NULL);
    if (st == I8_OK && e.unfinished > 0)
        st = e.failure.status == I8_OK
                 ? i8i_fail(err, I8_ERR_CANCELLED, "cancelled")
                 : i8i_fail(err, e.failure.status, "%s", e.failure.message);
    close_all(&e);
    if (st == I8_OK) {
        read_status(&e, status);
        (void)events->progress(events->ctx, status, request->count);
    }
    *fetched_bytes = atomic_load(&e.fetched);
    (void)pthread_cond_destroy(&e.work);
    (void)pthread_cond_destroy(&e.hashable);
    (void)pthread_cond_destroy(&e.changed);
    (void)pthread_mutex_destroy(&e.lock);
    (void)pthread_mutex_destroy(&e.events_lock);
out:
    free(e.jobs);
    free(status);
    free(crew);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the download engine: what its threads share. One lock guards everything;
 * work under it is short (pieces are a mebibyte or more).
 *
 *   fetchers  one thread a connection: opens files, streams runs of pieces into them
 *   hashers   follow each file's frontier, judge it when all is hashed, give it its name
 *   syncer    syncs what was written now and then, so that a power cut costs little
 *   caller    reports progress, sets the number of connections
 */
#ifndef I8I_HUB_DOWNLOAD_ENGINE_H
#define I8I_HUB_DOWNLOAD_ENGINE_H

#include "hub/adapt.h"
#include "hub/download.h"
#include "hub/part_file.h"
#include "hub/remote_file.h"
#include "hub/retry.h"

#include <pthread.h>

struct i8i_job { /* one file */
    enum i8i_download_state state;
    struct i8i_part part;
    struct i8i_piecemap pieces;
    struct i8i_remote_file *remote;
    struct i8i_hash *hash;
    uint64_t hashed;  /* bytes that have gone through it */
    uint64_t resumed; /* the frontier that an earlier run has left */
    unsigned active;  /* fetchers at work on it */
    unsigned waiting; /* of them: between two attempts */
    unsigned limit;   /* the most fetchers */
    bool opening, hashing, syncing;
    bool locked;               /* begin said FETCH: done or abandoned is owed */
    bool single;               /* one stream */
    bool whole;                /* without Range */
    uint64_t refused_at;       /* its done_bytes when a lone stream was last refused */
    struct i8i_retry refusals; /* of the last step, without a piece between them */
    bool assumed;              /* its content was there, and is only hashed */
    bool again;            /* it is being fetched a second time since a hash was wrong */
    double try_s;          /* LOCKED: when to ask again */
    atomic_ullong fetched; /* bytes from the network */
    atomic_ullong unfinished; /* of pieces in progress */
};

struct i8i_engine {
    struct i8i_http *http;
    const struct i8i_download_request *request;
    const struct i8i_download_events *events;
    pthread_mutex_t lock;
    pthread_mutex_t events_lock; /* their calls come one at a time; never inside `lock` */
    pthread_cond_t work;         /* for fetchers: pieces to give, or room for one more */
    pthread_cond_t hashable;     /* for hashers: a frontier has moved */
    pthread_cond_t changed;      /* for the others: something has ended */
    struct i8i_job *jobs;        /* request->count */
    size_t unfinished;           /* jobs that are neither DONE nor HAD */
    size_t first_open;           /* no unfinished job lies before it */
    struct i8i_adapt adapt;
    unsigned busy;     /* fetchers inside a stream */
    double progress_s; /* when a piece was last complete */
    atomic_ullong fetched;
    atomic_bool stop;        /* also the streams' cancel flag */
    struct i8_error failure; /* the first one */
};

/* All with the lock held: */
/* The first failure of the run, which then ends. */
void i8i_engine_fail(struct i8i_engine *e, const struct i8_error *err);
static inline const struct i8i_download_file *i8i_job_file(const struct i8i_engine *e,
                                                           const struct i8i_job *j)
{
    return &e->request->files[j - e->jobs];
}
/* Has so much arrived that hashing should catch up first? While it is late the page cache
 * may lose what it is to read; and it is one thread, which many others must not starve.
 */
#define I8I_AHEAD_BYTES ((uint64_t)256 << 20)
static inline bool i8i_job_is_ahead(const struct i8i_job *j)
{
    return j->hashed >= j->resumed &&
           i8i_piecemap_frontier(&j->pieces) - j->hashed > I8I_AHEAD_BYTES;
}
/* The most fetchers that the files' limits leave work for. */
unsigned i8i_engine_room(const struct i8i_engine *e);
/* Waits for one of the conditions, or for so long. */
void i8i_engine_wait(struct i8i_engine *e, pthread_cond_t *condition, double seconds);
/* Wakes everybody. */
void i8i_engine_wake(struct i8i_engine *e);
/* (Re)opens the partial; fresh: from nothing. The lock is let go meanwhile. */
enum i8_status i8i_job_open(struct i8i_engine *e, struct i8i_job *j, bool fresh,
                            struct i8_error *err);
void i8i_job_close(struct i8i_job *j);

/* The threads' functions; ctx: struct i8i_engine, and for a fetcher its number. */
struct i8i_fetcher {
    struct i8i_engine *engine;
    unsigned number;
};
void *i8i_fetcher_run(void *fetcher);
void *i8i_hasher_run(void *engine);
void *i8i_syncer_run(void *engine);

#endif

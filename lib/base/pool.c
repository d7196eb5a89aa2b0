/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers sleep on one condition until the caller posts a loop, take items from a
 * shared counter, and the last one to finish wakes the caller. The posted loop is
 * written and read under the lock; only the counter is touched without it. The caller
 * waits for the workers that joined in, not for those that woke too late: on a busy
 * machine that can be milliseconds.
 */
#include "config.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MAX_THREADS 1024u /* beyond any machine that this runs on: a wrong request */

struct worker {
    struct i8i_pool *pool;
    pthread_t id;
    unsigned number; /* 1 … threads - 1; the caller is 0 */
};

struct i8i_pool {
    pthread_mutex_t lock;
    pthread_cond_t posted, finished;
    struct worker *workers;
    unsigned threads; /* the caller included */
    unsigned busy;    /* workers in the posted loop */
    bool open;        /* there is a loop that workers may join */
    unsigned long long posts;
    bool stop;
    void (*fn)(void *ctx, size_t item, unsigned thread);
    void *ctx;
    size_t items;
    atomic_size_t next;
};

static void take_items(struct i8i_pool *p, unsigned thread)
{
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (item >= p->items)
            return;
        p->fn(p->ctx, item, thread);
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct i8i_pool *p = w->pool;
    unsigned long long seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->posts == seen)
            pthread_cond_wait(&p->posted, &p->lock);
        if (p->stop)
            break;
        seen = p->posts;
        if (!p->open)
            continue;
        p->busy++;
        pthread_mutex_unlock(&p->lock);
        take_items(p, w->number);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->finished);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum i8_status i8i_pool_new(struct i8i_pool **out, unsigned threads, struct i8_error *err)
{
    *out = NULL;
    if (threads == 0)
        threads = i8i_processors();
    if (threads > MAX_THREADS)
        return i8i_fail(err, I8_ERR_ARG, "%u threads asked for, at most %u are possible",
                        threads, MAX_THREADS);
    struct i8i_pool *p = i8i_calloc(1, sizeof *p);
    if (p == NULL)
        return i8i_nomem(err);
    p->workers = i8i_calloc(threads, sizeof *p->workers);
    if (p->workers == NULL) {
        free(p);
        return i8i_nomem(err);
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->posted, NULL);
    pthread_cond_init(&p->finished, NULL);
    p->threads = 1;
    for (unsigned i = 1; i < threads; i++) {
        struct worker *w = &p->workers[i];
        *w = (struct worker){.pool = p, .number = i};
        int rc = pthread_create(&w->id, NULL, worker_main, w);
        if (rc != 0) {
            i8i_pool_free(p);
            return i8i_fail_errno(err, rc, "cannot start thread %u of %u", i + 1,
                                  threads);
        }
        p->threads++;
    }
    *out = p;
    return I8_OK;
}

void i8i_pool_free(struct i8i_pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->posted);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 1; i < p->threads; i++)
        pthread_join(p->workers[i].id, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->posted);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

unsigned i8i_pool_threads(const struct i8i_pool *p)
{
    return p == NULL ? 1 : p->threads;
}

void i8i_pool_run(struct i8i_pool *p, size_t items,
                  void (*fn)(void *ctx, size_t item, unsigned thread), void *ctx)
{
    /* Waking the others costs more than one item is worth. */
    if (p == NULL || p->threads == 1 || items <= 1) {
        for (size_t i = 0; i < items; i++)
            fn(ctx, i, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->ctx = ctx;
    p->items = items;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    p->open = true;
    p->posts++;
    pthread_cond_broadcast(&p->posted);
    pthread_mutex_unlock(&p->lock);
    take_items(p, 0);
    /* Closed, and without anyone in it: none can still look at this loop when the next
     * one is posted. */
    pthread_mutex_lock(&p->lock);
    p->open = false;
    while (p->busy > 0)
        pthread_cond_wait(&p->finished, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

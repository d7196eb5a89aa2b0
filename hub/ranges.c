/* SPDX-License-Identifier: Apache-2.0
 *
 * A gate before i8i_remote_file: how many may be inside, and what happens when the server
 * finds them too many.
 */
#include "config.h"

#include "hub/ranges.h"
#include "hub/retry.h"

#include <pthread.h>
#include <stdlib.h>

struct i8i_ranges {
    struct i8i_http *http;
    unsigned connections;
    pthread_mutex_t lock;
    pthread_cond_t left;
    unsigned inside, limit;
};

enum i8_status i8i_ranges_new(struct i8i_ranges **out, struct i8i_http *http,
                              unsigned connections, struct i8_error *err)
{
    *out = NULL;
    struct i8i_ranges *r = i8i_calloc(1, sizeof *r);
    if (r == NULL)
        return i8i_nomem(err);
    r->http = http;
    r->connections = r->limit = connections > 0 ? connections : 1;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->left, NULL);
    *out = r;
    return I8_OK;
}

void i8i_ranges_free(struct i8i_ranges *r)
{
    if (r == NULL)
        return;
    (void)pthread_cond_destroy(&r->left);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

unsigned i8i_ranges_connections(const struct i8i_ranges *r)
{
    return r->connections;
}

static void enter(struct i8i_ranges *r)
{
    (void)pthread_mutex_lock(&r->lock);
    while (r->inside >= r->limit)
        (void)pthread_cond_wait(&r->left, &r->lock);
    r->inside++;
    (void)pthread_mutex_unlock(&r->lock);
}

static void leave(struct i8i_ranges *r)
{
    (void)pthread_mutex_lock(&r->lock);
    r->inside--;
    (void)pthread_cond_broadcast(&r->left);
    (void)pthread_mutex_unlock(&r->lock);
}

/* One at a time from now on. */
static void narrow(struct i8i_ranges *r)
{
    (void)pthread_mutex_lock(&r->lock);
    const bool first = r->limit > 1;
    r->limit = 1;
    (void)pthread_mutex_unlock(&r->lock);
    if (first)
        i8i_log(i8i_http_log(r->http), I8_LOG_NOTE,
                "the server refuses ranges; going on with one connection");
}

enum i8_status i8i_ranges_read(struct i8i_ranges *r, struct i8i_remote_file *file,
                               void *dst, size_t n, uint64_t offset,
                               const atomic_bool *cancel, struct i8_error *err)
{
    struct i8i_retry retry = {0};
    for (;;) {
        struct i8_error own = {0};
        bool refused;
        enter(r);
        enum i8_status st =
            i8i_remote_file_read(file, dst, n, offset, cancel, &refused, &own);
        leave(r);
        if (refused) {
            narrow(r);
            if (i8i_retry_wait(&retry, r->http, "a range", -1, cancel))
                continue;
        }
        return st == I8_OK ? st : i8i_fail(err, st, "%s", own.message);
    }
}

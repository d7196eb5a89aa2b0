/* SPDX-License-Identifier: Apache-2.0
 *
 * A gate before i8i_remote_file: how many may be inside, and what happens when the server
 * finds them too many.
 */
#include "config.h"

#include "hub/ranges.h"
#include "hub/retry.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Refusals of one range in a row, alone and at a fresh address, before it is given up. */
#define MOST_REFUSALS 4u

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

struct target {
    char *dst;
    uint64_t offset; /* of dst[0] in the file */
};

static enum i8_status write_to_target(void *ctx, const void *bytes, size_t n,
                                      uint64_t offset, struct i8_error *err)
{
    const struct target *t = ctx;
    (void)err;
    memcpy(t->dst + (offset - t->offset), bytes, n);
    return I8_OK;
}

enum i8_status i8i_ranges_read(struct i8i_ranges *r, struct i8i_remote_file *file,
                               void *dst, size_t n, uint64_t offset,
                               const atomic_bool *cancel, struct i8_error *err)
{
    struct target target = {.dst = dst, .offset = offset};
    const struct i8i_stream stream = {.offset = offset,
                                      .length = n,
                                      .write = write_to_target,
                                      .ctx = &target,
                                      .cancel = cancel};
    struct i8i_retry retry = {0};
    enum i8_status st;
    for (unsigned refusals = 0;; refusals++) {
        enum i8i_stream_end end;
        enter(r);
        st = i8i_remote_file_stream(file, &stream, &end, err);
        /* A server that knows no ranges is read as a whole where that is bearable; the
         * plain read knows how, and composes the message where it is not. */
        if (st == I8_OK && (end == I8I_STREAM_NO_RANGE || refusals == MOST_REFUSALS))
            st = i8i_remote_file_read(file, dst, n, offset, err);
        leave(r);
        if (st != I8_OK || end != I8I_STREAM_REFUSED || refusals == MOST_REFUSALS)
            return st;
        narrow(r);
        if (!i8i_retry_wait(&retry, r->http, "a range", -1, cancel))
            return i8i_fail(err, I8_ERR_NETWORK,
                            "the server refuses bytes %" PRIu64 "-%" PRIu64
                            ", also at a fresh address",
                            offset, offset + n - 1);
    }
}

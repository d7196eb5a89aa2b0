/* SPDX-License-Identifier: Apache-2.0
 *
 * The files one behind the other are a row of chunks, numbered through. The window is an
 * array of slots, each with one chunk; there are few, so that they are simply searched.
 *
 *      behind: read before, kept for others       ahead: fetched, not read yet
 *   [ … used … used … used ]  ← the readers →  [ ready, ready, fetching, fetching ]
 */
#include "config.h"

#include "hub/read_ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS          32u /* at least */
#define SIDE_SLOTS     4u  /* of them, the first */
#define MOST_SLOTS     4096u
#define LARGEST_CHUNK  (UINT64_C(4) << 20)
#define SMALLEST_CHUNK (UINT64_C(64) << 10)

enum slot_state { SLOT_FREE, SLOT_FETCHING, SLOT_READY };

struct slot {
    enum slot_state state;
    uint64_t chunk;
    char *data;        /* chunk_bytes, allocated when first needed */
    bool used;         /* somebody has read from it */
    unsigned readers;  /* that are copying out of it */
    uint64_t last_use; /* by the clock of uses */
};

struct i8i_read_ahead {
    struct i8i_ranges *ranges;
    struct i8i_lane *lanes;
    uint64_t *first_chunk; /* by lane, and one behind: the number of all chunks */
    size_t n_lanes;
    uint64_t chunk_bytes;
    struct slot *slots;
    unsigned n_slots;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t
        next; /* the chunk to be fetched ahead next; the last one's successor: none */
    uint64_t clock; /* of uses */
    atomic_bool stop;
    pthread_t *threads;
    unsigned n_threads;
};

/* ---- chunks ---- */

static size_t lane_of(const struct i8i_read_ahead *a, uint64_t chunk)
{
    size_t low = 0, high = a->n_lanes; /* first_chunk[low] <= chunk < first_chunk[high] */
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (a->first_chunk[middle] <= chunk)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static struct slot *find(struct i8i_read_ahead *a, uint64_t chunk)
{
    for (unsigned i = 0; i < a->n_slots; i++)
        if (a->slots[i].state != SLOT_FREE && a->slots[i].chunk == chunk)
            return &a->slots[i];
    return NULL;
}

/* ---- slots (under the lock) ---- */

/* A slot for another chunk of the row: a free one, or that of the chunk farthest behind.
 * Not the one used longest ago: between the foremost reader and the last there are chunks
 * that were used before those at either end and are still to be read again. For what is
 * fetched ahead half of the slots stay with chunks that were read; a reader who waits may
 * have any that is not being used, at worst the one farthest ahead. NULL: none now. */
static struct slot *take_slot(struct i8i_read_ahead *a, bool waiting)
{
    struct slot *behind = NULL, *ahead = NULL;
    unsigned used = 0;
    for (unsigned i = SIDE_SLOTS; i < a->n_slots; i++) {
        struct slot *s = &a->slots[i];
        if (s->state == SLOT_FREE)
            return s;
        used += s->state == SLOT_READY && s->used;
        if (s->state != SLOT_READY || s->readers > 0)
            continue;
        if (s->used && (behind == NULL || s->chunk < behind->chunk))
            behind = s;
        if (!s->used && (ahead == NULL || s->chunk > ahead->chunk))
            ahead = s;
    }
    if (behind != NULL && (waiting || used > a->n_slots / 2))
        return behind;
    return waiting ? ahead : NULL;
}

/* A slot for a look aside, at block scales say: there are a few for these, and the one
 * used longest ago gives way. */
static struct slot *take_side_slot(struct i8i_read_ahead *a)
{
    struct slot *oldest = NULL;
    for (unsigned i = 0; i < SIDE_SLOTS; i++) {
        struct slot *s = &a->slots[i];
        if (s->state == SLOT_FREE)
            return s;
        if (s->state == SLOT_READY && s->readers == 0 &&
            (oldest == NULL || s->last_use < oldest->last_use))
            oldest = s;
    }
    return oldest;
}

/* Fetches a chunk into the slot; the lock is released meanwhile. On failure the slot is
 * free again. */
static enum i8_status fill(struct i8i_read_ahead *a, struct slot *s, uint64_t chunk,
                           struct i8_error *err)
{
    const size_t lane = lane_of(a, chunk);
    const uint64_t offset = (chunk - a->first_chunk[lane]) * a->chunk_bytes;
    const uint64_t left = a->lanes[lane].size - offset;
    const size_t n = (size_t)(left < a->chunk_bytes ? left : a->chunk_bytes);
    s->state = SLOT_FETCHING;
    s->chunk = chunk;
    s->used = false;
    (void)pthread_mutex_unlock(&a->lock);
    enum i8_status st = I8_OK;
    if (s->data == NULL && (s->data = malloc((size_t)a->chunk_bytes)) == NULL)
        st = i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_ranges_read(a->ranges, a->lanes[lane].file, s->data, n, offset, &a->stop,
                             err);
    (void)pthread_mutex_lock(&a->lock);
    s->state = st == I8_OK ? SLOT_READY : SLOT_FREE;
    (void)pthread_cond_broadcast(&a->changed);
    return st;
}

/* ---- fetching ahead ---- */

/* What fails here is tried again, and reported, by the reader who needs it. */
static void *fetch_ahead(void *ctx)
{
    struct i8i_read_ahead *a = ctx;
    const uint64_t end = a->first_chunk[a->n_lanes];
    (void)pthread_mutex_lock(&a->lock);
    while (!atomic_load(&a->stop)) {
        while (a->next < end && find(a, a->next) != NULL)
            a->next++;
        struct slot *s = a->next < end ? take_slot(a, false) : NULL;
        if (s != NULL) {
            struct i8_error ignored = {0};
            if (fill(a, s, a->next++, &ignored) == I8_OK)
                continue;
            if (atomic_load(&a->stop))
                break;
        }
        (void)pthread_cond_wait(&a->changed, &a->lock);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- reading ---- */

/* Does a reader who misses this chunk go forwards? A look at some other place is not
 * followed; the first read of all is. */
static bool is_sequential(struct i8i_read_ahead *a, uint64_t chunk)
{
    const struct slot *before = chunk > 0 ? find(a, chunk - 1) : NULL;
    return a->clock == 0 || (before != NULL && before->used);
}

/* The slot with the chunk, ready and held for the reader (under the lock). */
static enum i8_status get(struct i8i_read_ahead *a, struct slot **out, uint64_t chunk,
                          struct i8_error *err)
{
    for (;;) {
        struct slot *s = find(a, chunk);
        const bool forwards = s == NULL && is_sequential(a, chunk);
        if (s == NULL &&
            (s = forwards ? take_slot(a, true) : take_side_slot(a)) != NULL) {
            if (forwards)
                a->next = chunk + 1; /* the others go on from here */
            s->readers++;            /* nobody takes it before it is read */
            enum i8_status st = fill(a, s, chunk, err);
            s->readers--;
            if (st != I8_OK)
                return st;
        }
        if (s != NULL && s->state == SLOT_READY) {
            s->readers++;
            s->last_use = ++a->clock;
            if (!s->used)
                (void)pthread_cond_broadcast(&a->changed); /* one more to fetch ahead */
            s->used = true;
            *out = s;
            return I8_OK;
        }
        (void)pthread_cond_wait(&a->changed, &a->lock);
    }
}

enum i8_status i8i_read_ahead_read(struct i8i_read_ahead *a, size_t lane, void *dst,
                                   size_t n, uint64_t offset, struct i8_error *err)
{
    char *to = dst;
    enum i8_status st = I8_OK;
    (void)pthread_mutex_lock(&a->lock);
    while (n > 0) {
        const uint64_t chunk = offset / a->chunk_bytes, within = offset % a->chunk_bytes;
        const uint64_t here = a->chunk_bytes - within;
        const size_t part = n < here ? n : (size_t)here;
        struct slot *s;
        st = get(a, &s, a->first_chunk[lane] + chunk, err);
        if (st != I8_OK)
            break;
        (void)pthread_mutex_unlock(&a->lock);
        memcpy(to, s->data + within, part);
        (void)pthread_mutex_lock(&a->lock);
        s->readers--;
        if (s->readers == 0)
            (void)pthread_cond_broadcast(&a->changed);
        to += part;
        offset += part;
        n -= part;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return st;
}

/* ---- beginning and end ---- */

static enum i8_status number_chunks(struct i8i_read_ahead *a,
                                    const struct i8i_lane *lanes, size_t n,
                                    uint64_t memory, struct i8_error *err)
{
    a->lanes = i8i_calloc(n, sizeof *a->lanes);
    a->first_chunk = i8i_calloc(n + 1, sizeof *a->first_chunk);
    if (a->lanes == NULL || a->first_chunk == NULL)
        return i8i_nomem(err);
    a->chunk_bytes = memory / SLOTS & ~(SMALLEST_CHUNK - 1);
    if (a->chunk_bytes < SMALLEST_CHUNK)
        a->chunk_bytes = SMALLEST_CHUNK;
    if (a->chunk_bytes > LARGEST_CHUNK)
        a->chunk_bytes = LARGEST_CHUNK;
    for (size_t i = 0; i < n; i++) {
        const uint64_t size = lanes[i].size;
        a->lanes[i] = lanes[i];
        a->first_chunk[i + 1] =
            a->first_chunk[i] + size / a->chunk_bytes + (size % a->chunk_bytes != 0);
    }
    a->n_lanes = n;
    a->next = a->first_chunk[n];
    const uint64_t slots = memory / a->chunk_bytes;
    a->n_slots = slots < SLOTS        ? SLOTS
                 : slots > MOST_SLOTS ? MOST_SLOTS
                                      : (unsigned)slots;
    a->slots = i8i_calloc(a->n_slots, sizeof *a->slots);
    return a->slots != NULL ? I8_OK : i8i_nomem(err);
}

enum i8_status i8i_read_ahead_new(struct i8i_read_ahead **out, struct i8i_ranges *ranges,
                                  const struct i8i_lane *lanes, size_t n, uint64_t memory,
                                  struct i8_error *err)
{
    *out = NULL;
    struct i8i_read_ahead *a = i8i_calloc(1, sizeof *a);
    if (a == NULL)
        return i8i_nomem(err);
    a->ranges = ranges;
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_cond_init(&a->changed, NULL);
    enum i8_status st = number_chunks(a, lanes, n, memory, err);
    const unsigned threads = i8i_ranges_connections(ranges);
    if (st == I8_OK) {
        a->threads = i8i_calloc(threads, sizeof *a->threads);
        st = a->threads != NULL ? I8_OK : i8i_nomem(err);
    }
    for (; st == I8_OK && a->n_threads < threads; a->n_threads++) {
        const int failed =
            pthread_create(&a->threads[a->n_threads], NULL, fetch_ahead, a);
        if (failed && a->n_threads == 0)
            st = i8i_fail_errno(err, failed, "cannot start a thread");
        if (failed)
            break; /* fewer do as well */
    }
    if (st != I8_OK) {
        i8i_read_ahead_free(a);
        return st;
    }
    *out = a;
    return I8_OK;
}

void i8i_read_ahead_free(struct i8i_read_ahead *a)
{
    if (a == NULL)
        return;
    (void)pthread_mutex_lock(&a->lock);
    atomic_store(&a->stop, true);
    (void)pthread_cond_broadcast(&a->changed);
    (void)pthread_mutex_unlock(&a->lock);
    for (unsigned i = 0; i < a->n_threads; i++)
        (void)pthread_join(a->threads[i], NULL);
    for (unsigned i = 0; i < a->n_slots; i++)
        free(a->slots[i].data);
    (void)pthread_cond_destroy(&a->changed);
    (void)pthread_mutex_destroy(&a->lock);
    free(a->slots);
    free(a->threads);
    free(a->lanes);
    free(a->first_chunk);
    free(a);
}

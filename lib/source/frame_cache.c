/* SPDX-License-Identifier: Apache-2.0
 *
 * One lock over a handful of slots: they are looked through one by one, which is nothing
 * beside decoding a frame or even copying from it.
 */
#include "config.h"

#include "base/limits.h"
#include "base/memory.h"
#include "source/frame_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One a thread that reads through its own part of the source, and some to spare. */
#define SPARE_SLOTS 2
#define MOST_SLOTS  64

enum state { EMPTY, LOADING, READY };

struct slot {
    enum state state;
    const void *ctx;
    size_t frame;
    char *content;
    size_t capacity;
    unsigned readers; /* who copy from it outside the lock */
    uint64_t used;    /* time of the last use, in uses */
};

struct i8i_frame_cache {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot *slots;
    size_t count;
    uint64_t clock;
    struct i8i_frame_workspace *idle;
    size_t largest_content, largest_stored;
};

enum i8_status i8i_frame_cache_new(struct i8i_frame_cache **out, struct i8_error *err)
{
    *out = NULL;
    struct i8i_frame_cache *c = i8i_calloc(1, sizeof *c);
    if (c == NULL)
        return i8i_nomem(err);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    *out = c;
    return I8_OK;
}

static void free_workspace(struct i8i_frame_workspace *w)
{
    i8i_zstd_decoder_free(w->decoder);
    free(w->stored);
    free(w);
}

void i8i_frame_cache_free(struct i8i_frame_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->slots[i].content);
    for (struct i8i_frame_workspace *w = c->idle, *next; w; w = next) {
        next = w->next;
        free_workspace(w);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c->slots);
    free(c);
}

enum i8_status i8i_frame_cache_expect(struct i8i_frame_cache *c, size_t content,
                                      size_t stored, struct i8_error *err)
{
    enum i8_status st = I8_OK;
    pthread_mutex_lock(&c->lock);
    if (c->slots == NULL) {
        size_t count = i8i_processors() + SPARE_SLOTS;
        count = count < MOST_SLOTS ? count : MOST_SLOTS;
        c->slots = i8i_calloc(count, sizeof *c->slots);
        if (c->slots)
            c->count = count;
        else
            st = i8i_nomem(err);
    }
    if (c->largest_content < content)
        c->largest_content = content;
    if (c->largest_stored < stored)
        c->largest_stored = stored;
    pthread_mutex_unlock(&c->lock);
    return st;
}

uint64_t i8i_frame_cache_memory(const struct i8i_frame_cache *c, unsigned threads)
{
    if (c->largest_content == 0) /* nothing is compressed */
        return 0;
    return c->count * (uint64_t)c->largest_content +
           threads * (c->largest_stored + I8I_ZSTD_DECODER_BYTES);
}

/* ---- slots (under the lock) ---- */

static struct slot *find(struct i8i_frame_cache *c, const void *ctx, size_t frame)
{
    for (size_t i = 0; i < c->count; i++) {
        struct slot *s = &c->slots[i];
        if (s->state != EMPTY && s->ctx == ctx && s->frame == frame)
            return s;
    }
    return NULL;
}

/* The slot that was not used for the longest time and that nobody needs now, or NULL. */
static struct slot *find_victim(struct i8i_frame_cache *c)
{
    struct slot *victim = NULL;
    for (size_t i = 0; i < c->count; i++) {
        struct slot *s = &c->slots[i];
        if (s->state != LOADING && s->readers == 0 &&
            (victim == NULL || s->used < victim->used))
            victim = s;
    }
    return victim;
}

static enum i8_status fill(struct slot *s, size_t content, i8i_frame_load_fn *load,
                           void *ctx, size_t frame, struct i8_error *err)
{
    if (s->capacity < content) {
        free(s->content);
        s->content = malloc(content);
        s->capacity = s->content ? content : 0;
        if (s->content == NULL)
            return i8i_nomem(err);
    }
    return load(ctx, frame, s->content, err);
}

/* A slot with the frame in it, which this reader holds. Called and left with the lock. */
static enum i8_status acquire(struct slot **out, struct i8i_frame_cache *c, void *ctx,
                              size_t frame, size_t content, i8i_frame_load_fn *load,
                              struct i8_error *err)
{
    for (;;) {
        struct slot *s = find(c, ctx, frame);
        if (s && s->state == READY) {
            s->readers++;
            *out = s;
            return I8_OK;
        }
        if (s == NULL && (s = find_victim(c)) != NULL) {
            s->state = LOADING;
            s->ctx = ctx;
            s->frame = frame;
            s->readers = 1;
            pthread_mutex_unlock(&c->lock);
            enum i8_status st = fill(s, content, load, ctx, frame, err);
            pthread_mutex_lock(&c->lock);
            s->state = st == I8_OK ? READY : EMPTY;
            if (st != I8_OK)
                s->readers = 0;
            pthread_cond_broadcast(&c->changed);
            *out = s;
            return st;
        }
        pthread_cond_wait(&c->changed, &c->lock);
    }
}

enum i8_status i8i_frame_cache_read(struct i8i_frame_cache *c, void *ctx, size_t frame,
                                    size_t content, i8i_frame_load_fn *load, void *dst,
                                    size_t skip, size_t n, struct i8_error *err)
{
    struct slot *s;
    pthread_mutex_lock(&c->lock);
    enum i8_status st = acquire(&s, c, ctx, frame, content, load, err);
    if (st == I8_OK) {
        s->used = ++c->clock;
        pthread_mutex_unlock(&c->lock);
        memcpy(dst, s->content + skip, n);
        pthread_mutex_lock(&c->lock);
        if (--s->readers == 0)
            pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return st;
}

void i8i_frame_cache_forget(struct i8i_frame_cache *c, const void *ctx)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count; i++)
        if (c->slots[i].ctx == ctx) {
            c->slots[i].state = EMPTY;
            c->slots[i].ctx = NULL;
        }
    pthread_mutex_unlock(&c->lock);
}

/* ---- workspaces ---- */

enum i8_status i8i_frame_workspace_take(struct i8i_frame_workspace **out,
                                        struct i8i_frame_cache *c, size_t stored,
                                        struct i8_error *err)
{
    enum i8_status st = I8_OK;
    *out = NULL;
    pthread_mutex_lock(&c->lock);
    struct i8i_frame_workspace *w = c->idle;
    if (w)
        c->idle = w->next;
    pthread_mutex_unlock(&c->lock);
    if (w == NULL) {
        w = i8i_calloc(1, sizeof *w);
        if (w == NULL)
            return i8i_nomem(err);
        st = i8i_zstd_decoder_new(&w->decoder, err);
    }
    if (st == I8_OK && w->capacity < stored) {
        free(w->stored);
        w->stored = malloc(stored);
        w->capacity = w->stored ? stored : 0;
        if (w->stored == NULL)
            st = i8i_nomem(err);
    }
    if (st != I8_OK)
        free_workspace(w);
    else
        *out = w;
    return st;
}

void i8i_frame_workspace_give(struct i8i_frame_cache *c, struct i8i_frame_workspace *w)
{
    pthread_mutex_lock(&c->lock);
    w->next = c->idle;
    c->idle = w;
    pthread_mutex_unlock(&c->lock);
}

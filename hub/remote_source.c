/* SPDX-License-Identifier: Apache-2.0
 *
 * What was fetched is kept as extents: the head of the file, its end (the directory of a
 * zip file), the scattered places that a reader has announced.
 */
#include "config.h"

#include "hub/remote_source.h"

#include "base/hash.h"
#include "base/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Git's own files have at most 10 MB on the Hub; a larger one is read by ranges. */
#define MOST_WHOLE_BYTES (UINT64_C(64) << 20)
/* Announced places closer than this are fetched as one. */
#define WORTH_JOINING (UINT64_C(32) << 10)
/* Bytes kept of one file; what was kept first goes first. */
#define MOST_KEPT_BYTES ((size_t)4 << 20)

struct kept {
    uint64_t offset;
    size_t bytes;
    char *data;
};

struct remote_source {
    struct i8i_source base;
    struct i8i_ranges *ranges;
    struct i8i_remote_file *file;
    enum i8i_hash_kind hash;
    char digest[8 + I8I_HASH_HEX];
    const char *hex; /* in digest */
    pthread_mutex_t lock;
    struct kept *kept; /* the oldest first */
    size_t n_kept, kept_capacity, kept_bytes;
    uint64_t served; /* bytes of a whole file that were read: then it is forgotten */
    struct i8i_read_ahead *ahead;
    size_t lane;
};

static struct remote_source *remote(struct i8i_source *s)
{
    return (struct remote_source *)s;
}

/* ---- what is kept (under the lock) ---- */

/* The extent that holds `offset`, or NULL. */
static const struct kept *find_kept(const struct remote_source *r, uint64_t offset)
{
    for (size_t i = r->n_kept; i-- > 0;) {
        const struct kept *k = &r->kept[i];
        if (offset >= k->offset && offset - k->offset < k->bytes)
            return k;
    }
    return NULL;
}

static void forget(struct remote_source *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        r->kept_bytes -= r->kept[i].bytes;
        free(r->kept[i].data);
    }
    if (count > 0)
        memmove(r->kept, r->kept + count, (r->n_kept - count) * sizeof *r->kept);
    r->n_kept -= count;
}

/* Takes `data` over. Without memory for the list it is not kept, which costs time only.
 */
static void keep(struct remote_source *r, char *data, size_t bytes, uint64_t offset)
{
    while (r->n_kept > 0 && r->kept_bytes > MOST_KEPT_BYTES)
        forget(r, 1);
    if (!i8i_grow(&r->kept, &r->kept_capacity, r->n_kept + 1, sizeof *r->kept)) {
        free(data);
        return;
    }
    r->kept[r->n_kept++] = (struct kept){.offset = offset, .bytes = bytes, .data = data};
    r->kept_bytes += bytes;
}

/* ---- fetching ---- */

static enum i8_status fetch(struct remote_source *r, void *dst, size_t n, uint64_t offset,
                            struct i8_error *err)
{
    return i8i_ranges_read(r->ranges, r->file, dst, n, offset, NULL, err);
}

/* Do the bytes of the whole file have its hash? */
static enum i8_status check_whole(const struct remote_source *r, const char *bytes,
                                  struct i8_error *err)
{
    struct i8i_hash *h = NULL;
    char hex[I8I_HASH_HEX] = "";
    enum i8_status st = i8i_hash_new(&h, r->hash, err);
    if (st == I8_OK && r->hash == I8I_SHA1)
        i8i_hash_git_blob(h, r->base.size);
    if (st == I8_OK) {
        i8i_hash_update(h, bytes, (size_t)r->base.size);
        st = i8i_hash_final(h, hex, err);
    }
    i8i_hash_free(h);
    if (st == I8_OK && strcmp(hex, r->hex) != 0)
        st = i8i_fail(err, I8_ERR_DATA,
                      "%s: damaged: its %s is %.12s…, the repository lists "
                      "%.12s…",
                      r->base.name, r->hash == I8I_SHA1 ? "git SHA-1" : "SHA-256", hex,
                      r->hex);
    return st;
}

/* Fetches [offset, offset + n) and keeps it; the lock is released meanwhile. */
static enum i8_status fetch_and_keep(struct remote_source *r, uint64_t offset, size_t n,
                                     struct i8_error *err)
{
    char *data = malloc(n);
    if (data == NULL)
        return i8i_nomem(err);
    (void)pthread_mutex_unlock(&r->lock);
    enum i8_status st = fetch(r, data, n, offset, err);
    if (st == I8_OK && n == r->base.size)
        st = check_whole(r, data, err);
    (void)pthread_mutex_lock(&r->lock);
    if (st == I8_OK)
        keep(r, data, n, offset);
    else
        free(data);
    return st;
}

static bool is_read_whole(const struct remote_source *r)
{
    return r->hash == I8I_SHA1 ? r->base.size <= MOST_WHOLE_BYTES
                               : r->base.size <= I8I_REMOTE_WINDOW;
}

/* The window to fetch for a small read: all of a small file, the end of the file when it
 * is that which is read, else what follows from `offset` on. */
static void choose_window(const struct remote_source *r, uint64_t *offset, size_t *n)
{
    const uint64_t size = r->base.size;
    if (is_read_whole(r)) {
        *offset = 0;
        *n = (size_t)size;
        return;
    }
    if (*offset > 0 && *offset + *n == size)
        *offset = size > I8I_REMOTE_WINDOW ? size - I8I_REMOTE_WINDOW : 0;
    *n =
        size - *offset < I8I_REMOTE_WINDOW ? (size_t)(size - *offset) : I8I_REMOTE_WINDOW;
}

/* ---- the source ---- */

static enum i8_status read_kept(struct remote_source *r, char *dst, size_t n,
                                uint64_t offset, struct i8_error *err)
{
    enum i8_status st = I8_OK;
    const bool whole = is_read_whole(r);
    (void)pthread_mutex_lock(&r->lock);
    while (n > 0 && st == I8_OK) {
        const struct kept *k = find_kept(r, offset);
        if (k != NULL) {
            const uint64_t within = offset - k->offset, left = k->bytes - within;
            const size_t part = n < left ? n : (size_t)left;
            memcpy(dst, k->data + within, part);
            dst += part;
            offset += part;
            n -= part;
            r->served += part;
        } else if (whole || n < I8I_REMOTE_WINDOW) {
            uint64_t from = offset;
            size_t bytes = n;
            choose_window(r, &from, &bytes);
            st = fetch_and_keep(r, from, bytes, err);
        } else { /* a large read, or the rest of one: exactly that */
            (void)pthread_mutex_unlock(&r->lock);
            st = fetch(r, dst, n, offset, err);
            (void)pthread_mutex_lock(&r->lock);
            n = 0;
        }
    }
    if (whole && r->served >= r->base.size) {
        forget(r, r->n_kept);
        r->served = 0;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return st;
}

static enum i8_status remote_read_at(struct i8i_source *s, void *dst, size_t n,
                                     uint64_t offset, struct i8_error *err)
{
    struct remote_source *r = remote(s);
    if (r->ahead != NULL)
        return i8i_read_ahead_read(r->ahead, r->lane, dst, n, offset, err);
    if (n == s->size && !is_read_whole(r)) { /* all at once: it can be checked */
        enum i8_status st = fetch(r, dst, n, offset, err);
        return st == I8_OK ? check_whole(r, dst, err) : st;
    }
    return read_kept(r, dst, n, offset, err);
}

/* ---- announced places ---- */

struct announced {
    struct remote_source *source;
    const struct i8i_extent *extents;
};

static void fetch_announced(void *ctx, size_t item, unsigned thread)
{
    const struct announced *a = ctx;
    struct i8_error ignored = {0}; /* the read itself will say */
    (void)thread;
    (void)pthread_mutex_lock(&a->source->lock);
    enum i8_status st = fetch_and_keep(a->source, a->extents[item].offset,
                                       (size_t)a->extents[item].bytes, &ignored);
    (void)st;
    (void)pthread_mutex_unlock(&a->source->lock);
}

static void remote_will_read(struct i8i_source *s, const struct i8i_extent *extents,
                             size_t n)
{
    struct remote_source *r = remote(s);
    struct i8i_extent *joined = i8i_calloc(n, sizeof *joined);
    struct i8i_pool *pool = NULL;
    size_t count = 0;
    uint64_t total = 0;
    if (joined == NULL || r->ahead != NULL || is_read_whole(r))
        goto out;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < n; i++) {
        const struct i8i_extent *e = &extents[i];
        const struct kept *k = find_kept(r, e->offset);
        if (k != NULL && k->offset + k->bytes - e->offset >= e->bytes)
            continue;
        struct i8i_extent *last = count > 0 ? &joined[count - 1] : NULL;
        if (last != NULL && e->offset <= last->offset + last->bytes + WORTH_JOINING) {
            if (e->offset + e->bytes > last->offset + last->bytes)
                last->bytes = e->offset + e->bytes - last->offset;
        } else {
            joined[count++] = *e;
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < count; i++)
        total += joined[i].bytes;
    if (count < 2 || total > MOST_KEPT_BYTES / 2)
        goto out;
    const size_t most = i8i_ranges_connections(r->ranges);
    if (i8i_pool_new(&pool, (unsigned)(count < most ? count : most), NULL) != I8_OK)
        goto out;
    struct announced a = {.source = r, .extents = joined};
    i8i_pool_run(pool, count, fetch_announced, &a);
out:
    i8i_pool_free(pool);
    free(joined);
}

static void remote_close(struct i8i_source *s)
{
    struct remote_source *r = remote(s);
    forget(r, r->n_kept);
    free(r->kept);
    i8i_remote_file_close(r->file);
    (void)pthread_mutex_destroy(&r->lock);
    free((char *)s->name);
    free(r);
}

static const struct i8i_source_ops remote_ops = {
    .read_at = remote_read_at, .close = remote_close, .will_read = remote_will_read};

enum i8_status i8i_remote_source_new(struct i8i_source **out, struct i8i_ranges *ranges,
                                     struct i8i_http *http,
                                     const struct i8i_repo_id *repo, const char *commit,
                                     const struct i8i_hub_file *file,
                                     struct i8_error *err)
{
    *out = NULL;
    struct remote_source *r = i8i_calloc(1, sizeof *r);
    if (r == NULL)
        return i8i_nomem(err);
    r->base = (struct i8i_source){.ops = &remote_ops, .size = file->size, .fd = -1};
    r->ranges = ranges;
    r->hash = i8i_hub_file_hash(file);
    (void)pthread_mutex_init(&r->lock, NULL);
    const char *kind = file->lfs ? "sha256:" : "git:";
    (void)snprintf(r->digest, sizeof r->digest, "%s%s", kind, file->hash);
    r->hex = r->digest + strlen(kind);
    r->base.digest = r->digest;
    r->base.name = i8i_format("%s/%s", repo->id, file->path);
    enum i8_status st = r->base.name != NULL ? I8_OK : i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_remote_file_open(&r->file, http, repo, commit, file->path, file->hash,
                                  file->size, err);
    if (st != I8_OK) {
        remote_close(&r->base);
        return st;
    }
    *out = &r->base;
    return I8_OK;
}

bool i8i_is_remote_source(const struct i8i_source *s)
{
    return s->ops == &remote_ops;
}

bool i8i_remote_source_is_large(const struct i8i_source *s)
{
    return !is_read_whole((const struct remote_source *)s);
}

struct i8i_lane i8i_remote_source_lane(const struct i8i_source *s)
{
    const struct remote_source *r = (const struct remote_source *)s;
    return (struct i8i_lane){.file = r->file, .size = s->size};
}

void i8i_remote_source_use(struct i8i_source *s, struct i8i_read_ahead *ahead,
                           size_t lane)
{
    struct remote_source *r = remote(s);
    forget(r, r->n_kept);
    r->ahead = ahead;
    r->lane = lane;
}

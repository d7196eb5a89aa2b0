/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing one shard with all threads. Frames are handed out in order; a compressed one
 * waits in a slot until the place of the one before is known, and whoever finds that out
 * writes all that wait behind it. SHA-256 follows what is written, in parts that any
 * thread may do, one at a time.
 */
#include "config.h"

#include "base/hash.h"
#include "base/pool.h"
#include "convert/packed.h"
#include "source/seek_table.h"
#include "source/zstd_codec.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_A_JOB     2
#define HASH_PART_BYTES (UINT64_C(32) << 20)

enum slot_state { FREE, BUSY, READY, PLACED, WRITTEN };
struct slot {
    enum slot_state state;
    char *frame;
    size_t bytes;
    uint64_t place;
};

struct entry {
    uint32_t stored, check;
};

struct packing {
    struct i8i_staging *staging;
    const struct i8i_output_file *file;
    struct i8i_source *plain;
    struct i8i_outfile *out;
    char *part;                    /* the path of what `out` writes */
    uint64_t packed_before, total; /* content bytes of all shards to pack, for progress */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct i8_error error;    /* the first failure; status I8_OK: none */
    size_t next;              /* frame to hand out */
    uint64_t next_content;    /* where it begins */
    size_t unplaced;          /* the first frame whose place is not known */
    size_t unwritten;         /* the first frame that is not in the file */
    uint64_t placed, written; /* bytes of the file up to those two */
    struct entry *entries;
    struct slot *slots; /* of frame i: slots[i % n_slots] */
    size_t n_slots;
    struct packer *packers; /* by thread */

    struct i8i_hash *hash; /* NULL: none is wanted */
    uint64_t hashed;
    bool hashing, ended; /* the seek table is written, too */
    char hex[I8I_HASH_HEX];
};

struct packer {
    char *content;
    struct i8i_zstd_encoder *encoder;
};

/* ---- frames ---- */

/* Compresses frame i, whose content begins at `begin`, into its slot. */
static enum i8_status compress(struct packing *p, struct packer *w, size_t i,
                               uint64_t begin, struct i8_error *err)
{
    struct slot *s = &p->slots[i % p->n_slots];
    const size_t n = p->file->frames[i];
    enum i8_status st = i8i_source_read_at(p->plain, w->content, n, begin, err);
    if (st == I8_OK)
        st = i8i_zstd_encode(w->encoder, s->frame, &s->bytes, w->content, n, err);
    if (st != I8_OK)
        return st;
    p->entries[i].stored = (uint32_t)s->bytes;
    if (!i8i_zstd_frame_check(&p->entries[i].check, (const unsigned char *)s->frame,
                              s->bytes))
        st = i8i_fail(err, I8_ERR_DATA, "%s: zstd wrote a frame without checksum",
                      p->file->packed_name);
    return st;
}

/* Gives the frames that wait their places (under the lock); they are the caller's to
 * write. */
static void place(struct packing *p)
{
    while (p->unplaced < p->next) {
        struct slot *s = &p->slots[p->unplaced % p->n_slots];
        if (s->state != READY)
            return;
        s->state = PLACED;
        s->place = p->placed;
        p->placed += s->bytes;
        p->unplaced++;
    }
}

static void free_slots(struct packing *p)
{
    while (p->unwritten < p->unplaced) {
        struct slot *s = &p->slots[p->unwritten % p->n_slots];
        if (s->state != WRITTEN)
            return;
        s->state = FREE;
        p->written += s->bytes;
        p->unwritten++;
    }
}

/* Called and left with the lock. */
static enum i8_status pack_frame(struct packing *p, struct packer *w,
                                 struct i8_error *err)
{
    const size_t i = p->next++;
    const uint64_t begin = p->next_content;
    p->next_content += p->file->frames[i];
    p->slots[i % p->n_slots].state = BUSY;
    pthread_mutex_unlock(&p->lock);
    enum i8_status st = compress(p, w, i, begin, err);
    pthread_mutex_lock(&p->lock);
    if (st != I8_OK)
        return st;
    p->slots[i % p->n_slots].state = READY;
    const size_t first = p->unplaced;
    place(p);
    const size_t end = p->unplaced;
    pthread_mutex_unlock(&p->lock);
    for (size_t k = first; k < end && st == I8_OK; k++) {
        const struct slot *s = &p->slots[k % p->n_slots];
        st = i8i_outfile_write_at(p->out, s->frame, s->bytes, s->place, err);
    }
    pthread_mutex_lock(&p->lock);
    for (size_t k = first; k < end; k++)
        p->slots[k % p->n_slots].state = WRITTEN;
    free_slots(p);
    return st;
}

/* ---- the seek table ---- */

static enum i8_status write_table(struct packing *p, struct i8_error *err)
{
    const size_t n = p->file->n_frames, bytes = (size_t)i8i_seek_table_bytes(n);
    unsigned char *table = malloc(bytes), *to = table;
    if (table == NULL)
        return i8i_nomem(err);
    i8i_seek_table_head(to, (uint32_t)n);
    to += I8I_SEEK_HEAD_BYTES;
    for (size_t i = 0; i < n; i++, to += I8I_SEEK_ENTRY_BYTES)
        i8i_seek_table_entry(to, p->entries[i].stored, p->file->frames[i],
                             p->entries[i].check);
    i8i_seek_table_foot(to, (uint32_t)n);
    enum i8_status st = i8i_outfile_write_at(p->out, table, bytes, p->written, err);
    free(table);
    p->written += bytes;
    p->ended = true;
    /* A longer one may lie there of a run that was broken off. */
    if (st == I8_OK && ftruncate(i8i_outfile_fd(p->out), (off_t)p->written) != 0)
        st = i8i_fail(err, I8_ERR_IO, "cannot size %s.part", p->file->packed_name);
    return st;
}

/* ---- SHA-256 ---- */

static bool can_hash(const struct packing *p)
{
    return p->hash && !p->hashing && p->hashed < p->written &&
           (p->ended || p->written - p->hashed >= HASH_PART_BYTES);
}

/* Called and left with the lock. */
static enum i8_status hash_part(struct packing *p, struct packer *w, struct i8_error *err)
{
    const uint64_t from = p->hashed;
    const uint64_t to =
        p->written - from < HASH_PART_BYTES ? p->written : from + HASH_PART_BYTES;
    struct i8i_source *back;
    p->hashing = true; /* the hash is ours alone */
    pthread_mutex_unlock(&p->lock);
    /* By what is open, not by name: another rank may publish meanwhile. */
    enum i8_status st = i8i_source_open_fd(&back, i8i_outfile_fd(p->out), p->part, err);
    if (st == I8_OK)
        st = i8i_source_hash(back, p->hash, from, to, w->content, I8I_FRAME_BYTES, err);
    i8i_source_close(back);
    pthread_mutex_lock(&p->lock);
    p->hashed = to;
    p->hashing = false;
    return st;
}

/* ---- the threads ---- */

static enum i8_status report(struct packing *p, struct i8_error *err)
{
    if (i8i_progress(p->staging->plan->options->progress, "compressing",
                     p->packed_before + p->next_content, p->total, "B"))
        return i8i_fail(err, I8_ERR_CANCELLED,
                        "stopped; run the same command again to go on from here");
    return I8_OK;
}

static bool all_done(const struct packing *p)
{
    return p->ended && (p->hash == NULL || p->hashed == p->written);
}

static void work(void *ctx, size_t item, unsigned thread)
{
    struct packing *p = ctx;
    struct packer *w = &p->packers[thread];
    (void)item;
    pthread_mutex_lock(&p->lock);
    while (p->error.status == I8_OK && !all_done(p)) {
        struct i8_error err = {0};
        enum i8_status st = I8_OK;
        if (can_hash(p)) {
            st = hash_part(p, w, &err);
        } else if (p->next < p->file->n_frames && p->next - p->unwritten < p->n_slots) {
            st = pack_frame(p, w, &err);
            if (st == I8_OK)
                st = report(p, &err);
        } else if (p->unwritten == p->file->n_frames && !p->ended) {
            st = write_table(p, &err);
        } else {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        if (st != I8_OK && p->error.status == I8_OK)
            p->error = err;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- one shard ---- */

/* Opens the plain form, and the other one unless there is nothing for us to do. */
static enum i8_status open_forms(struct packing *p, size_t output, bool unbegun,
                                 struct i8_error *err)
{
    struct i8i_staging *s = p->staging;
    enum i8_status st = i8i_staging_take_up(s, output, err);
    if (st != I8_OK || p->file->packed)
        return st;
    st = i8i_staging_read_back(&p->plain, s, output, err);
    if (st != I8_OK)
        return st;
    char *path = i8i_path_join(s->directory, p->file->packed_name);
    p->part = i8i_staging_part_name(s, p->file->packed_name);
    if (path == NULL || p->part == NULL)
        st = i8i_nomem(err);
    else if (s->shared) /* another rank may be packing it, too, into the same bytes */
        st = i8i_outfile_open_shared(&p->out, path, unbegun ? I8I_PART_NEW : I8I_PART_ANY,
                                     err);
    else
        st = i8i_outfile_open(&p->out, path, false, err);
    free(path);
    return st;
}

static enum i8_status prepare(struct packing *p, unsigned jobs, struct i8_error *err)
{
    const struct i8i_staging *s = p->staging;
    p->n_slots = (size_t)jobs * SLOTS_A_JOB;
    p->packers = i8i_calloc(jobs, sizeof *p->packers);
    p->slots = i8i_calloc(p->n_slots, sizeof *p->slots);
    p->entries = i8i_calloc(p->file->n_frames, sizeof *p->entries);
    if (p->packers == NULL || p->slots == NULL || p->entries == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    for (unsigned i = 0; i < jobs && st == I8_OK; i++) {
        p->packers[i].content = i8i_aligned_alloc(I8I_FRAME_BYTES);
        st = p->packers[i].content
                 ? i8i_zstd_encoder_new(&p->packers[i].encoder, s->plan->pack_level, err)
                 : i8i_nomem(err);
    }
    for (size_t i = 0; i < p->n_slots && st == I8_OK; i++) {
        p->slots[i].frame = malloc(i8i_zstd_bound(I8I_FRAME_BYTES));
        if (p->slots[i].frame == NULL)
            st = i8i_nomem(err);
    }
    if (st == I8_OK && !s->plan->options->no_hash)
        st = i8i_hash_new(&p->hash, I8I_SHA256, err);
    return st;
}

static void close_packing(struct packing *p, unsigned jobs)
{
    for (unsigned i = 0; p->packers && i < jobs; i++) {
        free(p->packers[i].content);
        i8i_zstd_encoder_free(p->packers[i].encoder);
    }
    for (size_t i = 0; p->slots && i < p->n_slots; i++)
        free(p->slots[i].frame);
    free(p->packers);
    free(p->slots);
    free(p->entries);
    free(p->part);
    i8i_hash_free(p->hash);
    i8i_source_close(p->plain);
    i8i_outfile_abort(p->out, p->staging->shared);
}

static enum i8_status run(struct packing *p, struct i8i_pool *pool, struct i8_error *err)
{
    i8i_pool_run(pool, i8i_pool_threads(pool), work, p);
    if (p->error.status != I8_OK)
        return i8i_fail(err, p->error.status, "%s", p->error.message);
    return p->hash ? i8i_hash_final(p->hash, p->hex, err) : I8_OK;
}

/* Have other ranks published? Then nothing is left to do at all. */
static bool is_published(struct i8i_staging *s)
{
    return s->shared && i8i_output_is_complete(&s->complete, s->plan, NULL) == I8_OK &&
           s->complete;
}

/* Another rank may have packed it, too, and been faster: then the plain form is gone
 * before we open it, or, over a network, while we read it. */
static bool is_packed_by_another(struct i8i_staging *s, size_t output)
{
    return s->shared && i8i_staging_refresh(s, NULL) == I8_OK &&
           s->plan->outputs[output].packed;
}

static enum i8_status pack(struct packing *p, size_t output, bool unbegun,
                           struct i8i_pool *pool, struct i8_error *err)
{
    const unsigned jobs = i8i_pool_threads(pool);
    p->file = &p->staging->plan->outputs[output];
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    enum i8_status st = open_forms(p, output, unbegun, err);
    if (st == I8_OK && p->out)
        st = prepare(p, jobs, err);
    if (st == I8_OK && p->out)
        st = run(p, pool, err);
    const bool packed = st == I8_OK && p->out;
    if (st != I8_OK && st != I8_ERR_CANCELLED && is_packed_by_another(p->staging, output))
        st = I8_OK;
    if (packed) {
        struct i8i_outfile *out = p->out;
        p->out = NULL;
        st = i8i_staging_take_packed(p->staging, output, out, p->written,
                                     p->hash ? p->hex : NULL, err);
    }
    if (st != I8_OK && st != I8_ERR_CANCELLED && is_published(p->staging))
        st = I8_OK;
    close_packing(p, jobs);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    i8i_staging_let_go(p->staging, NULL);
    return st;
}

static bool is_to_pack(const struct i8i_staging *s, size_t output, const bool *which)
{
    const struct i8i_output_file *f = &s->plan->outputs[output];
    return f->frames && !f->packed && (which == NULL || which[output]);
}

enum i8_status i8i_pack_outputs(struct i8i_staging *s, const bool *which, bool unbegun,
                                unsigned jobs, struct i8_error *err)
{
    const struct i8i_convert_plan *plan = s->plan;
    struct i8i_pool *pool = NULL;
    uint64_t before = 0, total = 0;
    for (size_t i = 0; i < plan->n_outputs; i++)
        total += is_to_pack(s, i, which) ? plan->outputs[i].plain_bytes : 0;
    enum i8_status st = total > 0 ? i8i_pool_new(&pool, jobs, err) : I8_OK;
    for (size_t i = 0; i < plan->n_outputs && st == I8_OK && !s->complete; i++) {
        if (!is_to_pack(s, i, which))
            continue;
        struct packing p = {.staging = s, .packed_before = before, .total = total};
        st = pack(&p, i, unbegun, pool, err);
        before += plan->outputs[i].plain_bytes;
    }
    i8i_pool_free(pool);
    return st;
}

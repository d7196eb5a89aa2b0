/* SPDX-License-Identifier: Apache-2.0
 *
 * Every thread does the same: under one lock it looks for the most urgent thing that is
 * possible, does it outside the lock, and looks again. SHA-256 of one file cannot be
 * split, and an output's has to wait until the file is complete, for its scales come
 * first and are known last. While one thread hashes the last output, there is nothing for
 * the others but to hash sources: as much as the largest output is kept for each of them,
 * a quarter of the memory at most, for it should still be in the page cache then. So:
 *   1. an output that is complete is hashed at once;
 *   2. then a source file that has more to hash than the largest output: it would be
 * last; or any, if as much was read and not hashed as is kept;
 *   3. then a range is converted. While more of the sources is to be hashed than what is
 * kept, it is the next of the first file whose hash has come to there and goes along: it
 * gets the bytes while they are in the core's cache, and none is read again. Each thread
 * so comes to have a file of its own. Otherwise it is the next in the order of the
 * source;
 *   4. then what is kept is hashed.
 * What is read ahead over the network passes once and in order: there hashing follows
 * behind. Which thread does what is open; no byte depends on it.
 */
#include "config.h"

#include "base/limits.h"
#include "base/pool.h"
#include "convert/completion.h"
#include "convert/hashing.h"
#include "convert/pipeline.h"
#include "convert/remote_inputs.h"
#include "convert/work_block.h"
#include "convert/worklist.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SYNC_BYTES (UINT64_C(2) << 30)

struct pipeline {
    struct i8i_convert_plan *plan;
    struct i8i_staging *staging;
    size_t block_bytes;
    uint64_t item_bytes, sync_bytes;
    uint64_t window; /* of what is read ahead; 0: inputs are files */
    unsigned jobs;
    uint64_t *reading;        /* by thread: where its range begins, if window > 0 */
    struct i8i_block *blocks; /* by thread */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned active;       /* threads at work outside the lock */
    struct i8_error error; /* the first failure; status I8_OK: none */

    struct i8i_worklist list;
    struct i8i_completion completion;
    struct i8i_hashing hashing;
    uint64_t most_lag; /* bytes of source that are read but not hashed: what is kept */
    uint64_t largest_output;
    uint64_t passing_bytes;           /* hashed along with their ranges */
    uint64_t done_bytes, total_bytes; /* of source, in this run's part */
    uint64_t left_bytes;              /* of source, in the whole plan */
    uint64_t unsynced_bytes;
    bool syncing;
};

#define NOT_READING UINT64_MAX

enum task_kind { TASK_END, TASK_WAIT, TASK_RANGE, TASK_HASH };
struct task {
    enum task_kind kind;
    struct i8i_range range;
    bool joined; /* hash goes along with the range */
    struct i8i_hash_job hash;
};

/* Of the source. */
static uint64_t piece_bytes(const struct i8i_piece *piece, uint64_t units)
{
    const uint64_t bytes = units * piece->unit_in;
    return piece->tensor ? i8i_tensor_stored(piece->tensor, bytes) : bytes;
}

/* ---- handing out work (under the lock) ---- */

/* How far an input has been handed out to be read. */
static uint64_t read_up_to(struct pipeline *l, size_t file)
{
    const struct i8i_convert_plan *p = l->plan;
    struct i8i_place at;
    if (l->window > 0 && file > i8i_worklist_first(&l->list))
        return 0;
    if (!i8i_worklist_place(&l->list, file, &at))
        return p->inputs[file].bytes;
    const struct i8i_piece *piece = &p->pieces[at.piece];
    if (at.unit == 0) { /* then to the end of the piece before it */
        if (at.piece == 0 || piece[-1].input != file)
            return 0;
        at.unit = (--piece)->units;
    }
    /* A strided tensor may be larger than the bytes that it lies in. */
    const uint64_t end = piece->source_offset + piece_bytes(piece, at.unit);
    return end < p->inputs[file].bytes ? end : p->inputs[file].bytes;
}

/* How far a file may be hashed: an output as far as it is complete, an input to where the
 * reading has come, so that the disk is asked once. */
static uint64_t hashable_up_to(void *ctx, bool output, size_t file)
{
    struct pipeline *l = ctx;
    return output ? i8i_completion_up_to(&l->completion, file) : read_up_to(l, file);
}

/* The place of a unit among the bytes of all inputs, one behind the other. */
static uint64_t place_of(const struct i8i_convert_plan *p, size_t index, uint64_t unit)
{
    const struct i8i_piece *piece = &p->pieces[index];
    uint64_t before = 0;
    for (size_t i = 0; i < piece->input; i++)
        before += p->inputs[i].bytes;
    return before + piece->source_offset + piece_bytes(piece, unit);
}

/* What has been read must stay in the window until the slowest thread, and the hashing,
 * have had it. Hashing that is so far behind is being done, for otherwise it would have
 * been the next task. */
static bool too_far_ahead(struct pipeline *l)
{
    struct i8i_place at;
    if (l->window == 0 || l->active == 0)
        return false;
    const size_t input = i8i_worklist_first(&l->list);
    if (input == l->plan->n_inputs || !i8i_worklist_place(&l->list, input, &at))
        return false;
    const uint64_t most = i8i_window_lag(l->window);
    const uint64_t here = place_of(l->plan, at.piece, at.unit);
    for (unsigned i = 0; i < l->jobs; i++)
        if (l->reading[i] != NOT_READING && here > l->reading[i] &&
            here - l->reading[i] > most)
            return true;
    return i8i_hashing_lag(&l->hashing, hashable_up_to, l) > most;
}

/* Hands out the next range of the first input whose hash can go along. */
static bool join_range(struct pipeline *l, struct task *t)
{
    const struct i8i_convert_plan *p = l->plan;
    struct i8i_place at;
    if (l->window > 0 || i8i_hashing_left(&l->hashing) <= l->most_lag)
        return false;
    for (size_t i = 0; i < p->n_inputs && !t->joined; i++) {
        if (!i8i_worklist_place(&l->list, i, &at))
            continue;
        const struct i8i_piece *piece = &p->pieces[at.piece];
        t->joined =
            i8i_hashing_join(&l->hashing, &t->hash, i,
                             piece->source_offset + piece_bytes(piece, at.unit)) &&
            i8i_worklist_next(&l->list, i, &t->range, l->item_bytes);
    }
    return t->joined;
}

static bool next_range(struct pipeline *l, struct task *t)
{
    if (join_range(l, t))
        return true;
    const size_t first = i8i_worklist_first(&l->list);
    return first < l->plan->n_inputs &&
           i8i_worklist_next(&l->list, first, &t->range, l->item_bytes);
}

static struct task next_task(struct pipeline *l)
{
    struct task t = {.kind = TASK_END};
    if (l->error.status != I8_OK)
        return t;
    struct i8i_hashing *h = &l->hashing;
    const bool lags =
        l->window > 0 || i8i_hashing_lag(h, hashable_up_to, l) >= l->most_lag;
    if (i8i_hashing_next(h, &t.hash, true, 0, hashable_up_to, l) ||
        i8i_hashing_next(h, &t.hash, false, lags ? 0 : l->largest_output, hashable_up_to,
                         l))
        t.kind = TASK_HASH;
    else if (too_far_ahead(l))
        t.kind = TASK_WAIT;
    else if (next_range(l, &t))
        t.kind = TASK_RANGE;
    else if (i8i_hashing_next(h, &t.hash, false, 0, hashable_up_to, l))
        t.kind = TASK_HASH;
    else if (l->active > 0)
        t.kind = TASK_WAIT; /* what others are doing may make something possible */
    return t;
}

/* ---- doing it (outside the lock) ---- */

static enum i8_status run_range(struct pipeline *l, struct i8i_block *b,
                                const struct i8i_range *r, struct i8_error *err)
{
    const struct i8i_piece *piece = &l->plan->pieces[r->piece];
    const struct i8i_source *source = l->plan->inputs[piece->input].source;
    /* The disk reads all of it while we are still busy with the beginning. */
    if (source->fd >= 0 && piece->kind != I8I_PIECE_QUANTIZE_TRANSPOSED)
        (void)posix_fadvise(source->fd,
                            (off_t)(piece->source_offset + piece_bytes(piece, r->first)),
                            (off_t)piece_bytes(piece, r->count), POSIX_FADV_WILLNEED);
    enum i8_status st = i8i_block_run(b, piece, r->first, r->count,
                                      l->staging->files[piece->output], err);
    return st == I8_OK ? i8i_journal_add(l->staging->journal, r, err) : st;
}

/* A range with its input's hash. */
static enum i8_status run_joined(struct pipeline *l, struct i8i_block *b, struct task *t,
                                 struct i8_error *err)
{
    enum i8_status st = i8i_hashing_run(&l->hashing, &t->hash, b->in, b->bytes, err);
    b->hash = i8i_hashing_stream(&l->hashing, &t->hash);
    b->hash_at = t->hash.to;
    if (st == I8_OK)
        st = run_range(l, b, &t->range, err);
    b->hash = NULL;
    return st == I8_OK ? i8i_hashing_leave(&l->hashing, &t->hash, b->hash_at, err) : st;
}

/* ---- the threads ---- */

static void report_progress(struct pipeline *l)
{
    if (l->error.status != I8_OK)
        return;
    const struct i8i_hashing *h = &l->hashing;
    const bool hashing =
        l->done_bytes == l->total_bytes && h->done_bytes < h->total_bytes;
    if (i8i_progress(l->plan->options->progress, hashing ? "hashing" : "converting",
                     hashing ? h->done_bytes : l->done_bytes,
                     hashing ? h->total_bytes : l->total_bytes, "B"))
        i8i_fail(&l->error, I8_ERR_CANCELLED,
                 "stopped; run the same command again to go on from here");
}

/* Books what was done (under the lock). */
static void book(struct pipeline *l, const struct task *t)
{
    if (t->kind == TASK_RANGE) {
        const struct i8i_piece *piece = &l->plan->pieces[t->range.piece];
        uint64_t bytes = piece_bytes(piece, t->range.count);
        i8i_completion_add(&l->completion, t->range.piece, t->range.count);
        l->done_bytes += bytes;
        l->left_bytes -= bytes;
        l->unsynced_bytes += t->range.count * piece->unit_out;
    }
    if (t->kind == TASK_HASH || t->joined)
        i8i_hashing_book(&l->hashing, &t->hash);
    if (t->joined)
        l->passing_bytes += t->hash.to - t->hash.from;
    report_progress(l);
}

static enum i8_status run_task(struct pipeline *l, struct i8i_block *b, struct task *t,
                               struct i8_error *err)
{
    if (t->joined)
        return run_joined(l, b, t, err);
    if (t->kind == TASK_RANGE)
        return run_range(l, b, &t->range, err);
    return i8i_hashing_run(&l->hashing, &t->hash, b->in, b->bytes, err);
}

static void work(void *ctx, size_t item, unsigned thread)
{
    struct pipeline *l = ctx;
    struct i8i_block *b = &l->blocks[thread];
    (void)item;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        struct i8_error err = {0};
        struct task t = next_task(l);
        if (t.kind == TASK_END)
            break;
        if (t.kind == TASK_WAIT) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        l->active++;
        if (l->window > 0 && t.kind == TASK_RANGE)
            l->reading[thread] = place_of(l->plan, t.range.piece, t.range.first);
        pthread_mutex_unlock(&l->lock);
        enum i8_status st = run_task(l, b, &t, &err);
        pthread_mutex_lock(&l->lock);
        if (l->window > 0)
            l->reading[thread] = NOT_READING;
        if (st == I8_OK)
            book(l, &t);
        bool sync = st == I8_OK && l->unsynced_bytes >= l->sync_bytes && !l->syncing;
        if (sync) {
            l->unsynced_bytes = 0;
            l->syncing = true;
            pthread_mutex_unlock(&l->lock);
            st = i8i_staging_make_durable(l->staging, &err);
            pthread_mutex_lock(&l->lock);
            l->syncing = false;
        }
        if (st != I8_OK && l->error.status == I8_OK)
            l->error = err;
        l->active--;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* ---- before and after ---- */

static void bound_lag(struct pipeline *l, unsigned jobs)
{
    const uint64_t quarter = i8i_memory_limit() / 4;
    const unsigned others = jobs - 1;
    for (size_t i = 0; i < l->plan->n_outputs; i++) {
        if (l->plan->outputs[i].bytes > l->largest_output)
            l->largest_output = l->plan->outputs[i].bytes;
    }
    l->most_lag = others > 0 && l->largest_output > quarter / others
                      ? quarter
                      : others * l->largest_output;
}

/* Books what is done already, and what is left. */
static enum i8_status take_over(struct pipeline *l, const struct i8i_division *part,
                                struct i8_error *err)
{
    const struct i8i_convert_plan *plan = l->plan;
    enum i8_status st = i8i_worklist_init(&l->list, l->staging, part, err);
    if (st != I8_OK)
        return st;
    for (size_t i = 0; i < plan->n_pieces; i++) {
        const struct i8i_piece *piece = &plan->pieces[i];
        const struct i8i_range all = {.piece = i, .count = piece->units};
        l->total_bytes += piece_bytes(piece, i8i_worklist_units_of_part(&l->list, &all));
        l->left_bytes += piece_bytes(piece, piece->units);
    }
    if (l->staging->record.publishing) {
        l->done_bytes = l->total_bytes;
        l->left_bytes = 0;
        i8i_completion_add_all(&l->completion);
    }
    for (size_t i = 0; i < l->list.n_done; i++) {
        const struct i8i_range *r = &l->list.done[i];
        const struct i8i_piece *piece = &plan->pieces[r->piece];
        i8i_completion_add(&l->completion, r->piece, r->count);
        l->done_bytes += piece_bytes(piece, i8i_worklist_units_of_part(&l->list, r));
        l->left_bytes -= piece_bytes(piece, r->count);
    }
    return I8_OK;
}

/* Cuts the work so that the window of what is read ahead holds it. */
static enum i8_status fit_window(struct pipeline *l, unsigned jobs, struct i8_error *err)
{
    l->window = i8i_read_ahead_window(l->plan);
    if (l->window == 0)
        return I8_OK;
    const uint64_t item = i8i_window_item(l->window, jobs);
    l->item_bytes = l->item_bytes < item ? l->item_bytes : item;
    l->hashing.part_bytes = i8i_window_hash_part(l->window);
    l->hashing.in_order = true; /* the end of a file leaves the window before the next */
    l->jobs = jobs;
    l->reading = i8i_calloc(jobs, sizeof *l->reading);
    if (l->reading == NULL)
        return i8i_nomem(err);
    memset(l->reading, 0xff, jobs * sizeof *l->reading);
    return I8_OK;
}

enum i8_status i8i_pipeline_run(struct i8i_pipeline_report *report,
                                struct i8i_convert_plan *plan,
                                struct i8i_staging *staging,
                                const struct i8i_pipeline_task *task,
                                const struct i8i_convert_tuning *tuning,
                                struct i8_error *err)
{
    struct pipeline l = {.plan = plan, .staging = staging};
    struct i8i_pool *pool = NULL;
    unsigned jobs, ready = 0;
    uint64_t memory;
    *report = (struct i8i_pipeline_report){0};
    enum i8_status st =
        i8i_pipeline_size(&jobs, &l.block_bytes, &memory, plan, tuning, err);
    if (st != I8_OK)
        return st;
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.changed, NULL);
    bound_lag(&l, jobs);
    l.item_bytes = tuning->item_bytes ? tuning->item_bytes : I8I_ITEM_BYTES;
    l.sync_bytes = tuning->sync_bytes ? tuning->sync_bytes : DEFAULT_SYNC_BYTES;
    l.blocks = i8i_calloc(jobs, sizeof *l.blocks);
    st = l.blocks ? i8i_completion_init(&l.completion, plan, err) : i8i_nomem(err);
    if (st != I8_OK)
        goto out;
    st = take_over(&l, &task->part, err);
    report->resumed_bytes = l.done_bytes;
    report->part_bytes = l.total_bytes;
    if (st == I8_OK && !plan->options->no_hash)
        st = i8i_hashing_start(&l.hashing, plan, staging, task, err);
    if (tuning->hash_bytes > 0)
        l.hashing.part_bytes = tuning->hash_bytes;
    if (st == I8_OK)
        st = fit_window(&l, jobs, err);
    for (; ready < jobs && st == I8_OK; ready++)
        st = i8i_block_init(&l.blocks[ready], plan, l.block_bytes, err);
    if (st == I8_OK)
        st = i8i_pool_new(&pool, jobs, err);
    if (st == I8_OK && !staging->record.publishing)
        st = i8i_read_ahead_begin(plan, task, l.list.done, l.list.n_done, l.window, err);
    if (st != I8_OK)
        goto out;
    i8i_pool_run(pool, jobs, work, &l);
    if (l.error.status != I8_OK)
        st = i8i_fail(err, l.error.status, "%s", l.error.message);
    else
        st = i8i_hashing_finish(&l.hashing, err);
    for (unsigned i = 0; i < ready; i++)
        report->nonfinite += l.blocks[i].nonfinite;
    report->left_bytes = l.left_bytes;
    report->passing_bytes = l.passing_bytes;
    report->complete = i8i_completion_is_full(&l.completion);
out:
    i8i_read_ahead_end(plan);
    for (unsigned i = 0; l.blocks && i < ready; i++)
        i8i_block_free(&l.blocks[i]);
    i8i_pool_free(pool);
    i8i_hashing_free(&l.hashing);
    i8i_worklist_free(&l.list);
    free(l.reading);
    i8i_completion_free(&l.completion);
    free(l.blocks);
    pthread_cond_destroy(&l.changed);
    pthread_mutex_destroy(&l.lock);
    return st;
}

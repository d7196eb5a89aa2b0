/* SPDX-License-Identifier: Apache-2.0
 *
 * A rank converts its part, says so durably in its journal, and then looks at all
 * journals. A file that it has written to and that is complete by now it packs, or
 * hashes. If everything is complete, it publishes. Ranks that can talk to each other
 * (MPI) wait for one another between these steps, and share the files out; others just
 * end, and the last one finds all done.
 *
 * Of ranks that cannot talk to each other one packs a file: the one that succeeds in
 * creating NAME.zst.part. If it dies, that file stays, and what it was to hold is left to
 * the publisher, who packs whatever is not packed, even if somebody is at it: both write
 * the same bytes, and the second one finds it done.
 */
#include "config.h"

#include "convert/completion.h"
#include "convert/publisher.h"
#include "convert/rank_run.h"
#include "convert/worklist.h"

#include <stdlib.h>
#include <time.h>

/* ---- agreeing ---- */

enum { WELL, FAILED, FAILED_FOR_GOOD };

/* Tells the others how it went here and learns how it went there. */
static enum i8_status agree(const struct i8_rank_group *g, int *worst, enum i8_status st,
                            struct i8_error *err)
{
    *worst = st == I8_OK ? WELL : i8i_worth_keeping(st) ? FAILED : FAILED_FOR_GOOD;
    if (g->agree == NULL)
        return st;
    const int mine = *worst;
    *worst = g->agree(g->ctx, mine);
    if (mine == WELL && *worst != WELL)
        return i8i_fail(err, I8_ERR_CANCELLED,
                        "rank %u of %u: stopped, because another rank failed", g->rank,
                        g->count);
    return st;
}

/* ---- packing and hashing ---- */

static bool is_finished(const struct i8i_conversion *r, size_t output)
{
    const struct i8i_output_file *f = &r->plan->outputs[output];
    if (f->frames && !f->packed)
        return false;
    return r->plan->options->no_hash ||
           i8i_record_digest(&r->staging->record, 'o', output);
}

/* Outputs that are not packed or hashed yet, the next always to the rank that has least:
 * every rank computes the same from the same journals. */
static void share_outputs(bool *mine, const struct i8i_conversion *r, unsigned rank,
                          uint64_t *load, unsigned count)
{
    for (size_t i = 0; i < r->plan->n_outputs; i++) {
        mine[i] = false;
        if (is_finished(r, i))
            continue;
        unsigned least = 0;
        for (unsigned k = 1; k < count; k++) {
            if (load[k] < load[least])
                least = k;
        }
        load[least] += r->plan->outputs[i].bytes;
        mine[i] = least == rank;
    }
}

/* Which outputs are ours from now on: of ranks that wait for each other all are complete,
 * and are shared out; otherwise it stays at those that we have written to ourselves. */
static enum i8_status take_share(struct i8i_conversion *r, struct i8i_pipeline_task *task,
                                 const struct i8_rank_group *g, struct i8_error *err)
{
    enum i8_status st = i8i_staging_refresh(r->staging, err);
    if (st != I8_OK || g->agree == NULL)
        return st;
    uint64_t *load = i8i_calloc(g->count, sizeof *load);
    if (load == NULL)
        return i8i_nomem(err);
    share_outputs(task->hash_outputs, r, g->rank, load, g->count);
    free(load);
    return I8_OK;
}

/* Which outputs are complete, by what all journals say together? */
static enum i8_status find_complete(bool *complete, const struct i8i_staging *s,
                                    struct i8_error *err)
{
    const struct i8i_division none = i8i_division_none(s->plan);
    struct i8i_completion c;
    struct i8i_worklist list = {0};
    enum i8_status st = i8i_completion_init(&c, s->plan, err);
    if (st != I8_OK)
        return st;
    st = i8i_worklist_init(&list, s, &none, err);
    for (size_t i = 0; i < list.n_done && st == I8_OK; i++)
        i8i_completion_add(&c, list.done[i].piece, list.done[i].count);
    for (size_t i = 0; i < s->plan->n_outputs; i++)
        complete[i] = c.output_left[i] == 0;
    i8i_worklist_free(&list);
    i8i_completion_free(&c);
    return st;
}

static enum i8_status pack_complete(struct i8i_conversion *r,
                                    const struct i8i_pipeline_task *task,
                                    const struct i8_rank_group *g, struct i8_error *err)
{
    const size_t n = r->plan->n_outputs;
    bool *ours = i8i_calloc(n, sizeof *ours);
    if (ours == NULL)
        return i8i_nomem(err);
    enum i8_status st = find_complete(ours, r->staging, err);
    for (size_t i = 0; i < n; i++)
        ours[i] = ours[i] && task->hash_outputs[i];
    if (st == I8_OK)
        st = i8i_conversion_pack(r, ours, g->agree == NULL, err);
    free(ours);
    return st;
}

/* Packs and hashes what is ours and complete by now. */
static enum i8_status finish_ours(struct i8i_conversion *r,
                                  struct i8i_pipeline_task *task,
                                  const struct i8_rank_group *g, struct i8_error *err)
{
    enum i8_status st = pack_complete(r, task, g, err);
    if (st != I8_OK || r->staging->complete)
        return st;
    st = i8i_staging_refresh(r->staging, err);
    task->part = i8i_division_none(r->plan);
    if (st == I8_OK)
        st = i8i_conversion_work(r, task, err);
    return st == I8_OK ? i8i_staging_make_durable(r->staging, err) : st;
}

/* ---- the part ---- */

static enum i8_status make_task(struct i8i_pipeline_task *task,
                                const struct i8i_conversion *r,
                                const struct i8_rank_group *g, struct i8_error *err)
{
    const struct i8i_convert_plan *p = r->plan;
    task->part = i8i_division_of(p, g->rank, g->count);
    task->hash_inputs = i8i_calloc(p->n_inputs, sizeof *task->hash_inputs);
    task->hash_outputs = i8i_calloc(p->n_outputs, sizeof *task->hash_outputs);
    if (task->hash_inputs == NULL || task->hash_outputs == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < p->n_inputs; i++)
        task->hash_inputs[i] = i8i_division_owns_input(p, i, g->rank, g->count);
    for (size_t i = 0; i < p->n_outputs; i++)
        task->hash_outputs[i] = i8i_division_writes(&task->part, p, i);
    return I8_OK;
}

/* ---- publishing ---- */

static enum i8_status pause_for_others(const struct i8i_conversion *r,
                                       struct i8_error *err)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    nanosleep(&pause, NULL);
    if (i8i_progress(r->plan->options->progress, "waiting for the publishing rank", 0, 1,
                     "step"))
        return i8i_fail(err, I8_ERR_CANCELLED,
                        "stopped while another rank was publishing");
    return I8_OK;
}

/* The publisher's progress keeps its claim alive. */
struct beating {
    struct i8i_publisher *publisher;
    const struct i8_progress *progress;
};

static int beat(void *ctx, const char *what, unsigned long long done,
                unsigned long long total, const char *unit)
{
    struct beating *b = ctx;
    i8i_publisher_beat(b->publisher);
    return i8i_progress(b->progress, what, done, total, unit);
}

static enum i8_status finish(struct i8i_conversion *r, struct i8i_publisher *publisher,
                             struct i8_error *err)
{
    const struct i8i_pipeline_task rest = {.part = i8i_division_none(r->plan)};
    const struct i8_convert_options *options = r->plan->options;
    struct i8_convert_options beating_options = *options;
    struct beating b = {.publisher = publisher, .progress = options->progress};
    const struct i8_progress progress = {.update = beat, .ctx = &b};
    beating_options.progress = &progress;
    if (publisher)
        r->plan->options = &beating_options;
    enum i8_status st = i8i_conversion_finish(r, &rest, err);
    r->plan->options = options;
    return st;
}

/* The last publisher may have ended just before our claim. */
static enum i8_status publish_claimed(struct i8i_conversion *r,
                                      struct i8i_publisher *publisher,
                                      struct i8_error *err)
{
    bool complete;
    enum i8_status st = i8i_output_is_complete(&complete, r->plan, err);
    if (st == I8_OK && complete)
        return i8i_conversion_found_complete(r, err);
    if (st == I8_OK)
        st = i8i_staging_refresh(r->staging, err);
    return st == I8_OK ? finish(r, publisher, err) : st;
}

/* If all is done: publishes, unless another rank does, for which we wait. */
static enum i8_status publish_once(struct i8i_conversion *r, struct i8_error *err)
{
    struct i8i_publisher_watch watch = {0};
    for (;;) {
        struct i8i_publisher *publisher;
        bool complete;
        enum i8_status st = i8i_output_is_complete(&complete, r->plan, err);
        if (st == I8_OK && complete)
            return i8i_conversion_found_complete(r, err);
        if (st == I8_OK && !r->complete)
            return I8_OK;
        if (st == I8_OK)
            st = i8i_publisher_claim(&publisher, r->staging->directory, &watch, err);
        if (st == I8_OK && publisher) {
            st = publish_claimed(r, publisher, err);
            i8i_publisher_release(publisher);
            return st;
        }
        if (st == I8_OK)
            st = pause_for_others(r, err);
        if (st != I8_OK)
            return st;
    }
}

/* Among ranks that wait for each other the first one publishes. */
static enum i8_status publish_together(struct i8i_conversion *r,
                                       const struct i8_rank_group *g, int *worst,
                                       struct i8_error *err)
{
    enum i8_status st = i8i_staging_refresh(r->staging, err);
    if (st == I8_OK && g->rank == 0)
        st = finish(r, NULL, err);
    st = agree(g, worst, st, err);
    if (st != I8_OK || g->rank == 0)
        return st;
    bool complete;
    st = i8i_output_is_complete(&complete, r->plan, err);
    if (st == I8_OK && !complete)
        st = i8i_fail(err, I8_ERR_IO, "%s: rank 0 published, but nothing is to be seen",
                      r->staging->directory);
    return st == I8_OK ? i8i_conversion_found_complete(r, err) : st;
}

/* ---- all of it ---- */

static enum i8_status work(struct i8i_conversion *r, const struct i8_rank_group *g,
                           int *worst, struct i8_error *err)
{
    struct i8i_pipeline_task task = {0};
    enum i8_status st = make_task(&task, r, g, err);
    if (st == I8_OK) {
        i8i_staging_let_go(r->staging, task.hash_outputs);
        st = i8i_conversion_work(r, &task, err);
    }
    if (st == I8_OK)
        st = i8i_staging_make_durable(r->staging, err);
    if (st == I8_OK)
        i8i_staging_let_go(r->staging, NULL);
    st = agree(g, worst, st, err);
    if (st == I8_OK) { /* nobody goes on to write while others read */
        st = take_share(r, &task, g, err);
        st = agree(g, worst, st, err);
    }
    if (st == I8_OK) {
        st = finish_ours(r, &task, g, err);
        st = agree(g, worst, st, err);
    }
    if (st == I8_OK && g->agree)
        st = publish_together(r, g, worst, err);
    else if (st == I8_OK)
        st = publish_once(r, err);
    free(task.hash_inputs);
    free(task.hash_outputs);
    return st;
}

/* After a failure that is the model's own: nothing stays, as after one of a process
 * alone. Only where all ranks are known to have stopped, and nothing of an earlier run is
 * lost.
 */
static void clean_up(const struct i8i_conversion *r, const struct i8_rank_group *g,
                     int worst, bool at_work)
{
    if (worst == FAILED_FOR_GOOD && g->agree && g->rank == 0 && r->staging &&
        !r->staging->complete && !r->staging->record.publishing &&
        (at_work || r->staging->record.n_ranges == 0))
        i8i_staging_discard(r->staging);
}

/* Either all of us found the work done, or none: else somebody is at work there. */
static enum i8_status agree_on_finished(bool finished, const struct i8_rank_group *g,
                                        struct i8_error *err)
{
    if (g->agree == NULL)
        return I8_OK;
    const bool all = g->agree(g->ctx, finished ? 0 : 1) == 0;
    const bool none = g->agree(g->ctx, finished ? 1 : 0) == 0;
    if (all || none)
        return I8_OK;
    return i8i_fail(err, I8_ERR_CANCELLED,
                    "another conversion has just finished the output; run this again");
}

enum i8_status i8i_conversion_as_rank(struct i8i_conversion *r,
                                      const struct i8_rank_group *g,
                                      enum i8_status so_far, struct i8_error *err)
{
    int worst;
    enum i8_status st = so_far;
    if (st == I8_OK)
        st = i8i_staging_open(&r->staging, r->plan, err);
    const bool finished = st == I8_OK && r->staging->complete;
    if (st == I8_OK && !finished)
        st = i8i_conversion_check_model(r->plan, err);
    st = agree(g, &worst, st, err);
    if (worst != WELL) {
        clean_up(r, g, worst, false);
        return st;
    }
    st = agree_on_finished(finished, g, err);
    if (st != I8_OK)
        return st;
    /* If any of us has made the directory, then it may go again. */
    if (g->agree)
        r->staging->created = g->agree(g->ctx, r->staging->created) > 0;
    if (finished)
        return i8i_conversion_found_complete(r, err);
    st = work(r, g, &worst, err);
    clean_up(r, g, worst, true);
    return st;
}

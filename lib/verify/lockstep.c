/* SPDX-License-Identifier: Apache-2.0
 *
 * At a stage, the reference's weights are loaded, every window runs, they are unloaded;
 * then the converted model's. Hidden states of all windows are held, logits of one
 * window at a time: at the last stage both models are loaded, and a window's runs end
 * as soon as they are compared.
 *
 * To isolate a stage's own error a third run of each window goes through the converted
 * stages, and is given the reference's hidden states ahead of each. An encoder's last
 * stage is its norm, so the decoder's third run sees the reference's encoder output.
 */
#include "config.h"

#include "verify/lockstep.h"

#include "base/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum side { REFERENCE, CONVERTED, ISOLATED, SIDES };

struct pass {
    const struct i8i_lockstep_options *o;
    struct i8i_lockstep *out;
    struct i8i_run **runs[SIDES]; /* one a window; NULL: this side does not run */
    struct i8i_engine *engines[SIDES];
    unsigned long long done, total; /* steps: a window through a stage of a side */
};

static enum i8_status step_done(struct pass *p, struct i8_error *err)
{
    p->done++;
    if (i8i_progress(p->o->progress, "verify", p->done, p->total, "steps"))
        return i8i_fail(err, I8_ERR_CANCELLED, "cancelled");
    return I8_OK;
}

/* ---- runs ---- */

static enum i8_status open_side(struct pass *p, enum side side, struct i8i_engine *engine,
                                struct i8_error *err)
{
    const struct i8i_lockstep_options *o = p->o;
    size_t past_limit = 0;
    p->engines[side] = engine;
    p->runs[side] = i8i_calloc(o->n_tasks, sizeof *p->runs[side]);
    if (p->runs[side] == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < o->n_tasks; i++) {
        bool past = false;
        enum i8_status status =
            i8i_run_new(&p->runs[side][i], engine, &o->tasks[i].input, &past, err);
        if (status != I8_OK) {
            i8i_error_prefix(err, "window %zu", i);
            return status;
        }
        past_limit += past;
    }
    if (past_limit > 0 && side == REFERENCE)
        i8i_log(
            o->log, I8_LOG_WARNING,
            "%zu of %zu windows are longer than the model's stated maximum of positions",
            past_limit, o->n_tasks);
    return I8_OK;
}

static void close_sides(struct pass *p)
{
    for (int side = 0; side < SIDES; side++) {
        for (size_t i = 0; p->runs[side] != NULL && i < p->o->n_tasks; i++)
            i8i_run_free(p->runs[side][i]);
        free(p->runs[side]);
    }
}

static enum i8_status run_stage(struct pass *p, enum side side, size_t window,
                                size_t stage, struct i8_error *err)
{
    enum i8_status status = i8i_run_stage(p->runs[side][window], stage, err);
    return status == I8_OK ? step_done(p, err) : status;
}

/* Gives the isolated run the reference's hidden states. */
static enum i8_status feed_isolated(struct pass *p, size_t window, struct i8_error *err)
{
    size_t rows, cols, to_rows, to_cols;
    const float *from = i8i_run_hidden(p->runs[REFERENCE][window], &rows, &cols);
    float *to = i8i_run_hidden(p->runs[ISOLATED][window], &to_rows, &to_cols);
    if (from == NULL) /* ahead of the first stage */
        return I8_OK;
    if (to == NULL || rows != to_rows || cols != to_cols)
        return i8i_fail(
            err, I8_ERR_DATA,
            "the models' hidden states differ in shape: (%zu, %zu), (%zu, %zu)", rows,
            cols, to_rows, to_cols);
    memcpy(to, from, rows * cols * sizeof *to);
    return I8_OK;
}

/* ---- comparing ---- */

/* One side's output against the reference's: logits where there are any. */
static enum i8_status compare(struct pass *p, struct i8i_difference *sums, enum side side,
                              size_t window, bool logits, struct i8_error *err)
{
    struct i8i_run *a = p->runs[REFERENCE][window], *b = p->runs[side][window];
    size_t rows, cols, b_rows, b_cols;
    const float *x =
        logits ? i8i_run_logits(a, &rows, &cols) : i8i_run_hidden(a, &rows, &cols);
    const float *y = logits ? i8i_run_logits(b, &b_rows, &b_cols)
                            : i8i_run_hidden(b, &b_rows, &b_cols);
    if (x == NULL || y == NULL || rows != b_rows || cols != b_cols)
        return i8i_fail(err, I8_ERR_DATA,
                        "the models' outputs differ in shape: (%zu, %zu), (%zu, %zu)",
                        rows, cols, b_rows, b_cols);
    return i8i_difference_add_rows(sums, p->o->pool, x, y, rows, cols, err);
}

static enum i8_status compare_sides(struct pass *p, size_t stage, size_t window,
                                    bool logits, struct i8_error *err)
{
    enum i8_status status =
        compare(p, &p->out->accumulated[stage], CONVERTED, window, logits, err);
    if (status == I8_OK && p->runs[ISOLATED] != NULL)
        status = compare(p, &p->out->isolated[stage], ISOLATED, window, logits, err);
    return status;
}

/* Without a second model, hidden states are still looked at for NaN and Inf. */
static void count_nonfinite(struct pass *p, size_t window)
{
    size_t rows, cols;
    const float *x = i8i_run_hidden(p->runs[REFERENCE][window], &rows, &cols);
    for (size_t i = 0; i < rows * cols; i++)
        p->out->nonfinite += !isfinite(x[i]);
}

static enum i8_status add_logits(struct pass *p, size_t window, struct i8_error *err)
{
    const struct i8i_task *task = &p->o->tasks[window];
    size_t rows, vocab, other_rows, other_vocab;
    const float *x = i8i_run_logits(p->runs[REFERENCE][window], &rows, &vocab), *y = NULL;
    if (p->runs[CONVERTED] != NULL) {
        y = i8i_run_logits(p->runs[CONVERTED][window], &other_rows, &other_vocab);
        if (y == NULL || other_rows != rows || other_vocab != vocab)
            x = NULL;
    }
    if (x == NULL || rows != task->n_labels)
        return i8i_fail(err, I8_ERR_DATA, "the models' logits differ in shape");
    return i8i_metrics_add(&p->out->metrics, p->o->pool, x, y, rows, vocab, task->labels,
                           err);
}

/* ---- stages ---- */

/* A stage whose outputs stay in the runs. */
static enum i8_status run_inner_stage(struct pass *p, size_t stage, struct i8_error *err)
{
    const size_t n = p->o->n_tasks;
    struct i8i_engine *reference = p->engines[REFERENCE],
                      *converted = p->engines[CONVERTED];
    enum i8_status status = i8i_engine_load(reference, stage, err);
    for (size_t i = 0; i < n && status == I8_OK; i++) {
        if (p->runs[ISOLATED] != NULL)
            status = feed_isolated(p, i, err);
        if (status == I8_OK)
            status = run_stage(p, REFERENCE, i, stage, err);
        if (status == I8_OK && converted == NULL)
            count_nonfinite(p, i);
    }
    i8i_engine_unload(reference, stage);
    if (status != I8_OK || converted == NULL)
        return status;
    status = i8i_engine_load(converted, stage, err);
    for (size_t i = 0; i < n && status == I8_OK; i++) {
        status = run_stage(p, CONVERTED, i, stage, err);
        if (status == I8_OK && p->runs[ISOLATED] != NULL)
            status = run_stage(p, ISOLATED, i, stage, err);
        if (status == I8_OK)
            status = compare_sides(p, stage, i, false, err);
    }
    i8i_engine_unload(converted, stage);
    return status;
}

/* One window through the last stage, on all sides; its runs are then done with. */
static enum i8_status finish_window(struct pass *p, size_t stage, size_t window,
                                    struct i8_error *err)
{
    enum i8_status status = I8_OK;
    if (p->runs[ISOLATED] != NULL)
        status = feed_isolated(p, window, err);
    for (int side = 0; side < SIDES && status == I8_OK; side++) {
        if (p->runs[side] != NULL)
            status = run_stage(p, (enum side)side, window, stage, err);
    }
    if (status == I8_OK)
        status = add_logits(p, window, err);
    if (status == I8_OK && p->runs[CONVERTED] != NULL)
        status = compare_sides(p, stage, window, true, err);
    for (int side = 0; side < SIDES; side++) {
        if (p->runs[side] != NULL) {
            i8i_run_free(p->runs[side][window]);
            p->runs[side][window] = NULL;
        }
    }
    return status;
}

static enum i8_status run_last_stage(struct pass *p, size_t stage, struct i8_error *err)
{
    struct i8i_engine *converted = p->engines[CONVERTED];
    enum i8_status status = i8i_engine_load(p->engines[REFERENCE], stage, err);
    if (status == I8_OK && converted != NULL)
        status = i8i_engine_load(converted, stage, err);
    for (size_t i = 0; i < p->o->n_tasks && status == I8_OK; i++)
        status = finish_window(p, stage, i, err);
    i8i_engine_unload(p->engines[REFERENCE], stage);
    if (converted != NULL)
        i8i_engine_unload(converted, stage);
    return status;
}

static enum i8_status run_stages(struct pass *p, struct i8_error *err)
{
    struct i8i_lockstep *out = p->out;
    enum i8_status status = I8_OK;
    for (size_t s = 0; s + 1 < out->n_stages && status == I8_OK; s++)
        status = run_inner_stage(p, s, err);
    if (status == I8_OK)
        status = run_last_stage(p, out->n_stages - 1, err);
    if (status != I8_OK)
        return status;
    out->nonfinite += out->metrics.nonfinite;
    if (p->runs[CONVERTED] == NULL)
        return I8_OK;
    /* The last entries are logits, which the metrics have counted. */
    for (size_t s = 0; s + 1 < out->n_stages; s++)
        out->nonfinite += out->accumulated[s].nonfinite;
    return I8_OK;
}

enum i8_status i8i_lockstep_run(struct i8i_lockstep *out,
                                const struct i8i_lockstep_options *o,
                                struct i8_error *err)
{
    struct pass p = {.o = o, .out = out};
    *out = (struct i8i_lockstep){.n_stages = i8i_engine_stages(o->reference)};
    unsigned sides = o->converted == NULL ? 1 : o->isolate ? 3 : 2;
    p.total = (unsigned long long)out->n_stages * o->n_tasks * sides;
    out->accumulated = i8i_calloc(out->n_stages, sizeof *out->accumulated);
    enum i8_status status = out->accumulated != NULL ? I8_OK : i8i_nomem(err);
    if (status == I8_OK)
        status = open_side(&p, REFERENCE, o->reference, err);
    if (status == I8_OK && o->converted != NULL)
        status = open_side(&p, CONVERTED, o->converted, err);
    if (status == I8_OK && o->converted != NULL && o->isolate) {
        out->isolated = i8i_calloc(out->n_stages, sizeof *out->isolated);
        status = out->isolated != NULL ? open_side(&p, ISOLATED, o->converted, err)
                                       : i8i_nomem(err);
    }
    if (status == I8_OK)
        status = run_stages(&p, err);
    close_sides(&p);
    return status;
}

void i8i_lockstep_free(struct i8i_lockstep *l)
{
    i8i_metrics_free(&l->metrics);
    free(l->accumulated);
    free(l->isolated);
    *l = (struct i8i_lockstep){0};
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * i8_verify: opens both models, runs them in lockstep, turns sums into metrics and
 * metrics into a verdict.
 */
#include "config.h"

#include "base/clock.h"
#include <int8tool/verify.h>

#include "base/memory.h"
#include "verify/compare_greedy.h"
#include "verify/lockstep.h"
#include "verify/session.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW                 512u
#define WINDOW_ENCODER_DECODER 256u

void i8_verify_result_free(struct i8_verify_result *r)
{
    for (size_t i = 0; i < r->n_layers; i++)
        free(r->layers[i].name);
    free(r->layers);
    for (size_t i = 0; i < r->n_continuations; i++) {
        free(r->continuations[i].prompt);
        free(r->continuations[i].reference_ids);
        free(r->continuations[i].converted_ids);
    }
    free(r->continuations);
    *r = (struct i8_verify_result){0};
}

/* ---- results ---- */

static struct i8_model_score score(const struct i8i_metrics *m, int side)
{
    double n = (double)m->scored, nll = m->nll[side] / n;
    return (struct i8_model_score){
        .perplexity = exp(nll),
        .nll_per_token = nll,
        .top1_accuracy = (double)m->correct[side] / n,
    };
}

static enum i8_status fill_layers(struct i8_verify_result *r,
                                  const struct i8i_lockstep *l,
                                  const struct i8i_engine *converted,
                                  struct i8_error *err)
{
    r->layers = i8i_calloc(l->n_stages, sizeof *r->layers);
    if (r->layers == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < l->n_stages; i++) {
        const struct i8i_difference *all = &l->accumulated[i];
        const struct i8i_difference *d = l->isolated != NULL ? &l->isolated[i] : all;
        r->layers[i] = (struct i8_layer_difference){
            .name = i8i_strdup(i8i_engine_stage_name(converted, i)),
            .rel_l2 = i8i_relative_l2(d->dd, d->xx),
            .cosine = i8i_difference_cosine(d),
            .accumulated_rel_l2 = i8i_relative_l2(all->dd, all->xx),
            .outlier_columns = i8i_engine_outlier_columns(converted, i),
        };
        r->n_layers++;
        if (r->layers[i].name == NULL)
            return i8i_nomem(err);
    }
    return I8_OK;
}

/* Written so that a NaN misses. */
static bool within_limits(const struct i8_verify_result *r,
                          const struct i8_verify_options *o)
{
    if (r->nonfinite > 0 || !isfinite(r->reference.perplexity))
        return false;
    return !r->compared || (r->top1_agreement >= o->min_top1 && r->mean_kl <= o->max_kl &&
                            r->ppl_ratio <= o->max_ppl_ratio);
}

static enum i8_status fill_result(struct i8_verify_result *r, struct i8i_lockstep *l,
                                  const struct i8i_engine *converted,
                                  struct i8_error *err)
{
    struct i8i_metrics *m = &l->metrics;
    r->tokens_scored = m->scored;
    r->nonfinite = l->nonfinite;
    r->reference = score(m, 0);
    if (converted == NULL)
        return I8_OK;
    r->compared = true;
    r->converted = score(m, 1);
    r->ppl_ratio = r->converted.perplexity / r->reference.perplexity;
    i8i_kl_summary(&r->mean_kl, &r->p99_kl, &r->max_kl, m->kl, (size_t)m->scored);
    r->top1_agreement = (double)m->agree / (double)m->scored;
    r->logits_rel_l2 = i8i_relative_l2(m->difference2, m->reference2);
    r->logits_max_abs = m->max_abs;
    return fill_layers(r, l, converted, err);
}

/* ---- running ---- */

/* Both must be the same model as far as shapes go, or comparing has no meaning. */
static enum i8_status check_alike(const struct i8i_session *a,
                                  const struct i8i_session *b, struct i8_error *err)
{
    static const struct {
        enum i8i_dim dim;
        const char *name;
    } dims[] = {
        {I8I_DIM_VOCAB, "vocabulary"},
        {I8I_DIM_HIDDEN, "hidden size"},
        {I8I_DIM_LAYERS, "layer count"},
        {I8I_DIM_ENC_LAYERS, "encoder layer count"},
    };
    if (a->model->family != b->model->family)
        return i8i_fail(err, I8_ERR_DATA, "%s is a %s model, %s a %s model",
                        a->model->name, a->model->model_type, b->model->name,
                        b->model->model_type);
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        long long x = (long long)a->model->hp.dim[dims[i].dim];
        long long y = (long long)b->model->hp.dim[dims[i].dim];
        if (x != y)
            return i8i_fail(err, I8_ERR_DATA,
                            "the models' %s differs: %s has %lld, %s %lld", dims[i].name,
                            a->model->name, x, b->model->name, y);
    }
    return I8_OK;
}

/* The window asked for; by default the usual one, or what the position table holds. */
static size_t window_size(const struct i8i_model *m, const struct i8_verify_options *o)
{
    bool encoder = m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    size_t window = encoder ? WINDOW_ENCODER_DECODER : WINDOW;
    int64_t rows = m->hp.dim[I8I_DIM_POSITION_ROWS] - m->hp.arch.position_offset;
    if (o->window > 0)
        return o->window;
    if (m->hp.arch.position != I8I_POS_LEARNED || rows < 2 || (size_t)rows >= window)
        return window;
    i8i_log(o->runtime.log, I8_LOG_NOTE,
            "windows of %lld ids, which is what the model's table of positions holds",
            (long long)rows);
    return (size_t)rows;
}

static enum i8_status run_lockstep(
    struct i8_verify_result *r, struct i8i_session *reference,
    struct i8i_session *converted, const struct i8i_windows *windows,
    struct i8i_pool *pool, const struct i8_verify_options *o, struct i8_error *err)
{
    struct i8i_lockstep lockstep = {0};
    struct i8i_task *tasks = i8i_calloc(windows->count, sizeof *tasks);
    enum i8_status status = tasks != NULL ? I8_OK : i8i_nomem(err);
    for (size_t i = 0; i < windows->count && status == I8_OK; i++)
        status = i8i_task_init(&tasks[i], reference->model, &reference->text,
                               &windows->items[i], err);
    const struct i8i_lockstep_options options = {
        .reference = reference->engine,
        .converted = converted->engine,
        .tasks = tasks,
        .n_tasks = windows->count,
        .isolate = o->isolate_layers,
        .pool = pool,
        .log = o->runtime.log,
        .progress = o->runtime.progress,
    };
    if (status == I8_OK)
        status = i8i_lockstep_run(&lockstep, &options, err);
    if (status == I8_OK)
        status = fill_result(r, &lockstep, converted->engine, err);
    i8i_lockstep_free(&lockstep);
    for (size_t i = 0; tasks != NULL && i < windows->count; i++)
        i8i_task_free(&tasks[i]);
    free(tasks);
    return status;
}

static enum i8_status verify(struct i8_verify_result *r, struct i8i_session *reference,
                             struct i8i_session *converted, struct i8i_pool *pool,
                             const struct i8_verify_options *o, struct i8_error *err)
{
    struct i8i_windows windows;
    const struct i8i_window_options window_options = {
        .prompts = o->prompts,
        .text_path = o->text_path,
        .tokens_path = o->tokens_path,
        .window = window_size(reference->model, o),
        .least = 2,
        .log = o->runtime.log,
        .fallback = true,
    };
    enum i8_status status = i8i_windows_read(&windows, reference->model, &reference->text,
                                             &window_options, err);
    if (status != I8_OK)
        return status;
    i8i_windows_keep(&windows, o->max_windows);
    r->windows = windows.count;
    r->input = windows.input;
    status = run_lockstep(r, reference, converted, &windows, pool, o, err);
    if (status == I8_OK && o->generate > 0 && converted->engine != NULL)
        status = i8i_compare_greedy(r, reference, converted, &windows, o, err);
    i8i_windows_free(&windows);
    return status;
}

enum i8_status i8_verify(struct i8_verify_result *result, const char *original,
                         const char *converted, const struct i8_verify_options *o,
                         struct i8_error *err)
{
    struct i8i_session a = {0}, b = {0};
    struct i8i_pool *pool = NULL;
    double start = i8i_monotonic_s();
    *result = (struct i8_verify_result){.device = "cpu"};
    enum i8_status status = i8i_pool_new(&pool, o->runtime.threads, err);
    if (status == I8_OK)
        status = i8i_session_open(&a, original, &o->runtime, pool, err);
    if (status == I8_OK && converted != NULL) {
        status = i8i_session_open(&b, converted, &o->runtime, pool, err);
        if (status == I8_OK)
            status = check_alike(&a, &b, err);
    }
    if (status == I8_OK)
        status = verify(result, &a, &b, pool, o, err);
    if (status == I8_OK) {
        result->peak_device_bytes = i8i_engine_peak_bytes(a.engine);
        if (converted != NULL)
            result->peak_device_bytes += i8i_engine_peak_bytes(b.engine);
        result->seconds = i8i_monotonic_s() - start;
        result->pass = within_limits(result, o);
    }
    i8i_session_close(&b);
    i8i_session_close(&a);
    i8i_pool_free(pool);
    if (status != I8_OK)
        i8_verify_result_free(result);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Prefill once, then one position at a time through the KV cache.
 */
#include "config.h"

#include "verify/continuation.h"

#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

/* The run's input, and the ids that the answer begins with. */
static enum i8_status begin(struct i8i_continuation *out, struct i8i_run_input *input,
                            const struct i8i_model *model,
                            const struct i8i_model_text *text, const int32_t *prompt,
                            size_t n, size_t max_new, struct i8_error *err)
{
    bool encoder = model->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    uint64_t room;
    if (encoder && text->start_id < 0)
        return i8i_fail(
            err, I8_ERR_DATA,
            "%s: config.json has no decoder_start_token_id, which the decoder "
            "begins with",
            model->name);
    out->n_given = encoder ? 1 : n;
    if (!i8i_add_u64(&room, out->n_given, max_new) || room > INT32_MAX)
        return i8i_fail(err, I8_ERR_ARG, "%zu new tokens are too many", max_new);
    out->ids = i8i_calloc((size_t)room, sizeof *out->ids);
    if (out->ids == NULL)
        return i8i_nomem(err);
    if (encoder)
        out->ids[0] = (int32_t)text->start_id;
    else
        memcpy(out->ids, prompt, n * sizeof *prompt);
    out->n = out->n_given;
    *input = (struct i8i_run_input){
        .ids = prompt,
        .n_ids = n,
        .decoder_ids = encoder ? out->ids : NULL,
        .n_decoder_ids = encoder ? 1 : 0,
        .cache = true,
        .cache_tokens = (size_t)room - 1, /* the last new one is never an input */
        .last_logits_only = true,
    };
    return I8_OK;
}

static enum i8_status next_id(struct i8i_continuation *out, struct i8i_run *run,
                              struct i8i_sampler *sampler, struct i8_error *err)
{
    size_t rows, vocab;
    enum i8_status status = i8i_run_finish(run, err);
    if (status != I8_OK)
        return status;
    const float *logits = i8i_run_logits(run, &rows, &vocab);
    if (logits == NULL || rows == 0)
        return i8i_fail(err, I8_ERR_DATA, "the model gives no logits");
    status = i8i_sampler_next(sampler, &out->ids[out->n], logits + (rows - 1) * vocab,
                              vocab, err);
    if (status != I8_OK)
        i8i_error_prefix(err, "position %zu", out->n - 1);
    else
        out->n++;
    return status;
}

enum i8_status i8i_continue(struct i8i_continuation *out, struct i8i_engine *engine,
                            const struct i8i_model *model,
                            const struct i8i_model_text *text, const int32_t *prompt,
                            size_t n, const struct i8i_continuation_options *o,
                            struct i8_error *err)
{
    struct i8i_run *run = NULL;
    struct i8i_run_input input;
    bool past_limit = false;
    *out = (struct i8i_continuation){0};
    enum i8_status status = begin(out, &input, model, text, prompt, n, o->max_new, err);
    if (status == I8_OK)
        status = i8i_run_new(&run, engine, &input, &past_limit, err);
    if (status == I8_OK && past_limit)
        i8i_log(o->log, I8_LOG_WARNING,
                "%s: %zu positions are more than the model's stated maximum of %lld",
                model->name, input.cache_tokens,
                (long long)model->hp.dim[I8I_DIM_POSITIONS]);
    while (status == I8_OK && out->n < out->n_given + o->max_new) {
        status = next_id(out, run, o->sampler, err);
        if (status == I8_OK && o->grown != NULL)
            status = o->grown(o->ctx, out->ids, out->n, err);
        if (status != I8_OK || i8i_model_text_is_end(text, out->ids[out->n - 1]))
            break;
        if (out->n < out->n_given + o->max_new)
            status = i8i_run_extend(run, &out->ids[out->n - 1], 1, err);
    }
    i8i_run_free(run);
    if (status != I8_OK) {
        free(out->ids);
        *out = (struct i8i_continuation){0};
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows as inputs: who reads what, and what is scored.
 */
#include "config.h"

#include "verify/task.h"

#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

static enum i8_status init_decoder(struct i8i_task *t, const struct i8i_window *w,
                                   struct i8_error *err)
{
    t->input = (struct i8i_run_input){.ids = w->ids, .n_ids = w->n};
    t->n_labels = w->n;
    t->labels = i8i_calloc(w->n, sizeof *t->labels);
    if (t->labels == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < w->n; i++)
        t->labels[i] = i + 1 < w->n ? w->ids[i + 1] : -1;
    return I8_OK;
}

static enum i8_status init_encoder_decoder(struct i8i_task *t, const struct i8i_model *m,
                                           const struct i8i_model_text *text,
                                           const struct i8i_window *w,
                                           struct i8_error *err)
{
    size_t half = w->n / 2;
    if (text->start_id < 0)
        return i8i_fail(
            err, I8_ERR_DATA,
            "%s: config.json has no decoder_start_token_id, which the decoder's "
            "input begins with",
            m->name);
    t->n_labels = w->n - half;
    t->labels = i8i_calloc(t->n_labels, sizeof *t->labels);
    t->decoder_ids = i8i_calloc(t->n_labels, sizeof *t->decoder_ids);
    if (t->labels == NULL || t->decoder_ids == NULL)
        return i8i_nomem(err);
    memcpy(t->labels, w->ids + half, t->n_labels * sizeof *t->labels);
    /* The last of them is no input, so no run checks it. */
    if (t->labels[t->n_labels - 1] >= m->hp.dim[I8I_DIM_VOCAB])
        return i8i_fail(err, I8_ERR_DATA,
                        "token id %d at position %zu is outside the vocabulary of %lld",
                        (int)t->labels[t->n_labels - 1], w->n - 1,
                        (long long)m->hp.dim[I8I_DIM_VOCAB]);
    t->decoder_ids[0] = (int32_t)text->start_id;
    memcpy(t->decoder_ids + 1, t->labels, (t->n_labels - 1) * sizeof *t->labels);
    t->input = (struct i8i_run_input){
        .ids = w->ids,
        .n_ids = half,
        .decoder_ids = t->decoder_ids,
        .n_decoder_ids = t->n_labels,
    };
    return I8_OK;
}

enum i8_status i8i_task_init(struct i8i_task *t, const struct i8i_model *m,
                             const struct i8i_model_text *text,
                             const struct i8i_window *w, struct i8_error *err)
{
    *t = (struct i8i_task){0};
    if (m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER)
        return init_encoder_decoder(t, m, text, w, err);
    return init_decoder(t, w, err);
}

void i8i_task_free(struct i8i_task *t)
{
    free(t->decoder_ids);
    free(t->labels);
    *t = (struct i8i_task){0};
}

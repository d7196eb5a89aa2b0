/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening in order, closing in reverse.
 */
#include "config.h"

#include "verify/session.h"

static enum i8i_outlier_mode outlier_mode(enum i8_outliers outliers)
{
    switch (outliers) {
    case I8_OUTLIERS_DYNAMIC:
        return I8I_OUTLIERS_DYNAMIC;
    case I8_OUTLIERS_STORED:
        return I8I_OUTLIERS_STORED;
    case I8_OUTLIERS_NONE:
        return I8I_OUTLIERS_NONE;
    case I8_OUTLIERS_AUTO:
        break;
    }
    return I8I_OUTLIERS_AUTO;
}

enum i8_status i8i_session_open(struct i8i_session *s, const char *model,
                                const struct i8_runtime *runtime, struct i8i_pool *pool,
                                struct i8_error *err)
{
    const struct i8i_model_options model_options = {.require_family = true};
    const struct i8i_engine_options engine_options = {
        .device = runtime->device,
        .threads = runtime->threads,
        .outliers = outlier_mode(runtime->outliers),
        .pool = pool,
    };
    *s = (struct i8i_session){0};
    enum i8_status status = i8i_model_open(&s->model, model, &model_options, err);
    if (status == I8_OK)
        status = i8i_engine_open(&s->engine, s->model, &engine_options, err);
    if (status == I8_OK)
        status = i8i_model_text_open(&s->text, s->model, err);
    for (size_t i = 0; status == I8_OK && i < s->model->n_notes; i++)
        i8i_log(runtime->log, I8_LOG_NOTE, "%s: %s", model, s->model->notes[i]);
    return status;
}

void i8i_session_close(struct i8i_session *s)
{
    i8i_model_text_free(&s->text);
    i8i_engine_free(s->engine);
    i8i_model_free(s->model);
    *s = (struct i8i_session){0};
}

enum i8_status i8i_session_load(struct i8i_session *s, struct i8_error *err)
{
    enum i8_status status = I8_OK;
    for (size_t i = 0; status == I8_OK && i < i8i_engine_stages(s->engine); i++)
        status = i8i_engine_load(s->engine, i, err);
    return status;
}

void i8i_session_unload(struct i8i_session *s)
{
    for (size_t i = 0; i < i8i_engine_stages(s->engine); i++)
        i8i_engine_unload(s->engine, i);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop that makes a model go on: for generate, and for verify --generate.
 */
#ifndef I8I_VERIFY_CONTINUATION_H
#define I8I_VERIFY_CONTINUATION_H

#include "engine/engine.h"
#include "verify/model_text.h"
#include "verify/sampler.h"

struct i8i_continuation_options {
    size_t max_new;
    struct i8i_sampler *sampler;
    /* Called with all ids after each new one; may fail. NULL: none. */
    enum i8_status (*grown)(void *ctx, const int32_t *ids, size_t n,
                            struct i8_error *err);
    void *ctx;
    const struct i8_log *log;
};
struct i8i_continuation {
    int32_t *ids; /* freed by the caller */
    size_t n, n_given;
};

/* Continues `prompt` (an encoder–decoder's encoder reads it, and the ids begin with the
 * start id) until max_new ids are there or one ends the sequence. Stages stay loaded. */
enum i8_status i8i_continue(struct i8i_continuation *out, struct i8i_engine *engine,
                            const struct i8i_model *model,
                            const struct i8i_model_text *text, const int32_t *prompt,
                            size_t n, const struct i8i_continuation_options *options,
                            struct i8_error *err) I8I_MUST_CHECK;

#endif

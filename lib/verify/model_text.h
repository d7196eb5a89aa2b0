/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model says about text, beside its weights: the tokenizer, and the ids that
 * begin and end a sequence.
 */
#ifndef I8I_VERIFY_MODEL_TEXT_H
#define I8I_VERIFY_MODEL_TEXT_H

#include "model/model.h"
#include "tokenizer/tokenizer.h"

struct i8i_model_text {
    struct i8i_tokenizer *tokenizer; /* NULL: none, and the error below says why */
    struct i8_error no_tokenizer;
    int32_t *end_ids; /* any of them ends a sequence */
    size_t n_end_ids;
    int64_t start_id; /* begins a decoder's input (encoder–decoder); −1: none stated */
};

/* From tokenizer.json, generation_config.json and config.json of the model's folder. A
 * tokenizer that is not there or not handled is no failure; a broken one is. */
enum i8_status i8i_model_text_open(struct i8i_model_text *t, const struct i8i_model *m,
                                   struct i8_error *err) I8I_MUST_CHECK;
void i8i_model_text_free(struct i8i_model_text *t);
bool i8i_model_text_is_end(const struct i8i_model_text *t, int32_t id);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * A window as a run's input, and what each of its logits should say.
 */
#ifndef I8I_VERIFY_TASK_H
#define I8I_VERIFY_TASK_H

#include "engine/engine.h"
#include "verify/windows.h"

struct i8i_task {
    struct i8i_run_input input; /* ids borrowed from the window */
    int32_t *decoder_ids;       /* owned; NULL without an encoder */
    int32_t *labels;            /* one a row of logits; −1: none */
    size_t n_labels;
};

/* A decoder's window is scored from its second id on. An encoder–decoder's encoder has
 * the first half; the second half are labels, shifted right behind the start id to be
 * the decoder's input. */
enum i8_status i8i_task_init(struct i8i_task *t, const struct i8i_model *m,
                             const struct i8i_model_text *text,
                             const struct i8i_window *w,
                             struct i8_error *err) I8I_MUST_CHECK;
void i8i_task_free(struct i8i_task *t);

#endif

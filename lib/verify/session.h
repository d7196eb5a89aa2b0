/* SPDX-License-Identifier: Apache-2.0
 *
 * A model that is open to be run: the model, its engine, what it says about text.
 */
#ifndef I8I_VERIFY_SESSION_H
#define I8I_VERIFY_SESSION_H

#include "engine/engine.h"
#include "verify/model_text.h"
#include <int8tool/runtime.h>

struct i8i_session {
    struct i8i_model *model;
    struct i8i_engine *engine;
    struct i8i_model_text text;
};
/* Failures name the model. *s is freed by i8i_session_close either way; the pool must
 * outlive it. */
enum i8_status i8i_session_open(struct i8i_session *s, const char *model,
                                const struct i8_runtime *runtime, struct i8i_pool *pool,
                                struct i8_error *err) I8I_MUST_CHECK;
void i8i_session_close(struct i8i_session *s);

/* Loads every stage, so that what follows is timed without it. */
enum i8_status i8i_session_load(struct i8i_session *s,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Unloads every stage. */
void i8i_session_unload(struct i8i_session *s);

#endif

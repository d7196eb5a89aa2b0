/* SPDX-License-Identifier: Apache-2.0
 *
 * One transformer forward pass, driven by the family table, over a backend's table of
 * operations. The pass is cut into stages (embedding, each block, final norm and
 * head) so that a caller can run two models in lockstep, or stream a model that is
 * larger than memory: load a stage, push every batch through it, unload it.
 *
 * Arithmetic: an unquantized Linear computes in fp32 from the stored weights. An int8
 * Linear follows LLM.int8() as bitsandbytes does it: activations cast to fp16, outlier
 * columns by |x| ≥ threshold over the rows of the batch, row absmax over what is left,
 * exact int32 products, dequantized epilogue, outlier columns times dequantized
 * weights in 16 bit. Everything between Linears is fp32 (softmax sums in fp32).
 */
#ifndef I8I_ENGINE_ENGINE_H
#define I8I_ENGINE_ENGINE_H

#include "base/pool.h"
#include "model/model.h"

enum i8i_outlier_mode {
    I8I_OUTLIERS_AUTO,    /* stored columns where there are any, threshold for the rest */
    I8I_OUTLIERS_DYNAMIC, /* threshold only */
    I8I_OUTLIERS_STORED,  /* stored columns only */
    I8I_OUTLIERS_NONE,    /* plain int8 */
};

struct i8i_engine_options {
    const char *device; /* "cpu"; NULL: "cpu" */
    unsigned threads;   /* 0: one a processor */
    enum i8i_outlier_mode outliers;
    struct i8i_pool *pool; /* shared with other engines; NULL: its own of `threads` */
};

/* Whether the forward pass can run this model; if not, I8_ERR_UNSUPPORTED names the
 * family and what is missing. */
enum i8_status i8i_engine_supports(const struct i8i_model *model,
                                   struct i8_error *err) I8I_MUST_CHECK;

struct i8i_engine; /* borrows the model */
enum i8_status i8i_engine_open(struct i8i_engine **out, const struct i8i_model *model,
                               const struct i8i_engine_options *options,
                               struct i8_error *err) I8I_MUST_CHECK;
void i8i_engine_free(struct i8i_engine *e);

/* Stages in order of execution. For an encoder–decoder: the encoder's first. */
size_t i8i_engine_stages(const struct i8i_engine *e);
const char *i8i_engine_stage_name(const struct i8i_engine *e,
                                  size_t stage); /* module path */
/* Loads a stage's weights; loading a loaded stage does nothing. */
enum i8_status i8i_engine_load(struct i8i_engine *e, size_t stage,
                               struct i8_error *err) I8I_MUST_CHECK;
void i8i_engine_unload(struct i8i_engine *e, size_t stage);

/* One batch of one sequence on its way through the stages: ids in, hidden states, an
 * optional KV cache, logits out. */
struct i8i_run;
struct i8i_run_input {
    const int32_t *ids; /* decoder-only: the tokens; encoder–decoder: the encoder's */
    size_t n_ids;
    const int32_t *decoder_ids; /* encoder–decoder only */
    size_t n_decoder_ids;
    bool cache;          /* keep K and V, so that i8i_run_extend can follow */
    size_t cache_tokens; /* decoder positions that the cache must hold in the end */
    bool last_logits_only;
};
/* Checks ids against the vocabulary and the count against a learned position table
 * (I8_ERR_DATA with both numbers); beyond a rotary or ALiBi model's stated maximum
 * *past_limit is set (may be NULL). */
enum i8_status i8i_run_new(struct i8i_run **out, struct i8i_engine *e,
                           const struct i8i_run_input *input, bool *past_limit,
                           struct i8_error *err) I8I_MUST_CHECK;
void i8i_run_free(struct i8i_run *r);
/* Runs one stage; stages must be run in order, each loaded. */
enum i8_status i8i_run_stage(struct i8i_run *r, size_t stage,
                             struct i8_error *err) I8I_MUST_CHECK;
/* All stages that are left, loading each and keeping it loaded. */
enum i8_status i8i_run_finish(struct i8i_run *r, struct i8_error *err) I8I_MUST_CHECK;
/* Appends decoder tokens to a finished run that has a cache, and rewinds the stages:
 * the next i8i_run_finish computes the new positions only (an encoder is not re-run). */
enum i8_status i8i_run_extend(struct i8i_run *r, const int32_t *ids, size_t n,
                              struct i8_error *err) I8I_MUST_CHECK;
/* Hidden states behind the last stage run: (rows, cols) fp32 row-major, borrowed until
 * the next call on r. Writable, so that a caller can replace a stage's input. */
float *i8i_run_hidden(struct i8i_run *r, size_t *rows, size_t *cols);
/* The encoder's final output once its stages are done (encoder–decoder), else NULL. */
const float *i8i_run_encoder_output(struct i8i_run *r, size_t *rows, size_t *cols);
/* (rows, vocab) fp32 behind the last stage; rows is 1 with last_logits_only. */
const float *i8i_run_logits(struct i8i_run *r, size_t *rows, size_t *vocab);

/* Outlier columns met by each int8 Linear of `stage` since the engine was opened (the
 * largest count in one batch), summed over its Linears. */
size_t i8i_engine_outlier_columns(const struct i8i_engine *e, size_t stage);
/* Bytes of weights, caches and scratch held at the highest. */
uint64_t i8i_engine_peak_bytes(const struct i8i_engine *e);

#endif

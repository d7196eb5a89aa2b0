/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engine's files share: weights by slot, stages, the state of a run. A slot
 * is a place in the pass; a table in engine_load.c says which roles of the family
 * fill it.
 */
#ifndef I8I_ENGINE_ENGINE_STATE_H
#define I8I_ENGINE_ENGINE_STATE_H

#include "engine/backend.h"
#include "engine/engine.h"

/* Linears. Those that read the same input share a slot, one below the other. */
enum i8i_linear_slot {
    I8I_LINEAR_IN,  /* project_in */
    I8I_LINEAR_QKV, /* all queries, all keys, all values */
    I8I_LINEAR_O,
    I8I_LINEAR_CROSS_Q,
    I8I_LINEAR_CROSS_KV, /* of the encoder's output */
    I8I_LINEAR_CROSS_O,
    I8I_LINEAR_UP, /* gate, if there is one, then up */
    I8I_LINEAR_DOWN,
    I8I_LINEAR_OUT, /* project_out */
    I8I_LINEAR_HEAD,
    I8I_LINEAR_SLOTS
};

enum i8i_norm_slot {
    I8I_NORM_EMBED,
    I8I_NORM_ATTN,
    I8I_NORM_Q,
    I8I_NORM_K,
    I8I_NORM_ATTN_POST,
    I8I_NORM_CROSS,
    I8I_NORM_MLP,
    I8I_NORM_MLP_POST,
    I8I_NORM_FINAL,
    I8I_NORM_SLOTS
};

#define I8I_LINEAR_PARTS 4

/* A slot's rows, in one matrix if all of them are stored alike. */
struct i8i_linear {
    size_t rows, cols; /* 0: the slot is empty */
    int n_parts;
    struct {
        struct i8i_matrix *matrix;
        size_t first_row, rows;
        int modules;   /* Linears in it */
        bool borrowed; /* the token embedding, of a tied head */
    } part[I8I_LINEAR_PARTS];
};

struct i8i_norm {
    bool present;
    size_t cols;
    struct i8i_norm_spec spec;
    struct i8i_mem *gain, *bias;
};

enum i8i_stage_kind {
    I8I_STAGE_EMBED,
    I8I_STAGE_BLOCK,
    I8I_STAGE_NORM, /* the encoder's end */
    I8I_STAGE_HEAD, /* the decoder's end: final norm and output head */
};

struct i8i_stage {
    enum i8i_stage_kind kind;
    int stack; /* 0: decoder, 1: encoder */
    int block; /* -1 outside the blocks */
    const char *name;
    bool loaded;
    struct i8i_linear linear[I8I_LINEAR_SLOTS];
    struct i8i_norm norm[I8I_NORM_SLOTS];
    struct i8i_matrix *embed;     /* borrowed from the engine's table */
    struct i8i_matrix *positions; /* learned positions */
    /* The most outlier columns met, times Linears, kept when a stage is unloaded. */
    size_t outliers[I8I_LINEAR_SLOTS][I8I_LINEAR_PARTS];
};

/* Buffers between two operations of a stage, shared by all runs. */
enum i8i_work {
    I8I_WORK_NORMED, /* a sublayer's input */
    I8I_WORK_SUB,    /* its output */
    I8I_WORK_SUB2,   /* the MLP's, beside the attention's */
    I8I_WORK_QKV,
    I8I_WORK_HEADS, /* attention's output, ahead of O */
    I8I_WORK_FFN,
    I8I_WORK_CROSS, /* keys and values of the encoder's output, without a cache */
    I8I_WORK_COUNT
};

struct i8i_buffer_mem {
    struct i8i_mem *mem;
    size_t count;
};

struct i8i_engine {
    const struct i8i_model *model;
    const struct i8i_hparams *hp;
    struct i8i_backend *b;
    struct i8i_pool *own_pool;
    float threshold;
    struct i8i_stage *stages;
    size_t n_stages;
    size_t first_decoder_stage;
    /* The token embedding, which stages and a tied head share. */
    struct i8i_matrix *embed;
    int embed_param, embed_users;
    float *buckets[2]; /* T5's bias of each stack, (buckets, heads), kept from block 0 */
    struct i8i_buffer_mem rotary; /* (positions, rotated) */
    struct i8i_buffer_mem work[I8I_WORK_COUNT];
};

struct i8i_run {
    struct i8i_engine *e;
    size_t next_stage;
    int32_t *encoder_ids, *ids; /* ids has room for `positions` */
    size_t n_encoder_ids;
    size_t past, n_new; /* decoder positions that are done, and in work */
    size_t positions;   /* the most there may be */
    bool cache, last_logits_only;
    struct i8i_buffer_mem hidden, encoder_out, logits;
    size_t hidden_rows, hidden_cols, logits_rows;
    bool encoder_done;
    struct i8i_mem **cached; /* a decoder block's K, V, cross K and V (one buffer) */
    struct i8i_mem *bias[2]; /* of each stack: by distance, see i8i_attention_spec */
    size_t bias_width[2], bias_zero[2];
};

static inline size_t i8i_dim(const struct i8i_engine *e, enum i8i_dim d)
{
    return (size_t)e->hp->dim[d];
}
static inline size_t i8i_or(size_t value, size_t otherwise)
{
    return value ? value : otherwise;
}
static inline size_t i8i_heads(const struct i8i_engine *e, int stack)
{
    return i8i_or(stack == 1 ? i8i_dim(e, I8I_DIM_ENC_HEADS) : 0,
                  i8i_dim(e, I8I_DIM_HEADS));
}
static inline size_t i8i_kv_heads(const struct i8i_engine *e, int stack)
{
    return stack == 1 ? i8i_heads(e, 1)
                      : i8i_or(i8i_dim(e, I8I_DIM_KV_HEADS), i8i_heads(e, 0));
}
static inline size_t i8i_v_head_dim(const struct i8i_engine *e)
{
    return i8i_or(i8i_dim(e, I8I_DIM_V_HEAD_DIM), i8i_dim(e, I8I_DIM_HEAD_DIM));
}

/* Grows (contents lost) to `count` elements. */
enum i8_status i8i_buffer_mem_reserve(struct i8i_engine *e, struct i8i_buffer_mem *m,
                                      size_t count, struct i8_error *err) I8I_MUST_CHECK;
void i8i_buffer_mem_free(struct i8i_engine *e, struct i8i_buffer_mem *m);

/* engine_weights.c */

/* The module's parameter, ties followed; NULL if there is none (or module is -1). */
const struct i8i_param *i8i_stored(const struct i8i_model *m, int module,
                                   const char *leaf);
/* A whole small tensor in fp32. Caller frees. */
enum i8_status i8i_read_f32(const struct i8i_engine *e, const struct i8i_param *p,
                            float **out, size_t count,
                            struct i8_error *err) I8I_MUST_CHECK;
/* Rows of one Linear on their way into a matrix. */
struct i8i_filling {
    struct i8i_engine *e;
    struct i8i_matrix *matrix;
    const struct i8i_module *module;
    size_t first; /* row of the matrix where the module's rows begin */
    bool fused;   /* rows are to be reordered */
    int stack;
};
/* The module's weight and bias. */
enum i8_status i8i_fill(const struct i8i_filling *f, struct i8_error *err) I8I_MUST_CHECK;

/* engine_load.c */
size_t i8i_stage_outliers(const struct i8i_engine *e, struct i8i_stage *s);
void i8i_stage_unload(struct i8i_engine *e, struct i8i_stage *s);
enum i8_status i8i_stage_load(struct i8i_engine *e, struct i8i_stage *s,
                              struct i8_error *err) I8I_MUST_CHECK;

/* engine_forward.c: one stage of a run whose state is consistent. */
enum i8_status i8i_forward(struct i8i_run *r, struct i8i_stage *s,
                           struct i8_error *err) I8I_MUST_CHECK;

/* engine_position.c: tables of positions, in host memory. */

/* (positions, rotated): cosines, then sines of each position. */
void i8i_rotary_table(float *out, size_t positions, size_t rotated,
                      const struct i8i_arch *arch);
/* ALiBi's slopes, as BLOOM has them for any number of heads. */
void i8i_alibi_slopes(float *out, size_t heads);
/* T5's bucket of key position − query position. */
size_t i8i_relative_bucket(int64_t distance, bool bidirectional, size_t buckets,
                           size_t max_distance);
/* Ensures that the engine's rotary table covers `positions`. */
enum i8_status i8i_rotary_reserve(struct i8i_engine *e, size_t positions,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* Makes the run's bias by distance for `stack`, if its kind of position needs one and it
 * is not there. */
enum i8_status i8i_bias_reserve(struct i8i_run *r, int stack,
                                struct i8_error *err) I8I_MUST_CHECK;

#endif

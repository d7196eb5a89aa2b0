/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over one block as a tape of allocations: the tensors that transformers'
 * modeling code makes, in its order, each alive as long as a Python name or an
 * argument holds it. What a family's code holds longer than it needs is in
 * i8i_family.holds. Elements are counted in rows of tokens, and in attention scores.
 */
#ifndef I8I_PLANNER_FORWARD_PASS_H
#define I8I_PLANNER_FORWARD_PASS_H

#include "planner/tape.h"
#include "planner/workload.h"

struct i8i_pass {
    struct i8i_tape tape;
    const struct i8i_workload *w;
    const struct i8i_model *m;
    unsigned holds;
    uint64_t batch, queries, keys; /* of its own attention */
    uint64_t b;                    /* bytes of an element */
    uint64_t tokens;               /* batch × queries */
    uint64_t unit;                 /* bytes of one hidden state */
    uint64_t residual;             /* of one on the residual stream (T5 in fp16: fp32) */
    uint64_t heads, kv_heads, width, values, hidden, ffn;
    uint64_t cache;  /* bytes that this pass adds to the block's own cache */
    uint64_t cross;  /* and to its cache of the encoder's keys and values */
    uint64_t window; /* of the block's attention; 0: none */
    bool cached, first_block, decode;
    bool decoder;   /* of an encoder–decoder */
    bool experts;   /* routed */
    bool fused_mlp; /* gate and up are one projection */
    bool two_norms; /* attention and MLP have a norm each */
};

static inline bool i8i_pass_rotates(const struct i8i_pass *p)
{
    enum i8i_position_kind kind = p->m->hp.arch.position;
    return kind == I8I_POS_ROTARY || kind == I8I_POS_ROTARY_PAIRS;
}
static inline void i8i_pass_make(struct i8i_pass *p, uint64_t bytes)
{
    i8i_tape_make(&p->tape, bytes);
}
static inline void i8i_pass_drop(struct i8i_pass *p, uint64_t bytes)
{
    i8i_tape_drop(&p->tape, bytes);
}
static inline void i8i_pass_touch(struct i8i_pass *p, uint64_t bytes)
{
    i8i_tape_touch(&p->tape, bytes);
}

/* Bytes of the attention weights over `keys` positions. */
static inline uint64_t i8i_pass_weights(const struct i8i_pass *p, uint64_t keys)
{
    return p->batch * p->heads * p->queries * keys * p->b;
}

/* Makes rows × out: a Linear, in int8 if asked. */
void i8i_pass_linear(struct i8i_pass *p, uint64_t rows, uint64_t in, uint64_t out,
                     bool int8);
/* Makes a normed hidden state of the residual stream. */
void i8i_pass_norm(struct i8i_pass *p);

/* From the normed hidden state to the attention's output, one unit, which stays; so do
 * eager attention's weights. */
void i8i_pass_attention(struct i8i_pass *p);
/* The decoder's attention to the encoder's output, with its norm and residual sum. */
void i8i_pass_cross_attention(struct i8i_pass *p);
/* The eager kernel up to its weights, which stay. `added`: terms that are added to the
 * scores, each into a new tensor. */
void i8i_pass_scores(struct i8i_pass *p, uint64_t keys, int added);
/* PyTorch's own composition of fused attention, in fp32, where no kernel serves. */
void i8i_pass_composed(struct i8i_pass *p, uint64_t keys);

/* From the MLP's normed input to its output, one unit, which stays. */
void i8i_pass_mlp(struct i8i_pass *p);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What running a model holds beside its weights: the key-value cache and the tensors
 * that a forward pass has alive at its worst moment, by block and by phase. The
 * formulas are in docs/planning.md; they follow what transformers' modeling code
 * allocates, line by line, and are no fit to measurements.
 */
#ifndef I8I_PLANNER_WORKLOAD_H
#define I8I_PLANNER_WORKLOAD_H

#include "model/model.h"
#include "planner/partition.h"
#include <int8tool/plan.h>

/* The sizes of one run, all at least 1 where they apply. */
struct i8i_workload {
    uint64_t batch, prompt, context, new_tokens;
    unsigned element;  /* bytes of an element of activations and cache */
    bool half;         /* float16: softmax reads it without a converted copy */
    bool int8;         /* Linears multiply in int8 */
    bool eager;        /* scores are made, else a fused kernel */
    bool transformers; /* its code runs: it keeps all of a prompt in a window's cache, and
                          caches grouped heads repeated where the family does */
    bool compressed;   /* MLA caches its latents, not the keys made of them */
    bool keeps_down;   /* the MLP's last product has fp32 weights where others have fp16
                          (T5), and is no int8 one */
    bool fused_experts; /* transformers 5's three-dimensional experts */
    bool ends;          /* there is an end token: generate's processors look at it */
    uint64_t window;    /* of the blocks that have one; 0: none */
    uint64_t encoded;   /* positions of the encoder of an encoder–decoder */
    int gelu_tensors;   /* tensors of the inner width that the activation has alive */
};

/* A dimension of the model, 0 where it has none. */
static inline uint64_t i8i_plan_dim(const struct i8i_model *m, enum i8i_dim d)
{
    return m->hp.dim[d] > 0 ? (uint64_t)m->hp.dim[d] : 0;
}

/* I8_ERR_ARG when the request contradicts itself or overflows. */
enum i8_status i8i_workload_init(struct i8i_workload *w, const struct i8i_model *m,
                                 const struct i8_plan_request *r,
                                 struct i8_error *err) I8I_MUST_CHECK;

/* Whether the cache has keys and values for every head, although heads share them. */
bool i8i_workload_all_heads(const struct i8i_workload *w, const struct i8i_model *m);
/* Cache of one block, at the end of each phase. */
void i8i_workload_cache(uint64_t kv[I8I_PHASES], const struct i8i_workload *w,
                        const struct i8i_model *m, int stack, int block);
/* The worst moment of one block, and of the output head, in each phase, less the cache
 * that the block has at the end of the phase. */
void i8i_workload_block(uint64_t active[I8I_PHASES], const struct i8i_workload *w,
                        const struct i8i_model *m, int stack, int block);
void i8i_workload_head(uint64_t active[I8I_PHASES], const struct i8i_workload *w,
                       const struct i8i_model *m);

#endif
